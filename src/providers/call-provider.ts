/**
 * One question to one provider: its deadline, its circuit breaker, and the promise that nothing but an outcome comes back. Which
 * provider is asked when, and what its outcome leads to, is the chain's.
 */
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Provider } from '../core/provider.ts';
import { reasons } from '../core/reason.ts';
import type { CircuitBreaker } from '../remote/circuit-breaker.ts';
import { withDeadline } from '../remote/deadline.ts';

/** A provider as it can be asked. */
export interface ProviderHandle {
  /** Its name under `providers:` in the configuration. */
  readonly name: string;
  readonly provider: Provider;
  /** Absent for a provider that cannot be out of reach. */
  readonly breaker?: CircuitBreaker | undefined;
  /** Its deadline for one attempt, in milliseconds. */
  readonly timeout: number;
  /** Told of every answer, when the breaker has heard of it. */
  readonly onAnswer?: (outcome: Outcome, milliseconds: number) => void;
}

/** An outcome, and how long it took. */
export interface CallResult {
  readonly outcome: Outcome;
  readonly milliseconds: number;
}

/** Terms of one question. */
export interface CallOptions {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Milliseconds left to whoever asks, if that is less than the provider's own deadline. */
  readonly remaining?: number;
  readonly log?: Log | undefined;
}

/**
 * Asks a provider and answers in time, whatever it does.
 *
 * At the deadline the work is aborted and the answer is `unavailable: timed-out`, also when the provider pays no heed; what
 * it says later is dropped. A throw, or anything that is not an outcome, is `unavailable: provider-broke`.
 */
export async function ask(
  asked: ProviderHandle,
  question: (provider: Provider, signal: AbortSignal) => Promise<Outcome>,
  terms: CallOptions,
): Promise<CallResult> {
  const startedAt = performance.now();
  const elapsed = (): number => Math.round((performance.now() - startedAt) * 10) / 10;
  if (terms.signal.aborted) return { outcome: clientGone, milliseconds: 0 };
  const permit = asked.breaker?.enter();
  if (asked.breaker && !permit) return { outcome: { kind: 'unavailable', reason: 'breaker-open' }, milliseconds: 0 };

  const outcome = await callWithDeadline(asked, question, terms);
  const milliseconds = elapsed();
  if (hasAnswered(outcome)) permit?.succeed();
  else if (outcome.kind === 'unavailable' && countsAgainst(asked, outcome, terms)) permit?.fail(outcome.reason);
  else permit?.release();
  asked.onAnswer?.(outcome, milliseconds);
  if (outcome.kind === 'unavailable' && outcome.reason !== 'client-gone')
    terms.log?.warn(
      {
        provider: asked.name,
        reason: outcome.reason,
        milliseconds,
        ...('cause' in outcome && { error: outcome.cause }),
      },
      'a provider is unavailable',
    );
  return { outcome, milliseconds };
}

/** Whether its server was heard, whatever it said; an offer takes no server. */
function hasAnswered(outcome: Outcome): boolean {
  return outcome.kind === 'unavailable' ? outcome.answered !== undefined : outcome.kind !== 'challenge';
}

type Unavailable = Extract<Outcome, { kind: 'unavailable' }>;

const clientGone: Unavailable = { kind: 'unavailable', reason: 'client-gone' };

/** A provider that was given less than its own deadline, or whose client left, has not failed. */
function countsAgainst(
  asked: ProviderHandle,
  outcome: Unavailable,
  { remaining = Number.POSITIVE_INFINITY, signal }: CallOptions,
): boolean {
  const wasCutShort = outcome.reason === 'timed-out' && remaining < asked.timeout;
  return !wasCutShort && !signal.aborted && outcome.reason !== 'client-gone';
}

/** The first of: the provider's outcome, its deadline, the client's leaving. Never rejects. */
async function callWithDeadline(
  asked: ProviderHandle,
  question: (provider: Provider, signal: AbortSignal) => Promise<Outcome>,
  { signal, remaining = Number.POSITIVE_INFINITY }: CallOptions,
): Promise<Outcome> {
  const limit = Math.ceil(Math.max(0, Math.min(asked.timeout, remaining)));
  try {
    return await withDeadline(signal, limit, (deadline) => attemptSafely(asked.provider, question, deadline.signal));
  } catch {
    return signal.aborted ? clientGone : { kind: 'unavailable', reason: 'timed-out' };
  }
}

async function attemptSafely(
  provider: Provider,
  question: (provider: Provider, signal: AbortSignal) => Promise<Outcome>,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const answer: unknown = await question(provider, signal);
    return isOutcome(answer) ? answer : broke('the provider answered with something that is not an outcome');
  } catch (error) {
    return broke(error);
  }
}

function broke(cause: unknown): Unavailable {
  return {
    kind: 'unavailable',
    reason: 'provider-broke',
    cause: typeof cause === 'string' ? new TypeError(cause) : cause,
  };
}

const knownReasons: ReadonlySet<unknown> = new Set(reasons);

/** Whether a value has all that its kind of outcome must have; a half outcome must never count as a login. */
function isOutcome(value: unknown): value is Outcome {
  if (!isObject(value)) return false;
  switch (value.kind) {
    case 'authenticated':
      return isAssertion(value.assertion);
    case 'unknown-user':
      return true;
    case 'rejected':
    case 'unavailable':
      return knownReasons.has(value.reason);
    case 'challenge':
      return Array.isArray(value.offers) && value.offers.every(isOffer);
    case 'continue':
      return isOffer(value.offer);
    default:
      return false;
  }
}

function isAssertion(value: unknown): boolean {
  return (
    isObject(value) &&
    isText(value.realm) &&
    isText(value.subject) &&
    Array.isArray(value.amr) &&
    isObject(value.attributes)
  );
}

function isOffer(value: unknown): boolean {
  return isObject(value) && (value.via === 'header' || value.via === 'redirect' || value.via === 'form');
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
