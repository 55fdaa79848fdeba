/** Whether the certificate of a machine does, at this moment. Pure: whoever asks gives the time. */
import type { PeerCertificate } from '../core/peer.ts';

/** What is wrong with a certificate. */
interface PeerFault {
  readonly reason: 'peer-unknown' | 'peer-expired' | 'peer-use';
  /** For the audit. */
  readonly detail: string;
}

/**
 * What speaks against a certificate that only its authorities vouch for; undefined when nothing does. Its dates count now: a
 * connection may outlive what it was opened with.
 */
export function peerFault({ chain, validFrom, validTo, subject }: PeerCertificate, now: number): PeerFault | undefined {
  if (validTo <= now || (chain.kind === 'broken' && chain.code === 'CERT_HAS_EXPIRED'))
    return { reason: 'peer-expired', detail: `the certificate of ${subject}, or one above it, has expired` };
  if (validFrom > now) return { reason: 'peer-expired', detail: `the certificate of ${subject} is not valid yet` };
  if (chain.kind === 'held') return undefined;
  if (chain.code === 'INVALID_PURPOSE')
    return { reason: 'peer-use', detail: `the certificate of ${subject} is not for clients` };
  return { reason: 'peer-unknown', detail: `no authority of the listener vouches for ${subject}: ${chain.code}` };
}
