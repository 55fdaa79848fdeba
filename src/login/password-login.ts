/**
 * Signing in with a form: input limits, reserved names, the lock-out, the chain, and one answer for every kind of wrong.
 * It says nothing that tells a known user from an unknown one, by text, status or time.
 */
import type { Outcome } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import { HeaderLines } from '../core/request-head.ts';
import { Secret } from '../core/secret.ts';
import { accountOf, type OfflineStay } from '../core/session.ts';
import type { ChainResult } from '../providers/chain.ts';
import type { AccountCuts } from '../sessions/account-cuts.ts';
import type { Attempted, Lockout, LockoutPermit } from '../users/lockout.ts';
import { evenOut } from './even-out.ts';
import { askForm, codeOf, type PasswordLoginParts } from './form-question.ts';
import { judgeOffline, type OfflineJudgement } from './offline/judgement.ts';
import type { Offline } from './offline/offline.ts';
import {
  type AcceptedForm,
  type FailedLogin,
  type FailureCode,
  type LoginResult,
  type NoLogin,
  type PasswordForm,
  type ProofResult,
  refuseInput,
} from './password-form.ts';
import type { Authenticated, SignIn } from './sign-in.ts';
import type { TypedName } from './typed-names.ts';

const unavailableRetrySeconds = 10;

/** Checks forms. */
export class PasswordLogin {
  readonly #signIn: SignIn;
  readonly #lockout: Lockout;
  readonly #cuts: Pick<AccountCuts, 'cut'>;
  readonly #offline: Pick<Offline, 'check' | 'note'>;
  readonly #endSessions: PasswordLoginParts['endSessions'];

  constructor(parts: PasswordLoginParts) {
    this.#signIn = parts.signIn;
    this.#lockout = parts.lockout;
    this.#cuts = parts.cuts;
    this.#offline = parts.offline;
    this.#endSessions = parts.endSessions;
  }

  /** Asks the chain about a form. Failures take a time that does not depend on who was named. */
  async check(form: PasswordForm): Promise<LoginResult> {
    const startedAt = performance.now();
    const typed = this.#signIn.readName(form.username, (form.confirming ?? form.changing) !== undefined);
    // Who confirms a login, or sets a password, does that with whoever keeps it.
    const isLogin = !form.confirming && !form.changing && !form.answering && form.newPassword === undefined;
    const checked = await this.#check(form, typed, isLogin);
    const result = checked.kind === 'admitted' ? await this.#begin(form, checked) : checked;
    if (result.kind === 'failed' && result.code !== 'TOO_MANY_FAILURES') await evenOut(startedAt, form.signal);
    return result;
  }

  /** The same for a program, whose every request brings its password: no session begins. */
  async prove(form: Omit<PasswordForm, 'newPassword' | 'confirming'>): Promise<ProofResult> {
    const startedAt = performance.now();
    const checked = await this.#check(form, this.#signIn.readName(form.username, false), false);
    if (checked.kind === 'failed' && checked.code !== 'TOO_MANY_FAILURES') await evenOut(startedAt, form.signal);
    if (checked.kind !== 'admitted') return checked;
    const { outcome, provider, chain } = checked;
    // Of several tenants a program picks none.
    if (this.#signIn.tenantOf(outcome.assertion, provider).kind === 'open')
      return this.#fail(form, form.username, 'ACCESS_DENIED', 'tenant-ambiguous', { chain });
    const vouched = this.#signIn.vouched(outcome, provider);
    this.#signIn.record('succeeded', form, { chain, provider, account: accountOf(vouched) });
    return { kind: 'proved', vouched };
  }

  async #check(form: PasswordForm, typed: TypedName, mayBeOffline: boolean): Promise<AcceptedForm | NoLogin> {
    const username = typed.counted;
    const refused = refuseInput(form, username) ?? (this.#signIn.isReserved(username) ? 'user-reserved' : undefined);
    if (refused) return this.#fail(form, username, 'LOGIN_FAILED', refused);
    const permit = await this.#lockout.check(username, form.client.address, form.signal);
    if (permit.kind === 'locked') return this.#failLocked(form, username, permit);
    const request = { headers: new HeaderLines([]), signal: form.signal };
    const attempt = {
      ...this.#signIn.attempt('credentials', request, form.client, '/_gate/login'),
      credentials: {
        username: form.username,
        password: new Secret(form.password),
        ...(form.newPassword && { newPassword: new Secret(form.newPassword) }),
      },
    };
    const chain = await askForm(this.#signIn, form, typed, attempt);
    const attempted: Attempted = { username, address: form.client.address, account: this.#signIn.accountIn(chain) };
    const parts = { offline: this.#offline, lockout: this.#lockout };
    const judged = mayBeOffline && (await judgeOffline(parts, form, attempted, chain));
    return judged ? this.#applyJudgement(form, username, judged, chain) : this.#applyOutcome(form, attempted, chain);
  }

  /**
   * What the chain's answer comes to. The account that it found is counted whatever name was typed: where that is locked, nobody
   * learns whether the password was right.
   */
  async #applyOutcome(form: PasswordForm, attempted: Attempted, chain: ChainResult): Promise<AcceptedForm | NoLogin> {
    const { outcome, provider } = chain;
    const { username } = attempted;
    switch (outcome.kind) {
      case 'authenticated': {
        const permit = await this.#lockout.succeed(attempted);
        if (permit.kind === 'locked') return this.#failLocked(form, username, permit, chain);
        if (form.changing && !outcome.passwordChanged) return { kind: 'password-stuck' };
        if (!provider) return this.#fail(form, username, 'PROVIDER_UNAVAILABLE', 'provider-broke', { chain });
        return this.#accept(form, username, outcome, provider, chain);
      }
      case 'unavailable':
        // A wrong guess counts also while some other provider is out of reach, or an outage would be the time to guess. So does
        // one whose sender has hung up: the directory may have counted it, and would lock its user at a stranger's wish.
        if (chain.rejection || outcome.reason === 'client-gone') await this.#lockout.fail(attempted);
        else await this.#lockout.release(attempted);
        return this.#fail(form, username, 'PROVIDER_UNAVAILABLE', outcome.reason, {
          chain,
          retryAfter: unavailableRetrySeconds,
        });
      case 'rejected':
        return this.#reject(form, attempted, outcome, chain);
      case 'continue': {
        const { offer, state } = outcome;
        // Nobody has said anything of the user yet: it is neither a failure nor does it make up for any.
        await this.#lockout.release(attempted);
        if (offer.via !== 'form' || offer.form !== 'code' || !provider)
          return this.#fail(form, username, 'PROVIDER_UNAVAILABLE', 'provider-broke', { chain });
        this.#signIn.record('pending', form, { user: username, chain });
        return { kind: 'challenged', provider, prompt: offer.prompt, state };
      }
      case 'unknown-user':
      case 'challenge':
        await this.#lockout.fail(attempted);
        return this.#fail(form, username, 'LOGIN_FAILED', 'unknown-user', { chain });
      default:
        return outcome satisfies never;
    }
  }

  /** What a verifier's word comes to; the lock-out has counted it. */
  async #applyJudgement(
    form: PasswordForm,
    username: string,
    judged: OfflineJudgement,
    chain: ChainResult,
  ): Promise<AcceptedForm | NoLogin> {
    if (judged.kind === 'locked') return this.#failLocked(form, username, judged, chain);
    if (judged.kind === 'accepted')
      return this.#accept(form, username, judged.outcome, judged.provider, chain, judged.stay);
    const more = { chain, retryAfter: unavailableRetrySeconds, isOffline: true as const };
    return this.#fail(form, username, 'PROVIDER_UNAVAILABLE', judged.reason, more);
  }

  async #reject(
    form: PasswordForm,
    attempted: Attempted,
    { reason, isStuck, refusal, assertion }: Extract<Outcome, { kind: 'rejected' }>,
    chain: ChainResult,
  ): Promise<NoLogin> {
    const { username } = attempted;
    const mustChange = reason === 'password-must-change' || reason === 'password-expired';
    const isRight = mustChange || reason === 'password-refused' || reason === 'password-weak';
    const permit = await (isRight ? this.#lockout.release(attempted) : this.#lockout.fail(attempted));
    if (permit.kind === 'locked') return this.#failLocked(form, username, permit, chain);
    const failed = this.#fail(form, username, 'LOGIN_FAILED', reason, { chain });
    if (isRight && isStuck) return { kind: 'password-stuck' };
    if (isRight && form.changing) return { kind: 'password-refused', refusal: refusal ?? 'refused' };
    // The old password was right: that it is asked for once more means that the new one was not taken.
    const isRefused = form.newPassword !== undefined;
    if (!mustChange) return failed;
    const { provider = '' } = chain;
    const isTold = assertion && this.#signIn.tenantOf(assertion, provider).kind !== 'refused';
    const vouched = isTold && this.#signIn.vouched({ kind: 'authenticated', assertion }, provider);
    return {
      kind: 'new-password',
      reason,
      ...(isRefused && { refusal: refusal ?? 'refused' }),
      ...(vouched && { vouched }),
    };
  }

  async #accept(
    form: PasswordForm,
    username: string,
    outcome: Authenticated,
    provider: string,
    chain: ChainResult,
    offline?: OfflineStay,
  ): Promise<AcceptedForm | NoLogin> {
    // What was proved by the password before is to be proved anew.
    if (form.newPassword !== undefined) await this.#cuts.cut(outcome.assertion.subject);
    // At the user's wish the page of the account ends them, and says how many there were.
    if (outcome.passwordChanged && !form.changing)
      await this.#endSessions(accountOf(this.#signIn.vouched(outcome, provider)), form.confirming?.id);
    // Who changes a password is in already.
    const refused = form.changing ? undefined : await this.#signIn.refuse(outcome, provider, form.signal);
    if (!refused && !offline) await this.#noteTaken(form, username, outcome, provider);
    if (!refused) return { kind: 'admitted', outcome, provider, chain, ...(offline && { offline }) };
    return this.#fail(form, username, codeOf(refused), refused.reason, { chain });
  }

  /** The password will do while the provider is away. */
  #noteTaken(form: PasswordForm, name: string, outcome: Authenticated, provider: string): Promise<void> {
    const password = new Secret(form.newPassword ?? form.password);
    return this.#offline.note({ provider, name, password, outcome }, form.newPassword !== undefined);
  }

  /** Who was signed in goes on with the session; anybody else has given the first proof. */
  async #begin(form: PasswordForm, { outcome, provider, chain, offline }: AcceptedForm): Promise<LoginResult> {
    const { confirming, changing, client, requestId } = form;
    const own = confirming ?? changing;
    if (!own) return { kind: 'proved', vouched: this.#signIn.vouched(outcome, provider, offline), chain };
    const event = changing && { event: 'password-change' as const };
    const begun = await this.#signIn.confirm(own.id, outcome, provider, { client, requestId, chain, ...event });
    return begun
      ? { kind: 'signed-in', ...begun }
      : this.#fail(form, this.#signIn.readName(form.username, true).counted, 'LOGIN_FAILED', 'login-denied', { chain });
  }

  #failLocked(
    form: PasswordForm,
    username: string,
    { retryAfter }: Extract<LockoutPermit, { kind: 'locked' }>,
    chain?: ChainResult,
  ): FailedLogin {
    const seconds = Math.ceil(retryAfter / 1000);
    return this.#fail(form, username, 'TOO_MANY_FAILURES', 'too-many-failures', {
      retryAfter: seconds,
      ...(chain && { chain }),
    });
  }

  #fail(
    form: PasswordForm,
    user: string,
    code: FailureCode,
    reason: Reason,
    more: { chain?: ChainResult; retryAfter?: number; isOffline?: true } = {},
  ): FailedLogin {
    const { chain, retryAfter, isOffline } = more;
    const event = form.changing && { event: 'password-change' as const };
    this.#signIn.record('failed', form, { user, reason, chain, ...event, ...(isOffline && { mode: 'offline' }) });
    return { kind: 'failed', code, reason, ...(retryAfter && { retryAfter }), ...(isOffline && { isOffline }) };
  }
}
