/**
 * The certificate that a client has shown. A resumed connection brings the certificate of the first one and what OpenSSL made of it
 * then; its dates are for whoever judges, each time. The certificates between it and its authority Node does not show a server.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '../core/peer.ts';
import { spkiPin } from './pins.ts';
import { useWords } from './purpose.ts';
import type { RevocationLists } from './revocation.ts';

/** For so long a ticket of a listener that asks for certificates leads back to its connection, in seconds. */
export const ticketLifetime = 600;

/** Reads what a client has shown, once its handshake is done; undefined where it has shown nothing. */
export function readPeerCertificate(
  socket: TLSSocket,
  revocation?: Pick<RevocationLists, 'judge'>,
): PeerCertificate | undefined {
  const shown = socket.getPeerX509Certificate();
  if (!shown) return undefined;
  // Node says a code here, whatever its types say.
  const code: unknown = socket.authorizationError;
  const broken = { kind: 'broken', code: typeof code === 'string' ? code : 'UNVERIFIED' } as const;
  return peerCertificate(shown, listed(shown, revocation) ?? (socket.authorized ? { kind: 'held' } : broken));
}

/** What a revocation list says against a certificate, in OpenSSL's words, who would not look at a resumed one. */
function listed(
  shown: X509Certificate,
  revocation: Pick<RevocationLists, 'judge'> | undefined,
): PeerCertificate['chain'] | undefined {
  const judgement = revocation?.judge(shown).kind ?? 'good';
  switch (judgement) {
    case 'good':
      return undefined;
    case 'revoked':
      return { kind: 'broken', code: 'CERT_REVOKED' };
    case 'stale':
      return { kind: 'broken', code: 'CRL_HAS_EXPIRED' };
    default:
      return judgement satisfies never;
  }
}

/** What a certificate says of itself. */
export function peerCertificate(certificate: X509Certificate, chain: PeerCertificate['chain']): PeerCertificate {
  return {
    thumbprint: plainHex(certificate.fingerprint256),
    sha1: plainHex(certificate.fingerprint),
    pin: spkiPin(certificate),
    names: alternativeNames(certificate, 'DNS').map((name) => name.toLowerCase().replace(/\.$/, '')),
    uris: alternativeNames(certificate, 'URI'),
    use: useWords(certificate),
    der: certificate.raw,
    subject: certificate.subject.split('\n').reverse().join(', '),
    issuer: certificate.issuer.split('\n').reverse().join(', '),
    serial: certificate.serialNumber,
    validFrom: Date.parse(certificate.validFrom),
    validTo: Date.parse(certificate.validTo),
    chain,
  };
}

/** The values of one kind in a subjectAltName; one that Node quotes holds what could be taken for the next, and is nobody's. */
function alternativeNames({ subjectAltName = '' }: X509Certificate, kind: 'DNS' | 'URI'): string[] {
  const entries = subjectAltName.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries
    .map((entry) => entry.trim())
    .filter((entry) => entry.startsWith(`${kind}:`) && !entry.includes('"'))
    .map((entry) => entry.slice(kind.length + 1));
}

function plainHex(digest: string): string {
  return digest.replaceAll(':', '').toLowerCase();
}
