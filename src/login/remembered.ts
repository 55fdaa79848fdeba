/**
 * When a browser is remembered, and when that stands in for a factor: per account and browser, after a factor that was proved
 * here, and no longer than the password and the account are what they were then.
 */
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Proof } from '../core/proof.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { accountOf } from '../core/session.ts';
import type { Client } from '../core/verdict.ts';
import type { ConfiguredFactor } from '../factors/factors.ts';
import type { FactorLimits } from '../factors/limits.ts';
import type { FactorRules } from '../factors/options.ts';
import { rememberedName } from '../policy/worth.ts';
import { type ChainLink, standingAt } from '../providers/chain.ts';
import { isInAny } from '../routing/networks.ts';
import type { KnownBrowsers } from '../sessions/known.ts';
import type { KnownBrowser } from '../sessions/known-record.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { StepContext } from './step-result.ts';

/** What is asked and kept. */
interface RememberedParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly rules: FactorRules['remember'];
  readonly known: KnownBrowsers;
  readonly limits: Pick<FactorLimits, 'hasLocked'>;
  readonly chain: readonly ChainLink[];
  /** Who has to know the users of a provider, too. */
  readonly mustKnow: (provider: string) => ChainLink | undefined;
  readonly recorder: Pick<Recorder, 'account'>;
}

/** What stands in for a factor, and what the browser is to keep from here on. */
interface Remembrance {
  readonly proof: Proof;
  readonly cookies: readonly string[];
}

type Witness = NonNullable<KnownBrowser['witness']>;

/** Remembers, and recalls. */
export class RememberedBrowsers {
  readonly #parts: RememberedParts;

  constructor(parts: RememberedParts) {
    this.#parts = parts;
  }

  /** For how many milliseconds the page of a factor may offer it; undefined where it does not. What stands in for a factor is not remembered. */
  offered({ factor }: Pick<ConfiguredFactor, 'factor'>, client: Client): number | undefined {
    const isOffered = factor.isStandIn !== true && factor.isSpare !== true && this.#isOpen(client);
    return isOffered ? this.#parts.rules.for : undefined;
  }

  /** Whether an answer to a factor comes with the wish, where that is offered. */
  isWished(fields: ReadonlyMap<string, string>, factor: Pick<ConfiguredFactor, 'factor'>, client: Client): boolean {
    return fields.get('remember') === 'yes' && this.offered(factor, client) !== undefined;
  }

  /** The proof that the browser is, where it is remembered for the account and nothing has changed since. */
  async recall(vouched: Vouched, context: StepContext): Promise<Remembrance | undefined> {
    const { known: browsers, clock } = this.#parts;
    const cookies = context.headers.all('cookie');
    if (!this.#isOpen(context.client) || browsers.idIn(cookies) === undefined) return undefined;
    const account = accountOf(vouched);
    const seen = await browsers.see(account, cookies);
    if (seen.kind === 'copied') this.#record(vouched, context, { reason: 'code-replayed' });
    if (seen.kind !== 'known') return undefined;
    const standing = await this.#standing(account, vouched, seen.known, context.signal);
    if (standing !== 'good') {
      if (standing === 'over') await browsers.forget(account);
      return undefined;
    }
    const cookiesNow = await browsers.use(account, seen.known, cookies);
    return cookiesNow && { proof: rememberedProof(account.tenant, clock.now()), cookies: cookiesNow };
  }

  /** Remembers the browser of somebody who has wished it; gives the cookies. Nothing is, where nobody can tell how the password stands. */
  async remember(vouched: Vouched, context: StepContext): Promise<readonly string[]> {
    const { client, headers, signal } = context;
    if (!this.#isOpen(client)) return [];
    const witness = await this.#witness(vouched, signal);
    if (witness === 'unknown') return [];
    const { address, userAgent } = client;
    const about = { address, userAgent: userAgent.slice(0, 256), ...(witness && { witness }) };
    const lines = await this.#parts.known.remember(accountOf(vouched), about, headers.all('cookie'));
    this.#record(vouched, context, {});
    return lines;
  }

  /** The id of the browser of a request, where it has one. */
  idIn(headers: HeaderLines): string | undefined {
    return this.#parts.known.idIn(headers.all('cookie'));
  }

  /** Forgets all browsers of an account: its password, its factors or its standing have changed. */
  async forget(account: Account): Promise<number> {
    return this.#parts.known.forget(account);
  }

  /** What a provider says of an account: what is remembered goes with it, or with its password. */
  async heed(provider: string, account: Account, outcome: Outcome): Promise<void> {
    if (this.#parts.rules.for === 0) return;
    for (const { id, witness } of await this.#parts.known.of(account)) {
      if (witness?.provider !== provider) continue;
      const isOver =
        outcome.kind === 'authenticated' ? witness.mark !== this.#markOf(witness, outcome) : isEnd(outcome);
      if (isOver) await this.#parts.known.forget(account, id);
    }
  }

  /** A client in the networks, where any are named; nobody's while it is off. */
  #isOpen(client: Client): boolean {
    const { for: lasts, networks } = this.#parts.rules;
    return lasts > 0 && (networks.length === 0 || isInAny(client, networks));
  }

  /** `over` ends what is remembered; `unclear` lets nobody pass by it, and leaves it. */
  async #standing(
    account: Account,
    { offline, provider, grant }: Vouched,
    { witness }: KnownBrowser,
    signal: AbortSignal,
  ): Promise<'good' | 'over' | 'unclear'> {
    // Somebody has guessed at the account's codes until they were locked.
    if (await this.#parts.limits.hasLocked(account)) return 'over';
    if (offline) return 'unclear';
    if (!witness) return 'good';
    const isOwn = witness.provider === provider;
    const outcome = await this.#ask(witness, isOwn ? grant?.state : undefined, signal);
    if (outcome?.kind === 'authenticated') return witness.mark === this.#markOf(witness, outcome) ? 'good' : 'over';
    // Who came in by another provider need not be found here by the name alone.
    return isOwn && outcome && isEnd(outcome) ? 'over' : 'unclear';
  }

  /** How the password stands at this moment, by whoever knows; absent where nobody ever tells. */
  async #witness(
    { provider, assertion, grant }: Vouched,
    signal: AbortSignal,
  ): Promise<Witness | 'unknown' | undefined> {
    const link = this.#link(provider);
    const own = link?.provider.standing && link;
    const teller = own || this.#parts.mustKnow(provider);
    if (!teller?.provider.standing) return undefined;
    const { subject } = assertion;
    const outcome = await this.#ask({ provider: teller.name, subject }, own ? grant?.state : undefined, signal);
    if (outcome?.kind !== 'authenticated') return 'unknown';
    return { provider: teller.name, subject, mark: this.#markOf({ provider: teller.name, subject }, outcome) };
  }

  async #ask(
    { provider, subject }: Pick<Witness, 'provider' | 'subject'>,
    state: unknown,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const link = this.#link(provider);
    return link && standingAt(link, { subject, state }, signal, this.#parts.log);
  }

  #link(provider: string): ChainLink | undefined {
    const { chain, mustKnow } = this.#parts;
    return [...chain, ...chain.flatMap(({ name }) => mustKnow(name) ?? [])].find(({ name }) => name === provider);
  }

  /** What changes with the password of an account; a directory that has never said when it was set says so with the first change. */
  #markOf(
    { provider, subject }: Pick<Witness, 'provider' | 'subject'>,
    { passwordSetAt }: Extract<Outcome, { kind: 'authenticated' }>,
  ): string {
    return this.#link(provider)?.provider.passwordMark?.(subject) ?? String(passwordSetAt ?? 'untold');
  }

  #record(
    vouched: Vouched,
    { client, requestId }: StepContext,
    { reason }: { readonly reason?: 'code-replayed' },
  ): void {
    this.#parts.recorder.account({
      ...{ event: 'remember', outcome: reason === undefined ? 'succeeded' : 'failed', client, requestId },
      ...{ account: accountOf(vouched), provider: vouched.provider },
      ...(reason && { reason }),
    });
  }
}

/** What a browser that is remembered proves. */
export function rememberedProof(tenant: string, at: number): Proof {
  return { step: 'second', by: rememberedName, realm: tenant, amr: ['rba'], at };
}

/** Whether an account is gone, or may not be used any more; whatever else a provider rejects is about itself. */
function isEnd(outcome: Outcome): boolean {
  return outcome.kind === 'unknown-user' || (outcome.kind === 'rejected' && endings.has(outcome.reason));
}

const endings: ReadonlySet<string> = new Set(['account-disabled', 'account-expired', 'account-locked']);
