/** The decision: may this principal, in this session, pass this route. Roles come from `roles.ts`; carrying it out does not. */
import type { Principal } from '../core/principal.ts';
import { freshAt } from '../core/proof.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { Decision } from '../core/verdict.ts';

/**
 * Decides, whatever it is given: what cannot be judged is denied.
 *
 * Without a session each request brings its own proof (a bearer token), so that credentials were proved now. Times are
 * milliseconds since the epoch.
 */
export function decide(
  principal: Principal,
  route: Pick<Route, 'access'>,
  session: Pick<Session, 'proofs'> | undefined,
  now: number,
): Decision {
  try {
    return judge(principal, route, session ? freshAt(session.proofs) : now, now);
  } catch {
    return { kind: 'deny', reason: 'policy-broke' };
  }
}

function judge(principal: Principal, { access }: Pick<Route, 'access'>, proved: number, now: number): Decision {
  if (access === 'public' || access === 'optional') return { kind: 'permit' };
  if (access === 'deny') return { kind: 'deny', reason: 'location-closed' };
  const { providers, roles, maxAge } = access;
  if (!meets(providers, (provider) => provider === principal.provider))
    return { kind: 'deny', reason: 'provider-not-admitted' };
  if (!meets(roles, (role) => principal.roles.has(role))) return { kind: 'deny', reason: 'role-missing' };
  // Asked this way round so that a time that is no number is too old.
  if (maxAge !== undefined && !(now - proved <= maxAge)) return { kind: 'step-up', reason: 'too-old' };
  return { kind: 'permit' };
}

/** An empty list asks nothing; of any other, one is enough. */
function meets(wanted: readonly string[], has: (item: string) => boolean): boolean {
  return wanted.length === 0 || wanted.some(has);
}
