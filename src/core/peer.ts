/** A machine as its certificate shows it, and the way by which a connection came to the gateway. */

/** What the extended key usage of a certificate is good for; `any` where it has none, or says so. */
export type CertificateUse = 'server' | 'client' | 'both' | 'any' | 'neither';

/** Whether the certificates above one lead to an authority of the listener. */
type PeerChain =
  | { readonly kind: 'held' }
  /** `code` is OpenSSL's own word, such as `CERT_HAS_EXPIRED`. */
  | { readonly kind: 'broken'; readonly code: string };

/** The certificate of a client, read once a handshake. Digests are hex in lower case, times are milliseconds. */
export interface PeerCertificate {
  readonly thumbprint: string;
  readonly sha1: string;
  /** SHA-256 of its key, as `pins` are written. */
  readonly pin: string;
  /** DNS names in lower case, without a trailing dot. */
  readonly names: readonly string[];
  readonly uris: readonly string[];
  readonly use: CertificateUse;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly validFrom: number;
  readonly validTo: number;
  /** As the listener found it at the handshake; nobody is admitted by it alone. */
  readonly chain: PeerChain;
}

/** The listener that a connection came by, and what it showed there. */
export interface Arrival {
  readonly listener: string;
  /** Present where the listener asked for a certificate and got one. */
  readonly certificate?: PeerCertificate;
}
