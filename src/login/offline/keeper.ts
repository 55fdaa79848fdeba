/**
 * Makes verifiers of passwords that a directory has taken: behind the login, at most one in a while for an account, and none
 * while logins wait. What it cannot make it leaves for the next login.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { accountNamed, defaultTenant } from '../../core/account.ts';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Secret } from '../../core/secret.ts';
import { type ChainLink, standingAt } from '../../providers/chain.ts';
import type { AccountCuts } from '../../sessions/account-cuts.ts';
import { hashBehindLogins } from '../../users/passwords.ts';
import type { Kept, OfflineVerifiers } from './verifiers.ts';

/** How long one serves, in milliseconds, as long as the password is the same. */
const remakeAfter = 12 * 3_600_000;
/** Logins whose verifiers wait to be made. Those beyond have theirs made at another login. */
const maxWaiting = 100;
/** Accounts whose password of this process's life is told from another one. */
const remembered = 50_000;

/** A password that a provider has taken. */
export interface TakenPassword {
  readonly provider: string;
  /** The canonical name that was typed. */
  readonly name: string;
  readonly password: Secret;
  readonly outcome: Extract<Outcome, { kind: 'authenticated' }>;
}

interface KeeperParts {
  readonly verifiers: OfflineVerifiers;
  readonly links: ReadonlyMap<string, ChainLink>;
  /** By which it shows that an account's sessions were ended while its verifier waited. */
  readonly cuts: Pick<AccountCuts, 'isCut'>;
  /** How long a verifier counts, in milliseconds. */
  readonly within: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps verifiers. */
export class OfflineKeeper {
  readonly #parts: KeeperParts;
  /** Of this process alone: what is told apart by it is worth nothing to anybody who has the store. */
  readonly #key = randomBytes(32);
  readonly #seen = new Map<string, string>();
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;
  readonly #closing = new AbortController();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /**
   * Has the verifier kept; resolves when it is, or is given up. No login needs to wait for it. `since` is from when on an end of
   * the account's sessions takes it away, in milliseconds since the epoch.
   */
  note(taken: TakenPassword, since = this.#parts.clock.now()): Promise<void> {
    if (!this.#parts.links.has(taken.provider) || this.#waiting >= maxWaiting) return Promise.resolve();
    this.#waiting += 1;
    this.#work = this.#work
      .then(() => (this.#closing.signal.aborted ? undefined : this.#keep(taken, since)))
      .catch((error: unknown) =>
        this.#parts.log.warn({ provider: taken.provider, error }, 'an offline verifier could not be kept'),
      )
      .finally(() => {
        this.#waiting -= 1;
      });
    return this.#work;
  }

  /** Gives up what waits. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#work;
  }

  async #keep(taken: TakenPassword, since: number): Promise<void> {
    const { provider, name, password, outcome } = taken;
    const { verifiers, cuts, clock, within } = this.#parts;
    const { realm, subject, attributes, record } = outcome.assertion;
    const account = accountNamed(subject);
    if (await cuts.isCut(account, since)) return;
    const known = await verifiers.of(provider, account);
    const digest = createHmac('sha256', this.#key).update(password.reveal().normalize('NFC')).digest('base64');
    const seen = this.#seen.get(`${provider}\0${account.subject}`);
    const setAt = known && seen === undefined ? await this.#passwordSetAt(taken) : undefined;
    const isAsBefore = known?.passwordSetAt !== undefined && known.passwordSetAt === setAt;
    const isSame = known !== undefined && (seen === digest || (seen === undefined && isAsBefore));
    // What was proved to be another password must not be good for anything from here on.
    const isOther = seen === undefined ? setAt !== undefined && !isAsBefore : seen !== digest;
    if (known && isOther) await verifiers.forget(provider, account);
    const now = clock.now();
    const state = outcome.grant?.state;
    const last = {
      tenant: defaultTenant,
      assertion: {
        ...{ realm, subject, attributes: attributes as Kept['assertion']['attributes'] },
        ...(record?.dn !== undefined && { record: { dn: record.dn } }),
      },
      ...(state !== undefined && { state }),
      trustedAt: now,
    };
    if (isSame && now - known.madeAt < remakeAfter) {
      await verifiers.keep(provider, name, { ...known, ...last }, within);
      return this.#remember(`${provider}\0${account.subject}`, digest);
    }
    const verifier = await hashBehindLogins(password);
    if (verifier === undefined) return;
    const passwordSetAt = setAt ?? (await this.#passwordSetAt(taken));
    if (passwordSetAt === Number.POSITIVE_INFINITY || (await cuts.isCut(account, since))) return;
    const fresh = { ...last, verifier, madeAt: now, ...(passwordSetAt !== undefined && { passwordSetAt }) };
    await verifiers.keep(provider, name, fresh, within);
    this.#remember(`${provider}\0${account.subject}`, digest);
  }

  /** What the directory says of the password, to be compared with what it says after an outage; infinite where none is good. */
  async #passwordSetAt({ provider, outcome }: TakenPassword): Promise<number | undefined> {
    const { links, log } = this.#parts;
    const link = links.get(provider);
    if (!link) return undefined;
    const asked = { subject: outcome.assertion.subject, state: outcome.grant?.state };
    const standing = await standingAt(link, asked, this.#closing.signal, log);
    if (standing.kind === 'unknown-user' || standing.kind === 'rejected') return Number.POSITIVE_INFINITY;
    return standing.kind === 'authenticated' ? standing.passwordSetAt : undefined;
  }

  #remember(key: string, digest: string): void {
    this.#seen.delete(key);
    this.#seen.set(key, digest);
    const oldest = this.#seen.size > remembered ? this.#seen.keys().next().value : undefined;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}
