/** Who is asked about a login form, and what its sender is told of a refusal. */
import type { Account } from '../core/account.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Attempt, Credentials } from '../core/provider.ts';
import { isOfNoTenant } from '../core/reason.ts';
import type { ChainResult } from '../providers/chain.ts';
import type { AccountCuts } from '../sessions/account-cuts.ts';
import type { Lockout } from '../users/lockout.ts';
import type { Offline } from './offline/offline.ts';
import type { FailureCode, PasswordForm } from './password-form.ts';
import { answerChallenge } from './provider-challenges.ts';
import type { SignIn } from './sign-in.ts';
import type { TypedName } from './typed-names.ts';

/** What forms are checked with. */
export interface PasswordLoginParts {
  readonly signIn: SignIn;
  readonly lockout: Lockout;
  readonly cuts: Pick<AccountCuts, 'cut'>;
  readonly offline: Pick<Offline, 'check' | 'note'>;
  /** Ends the sessions of an account, but for the one of this id. */
  readonly endSessions: (account: Account, kept: string | undefined) => Promise<void>;
}

/** Asks whoever put the question that a form answers, whoever keeps the password that it changes, or else the chain. */
export function askForm(
  signIn: Pick<SignIn, 'chain' | 'changePassword' | 'runFor'>,
  { changing, answering }: Pick<PasswordForm, 'changing' | 'answering'>,
  typed: TypedName,
  attempt: Attempt & { readonly credentials: Credentials },
): Promise<ChainResult> {
  if (answering) return answerChallenge(answering, attempt, signIn.chain);
  return changing ? signIn.changePassword(changing, attempt) : signIn.runFor(typed, attempt);
}

/** What is told of a refusal: who has no place here is told so, since the password was right. */
export function codeOf({ kind, reason }: Extract<Outcome, { kind: 'rejected' | 'unavailable' }>): FailureCode {
  if (kind === 'unavailable') return 'PROVIDER_UNAVAILABLE';
  return isOfNoTenant(reason) ? 'ACCESS_DENIED' : 'LOGIN_FAILED';
}
