/**
 * The header lines of a request as its upstream gets them, in pieces: what follows from the client's lines and its connection, what
 * is each request's own, who it is. So that the first and the last can be kept.
 */
import type { Forward } from '../../core/verdict.ts';
import { upstreamLines } from '../headers.ts';

/** Lines of a head, each with its end; Latin-1. */
export interface RequestLines {
  readonly client: string;
  readonly identity: string;
  /** False: the host is the server's own. */
  readonly hasHost: boolean;
  /** True: the client's trace goes on, and stands among its lines. */
  readonly hasTrace: boolean;
}

/** Names of what is each request's own: ours, since no client may set them or its own was no trace. */
const [requestId, trace] = ['x-request-id', 'traceparent'] as const;

// What no line may hold; the client's lines have been read by a grammar without it, the others are ours.
const controlOctet = /[\0-\x08\x0a-\x1f\x7f]/;

/**
 * Writes the lines of a request, but for those whose names are left out. Throws where a value of ours would begin a line of its
 * own.
 */
export function requestLines(
  forward: Pick<Forward, 'headers' | 'spellings'>,
  isLeftOut?: (name: string) => boolean,
): RequestLines {
  const lines = upstreamLines(forward);
  // Joined once: a text of many parts is put together anew each time that it is written.
  const client: string[] = [];
  const identity: string[] = [];
  let [isIdentity, hasTrace] = [false, false];
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const name = lines[index] ?? '';
    const value = lines[index + 1] ?? '';
    if (controlOctet.test(value)) throw new Error(`the header ${name} would hold a control octet`);
    if (name === requestId) {
      isIdentity = true;
      continue;
    }
    if (name.length === trace.length && name.toLowerCase() === trace) {
      if (isIdentity) continue;
      hasTrace = true;
    }
    if (isLeftOut?.(name)) continue;
    (isIdentity ? identity : client).push(name, ': ', value, '\r\n');
  }
  return { client: client.join(''), identity: identity.join(''), hasHost: forward.headers.has('host'), hasTrace };
}
