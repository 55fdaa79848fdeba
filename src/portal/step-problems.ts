/** What the pages of a login under way call what went wrong. */
import type { Reason } from '../core/reason.ts';
import type { StepProblem } from '../login/step-result.ts';
import type { FactorProblem } from '../pages/factor.ts';
import type { FactorOverView } from '../pages/factor-over.ts';

const problems: Partial<Record<Reason, FactorProblem['code']>> = {
  'code-wrong': 'code-wrong',
  'code-expired': 'code-expired',
  'code-replayed': 'code-replayed',
  'clock-skew': 'code-wrong',
  'key-foreign': 'key-wrong',
  'key-counter': 'key-wrong',
  'user-not-verified': 'not-verified',
  'pass-spent': 'pass-spent',
  'contact-missing': 'no-contact',
  'too-many-sends': 'too-many-sends',
  'budget-spent': 'too-many-sends',
  'send-failed': 'send-failed',
  'enrolment-unfinished': 'not-kept',
  'factor-missing': 'refused',
  'enrolment-closed': 'refused',
};

/** A problem as its page says it. */
export function problemOf({ reason, retryAfter, clockOffset }: StepProblem): FactorProblem {
  if (reason === 'factor-locked')
    return retryAfter === undefined
      ? { code: 'factor-hard-locked' }
      : { code: 'factor-locked', retryAfterSeconds: Math.ceil(retryAfter / 1000) };
  const retry = retryAfter !== undefined && { retryAfterSeconds: Math.ceil(retryAfter / 1000) };
  const code = problems[reason] ?? 'unavailable';
  return { code, ...retry, ...(clockOffset !== undefined && { clockOffset }) };
}

/** The status of a page with a problem, or without. */
export function statusOf(problem: StepProblem | undefined): number {
  if (!problem) return 200;
  const { code } = problemOf(problem);
  if (code === 'unavailable') return 503;
  return code.endsWith('locked') ? 429 : 401;
}

/** What the page of a login that is over says. */
export function overWord(reason: Reason): FactorOverView['reason'] {
  if (reason === 'factor-missing') return 'missing';
  if (reason === 'enrolment-closed') return 'closed';
  if (reason === 'contact-missing') return 'contact';
  if (reason === 'cookie-missing') return 'cookies';
  if (reason === 'level-too-low') return 'unconfirmed';
  if (problems[reason] !== undefined && reason !== 'enrolment-unfinished') return 'tries';
  return reason === 'step-foreign' || reason === 'flow-expired' || reason === 'enrolment-unfinished'
    ? 'expired'
    : 'ended';
}
