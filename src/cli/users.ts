/** `gatehouse users`: adds, changes and lists the local accounts in the file that the configuration names. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperatorError } from '../core/errors.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Document } from '../gateway/document.ts';
import { createLog } from '../telemetry/log.ts';
import { type LocalUser, UsersFile } from '../users/users-file.ts';
import { askForPassword } from './chosen-password.ts';
import { type Command, exitCodes, type Invocation, type Terminal, textOption, UsageError } from './command.ts';
import { appOption, configOption, requireConfiguration } from './configuration.ts';
import { endSessions } from './end-sessions.ts';
import { importUsers, isTenant } from './users-import.ts';

/** The command. */
export const users: Command = {
  usage:
    'gatehouse users add|passwd|disable|enable|groups|remove NAME, users import FILE, or users list  [--config FILE] [--app]',
  summary: 'manage the local accounts',
  help: [
    'add NAME [--name "Full Name"] [--email ADDRESS] [--phone NUMBER] [--groups a,b] [--tenant NAME]',
    '               adds an account and asks for its password; NAME may be an e-mail address',
    'passwd NAME    asks for a new password',
    'disable NAME   keeps an account from signing in',
    'enable NAME    lets it sign in again',
    'groups NAME a,b   puts an account into these groups and no others; "" takes all away',
    'remove NAME    takes an account out of the file, and ends its sessions',
    'list           lists all accounts',
    'import FILE [--dry-run] [--disable-missing]   adds and changes accounts by a CSV file, all of it or nothing. Its first line names the',
    '               columns: user,name,email,phone,groups,tenant,password-hash,disabled; commas, semicolons or tabs between them. A column',
    '               that is not there changes nothing, an empty cell takes away, but for the password. --dry-run only says what would be',
    '               changed; --disable-missing disables accounts that the file does not name',
    '',
    '--must-change    with add and passwd: the password lets in only to choose another, at the next login',
    '--end-sessions   with passwd, disable, groups and import (of whom it disables): ends the sessions of the account too, which else go on: with the groups',
    '                 of their login, until session.recheck looks, by which a disabled account ends too. Sessions of that name end whatever provider they are of. The running gateway is asked at',
    '                 its socket; where none answers the file alone is changed, and the exit code is 69.',
    'A password comes from a prompt, or from the first line of the standard input; one that the rules refuse is refused where the configuration has passwords:, else taken with a warning.',
    'A running gateway sees changes at once.',
    '--app: the configuration is that of an application with the gateway inside.',
    '--provider NAME says which one is meant when the configuration has several of type local.',
  ].join('\n'),
  takesWords: true,
  options: {
    ...configOption,
    ...appOption,
    name: { type: 'string' },
    email: { type: 'string' },
    groups: { type: 'string' },
    provider: { type: 'string' },
    phone: { type: 'string' },
    tenant: { type: 'string' },
    'must-change': { type: 'boolean' },
    'dry-run': { type: 'boolean' },
    'disable-missing': { type: 'boolean' },
    'end-sessions': { type: 'boolean' },
  },
  run: runUsers,
};

type Action = (file: UsersFile, name: string, invocation: Invocation, document: Document) => Promise<string>;

const actions: Readonly<Record<string, Action>> = {
  add: async (file, name, invocation, document) => {
    const fullName = textOption(invocation, 'name');
    const email = textOption(invocation, 'email');
    const groups = textOption(invocation, 'groups');
    if (file.find(name))
      throw new OperatorError(
        `${file.path} has a user ${name} already`,
        'choose another name, or change it with: gatehouse users passwd',
      );
    if (email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(email))
      throw new OperatorError(`"${email}" is no e-mail address`, 'write it as name@example.com');
    const tenant = textOption(invocation, 'tenant');
    if (tenant !== undefined && !isTenant(tenant, document))
      throw new OperatorError(
        `there is no tenant ${tenant}`,
        `tenants: has ${Object.keys(document.tenants).join(', ')}`,
      );
    const owner = { username: name, name: fullName, email };
    const password = await askForPassword(invocation.terminal, owner, document);
    const phone = textOption(invocation, 'phone');
    makeFolder(dirname(file.path));
    await file.add({
      username: name,
      password,
      ...(fullName && { name: fullName }),
      ...(email && { email }),
      ...(phone && { phone }),
      ...(tenant && { tenant }),
      ...(groups !== undefined && { groups: groupsIn(groups) }),
      ...(invocation.values['must-change'] === true && { mustChangePassword: true }),
    });
    return `${name} is added to ${file.path}`;
  },
  passwd: async (file, name, { terminal, values }, document) => {
    const user = file.find(name);
    if (!user) throw new OperatorError(`${file.path} has no user ${name}`, 'see them all with: gatehouse users list');
    const mustChange = values['must-change'] === true;
    await file.setPassword(name, await askForPassword(terminal, user, document), mustChange);
    return `${name} has a new password${mustChange ? ', which must be changed at the next login' : ''}`;
  },
  disable: async (file, name) => {
    await file.disable(name);
    return `${name} can no longer sign in`;
  },
  enable: async (file, name) => {
    await file.enable(name);
    return `${name} can sign in again`;
  },
  groups: async (file, name, { positionals }) => {
    const groups = groupsIn(positionals[2] ?? '');
    const before = await file.setGroups(name, groups);
    const said = (list: readonly string[]): string => list.join(', ') || 'none';
    return `${name} has the groups: ${said(groups)} (before: ${said(before)})`;
  },
  remove: async (file, name) => {
    await file.remove(name);
    return `${name} is removed from ${file.path}`;
  },
};

/** What may take `--end-sessions`: whatever leaves an account fewer rights, or another proof, than its sessions had. */
const narrowing: readonly string[] = ['passwd', 'disable', 'groups', 'remove', 'import'];

/** Which verbs an option goes with. */
const verbsOf: Readonly<Record<string, readonly string[]>> = {
  'end-sessions': narrowing,
  'must-change': ['add', 'passwd'],
  'dry-run': ['import'],
  'disable-missing': ['import'],
};

/** How many words a command line has, its verb included. */
function wordsOf(verb: string): number {
  if (verb === 'list') return 1;
  return verb === 'groups' ? 3 : 2;
}

function groupsIn(text: string): string[] {
  const groups = text.split(',').map((group) => group.trim());
  return [...new Set(groups.filter((group) => group !== ''))];
}

async function runUsers(invocation: Invocation): Promise<number> {
  const { positionals, terminal, values } = invocation;
  const [verb = '', name] = positionals;
  const action = Object.hasOwn(actions, verb) ? actions[verb] : undefined;
  const isKnown = verb === 'list' || verb === 'import' || action !== undefined;
  if (!isKnown || positionals.length !== wordsOf(verb)) {
    terminal.stderr.write(`usage: ${users.usage}\n`);
    return exitCodes.usage;
  }
  for (const [option, verbs] of Object.entries(verbsOf))
    if (values[option] === true && !verbs.includes(verb))
      throw new UsageError(`--${option} says nothing beside ${verb}`, `it goes with ${verbs.join(', ')}`);
  const isAsked = values['end-sessions'] === true;
  const { document } = requireConfiguration(invocation);
  const file = new UsersFile(usersPath(document, textOption(invocation, 'provider')), {
    log: createLog({ level: 'error', destination: terminal.stderr }),
  });
  file.open();
  if (verb === 'import' && name !== undefined) return importUsers(invocation, file, name, document);
  terminal.stdout.write(
    action && name !== undefined ? `${await action(file, name, invocation, document)}\n` : table(file),
  );
  if (verb === 'add' && name !== undefined) warnOfReserved(name, document, terminal);
  return name !== undefined && (isAsked || verb === 'remove') ? endSessions(invocation, name) : exitCodes.good;
}

/** An account that works in the file and never at the login page would puzzle whoever has made it. */
function warnOfReserved(name: string, { login }: Document, terminal: Terminal): void {
  const canonical = canonicalUsername(name);
  if (login.reservedUsers.some((reserved) => canonicalUsername(reserved) === canonical))
    terminal.stderr.write(`${name} stands in login.reservedUsers and cannot sign in\n`);
}

/** The folder of a users file that is still to be written. What stands in the way of it, the file's own error tells. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch {}
}

/** The file of the one provider of type local, or of the one that is named. */
function usersPath({ providers }: Document, wanted: string | undefined): string {
  const local = Object.entries(providers).filter(
    ([name, { type }]) => type === 'local' && (wanted === undefined || name === wanted),
  );
  const [only] = local;
  if (local.length === 0)
    throw new OperatorError(
      wanted ? `there is no provider ${wanted} of type local` : 'the configuration has no provider of type local',
      'add one under providers:, such as local: { type: local, users: users.yaml }',
    );
  if (local.length > 1 || !only)
    throw new OperatorError(
      `there are several providers of type local: ${local.map(([name]) => name).join(', ')}`,
      'say which one with --provider NAME',
    );
  const [, options] = only;
  if (!('users' in options) || typeof options.users !== 'string')
    throw new OperatorError(`providers.${only[0]}.users names no file`);
  return options.users;
}

function table(file: UsersFile): string {
  const rows = file
    .list()
    .map((user) => [user.username, stateOf(user), user.name ?? '', user.email ?? '', user.groups.join(',')]);
  if (rows.length === 0) return `${file.path} has no users; add one with: gatehouse users add NAME\n`;
  const all = [['USER', 'STATE', 'NAME', 'E-MAIL', 'GROUPS'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function stateOf({ disabled, password, mustChangePassword }: LocalUser): string {
  if (disabled) return 'disabled';
  if (password === undefined) return 'no password';
  return mustChangePassword ? 'must change' : 'enabled';
}
