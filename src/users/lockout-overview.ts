/** The lock-out as an operator sees it: who is counted and who is locked, and the word that lets somebody try again. */
import type { Clock } from '../core/clock.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Store } from '../core/store.ts';
import { addressScopeKey, type Counter, LockoutCounters, type Scope, userScopeKey } from './lockout-counters.ts';

/** One counter. Names and addresses are absent where a worker of an earlier version has written it. */
export interface CountedEntry extends Pick<Counter, 'name' | 'tenant' | 'address'> {
  /** `user` is a name as it was typed, `account` what such names were found to be. */
  readonly kind: Scope['kind'];
  readonly failures: number;
  /** Milliseconds since the epoch; absent when it is not locked. */
  readonly lockedUntil?: number;
  /** Nobody signs in who meets it until it is released. */
  readonly isUnreadable: boolean;
}

/** What a release found. */
export type Released = 'locked' | 'counted' | 'nothing';

const kinds = ['account', 'user', 'address'] as const satisfies readonly Scope['kind'][];

/** Lists and releases. Every method throws when the store is out of reach. */
export class LockoutOverview {
  readonly #counters: LockoutCounters;
  readonly #clock: Clock;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#counters = new LockoutCounters({ store, clock, max: 0 });
    this.#clock = clock;
  }

  /** All that is counted; of one kind where that is asked for. */
  async *list(only?: Scope['kind']): AsyncGenerator<CountedEntry, void, undefined> {
    for (const kind of only ? [only] : kinds)
      for await (const { counter } of this.#counters.list(kind)) {
        const { failures = 0, lockedUntil = 0, name, tenant, address } = counter ?? {};
        const who = { ...(name && { name }), ...(tenant && { tenant }), ...(address && { address }) };
        const isLocked = lockedUntil > this.#clock.now();
        yield { kind, ...who, failures, isUnreadable: !counter, ...(isLocked && { lockedUntil }) };
      }
  }

  /** Forgets the failures of a name, of the accounts that it is or was found to be in any tenant, and of their other names. */
  async releaseUser(username: string): Promise<Released> {
    const name = canonicalUsername(username);
    const own = userScopeKey(username);
    const accounts = new Set<string>();
    const found: Released[] = [];
    for await (const { key, counter } of this.#counters.list('user'))
      if (key === own && counter?.account !== undefined) accounts.add(counter.account);
    for await (const { key, counter } of this.#counters.list('account'))
      if (counter?.name === name || accounts.has(key)) {
        accounts.add(key);
        found.push(await this.#release(key, counter));
      }
    for await (const { key, counter } of this.#counters.list('user'))
      if (key === own || accounts.has(counter?.account ?? '')) found.push(await this.#release(key, counter));
    return found.includes('locked') ? 'locked' : found.includes('counted') ? 'counted' : 'nothing';
  }

  /** Forgets the failures of an address, and of those that count as one client with it. */
  async releaseAddress(address: string): Promise<Released> {
    const wanted = addressScopeKey(address);
    for await (const { key, counter } of this.#counters.list('address'))
      if (key === wanted) return this.#release(key, counter);
    return 'nothing';
  }

  async #release(key: string, counter: Counter | undefined): Promise<Released> {
    await this.#counters.forget(key);
    return !counter || counter.lockedUntil > this.#clock.now() ? 'locked' : 'counted';
  }
}
