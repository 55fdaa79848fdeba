/** The head of a request over HTTP/2. Pure. */
import { HeaderLines } from '../../core/request-head.ts';
import { headOf } from '../../edge/head-of.ts';
import { hopByHop } from '../header-names.ts';
import { upstreamLines } from '../headers.ts';
import type { UpstreamServerPool } from '../server-pool.ts';
import type { Exchange } from '../upstream-attempt.ts';

interface HeadParts {
  readonly exchange: Exchange;
  readonly pool: UpstreamServerPool;
  readonly isGrpc: boolean;
}

/** Names and values in turn, pseudo-headers first. */
export function callHead({ exchange: { request, forward }, pool, isGrpc }: HeadParts): string[] {
  const lines: string[] = [];
  const given = new HeaderLines(upstreamLines(forward));
  const authority = given.single('host') ?? pool.server.url.host;
  given.each((name, value) => {
    if (name !== 'host' && !hopByHop.has(name)) lines.push(name, value);
  });
  const framing = headOf(request).framing();
  if (framing.kind === 'length') lines.push('content-length', String(framing.bytes));
  // RFC 9113 §8.2.2: the one value that HTTP/2 knows; a gRPC server wants it.
  if (isGrpc) lines.push('te', 'trailers');
  const scheme = pool.server.url.protocol === 'https:' ? 'https' : 'http';
  return [
    ...[':method', request.method ?? 'GET', ':scheme', scheme],
    ...[':authority', authority, ':path', forward.upstreamPath],
    ...lines,
  ];
}
