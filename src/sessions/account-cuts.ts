/**
 * Moments from which on an account has to prove itself anew: its sessions were ended, or its password has changed. For what is
 * remembered of it beside sessions, on every worker and machine.
 */
import { hash } from 'node:crypto';
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Store } from '../core/store.ts';

/** How long a cut is remembered, in milliseconds: longer than anything that it ends is kept, such as a login under way, or takes to be asked about. */
const remembered = 35 * 60_000;

/** A cut at every moment, for as long as it is remembered. */
const always = 'Infinity';

/** The cuts. `isCut` throws when the store is out of reach: nothing that is remembered counts then. */
export class AccountCuts {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  /** This process's own, which count although the store takes nothing. */
  readonly #own = new Map<string, number>();

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * From here on the user of this name, in every tenant, has to prove anew who it is. Never rejects: where the store takes
   * nothing, it is held beside it as a cut at every moment, since what is held cannot be written over by a later one.
   */
  async cut(username: string): Promise<void> {
    const [key, now] = [keyOf(username), this.#clock.now()];
    for (const [oldest, at] of this.#own) {
      if (now - at < remembered) break;
      this.#own.delete(oldest);
    }
    this.#own.delete(key);
    this.#own.set(key, now);
    try {
      await this.#store.put(key, String(now), now + remembered);
    } catch {
      await this.#hold(key, now + remembered).catch((error: unknown) =>
        this.#log.warn({ error }, 'that a user must prove anew who it is could not be stored'),
      );
    }
  }

  /** What is held already is such a cut. Another version means that somebody has written one a moment ago. */
  async #hold(key: string, expiresAt: number): Promise<void> {
    const stored = await this.#store.get(key);
    await this.#store.replace(key, stored?.version, always, expiresAt, { held: true });
  }

  /** Whether there was a cut at a moment or since. */
  async isCut({ subject }: Pick<Account, 'subject'>, since: number): Promise<boolean> {
    const key = keyOf(subject);
    const stored = await this.#store.get(key);
    return (
      Math.max(Number(stored?.value ?? Number.NEGATIVE_INFINITY), this.#own.get(key) ?? Number.NEGATIVE_INFINITY) >=
      since
    );
  }
}

function keyOf(username: string): string {
  return `account-cut:${hash('sha256', canonicalUsername(username), 'base64url')}`;
}
