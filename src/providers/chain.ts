/**
 * The chain: asks the providers in their configured order and says what came of it. `ask.ts` keeps each to its deadline;
 * what the outcome means for the browser is the gateway's.
 */
import * as z from 'zod';
import type { Log } from '../core/log.ts';
import type { Offer, Outcome, OutcomeKind } from '../core/outcome.ts';
import type { Assertion } from '../core/principal.ts';
import type { Attempt } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import { type Answer, type Askable, ask } from './ask.ts';

const consequence = z.enum(['next', 'stop']);

/** What an outcome leads to, as `on:` of a provider in the configuration. */
export const onOptions = z.strictObject({
  unknownUser: consequence.default('next').describe('the user is not in this directory'),
  rejected: consequence.default('stop').describe('known, but a wrong password, locked, expired'),
  unavailable: consequence.default('next').describe('no answer, too slow, broke, left alone for a while'),
});

/** One provider in the chain. */
export interface ChainLink extends Askable {
  readonly on: z.output<typeof onOptions>;
  /** False for providers that answer from this machine: they are asked even after the total deadline. */
  readonly needsNetwork: boolean;
}

/** An offer, with the provider that made it. */
export type ChainOffer = Offer & { readonly provider: string };

/** What one provider said, for `explain`, the audit and the metrics. */
export interface ChainStep {
  readonly provider: string;
  readonly outcome: OutcomeKind;
  readonly reason?: Reason;
  readonly milliseconds: number;
}

/** What came of an attempt. */
export interface ChainResult {
  readonly outcome: Outcome;
  /** Whose outcome it is; absent when it is nobody's, as when all only made offers. */
  readonly provider?: string;
  /** All ways to present credentials, in the chain's order; none beside an `authenticated`. */
  readonly offers: readonly ChainOffer[];
  /** In the order asked. */
  readonly steps: readonly ChainStep[];
  /**
   * The rejection of a provider that knows the user. It stands here even when the outcome is another: a failure must be
   * counted also while some other provider is unavailable, or an outage would be the time to guess passwords.
   */
  readonly rejection?: { readonly provider: string; readonly reason: Reason };
}

/** Terms of a run. */
export interface ChainOptions {
  /** For the whole attempt, in milliseconds. */
  readonly totalTimeout: number;
  readonly log?: Log | undefined;
}

/**
 * Asks the providers in turn. `attempt.signal` is the client's; each provider gets its own, which also ends at its deadline.
 *
 * When nobody vouches, what the user is told follows this order, whatever the order of the chain:
 * 1. `rejected`, where the password was right but has expired or must change: the user can mend that;
 * 2. `unavailable`: who could not be asked might have vouched, so nobody is told that a password is wrong, not even by a
 *    provider that knows the user. Else an outage would tell its users from the rest by the status;
 * 3. `rejected`; 4. `unknown-user`; 5. `challenge` with all offers.
 *
 * A `rejected` that stops the chain is final before those behind it are asked: while one of them is away, a wrong password
 * for a user of an earlier provider reads otherwise than an unknown name. That is the price of `stop`; a site that will not
 * pay it puts the provider that can be away first.
 */
export async function runChain(
  links: readonly ChainLink[],
  attempt: Attempt,
  { totalTimeout, log }: ChainOptions,
): Promise<ChainResult> {
  const endsAt = performance.now() + totalTimeout;
  const run = new Run();
  for (const [index, link] of links.entries()) {
    const remaining = link.needsNetwork ? endsAt - performance.now() : Number.POSITIVE_INFINITY;
    const { outcome } = run.add(link, await askWithin(link, attempt, remaining, log));
    if (isLast(outcome, link)) {
      if (attempt.stage === 'ambient' && outcome.kind === 'rejected')
        await gatherOffers(run, links.slice(index + 1), attempt, endsAt);
      return run.result();
    }
  }
  return run.result();
}

/** Asks one provider that the browser has chosen or is back from, under the same deadline and breaker. */
export async function attemptOne(link: ChainLink, attempt: Attempt, log?: Log): Promise<ChainResult> {
  const run = new Run();
  run.add(link, await askWithin(link, attempt, Number.POSITIVE_INFINITY, log));
  return run.result();
}

/** A fresh assertion for a session from the provider that vouched, under its deadline and breaker. */
export async function refreshOne(
  link: Askable,
  assertion: Assertion,
  state: unknown,
  signal: AbortSignal,
  log?: Log,
): Promise<Outcome> {
  const unable: Outcome = { kind: 'unavailable', reason: 'misconfigured' };
  const question = async (provider: Askable['provider'], work: AbortSignal): Promise<Outcome> =>
    (await provider.refresh?.(assertion, state, work)) ?? unable;
  return (await ask(link, question, { signal, log })).outcome;
}

/** A directory entry from one provider, under its deadline and breaker; `unavailable` when it has no directory. */
export async function lookUpOne(link: Askable, username: string, signal: AbortSignal, log?: Log): Promise<Outcome> {
  const unable: Outcome = { kind: 'unavailable', reason: 'misconfigured' };
  if (!link.provider.lookUp) return unable;
  const question = async (provider: Askable['provider'], work: AbortSignal): Promise<Outcome> =>
    (await provider.lookUp?.(username, work)) ?? unable;
  return (await ask(link, question, { signal, log })).outcome;
}

function askWithin(link: ChainLink, attempt: Attempt, remaining: number, log?: Log): Answer | Promise<Answer> {
  if (remaining < 1) return { outcome: { kind: 'unavailable', reason: 'timed-out' }, milliseconds: 0 };
  const { signal } = attempt;
  const callbackUrl = attempt.callbackUrl.pathname.endsWith('/')
    ? new URL(encodeURIComponent(link.name), attempt.callbackUrl)
    : attempt.callbackUrl;
  return ask(link, (provider, work) => provider.attempt({ ...attempt, callbackUrl, signal: work }), {
    signal,
    remaining,
    log,
  });
}

function isLast(outcome: Outcome, { on }: ChainLink): boolean {
  switch (outcome.kind) {
    case 'authenticated':
    case 'continue':
      return true;
    case 'rejected':
      return on.rejected === 'stop';
    case 'unknown-user':
      return on.unknownUser === 'stop';
    case 'unavailable':
      return on.unavailable === 'stop' || outcome.reason === 'client-gone';
    case 'challenge':
      return false;
    default:
      return outcome satisfies never;
  }
}

/**
 * After a ticket or token was rejected the browser still needs the form: the providers that follow are asked for their
 * offers, without the headers that prove anything, so that none of them judges the same proof again.
 */
async function gatherOffers(run: Run, links: readonly ChainLink[], attempt: Attempt, endsAt: number): Promise<void> {
  const { authorization: _authorization, cookie: _cookie, ...headers } = attempt.headers;
  for (const link of links) {
    const remaining = link.needsNetwork ? endsAt - performance.now() : Number.POSITIVE_INFINITY;
    const { outcome } = await askWithin(link, { ...attempt, headers }, remaining);
    if (outcome.kind === 'challenge') run.offer(link.name, outcome.offers);
  }
}

/** Rejections that only who gave the right password hears. */
const afterRightPassword: ReadonlySet<Reason> = new Set<Reason>(['password-must-change', 'password-expired']);

interface Candidate {
  readonly provider: string;
  readonly outcome: Outcome;
}

/** What the providers have said so far, and which of it counts. */
class Run {
  readonly #steps: ChainStep[] = [];
  readonly #offers: ChainOffer[] = [];
  #best: Candidate | undefined;
  #rejection: ChainResult['rejection'];

  add(link: ChainLink, answer: Answer): Answer {
    const { outcome, milliseconds } = answer;
    const provider = link.name;
    this.#steps.push({
      provider,
      outcome: outcome.kind,
      milliseconds,
      ...('reason' in outcome && { reason: outcome.reason }),
    });
    if (outcome.kind === 'challenge') this.offer(provider, outcome.offers);
    else if (!this.#best || rank(outcome) > rank(this.#best.outcome)) this.#best = { provider, outcome };
    if (outcome.kind === 'rejected') this.#rejection ??= { provider, reason: outcome.reason };
    return answer;
  }

  offer(provider: string, offers: readonly Offer[]): void {
    this.#offers.push(...offers.map((offer) => ({ ...offer, provider })));
  }

  result(): ChainResult {
    const steps = this.#steps;
    const offers = this.#best?.outcome.kind === 'authenticated' ? [] : this.#offers;
    if (!this.#best) return { outcome: { kind: 'challenge', offers }, offers, steps };
    return { ...this.#best, offers, steps, ...(this.#rejection && { rejection: this.#rejection }) };
  }
}

/** The higher is what the user is told; of two equal ones the first. See `runChain`. */
function rank(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'authenticated':
      return 6;
    case 'continue':
      return 5;
    case 'rejected':
      return afterRightPassword.has(outcome.reason) ? 4 : 2;
    case 'unavailable':
      return 3;
    case 'unknown-user':
      return 1;
    case 'challenge':
      return 0;
    default:
      return outcome satisfies never;
  }
}
