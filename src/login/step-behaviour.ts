/** What follows where a factor does not go on, as the operator has said: the factor names it, and the login does it. */
import type { FactorBehaviour } from '../core/factor.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf } from '../core/session.ts';
import type { AccountEnrolments } from '../factors/enrolments.ts';
import type { ConfiguredFactor, Factors } from '../factors/factors.ts';
import type { FactorLimits } from '../factors/limits.ts';
import type { PendingChange, PendingLogin } from '../sessions/pending.ts';
import type { StepProblem } from './step-result.ts';

/** What it comes to for a login. */
export type Consequence =
  /** It goes on, with a change of what is kept of it, and with words on its page. */
  | { readonly kind: 'go-on'; readonly change?: PendingChange; readonly problem: StepProblem }
  /** It is over; `isHelped` where its page says whom to ask. */
  | { readonly kind: 'over'; readonly reason: Reason; readonly isHelped: boolean };

/** What is asked about. */
interface Setback {
  readonly pending: PendingLogin;
  /** The name of the one that does not go on. */
  readonly factor: string;
  readonly next: FactorBehaviour | undefined;
  readonly problem: StepProblem;
  /** The names of all that can be asked for. */
  readonly candidates: readonly string[];
}

/** Tells it, and locks where that is asked for. */
export async function consequenceOf(
  { pending, factor, next, problem, candidates }: Setback,
  limits: Pick<FactorLimits, 'lock' | 'standing'>,
): Promise<Consequence> {
  const over = (isHelped: boolean) => ({ kind: 'over', reason: problem.reason, isHelped }) as const;
  switch (next) {
    case undefined:
    case 'resend':
      return { kind: 'go-on', problem };
    case 'other': {
      if (!candidates.some((name) => name !== factor)) return over(false);
      return { kind: 'go-on', change: { excluded: [...pending.excluded, factor], onShow: undefined }, problem };
    }
    case 'restart':
      return over(false);
    case 'help':
      return over(true);
    case 'lock': {
      const account = accountOf(pending.vouched);
      await limits.lock(account);
      const standing = await limits.standing(account);
      const { retryAfter } = standing.kind === 'locked' ? standing : {};
      return {
        kind: 'go-on',
        problem: { reason: 'factor-locked', ...(retryAfter !== undefined && { retryAfter }) },
      };
    }
    default:
      throw next satisfies never;
  }
}

/** The factor that is set up beside the first one of an account, such as printed codes; undefined where it has one. */
export function spareFor(
  { factor }: ConfiguredFactor,
  { all }: Pick<Factors, 'all'>,
  has: AccountEnrolments,
): string | undefined {
  const spare = all.find((one) => one.factor.isSpare && one.factor.enrol !== undefined);
  const isThere = has.all.some((one) => one.factor === spare?.name);
  return factor.isSpare || isThere ? undefined : spare?.name;
}
