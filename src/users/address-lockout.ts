/**
 * The lock-out for what comes without a name: only the address is counted, on the counter that logins from there have, too. The
 * same wrong secret counts once in a while: a program that tries it every second is no guesser.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Store } from '../core/store.ts';
import { LockoutCounters } from './lockout-counters.ts';
import { addressScope, afterFailure, type LockoutLimits, type LockoutPermit, permitOf } from './lockout-steps.ts';

const maxRemembered = 10_000;

/** Counts failures of addresses. Every method throws when the store is out of reach. */
export class AddressLockout {
  readonly #counters: LockoutCounters;
  readonly #clock: Clock;
  readonly #limits: LockoutLimits;
  readonly #counted: RecentSecrets;

  constructor({ store, clock, options }: { store: Store; clock: Clock; options: LockoutLimits }) {
    this.#counters = new LockoutCounters({ store, clock, max: options.max });
    this.#clock = clock;
    this.#limits = options;
    this.#counted = new RecentSecrets({ clock, keptFor: options.delay });
  }

  /** Whether an address is locked at this moment. */
  async check(address: string): Promise<LockoutPermit> {
    if (this.#limits.address === 0) return { kind: 'open' };
    const { key, forgiveness } = addressScope(address, this.#limits);
    return permitOf(await this.#counters.read(key, forgiveness), this.#clock.now());
  }

  /** A wrong secret came from an address. */
  async fail(address: string, secret: string): Promise<void> {
    if (this.#limits.address === 0 || !this.#counted.add(address, secret)) return;
    const scope = addressScope(address, this.#limits);
    await this.#counters.step(scope, (counter, now) => ({
      result: undefined,
      write: afterFailure(counter, scope.limit, this.#limits, now),
    }));
  }
}

/** Secrets of a moment ago, as digests by a key of this process alone. */
export class RecentSecrets {
  readonly #clock: Clock;
  readonly #keptFor: number;
  readonly #key = randomBytes(32);
  /** Until when each is known, in the order in which they came. */
  readonly #until = new Map<string, number>();

  constructor({ clock, keptFor }: { clock: Clock; keptFor: number }) {
    this.#clock = clock;
    this.#keptFor = keptFor;
  }

  /** Whether these words came together lately. */
  has(...words: readonly string[]): boolean {
    return (this.#until.get(this.#digest(words)) ?? 0) > this.#clock.now();
  }

  /** True where they had not come lately; they have from here on. */
  add(...words: readonly string[]): boolean {
    if (this.has(...words)) return false;
    const digest = this.#digest(words);
    const now = this.#clock.now();
    for (const [oldest, until] of this.#until) {
      if (until > now && this.#until.size < maxRemembered) break;
      this.#until.delete(oldest);
    }
    this.#until.delete(digest);
    this.#until.set(digest, now + this.#keptFor);
    return true;
  }

  #digest(words: readonly string[]): string {
    return createHmac('sha256', this.#key).update(JSON.stringify(words)).digest('base64url');
  }
}
