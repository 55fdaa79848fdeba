/**
 * What passwords are judged by while their directory is away: one verifier an account, sealed in the store, with what was last
 * seen of the account. It is found by the name that was typed at the login.
 */
import * as z from 'zod';
import { type Account, accountKey, accountNamed } from '../../core/account.ts';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Reason } from '../../core/reason.ts';
import type { Store } from '../../core/store.ts';

const words = z.array(z.string());

const keptSchema = z.object({
  tenant: z.string(),
  assertion: z.object({
    realm: z.string(),
    subject: z.string(),
    attributes: z.record(z.string(), words),
    record: z.object({ dn: z.string() }).optional(),
  }),
  /** What the provider keeps beside a session, by which it finds the account again. */
  state: z.unknown().optional(),
  /** A PHC string. */
  verifier: z.string(),
  madeAt: z.number(),
  /** When the provider has last taken the password. */
  trustedAt: z.number(),
  /** By the provider's clock; absent where it does not tell. */
  passwordSetAt: z.number().optional(),
});

/** A verifier and its account. */
export type Kept = z.output<typeof keptSchema>;

/** The key of an account at its provider, whose names are its own in whichever tenant: one that moves takes its verifier along. */
function keyOf({ subject }: Pick<Account, 'subject'>): string {
  return accountKey(accountNamed(subject));
}

/** What stands where a verifier was. */
const forgotten = 'forgotten';
/** Milliseconds after which none that was written before counts any more. */
const longerThanAny = 31 * 86_400_000;

/** What says that an account may not be used any more. */
const endings: ReadonlySet<Reason> = new Set(['account-disabled', 'account-expired', 'account-locked']);

/** The verifiers of all providers. */
export class OfflineVerifiers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** The one of an account; undefined where it cannot be read, too. */
  async of(provider: string, account: Account): Promise<Kept | undefined> {
    return this.#read(`offline:${provider}.${keyOf(account)}`);
  }

  /** The one of whoever signed in under a name, in its canonical form. */
  async named(provider: string, name: string): Promise<Kept | undefined> {
    const other = await this.#subjectOf(provider, name);
    return this.#read(`offline:${provider}.${other ?? accountKey(accountNamed(name))}`);
  }

  /** Keeps one until it is older than `within` milliseconds, found by the name too. */
  async keep(provider: string, name: string, kept: Kept, within: number): Promise<void> {
    const key = keyOf(kept.assertion);
    const until = kept.trustedAt + within;
    await this.#store.put(`offline:${provider}.${key}`, JSON.stringify(kept), until);
    const typed = accountKey(accountNamed(name));
    if (typed !== key) await this.#store.put(`offline-name:${provider}.${typed}`, key, until);
  }

  /** False where there was none. It counts although the store takes nothing. */
  async forget(provider: string, account: Account): Promise<boolean> {
    return this.#forgetAt(`offline:${provider}.${keyOf(account)}`);
  }

  /** Forgets that of a name, as typed or as the provider has it. */
  async forgetNamed(provider: string, name: string): Promise<boolean> {
    const other = await this.#subjectOf(provider, name);
    const isGone = other !== undefined && (await this.#forgetAt(`offline:${provider}.${other}`));
    return (await this.forget(provider, accountNamed(name))) || isGone;
  }

  /** What a provider says of an account: the verifier goes with the account, or with its password. */
  async heed(provider: string, account: Account, outcome: Outcome): Promise<void> {
    if (await this.#isOver(provider, account, outcome)) await this.forget(provider, account);
  }

  async #isOver(provider: string, account: Account, outcome: Outcome): Promise<boolean> {
    if (outcome.kind === 'unknown-user') return true;
    if (outcome.kind === 'rejected') return endings.has(outcome.reason);
    if (outcome.kind !== 'authenticated' || outcome.passwordSetAt === undefined) return false;
    const kept = await this.of(provider, account);
    return kept !== undefined && isLater(outcome.passwordSetAt, kept);
  }

  async #subjectOf(provider: string, name: string): Promise<string | undefined> {
    return (await this.#store.get(`offline-name:${provider}.${accountKey(accountNamed(name))}`))?.value;
  }

  async #forgetAt(key: string): Promise<boolean> {
    try {
      return await this.#store.delete(key);
    } catch (error) {
      this.#log.debug({ error }, 'the store takes nothing; what is to be forgotten is held beside it');
      return this.#writeOver(key);
    }
  }

  /** A write can be held beside a store that takes none. */
  async #writeOver(key: string): Promise<boolean> {
    for (;;) {
      const stored = await this.#store.get(key);
      if (!stored || stored.value === forgotten) return false;
      const until = this.#clock.now() + longerThanAny;
      if (await this.#store.replace(key, stored.version, forgotten, until, { held: true })) return true;
    }
  }

  async #read(key: string): Promise<Kept | undefined> {
    try {
      const stored = await this.#store.get(key);
      if (stored?.value === forgotten) return undefined;
      return stored && keptSchema.parse(JSON.parse(stored.value));
    } catch (error) {
      // A name whose verifier cannot be read must look like one that has none.
      this.#log.warn({ error, at: this.#clock.now() }, 'an offline verifier cannot be read, and counts for nobody');
      return undefined;
    }
  }
}

/** Whether a password was set after the one that was known; where nobody told when that was, after it was last taken. */
export function isLater(
  passwordSetAt: number,
  { passwordSetAt: before, trustedAt }: Pick<Kept, 'passwordSetAt' | 'trustedAt'>,
): boolean {
  return passwordSetAt > (before ?? trustedAt);
}
