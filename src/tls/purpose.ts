/** What a certificate may be used for, as its extended key usage says (RFC 5280 §4.2.1.12). */
import type { X509Certificate } from 'node:crypto';

/** A side of a TLS connection. */
export type TlsSide = 'server' | 'client';

const purposes: Readonly<Record<TlsSide, string>> = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };
const anyPurpose = '2.5.29.37.0';

/** Whether a certificate is for a side. One without the extension is for any use; Node calls the extension `keyUsage`. */
export function isForUse({ keyUsage }: X509Certificate, side: TlsSide): boolean {
  return keyUsage === undefined || keyUsage.includes(purposes[side]) || keyUsage.includes(anyPurpose);
}

/** What a certificate is for, in a word. */
export function useWords(certificate: X509Certificate): 'any' | 'server and client' | 'server' | 'client' | 'neither' {
  if (certificate.keyUsage === undefined || certificate.keyUsage.includes(anyPurpose)) return 'any';
  const [server, client] = [isForUse(certificate, 'server'), isForUse(certificate, 'client')];
  if (server && client) return 'server and client';
  return server ? 'server' : client ? 'client' : 'neither';
}

/** The number of a purpose, for a request. */
export function purposeOid(side: TlsSide): string {
  return purposes[side];
}
