/** The keys of TLS tickets where several processes serve one site: each derives the same from a secret that they share. */
import { hkdfSync, randomBytes } from 'node:crypto';

/** What Node takes: a name of 16 bytes, and two keys of 16. */
const keyBytes = 48;

/** A fresh secret. */
export function makeTicketSecret(): Buffer {
  return randomBytes(32);
}

/** The key for tickets of listeners with these certificates: with another certificate those of before end, as they do in one process. */
export function ticketKeysOf(secret: Buffer, certificates: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `tls ticket ${certificates}`, keyBytes));
}
