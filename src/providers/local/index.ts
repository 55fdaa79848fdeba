/** Local accounts: users and password hashes in a file on this machine, which no outage of a directory locks out. */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { filePath } from '../../config/values.ts';
import { OperatorError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Attempt, ProbeStep, Provider } from '../../core/provider.ts';
import type { Reason } from '../../core/reason.ts';
import type { Secret } from '../../core/secret.ts';
import type { PasswordJudge } from '../../users/password-rules.ts';
import { type LocalUser, readUsers, UsersFile } from '../../users/users-file.ts';
import { defineProvider, type ProviderContext } from '../define.ts';

const options = z.strictObject({
  users: filePath().describe('the users file; `gatehouse users add NAME` writes it'),
});

class LocalProvider implements Provider {
  readonly changesPasswords = true;
  readonly #log: Log;
  readonly #realm: string;
  readonly #users: UsersFile;
  readonly #passwords: PasswordJudge;

  constructor(users: UsersFile, { name: realm, log, passwords }: ProviderContext) {
    this.#log = log;
    this.#passwords = passwords;
    this.#users = users;
    this.#realm = realm;
  }

  async attempt({ stage, credentials, signal, isMoot }: Attempt): Promise<Outcome> {
    if (stage !== 'credentials' || !credentials) {
      return { kind: 'challenge', offers: [{ via: 'form', form: 'password' }] };
    }
    const check = await this.#users.verify(credentials.username, credentials.password, { signal, isMoot });
    switch (check.kind) {
      case 'match': {
        const { newPassword, isWish } = credentials;
        const { user } = check;
        if (newPassword && (isWish || user.mustChangePassword)) return this.#change(user, newPassword);
        if (user.mustChangePassword) return this.#refuse(user, 'password-must-change');
        return { kind: 'authenticated', assertion: this.#assert(user) };
      }
      case 'unknown-user':
        return { kind: 'unknown-user' };
      case 'wrong-password':
        return { kind: 'rejected', reason: 'bad-password', ...this.#found(check.user) };
      case 'disabled':
        return { kind: 'rejected', reason: 'account-disabled', ...this.#found(check.user) };
      case 'overloaded':
        return { kind: 'unavailable', reason: 'overloaded' };
      case 'aborted':
        return { kind: 'unavailable', reason: 'timed-out' };
      default:
        return check satisfies never;
    }
  }

  async #change(user: LocalUser, fresh: Secret): Promise<Outcome> {
    const { username, name = '', email = '' } = user;
    const flaw = await this.#passwords.judge(fresh.reveal(), { username, words: [name, email] });
    if (flaw) return this.#refuse(user, 'password-weak', { refusal: flaw });
    try {
      const isDone = await this.#users.replacePassword(user, fresh);
      if (!isDone) return { kind: 'rejected', reason: 'bad-password', ...this.#found(user) };
    } catch (error) {
      this.#log.error({ path: this.#users.path, error }, 'the users file could not take a new password');
      return this.#refuse(user, 'password-refused', { isStuck: true });
    }
    // The new one proves itself, by the file as it stands.
    const check = await this.#users.verify(username, fresh);
    return check.kind === 'match' && !check.user.mustChangePassword
      ? { kind: 'authenticated', assertion: this.#assert(check.user), passwordChanged: true }
      : { kind: 'unavailable', reason: 'overloaded' };
  }

  /** Where another one has to be chosen, that goes on being asked for. */
  #refuse(user: LocalUser, reason: Reason, more: object = {}): Outcome {
    const told = user.mustChangePassword ? 'password-must-change' : reason;
    const who = user.mustChangePassword && { assertion: this.#assert(user) };
    return { kind: 'rejected', reason: told, ...this.#found(user), ...who, ...more };
  }

  async lookUp(username: string): Promise<Outcome> {
    const user = this.#users.find(username);
    if (!user) return { kind: 'unknown-user' };
    if (user.disabled) return { kind: 'rejected', reason: 'account-disabled' };
    return { kind: 'authenticated', assertion: this.#assert(user) };
  }

  async standing(subject: string): Promise<Outcome> {
    const found = await this.lookUp(subject);
    const mustChange = found.kind === 'authenticated' && this.#users.find(subject)?.mustChangePassword;
    return mustChange ? { ...found, passwordSetAt: Number.POSITIVE_INFINITY } : found;
  }

  async admit(subject: string): Promise<Outcome> {
    const found = await this.lookUp(subject);
    const mustChange = found.kind === 'authenticated' && this.#users.find(subject)?.mustChangePassword;
    return mustChange ? { kind: 'rejected', reason: 'password-must-change' } : found;
  }

  passwordMark(subject: string): string {
    const {
      password = '',
      disabled = false,
      mustChangePassword = false,
    } = this.#users.find(subject) ?? { disabled: true };
    return hash('sha256', `${disabled} ${mustChangePassword} ${password}`, 'base64url');
  }

  async *probe(): AsyncGenerator<ProbeStep, void, undefined> {
    const start = performance.now();
    const took = (): number => Math.round(performance.now() - start);
    try {
      this.#users.open();
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const hint = error.hint === undefined ? {} : { hint: error.hint };
      yield { step: 'read', result: 'failed', detail: error.message, ...hint, milliseconds: took() };
      return;
    }
    const able = this.#users.list().filter(({ password, disabled }) => password !== undefined && !disabled).length;
    const detail = `${this.#users.path}: ${able} of ${this.#users.list().length} users can sign in`;
    if (able > 0) yield { step: 'read', result: 'ok', detail, milliseconds: took() };
    else
      yield {
        step: 'read',
        result: 'warning',
        detail,
        hint: 'gatehouse users add NAME --config FILE',
        milliseconds: took(),
      };
  }

  #found(user: LocalUser) {
    return { subject: user.subject, known: this.#assert(user) };
  }

  #assert({ subject, name, email, phone, groups, attributes, tenant, verified }: LocalUser) {
    const own = { ...(name && { name: [name] }), ...(email && { email: [email] }), groups };
    // `mobile` is what directories call it, and where codes are sent unless something else is configured.
    const numbers = phone ? { mobile: [phone], ...attributes, phone: [phone] } : attributes;
    const kept = { ...(tenant !== undefined && { tenant }), ...(verified && { verified }) };
    const record = Object.keys(kept).length === 0 ? {} : { record: kept };
    return { realm: this.#realm, subject, amr: ['pwd'] as const, attributes: { ...numbers, ...own }, ...record };
  }
}

/** The `local` kind of provider. A missing file means no users; one that cannot be used stops the start. */
export const local = defineProvider({
  options,
  needsNetwork: false,
  isDirectory: true,
  checkFiles: (_name, { users: path }) => {
    readUsers(path);
    return [];
  },
  create({ users: path }, context: ProviderContext): Provider {
    const users = new UsersFile(path, context);
    users.open();
    return new LocalProvider(users, context);
  },
});
