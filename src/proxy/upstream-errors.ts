/** What an upstream's failure means to the client, to the audit, and to the next try. */
import type { ErrorCode } from '../core/errors.ts';
import type { Reason } from '../core/reason.ts';
import { BodyRefused } from './request-body.ts';

/** A failure by its public code and its reason. */
interface Failure {
  readonly code: ErrorCode;
  readonly reason: Reason;
}

const timedOut: Failure = { code: 'UPSTREAM_TIMEOUT', reason: 'upstream-timed-out' };
const unreachable: Failure = { code: 'UPSTREAM_UNREACHABLE', reason: 'upstream-unreachable' };
const otherServer: Failure = { code: 'UPSTREAM_UNREACHABLE', reason: 'upstream-pin-mismatch' };
const broke: Failure = { code: 'UPSTREAM_BROKE', reason: 'upstream-broke' };

/** Waited too long for a connection that others hold. */
export class QueueTimeout extends Error {
  readonly code = 'GATEHOUSE_QUEUE_TIMEOUT';
}

/** The code that Node or undici gave an error. */
function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Reads a failure; `isConnected` when the request had left for the upstream. */
export function readFailure(error: Error, isConnected: boolean): Failure {
  if (error instanceof BodyRefused) return { code: error.code, reason: error.reason };
  switch (errorCode(error)) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
    case 'GATEHOUSE_QUEUE_TIMEOUT':
    case 'ETIMEDOUT':
      return timedOut;
    case 'GATEHOUSE_PIN_MISMATCH':
      return otherServer;
    case 'UND_ERR_INVALID_ARG':
      return { code: 'BAD_REQUEST', reason: 'ambiguous-header' };
    case 'UND_ERR_CLOSED':
    case 'UND_ERR_DESTROYED':
      return { code: 'UNAVAILABLE', reason: 'draining' };
    default:
      return isConnected ? broke : unreachable;
  }
}

/** Whether another server may do better: the request never left. */
export function isConnectFailure(error: Error): boolean {
  const code = errorCode(error);
  return (
    !(error instanceof BodyRefused) &&
    !['UND_ERR_INVALID_ARG', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'GATEHOUSE_QUEUE_TIMEOUT'].includes(code) &&
    // What this machine has run out of says nothing about the server.
    !['EMFILE', 'ENFILE', 'EADDRNOTAVAIL'].includes(code)
  );
}

/** Whether a connection ended before a byte of the answer, as kept connections do that the upstream has closed. */
export function isDeadConnection(error: Error): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(errorCode(error));
}
