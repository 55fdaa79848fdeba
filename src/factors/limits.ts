/**
 * How often an account may guess. An attempt is entered before anything is compared, so that guesses in parallel count as one by
 * one, and one whose process dies counts as wrong. Nothing but a factor that was verified sets the count back: no right
 * password, no other code, no new login.
 */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { type Account, accountKey } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import type { Store } from '../core/store.ts';
import { LockoutQueue } from '../users/lockout-queue.ts';

const stateSchema = z.looseObject({
  /** Wrong answers in a row, over all factors that can be guessed. */
  failures: z.int().min(0),
  lockedUntil: z.number(),
  /** When each attempt under way counts as wrong, should nobody say how it ended. */
  underWay: z.array(z.number()),
  /** Who is counted, for an operator. */
  name: z.string(),
  tenant: z.string(),
});

type State = z.output<typeof stateSchema>;

/** How many failures lock, and for how long; times in milliseconds. */
interface FailureLimits {
  readonly count: number;
  readonly delay: number;
  readonly max: number;
  /** In a row: from then on only an operator releases. */
  readonly hard: number;
}

/** Whether an account may answer. */
type FactorPermit =
  | { readonly kind: 'open' }
  /** In milliseconds; absent where only an operator can release it. */
  | { readonly kind: 'locked'; readonly retryAfter?: number };

const attemptTime = 60_000;
const maxWait = 3000;
const lookAgainAfter = 100;
const maxWaiting = 1000;
const busyRetry = 1000;
const writeTries = 200;

/** Counts in the shared store. Every method throws when the store is out of reach or a count cannot be read: nobody may guess uncounted. */
export class FactorLimits {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: FailureLimits;
  readonly #queue = new LockoutQueue();

  constructor({ store, clock, limits }: { store: Store; clock: Clock; limits: FailureLimits }) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Whether an account is locked at this moment. Counts nothing. */
  async standing(account: Account): Promise<FactorPermit> {
    return this.#permitOf(await this.#read(account));
  }

  /** Whether so many wrong answers have come since the last right one that the account was locked, though it may be open by now. */
  async hasLocked(account: Account): Promise<boolean> {
    return (await this.#read(account)).failures >= this.#limits.count;
  }

  /** What was counted of an account counts for another one, by which its user is known from here on. */
  async carry(from: Account, to: Account): Promise<void> {
    const { failures, lockedUntil } = await this.#read(from);
    await this.#step(to, (state) => ({
      result: undefined,
      write: {
        ...state,
        failures: Math.max(state.failures, failures),
        lockedUntil: Math.max(state.lockedUntil, lockedUntil),
      },
    }));
    await this.#store.delete(keyOf(from));
  }

  /** Locks an account for as long as its next lock would be, where a factor has so many tries and no more. */
  async lock(account: Account): Promise<void> {
    await this.#step(account, (state) => {
      const { count } = this.#limits;
      const times = Math.max(1, count - state.failures);
      return { result: undefined, write: this.#failed(state, times) };
    });
  }

  /** Releases an account, by the word of an operator; false where nothing was counted. */
  unlock(account: Account): Promise<boolean> {
    return this.#store.delete(keyOf(account));
  }

  /**
   * Enters an attempt. Each `open` must be followed by one `succeed`, `fail` or `release`. Waits a while where the attempts under
   * way could, by failing, reach the limit.
   */
  async enter(account: Account, signal?: AbortSignal): Promise<FactorPermit> {
    const end = performance.now() + maxWait;
    for (;;) {
      const permit = await this.#tryEnter(account);
      if (permit !== 'busy') return permit;
      if (performance.now() > end || this.#queue.size >= maxWaiting || signal?.aborted) break;
      await this.#queue.wait(accountKey(account), lookAgainAfter, signal);
    }
    return { kind: 'locked', retryAfter: busyRetry };
  }

  /** The answer was right: what was counted is forgotten. */
  async succeed(account: Account): Promise<void> {
    await this.#end(account, (state) => ({ ...state, failures: 0, lockedUntil: 0 }));
  }

  /** The answer was wrong. */
  async fail(account: Account): Promise<void> {
    await this.#end(account, (state) => this.#failed(state, 1));
  }

  /** Nobody could tell, or the answer was no guess. */
  async release(account: Account): Promise<void> {
    await this.#end(account, (state) => state);
  }

  #permitOf({ failures, lockedUntil }: State): FactorPermit {
    if (failures >= this.#limits.hard) return { kind: 'locked' };
    const retryAfter = lockedUntil - this.#clock.now();
    return retryAfter > 0 ? { kind: 'locked', retryAfter } : { kind: 'open' };
  }

  #tryEnter(account: Account): Promise<FactorPermit | 'busy'> {
    return this.#step<FactorPermit | 'busy'>(account, (state) => {
      const permit = this.#permitOf(state);
      if (permit.kind === 'locked') return { result: permit };
      const { count, hard } = this.#limits;
      const room = Math.max(1, Math.min(count, hard) - state.failures);
      if (state.underWay.length >= room) return { result: 'busy' };
      const underWay = [...state.underWay, this.#clock.now() + attemptTime];
      return { result: permit, write: { ...state, underWay } };
    });
  }

  async #end(account: Account, count: (state: State) => State): Promise<void> {
    await this.#step(account, (state) => ({
      result: undefined,
      write: count({ ...state, underWay: state.underWay.slice(1) }),
    }));
    this.#queue.wake(accountKey(account));
  }

  #failed(state: State, times: number): State {
    if (times === 0) return state;
    const { count, delay: first, max } = this.#limits;
    const failures = state.failures + times;
    const beyond = failures - count;
    const lock = beyond < 0 ? 0 : Math.min(max, first * 2 ** Math.min(beyond, 40));
    const lockedUntil = lock === 0 ? state.lockedUntil : this.#clock.now() + lock;
    return { ...state, failures, lockedUntil };
  }

  async #step<Result>(
    account: Account,
    decide: (state: State) => { readonly result: Result; readonly write?: State },
  ): Promise<Result> {
    const key = keyOf(account);
    for (let turn = 0; turn < writeTries; turn++) {
      const stored = await this.#store.get(key);
      const { result, write } = decide(this.#parse(account, stored?.value));
      if (!write || (await this.#write(key, stored?.version, write))) return result;
      if (turn > 5) await delay(Math.random() * 10);
    }
    throw new Failure('overloaded', 'store: too many writers at once on the count of an account’s factors');
  }

  /** What counts nothing is not kept; anything else stays until a factor is verified. */
  async #write(key: string, version: string | undefined, state: State): Promise<boolean> {
    const isEmpty = state.failures === 0 && state.underWay.length === 0;
    if (isEmpty && version === undefined) return true;
    return this.#store.replace(key, version, JSON.stringify(state), isEmpty ? this.#clock.now() : undefined);
  }

  async #read(account: Account): Promise<State> {
    return this.#parse(account, (await this.#store.get(keyOf(account)))?.value);
  }

  /** The state at this moment: attempts that nobody has ended were wrong. */
  #parse(account: Account, value: string | undefined): State {
    const { subject: name, tenant } = account;
    if (value === undefined) return { failures: 0, lockedUntil: 0, underWay: [], name, tenant };
    const { success, data } = stateSchema.safeParse(parseJson(value));
    if (!success) throw new Failure('misconfigured', 'store: the count of an account’s factors cannot be read');
    const now = this.#clock.now();
    const underWay = data.underWay.filter((end) => end > now && end <= now + attemptTime);
    return this.#failed({ ...data, underWay }, data.underWay.length - underWay.length);
  }
}

function keyOf(account: Account): string {
  return `factor-state:${accountKey(account)}`;
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
