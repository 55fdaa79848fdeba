/**
 * Signing in with a form: input limits, reserved names, the lock-out, the chain, and one answer for every kind of wrong.
 * It says nothing that tells a known user from an unknown one, by text, status or time.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import { HeaderLines } from '../core/request-head.ts';
import { Secret } from '../core/secret.ts';
import { accountOf, type Session } from '../core/session.ts';
import type { Client } from '../core/verdict.ts';
import type { ChainResult } from '../providers/chain.ts';
import type { AccountCuts } from '../sessions/account-cuts.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { Attempted, Lockout, LockoutPermit } from '../users/lockout.ts';
import { evenOut } from './even-out.ts';
import type { Authenticated, SignIn } from './sign-in.ts';
import type { TypedName } from './typed-names.ts';

/** A form that was sent. */
export interface PasswordForm {
  readonly username: string;
  readonly password: string;
  readonly newPassword?: string;
  readonly client: Client;
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** The cookie the browser came with: that session ends when the new one begins. */
  readonly token?: string;
  /** A handle of the browser: a logout there ends what a form that was sent twice has begun as well. */
  readonly browser?: string;
  /** For a step-up: only this session's own user will do. */
  readonly confirming?: Session;
}

/** Why a password that is right does not do. */
export type NewPasswordReason = Extract<Reason, 'password-must-change' | 'password-expired'>;

/** What a user may know of a failure. */
type FailureCode = Extract<ErrorCode, 'LOGIN_FAILED' | 'TOO_MANY_FAILURES' | 'PROVIDER_UNAVAILABLE'>;

/** How a form login went. */
type LoginResult = { readonly kind: 'signed-in'; readonly session: Session; readonly token: string } | NoLogin;

/** How the proof of a password without a session went. */
type ProofResult = { readonly kind: 'proved'; readonly vouched: Vouched } | NoLogin;

type NoLogin =
  | {
      readonly kind: 'new-password';
      readonly reason: NewPasswordReason;
      readonly isRefused: boolean;
    }
  /** The password is right, too old or to be changed, and there is no way to change it here. */
  | { readonly kind: 'password-stuck' }
  | FailedLogin;

/** Somebody whom a provider has authenticated and who may come in. */
interface Admitted {
  readonly kind: 'admitted';
  readonly outcome: Authenticated;
  readonly provider: string;
  readonly chain: ChainResult;
}

/** Nobody was signed in; `code` is what the user may know, `reason` what the audit does. */
export interface FailedLogin {
  readonly kind: 'failed';
  readonly code: FailureCode;
  readonly reason: Reason;
  /** Seconds. */
  readonly retryAfter?: number;
}

const maxInput = 1024;
const unavailableRetrySeconds = 10;

/** Checks forms. */
export class PasswordLogin {
  readonly #signIn: SignIn;
  readonly #lockout: Lockout;
  readonly #cuts: Pick<AccountCuts, 'cut'>;

  constructor(signIn: SignIn, lockout: Lockout, cuts: Pick<AccountCuts, 'cut'>) {
    this.#signIn = signIn;
    this.#lockout = lockout;
    this.#cuts = cuts;
  }

  /** Asks the chain about a form. Failures take a time that does not depend on who was named. */
  async check(form: PasswordForm): Promise<LoginResult> {
    const startedAt = performance.now();
    const checked = await this.#check(form, this.#signIn.readName(form.username, form.confirming !== undefined));
    const result = checked.kind === 'admitted' ? await this.#begin(form, checked) : checked;
    if (result.kind === 'failed' && result.code !== 'TOO_MANY_FAILURES') await evenOut(startedAt, form.signal);
    return result;
  }

  /** The same for a program, whose every request brings its password: no session begins. */
  async prove(form: Omit<PasswordForm, 'newPassword' | 'token' | 'browser' | 'confirming'>): Promise<ProofResult> {
    const startedAt = performance.now();
    const checked = await this.#check(form, this.#signIn.readName(form.username, false));
    if (checked.kind === 'failed' && checked.code !== 'TOO_MANY_FAILURES') await evenOut(startedAt, form.signal);
    if (checked.kind !== 'admitted') return checked;
    const { outcome, provider, chain } = checked;
    const vouched = this.#signIn.vouched(outcome, provider);
    this.#signIn.record('succeeded', form, { chain, provider, account: accountOf(vouched) });
    return { kind: 'proved', vouched };
  }

  async #check(form: PasswordForm, typed: TypedName): Promise<Admitted | NoLogin> {
    const username = typed.counted;
    const refused = refuseInput(form, username) ?? (this.#signIn.isReserved(username) ? 'user-reserved' : undefined);
    if (refused) return this.#fail(form, username, 'LOGIN_FAILED', refused);
    const permit = await this.#lockout.check(username, form.client.address, form.signal);
    if (permit.kind === 'locked') return this.#failLocked(form, username, permit);
    const request = { headers: new HeaderLines([]), signal: form.signal };
    const chain = await this.#signIn.runFor(typed, {
      ...this.#signIn.attempt('credentials', request, form.client, '/_gate/login'),
      credentials: {
        username: form.username,
        password: new Secret(form.password),
        ...(form.newPassword && { newPassword: new Secret(form.newPassword) }),
      },
    });
    return this.#applyOutcome(form, username, chain);
  }

  /**
   * What the chain's answer comes to. The account that it found is counted whatever name was typed: where that is locked, nobody
   * learns whether the password was right.
   */
  async #applyOutcome(form: PasswordForm, username: string, chain: ChainResult): Promise<Admitted | NoLogin> {
    const { outcome, provider } = chain;
    const attempted: Attempted = { username, address: form.client.address, account: this.#signIn.accountIn(chain) };
    switch (outcome.kind) {
      case 'authenticated': {
        const permit = await this.#lockout.succeed(attempted);
        if (permit.kind === 'locked') return this.#failLocked(form, username, permit, chain);
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
      case 'unknown-user':
      case 'challenge':
      case 'continue':
        await this.#lockout.fail(attempted);
        return this.#fail(form, username, 'LOGIN_FAILED', 'unknown-user', { chain });
      default:
        return outcome satisfies never;
    }
  }

  async #reject(
    form: PasswordForm,
    attempted: Attempted,
    { reason, isStuck }: Extract<Outcome, { kind: 'rejected' }>,
    chain: ChainResult,
  ): Promise<NoLogin> {
    const { username } = attempted;
    const mustChange = reason === 'password-must-change' || reason === 'password-expired';
    const permit = await (mustChange ? this.#lockout.release(attempted) : this.#lockout.fail(attempted));
    if (permit.kind === 'locked') return this.#failLocked(form, username, permit, chain);
    const failed = this.#fail(form, username, 'LOGIN_FAILED', reason, { chain });
    if (mustChange && isStuck) return { kind: 'password-stuck' };
    // The old password was right: that it is asked for once more means that the new one was not taken.
    return mustChange ? { kind: 'new-password', reason, isRefused: form.newPassword !== undefined } : failed;
  }

  async #accept(
    form: PasswordForm,
    username: string,
    outcome: Authenticated,
    provider: string,
    chain: ChainResult,
  ): Promise<Admitted | NoLogin> {
    // What was proved by the password before is to be proved anew.
    if (form.newPassword !== undefined) await this.#cuts.cut(outcome.assertion.subject);
    const refused = await this.#signIn.refuse(outcome, provider, form.signal);
    if (!refused) return { kind: 'admitted', outcome, provider, chain };
    const code = refused.kind === 'unavailable' ? 'PROVIDER_UNAVAILABLE' : 'LOGIN_FAILED';
    return this.#fail(form, username, code, refused.reason, { chain });
  }

  async #begin(form: PasswordForm, { outcome, provider, chain }: Admitted): Promise<LoginResult> {
    const { confirming, token, browser, client, requestId } = form;
    const context = { client, requestId, chain };
    const begun = confirming
      ? await this.#signIn.confirm(confirming.id, outcome, provider, context)
      : await this.#signIn.establish(outcome, provider, {
          ...context,
          ...(token && { replaces: token }),
          ...(browser && { browser }),
        });
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
    more: { chain?: ChainResult; retryAfter?: number } = {},
  ): FailedLogin {
    const { chain, retryAfter } = more;
    this.#signIn.record('failed', form, { user, reason, chain });
    return { kind: 'failed', code, reason, ...(retryAfter && { retryAfter }) };
  }
}

/** Refused before anybody is asked: an empty password binds as nobody and succeeds (RFC 4513 §5.1.2); NUL ends a string for some. */
function refuseInput({ username, password, newPassword = '' }: PasswordForm, canonical: string): Reason | undefined {
  if (canonical === '' || /[\0-\x1f\x7f]/.test(username) || username.length > maxInput) return 'unknown-user';
  const isEmpty = password.trim() === '' || password.includes('\0') || newPassword.includes('\0');
  return isEmpty || Math.max(password.length, newPassword.length) > maxInput ? 'bad-password' : undefined;
}
