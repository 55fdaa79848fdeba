/** The decision: may this principal, in this session, pass this route. Roles come from `roles.ts`; carrying it out does not. */
import type { Principal } from '../core/principal.ts';
import type { Proof } from '../core/proof.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { Decision } from '../core/verdict.ts';
import { levelOf, levelProvedAt, type Worth } from './levels.ts';

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
  worth: Worth,
): Decision {
  try {
    return judge(principal, route, session?.proofs ?? [proofOf(principal, now)], now, worth);
  } catch {
    return { kind: 'deny', reason: 'policy-broke' };
  }
}

function judge(
  principal: Principal,
  { access }: Pick<Route, 'access'>,
  proofs: readonly Proof[],
  now: number,
  worth: Worth,
): Decision {
  if (access === 'public' || access === 'optional') return { kind: 'permit' };
  if (access === 'deny') return { kind: 'deny', reason: 'location-closed' };
  const { providers, roles, tenants = [], level = 1, factors = [], maxAge } = access;
  if (!meets(providers, (provider) => provider === principal.provider))
    return { kind: 'deny', reason: 'provider-not-admitted' };
  if (!meets(tenants, (tenant) => tenant === principal.tenant)) return { kind: 'deny', reason: 'tenant-mismatch' };
  if (!meets(roles, (role) => principal.roles.has(role))) return { kind: 'deny', reason: 'role-missing' };
  // Whoever is let in has level 1, by whatever they came; only more than that is looked for.
  if (level > 1 && !(levelOf(proofs, worth) >= level)) return { kind: 'step-up', reason: 'level-too-low' };
  const counting =
    factors.length === 0 ? proofs : proofs.filter(({ by }) => factors.includes(by) && worth.factors.has(by));
  if (counting.length === 0) return { kind: 'step-up', reason: 'factor-missing' };
  const measured = level === 1 && factors.length > 0 ? 2 : level;
  // Asked this way round so that a time that is no number is too old.
  if (maxAge !== undefined && !(now - levelProvedAt(counting, measured, worth) <= maxAge))
    return { kind: 'step-up', reason: 'too-old' };
  return { kind: 'permit' };
}

/** What a request proves by itself. */
function proofOf({ provider: by, realm, amr, acr }: Principal, at: number): Proof {
  return { step: 'first', by, realm, amr, ...(acr !== undefined && { acr }), at };
}

/** An empty list asks nothing; of any other, one is enough. */
function meets(wanted: readonly string[], has: (item: string) => boolean): boolean {
  return wanted.length === 0 || wanted.some(has);
}
