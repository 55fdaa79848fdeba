/**
 * Logins while a directory is away: who has signed in there of late may do so by the same password, as long as its breaker is
 * open since nobody answers. What this leaves open is closed again when the directory is back (`return.ts`).
 */
import { type Account, accountNamed } from '../../core/account.ts';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import { isOffline } from '../../core/proof.ts';
import { Secret } from '../../core/secret.ts';
import type { OfflineStay, Session } from '../../core/session.ts';
import type { Store } from '../../core/store.ts';
import type { Client } from '../../core/verdict.ts';
import type { RoleGiver } from '../../policy/roles.ts';
import type { ChainLink, ChainResult } from '../../providers/chain.ts';
import { isInAny } from '../../routing/networks.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import { checkPassword } from '../../users/passwords.ts';
import type { OfflineOptions } from '../options.ts';
import type { Principals } from '../principals.ts';
import type { SessionRechecker } from '../recheck.ts';
import { OfflineKeeper, type TakenPassword } from './keeper.ts';
import { OfflineReturn } from './return.ts';
import type { Kept, OfflineVerifiers } from './verifiers.ts';

/** What came of a password that nobody but a verifier could judge; `account` is whose it was to be, where somebody is known. */
export type OfflineAnswer =
  | {
      readonly kind: 'accepted';
      readonly account: Account;
      readonly provider: string;
      readonly outcome: Extract<Outcome, { kind: 'authenticated' }>;
      readonly stay: OfflineStay;
    }
  | { readonly kind: 'refused'; readonly account?: Account }
  | { readonly kind: 'overloaded' | 'aborted' };

interface OfflineParts {
  /** Absent where nobody signs in so. */
  readonly options: OfflineOptions | undefined;
  readonly chain: readonly ChainLink[];
  /** All that are configured: a verifier may be of one for which this holds no more. */
  readonly providers: readonly string[];
  readonly isAway: (provider: string) => boolean;
  readonly verifiers: OfflineVerifiers;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly sessions: Sessions;
  readonly rechecker: SessionRechecker;
  readonly lifetime: number;
  readonly principals: Pick<Principals, 'countedAs'>;
}

/** The mode of a gateway while a directory is away. */
export class Offline {
  readonly #parts: OfflineParts;
  readonly #links: ReadonlyMap<string, ChainLink>;
  readonly #keeper: OfflineKeeper;
  readonly #return: OfflineReturn;

  constructor(parts: OfflineParts) {
    const { options, chain } = parts;
    this.#parts = parts;
    this.#links = new Map(
      chain.filter(({ name }) => options?.providers.includes(name)).map((link) => [link.name, link]),
    );
    this.#keeper = new OfflineKeeper({
      ...parts,
      cuts: parts.sessions.cuts,
      links: this.#links,
      within: options?.for ?? 0,
    });
    this.#return = new OfflineReturn({ ...parts, links: this.#links });
  }

  /** Whether this client may sign in so at the moment. */
  isOffered(client: Pick<Client, 'address' | 'isRelayed'>): boolean {
    return this.#isAdmitted(client) && [...this.#links.keys()].some((name) => this.#parts.isAway(name));
  }

  /** A provider has taken a password. A new one takes the place of the one before at once. */
  async note(taken: TakenPassword, isNew: boolean): Promise<void> {
    if (isNew) await this.#parts.verifiers.forget(taken.provider, accountNamed(taken.outcome.assertion.subject));
    // The moment after it has ended what was proved by the password before.
    void this.#keeper.note(taken, this.#parts.clock.now() + (isNew ? 1 : 0));
  }

  /**
   * Judges a form that the chain could not; undefined where that is not offered. It takes the same time whether there is a
   * verifier or not, and where somebody has rejected the password it takes that time and refuses.
   */
  async check(
    form: { readonly name: string; readonly password: string; readonly client: Client; readonly signal: AbortSignal },
    chain: ChainResult,
  ): Promise<OfflineAnswer | undefined> {
    const away = chain.steps
      .filter(({ provider, outcome }) => outcome === 'unavailable' && this.#links.has(provider))
      .map(({ provider }) => provider)
      .filter((provider) => this.#parts.isAway(provider));
    if (away.length === 0 || !this.#isAdmitted(form.client)) return undefined;
    const found = await this.#find(away, form.name);
    const usable = chain.rejection ? undefined : found;
    const { signal } = form;
    const result = await checkPassword(new Secret(form.password), usable?.kept.verifier, { signal });
    if (result === 'overloaded' || result === 'aborted') return { kind: result };
    const account = found && this.#parts.principals.countedAs(assertionIn(found.kept), found.provider);
    if (result === 'mismatch' || !usable || !account) return { kind: 'refused', ...(account && { account }) };
    await this.#return.mark(usable.provider);
    return { kind: 'accepted', account, provider: usable.provider, ...vouchedFor(usable.kept) };
  }

  /** Whether the user of a session is to be asked for the password at a page load: the provider that was away is back. */
  asksFor({ offline, provider }: Session): boolean {
    return offline?.isDue === true && !this.#parts.isAway(provider);
  }

  /** The user is asked: from the first time on the session has a while left. */
  async ask({ id }: Session): Promise<void> {
    await this.#parts.sessions.offlineStays.asked(id, this.#parts.options?.after ?? 0);
  }

  /** Forgets the password of a name at every provider; how many there were. */
  async forget(name: string): Promise<number> {
    await this.#parts.sessions.cuts.cut(name);
    let forgotten = 0;
    for (const provider of this.#parts.providers)
      if (await this.#parts.verifiers.forgetNamed(provider, name)) forgotten += 1;
    return forgotten;
  }

  async close(): Promise<void> {
    await Promise.all([this.#keeper.close(), this.#return.close()]);
  }

  #isAdmitted(client: Pick<Client, 'address' | 'isRelayed'>): boolean {
    const { networks = [] } = this.#parts.options ?? {};
    return networks.length === 0 || isInAny(client, networks);
  }

  /** The verifier of a name at the first provider that has one which still counts. */
  async #find(providers: readonly string[], name: string): Promise<{ provider: string; kept: Kept } | undefined> {
    const { verifiers, clock, options } = this.#parts;
    const since = clock.now() - (options?.for ?? 0);
    for (const provider of providers) {
      const kept = await verifiers.named(provider, name);
      if (kept && kept.trustedAt >= since) return { provider, kept };
    }
    return undefined;
  }
}

function assertionIn({ assertion: { record, ...known } }: Kept) {
  return { ...known, amr: ['pwd', 'offline'] as const, ...(record && { record }) };
}

function vouchedFor(kept: Kept) {
  const { state, trustedAt, passwordSetAt } = kept;
  const outcome = {
    kind: 'authenticated' as const,
    assertion: assertionIn(kept),
    ...(state !== undefined && { grant: { state } }),
  };
  return { outcome, stay: { trustedAt, ...(passwordSetAt !== undefined && { passwordSetAt }) } };
}

/** Gives a session that began offline no roles but these. */
export function cutRoles(roles: RoleGiver, kept: readonly string[]): RoleGiver {
  return (assertion, provider, tenant) => {
    const all = roles(assertion, provider, tenant);
    return isOffline(assertion) ? new Set([...all].filter((role) => kept.includes(role))) : all;
  };
}
