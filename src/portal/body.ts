/** Reads a small body whole, within a size and a time: only our own pages and kept forms do so, never the data plane. */

import type { IncomingMessage } from 'node:http';
import { askForBody } from '../edge/expect-continue.ts';
import { headOf } from '../edge/head-of.ts';

/** A body, or why there is none. */
export type Body =
  | { readonly kind: 'ok'; readonly text: string }
  | { readonly kind: 'too-large' | 'too-slow' | 'client-gone' };

/** Collects a body; what is past the limits is left unread, and the answer closes the connection. */
export async function readBody(
  request: IncomingMessage,
  limits: { maxBytes: number; deadline: number },
): Promise<Body> {
  const framing = headOf(request).framing();
  if (framing.kind === 'length' && framing.bytes > limits.maxBytes) return { kind: 'too-large' };
  askForBody(request);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => settle({ kind: 'too-slow' }), limits.deadline);
    const settle = (body: Body): void => {
      clearTimeout(timer);
      request.removeAllListeners('data');
      request.pause();
      resolve(body);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.maxBytes) settle({ kind: 'too-large' });
      else chunks.push(chunk);
    });
    request.once('end', () => settle({ kind: 'ok', text: Buffer.concat(chunks).toString('utf8') }));
    request.once('close', () => settle({ kind: 'client-gone' }));
  });
}
