/** How the servers of an upstream are trusted: what holds for all of them, and what for each. */
import { X509Certificate } from 'node:crypto';
import type { UpstreamServer, UpstreamTls } from '../core/route.ts';
import type { ProbeTrust } from '../remote/probe.ts';
import { parseAuthorities } from '../tls/authorities.ts';

/** What a server is trusted by. The name is the configured one, whatever Host the client has sent. */
export function serverTrust(
  { url, trust = {} }: Pick<UpstreamServer, 'url' | 'trust'>,
  tls: UpstreamTls = {},
): ProbeTrust {
  const { ca, certificate, key } = tls;
  const imported = trust.certificate === undefined ? undefined : new X509Certificate(trust.certificate);
  const host = imported ? undefined : url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    servername: trust.name ?? tls.servername ?? host,
    pins: trust.pins,
    certificate: imported,
    ca: ca === undefined ? undefined : parseAuthorities(ca, 'upstream.ca'),
    own: certificate !== undefined && key !== undefined ? { certificate, key } : undefined,
  };
}
