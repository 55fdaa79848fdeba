#!/usr/bin/env -S node --disable-sigusr1 --max-semi-space-size=8
/** The `gatehouse` command: reads which command is meant, runs it, and turns what went wrong into words and an exit code. */
import './no-inspector.ts';

import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { OperatorError } from '../core/errors.ts';
import { Failure } from '../core/failure.ts';
import { apiTokens } from './api-tokens.ts';
import { backup, restore } from './backup.ts';
import { cert } from './cert/cert.ts';
import { check } from './check/check.ts';
import { type Command, exitCodes, NoGatewayError, type Terminal, UsageError } from './command.ts';
import { explain } from './explain.ts';
import { exportRoutes } from './export.ts';
import { factors } from './factors.ts';
import { importCommand } from './import/import.ts';
import { offline } from './offline.ts';
import { reload } from './reload.ts';
import { seal } from './seal.ts';
import { secret } from './secret.ts';
import { serve } from './serve.ts';
import { store } from './store.ts';
import { support } from './support.ts';
import { users } from './users.ts';
import { version } from './version.ts';
import { why } from './why.ts';

const commands: Readonly<Record<string, Command>> = {
  serve,
  reload,
  check,
  explain,
  why,
  support,
  users,
  'api-tokens': apiTokens,
  factors,
  cert,
  seal,
  secret,
  offline,
  backup,
  restore,
  store,
  import: importCommand,
  export: exportRoutes,
};

/** Runs a command line (without the program's own name) and yields its exit code. */
export async function main(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === 'help' || name === '--help' || name === '-h') return print(terminal, usage());
  if (name === '--version') return print(terminal, version());
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) return fail(terminal, exitCodes.usage, ...unknownCommand(name));
  if (rest.includes('--help') || rest.includes('-h')) return print(terminal, `${command.usage}\n\n${command.help}`);
  try {
    const { values, positionals } = parseArgs({
      args: [...rest],
      options: command.options,
      allowPositionals: command.takesWords === true,
      strict: true,
    });
    return await command.run({ values, positionals, terminal });
  } catch (error) {
    return explainFailure(terminal, command, error);
  }
}

function unknownCommand(name: string): [message: string, hint: string] {
  const meant = nearest(name, Object.keys(commands));
  return [`unknown command: ${name}`, meant ? `did you mean ${meant}?` : 'gatehouse help lists the commands'];
}

function explainFailure(terminal: Terminal, command: Command, error: unknown): number {
  if (error instanceof UsageError) return fail(terminal, exitCodes.usage, error.message, error.hint);
  if (error instanceof NoGatewayError) return fail(terminal, exitCodes.unavailable, error.message, error.hint);
  if (error instanceof OperatorError || error instanceof Failure)
    return fail(terminal, exitCodes.failed, error.message, error.hint);
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    return fail(terminal, exitCodes.usage, parseProblem(command, error.message), command.usage);
  throw error;
}

/** What is wrong with a command line, shorter than Node says it and with the option that was meant. */
function parseProblem({ options }: Command, message: string): string {
  const unknown = /^Unknown option '-*([^']+)'/.exec(message)?.[1];
  if (unknown !== undefined) {
    const meant = nearest(unknown, Object.keys(options));
    return `there is no option --${unknown}${meant ? `: did you mean --${meant}?` : ''}`;
  }
  const word = /^Unexpected argument '(.*?)'\. /s.exec(message)?.[1];
  if (word !== undefined) return `${word} is one word too many`;
  const incomplete = /^Option '(?:-\w, )?(--[\w-]+) <value>' argument missing/.exec(message)?.[1];
  return incomplete === undefined ? message : `${incomplete} needs a value`;
}

function fail(terminal: Terminal, code: number, message: string, hint: string | undefined): number {
  terminal.stderr.write(`gatehouse: ${message}\n`);
  if (hint) terminal.stderr.write(`  ${hint}\n`);
  return code;
}

function print(terminal: Terminal, text: string): number {
  terminal.stdout.write(`${text}\n`);
  return exitCodes.good;
}

function usage(): string {
  const lines = Object.values(commands).map(({ usage, summary }) => `  ${usage}\n      ${summary}`);
  return [
    'Gatehouse: one gateway in front of every app.',
    '',
    ...lines,
    '',
    'gatehouse COMMAND --help says more; gatehouse --version prints the version.',
  ].join('\n');
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
