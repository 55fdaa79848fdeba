/** A user's own bind, and what the server's answer to it means. */
import { PasswordPolicyControl, PasswordPolicyError, ResultCodeError } from 'ldapts';
import { Failure } from '../../core/failure.ts';
import type { Reason } from '../../core/reason.ts';
import type { Secret } from '../../core/secret.ts';
import type { Connection } from './connection.ts';
import { directoryFailure } from './failure.ts';

/** What the directory says of a DN and a password. */
export type BindVerdict =
  | { readonly kind: 'accepted'; readonly graceLogins?: number; readonly secondsLeft?: number }
  /** `isBound` when the password was right and only a change of it is allowed on this connection. */
  | { readonly kind: 'rejected'; readonly reason: Reason; readonly isBound: boolean }
  | { readonly kind: 'unknown' };

/** Binds as a user. Throws a Failure when the server has not judged the password. */
export async function bindUser(
  connection: Connection,
  dn: string,
  password: Secret,
  signal: AbortSignal,
): Promise<BindVerdict> {
  const text = password.reveal();
  // RFC 4513 §5.1.2: a name without a password, or a password without a name, "succeeds" and proves nothing.
  if (dn === '' || !isUsablePassword(text)) return { kind: 'rejected', reason: 'bad-password', isBound: false };
  const policy = new PasswordPolicyControl();
  try {
    await connection.run(signal, (client) => client.bind(dn, text, policy));
  } catch (error) {
    if (error instanceof ResultCodeError) return judge(error, policy.value?.error, connection);
    throw directoryFailure(error, `${connection.server.label}: bind as the user`);
  }
  const { error, graceAuthNsRemaining, timeBeforeExpiration } = policy.value ?? {};
  if (error !== undefined)
    return { kind: 'rejected', reason: policyReasons[error] ?? 'logon-not-permitted', isBound: true };
  return {
    kind: 'accepted',
    ...(graceAuthNsRemaining !== undefined && { graceLogins: graceAuthNsRemaining }),
    ...(timeBeforeExpiration !== undefined && { secondsLeft: timeBeforeExpiration }),
  };
}

/** Whether a password can be sent: not empty, and not what a server may take for empty after it cut or trimmed it. */
export function isUsablePassword(password: string): boolean {
  return password.trim() !== '' && !password.includes('\0') && password.length <= 4096 && password.isWellFormed();
}

const policyReasons: Readonly<Record<number, Reason>> = {
  [PasswordPolicyError.PasswordExpired]: 'password-expired',
  [PasswordPolicyError.AccountLocked]: 'account-locked',
  [PasswordPolicyError.ChangeAfterReset]: 'password-must-change',
};

/** What Active Directory puts after `data` in its text, in hex: Win32 error codes. */
const activeDirectoryReasons: Readonly<Record<string, Reason | 'unknown-user'>> = {
  '525': 'unknown-user',
  '52e': 'bad-password',
  '52f': 'logon-not-permitted',
  '530': 'logon-not-permitted',
  '531': 'logon-not-permitted',
  '532': 'password-expired',
  '533': 'account-disabled',
  '534': 'logon-not-permitted',
  '701': 'account-expired',
  '773': 'password-must-change',
  '775': 'account-locked',
};

function judge(error: ResultCodeError, policyError: number | undefined, connection: Connection): BindVerdict {
  const reason = reasonOf(error, policyError);
  if (reason === undefined) throw bindFailure(error, connection);
  return reason === 'unknown-user' ? { kind: 'unknown' } : { kind: 'rejected', reason, isBound: false };
}

/** Undefined when the answer is about the server and not about this user. */
function reasonOf(
  { code, message }: ResultCodeError,
  policyError: number | undefined,
): Reason | 'unknown-user' | undefined {
  const subCode = /\bdata ([0-9a-f]{1,8})\b/i.exec(message)?.[1]?.toLowerCase();
  switch (code) {
    case 49:
      return policyReasons[policyError ?? -1] ?? activeDirectoryReasons[subCode ?? ''] ?? 'bad-password';
    // 389 Directory Server and FreeIPA: too many failures; inactivated accounts.
    case 19:
      return 'account-locked';
    case 53:
      if (/lock|too many|exceed/i.test(message)) return 'account-locked';
      return /inactiv|disabl/i.test(message) ? 'account-disabled' : 'logon-not-permitted';
    // The entry has no password to compare with, or may not bind.
    case 48:
    case 50:
      return 'logon-not-permitted';
    // The entry has gone since the search.
    case 32:
      return 'unknown-user';
    default:
      return undefined;
  }
}

function bindFailure(error: ResultCodeError, connection: Connection): Failure {
  const failure = directoryFailure(error, `${connection.server.label}: bind as the user`);
  return new Failure(failure.reason, failure.message, { hint: failure.hint, answer: error.code });
}
