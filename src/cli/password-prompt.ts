/** Asks for a password without showing it, or takes the first line of the standard input where there is nobody to ask. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { OperatorError } from '../core/errors.ts';
import type { Terminal } from './command.ts';

/** One password. On a terminal nothing of it is shown; else it is the first line of the input. */
export async function readPassword(terminal: Terminal, prompt: string): Promise<string> {
  const isTerminal = terminal.stdin.isTTY === true;
  if (isTerminal) terminal.stderr.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: terminal.stdin, output: silent, terminal: isTerminal });
  try {
    for await (const line of lines) {
      if (isTerminal) terminal.stderr.write('\n');
      return line.replace(/\r$/, '');
    }
  } finally {
    lines.close();
  }
  throw new OperatorError('no password was given', 'type it at the prompt, or pipe it in as the first line');
}

/** A new password; on a terminal it is asked for twice. */
export async function readNewPassword(terminal: Terminal, username: string): Promise<string> {
  const password = await readPassword(terminal, `New password of ${username}: `);
  if (terminal.stdin.isTTY !== true) return password;
  if (password !== (await readPassword(terminal, 'Once more: ')))
    throw new OperatorError('the two passwords are not the same', 'nothing was changed; try again');
  return password;
}
