/** What a failure makes of a counter, and whether a counter locks: the arithmetic of the lock-out. */
import { addressGroup } from './address.ts';
import { addressScopeKey, type Counter, type Scope } from './lockout-counters.ts';

/** The limits; times in milliseconds. */
export interface LockoutLimits {
  readonly user: number;
  readonly address: number;
  readonly delay: number;
  readonly max: number;
}

/** Whether an attempt may be made, or may count for what it came to. */
export type LockoutPermit =
  | { readonly kind: 'open' }
  /** In milliseconds. */
  | { readonly kind: 'locked'; readonly retryAfter: number };

/** Whether a counter locks at a moment. */
export function permitOf({ lockedUntil }: Counter, now: number): LockoutPermit {
  return lockedUntil > now ? { kind: 'locked', retryAfter: lockedUntil - now } : { kind: 'open' };
}

/** The counter after one more failure. */
export function afterFailure(counter: Counter, limit: number, { delay, max }: LockoutLimits, now: number): Counter {
  const failures = counter.failures + 1;
  const beyond = Math.floor(failures - limit);
  const lock = beyond < 0 ? 0 : Math.min(max, delay * 2 ** Math.min(beyond, 40));
  return { ...counter, failures, lockedUntil: lock === 0 ? counter.lockedUntil : now + lock };
}

/** What is counted of an address. Behind one may be a whole site, where somebody always mistypes: it earns its limit anew within `max`. */
export function addressScope(address: string, { address: limit, max }: LockoutLimits): Scope {
  return {
    kind: 'address',
    key: addressScopeKey(address),
    limit,
    forgiveness: limit / Math.max(1, max),
    shown: { address: addressGroup(address) },
  };
}
