/** What a factor says in a login under way: its question, its judgement of an answer, a setup; as what follows for the login. */
import type { FactorBehaviour, FactorResponse } from '../core/factor.ts';
import { type Proof, withProof } from '../core/proof.ts';
import { accountOf } from '../core/session.ts';
import { readName } from '../factors/code.ts';
import type { AccountEnrolments } from '../factors/enrolments.ts';
import type { ConfiguredFactor, Factors } from '../factors/factors.ts';
import type { EnrolmentOpening } from '../factors/opening.ts';
import type { OnShow, PendingChange, PendingLogin } from '../sessions/pending.ts';
import type { LoginsUnderWay } from './logins-under-way.ts';
import { spareFor } from './step-behaviour.ts';
import { type FactParts, termsOf } from './step-facts.ts';
import type { StepContext, StepProblem } from './step-result.ts';

/** An answer that a form has brought. */
export type Answer = Pick<FactorResponse, 'fields' | 'state' | 'signal'>;

/** It did not go on. */
export interface SetBack {
  readonly kind: 'set-back';
  readonly problem: StepProblem;
  readonly next?: FactorBehaviour | undefined;
  /** The login with another state of the challenge. */
  readonly pending?: PendingLogin;
}

/** Puts the question of a factor; what was asked for before in this login goes on, such as the count of codes that were sent. */
export async function askTurn(
  parts: Pick<FactParts, 'factors' | 'door'>,
  pending: PendingLogin,
  factor: ConfiguredFactor,
  context: StepContext,
): Promise<{ readonly kind: 'asked'; readonly onShow: OnShow } | SetBack> {
  const account = accountOf(pending.vouched);
  const previous = pending.asked[factor.name];
  const terms = { ...termsOf(parts, pending, context), ...(previous !== undefined && { previous }) };
  const outcome = await parts.factors.ask(factor, { account, terms }, await parts.factors.enrolments.of(account));
  if (outcome.kind === 'asked') {
    const { page, state } = outcome.challenge;
    return { kind: 'asked', onShow: { kind: 'challenge', factor: factor.name, page, state } };
  }
  const { reason } = outcome;
  const { next, retryAfter } = outcome.kind === 'refused' ? outcome : {};
  return { kind: 'set-back', problem: { reason, ...(retryAfter !== undefined && { retryAfter }) }, next };
}

/** Begins a setup; undefined where there is nothing to set up. */
export async function offerTurn(
  { factors, door }: Pick<FactParts, 'factors' | 'door'>,
  pending: PendingLogin,
  factor: ConfiguredFactor,
  context: StepContext,
): Promise<OnShow | undefined> {
  const question = { account: accountOf(pending.vouched), terms: termsOf({ door }, pending, context) };
  const offer = await factors.begin(factor, question);
  return offer && { kind: 'enrolment', factor: factor.name, ...offer };
}

/** Has the code judged that the first factor of an account takes; `lost` where somebody else has ended the login meanwhile. */
export async function codeTurn(
  { opening, door }: Pick<FactParts, 'opening' | 'door'>,
  underWay: Pick<LoginsUnderWay, 'change'>,
  pending: PendingLogin,
  typed: string | undefined,
  context: StepContext,
): Promise<
  { readonly kind: 'on'; readonly pending: PendingLogin; readonly problem?: StepProblem } | { readonly kind: 'lost' }
> {
  const entered = await opening.enter(accountOf(pending.vouched), typed, termsOf({ door }, pending, context));
  if (entered.kind === 'refused') return { kind: 'on', pending, problem: entered };
  const next = await underWay.change(pending, () => ({ enrolmentCode: entered.code }));
  return next ? { kind: 'on', pending: next } : { kind: 'lost' };
}

/** Puts it on show in a login. What a factor keeps of its question stays, also where another one is asked for meanwhile. */
export function shows(onShow: OnShow): (pending: PendingLogin) => PendingChange {
  const { kind, factor, state } = onShow;
  const isKept = kind === 'challenge' && state !== undefined;
  return ({ asked }) => ({ onShow, ...(isKept && { asked: { ...asked, [factor]: state } }) });
}

/** A question goes on in another state. */
function goesOn({ name }: ConfiguredFactor, state: unknown): (pending: PendingLogin) => PendingChange {
  return ({ onShow, asked }) => ({
    ...(onShow?.factor === name && { onShow: { ...onShow, state } }),
    asked: { ...asked, [name]: state },
  });
}

/** Has an answer judged; `lost` where somebody else has ended the login meanwhile. */
export async function verifyTurn(
  factors: Factors,
  underWay: Pick<LoginsUnderWay, 'change'>,
  pending: PendingLogin,
  factor: ConfiguredFactor,
  answer: Answer,
): Promise<{ readonly kind: 'proved'; readonly proof: Proof } | { readonly kind: 'lost' } | SetBack> {
  const judged = await factors.verify(factor, accountOf(pending.vouched), answer);
  if (judged.kind === 'verified') return { kind: 'proved', proof: judged.proof };
  if (judged.kind === 'locked') {
    const { retryAfter } = judged;
    return { kind: 'set-back', problem: { reason: 'factor-locked', ...(retryAfter !== undefined && { retryAfter }) } };
  }
  const { state, next } = judged.kind === 'rejected' ? judged : {};
  const problem = { reason: judged.reason };
  if (state === undefined) return { kind: 'set-back', problem, next };
  const changed = await underWay.change(pending, goesOn(factor, state));
  return changed ? { kind: 'set-back', problem, next, pending: changed } : { kind: 'lost' };
}

/** Has the first answer to a setup judged, and enrols where it is right and nobody has enrolled anything `after`. */
export async function enrolTurn(
  { factors, opening }: { readonly factors: Factors; readonly opening: EnrolmentOpening },
  underWay: Pick<LoginsUnderWay, 'change'>,
  pending: PendingLogin,
  factor: ConfiguredFactor,
  answer: Answer,
  after: AccountEnrolments,
): Promise<
  | {
      readonly kind: 'enrolled';
      readonly proof: Proof | undefined;
      readonly change: (pending: PendingLogin) => PendingChange;
      /** What the audit is told of it: by whose code. */
      readonly told: { readonly detail?: string };
    }
  | { readonly kind: 'overtaken' }
  | { readonly kind: 'lost' }
  /** One more page of it. */
  | { readonly kind: 'show'; readonly onShow: OnShow }
  | { readonly kind: 'problem'; readonly problem: StepProblem; readonly pending: PendingLogin }
> {
  const name = readName(answer.fields.get('name'));
  const done = await factors.finish(factor, accountOf(pending.vouched), { ...answer, after, name });
  switch (done.kind) {
    case 'overtaken':
      return done;
    case 'continue':
      return { kind: 'show', onShow: { kind: 'enrolment', factor: factor.name, ...done.offer } };
    case 'locked': {
      const { retryAfter } = done;
      const problem = { reason: 'factor-locked', ...(retryAfter !== undefined && { retryAfter }) } as const;
      return { kind: 'problem', problem, pending };
    }
    case 'rejected':
    case 'unavailable': {
      const { clockOffset, state } = done.kind === 'rejected' ? done : {};
      const problem = { reason: done.reason, ...(clockOffset !== undefined && { clockOffset }) };
      const changed = state === undefined ? pending : await underWay.change(pending, withState(state));
      return changed ? { kind: 'problem', problem, pending: changed } : { kind: 'lost' };
    }
    case 'enrolled': {
      const { proof } = done;
      const spare = spareFor(factor, factors, after);
      const change = ({ proofs }: PendingLogin): PendingChange => ({
        ...{ proofs: proof ? withProof(proofs, proof) : proofs, spare, onShow: undefined },
      });
      const isByCode = pending.enrolmentCode !== undefined;
      const issuer = isByCode ? await opening.use(accountOf(pending.vouched)) : undefined;
      return {
        kind: 'enrolled',
        proof,
        change,
        told: issuer === undefined ? {} : { detail: `by a code of ${issuer}` },
      };
    }
    default:
      throw done satisfies never;
  }
}

/** What is on show goes on in another state. */
function withState(state: unknown): (pending: PendingLogin) => PendingChange {
  return ({ onShow }) => (onShow ? { onShow: { ...onShow, state } } : {});
}
