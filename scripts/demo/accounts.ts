/** The demo's accounts: made once, with passwords that are written to a file of their own and nowhere else. */
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Log } from '../../src/core/log.ts';
import { Secret } from '../../src/core/secret.ts';
import { UsersFile } from '../../src/users/users-file.ts';

/** A name with its password. */
export interface DemoAccount {
  readonly username: string;
  /** As first set; words in its place where it is another by now. */
  readonly password: string;
  /** What it is for, in a word or two. */
  readonly role: string;
}

const people = [
  { username: 'agent1', name: 'Amélie Perrin', role: 'agent', groups: ['agents'] },
  { username: 'supervisor1', name: 'Benoît Le Goff', role: 'supervisor', groups: ['agents', 'supervisors'] },
  { username: 'admin1', name: 'Chloé Martin', role: 'administrator', groups: ['administrators'] },
] as const;

const consonants = 'bdfgkmnprstvz';
const vowels = 'aeiou';
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/**
 * Makes the accounts when there is no users file, and gives them; undefined when there is one, which stays as it is.
 *
 * The passwords are on disk before the users file takes its name: a start that was interrupted begins anew.
 */
export async function makeAccounts(
  usersFile: string,
  passwordsFile: string,
): Promise<readonly DemoAccount[] | undefined> {
  if (existsSync(usersFile)) return undefined;
  const accounts = people.map(({ username, role }) => ({ username, role, password: readablePassword() }));
  const unfinished = `${usersFile}.${process.pid}.new`;
  for (const file of [usersFile, passwordsFile]) mkdirSync(path.dirname(file), { recursive: true });
  try {
    const users = new UsersFile(unfinished, { log: silent });
    for (const [i, { username, name, groups }] of people.entries()) {
      const password = new Secret(accounts[i]?.password ?? '');
      await users.add({ username, name, groups, email: `${username}@example.com`, password });
    }
    writePasswords(passwordsFile, accounts);
    renameSync(unfinished, usersFile);
  } finally {
    for (const file of [unfinished, `${unfinished}.lock`]) rmSync(file, { force: true });
  }
  return accounts;
}

/** The accounts of the first start with their passwords, each of which is tried; none where the file is gone. */
export async function readAccounts(usersFile: string, passwordsFile: string): Promise<readonly DemoAccount[]> {
  if (!existsSync(passwordsFile)) return [];
  const text = readFileSync(passwordsFile, 'utf8');
  const users = new UsersFile(usersFile, { log: silent });
  users.open();
  const accounts: DemoAccount[] = [];
  for (const { username, role } of people) {
    const [, password] = new RegExp(`^${username} +(\\S+)$`, 'm').exec(text) ?? [];
    if (password === undefined) continue;
    const { kind } = await users.verify(username, new Secret(password));
    accounts.push({ username, role, password: kind === 'match' ? password : '(has been changed)' });
  }
  return accounts;
}

function writePasswords(file: string, accounts: readonly DemoAccount[]): void {
  const lines = accounts.map(({ username, password }) => `${username.padEnd(14)}${password}`);
  const text = ['# The passwords of the demo, as first set. Change one: gatehouse users passwd NAME', ...lines, ''];
  rmSync(file, { force: true });
  writeFileSync(file, text.join('\n'), { mode: 0o600, flag: 'wx' });
}

/** Four words that are none, such as `tabo-kelu-rifa-modu`: easy to read out and to type, about 48 bits. */
function readablePassword(): string {
  const pick = (letters: string): string => letters.charAt(randomInt(letters.length));
  const syllable = (): string => pick(consonants) + pick(vowels);
  return Array.from({ length: 4 }, () => syllable() + syllable()).join('-');
}
