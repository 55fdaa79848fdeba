/** The decision: may this principal, in this session, pass this route. Roles come from `roles.ts`; carrying it out does not. */
import type { Principal } from '../core/principal.ts';
import type { Proof } from '../core/proof.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { Decision } from '../core/verdict.ts';
import { shortfall, type Worth } from './levels.ts';

/**
 * Decides, whatever it is given: what cannot be judged is denied.
 *
 * Without a session each request brings its own proof (a bearer token), so that credentials were proved now. Times are
 * milliseconds since the epoch.
 */
export function decide(
  principal: Principal,
  route: Pick<Route, 'access' | 'application'>,
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

/** Whether a decision about somebody with a session stays as it is, whenever it is made: nothing asks how old a proof is. */
export function isTimeless({ access }: Pick<Route, 'access'>): boolean {
  return typeof access !== 'object' || access.maxAge === undefined;
}

function judge(
  principal: Principal,
  { access, application }: Pick<Route, 'access' | 'application'>,
  proofs: readonly Proof[],
  now: number,
  worth: Worth,
): Decision {
  if (access === 'public' || access === 'optional') return { kind: 'permit' };
  if (access === 'deny') return { kind: 'deny', reason: 'location-closed' };
  // Machines are let in before anybody is asked who they are.
  if (access === 'peers') return { kind: 'deny', reason: 'peer-certificate-missing' };
  const { providers, roles, tenants = [], privileges = [] } = access;
  if (!meets(providers, (provider) => provider === principal.provider))
    return { kind: 'deny', reason: 'provider-not-admitted' };
  if (!meets(tenants, (tenant) => tenant === principal.tenant)) return { kind: 'deny', reason: 'tenant-mismatch' };
  if (!meets(roles, (role) => principal.roles.has(role))) return { kind: 'deny', reason: 'role-missing' };
  const held = application === undefined ? undefined : principal.privileges?.get(application);
  if (!meets(privileges, (privilege) => held?.includes(privilege) === true))
    return { kind: 'deny', reason: 'privilege-missing' };
  const reason = shortfall(proofs, access, worth, now);
  return reason ? { kind: 'step-up', reason } : { kind: 'permit' };
}

/** What a request proves by itself. */
function proofOf({ provider: by, realm, amr, acr }: Principal, at: number): Proof {
  return { step: 'first', by, realm, amr, ...(acr !== undefined && { acr }), at };
}

/** An empty list asks nothing; of any other, one is enough. */
function meets(wanted: readonly string[], has: (item: string) => boolean): boolean {
  return wanted.length === 0 || wanted.some(has);
}
