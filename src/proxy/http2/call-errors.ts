/** What goes wrong with a call over HTTP/2, and what its client is told of it. Pure. */
import { BodyRefused } from '../request-body.ts';

/** The call took longer than its client or its route gives it. */
export class CallTimeout extends Error {
  readonly code = 'ETIMEDOUT';
}

/** A request that HTTP/2 cannot carry. */
export const unsendable = { code: 'BAD_REQUEST', reason: 'ambiguous-header' } as const;

/** Whether a request changes nothing where it is made twice (RFC 9110 §9.2.2). */
export function isSafe(method: string | undefined): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(method ?? '');
}

/** How a gRPC client whose answer has begun is told of its end. */
export function brokenTrailers(error: Error): readonly string[] {
  const status = error instanceof CallTimeout ? '4' : error instanceof BodyRefused ? '8' : '14';
  const message = error instanceof CallTimeout ? error.message : 'the application ended the call';
  return ['grpc-status', status, 'grpc-message', encodeURIComponent(message)];
}
