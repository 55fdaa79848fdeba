/** What a login comes to where a factor did not go on: as the operator has said, on it goes, with what is kept of it changed, or it is over. */
import type { PendingLogin } from '../sessions/pending.ts';
import type { SetBack } from './factor-turns.ts';
import type { LoginsUnderWay } from './logins-under-way.ts';
import { type Consequence, consequenceOf } from './step-behaviour.ts';
import { type FactParts, factsOf } from './step-facts.ts';
import type { StepContext, StepProblem } from './step-result.ts';

/** The factor of this name did not go on; `lost` where somebody else has ended the login meanwhile. */
export async function setBackTurn(
  parts: FactParts,
  underWay: Pick<LoginsUnderWay, 'change'>,
  pending: PendingLogin,
  { factor, problem, next }: Pick<SetBack, 'problem' | 'next'> & { readonly factor: string },
  context: StepContext,
): Promise<
  | Extract<Consequence, { kind: 'over' }>
  | { readonly kind: 'lost' }
  | { readonly kind: 'on'; readonly pending: PendingLogin; readonly problem: StepProblem }
> {
  const { candidates } = (await factsOf(parts, pending, context)).facts;
  const follows = await consequenceOf({ pending, factor, next, problem, candidates }, parts.factors.limits);
  if (follows.kind === 'over') return follows;
  const { change } = follows;
  const changed = change ? await underWay.change(pending, () => change) : pending;
  return changed ? { kind: 'on', pending: changed, problem: follows.problem } : { kind: 'lost' };
}
