/** `gatehouse users import FILE`: takes over a table of users, whole or not at all. */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { OperatorError } from '../core/errors.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Document } from '../gateway/document.ts';
import { readUsersCsv } from '../users/users-csv.ts';
import type { UsersFile } from '../users/users-file.ts';
import { type ImportPlan, planImport } from '../users/users-import.ts';
import { exitCodes, type Invocation } from './command.ts';
import { configFile } from './configuration.ts';
import { endSessions } from './end-sessions.ts';

import { askGateway, findSocket } from './gateway-socket.ts';

/** For the audit of a gateway that is busy, in milliseconds. */
const patience = 10_000;
const maxBytes = 16 * 1024 ** 2;
/** More would hide the first ones. */
const maxShown = 200;

/** Reads the table, says what it changes, and changes it unless that was only to be shown. */
export async function importUsers(
  invocation: Invocation,
  users: UsersFile,
  path: string,
  document: Document,
): Promise<number> {
  const { terminal, values } = invocation;
  const reading = readUsersCsv(readTable(path), { isTenant: (name) => isTenant(name, document) });
  if (reading.kind === 'faults') {
    const lines = reading.faults.slice(0, maxShown).map(({ line, message }) => `${path}:${line}  ${message}\n`);
    const more = reading.faults.length - lines.length;
    terminal.stderr.write(`${lines.join('')}${more > 0 ? `and ${more} more\n` : ''}`);
    throw new OperatorError(
      `nothing was imported: ${counted(reading.faults.length, 'fault')} in ${path}`,
      'correct the lines above, then try again',
    );
  }
  const disablesMissing = values['disable-missing'] === true;
  const plan = (known: Parameters<typeof planImport>[0]): ImportPlan =>
    planImport(known, reading.users, disablesMissing);
  const isDry = values['dry-run'] === true;
  const done = isDry ? plan(new Map(users.list().map((user) => [user.subject, user]))) : users.editMany(plan);
  terminal.stdout.write(report(done, isDry));
  warnOfReserved(done, document, invocation);
  if (!isDry) await writeDown(invocation, done, path);
  const ended = done.differences.filter(({ kind }) => kind === 'disabled');
  if (isDry || values['end-sessions'] !== true) return exitCodes.good;
  let worst: number = exitCodes.good;
  for (const { username } of ended) worst = Math.max(worst, await endSessions(invocation, username));
  return worst;
}

/** The audit is the running gateway's: it hears of the import, and whether it did is said. */
async function writeDown(invocation: Invocation, { differences }: ImportPlan, file: string): Promise<void> {
  const { stderr, env } = invocation.terminal;
  if (differences.length === 0) return;
  const of = (kind: keyof typeof signs): string => String(differences.filter((one) => one.kind === kind).length);
  const counts = { added: of('added'), changed: of('changed'), disabled: of('disabled') };
  const query = new URLSearchParams({ file: basename(file).slice(0, 256), ...counts });
  const socket = findSocket(configFile(invocation), env).path;
  const reply = await askGateway(socket, { method: 'POST', target: `/users/imported?${query}`, timeout: patience });
  if (reply.kind === 'unreachable') stderr.write(`the import is not in the audit: no gateway answers at ${socket}\n`);
  else if (reply.status !== 200)
    stderr.write(`the import is not in the audit: the gateway at ${socket} answered ${reply.status}\n`);
}

/** Where none is configured, what a file says of tenants is for later. */
export function isTenant(name: string, { tenants }: Document): boolean {
  return Object.keys(tenants).length === 0 || Object.hasOwn(tenants, name);
}

const signs = { added: '+', changed: '~', disabled: '-' } as const;

function report({ differences, unchanged }: ImportPlan, isDry: boolean): string {
  const lines = differences.map(({ kind, username, words }) => `${signs[kind]} ${username}  ${words}`.trimEnd());
  const of = (kind: keyof typeof signs): string => `${differences.filter((one) => one.kind === kind).length} ${kind}`;
  const sum = `${of('added')}, ${of('changed')}, ${of('disabled')}, ${unchanged} as they were`;
  return `${[...lines, isDry ? `${sum}; nothing was written (--dry-run)` : sum].join('\n')}\n`;
}

/** An account that works in the file and never at the login page would puzzle whoever has made it. */
function warnOfReserved({ differences }: ImportPlan, { login }: Document, { terminal }: Invocation): void {
  const reserved = new Set(login.reservedUsers.map(canonicalUsername));
  for (const { username, kind } of differences)
    if (kind === 'added' && reserved.has(canonicalUsername(username)))
      terminal.stderr.write(`${username} stands in login.reservedUsers and cannot sign in\n`);
}

function readTable(path: string): Buffer {
  try {
    const { size } = statSync(path);
    if (size > maxBytes)
      throw new OperatorError(
        `${path} is larger than 16 MiB`,
        'keep so many users in a directory, or import them in parts',
      );
    return readFileSync(path);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`${path} cannot be read (${why})`, 'name a CSV file', error);
  }
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
