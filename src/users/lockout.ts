/**
 * The lock-out: failed logins are counted per user and per address, whoever checks the password, and past a limit each
 * failure locks for longer. An attempt is entered before anybody is asked, so that guesses in parallel count as one by one.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { duration } from '../config/values.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Store } from '../core/store.ts';
import { addressGroup } from './address.ts';

/** How many failures lock, and for how long. */
export const lockoutOptions = z.strictObject({
  user: z.int().min(0).default(5).describe('failures of one user name before it is locked; 0 is no limit'),
  address: z
    .int()
    .min(0)
    .default(50)
    .describe('failures from one address (IPv6: one /64) before it is locked; 0 is no limit'),
  delay: duration().prefault('30s').describe('the first lock; each further failure doubles it'),
  max: duration().prefault('15m').describe('the longest lock'),
});

/** The limits as configured. */
export type LockoutOptions = z.output<typeof lockoutOptions>;

/** Whether an attempt may be made. */
export type LockoutPermit =
  | { readonly kind: 'open' }
  /** In milliseconds. */
  | { readonly kind: 'locked'; readonly retryAfter: number };

const counterSchema = z.object({
  failures: z.number().min(0),
  /** When each attempt under way stops counting, should nobody say how it ended. */
  underWay: z.array(z.number()),
  lockedUntil: z.number(),
  /** When `failures` was counted last. */
  countedAt: z.number(),
});

type Counter = z.output<typeof counterSchema>;

/** Who is counted: a key of the store, its limit, and how many failures an idle millisecond forgives. */
interface Scope {
  readonly kind: 'user' | 'address';
  readonly key: string;
  readonly limit: number;
  readonly forgiveness: number;
}

const attemptTime = 60_000;
const maxWait = 3000;
const pollEvery = 50;
const maxWaiting = 200;
const busyRetry = 1000;
const writeTries = 200;
const shortestMemory = 60 * 60_000;

/** Counts in the shared store. Every method throws when the store is out of reach: nobody may sign in uncounted. */
export class Lockout {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: LockoutOptions;
  /** Per key, the last of this process's steps: they go one by one instead of against each other. */
  readonly #steps = new Map<string, Promise<unknown>>();
  #waiting = 0;

  constructor({ store, clock, options }: { store: Store; clock: Clock; options: LockoutOptions }) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
  }

  /**
   * Enters an attempt, unless the user or the address is locked. Each `open` must be followed by one `succeed`, `fail` or
   * `release`. Waits a while where the attempts under way could, by failing, reach the limit.
   */
  async check(username: string, address: string, signal?: AbortSignal): Promise<LockoutPermit> {
    const entered: Scope[] = [];
    const scopes = this.#scopes(username, address);
    // A lock is seen before anything is written: floods against it cost the store no more than a look.
    for (const scope of scopes) {
      const permit = await this.#locked(scope);
      if (permit) return permit;
    }
    for (const scope of scopes) {
      const permit = await this.#enter(scope, signal);
      if (permit.kind === 'locked') {
        for (const other of entered) await this.#settle(other, (counter) => counter);
        return permit;
      }
      entered.push(scope);
    }
    return { kind: 'open' };
  }

  /** The attempt failed: the credentials were wrong, or nobody knew the user. */
  async fail(username: string, address: string): Promise<void> {
    for (const scope of this.#scopes(username, address)) {
      await this.#settle(scope, (counter, now) => {
        const failures = counter.failures + 1;
        const beyond = Math.floor(failures - scope.limit);
        const lock = beyond < 0 ? 0 : Math.min(this.#options.max, this.#options.delay * 2 ** Math.min(beyond, 40));
        return { ...counter, failures, lockedUntil: lock === 0 ? counter.lockedUntil : now + lock };
      });
    }
  }

  /** The attempt succeeded: the user's failures are forgotten. The address's are not, or one account would open it for all. */
  async succeed(username: string, address: string): Promise<void> {
    for (const scope of this.#scopes(username, address)) {
      const isUser = scope.kind === 'user';
      await this.#settle(scope, (counter) => (isUser ? { ...counter, failures: 0, lockedUntil: 0 } : counter));
    }
  }

  /** The attempt proved nothing either way: nobody could be asked. */
  async release(username: string, address: string): Promise<void> {
    for (const scope of this.#scopes(username, address)) await this.#settle(scope, (counter) => counter);
  }

  /** Forgets a user's failures, at an operator's wish. */
  async clear(username: string): Promise<void> {
    await this.#store.delete(userKey(username));
  }

  /** The user comes first: who waits for a user must not hold a place of the address. */
  #scopes(username: string, address: string): Scope[] {
    const { user, address: limit, max } = this.#options;
    const addressKey = `lockout-address:${digest(addressGroup(address))}`;
    const scopes: Scope[] = [
      { kind: 'user', key: userKey(username), limit: user, forgiveness: 0 },
      // Behind one address may be a whole site, where somebody always mistypes: it earns its limit anew within `max`.
      { kind: 'address', key: addressKey, limit, forgiveness: limit / Math.max(1, max) },
    ];
    return scopes.filter((scope) => scope.limit > 0);
  }

  async #locked(scope: Scope): Promise<LockoutPermit | undefined> {
    const now = this.#clock.now();
    const { lockedUntil } = readCounter((await this.#store.get(scope.key))?.value, scope, now);
    return lockedUntil > now ? { kind: 'locked', retryAfter: lockedUntil - now } : undefined;
  }

  async #enter(scope: Scope, signal: AbortSignal | undefined): Promise<LockoutPermit> {
    const end = performance.now() + maxWait;
    for (;;) {
      const permit = await this.#tryEnter(scope);
      if (permit !== 'busy') return permit;
      if (performance.now() > end || this.#waiting >= maxWaiting || signal?.aborted) break;
      this.#waiting += 1;
      await delay(pollEvery, undefined, { ...(signal && { signal }) }).catch(() => undefined);
      this.#waiting -= 1;
    }
    return { kind: 'locked', retryAfter: busyRetry };
  }

  #tryEnter(scope: Scope): Promise<LockoutPermit | 'busy'> {
    return this.#step<LockoutPermit | 'busy'>(scope, (counter, now) => {
      if (counter.lockedUntil > now) return { result: { kind: 'locked', retryAfter: counter.lockedUntil - now } };
      const room = Math.max(1, Math.floor(scope.limit - counter.failures));
      if (counter.underWay.length >= room) return { result: 'busy' };
      const underWay = [...counter.underWay, now + attemptTime];
      return { result: { kind: 'open' }, write: { ...counter, underWay } };
    });
  }

  /** Takes one attempt off those under way and counts what came of it. */
  async #settle(scope: Scope, count: (counter: Counter, now: number) => Counter): Promise<void> {
    await this.#step(scope, (counter, now) => {
      const write = count({ ...counter, underWay: counter.underWay.slice(1) }, now);
      return { result: undefined, write };
    });
  }

  /** One compare-and-set on a counter, after this process's earlier ones on the same. */
  async #step<T>(scope: Scope, decide: (counter: Counter, now: number) => { result: T; write?: Counter }): Promise<T> {
    const earlier = this.#steps.get(scope.key) ?? Promise.resolve();
    const step = earlier.then(
      () => this.#compareAndSet(scope, decide),
      () => this.#compareAndSet(scope, decide),
    );
    this.#steps.set(scope.key, step);
    try {
      return await step;
    } finally {
      if (this.#steps.get(scope.key) === step) this.#steps.delete(scope.key);
    }
  }

  async #compareAndSet<T>(
    scope: Scope,
    decide: (counter: Counter, now: number) => { result: T; write?: Counter },
  ): Promise<T> {
    for (let attempt = 0; attempt < writeTries; attempt++) {
      const stored = await this.#store.get(scope.key);
      const now = this.#clock.now();
      const { result, write } = decide(readCounter(stored?.value, scope, now), now);
      if (!write || (await this.#write(scope.key, stored?.version, write, now))) return result;
      if (attempt > 5) await delay(Math.random() * 10);
    }
    throw new GatewayError('UNAVAILABLE', `lock-out counter ${scope.key}: too many writers at once`);
  }

  async #write(key: string, version: string | undefined, counter: Counter, now: number): Promise<boolean> {
    const isEmpty = counter.failures === 0 && counter.underWay.length === 0 && counter.lockedUntil <= now;
    if (isEmpty && version === undefined) return true;
    const memory = Math.max(shortestMemory, 4 * this.#options.max);
    // What counts nothing is not kept: else every name that is tried while the address is locked would leave a row behind.
    const expiresAt = isEmpty ? now : Math.max(now, counter.lockedUntil, ...counter.underWay) + memory;
    return this.#store.replace(key, version, JSON.stringify({ ...counter, countedAt: now }), expiresAt);
  }
}

/** The counter as it stands at this moment; what is broken counts from nothing, as it locks nobody out for ever. */
function readCounter(value: string | undefined, scope: Scope, now: number): Counter {
  const parsed = counterSchema.safeParse(parseJson(value));
  if (!parsed.success) return { failures: 0, underWay: [], lockedUntil: 0, countedAt: now };
  const { failures, underWay, lockedUntil, countedAt } = parsed.data;
  // A lock's own time forgives nothing, or its end would always find the counter low.
  const idle = Math.max(0, now - Math.max(countedAt, lockedUntil));
  return {
    failures: Math.max(0, failures - idle * scope.forgiveness),
    underWay: underWay.filter((end) => end > now),
    lockedUntil,
    countedAt: now,
  };
}

function parseJson(value: string | undefined): unknown {
  try {
    return value === undefined ? undefined : JSON.parse(value);
  } catch {
    return undefined;
  }
}

function userKey(username: string): string {
  return `lockout-user:${digest(canonicalUsername(username))}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 32);
}
