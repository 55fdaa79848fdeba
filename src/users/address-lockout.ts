/**
 * The lock-out for what comes without a name: only the address is counted, on the counter that logins from there have, too. The
 * same wrong secret counts once in a while: a program that tries it every second is no guesser.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Sealer } from '../core/seal.ts';
import type { Store } from '../core/store.ts';
import { LockoutCounters } from './lockout-counters.ts';
import { addressScope, afterFailure, type LockoutLimits, type LockoutPermit, permitOf } from './lockout-steps.ts';

const purpose = 'wrong secrets of a moment ago';

/** Counts failures of addresses. Every method throws when the store is out of reach. */
export class AddressLockout {
  readonly #counters: LockoutCounters;
  readonly #clock: Clock;
  readonly #limits: LockoutLimits;
  readonly #counted: RecentSecrets;

  constructor(parts: { store: Store; clock: Clock; options: LockoutLimits; recent: RecentSecrets }) {
    const { store, clock, options, recent } = parts;
    this.#counters = new LockoutCounters({ store, clock, max: options.max });
    this.#clock = clock;
    this.#limits = options;
    this.#counted = recent;
  }

  /** Whether an address is locked at this moment. */
  async check(address: string): Promise<LockoutPermit> {
    if (this.#limits.address === 0) return { kind: 'open' };
    const { key, forgiveness } = addressScope(address, this.#limits);
    return permitOf(await this.#counters.read(key, forgiveness), this.#clock.now());
  }

  /** A wrong secret came from an address. */
  async fail(address: string, secret: string): Promise<void> {
    if (this.#limits.address === 0 || !(await this.#counted.add(address, secret))) return;
    const scope = addressScope(address, this.#limits);
    await this.#counters.step(scope, (counter, now) => ({
      result: undefined,
      write: afterFailure(counter, scope.limit, this.#limits, now),
    }));
  }
}

/**
 * Secrets of a moment ago, whichever worker met them: in the store as digests by a key that is not in it, so that nobody who reads
 * the store alone can try guesses on them.
 */
export class RecentSecrets {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #keptFor: number;
  readonly #sealer: Pick<Sealer, 'derive'>;

  /** `sealer` is the same for every worker. */
  constructor(parts: { store: Store; clock: Clock; keptFor: number; sealer: Pick<Sealer, 'derive'> }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#keptFor = parts.keptFor;
    this.#sealer = parts.sealer;
  }

  /** Whether these words came together lately. */
  async has(...words: readonly string[]): Promise<boolean> {
    return (await this.#store.get(this.#placeOf(words))) !== undefined;
  }

  /** True where they had not come lately; they have from here on. */
  add(...words: readonly string[]): Promise<boolean> {
    return this.#store.replace(this.#placeOf(words), undefined, 'seen', this.#clock.now() + this.#keptFor);
  }

  #placeOf(words: readonly string[]): string {
    const [key = ''] = this.#sealer.derive(purpose);
    return `recent-secret:${createHmac('sha256', key).update(JSON.stringify(words)).digest('base64url')}`;
  }
}
