/** Changing a password that must change, or at its user's wish: RFC 3062 for most directories, `unicodePwd` for Active Directory. */
import { Attribute, BerWriter, Change, PasswordPolicyControl, PasswordPolicyError, ResultCodeError } from 'ldapts';
import type { PasswordRefusal } from '../../core/outcome.ts';
import type { Reason } from '../../core/reason.ts';
import type { Secret } from '../../core/secret.ts';
import type { Connection } from './connection.ts';
import { directoryFailure } from './failure.ts';

/** Whether the directory took the new password; `detail` is its word on why not, for the log. */
export type PasswordChange =
  | { readonly kind: 'changed' }
  | {
      readonly kind: 'refused';
      /** `password-weak` by our own rules, before the directory was asked. */
      readonly reason: Extract<Reason, 'password-refused' | 'password-weak'>;
      readonly detail: string;
      /** What its owner may be told. */
      readonly refusal: PasswordRefusal;
      /** Another new password will fare no better. */
      readonly isForGood: boolean;
    };

const modifyPassword = '1.3.6.1.4.1.4203.1.11.1';

/** Asks for the change on a connection that is bound as the user. */
export async function changeOwnPassword(
  connection: Connection,
  old: Secret,
  fresh: Secret,
  signal: AbortSignal,
): Promise<PasswordChange> {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeString(old.reveal(), 0x81);
  writer.writeString(fresh.reveal(), 0x82);
  writer.endSequence();
  const policy = new PasswordPolicyControl();
  return attemptChange(connection, policy, () =>
    connection.run(signal, (client) => client.exop(modifyPassword, writer.buffer, policy)),
  );
}

/**
 * Changes a password in Active Directory, which does not let a user bind whose password must change: the manager's
 * connection asks then, else the user's own, and the old password in the request is the proof. Active Directory takes it over TLS only.
 */
export async function changeActiveDirectoryPassword(
  connection: Connection,
  dn: string,
  old: Secret,
  fresh: Secret,
  signal: AbortSignal,
): Promise<PasswordChange> {
  if (!connection.isSecure)
    return {
      kind: 'refused',
      reason: 'password-refused',
      detail: 'Active Directory changes passwords over TLS only',
      refusal: 'refused',
      isForGood: true,
    };
  const change = (operation: 'delete' | 'add', password: Secret) =>
    new Change({ operation, modification: new Attribute({ type: 'unicodePwd', values: [quoted(password)] }) });
  return attemptChange(connection, undefined, () =>
    connection.run(signal, (client) => client.modify(dn, [change('delete', old), change('add', fresh)])),
  );
}

async function attemptChange(
  connection: Connection,
  policy: PasswordPolicyControl | undefined,
  work: () => Promise<unknown>,
): Promise<PasswordChange> {
  try {
    await work();
    return { kind: 'changed' };
  } catch (error) {
    if (!(error instanceof ResultCodeError))
      throw directoryFailure(error, `${connection.server.label}: change of password`);
    const said = policy?.value?.error;
    // 50: the directory lets nobody change their own password.
    const isForGood = said === PasswordPolicyError.PasswordModNotAllowed || error.code === 50;
    return {
      kind: 'refused',
      reason: 'password-refused',
      detail: policyWords[said ?? -1] ?? error.message.trim(),
      refusal: refusals[said ?? -1] ?? 'refused',
      isForGood,
    };
  }
}

const refusals: Readonly<Record<number, PasswordRefusal>> = {
  [PasswordPolicyError.InsufficientPasswordQuality]: 'too-simple',
  [PasswordPolicyError.PasswordTooShort]: 'too-short',
  [PasswordPolicyError.PasswordTooYoung]: 'too-young',
  [PasswordPolicyError.PasswordInHistory]: 'used-before',
};

const policyWords: Readonly<Record<number, string>> = {
  [PasswordPolicyError.PasswordModNotAllowed]: 'the policy lets users not change their passwords',
  [PasswordPolicyError.InsufficientPasswordQuality]: 'the new password is too simple',
  [PasswordPolicyError.PasswordTooShort]: 'the new password is too short',
  [PasswordPolicyError.PasswordTooYoung]: 'the password was changed too recently',
  [PasswordPolicyError.PasswordInHistory]: 'the new password was used before',
};

/** Active Directory wants the password in quotes, as UTF-16. */
function quoted(password: Secret): Buffer {
  return Buffer.from(`"${password.reveal()}"`, 'utf16le');
}
