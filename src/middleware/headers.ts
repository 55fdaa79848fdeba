/**
 * Headers of a request that stays in this process: what an application finds in `request.headers` is what an upstream would
 * be sent, together with what belongs to this very connection and body. Pure, but for the last function.
 */
import type { IncomingMessage } from 'node:http';
import { HeaderLines, type NodeHeaders } from '../core/request-head.ts';

/** Headers of a request as Node keeps them. */
interface MessageHeaders extends NodeHeaders {
  readonly rawHeaders: string[];
}

/** What says where the body ends and how it travels: the application reads it from this connection. */
const framing: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'trailer', 'te']);

/**
 * The client's headers as an application may see them.
 *
 * `Connection` goes but for its own words: an application that proxies in its turn would otherwise drop the headers that a
 * client names there, ours among them. No hop was added, so `X-Forwarded-For` ends with what the peer said, not with the peer.
 */
export function headersInApp(
  client: HeaderLines,
  composed: ReadonlyMap<string, string | readonly string[]>,
): MessageHeaders {
  const rawHeaders: string[] = [];
  for (const [name, value] of composed) {
    if (name === 'x-forwarded-for') rawHeaders.push(...withoutPeer(name, String(value)));
    else for (const one of typeof value === 'string' ? [value] : value) rawHeaders.push(name, one);
  }
  client.each((name, value) => {
    if (framing.has(name)) rawHeaders.push(name, value);
    if (name === 'connection' && !composed.has(name) && saysClose(value)) rawHeaders.push(name, 'close');
  });
  return { rawHeaders, ...new HeaderLines(rawHeaders).toNode() };
}

/** Puts other headers in the place of a request's own. */
export function replaceHeaders(
  request: IncomingMessage,
  { rawHeaders, headers, headersDistinct }: MessageHeaders,
): void {
  request.rawHeaders = rawHeaders;
  request.headers = headers;
  request.headersDistinct = headersDistinct;
}

/** Leaves a request without the trailers of its body: they come when all is decided, and could bear any of our names. */
export function dropTrailers(request: IncomingMessage): void {
  const empty = (value: () => object): PropertyDescriptor => ({ get: value, set: () => undefined, configurable: true });
  Object.defineProperties(request, {
    rawTrailers: empty(() => []),
    trailers: empty(() => ({})),
    trailersDistinct: empty(() => ({})),
  });
}

/** Adds headers that a request has not had. */
export function addHeaders(request: IncomingMessage, added: ReadonlyMap<string, string | readonly string[]>): void {
  for (const [name, value] of added) {
    const values = typeof value === 'string' ? [value] : [...value];
    request.rawHeaders = [...request.rawHeaders, ...values.flatMap((one) => [name, one])];
    request.headers[name] = values.join(', ');
    request.headersDistinct[name] = values;
  }
}

function withoutPeer(name: string, value: string): string[] {
  const chain = value.split(',').slice(0, -1);
  return chain.length === 0 ? [] : [name, chain.join(',')];
}

function saysClose(value: string): boolean {
  return value.split(',').some((word) => word.trim().toLowerCase() === 'close');
}
