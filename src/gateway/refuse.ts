/** The verdict of a refusal, made in one place by whoever refuses. */
import type { ErrorCode } from '../core/errors.ts';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { CanonicalTarget, GatewayRequest, Verdict } from '../core/verdict.ts';
import { methodsAt } from '../portal/addresses.ts';
import { admits } from '../routing/target.ts';

type Refusal = Extract<Verdict, { readonly kind: 'refuse' }>;

/** What goes on to an upstream, which may take more. */
const forwarded = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Refuses; `detail` goes to the audit, so it is a sentence of ours and repeats nothing that the client wrote. */
export function refuse(
  code: ErrorCode,
  reason: Reason,
  detail: string,
  more: { route?: Route; principal?: Principal; retryAfter?: number; cause?: unknown } = {},
): Refusal {
  const { cause, ...rest } = more;
  return { kind: 'refuse', error: new GatewayError(code, detail, cause), reason, ...rest };
}

/** Whether a method reaches no upstream: one that echoes a TRACE would show the client the headers that we have set. */
export function isNeverForwarded(method: string): boolean {
  return method === 'TRACE' || method === 'CONNECT';
}

/** Refuses such a method, and names those that an address takes (RFC 9110 §15.5.6). */
export function refuseMethod(method: string, path?: string): Verdict {
  const allow = (path !== undefined && methodsAt(path)) || forwarded;
  return { ...refuse('METHOD_NOT_ALLOWED', 'method-not-allowed', `${method} is never forwarded`), allow };
}

/** Refuses what the proxy in front would send to another location, and what this one does not take in a path. */
export function refuseTarget({ asked }: GatewayRequest, target: CanonicalTarget, route: Route): Verdict | undefined {
  if (asked?.route !== undefined && asked.route !== route.name)
    return refuse('BAD_REQUEST', 'ambiguous-target', 'the proxy in front has matched another location', { route });
  const odd = admits(route, target);
  return odd && refuse('BAD_REQUEST', odd.reason, odd.detail, { route });
}
