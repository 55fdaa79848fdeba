/** The head of a request as its upstream gets it from the lane. */
import type { UpstreamServer } from '../../core/route.ts';
import type { Forward } from '../../core/verdict.ts';
import type { LaneHead } from '../../edge/lane/head.ts';
import { upstreamLines } from '../headers.ts';

// What no line may hold; the client's lines have been read by a grammar without it, the others are ours.
const controlOctet = /[\0-\x08\x0a-\x1f\x7f]/;

/** Of these servers want a length even where it is none (RFC 9110 §8.6). */
const expectsBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** Writes a head, with its empty line; Latin-1. Throws where a value of ours would begin a line of its own. */
export function requestHead({ method, bodyLength }: LaneHead, forward: Forward, { url }: UpstreamServer): string {
  const lines = upstreamLines(forward);
  let head = `${method} ${forward.upstreamPath} HTTP/1.1\r\n`;
  if (!forward.headers.has('host')) head += `host: ${url.host}\r\n`;
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const value = lines[index + 1] ?? '';
    if (controlOctet.test(value)) throw new Error(`the header ${lines[index]} would hold a control octet`);
    head += `${lines[index]}: ${value}\r\n`;
  }
  if (bodyLength > 0 || expectsBody.has(method)) head += `content-length: ${bodyLength}\r\n`;
  return `${head}connection: keep-alive\r\n\r\n`;
}
