/** The servers behind a stream as configured, ready to be connected to. */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { parseAuthorities } from '../tls/authorities.ts';
import { tlsClientOptions } from '../tls/client.ts';
import type { StreamOptions } from './options.ts';
import { StreamUpstream } from './upstream.ts';

/** Makes them; throws an OperatorError where the authorities cannot be read. */
export function upstreamOf(
  { upstream, limits, proxyProtocol }: StreamOptions,
  parts: { readonly clock: Clock; readonly log: Log },
): StreamUpstream {
  const { ca, certificate, key, servers } = upstream;
  const authorities = ca === undefined ? undefined : parseAuthorities(ca, 'upstream.ca');
  const own = certificate !== undefined && key !== undefined ? { certificate, key } : undefined;
  return new StreamUpstream({
    ...parts,
    connectTimeout: limits.connect,
    sendProxy: proxyProtocol.send,
    servers: servers.map(({ origin, host, port, isSecure, trust = {} }) => {
      if (!isSecure) return { origin, host, port };
      const imported = trust.certificate === undefined ? undefined : new X509Certificate(trust.certificate);
      const servername = trust.name ?? (imported ? undefined : host);
      const tls = tlsClientOptions({ servername, pins: trust.pins, certificate: imported, ca: authorities, own });
      return { origin, host, port, tls };
    }),
  });
}
