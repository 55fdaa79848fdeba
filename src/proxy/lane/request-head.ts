/** The head of a request on its way from the lane to an upstream. */
import type { Socket } from 'node:net';
import type { Forward } from '../../core/verdict.ts';
import type { LaneHead } from '../../edge/lane/lines.ts';
import { type RequestLines, requestLines } from './request-lines.ts';

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

/** Writes a head, with its empty line, in one text: put together where it is written. `host` is the server's own. */
export function writeRequestHead(
  socket: Socket,
  { method, bodyLength }: Pick<LaneHead, 'method' | 'bodyLength'>,
  { path, host, head }: { readonly path: string; readonly host: string; readonly head: RequestHead },
): void {
  const { client, identity, hasHost, id, trace } = head;
  let text = `${method} ${path} HTTP/1.1\r\n`;
  if (!hasHost) text += `host: ${host}\r\n`;
  text += client;
  if (id !== undefined) text += `x-request-id: ${id}\r\n`;
  if (trace !== undefined) text += `traceparent: ${trace}\r\n`;
  text += identity;
  if (bodyLength > 0 || expectsBody.has(method)) text += `content-length: ${bodyLength}\r\n`;
  socket.write(`${text}connection: keep-alive\r\n\r\n`, 'latin1');
}
