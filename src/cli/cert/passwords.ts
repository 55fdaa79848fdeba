/** The passwords that one command asks for: at the prompt, or line by line from the standard input where there is nobody to ask. */
import { text } from 'node:stream/consumers';
import { OperatorError } from '../../core/errors.ts';
import { Secret } from '../../core/secret.ts';
import type { Terminal } from '../command.ts';
import { readPassword } from '../password-prompt.ts';

/** Asks for one password after the other. */
export class Passwords {
  readonly #terminal: Terminal;
  #lines: string[] | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** One that opens something. */
  async ask(prompt: string): Promise<Secret> {
    return new Secret(await this.#read(prompt));
  }

  /** One that something is to be closed with; on a terminal it is asked for twice. */
  async askNew(prompt: string): Promise<Secret> {
    const password = await this.#read(prompt);
    const problem = weakness(password);
    if (problem !== undefined)
      throw new OperatorError(`this password ${problem}`, 'nothing was written; choose another');
    if (this.#terminal.stdin.isTTY === true && password !== (await this.#read('Once more: ')))
      throw new OperatorError('the two passwords are not the same', 'nothing was written; try again');
    return new Secret(password);
  }

  async #read(prompt: string): Promise<string> {
    if (this.#terminal.stdin.isTTY === true) return readPassword(this.#terminal, prompt);
    this.#lines ??= (await text(this.#terminal.stdin)).split(/\r?\n/);
    const line = this.#lines.shift();
    if (line === undefined || (line === '' && this.#lines.length === 0))
      throw new OperatorError(
        'no password was given',
        'type it at the prompt, or pipe it in, each in a line of its own',
      );
    return line;
  }
}

/** Java and older programs write other letters each in a way of its own, and then nobody opens the file. */
function weakness(password: string): string | undefined {
  if (password === '') return 'is empty';
  if (password.length < 8) return 'is too short: eight characters at least';
  return /^[\x20-\x7e]*$/.test(password)
    ? undefined
    : 'has characters other than ASCII, which not every program reads alike';
}
