/**
 * How the gateway connects to any server over TLS, upstreams included: which CAs are trusted, which name the certificate
 * carries, which keys are pinned, what the gateway itself shows.
 */
import type { X509Certificate } from 'node:crypto';
import { type ClientHttp2Session, type ClientSessionOptions, connect as http2Connect } from 'node:http2';
import { type AgentOptions, Agent as HttpsAgent } from 'node:https';
import { isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { type Authorities, systemAuthorities } from './authorities.ts';
import { serverFault } from './server-identity.ts';

/** What a server is trusted by. */
export interface Trust {
  /** Instead of the machine's CAs. */
  readonly ca?: Pick<Authorities, 'pem' | 'trustsEach'> | undefined;
  /** As `readPin` gives them; one must be the server's own. Asked in addition to chain and name, never instead of them. */
  readonly pins?: readonly string[] | undefined;
  /** The server's certificate itself, its own anchor: neither chain nor name are asked about besides, unless `servername` is. */
  readonly certificate?: X509Certificate | undefined;
  /** The name in the certificate, where it is not the host of the URL. */
  readonly servername?: string | undefined;
  /** Our own certificate and its key in PEM, for a server that asks for one. */
  readonly own?: { readonly certificate: string; readonly key: string } | undefined;
  /** Told at each full handshake with whom it was, and when the first certificate of the chain ends. */
  readonly onCertificate?: CertificateListener | undefined;
}

/** Hears of certificates of servers; `endsAt` in milliseconds since the epoch. */
export type CertificateListener = (host: string, endsAt: number) => void;

/** For `connectTls` and whatever passes options on to `tls.connect`, such as undici's `connect`. */
export interface TlsClientOptions {
  readonly secureContext: SecureContext;
  /** Set outright: an environment with NODE_TLS_REJECT_UNAUTHORIZED=0 does not weaken it. */
  readonly rejectUnauthorized: true;
  readonly minVersion: 'TLSv1.2';
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
  readonly servername?: string;
  /** What is spoken over the connection, where the server must agree to it. */
  readonly ALPNProtocols?: string[];
}

/** Makes the options once; they are for many connections, as reading the CAs takes some milliseconds. */
export function tlsClientOptions(trust: Trust = {}): TlsClientOptions {
  const { pins = [], servername, certificate: imported, onCertificate } = trust;
  return {
    secureContext: contextOf(trust),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    checkServerIdentity: (host, certificate) => {
      const name = servername ?? (imported ? undefined : host);
      const fault = serverFault({ name, pins, imported }, certificate);
      if (!fault) onCertificate?.(host, firstEnd(certificate as DetailedPeerCertificate));
      return fault;
    },
    // RFC 6066 §3: an address is not a server name.
    ...(servername !== undefined && isIP(servername) === 0 && { servername }),
  };
}

/** Where a connection goes, or the one that it goes over. The host is the name that is asked for where no other is given. */
type TlsTarget = { readonly host: string; readonly servername?: string } & (
  | { readonly port: number }
  | { readonly socket: Socket }
);

/** Connects to a server that must be who it says it is; `secureConnect` comes once that is known. */
export function connectTls(target: TlsTarget, options: TlsClientOptions): TLSSocket {
  return connect({ ...named(target), ...options });
}

/**
 * Shakes hands with whoever is there and believes nobody, for reports on the certificates that a server shows. Send nothing
 * over it, and take nothing for the server's word.
 */
export function insecureConnectTls(
  target: TlsTarget,
  more: Pick<ConnectionOptions, 'ca' | 'ciphers' | 'minVersion'> = {},
): TLSSocket {
  return connect({ ...more, ...named(target), rejectUnauthorized: false });
}

/** Node's own agent for https, for what undici cannot carry. */
export function httpsAgent(options: TlsClientOptions & Pick<AgentOptions, 'keepAlive'>): HttpsAgent {
  return new HttpsAgent(options);
}

/** RFC 6066 §3: an address is not a server name. */
function named({ servername, ...target }: TlsTarget): ConnectionOptions {
  const name = servername ?? target.host;
  return { ...target, ...(isIP(name) === 0 && { servername: name }) };
}

/** HTTP/2 over a connection that was made for it, by `connectTls` or without TLS. */
export function connectHttp2(
  origin: string,
  socket: Socket,
  // Node knows the option for clients, its types do not.
  options: ClientSessionOptions & { readonly strictSingleValueFields?: boolean },
): ClientHttp2Session {
  return http2Connect(origin, { ...options, createConnection: () => socket });
}

let machines: SecureContext | undefined;

/** The one with the machine's CAs is shared: it takes some milliseconds and holds hundreds of them. */
function contextOf({ ca: given, certificate, own }: Trust): SecureContext {
  const ca = certificate ? { pem: [certificate.toString()], trustsEach: true } : given;
  if (!ca && !own) {
    machines ??= createSecureContext({ ca: [...systemAuthorities()], minVersion: 'TLSv1.2' });
    return machines;
  }
  return createSecureContext({
    ca: [...(ca?.pem ?? systemAuthorities())],
    minVersion: 'TLSv1.2',
    allowPartialTrustChain: ca?.trustsEach === true,
    ...(own && { cert: own.certificate, key: own.key }),
  });
}

/** Of a chain as it was checked, so that an issuer that is about to end shows, too. Node links the last one to itself. */
function firstEnd(certificate: DetailedPeerCertificate): number {
  let end = Number.POSITIVE_INFINITY;
  const seen = new Set<DetailedPeerCertificate>();
  for (let at: DetailedPeerCertificate | undefined = certificate; at && !seen.has(at); at = at.issuerCertificate) {
    seen.add(at);
    end = Math.min(end, Date.parse(at.valid_to));
  }
  return end;
}
