/** Reads a small body whole, within a size and a time: only our own pages and saved forms do so, never the data plane. */

import type { IncomingMessage } from 'node:http';
import { askForBody } from '../edge/expect-continue.ts';
import { headOf } from '../edge/head-of.ts';
import { DeadlineError, withDeadline } from '../remote/deadline.ts';

/** A body, or why there is none. */
type Body =
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
  try {
    return await withDeadline(undefined, limits.deadline, () => collect(request, limits.maxBytes));
  } catch (error) {
    if (error instanceof DeadlineError) return { kind: 'too-slow' };
    throw error;
  } finally {
    request.removeAllListeners('data');
    request.pause();
  }
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Body> {
  const { promise, resolve } = Promise.withResolvers<Body>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) resolve({ kind: 'too-large' });
    else chunks.push(chunk);
  });
  request.once('end', () => resolve({ kind: 'ok', text: Buffer.concat(chunks).toString('utf8') }));
  request.once('close', () => resolve({ kind: 'client-gone' }));
  return promise;
}
