/** The servers behind a stream as configured, ready to be connected to. */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ProbeTrust } from '../remote/probe.ts';
import { parseAuthorities } from '../tls/authorities.ts';
import { tlsClientOptions } from '../tls/client.ts';
import type { StreamOptions } from './options.ts';
import { StreamUpstream } from './upstream.ts';

/** Makes them; throws an OperatorError where the authorities cannot be read. */
export function upstreamOf(
  { upstream, limits, proxyProtocol }: StreamOptions,
  parts: { readonly clock: Clock; readonly log: Log },
): StreamUpstream {
  const { servers } = upstream;
  return new StreamUpstream({
    ...parts,
    connectTimeout: limits.connect,
    sendProxy: proxyProtocol.send,
    servers: servers.map((server) => {
      const { origin, host, port, isSecure } = server;
      return { origin, host, port, ...(isSecure && { tls: tlsClientOptions(serverTrust(server, upstream)) }) };
    }),
  });
}

/** By what a server of a stream is trusted. */
export function serverTrust(
  { host, trust = {} }: StreamOptions['upstream']['servers'][number],
  { ca, certificate, key }: StreamOptions['upstream'],
): ProbeTrust {
  const imported = trust.certificate === undefined ? undefined : new X509Certificate(trust.certificate);
  return {
    servername: trust.name ?? (imported ? undefined : host),
    pins: trust.pins,
    certificate: imported,
    ca: ca === undefined ? undefined : parseAuthorities(ca, 'upstream.ca'),
    own: certificate !== undefined && key !== undefined ? { certificate, key } : undefined,
  };
}
