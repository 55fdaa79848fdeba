/** A login form, what it may hold, and what comes of it. */
import type { ErrorCode } from '../core/errors.ts';
import type { PasswordRefusal } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import type { OfflineStay, Session } from '../core/session.ts';
import type { Client } from '../core/verdict.ts';
import type { ChainResult } from '../providers/chain.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { ProviderChallenge } from './provider-challenges.ts';
import type { SessionBegun } from './session-begun.ts';
import type { Authenticated } from './sign-in.ts';

const maxInput = 1024;

/** A form that was sent. */
export interface PasswordForm {
  readonly username: string;
  readonly password: string;
  readonly newPassword?: string;
  readonly client: Client;
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** For a step-up: only this session's own user will do. */
  readonly confirming?: Session;
  /** The password is the answer to a question of this provider, and goes to nobody else. */
  readonly answering?: Pick<ProviderChallenge, 'provider' | 'state'>;
  /** For a new password at its user's wish: only this session's own provider is asked, about its own user. */
  readonly changing?: Session;
}

/** Why a password that is right does not do. */
export type NewPasswordReason = Extract<Reason, 'password-must-change' | 'password-expired'>;

/** What a user may know of a failure. */
export type FailureCode = Extract<
  ErrorCode,
  'LOGIN_FAILED' | 'TOO_MANY_FAILURES' | 'PROVIDER_UNAVAILABLE' | 'ACCESS_DENIED'
>;

/** How a form login went. */
export type LoginResult =
  /** Of somebody who was signed in, and has proved it once more. */
  | ({ readonly kind: 'signed-in' } & SessionBegun)
  /** Of anybody else: what follows is `login-steps.ts`'s. */
  | { readonly kind: 'proved'; readonly vouched: Vouched; readonly chain: ChainResult }
  | NoLogin;

/** How the proof of a password without a session went. */
export type ProofResult = { readonly kind: 'proved'; readonly vouched: Vouched } | NoLogin;

/** Nobody is signed in. */
export type NoLogin =
  | {
      readonly kind: 'new-password';
      readonly reason: NewPasswordReason;
      /** Whose it is; absent where whoever keeps it has not said. */
      readonly vouched?: Vouched;
      /** Present where a new one was not taken. */
      readonly refusal?: PasswordRefusal;
    }
  /** A provider wants one more answer before it says anything of the user. */
  | { readonly kind: 'challenged'; readonly provider: string; readonly prompt: string; readonly state: unknown }
  /** At its user's wish a new password was to be set, and was not taken. */
  | { readonly kind: 'password-refused'; readonly refusal: PasswordRefusal }
  /** The password is right, too old or to be changed, and there is no way to change it here. */
  | { readonly kind: 'password-stuck' }
  | FailedLogin;

/** Somebody whom a provider has vouched for and who may come in. */
export interface AcceptedForm {
  readonly kind: 'admitted';
  readonly outcome: Authenticated;
  readonly provider: string;
  readonly chain: ChainResult;
  /** Where the provider was away. */
  readonly offline?: OfflineStay;
}

/** Nobody was signed in; `code` is what the user may know, `reason` what the audit does. */
export interface FailedLogin {
  readonly kind: 'failed';
  readonly code: FailureCode;
  readonly reason: Reason;
  /** Seconds. */
  readonly retryAfter?: number;
  /** A directory is away whose users sign in without it, and nobody was trusted. */
  readonly isOffline?: true;
}

/** Refused before anybody is asked: an empty password binds as nobody and succeeds (RFC 4513 §5.1.2); NUL ends a string for some. */
export function refuseInput(
  { username, password, newPassword = '' }: PasswordForm,
  canonical: string,
): Reason | undefined {
  if (canonical === '' || /[\0-\x1f\x7f]/.test(username) || username.length > maxInput) return 'unknown-user';
  const isEmpty = password.trim() === '' || password.includes('\0') || newPassword.includes('\0');
  return isEmpty || Math.max(password.length, newPassword.length) > maxInput ? 'bad-password' : undefined;
}
