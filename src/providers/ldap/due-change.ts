/** Whether a password is to be changed at a login, and by whom: the user, or in Active Directory the manager in the user's name. */
import type { Credentials } from '../../core/provider.ts';
import type { Reason } from '../../core/reason.ts';
import type { PasswordJudge } from '../../users/password-rules.ts';
import { type BindVerdict, isUsablePassword } from './bind.ts';
import type { Connection } from './connection.ts';
import type { Directory } from './directory.ts';
import type { DirectoryEntry } from './entry.ts';
import type { AttributeMap } from './options.ts';
import { changeActiveDirectoryPassword, changeOwnPassword, type PasswordChange } from './password-change.ts';

/** What a change needs to know of the directory. */
interface ChangeOptions {
  readonly directory: Directory;
  readonly attributes: AttributeMap;
  readonly passwords: PasswordJudge;
}

/** A login that has been judged, on the connection that is bound where it was right. */
interface JudgedLogin {
  readonly verdict: BindVerdict;
  readonly connection: Connection;
  readonly entry: DirectoryEntry;
  readonly credentials: Credentials;
}

/** The password was right, and a new one is wanted. */
export const mustChange: ReadonlySet<Reason> = new Set<Reason>(['password-must-change', 'password-expired']);

/** Changes a password that must change, or that its user wishes to, where a new one came with the right one. */
export async function changeIfDue(
  { directory, attributes, passwords }: ChangeOptions,
  { verdict, connection, entry, credentials }: JudgedLogin,
  signal: AbortSignal,
): Promise<PasswordChange | undefined> {
  const { username, password: old, newPassword: fresh, isWish } = credentials;
  const isDue = verdict.kind === 'accepted' ? isWish : verdict.kind === 'rejected' && mustChange.has(verdict.reason);
  if (!fresh || !isDue || verdict.kind === 'unknown') return undefined;
  if (!isUsablePassword(fresh.reveal())) {
    const detail = 'the new password is empty or cannot be sent';
    return { kind: 'refused', reason: 'password-refused', detail, refusal: 'refused', isForGood: false };
  }
  const flaw = await passwords.judge(fresh.reveal(), { username, words: wordsIn(entry, attributes) });
  if (flaw) {
    const detail = `the rules of passwords: ${flaw}; the directory was not asked`;
    return { kind: 'refused', reason: 'password-weak', detail, refusal: flaw, isForGood: false };
  }
  const { dn } = entry;
  if (verdict.kind === 'accepted')
    return (await directory.isActiveDirectory(connection, signal))
      ? changeActiveDirectoryPassword(connection, dn, old, fresh, signal)
      : changeOwnPassword(connection, old, fresh, signal);
  if (verdict.isBound) return changeOwnPassword(connection, old, fresh, signal);
  // This connection was the user's; its bind failed, so that the manager may have it for the rest of its life.
  await directory.bindManager(connection, signal);
  if (!(await directory.isActiveDirectory(connection, signal))) return undefined;
  return changeActiveDirectoryPassword(connection, dn, old, fresh, signal);
}

/** What anybody knows of the owner of an entry. */
function wordsIn(entry: DirectoryEntry, { subject, others }: AttributeMap): readonly string[] {
  const telling = others.filter(([name]) => name === 'name' || name === 'email').map(([, attribute]) => attribute);
  return [subject, ...telling].flatMap((attribute) => entry.values(attribute));
}
