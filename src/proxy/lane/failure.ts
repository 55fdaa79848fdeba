/** What a failed try comes to: a failure for the client, or work that may be done again. */
import type { LaneHead } from '../../edge/lane/lines.ts';
import type { Again } from '../balancer.ts';
import { BodyRefused } from '../request-body.ts';
import type { ForwardResult } from '../upstream-attempt.ts';
import { isConnectFailure, isDeadConnection, readFailure } from '../upstream-errors.ts';

/** How far a try had come. */
interface Progress {
  readonly request: LaneHead;
  /** Of the answer, once it is with the client. */
  readonly head?: { readonly status: number } | undefined;
  /** Whether any byte of an answer has come. */
  readonly hasBegun?: boolean;
  readonly fresh: boolean;
  readonly isConnected: boolean;
}

/** Requests whose repetition changes nothing (RFC 9110 §9.2.2). */
const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Another server is tried while nothing has left; the same once more where a kept connection was dead. */
export function failureOf(
  error: Error,
  { request, head, hasBegun, fresh, isConnected }: Progress,
): ForwardResult | Again {
  if (!isConnected && isConnectFailure(error)) return { kind: 'again', fresh: false, error };
  const mayRepeat = !fresh && !hasBegun && request.bodyLength === 0 && repeatable.has(request.method);
  if (isConnected && mayRepeat && isDeadConnection(error)) return { kind: 'again', fresh: true, error };
  const failure = { ...readFailure(error, isConnected), error, headersSent: head !== undefined };
  return { kind: 'failed', ...failure, ...(head && { status: head.status }) };
}

/** The failure of a client that lets its body wait. */
export function tooSlow(milliseconds: number): BodyRefused {
  const text = `nothing of the body came for ${milliseconds} ms`;
  return new BodyRefused('REQUEST_TIMEOUT', 'request-too-slow', text);
}
