/** The head of a request on its way from the lane to an upstream: its pieces side by side, in one write. */
import type { Socket } from 'node:net';
import type { Forward } from '../../core/verdict.ts';
import type { LaneHead } from '../../edge/lane/lines.ts';
import { type RequestLines, requestLines } from './request-lines.ts';
import { pageFor, writePage } from './write-page.ts';

/** What the head of a request is put together of. */
export interface RequestHead extends Omit<RequestLines, 'hasTrace'> {
  /** Its own `X-Request-Id` and `traceparent`, each where it has one. */
  readonly id: string | undefined;
  readonly trace: string | undefined;
}

/** The pieces of a request that has just been decided on. Throws where a value of ours would begin a line of its own. */
export function requestHead(forward: Pick<Forward, 'headers' | 'spellings'>): RequestHead {
  const { client, identity, hasHost, hasTrace } = requestLines(forward);
  const trace = hasTrace ? undefined : oneOf(forward, 'traceparent');
  return { client, identity, hasHost, id: oneOf(forward, 'x-request-id'), trace };
}

function oneOf({ headers }: Pick<Forward, 'headers'>, name: string): string | undefined {
  const value = headers.get(name);
  return typeof value === 'string' ? value : undefined;
}

/** Of these servers want a length even where it is none (RFC 9110 §8.6). */
const expectsBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** Writes a head, with its empty line; `host` is the server's own. */
export function writeRequestHead(
  socket: Socket,
  { method, bodyLength }: Pick<LaneHead, 'method' | 'bodyLength'>,
  { path, host, head }: { readonly path: string; readonly host: string; readonly head: RequestHead },
): void {
  const { client, identity, hasHost, id, trace } = head;
  let first = `${method} ${path} HTTP/1.1\r\n`;
  if (!hasHost) first += `host: ${host}\r\n`;
  let own = id === undefined ? '' : `x-request-id: ${id}\r\n`;
  if (trace !== undefined) own += `traceparent: ${trace}\r\n`;
  let last = 'connection: keep-alive\r\n\r\n';
  if (bodyLength > 0 || expectsBody.has(method)) last = `content-length: ${bodyLength}\r\n${last}`;
  const page = pageFor(first.length + client.length + own.length + identity.length + last.length, socket);
  let length = page.write(first, 0, 'latin1');
  length += page.write(client, length, 'latin1');
  length += page.write(own, length, 'latin1');
  length += page.write(identity, length, 'latin1');
  length += page.write(last, length, 'latin1');
  writePage(page, length, socket);
}
