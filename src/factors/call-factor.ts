/** One question to one factor: its deadline and its circuit breaker, where it asks a server, and an answer whatever it does. */
import type { Factor } from '../core/factor.ts';
import { Failure } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import type { Reason } from '../core/reason.ts';
import type { CircuitBreaker } from '../remote/circuit-breaker.ts';
import { withDeadline } from '../remote/deadline.ts';

/** A factor as it can be asked. */
export interface CalledFactor {
  /** Its name under `factors:` in the configuration. */
  readonly name: string;
  readonly factor: Factor;
  /** Absent for a factor that asks no server. */
  readonly breaker?: CircuitBreaker | undefined;
  /** Its deadline for one question, in milliseconds. */
  readonly timeout: number;
}

/** Nobody can tell. */
interface FactorUnavailable {
  readonly kind: 'unavailable';
  readonly reason: Reason;
  readonly cause?: unknown;
}

/** Asks a factor and answers in time: at the deadline the work is aborted; a throw is `unavailable`. */
export async function callFactor<Outcome extends { readonly kind: string }>(
  asked: CalledFactor,
  signal: AbortSignal,
  log: Log,
  question: (factor: Factor, signal: AbortSignal) => Promise<Outcome | FactorUnavailable>,
): Promise<Outcome | FactorUnavailable> {
  const permit = asked.breaker?.enter();
  if (asked.breaker && !permit) return { kind: 'unavailable', reason: 'breaker-open' };
  const outcome = await inTime(asked, signal, question);
  if (!isUnavailable(outcome)) permit?.succeed();
  else if (signal.aborted) permit?.release();
  else permit?.fail(outcome.reason);
  if (isUnavailable(outcome) && !signal.aborted)
    log.warn({ factor: asked.name, reason: outcome.reason, error: outcome.cause }, 'a factor is unavailable');
  return outcome;
}

async function inTime<Outcome>(
  { factor, timeout }: CalledFactor,
  parent: AbortSignal,
  question: (factor: Factor, signal: AbortSignal) => Promise<Outcome | FactorUnavailable>,
): Promise<Outcome | FactorUnavailable> {
  try {
    return await withDeadline(parent, timeout, ({ signal }) => question(factor, signal));
  } catch (cause) {
    if (parent.aborted) return { kind: 'unavailable', reason: 'client-gone' };
    if (cause instanceof Failure) return { kind: 'unavailable', reason: cause.reason, cause };
    const isLate = cause instanceof DOMException && cause.name === 'TimeoutError';
    return { kind: 'unavailable', reason: isLate ? 'timed-out' : 'provider-broke', cause };
  }
}

function isUnavailable(outcome: { readonly kind: string }): outcome is FactorUnavailable {
  return outcome.kind === 'unavailable';
}
