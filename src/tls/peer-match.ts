/**
 * Which rows of the table are a machine's, by the certificate that it shows, and whether the certificate does at this moment. Pure:
 * whoever asks gives the time. A new way to know a machine is a case here and one in the table of its test.
 */
import type { PeerCertificate, PeerRow } from '../core/peer.ts';

/** What is wrong with a certificate. */
export interface PeerFault {
  readonly reason: 'peer-unknown' | 'peer-expired' | 'peer-use' | 'peer-revoked' | 'peer-list-stale';
  /** For the audit. */
  readonly detail: string;
}

/** By what a row knows a certificate. */
export type PeerMatch = 'thumbprint' | 'thumbprint (SHA-1)' | 'pin' | 'name' | 'URI';

/** By what a row knows a certificate; undefined where it does not. The Common Name never counts. */
export function matchOf(row: PeerRow, certificate: PeerCertificate): PeerMatch | undefined {
  if (row.sha256.includes(certificate.thumbprint)) return 'thumbprint';
  if (row.pins.includes(certificate.pin)) return 'pin';
  if (row.sha1.includes(certificate.sha1)) return 'thumbprint (SHA-1)';
  if (row.names.some((name) => certificate.names.some((shown) => isNamed(name, shown)))) return 'name';
  return row.uris.some((uri) => certificate.uris.some((shown) => isUri(uri, shown))) ? 'URI' : undefined;
}

/** Label by label; `*` in a row stands for one label, and for none that is a wildcard itself. */
function isNamed(name: string, shown: string): boolean {
  if (shown.includes('*')) return false;
  return name.startsWith('*.') ? shown.replace(/^[^.]+/, '*') === name : shown === name;
}

/** `*` at the end of a row's URI stands for what is left of the path, one segment or more. */
function isUri(uri: string, shown: string): boolean {
  const start = uri.endsWith('/*') ? uri.slice(0, -1) : undefined;
  return start === undefined ? shown === uri : shown.length > start.length && shown.startsWith(start);
}

/** Whether a match by itself says whose key it is, so that no authority is needed: SHA-1 and names are what others may have, too. */
function isStrong(match: PeerMatch): boolean {
  return match === 'thumbprint' || match === 'pin';
}

/** What speaks against a certificate that a row knows; undefined when nothing does. */
export function rowFault(
  row: PeerRow,
  match: PeerMatch,
  certificate: PeerCertificate,
  now: number,
): PeerFault | undefined {
  const fault = dateFault(certificate, now) ?? listFault(certificate);
  if (fault) return fault;
  if (row.until !== undefined && row.until <= now)
    return {
      reason: 'peer-expired',
      detail: `peers.${row.name} was let in until ${new Date(row.until).toISOString()}`,
    };
  const { chain, use, subject } = certificate;
  const isStrongly = isStrong(match);
  if (!(row.anyUse && isStrongly) && (use === 'server' || use === 'neither'))
    return { reason: 'peer-use', detail: `the certificate of ${subject} is not for clients` };
  if (chain.kind === 'held') return undefined;
  if (row.ownAnchors.some((known) => known === certificate.thumbprint || known === certificate.pin)) return undefined;
  // OpenSSL tells the last of several faults; a key that is known needs no more.
  if (isStrongly && row.anyUse && chain.code === 'INVALID_PURPOSE') return undefined;
  return chainFault(certificate);
}

/**
 * What speaks against a certificate that only its authorities vouch for; undefined when nothing does. Its dates count now: a
 * connection may outlive what it was opened with.
 */
export function peerFault(certificate: PeerCertificate, now: number): PeerFault | undefined {
  const fault = dateFault(certificate, now) ?? listFault(certificate);
  return fault ?? (certificate.chain.kind === 'held' ? undefined : chainFault(certificate));
}

function dateFault({ validFrom, validTo, subject }: PeerCertificate, now: number): PeerFault | undefined {
  if (validTo <= now) return { reason: 'peer-expired', detail: `the certificate of ${subject} has expired` };
  if (validFrom > now) return { reason: 'peer-expired', detail: `the certificate of ${subject} is not valid yet` };
  return undefined;
}

/** What a revocation list says, which no row and no pin outweighs. */
function listFault({ chain, subject }: PeerCertificate): PeerFault | undefined {
  const code = chain.kind === 'broken' ? chain.code : 'OK';
  if (code === 'CERT_REVOKED')
    return { reason: 'peer-revoked', detail: `the certificate of ${subject}, or one above it, is revoked` };
  if (code === 'CRL_HAS_EXPIRED')
    return { reason: 'peer-list-stale', detail: `the revocation list for ${subject} has ended, or cannot be verified` };
  return undefined;
}

function chainFault({ chain, subject }: PeerCertificate): PeerFault {
  const code = chain.kind === 'broken' ? chain.code : 'OK';
  if (code === 'INVALID_PURPOSE')
    return { reason: 'peer-use', detail: `the certificate of ${subject} is not for clients` };
  if (code === 'CERT_HAS_EXPIRED')
    return { reason: 'peer-expired', detail: `a certificate above that of ${subject} has expired` };
  return { reason: 'peer-unknown', detail: `no authority of the listener vouches for ${subject}: ${code}` };
}
