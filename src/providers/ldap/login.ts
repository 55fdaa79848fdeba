/** A login against a directory: find the entry, bind as it, read its groups. */
import type { Log } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import { type Amr, type Assertion, canonicalUsername } from '../../core/principal.ts';
import type { Credentials } from '../../core/provider.ts';
import type { Secret } from '../../core/secret.ts';
import type { Deadline } from '../../remote/deadline.ts';
import { TimingDecoy } from '../../remote/timing-decoy.ts';
import type { PasswordJudge } from '../../users/password-rules.ts';
import { type BindVerdict, bindUser, isUsablePassword } from './bind.ts';
import type { Directory } from './directory.ts';
import { changeIfDue, mustChange } from './due-change.ts';
import { type DirectoryEntry, knownOf, mappedAttributes, subjectOf } from './entry.ts';
import { FilterTemplate } from './filter.ts';
import { type GroupSource, readGroups } from './groups.ts';
import type { AttributeMap } from './options.ts';
import type { PasswordChange } from './password-change.ts';
import { lockIn, passwordSetAt, refusalIn, standingAttributes } from './standing.ts';
import type { Server } from './transport.ts';
import { type FoundUser, findUser, type UserSearch } from './user-search.ts';

/** What a login needs to know. */
interface LoginOptions {
  readonly realm: string;
  readonly directory: Directory;
  readonly search: UserSearch;
  readonly attributes: AttributeMap;
  readonly groups: GroupSource | undefined;
  readonly log: Log;
  readonly passwords: PasswordJudge;
}

/** A DN below the base that no entry has: binding as it is refused without touching anybody's count of failures. */
const nobody = 'cn=gatehouse-nobody';

/** Logs users in against one directory. */
export class DirectoryLogin {
  readonly #options: LoginOptions;
  readonly #decoy = new TimingDecoy();

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /** Checks a password. Throws a Failure when the directory has not judged it. */
  async check(credentials: Credentials, deadline: Deadline): Promise<Outcome> {
    const { username, password } = credentials;
    if (!isUsablePassword(password.reveal())) return { kind: 'rejected', reason: 'bad-password' };
    const name = searchable(username);
    const found = name === undefined ? nobodyFound : await this.#find(name, deadline);
    if (name === undefined || found.kind !== 'found') {
      if (this.#decoy.isReady) await this.#decoy.spend(deadline.signal, 0);
      else await this.#refusedBind(password, deadline);
      return unknownUser;
    }
    const { verdict, change } = await this.#bind(found.entry, found.server, credentials, deadline);
    const refusal = change?.kind === 'refused' ? { refusal: change.refusal } : {};
    const isRefusedForGood = change?.kind === 'refused' && change.isForGood;
    switch (verdict.kind) {
      case 'unknown':
        return unknownUser;
      case 'rejected': {
        const isStuck = isRefusedForGood || (await this.#isStuck(verdict, found.server, deadline));
        const isWanted = !isStuck && mustChange.has(verdict.reason);
        const who = isWanted ? await this.#assertion(name, found.entry, 'pwd', deadline) : undefined;
        return {
          kind: 'rejected',
          reason: verdict.reason,
          ...this.#found(found.entry),
          ...refusal,
          ...(who?.kind === 'authenticated' && { assertion: who.assertion }),
          ...(isStuck && { isStuck: true }),
        };
      }
      case 'accepted': {
        if (change?.kind === 'refused') {
          const stuck = isRefusedForGood && { isStuck: true as const };
          return { kind: 'rejected', reason: change.reason, ...this.#found(found.entry), ...refusal, ...stuck };
        }
        this.#warnOfExpiry(verdict, found.entry);
        const outcome = await this.#assertion(name, found.entry, 'pwd', deadline);
        if (outcome.kind !== 'authenticated') return outcome;
        const isOther = outcome.assertion.subject !== canonicalUsername(name);
        const passwordChanged = change?.kind === 'changed' && { passwordChanged: true as const };
        return { ...outcome, ...(isOther && { grant: { state: { name } } }), ...passwordChanged };
      }
      default:
        return verdict satisfies never;
    }
  }

  /**
   * How the account of a session stands. It is found as at its login, by the name of then; `name` is absent where that was the
   * subject, and in sessions of earlier versions, which knew no other. `isLogin`: somebody signs in by it now, without a bind.
   */
  async standing(
    {
      subject,
      name = subject,
      now,
      isLogin = false,
    }: { subject: string; name: string | undefined; now: number; isLogin?: boolean },
    deadline: Deadline,
  ): Promise<Outcome> {
    const { search, attributes } = this.#options;
    const attributesToo = [...search.attributes, ...standingAttributes];
    let found = await this.#find(name, deadline, { ...search, attributes: attributesToo });
    if (found.kind === 'unknown' && name === subject) {
      const filter = new FilterTemplate(`${attributes.subject}=%s`);
      found = await this.#find(subject, deadline, { ...search, filter, attributes: attributesToo });
    }
    // The directory has to be put in order; of the account this says nothing.
    if (found.kind === 'ambiguous') return { kind: 'unavailable', reason: 'misconfigured', answered: 'of-the-gateway' };
    if (found.kind === 'unknown') return unknownUser;
    const reason = refusalIn(found.entry, now) ?? (isLogin ? lockIn(found.entry, now) : undefined);
    if (reason) return { kind: 'rejected', reason, ...this.#found(found.entry) };
    const outcome = await this.#assertion(name, found.entry, 'pwd', deadline);
    const setAt = passwordSetAt(found.entry);
    return outcome.kind === 'authenticated' && setAt !== undefined ? { ...outcome, passwordSetAt: setAt } : outcome;
  }

  /** The entry of a user whom somebody else has authenticated. */
  async lookUp(username: string, deadline: Deadline): Promise<Outcome> {
    const name = searchable(username);
    const found = name === undefined ? nobodyFound : await this.#find(name, deadline);
    return name === undefined || found.kind !== 'found'
      ? unknownUser
      : this.#assertion(name, found.entry, 'pwd', deadline);
  }

  async #find(name: string, deadline: Deadline, search = this.#options.search): Promise<FoundUser> {
    const { directory, log } = this.#options;
    const found = await findUser(directory, search, name, deadline);
    if (found.kind === 'ambiguous') {
      log.error({ dns: found.dns }, 'ldap filter finds more than one entry for a user name; nobody is let in by it');
    }
    return found;
  }

  async #bind(
    entry: DirectoryEntry,
    server: Server,
    credentials: Credentials,
    deadline: Deadline,
  ): Promise<{ readonly verdict: BindVerdict; readonly change: PasswordChange | undefined }> {
    const { password, newPassword } = credentials;
    const { dn } = entry;
    const { directory } = this.#options;
    const start = performance.now();
    // A password is changed on its user's own connection, which nobody else may have then.
    const { verdict, change } = await directory[newPassword ? 'apart' : 'bind'](
      deadline,
      server,
      async (connection, signal) => {
        const judged = await bindUser(connection, dn, password, signal);
        const changed = await changeIfDue(this.#options, { verdict: judged, connection, entry, credentials }, signal);
        return { verdict: judged, change: changed };
      },
    );
    if (verdict.kind === 'rejected' && verdict.reason === 'bad-password')
      this.#decoy.addSample(performance.now() - start);
    if (change?.kind === 'refused')
      this.#options.log.info({ dn, detail: change.detail }, 'ldap refused a new password');
    if (change?.kind !== 'changed' || !newPassword || verdict.kind === 'accepted') return { verdict, change };
    // The new password proves itself, so that nobody is let in on the word of the change alone.
    const proved = await directory.bind(deadline, server, (connection, signal) =>
      bindUser(connection, dn, newPassword, signal),
    );
    return { verdict: proved, change };
  }

  /**
   * Whether a form for a new password could never succeed: nobody is bound who could change it, and the directory is none where
   * the manager asks in the user's name.
   */
  async #isStuck(
    { reason, isBound }: BindVerdict & { kind: 'rejected' },
    server: Server,
    deadline: Deadline,
  ): Promise<boolean> {
    if (isBound || !mustChange.has(reason)) return false;
    const { directory } = this.#options;
    if (!directory.canChangePasswords(server)) return true;
    return !(await directory.search(deadline, (connection, signal) => directory.isActiveDirectory(connection, signal)));
  }

  async #assertion(username: string, entry: DirectoryEntry, amr: Amr, deadline: Deadline): Promise<Outcome> {
    const { directory, attributes, groups, log, realm } = this.#options;
    const subject = subjectOf(entry, attributes.subject);
    if (subject === undefined) {
      log.error({ dn: entry.dn, attribute: attributes.subject }, 'ldap entry has no value for the subject');
      return { kind: 'rejected', reason: 'claim-missing' };
    }
    const found = groups ? await readGroups(directory, groups, { entry, username }, deadline, log) : undefined;
    return {
      kind: 'authenticated',
      assertion: {
        realm,
        subject,
        amr: [amr],
        attributes: mappedAttributes(entry, attributes.others, found ? [['groups', found]] : []),
        record: { dn: entry.dn },
      },
    };
  }

  async #refusedBind(password: Secret, deadline: Deadline): Promise<void> {
    const { directory, search } = this.#options;
    const dn = search.base === '' ? nobody : `${nobody},${search.base}`;
    try {
      await directory.bind(deadline, undefined, (connection, signal) => bindUser(connection, dn, password, signal));
    } catch {
      // That the user is unknown is settled; this bind was for the time it takes.
    }
  }

  #found(entry: DirectoryEntry): { readonly subject?: string; readonly known?: Assertion } {
    const { attributes, realm } = this.#options;
    const known = knownOf(entry, realm, attributes);
    return known ? { subject: known.subject, known } : {};
  }

  #warnOfExpiry({ graceLogins, secondsLeft }: BindVerdict & { kind: 'accepted' }, { dn }: DirectoryEntry): void {
    if (graceLogins === undefined && secondsLeft === undefined) return;
    this.#options.log.info({ dn, graceLogins, secondsLeft }, 'ldap password expires soon');
  }
}

const nobodyFound: FoundUser = { kind: 'unknown' };
const unknownUser: Outcome = { kind: 'unknown-user' };

/** A user name as a directory may be asked for it; undefined when no entry can have it. */
function searchable(username: string): string | undefined {
  const name = username.normalize('NFKC').trim();
  return name === '' || name.length > 256 || /\p{Cc}/u.test(name) || !name.isWellFormed() ? undefined : name;
}
