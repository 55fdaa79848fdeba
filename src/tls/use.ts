/** What a certificate may be used for, by its extended key usage (RFC 5280 §4.2.1.12). */
import type { X509Certificate } from 'node:crypto';
import type { CertificateUse } from '../core/peer.ts';

const [serverAuth, clientAuth, anyUse] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '2.5.29.37.0'] as const;

/** Node calls the extended key usage `keyUsage`; a certificate without one may be used for anything. */
export function useOf({ keyUsage }: Pick<X509Certificate, 'keyUsage'>): CertificateUse {
  const uses: readonly string[] | undefined = keyUsage;
  if (uses === undefined || uses.includes(anyUse)) return 'any';
  const [isServer, isClient] = [uses.includes(serverAuth), uses.includes(clientAuth)];
  if (isServer && isClient) return 'both';
  if (isServer) return 'server';
  return isClient ? 'client' : 'neither';
}

/** Whether a certificate may show that its owner is a server, or a client. */
export function isGoodFor(use: CertificateUse, side: 'server' | 'client'): boolean {
  return use === 'any' || use === 'both' || use === side;
}
