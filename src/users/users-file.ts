/** The local users in their file: looked up, checked, changed. What the file says is `users-document.ts`. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { canonicalUsername, isApiSubject } from '../core/principal.ts';
import type { Secret } from '../core/secret.ts';
import { type CheckTerms, checkPassword, hashPassword } from './passwords.ts';
import { replaceFile, withFileLock } from './safe-write.ts';
import {
  editUsers,
  type LocalUser,
  nameProblem,
  parseUsers,
  type UserChange,
  type UsersDocument,
  withoutUser,
} from './users-document.ts';

export type { LocalUser } from './users-document.ts';

/** What came of a login; `disabled` only after the right password. */
type UserCheck =
  | { readonly kind: 'match'; readonly user: LocalUser }
  | { readonly kind: 'disabled' | 'wrong-password'; readonly user: LocalUser }
  | { readonly kind: 'unknown-user' | 'overloaded' | 'aborted' };

/** What is known of a user who is added. */
interface NewUser {
  readonly username: string;
  readonly name?: string;
  readonly email?: string;
  readonly phone?: string;
  readonly tenant?: string;
  readonly groups?: readonly string[];
  readonly password?: Secret;
  readonly mustChangePassword?: true;
}

const maxPassword = 1024;
const none: ReadonlyMap<string, LocalUser> = new Map();

/** The users of one file. It is read again when it has changed; while it is broken, what it said last stays in force. */
export class UsersFile {
  readonly path: string;
  readonly #log: Log;
  #users = none;
  /** Which state of the file was read last; undefined before the first time. */
  #state: string | undefined;

  constructor(path: string, { log }: { log: Log }) {
    this.path = path;
    this.#log = log;
  }

  /**
   * Reads the file for the first time. A missing one has no users, which is logged; one that cannot be used is an
   * OperatorError.
   */
  open(): void {
    this.#state = stateOf(this.path);
    this.#users = this.#read();
  }

  /** The user of a name, in whatever way it is written. */
  find(username: string): LocalUser | undefined {
    return this.#current().get(canonicalUsername(username));
  }

  /** All users, in the order of the file. */
  list(): LocalUser[] {
    return [...this.#current().values()];
  }

  /** Checks a name and a password; takes as long for a name that is not there. */
  async verify(username: string, password: Secret, terms?: CheckTerms): Promise<UserCheck> {
    const user = this.find(username);
    const check = await checkPassword(password, user?.password, terms);
    if (check === 'overloaded' || check === 'aborted') return { kind: check };
    if (user?.password === undefined) return { kind: 'unknown-user' };
    if (check === 'mismatch') return { kind: 'wrong-password', user };
    return user.disabled ? { kind: 'disabled', user } : { kind: 'match', user };
  }

  /** Adds a user; the file is made when it is missing. */
  async add({ username, password, ...rest }: NewUser): Promise<void> {
    const problem = nameProblem(username);
    const shown = username.length > 40 ? `${username.slice(0, 40)}…` : username;
    if (isApiSubject(username))
      throw new OperatorError(
        `the user name ${JSON.stringify(shown)} begins with api:`,
        'only programs are called so: gatehouse api-tokens add NAME',
      );
    if (problem) throw new OperatorError(`the user name ${JSON.stringify(shown)} ${problem}`, 'choose another name');
    const hash = password && (await hashNew(password));
    this.#change((current) => {
      const twin = current.users.get(canonicalUsername(username));
      if (twin) throw new OperatorError(`${this.path} has a user ${twin.username} already`, 'choose another name');
      return { text: editUsers(current, [[username, { ...rest, ...(hash !== undefined && { password: hash }) }]]) };
    });
  }

  /** Gives a user another password, be it one that lets in only to choose the next. */
  async setPassword(username: string, password: Secret, mustChange = false): Promise<void> {
    this.#changeUser(username, {
      password: await hashNew(password),
      mustChangePassword: mustChange ? true : null,
    });
  }

  /**
   * Puts a password of the user's own choice in the place of the one that was checked a moment ago; false where that is not in
   * force any more. None has to be chosen from here on.
   */
  async replacePassword({ username, password: checked }: LocalUser, fresh: Secret): Promise<boolean> {
    const password = await hashNew(fresh);
    return this.#change((current) => {
      const user = current.users.get(canonicalUsername(username));
      if (!user || user.password !== checked || user.disabled) return { isDone: false };
      return { text: editUsers(current, [[username, { password, mustChangePassword: null }]]), isDone: true };
    }).isDone;
  }

  /** Changes many users at once, or adds them; yields what `plan` has made of the users who are there. */
  editMany<Plan extends { readonly changes: ReadonlyMap<string, UserChange> }>(
    plan: (users: ReadonlyMap<string, LocalUser>) => Plan,
  ): Plan {
    return this.#change((current) => {
      const planned = plan(current.users);
      return { planned, ...(planned.changes.size > 0 && { text: editUsers(current, planned.changes) }) };
    }).planned;
  }

  /** Keeps a user from signing in; sessions under way are another matter. */
  async disable(username: string): Promise<void> {
    this.#changeUser(username, { disabled: true });
  }

  /** Lets a user sign in again. */
  async enable(username: string): Promise<void> {
    this.#changeUser(username, { disabled: false });
  }

  /** Puts a user into these groups and no others; none takes all away. Yields those that the user was in. */
  async setGroups(username: string, groups: readonly string[]): Promise<readonly string[]> {
    return this.#changeUser(username, { groups }).groups;
  }

  /** Takes a user out of the file; sessions under way are another matter. */
  async remove(username: string): Promise<void> {
    this.#change((current) => {
      this.#require(username, current);
      return { text: withoutUser(current, username) };
    });
  }

  /** Changes a user who is there, and yields what the file said before. */
  #changeUser(username: string, change: UserChange): LocalUser {
    return this.#change((current) => {
      const before = this.#require(username, current);
      return { text: editUsers(current, [[username, change]]), before };
    }).before;
  }

  #require(username: string, { users }: UsersDocument): LocalUser {
    const user = users.get(canonicalUsername(username));
    if (user) return user;
    throw new OperatorError(`${this.path} has no user ${username}`, 'see them all with: gatehouse users list');
  }

  /** Reads, edits and writes the file while nobody else does, where there is another text. What is written has been read back first. */
  #change<Edit extends { readonly text?: string }>(edit: (current: UsersDocument) => Edit): Edit {
    // A link is followed, or the change would put a file in its place.
    const path = statSync(this.path, { throwIfNoEntry: false }) ? realpathSync(this.path) : this.path;
    return withFileLock(path, () => {
      const edited = edit(parseUsers(readText(path) ?? '', this.path));
      if (edited.text === undefined) return edited;
      parseUsers(edited.text, this.path);
      replaceFile(path, edited.text);
      return edited;
    });
  }

  /** The users as the file has them at this moment, or had them before it broke. */
  #current(): ReadonlyMap<string, LocalUser> {
    try {
      // The state is taken first: a change during the reading shows at the next look.
      const state = stateOf(this.path);
      if (state === this.#state) return this.#users;
      this.#state = state;
      this.#users = this.#read();
      this.#log.info({ path: this.path, users: this.#users.size }, 'the users file was read');
    } catch (error) {
      this.#log.error({ path: this.path, error }, 'the users file cannot be used; what it said before stays in force');
    }
    return this.#users;
  }

  #read(): ReadonlyMap<string, LocalUser> {
    const users = readUsers(this.path);
    if (users) return users;
    this.#log.warn(
      { path: this.path },
      'the users file does not exist, so there are no local users; add one with: gatehouse users add NAME --config FILE',
    );
    return none;
  }
}

/** The users of a file by their canonical names; undefined when it is missing, an OperatorError when it cannot be used. */
export function readUsers(path: string): ReadonlyMap<string, LocalUser> | undefined {
  const text = readText(path);
  return text === undefined ? undefined : parseUsers(text, path).users;
}

async function hashNew(password: Secret): Promise<string> {
  const problem = passwordProblem(password.reveal());
  if (problem) throw new OperatorError(`the password ${problem}`, 'choose one that the login page takes');
  return hashPassword(password);
}

/** Why the form of the login page refuses a password, so that nobody could sign in with it. */
function passwordProblem(text: string): string | undefined {
  if (text.trim() === '') return 'is empty';
  if (text.length > maxPassword) return `is longer than ${maxPassword} characters`;
  return text.includes('\0') ? 'has a NUL in it' : undefined;
}

/** Changes with every change of the file. */
function stateOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats ? [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(' ') : 'missing';
}

/** The text of a file; undefined when there is none. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    const message = error instanceof Error ? error.message : String(error);
    throw new OperatorError(
      `the users file ${path} cannot be read (${message})`,
      'check that it is a file this user may read',
      error,
    );
  }
}
