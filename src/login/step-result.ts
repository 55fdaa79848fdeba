/** What a step of a login is taken with, and what it leads to. */
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { SessionBegun } from './session-begun.ts';
import type { LoginContext } from './sign-in.ts';
import type { Step } from './steps.ts';

/** Whose browser takes a step. */
export interface StepContext extends LoginContext {
  readonly headers: HeaderLines;
  /** Of the pages, in two letters. */
  readonly language: string;
  readonly signal: AbortSignal;
  /** The cookie value of the session that the browser has: it ends where another begins. */
  readonly token?: string | undefined;
}

/** Why a step was not taken, for its page. */
export interface StepProblem {
  readonly reason: Reason;
  /** Milliseconds. */
  readonly retryAfter?: number;
  /** Seconds by which a user's clock is ahead. */
  readonly clockOffset?: number;
}

/** What a step leads to; with the cookies that are to be set. */
export type StepResult =
  | ({ readonly kind: 'begun'; readonly returnTo: string; readonly cookies: readonly string[] } & SessionBegun)
  | {
      readonly kind: 'pending';
      readonly pending: PendingLogin;
      readonly step: Step;
      readonly cookies: readonly string[];
      readonly problem?: StepProblem;
    }
  /** Whoever is signed in has proved enough already. */
  | { readonly kind: 'enough'; readonly returnTo: string; readonly cookies: readonly string[] }
  /** Whoever is signed in gives their first proof once more, and comes back. */
  | { readonly kind: 'confirm'; readonly returnTo: string; readonly cookies: readonly string[] }
  /** It is at an end, and nobody is signed in by it. */
  | {
      readonly kind: 'over';
      readonly reason: Reason;
      readonly returnTo: string;
      readonly cookies: readonly string[];
      /** The page says whom to ask. */
      readonly isHelped?: boolean;
    }
  | { readonly kind: 'unavailable'; readonly reason: Reason };

/** How a login goes on: whether codes may be sent, what the answer sets and says, and whether no page was asked for. */
export interface OnwardTerms {
  readonly maySend: boolean;
  readonly cookies?: readonly string[];
  readonly problem?: StepProblem;
  readonly isAmbient?: boolean;
}

const enrolling: ReadonlySet<Step['kind']> = new Set([
  ...(['enrol', 'choose-enrolment', 'begin-enrolment', 'enrolment-code'] as const),
]);

/** Where the page of a step is. */
export function stepAddress({ pending, step }: Extract<StepResult, { kind: 'pending' }>): string {
  const isEnrolling = enrolling.has(step.kind);
  return `/_gate/${isEnrolling ? 'enrol' : 'factor'}?${new URLSearchParams({ login: pending.id })}`;
}

/** The same with more cookies. */
export function withCookies(result: StepResult, cookies: readonly string[]): StepResult {
  return result.kind === 'unavailable' ? result : { ...result, cookies: [...result.cookies, ...cookies] };
}
