/** The verdict of a refusal, made in one place by whoever refuses. */
import type { ErrorCode } from '../core/errors.ts';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { Verdict } from '../core/verdict.ts';

/** Refuses; `detail` goes to the audit, so it is a sentence of ours and repeats nothing that the client wrote. */
export function refuse(
  code: ErrorCode,
  reason: Reason,
  detail: string,
  more: { route?: Route; principal?: Principal; retryAfter?: number; cause?: unknown } = {},
): Verdict {
  const { cause, ...rest } = more;
  return { kind: 'refuse', error: new GatewayError(code, detail, cause), reason, ...rest };
}

/** Whether a method reaches no upstream: one that echoes a TRACE would show the client the headers that we have set. */
export function isNeverForwarded(method: string): boolean {
  return method === 'TRACE' || method === 'CONNECT';
}

/** Refuses such a method. */
export function refuseMethod(method: string): Verdict {
  return refuse('METHOD_NOT_ALLOWED', 'method-not-allowed', `${method} is never forwarded`);
}
