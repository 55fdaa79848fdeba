/**
 * The chain: asks the providers in their configured order and says what came of it. `call-provider.ts` keeps each to its deadline;
 * what the outcome means for the browser is the gateway's.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Assertion } from '../core/principal.ts';
import type { Attempt, Credentials } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import { Secret } from '../core/secret.ts';
import { ask, type CallOptions, type CallResult, type ProviderHandle } from './call-provider.ts';
import { afterRightPassword, type ChainResult, ChainRun } from './chain-result.ts';

export type { ChainOffer, ChainResult } from './chain-result.ts';

const consequence = z.enum(['next', 'stop']);

/** What an outcome leads to, as `on:` of a provider in the configuration. */
export const onOptions = z.strictObject({
  unknownUser: consequence.default('next').describe('the user is not in this directory'),
  rejected: consequence.default('stop').describe('known, but a wrong password, locked, expired'),
  unavailable: consequence.default('next').describe('no answer, too slow, broke, circuit breaker open'),
});

/** One provider in the chain. */
export interface ChainLink extends ProviderHandle {
  readonly on: z.output<typeof onOptions>;
  /** False for providers that answer from this machine: they are asked even after the total deadline. */
  readonly needsNetwork: boolean;
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
 * When nobody authenticates the user, what the user is told follows this order, whatever the order of the chain:
 * 1. `rejected`, where the password was right but has expired or must change: the user can mend that;
 * 2. `unavailable`: who could not be asked might have done so, so nobody is told that a password is wrong, not even by a
 *    provider that knows the user. Else an outage would tell its users from the rest by the status;
 * 3. `rejected`; 4. `unknown-user`; 5. `challenge` with all offers.
 *
 * A `rejected` that stops the chain keeps the password from those behind it, and still lets their outage count: they are
 * asked about nobody.
 */
export async function runChain(
  links: readonly ChainLink[],
  attempt: Attempt,
  { totalTimeout, log }: ChainOptions,
): Promise<ChainResult> {
  const endsAt = performance.now() + totalTimeout;
  const run = new ChainRun();
  for (const [index, link] of links.entries()) {
    const asked = run.hasOutage ? { ...attempt, isMoot: true } : attempt;
    const { outcome } = run.add(link.name, await askWithin(link, asked, remaining(link, endsAt), log));
    if (isLast(outcome, link)) {
      const rest = links.slice(index + 1);
      if (outcome.kind !== 'rejected') return run.result();
      if (attempt.stage === 'ambient') await gatherOffers(run, rest, attempt, endsAt);
      else if (isAsForUnknown(outcome.reason, link)) await askAboutNobody(run, rest, attempt, endsAt, log);
      return run.result();
    }
  }
  return run.result();
}

/** Asks one provider that the browser has chosen or is back from, under the same deadline and circuit breaker. */
export async function attemptOne(link: ChainLink, attempt: Attempt, log?: Log): Promise<ChainResult> {
  const run = new ChainRun();
  run.add(link.name, await askWithin(link, attempt, Number.POSITIVE_INFINITY, log));
  return run.result();
}

/** A fresh assertion for a session from its provider, under its deadline and circuit breaker; `unavailable` when it has none. */
export async function refreshOne(
  link: ProviderHandle,
  assertion: Assertion,
  state: unknown,
  signal: AbortSignal,
  log?: Log,
): Promise<Outcome> {
  const refresh = link.provider.refresh?.bind(link.provider);
  return askWhoCan(link, refresh && ((work) => refresh(assertion, state, work)), { signal, log });
}

/** A directory entry from one provider, under its deadline and circuit breaker; `unavailable` when it has no directory. */
export async function lookUpOne(
  link: ProviderHandle,
  username: string,
  signal: AbortSignal,
  log?: Log,
): Promise<Outcome> {
  const lookUp = link.provider.lookUp?.bind(link.provider);
  return askWhoCan(link, lookUp && ((work) => lookUp(username, work)), { signal, log });
}

/** How an account stands at one provider, under its deadline and circuit breaker; `unavailable` when it cannot say. */
export async function standingAt(
  link: ProviderHandle,
  { subject, state }: { readonly subject: string; readonly state: unknown },
  signal: AbortSignal,
  log?: Log,
): Promise<Outcome> {
  const standing = link.provider.standing?.bind(link.provider);
  return askWhoCan(link, standing && ((work) => standing(subject, state, work)), { signal, log });
}

/** The account of somebody who has proved at the gateway who they are, at their directory; `unavailable` when it cannot say. */
export async function admitAt(link: ProviderHandle, subject: string, signal: AbortSignal, log?: Log): Promise<Outcome> {
  const admit = link.provider.admit?.bind(link.provider);
  return askWhoCan(link, admit && ((work) => admit(subject, work)), { signal, log });
}

/** A question that only some providers can answer: from the others it is `unavailable`, and nothing counts against them. */
async function askWhoCan(
  link: ProviderHandle,
  question: ((work: AbortSignal) => Promise<Outcome>) | undefined,
  terms: CallOptions,
): Promise<Outcome> {
  if (!question) return { kind: 'unavailable', reason: 'misconfigured' };
  return (await ask(link, (_provider, work) => question(work), terms)).outcome;
}

function askWithin(link: ChainLink, attempt: Attempt, left: number, log?: Log): CallResult | Promise<CallResult> {
  if (left < 1) return { outcome: { kind: 'unavailable', reason: 'timed-out' }, milliseconds: 0 };
  const { signal } = attempt;
  const callbackUrl = attempt.callbackUrl.pathname.endsWith('/')
    ? new URL(encodeURIComponent(link.name), attempt.callbackUrl)
    : attempt.callbackUrl;
  return ask(link, (provider, work) => provider.attempt({ ...attempt, callbackUrl, signal: work }), {
    signal,
    remaining: left,
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
async function gatherOffers(
  run: ChainRun,
  links: readonly ChainLink[],
  attempt: Attempt,
  endsAt: number,
): Promise<void> {
  const headers = attempt.headers.without((name) => name === 'authorization' || name === 'cookie');
  for (const link of links) {
    const { outcome } = await askWithin(link, { ...attempt, headers }, remaining(link, endsAt));
    if (outcome.kind === 'challenge') run.offer(link.name, outcome.offers);
  }
}

/** Whether the same form with a name that this provider does not know would have gone on to those behind it. */
function isAsForUnknown(reason: Reason, { on }: ChainLink): boolean {
  return !afterRightPassword.has(reason) && on.unknownUser === 'next';
}

/**
 * After a password was refused those behind are asked as they would have been about an unknown name, so that their outage
 * shows, and takes its time, for known and unknown users alike. They get neither the name nor the password, and nothing
 * but an outage is kept of what they say.
 */
async function askAboutNobody(
  run: ChainRun,
  links: readonly ChainLink[],
  attempt: Attempt,
  endsAt: number,
  log: Log | undefined,
): Promise<void> {
  const credentials = nobodysCredentials();
  for (const link of links) {
    const answer = await askWithin(link, { ...attempt, credentials }, remaining(link, endsAt), log);
    if (answer.outcome.kind === 'unavailable') run.add(link.name, answer);
    if (isLast(answer.outcome, link)) return;
  }
}

/** A name and a password that nobody has. */
export function nobodysCredentials(): Credentials {
  return { username: randomBytes(12).toString('hex'), password: new Secret(randomBytes(12).toString('hex')) };
}

/** Milliseconds left of the whole attempt; a provider on this machine is asked even after it. */
function remaining({ needsNetwork }: ChainLink, endsAt: number): number {
  return needsNetwork ? endsAt - performance.now() : Number.POSITIVE_INFINITY;
}
