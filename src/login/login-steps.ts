/**
 * The dispatcher of logins: whatever somebody has proved comes here, and from here either a session begins or the next step is
 * shown. What is next, `steps.ts` says; what the last step comes to, `login-end.ts`. Pages post to it and come back to it.
 */
import type { FactorResponse } from '../core/factor.ts';
import { type Proof, withProof } from '../core/proof.ts';
import { isSameOwner, ownerOf } from '../core/session.ts';
import type { AccountEnrolments } from '../factors/enrolments.ts';
import type { ConfiguredFactor } from '../factors/factors.ts';
import type { OnShow, PendingLogin } from '../sessions/pending.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import {
  type Answer,
  askTurn,
  codeTurn,
  enrolTurn,
  offerTurn,
  type SetBack,
  shows,
  verifyTurn,
} from './factor-turns.ts';
import { type EndParts, LoginEnd } from './login-end.ts';
import { type FirstProof, type LoginBeginning, LoginStarts, type StartParts } from './login-starts.ts';
import { LoginsUnderWay, type UnderWayParts } from './logins-under-way.ts';
import { type RecallParts, recallTurn } from './recall-turn.ts';
import { setBackTurn } from './set-back.ts';
import { factsOf } from './step-facts.ts';
import { type OnwardTerms, type StepContext, type StepResult, withCookies } from './step-result.ts';
import { nextStep } from './steps.ts';
import { placeTurn } from './tenant-choice.ts';

type StepsParts = StartParts & EndParts & UnderWayParts & RecallParts;

/** Takes the steps of logins. Every method throws when the store is out of reach. */
export class LoginSteps {
  readonly #parts: StepsParts;
  readonly #end: LoginEnd;
  readonly #underWay: LoginsUnderWay;
  readonly #starts: LoginStarts;

  constructor(parts: StepsParts) {
    this.#parts = parts;
    this.#end = new LoginEnd(parts);
    this.#underWay = new LoginsUnderWay(parts);
    this.#starts = new LoginStarts(parts, this.#underWay);
  }

  /** Whether the first proof of somebody is all that their login takes. */
  isEnough(vouched: Vouched, { client }: Pick<StepContext, 'client'>): boolean {
    return this.#parts.door.admit(vouched, client) !== undefined;
  }

  /** A provider has vouched for somebody, who may have proved more by a passkey: a session begins, or a login that takes more. */
  async begin(first: LoginBeginning, context: StepContext): Promise<StepResult> {
    const { vouched, chain, returnTo, isPosted, isAmbient = false } = first;
    const admitted = this.#parts.door.admit(vouched, context.client, first.proof && [first.proof]);
    if (admitted) return this.#end.establish(admitted, { chain, returnTo, cookies: [] }, context);
    const { pending, cookies } = await this.#starts.login(first, context);
    return this.#advance(pending, context, { maySend: isPosted, cookies, isAmbient });
  }

  /** As `LoginStarts` says: a password that has to change. */
  async beginNewPassword(
    first: Parameters<LoginStarts['newPassword']>[0],
    context: StepContext,
  ): Promise<StepResult | undefined> {
    const begun = await this.#starts.newPassword(first, context);
    return begun && this.#advance(begun.pending, context, { maySend: true, cookies: begun.cookies });
  }

  /** Somebody who is signed in is to prove more. */
  async beginStepUp(wish: Parameters<LoginStarts['stepUp']>[0], context: StepContext): Promise<StepResult> {
    const { pending, cookies } = await this.#starts.stepUp(wish, context);
    return this.#advance(pending, context, { maySend: false, cookies });
  }

  /** The new password was taken, and whoever keeps it has vouched for its owner by it. */
  async complete(
    pending: PendingLogin,
    { vouched, chain }: Pick<FirstProof, 'vouched' | 'chain'>,
    context: StepContext,
  ): Promise<StepResult> {
    const step = nextStep((await factsOf(this.#parts, pending, context)).facts);
    const placed = this.#parts.door.placed(vouched, pending.vouched.tenant);
    const isTheirs = placed && isSameOwner(ownerOf(pending.vouched), ownerOf(placed));
    if (!isTheirs || step.kind !== 'new-password') return this.#end.lost(pending, context);
    return this.#end.complete(pending, { vouched: placed, chain, isLower: step.isLower }, context);
  }

  /** The login under way that an id names, in the browser that began it. */
  find(id: string | undefined, context: StepContext): Promise<PendingLogin | undefined> {
    return this.#underWay.find(id, context);
  }

  /** Where it stands. Sends nothing: a page may be loaded any number of times. */
  show(pending: PendingLogin, context: StepContext): Promise<StepResult> {
    return this.#advance(pending, context, { maySend: false });
  }

  /** The user picks a factor, to be asked for or to be set up; or wants to pick another, where none is named. */
  async choose(pending: PendingLogin, name: string | undefined, context: StepContext): Promise<StepResult> {
    const { facts } = await factsOf(this.#parts, pending, context);
    const factor = this.#parts.factors.find(name);
    if (factor && !facts.isEnough && facts.candidates.includes(factor.name)) return this.#ask(pending, factor, context);
    const isAllowed = facts.candidates.length === 0 && !facts.needsFreshProof && !facts.needsCode;
    if (factor && isAllowed && facts.enrollable.includes(factor.name))
      return this.#beginEnrolment(pending, factor, context);
    const cleared = await this.#underWay.change(pending, () => ({ onShow: undefined }));
    return cleared ? this.#advance(cleared, context, { maySend: false }) : this.#end.lost(pending, context);
  }

  /** The user picks one of several tenants, and with it the account. */
  async chooseTenant(pending: PendingLogin, tenant: string, context: StepContext): Promise<StepResult> {
    const placed = await placeTurn(this.#parts, this.#underWay, pending, tenant, context);
    return placed ? this.#advance(placed, context, { maySend: true }) : this.show(pending, context);
  }

  /** The user wants another code. */
  async resend(pending: PendingLogin, context: StepContext): Promise<StepResult> {
    const step = nextStep((await factsOf(this.#parts, pending, context)).facts);
    const factor = this.#parts.factors.find(pending.onShow?.factor);
    if (step.kind !== 'answer' || !factor) return this.show(pending, context);
    return this.#ask(pending, factor, context);
  }

  /** The user answers what is on show. */
  async answer(pending: PendingLogin, fields: FactorResponse['fields'], context: StepContext): Promise<StepResult> {
    const { facts, has } = await factsOf(this.#parts, pending, context);
    const step = nextStep(facts);
    if (step.kind === 'enrolment-code') return this.#enterCode(pending, fields.get('code'), context);
    const { onShow } = pending;
    const factor = this.#parts.factors.find(onShow?.factor);
    if (!onShow || !factor) return this.show(pending, context);
    const answer = { fields, state: onShow.state, signal: context.signal };
    if (step.kind === 'answer') return this.#verify(pending, factor, answer, context);
    return step.kind === 'enrol' ? this.#enrol(pending, factor, answer, has, context) : this.show(pending, context);
  }

  async #enterCode(pending: PendingLogin, typed: string | undefined, context: StepContext): Promise<StepResult> {
    const turn = await codeTurn(this.#parts, this.#underWay, pending, typed, context);
    if (turn.kind === 'lost') return this.#end.lost(pending, context);
    const { problem } = turn;
    if (problem) this.#end.record('enrol', pending, { reason: problem.reason }, context);
    return this.#advance(turn.pending, context, { maySend: false, ...(problem && { problem }) });
  }

  async #verify(
    pending: PendingLogin,
    factor: ConfiguredFactor,
    answer: Answer,
    context: StepContext,
  ): Promise<StepResult> {
    const turn = await verifyTurn(this.#parts.factors, this.#underWay, pending, factor, answer);
    if (turn.kind === 'lost') return this.#end.lost(pending, context);
    if (turn.kind === 'set-back') return this.#setBack(turn.pending ?? pending, factor, turn, context);
    this.#end.record('factor', pending, { factor: factor.name }, context);
    const remember = this.#parts.remembered.isWished(answer.fields, factor, context.client);
    return this.#proved(pending, turn.proof, context, { remember });
  }

  async #enrol(
    pending: PendingLogin,
    factor: ConfiguredFactor,
    answer: Answer,
    after: AccountEnrolments,
    context: StepContext,
  ): Promise<StepResult> {
    const turn = await enrolTurn(this.#parts, this.#underWay, pending, factor, answer, after);
    if (turn.kind === 'overtaken') return this.choose(pending, undefined, context);
    if (turn.kind === 'lost') return this.#end.lost(pending, context);
    if (turn.kind === 'show') return this.#putOnShow(pending, turn.onShow, context);
    const more = turn.kind === 'problem' ? { reason: turn.problem.reason } : turn.told;
    this.#end.record('enrol', pending, { factor: factor.name, ...more }, context);
    if (turn.kind === 'problem') return this.#advance(turn.pending, context, { maySend: false, problem: turn.problem });
    const next = await this.#underWay.change(pending, turn.change);
    const result = next ? await this.#advance(next, context, { maySend: true }) : this.#end.lost(pending, context);
    if (after.all.length === 0 && turn.proof) await this.#end.endWeaker(pending, turn.proof, result);
    return result;
  }

  /** Puts the question of a factor. */
  async #ask(pending: PendingLogin, factor: ConfiguredFactor, context: StepContext): Promise<StepResult> {
    const turn = await askTurn(this.#parts, pending, factor, context);
    return turn.kind === 'asked'
      ? this.#putOnShow(pending, turn.onShow, context)
      : this.#setBack(pending, factor, turn, context);
  }

  /** A factor did not go on: what follows. */
  async #setBack(
    pending: PendingLogin,
    factor: ConfiguredFactor,
    { problem, next }: SetBack,
    context: StepContext,
  ): Promise<StepResult> {
    const back = { factor: factor.name, problem, next };
    this.#end.record('factor', pending, { factor: factor.name, reason: problem.reason }, context);
    const follows = await setBackTurn(this.#parts, this.#underWay, pending, back, context);
    if (follows.kind === 'over') return this.#end.close(pending, follows.reason, context, follows.isHelped);
    if (follows.kind === 'lost') return this.#end.lost(pending, context);
    return this.#advance(follows.pending, context, { maySend: false, problem: follows.problem });
  }

  async #beginEnrolment(pending: PendingLogin, factor: ConfiguredFactor, context: StepContext): Promise<StepResult> {
    const onShow = await offerTurn(this.#parts, pending, factor, context);
    return onShow ? this.#putOnShow(pending, onShow, context) : this.show(pending, context);
  }

  async #putOnShow(pending: PendingLogin, onShow: OnShow, context: StepContext): Promise<StepResult> {
    const shown = await this.#underWay.change(pending, shows(onShow));
    return shown ? this.#advance(shown, context, { maySend: false }) : this.#end.lost(pending, context);
  }

  async #proved(
    pending: PendingLogin,
    proof: Proof,
    context: StepContext,
    { remember = false, cookies = [] }: { readonly remember?: boolean; readonly cookies?: readonly string[] },
  ): Promise<StepResult> {
    const more = { onShow: undefined, ...(remember && { remember }) };
    const next = await this.#underWay.change(pending, ({ proofs }) => ({ proofs: withProof(proofs, proof), ...more }));
    return next ? this.#advance(next, context, { maySend: true, cookies }) : this.#end.lost(pending, context);
  }

  /** Goes on to the next step, or to the end. */
  async #advance(pending: PendingLogin, context: StepContext, terms: OnwardTerms): Promise<StepResult> {
    const { maySend, cookies = [], problem } = terms;
    const step = nextStep((await factsOf(this.#parts, pending, context)).facts);
    const recalled = problem || terms.isAmbient ? undefined : await recallTurn(this.#parts, pending, step, context);
    if (recalled) {
      this.#end.record('factor', pending, { factor: recalled.proof.by }, context);
      return this.#proved(pending, recalled.proof, context, { cookies: [...cookies, ...recalled.cookies] });
    }
    const stay = { kind: 'pending', pending, step, cookies, ...(problem && { problem }) } as const;
    // Who has come with a ticket is shown the way first.
    if (step.kind === 'admit')
      return terms.isAmbient ? stay : this.#end.finish(pending, context, cookies, step.isLower);
    if (step.kind === 'refused') return this.#end.close(pending, step.reason, context, step.isHelped);
    // Whoever was asked for a password a while ago begins anew, and sets up then.
    if (step.kind === 'confirm') return this.#end.confirm(pending, context);
    if (problem) return stay;
    const factor = 'factor' in step ? this.#parts.factors.find(step.factor) : undefined;
    if (!factor) return stay;
    if (step.kind === 'begin-enrolment')
      return withCookies(await this.#beginEnrolment(pending, factor, context), cookies);
    // A page that is loaded again and again sends nothing.
    if (step.kind !== 'ask' || (factor.factor.isNetworked && !maySend)) return stay;
    return withCookies(await this.#ask(pending, factor, context), cookies);
  }
}
