/** The end of a login: its account is asked about once more where that was a while ago, and a session begins, once. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { freshAt, isFirst, type Proof, type Proofs, withProof } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf, isSameOwner, ownerOf } from '../core/session.ts';
import { levelOf, type Worth } from '../policy/levels.ts';
import { type ChainResult, standingAt } from '../providers/chain.ts';
import type { Admitted } from '../sessions/admitted.ts';
import type { PendingLogin, PendingLogins } from '../sessions/pending.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { LoginDoor } from './admit.ts';
import type { Browsers } from './browser.ts';
import type { FactorNotices } from './factor-notices.ts';
import { ownSession, sessionNow } from './own-session.ts';
import type { RememberedBrowsers } from './remembered.ts';
import type { SessionBegun } from './session-begun.ts';
import type { SignIn } from './sign-in.ts';
import type { StepContext, StepResult } from './step-result.ts';

/** What ends a login. */
export interface EndParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly worth: Worth;
  readonly door: LoginDoor;
  readonly pendings: PendingLogins;
  readonly browsers: Pick<Browsers, 'find' | 'handle'>;
  readonly signIn: SignIn;
  readonly sessions: Sessions;
  readonly recorder: Pick<Recorder, 'account'>;
  readonly notices: Pick<FactorNotices, 'heard'>;
  readonly remembered: Pick<RememberedBrowsers, 'remember' | 'forget'>;
}

/** For how long a first proof speaks for an account that may be disabled meanwhile, in milliseconds. */
const unasked = 30_000;

/** Ends logins. */
export class LoginEnd {
  readonly #parts: EndParts;

  constructor(parts: EndParts) {
    this.#parts = parts;
  }

  /** The proofs are enough, or `isLower` where the operator lets in with less: a session begins, unless the account is no longer what it was. */
  async finish(
    pending: PendingLogin,
    context: StepContext,
    cookies: readonly string[],
    isLower = false,
  ): Promise<StepResult> {
    const { pendings } = this.#parts;
    const { vouched, proofs } = pending;
    if (pending.session !== undefined) return this.#raise(pending, pending.session, context, cookies);
    const reason = await this.#reasonAgainst(pending, context);
    if (reason === 'unavailable') return { kind: 'unavailable', reason: 'unreachable' };
    // Of two who answer at the same moment one goes on.
    const isTaken = await pendings.take(pending);
    if (reason) {
      this.#parts.signIn.record('failed', context, { reason, account: accountOf(vouched), provider: vouched.provider });
      return this.#over(pending, reason, context);
    }
    const admitted = isTaken ? this.#admit(pending, { vouched, proofs, isLower }, context) : undefined;
    if (!admitted) return this.lost(pending, context);
    const set = [...cookies, ...(await this.#lastCookies(pending, context))];
    return this.establish(admitted, { returnTo: pending.returnTo, cookies: set }, context);
  }

  /** A new password was taken at the end of a login: by it a provider has vouched for its owner at this moment. */
  async complete(
    pending: PendingLogin,
    done: { readonly vouched: Vouched; readonly chain: ChainResult | undefined; readonly isLower?: true | undefined },
    context: StepContext,
  ): Promise<StepResult> {
    const { pendings, door } = this.#parts;
    const { vouched, chain, isLower = false } = done;
    const proofs = withProof(pending.proofs, door.firstProof(vouched));
    const isTaken = await pendings.take(pending);
    const admitted = isTaken ? this.#admit(pending, { vouched, proofs, isLower }, context) : undefined;
    if (!admitted) return this.lost(pending, context);
    const set = await this.#lastCookies(pending, context);
    return this.establish(admitted, { chain, returnTo: pending.returnTo, cookies: set }, context);
  }

  /** With `isLower` the level stays what it is, and that is told each time. */
  #admit(
    pending: PendingLogin,
    { vouched, proofs, isLower }: { readonly vouched: Vouched; readonly proofs: Proofs; readonly isLower: boolean },
    context: StepContext,
  ): Admitted | undefined {
    const { door, log } = this.#parts;
    if (!isLower) return door.admit(vouched, context.client, proofs);
    this.record('factor', pending, { reason: 'contact-missing' }, context);
    log.warn(
      { user: vouched.assertion.subject },
      'a login went on without a second factor: no contact is known (insecure-allow)',
    );
    return door.admitLower(vouched, proofs);
  }

  /** Begins a session. */
  async establish(
    admitted: Admitted,
    { chain, returnTo, cookies }: { chain?: ChainResult | undefined; returnTo: string; cookies: readonly string[] },
    context: StepContext,
  ): Promise<StepResult> {
    const { signIn, browsers } = this.#parts;
    const { client, requestId, token, headers } = context;
    const browser = browsers.find(headers);
    const begun = await signIn.establish(admitted, {
      ...{ client, requestId, chain },
      ...(token !== undefined && { replaces: token }),
      ...(browser !== undefined && { browser: browsers.handle(browser) }),
    });
    return { kind: 'begun', ...begun, returnTo, cookies };
  }

  /** A first proof is asked for that is young enough: of whoever is signed in; a login begins anew. */
  async confirm(pending: PendingLogin, context: StepContext): Promise<StepResult> {
    if (pending.session === undefined) return this.close(pending, 'enrolment-unfinished', context);
    await this.#parts.pendings.take(pending);
    const gone = this.#parts.pendings.cookieWithout(pending, context.headers.all('cookie'));
    return { kind: 'confirm', returnTo: pending.returnTo, cookies: [gone] };
  }

  /** It cannot go on. */
  async close(pending: PendingLogin, reason: Reason, context: StepContext, isHelped = false): Promise<StepResult> {
    await this.#parts.pendings.take(pending);
    const { vouched } = pending;
    this.#parts.signIn.record('failed', context, { reason, account: accountOf(vouched), provider: vouched.provider });
    return { ...this.#over(pending, reason, context), ...(isHelped && { isHelped }) };
  }

  /** Somebody else has ended it: another tab, or its time. */
  lost(pending: PendingLogin, context: StepContext): StepResult {
    this.record('factor', pending, { reason: 'step-foreign' }, context);
    return this.#over(pending, 'step-foreign', context);
  }

  /** With the first factor of an account its other sessions end that have less. */
  async endWeaker({ vouched, session: raised }: PendingLogin, proof: Proof, result: StepResult): Promise<void> {
    const { sessions, worth } = this.#parts;
    // The one that is raised has the new proof only at the end.
    const going = raised === undefined ? undefined : await sessionNow(sessions, raised);
    const own = result.kind === 'begun' ? result.session.id : going?.id;
    for await (const session of sessions.ofAccount(accountOf(vouched))) {
      const isWeaker = levelOf(session.proofs, worth) < levelOf([...session.proofs, proof], worth);
      if (session.id !== own && isWeaker) await sessions.revoke(session.id, 'factor-reset');
    }
  }

  /** Writes what came of a step. */
  record(
    event: 'factor' | 'enrol',
    { vouched }: PendingLogin,
    { factor, reason, detail }: { readonly factor?: string; readonly reason?: Reason; readonly detail?: string },
    { client, requestId }: StepContext,
  ): void {
    if (reason === undefined) void this.#parts.notices.heard(event, factor, vouched);
    this.#parts.recorder.account({
      ...{ event, outcome: reason === undefined ? 'succeeded' : 'failed', client, requestId },
      ...{ account: accountOf(vouched), provider: vouched.provider },
      ...(factor !== undefined && { factor }),
      ...(reason !== undefined && { reason }),
      ...(detail !== undefined && { detail }),
    });
  }

  /** What somebody who is signed in has proved goes to their session, wherever its rotations have taken it; nobody else's browser gets its token. */
  async #raise(
    pending: PendingLogin,
    id: string,
    context: StepContext,
    cookies: readonly string[],
  ): Promise<StepResult> {
    const { sessions, pendings, recorder } = this.#parts;
    const { token, client, requestId } = context;
    const session = await ownSession(sessions, id, token);
    const isTheirs = session && isSameOwner(ownerOf(session), ownerOf(pending.vouched));
    if (!isTheirs || !(await pendings.take(pending))) return this.lost(pending, context);
    const gone = [...cookies, ...(await this.#lastCookies(pending, context))];
    const { returnTo, proofs } = pending;
    let begun: SessionBegun | undefined;
    for (const proof of proofs.filter(({ by, at }) => !session.proofs.some((one) => one.by === by && one.at >= at))) {
      const raised = await sessions.raise(begun?.session ?? session, proof);
      if (raised.kind !== 'live' || raised.token === undefined) return this.lost(pending, context);
      begun = { session: raised.session, token: raised.token };
    }
    if (!begun) return { kind: 'enough', returnTo, cookies: gone };
    const who = { account: accountOf(session), provider: session.provider, session: begun.session.id };
    recorder.account({ event: 'step-up', outcome: 'succeeded', client, requestId, ...who });
    return { kind: 'begun', ...begun, returnTo, cookies: gone };
  }

  /** The login is over, and the browser remembered where that was wished. */
  async #lastCookies(pending: PendingLogin, context: StepContext): Promise<readonly string[]> {
    const { pendings, remembered, sessions } = this.#parts;
    const gone = pendings.cookieWithout(pending, context.headers.all('cookie'));
    if (!pending.remember) return [gone];
    const lines = await remembered.remember(pending.vouched, context);
    const account = accountOf(pending.vouched);
    // A reset that came while the directory was asked has found nothing to forget.
    if (await sessions.cuts.isCut(account, pending.beganAt)) await remembered.forget(account);
    return [gone, ...lines];
  }

  #over(pending: PendingLogin, reason: Reason, { headers }: StepContext): Extract<StepResult, { kind: 'over' }> {
    const gone = this.#parts.pendings.cookieWithout(pending, headers.all('cookie'));
    return { kind: 'over', reason, returnTo: pending.returnTo, cookies: [gone] };
  }

  /** Why somebody may not come in whom a provider has vouched for a while ago; `unavailable` where it cannot be told. */
  async #reasonAgainst(
    { vouched, proofs, beganAt }: PendingLogin,
    { signal }: StepContext,
  ): Promise<Reason | 'unavailable' | undefined> {
    const { clock, sessions, signIn, log } = this.#parts;
    const { assertion, provider, grant, offline } = vouched;
    if (await sessions.cuts.isCut(accountOf(vouched), beganAt)) return 'revoked';
    const link = signIn.chain.find(({ name }) => name === provider);
    if (!link) return 'provider-gone';
    const isRecent = clock.now() - freshAt(proofs) < unasked;
    if (isRecent || offline || !link.provider.standing || !proofs.some(isFirst)) return undefined;
    const outcome = await standingAt(link, { subject: assertion.subject, state: grant?.state }, signal, log);
    if (outcome.kind === 'authenticated') return undefined;
    if (outcome.kind === 'rejected') return outcome.reason;
    return outcome.kind === 'unknown-user' ? 'unknown-user' : 'unavailable';
  }
}
