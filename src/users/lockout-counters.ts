/**
 * The counters of the lock-out in the shared store: read, and changed by compare-and-set. Workers of other versions write them
 * too: fields are added and none is changed, and what cannot be read is an outage, never a count of nothing.
 */
import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { type Account, accountKey } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Store } from '../core/store.ts';
import { addressGroup } from './address.ts';

const counterSchema = z.looseObject({
  failures: z.number().min(0),
  /** When each attempt under way stops counting, should nobody say how it ended. */
  underWay: z.array(z.number()),
  lockedUntil: z.number(),
  /** When `failures` was counted last. */
  countedAt: z.number(),
  /** Who is counted, for an operator; absent in counters of older workers. */
  name: z.string().optional(),
  tenant: z.string().optional(),
  address: z.string().optional(),
  /** Of a typed name: the key under which the account is counted that it was found to be. */
  account: z.string().optional(),
});

/** A counter as it stands at a moment. */
export type Counter = z.output<typeof counterSchema>;

/** Who is counted: a key of the store, its limit, and how many failures an idle millisecond forgives. */
export interface Scope {
  readonly kind: 'user' | 'account' | 'address';
  readonly key: string;
  readonly limit: number;
  readonly forgiveness: number;
  /** Written beside the counts, so that an operator sees who it is. */
  readonly shown: Pick<Counter, 'name' | 'tenant' | 'address'>;
}

/** What a step makes of a counter; without `write` it stays as it is. */
interface Step<T> {
  readonly result: T;
  readonly write?: Counter;
}

/** What the keys of each kind of counter begin with. */
const scopePrefixes = {
  user: 'lockout-user:',
  account: 'lockout-account:',
  address: 'lockout-address:',
} as const satisfies Record<Scope['kind'], string>;

/** The key under which a name is counted, in whatever spelling it was typed. */
export function userScopeKey(username: string): string {
  return scopePrefixes.user + digest(canonicalUsername(username));
}

/** The key under which an account is counted. */
export function accountScopeKey(account: Account): string {
  return scopePrefixes.account + accountKey(account);
}

/** The key under which an address is counted, with those that count as one client with it. */
export function addressScopeKey(address: string): string {
  return scopePrefixes.address + digest(addressGroup(address));
}

const writeTries = 200;
const shortestMemory = 60 * 60_000;

/** The counters. Every method throws when the store is out of reach or a counter cannot be read. */
export class LockoutCounters {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #memory: number;
  /** Per key, the last of this process's steps: they go one by one instead of against each other. */
  readonly #steps = new Map<string, Promise<unknown>>();

  constructor({ store, clock, max }: { store: Store; clock: Clock; max: number }) {
    this.#store = store;
    this.#clock = clock;
    this.#memory = Math.max(shortestMemory, 4 * max);
  }

  /** The counter of a key at this moment. */
  async read(key: string, forgiveness = 0): Promise<Counter> {
    return readCounter(key, (await this.#store.get(key))?.value, forgiveness, this.#clock.now());
  }

  /** One compare-and-set on a counter, after this process's earlier ones on the same. */
  async step<T>(scope: Scope, decide: (counter: Counter, now: number) => Step<T>): Promise<T> {
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

  /** All counters of a kind as they were written; without what they count where one cannot be read. */
  async *list(kind: Scope['kind']): AsyncGenerator<{ readonly key: string; readonly counter?: Counter }> {
    for await (const { key, value } of this.#store.list(scopePrefixes[kind])) {
      const { success, data } = counterSchema.safeParse(parseJson(value));
      yield { key, ...(success && { counter: data }) };
    }
  }

  /** Forgets a counter, also one that cannot be read; false when there was none. */
  forget(key: string): Promise<boolean> {
    return this.#store.delete(key);
  }

  async #compareAndSet<T>(scope: Scope, decide: (counter: Counter, now: number) => Step<T>): Promise<T> {
    for (let attempt = 0; attempt < writeTries; attempt++) {
      const stored = await this.#store.get(scope.key);
      const now = this.#clock.now();
      const { result, write } = decide(readCounter(scope.key, stored?.value, scope.forgiveness, now), now);
      if (!write || (await this.#write(scope, stored?.version, write, now))) return result;
      if (attempt > 5) await delay(Math.random() * 10);
    }
    throw new GatewayError('UNAVAILABLE', `lock-out counter ${scope.key}: too many writers at once`);
  }

  async #write({ key, shown }: Scope, version: string | undefined, counter: Counter, now: number): Promise<boolean> {
    const isEmpty = counter.failures === 0 && counter.underWay.length === 0 && counter.lockedUntil <= now;
    if (isEmpty && version === undefined) return true;
    // What counts nothing is not kept: else every name that is tried while the address is locked would leave a row behind.
    const expiresAt = isEmpty ? now : Math.max(now, counter.lockedUntil, ...counter.underWay) + this.#memory;
    return this.#store.replace(key, version, JSON.stringify({ ...counter, ...shown, countedAt: now }), expiresAt);
  }
}

function readCounter(key: string, value: string | undefined, forgiveness: number, now: number): Counter {
  if (value === undefined) return { failures: 0, underWay: [], lockedUntil: 0, countedAt: now };
  const { success, data } = counterSchema.safeParse(parseJson(value));
  if (!success) throw new GatewayError('UNAVAILABLE', `lock-out counter ${key}: it cannot be read`);
  const { failures, underWay, lockedUntil, countedAt } = data;
  // A lock's own time forgives nothing, or its end would always find the counter low.
  const idle = Math.max(0, now - Math.max(countedAt, lockedUntil));
  return {
    ...data,
    failures: Math.max(0, failures - idle * forgiveness),
    underWay: underWay.filter((end) => end > now),
    countedAt: now,
  };
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 32);
}
