/** What a table of users changes in a users file, user by user. */
import { canonicalUsername } from '../core/principal.ts';
import type { ListedUser } from './users-csv.ts';
import type { LocalUser, UserChange } from './users-document.ts';

/** What becomes of one user, in words without secrets. */
interface Difference {
  readonly username: string;
  readonly kind: 'added' | 'changed' | 'disabled';
  readonly words: string;
}

/** The whole of it. */
export interface ImportPlan {
  readonly changes: ReadonlyMap<string, UserChange>;
  readonly differences: readonly Difference[];
  readonly unchanged: number;
}

/** Compares a table with the users who are there; those whom it does not name are disabled where that is wished. */
export function planImport(
  users: ReadonlyMap<string, LocalUser>,
  listed: readonly ListedUser[],
  disablesMissing: boolean,
): ImportPlan {
  const changes = new Map<string, UserChange>();
  const differences: Difference[] = [];
  let unchanged = 0;
  for (const { username, change } of listed) {
    const user = users.get(canonicalUsername(username));
    const told = differencesOf(user, change);
    if (user && told.length === 0) unchanged++;
    else {
      changes.set(username, Object.fromEntries(told.map(({ key, after }) => [key, after])));
      const words = told.map((one) => one.words).join('; ');
      differences.push({ username: user?.username ?? username, kind: user ? 'changed' : 'added', words });
    }
  }
  const named = new Set(listed.map(({ username }) => canonicalUsername(username)));
  for (const { subject, username, disabled } of users.values()) {
    if (named.has(subject)) continue;
    if (!disablesMissing || disabled) unchanged++;
    else {
      changes.set(username, { disabled: true });
      differences.push({ username, kind: 'disabled', words: 'not in the table' });
    }
  }
  return { changes, differences, unchanged };
}

function differencesOf(user: LocalUser | undefined, change: UserChange) {
  return Object.entries(change).flatMap(([key, after]) => {
    const before = user?.[key as keyof LocalUser];
    if (after === undefined || isSame(before, after)) return [];
    // Of a password nothing is shown, be it a hash.
    const words =
      key === 'password' ? 'another password' : `${key}: ${user ? `${shown(before)} → ` : ''}${shown(after)}`;
    return [{ key, after, words }];
  });
}

function isSame(before: unknown, after: unknown): boolean {
  return JSON.stringify(bare(before)) === JSON.stringify(bare(after));
}

/** What is not there, is taken away, is empty or is false is the same in a users file. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? null : value.toSorted();
  return value === undefined || value === false ? null : value;
}

function shown(value: unknown): string {
  const plain = bare(value);
  if (plain === null) return 'none';
  return Array.isArray(plain) ? plain.join(', ') : String(plain);
}
