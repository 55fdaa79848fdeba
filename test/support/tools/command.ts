/** Runs commands in this process, or the program in one of its own, and keeps what they print. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import type { TestContext } from 'node:test';
import { main } from '../../../src/cli/main.ts';

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process. */
export async function run(
  argv: readonly string[],
  { stdin = '', env = {} }: { stdin?: string; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const input = new PassThrough();
  input.end(stdin);
  const code = await main(argv, {
    stdin: input,
    stdout: { write: (text: string) => stdout.push(text) },
    stderr: { write: (text: string) => stderr.push(text) },
    env,
  });
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

/** A program of its own, ended with the test by its own process id. */
export interface Program {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves when a line of its output holds the text. */
  said(text: string): Promise<string>;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** Starts `gatehouse` as a process; with an output of its own, only the standard error is heard. */
export function start(
  t: TestContext,
  argv: readonly string[],
  env: Record<string, string> = {},
  output: 'pipe' | number = 'pipe',
): Program {
  const entry = path.resolve(import.meta.dirname, '../../../src/cli/main.ts');
  const child = spawn(process.execPath, [entry, ...argv], {
    env: { ...process.env, ...env },
    stdio: ['ignore', output, 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let rest = '';
  const take = (chunk: Buffer): void => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    for (const wake of waiting) wake();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')),
  );
  t.after(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await ended;
  });
  const said = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const line = lines.find((candidate) => candidate.includes(text));
        if (line === undefined) return;
        waiting.delete(look);
        resolve(line);
      };
      waiting.add(look);
      void ended.then((code) => reject(new Error(`ended with ${code} before it said "${text}":\n${lines.join('\n')}`)));
      look();
    });
  return { child, lines, said, ended };
}
