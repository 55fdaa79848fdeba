/** A machine as its certificate shows it, and the way by which a connection came to the gateway. */

/** What the extended key usage of a certificate is good for, in the words of `tls/purpose.ts`. */
type CertificateUse = 'any' | 'server and client' | 'server' | 'client' | 'neither';

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
  /** All of it, in DER. */
  readonly der: Buffer;
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
  /** True: the listener asks for certificates. */
  readonly asks?: true;
  /** Present where the listener asked for a certificate and got one. */
  readonly certificate?: PeerCertificate;
}

/** A machine that the configuration knows: one row of its table. Texts are compared as certificates have them. */
export interface PeerRow {
  readonly name: string;
  /** Any of these makes a certificate this machine's. */
  readonly sha256: readonly string[];
  readonly sha1: readonly string[];
  readonly pins: readonly string[];
  /** In lower case; `*.` may stand for the first label. */
  readonly names: readonly string[];
  readonly uris: readonly string[];
  /** Of these thumbprints and pins, those for which no authority need vouch. */
  readonly ownAnchors: readonly string[];
  /** True: what its certificate was issued for does not matter. */
  readonly anyUse: boolean;
  readonly services: readonly string[];
  /** In milliseconds since the epoch; absent: for good. */
  readonly until?: number;
  readonly contact?: string;
}

/** What machines may reach. */
export interface Service {
  readonly name: string;
  readonly label?: string;
  /** `any`: every certificate that the listener takes; `listed`: those of rows that name the service. */
  readonly admit: 'listed' | 'any';
}
