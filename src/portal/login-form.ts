/** The login form as it was sent: a name and a password, or a new password with the old one or the proof of it. */
import type { Secret } from '../core/secret.ts';
import type { NewPasswordReason } from '../login/password-form.ts';
import type { ProviderChallenge } from '../login/provider-challenges.ts';
import type { FormFields, PortalParts, PortalRequest } from './context.ts';
import type { NewPasswordProblem } from './login-page.ts';

/** What a login form holds, before anybody is asked about it. */
export type SentForm =
  | { readonly kind: 'foreign' | 'incomplete' }
  | { readonly kind: 'unusable'; readonly reason: NewPasswordReason; readonly problem: NewPasswordProblem }
  | {
      readonly kind: 'credentials';
      readonly password: string;
      readonly newPassword?: string;
      /** The password is the answer to a question of this provider. */
      readonly answering?: Pick<ProviderChallenge, 'provider' | 'state'>;
    };

/** The password of a form whose old one was right a moment ago, and what it is found by. */
export interface Proof {
  readonly id: string;
  readonly username: string;
  readonly password: Secret;
}

/** The proof that a form names, where this browser has one of that name. */
export async function proofIn(
  parts: Pick<PortalParts, 'browsers' | 'provedPasswords'>,
  { headers }: PortalRequest,
  form: FormFields,
): Promise<Proof | undefined> {
  const id = form.get('proof');
  const found = id === undefined ? undefined : await parts.provedPasswords.find(parts.browsers.find(headers), id);
  return id !== undefined && found ? { id, ...found } : undefined;
}

/** Reads a form; `isOurs` where it comes from a page of ours in this browser. */
export function readSent(form: FormFields, isOurs: boolean, proof: Proof | undefined): SentForm {
  if (!isOurs) return { kind: 'foreign' };
  const password = proof?.password.reveal() ?? form.get('password') ?? '';
  const next = form.get('newPassword');
  if ((form.get('username') ?? '').trim() === '') return { kind: 'incomplete' };
  const isLate = password === '' && next !== undefined && form.has('proof');
  if (password === '' && !isLate) return { kind: 'incomplete' };
  if (next === undefined) return { kind: 'credentials', password };
  const reason = form.get('reason') === 'password-expired' ? 'password-expired' : 'password-must-change';
  if (isLate) return { kind: 'unusable', reason, problem: 'expired' };
  if (next === '' || next !== form.get('newPasswordAgain')) return { kind: 'unusable', reason, problem: 'mismatch' };
  return next === password
    ? { kind: 'unusable', reason, problem: 'same' }
    : { kind: 'credentials', password, newPassword: next };
}
