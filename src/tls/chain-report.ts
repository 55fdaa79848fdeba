/** What a certificate chain says of itself: names, dates, digests, and whether it leads to a trusted CA. */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Authorities, systemAnchors } from './authorities.ts';
import { insecureConnectTls } from './client.ts';
import { spkiPin } from './pins.ts';

/** One certificate. */
interface CertificateReport {
  readonly subject: string;
  readonly issuer: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** The names and addresses it is good for. */
  readonly names: readonly string[];
  readonly serialNumber: string;
  /** SHA-256 of the whole certificate, in hex with colons. */
  readonly thumbprint: string;
  /** SHA-1 of it, as older tools show. */
  readonly thumbprintSha1: string;
  /** SHA-256 of its key, as `pins` wants it. */
  readonly pin: string;
  readonly selfSigned: boolean;
}

/** A chain, the server's own certificate first. */
export interface ChainReport {
  readonly certificates: readonly CertificateReport[];
  /** Whether each is issued by the next and the last by a CA that is trusted, or is one. */
  readonly complete: boolean;
  /** The issuer that is wanted and not there; undefined when the chain is complete. */
  readonly missing: string | undefined;
  /** The earliest end of a certificate in the chain. */
  readonly expires: Date;
}

/** Reports on a chain, the server's own certificate first, against the CAs that are trusted. */
export function chainReport(chain: readonly X509Certificate[], anchors: readonly X509Certificate[]): ChainReport {
  const ordered = orderChain(chain);
  const last = ordered.at(-1);
  const complete = last !== undefined && anchors.some((anchor) => isAnchorOf(anchor, last));
  return {
    certificates: ordered.map(certificateReport),
    complete,
    missing: complete || !last ? undefined : oneLine(last.issuer),
    expires: new Date(Math.min(...ordered.map((certificate) => Date.parse(certificate.validTo)))),
  };
}

/** The certificates of the CAs, or of the machine's when none are given. */
export function anchorsOf(authorities: Authorities | undefined): readonly X509Certificate[] {
  return authorities?.certificates ?? systemAnchors();
}

/**
 * Shakes hands over a socket without trusting anybody, keeps the chain and hangs up: for reports only, when the trusting
 * handshake has failed or before one. Sends nothing over it. Undefined when the server shows no certificate.
 */
export async function insecureReadChain(
  socket: Socket,
  host: string,
  signal?: AbortSignal,
): Promise<readonly X509Certificate[] | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const secure = insecureConnectTls({ socket, host });
  secure
    .once('secureConnect', resolve)
    .once('error', reject)
    .once('close', () => reject(new Error('the server hung up')));
  const onAbort = () => secure.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
    return issuersOf(secure.getPeerX509Certificate());
  } catch {
    return undefined;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    secure.on('error', () => undefined).destroy();
    socket.destroy();
  }
}

/** A certificate and its issuers, as far as the other side or OpenSSL supplied them. */
export function issuersOf(leaf: X509Certificate | undefined): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next && chain.length < 16; next = next.issuerCertificate) {
    if (chain.some(({ fingerprint256 }) => fingerprint256 === next?.fingerprint256)) break;
    chain.push(next);
  }
  return chain;
}

/** The certificates that can be a server's own: no CA is, where there is any other. */
export function ownAmong(found: readonly X509Certificate[]): readonly X509Certificate[] {
  const own = found.filter(({ ca }) => !ca);
  return own.length > 0 ? own : found;
}

/** The first, and after it whichever of the rest has issued the one before; strays are left out. */
export function orderChain(chain: readonly X509Certificate[]): readonly X509Certificate[] {
  const [leaf, ...rest] = chain;
  const ordered = leaf ? [leaf] : [];
  let last = leaf;
  while (last && !isSelfSigned(last) && ordered.length < chain.length) {
    last = issuerAmong(rest, last);
    if (last) ordered.push(last);
  }
  return ordered;
}

function issuerAmong(
  candidates: readonly X509Certificate[],
  certificate: X509Certificate,
): X509Certificate | undefined {
  // OpenSSL's `checkIssued` takes a certificate that is no CA for an issuer.
  return candidates.find((candidate) => candidate.ca && hasIssued(candidate, certificate));
}

function certificateReport(certificate: X509Certificate): CertificateReport {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
    names: namesOf(certificate),
    serialNumber: certificate.serialNumber,
    thumbprint: certificate.fingerprint256,
    thumbprintSha1: certificate.fingerprint,
    pin: spkiPin(certificate),
    selfSigned: isSelfSigned(certificate),
  };
}

/** The names and addresses that a certificate is good for, or those of one kind. */
export function namesOf(certificate: X509Certificate, kind: 'DNS' | 'IP Address' | 'any' = 'any'): readonly string[] {
  const all = (certificate.subjectAltName ?? '').matchAll(/(DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]+)/g);
  return [...all].flatMap(([, found, name = '']) => (kind === 'any' || kind === found ? [name.trim()] : []));
}

function isAnchorOf(anchor: X509Certificate, last: X509Certificate): boolean {
  return anchor.fingerprint256 === last.fingerprint256 || hasIssued(anchor, last);
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && hasIssued(certificate, certificate);
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Node writes a distinguished name with a line break between its parts, the root of the tree first. */
function oneLine(name: string): string {
  return name.split('\n').reverse().join(', ');
}
