/**
 * Moments from which on an account has to prove itself anew: its sessions were ended, or its password has changed. For what is
 * remembered of it beside sessions, on every worker and machine.
 */
import { hash } from 'node:crypto';
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Store } from '../core/store.ts';

/** How long a cut is remembered, in milliseconds: longer than anything that it ends is kept, or takes to be asked about. */
const remembered = 10 * 60_000;

/** The cuts. Every method throws when the store is out of reach: nothing that is remembered counts then. */
export class AccountCuts {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** From here on the user of this name, in every tenant, has to prove anew who it is. */
  async cut(username: string): Promise<void> {
    const [key, now] = [keyOf(username), this.#clock.now()];
    // As with the end of a session, it counts although the store takes nothing. Another's cut of the same moment will do.
    const { version } = (await this.#store.get(key)) ?? {};
    await this.#store.replace(key, version, String(now), now + remembered, { held: true });
  }

  /** Whether there was a cut at a moment or since. */
  async isCut({ subject }: Pick<Account, 'subject'>, since: number): Promise<boolean> {
    const stored = await this.#store.get(keyOf(subject));
    return stored !== undefined && Number(stored.value) >= since;
  }
}

function keyOf(username: string): string {
  return `account-cut:${hash('sha256', canonicalUsername(username), 'base64url')}`;
}
