/**
 * The one error of whatever the gateway asks elsewhere: a directory, an identity provider, the store. It stands in core, since
 * the store is on a lower floor than `remote/`, where the errors of sockets and TLS become one of these.
 */
import type { Outcome } from './outcome.ts';
import type { Reason } from './reason.ts';

/** What is known of a failure besides its reason and its message. */
interface FailureParts {
  /** `rejected`: what the other side has said speaks against it. `unavailable`, when absent: nobody can tell. */
  readonly kind?: 'rejected' | 'unavailable';
  readonly hint?: string | undefined;
  /** The other side's own code: of LDAP a result code, of OAuth an error code, of a store its problem. */
  readonly answer?: string | number | undefined;
  readonly cause?: unknown;
  /** As in an outcome: the other side did answer, so that nothing counts against it. */
  readonly answered?: 'of-the-user' | 'of-the-gateway' | undefined;
}

/** A failure in an operator's words: the message names the server and the step, and never holds a secret, a token or a ticket. */
export class Failure extends Error {
  readonly kind: 'rejected' | 'unavailable';
  readonly reason: Reason;
  /** What to do about it. */
  readonly hint: string | undefined;
  readonly answer: string | number | undefined;
  readonly answered: FailureParts['answered'];

  constructor(reason: Reason, message: string, parts: FailureParts = {}) {
    const { kind = 'unavailable', hint, answer, cause, answered } = parts;
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
    this.kind = kind;
    this.reason = reason;
    this.hint = hint;
    this.answer = answer;
    this.answered = answered;
  }

  /** As a provider answers it. */
  toOutcome(): Extract<Outcome, { kind: 'rejected' | 'unavailable' }> {
    if (this.kind === 'rejected') return { kind: 'rejected', reason: this.reason };
    const { reason, answered } = this;
    return { kind: 'unavailable', reason, cause: this, ...(answered && { answered }) };
  }
}

/** Why what was to be done could not be: the store did not answer, which it says itself, or something of ours broke. */
export function breakdownOf(error: unknown): Extract<Reason, 'store-away' | 'internal-error'> {
  return error instanceof Failure && error.reason === 'store-away' ? 'store-away' : 'internal-error';
}
