/**
 * The lock-out: failed logins are counted per name as typed, per address, and per account that the name was found to be,
 * whoever checks the password; past a limit each failure locks for longer. An attempt is entered under its name and address
 * before anybody is asked, so that guesses in parallel count as one by one.
 */
import * as z from 'zod';
import { duration } from '../config/values.ts';
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Store } from '../core/store.ts';
import { accountScopeKey, type Counter, LockoutCounters, type Scope, userScopeKey } from './lockout-counters.ts';
import { LockoutQueue } from './lockout-queue.ts';
import { addressScope, afterFailure, type LockoutPermit, permitOf } from './lockout-steps.ts';

export type { LockoutPermit } from './lockout-steps.ts';

/** How many failures lock, and for how long. */
export const lockoutOptions = z.strictObject({
  user: z
    .int()
    .min(0)
    .default(5)
    .describe('failures of one user, by all names that find the account, before it is locked; 0 is no limit'),
  address: z
    .int()
    .min(0)
    .default(50)
    .describe('failures from one address (IPv6: one /64) before it is locked; 0 is no limit'),
  delay: duration().prefault('30s').describe('the first lock; each further failure doubles it'),
  max: duration().prefault('15m').describe('the longest lock'),
});

/** The limits as configured. */
type LockoutOptions = z.output<typeof lockoutOptions>;

/** A lock that is on at this moment. */
export interface Lock {
  readonly of: 'user' | 'address';
  /** How much longer, in milliseconds. */
  readonly retryAfter: number;
}

/** Who tries, and the account that they were found to be, where somebody knew. */
export interface Attempted {
  /** As typed. */
  readonly username: string;
  readonly address: string;
  readonly account?: Account | undefined;
}

const attemptTime = 60_000;
const maxWait = 3000;
/** How long at most until somebody who waits looks again; attempts that end in this process wake them sooner. */
const lookAgainAfter = 200;
const maxWaiting = 1000;
const busyRetry = 1000;

/** Counts in the shared store. Every method throws when the store is out of reach or a counter cannot be read: nobody may sign in uncounted. */
export class Lockout {
  readonly #counters: LockoutCounters;
  readonly #clock: Clock;
  readonly #options: LockoutOptions;
  readonly #queue = new LockoutQueue();

  constructor({ store, clock, options }: { store: Store; clock: Clock; options: LockoutOptions }) {
    this.#counters = new LockoutCounters({ store, clock, max: options.max });
    this.#clock = clock;
    this.#options = options;
  }

  /**
   * Enters an attempt, unless the name, the account that it was lately found to be, or the address is locked. Each `open` must be
   * followed by one `succeed`, `fail` or `release`. Waits a while where the attempts under way could, by failing, reach the limit.
   */
  async check(username: string, address: string, signal?: AbortSignal): Promise<LockoutPermit> {
    const entered: Scope[] = [];
    const scopes = this.#scopes(username, address);
    // A lock is seen before anything is written: floods against it cost the store no more than a look.
    for (const scope of scopes) {
      const permit = await this.#standing(scope);
      if (permit.kind === 'locked') return permit;
    }
    for (const scope of scopes) {
      const permit = await this.#enter(scope, signal);
      if (permit.kind === 'locked') {
        for (const other of entered) await this.#finishAttempt(other, (counter) => counter);
        return permit;
      }
      entered.push(scope);
    }
    return { kind: 'open' };
  }

  /** What locks a name at this moment, and an address where one is given. Counts nothing. */
  async locks(username: string, address: string | undefined): Promise<Lock[]> {
    const locks: Lock[] = [];
    for (const scope of this.#scopes(username, address ?? '')) {
      if (scope.kind === 'address' && address === undefined) continue;
      const permit = await this.#standing(scope);
      if (permit.kind === 'locked')
        locks.push({ of: scope.kind === 'address' ? 'address' : 'user', retryAfter: permit.retryAfter });
    }
    return locks;
  }

  /** What locks an account at this moment, whichever of its names is typed. Counts nothing. */
  async accountLocks(account: Account): Promise<Lock[]> {
    const permit = permitOf(await this.#counters.read(accountScopeKey(account)), this.#clock.now());
    return permit.kind === 'locked' && this.#options.user > 0 ? [{ of: 'user', retryAfter: permit.retryAfter }] : [];
  }

  /** The attempt failed: the credentials were wrong, or nobody knew the user. Where the account was locked already, it tells so. */
  async fail(attempted: Attempted): Promise<LockoutPermit> {
    const permit = await this.#countAccount(attempted, (counter, now) =>
      this.#failed(counter, this.#options.user, now),
    );
    await this.#countFailure(attempted);
    return permit;
  }

  /**
   * The attempt succeeded: the user's failures are forgotten. The address's are not, or one account would open it for all. Where
   * the account is locked the right password is refused like a wrong one, and counts as one under the name that was typed.
   */
  async succeed(attempted: Attempted): Promise<LockoutPermit> {
    const permit = await this.#countAccount(attempted, (counter) => ({ ...counter, failures: 0, lockedUntil: 0 }));
    if (permit.kind === 'locked') await this.#countFailure(attempted);
    else
      for (const scope of this.#scopes(attempted.username, attempted.address))
        await this.#finishAttempt(scope, (counter) =>
          scope.kind === 'user' ? { ...counter, failures: 0, lockedUntil: 0 } : counter,
        );
    return permit;
  }

  /** The attempt proved nothing either way: nobody could be asked, or the right password must first change. */
  async release(attempted: Attempted): Promise<LockoutPermit> {
    const permit = await this.#countAccount(attempted, (counter) => counter);
    if (permit.kind === 'locked') await this.#countFailure(attempted);
    else
      for (const scope of this.#scopes(attempted.username, attempted.address))
        await this.#finishAttempt(scope, (counter) => counter);
    return permit;
  }

  /** The user comes first: who waits for a user must not hold a place of the address. */
  #scopes(username: string, address: string): Scope[] {
    const { user } = this.#options;
    const name = canonicalUsername(username);
    const scopes: Scope[] = [
      { kind: 'user', key: userScopeKey(username), limit: user, forgiveness: 0, shown: { name } },
      addressScope(address, this.#options),
    ];
    return scopes.filter((scope) => scope.limit > 0);
  }

  /** Whether a scope is locked at this moment; of a name also the account that it was lately found to be. */
  async #standing({ key, forgiveness }: Scope): Promise<LockoutPermit> {
    const counter = await this.#counters.read(key, forgiveness);
    const permit = permitOf(counter, this.#clock.now());
    if (permit.kind === 'locked' || counter.account === undefined) return permit;
    return permitOf(await this.#counters.read(counter.account), this.#clock.now());
  }

  /** Counts an account unless it is locked; of guesses by several names at once the ones beyond the limit find it so. */
  async #countAccount(
    { account }: Attempted,
    count: (counter: Counter, now: number) => Counter,
  ): Promise<LockoutPermit> {
    if (!account || this.#options.user === 0) return { kind: 'open' };
    const shown = { name: canonicalUsername(account.subject), tenant: account.tenant };
    const key = accountScopeKey(account);
    const scope: Scope = { kind: 'account', key, limit: this.#options.user, forgiveness: 0, shown };
    return this.#counters.step<LockoutPermit>(scope, (counter, now) => {
      const permit = permitOf(counter, now);
      return permit.kind === 'locked' ? { result: permit } : { result: permit, write: count(counter, now) };
    });
  }

  async #countFailure({ username, address, account }: Attempted): Promise<void> {
    const found = account && { account: accountScopeKey(account) };
    for (const scope of this.#scopes(username, address))
      await this.#finishAttempt(scope, (counter, now) => ({
        ...this.#failed(counter, scope.limit, now),
        ...(scope.kind === 'user' && found),
      }));
  }

  #failed(counter: Counter, limit: number, now: number): Counter {
    return afterFailure(counter, limit, this.#options, now);
  }

  async #enter(scope: Scope, signal: AbortSignal | undefined): Promise<LockoutPermit> {
    const end = performance.now() + maxWait;
    for (;;) {
      const permit = await this.#tryEnter(scope);
      if (permit !== 'busy') return permit;
      if (performance.now() > end || this.#queue.size >= maxWaiting || signal?.aborted) break;
      await this.#queue.wait(scope.key, lookAgainAfter, signal);
    }
    return { kind: 'locked', retryAfter: busyRetry };
  }

  #tryEnter(scope: Scope): Promise<LockoutPermit | 'busy'> {
    return this.#counters.step<LockoutPermit | 'busy'>(scope, (counter, now) => {
      const permit = permitOf(counter, now);
      if (permit.kind === 'locked') return { result: permit };
      const room = Math.max(1, Math.floor(scope.limit - counter.failures));
      if (counter.underWay.length >= room) return { result: 'busy' };
      const underWay = [...counter.underWay, now + attemptTime];
      return { result: permit, write: { ...counter, underWay } };
    });
  }

  /** Takes one attempt off those under way and counts what came of it. */
  async #finishAttempt(scope: Scope, count: (counter: Counter, now: number) => Counter): Promise<void> {
    await this.#counters.step(scope, (counter, now) => {
      const write = count({ ...counter, underWay: counter.underWay.slice(1) }, now);
      return { result: undefined, write };
    });
    this.#queue.wake(scope.key);
  }
}
