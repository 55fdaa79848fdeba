/** A password that an operator chooses for somebody, judged by the rules that hold on the pages. */
import { OperatorError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import type { Document } from '../gateway/document.ts';
import { passwordOptions } from '../users/password-options.ts';
import { PasswordRules, wordsOfHost } from '../users/password-rules.ts';
import type { Terminal } from './command.ts';
import { readNewPassword } from './password-prompt.ts';

/** Whom it is for. */
interface Owner {
  readonly username: string;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
}

/**
 * Asks for it. Where the operator has written rules, one that breaks them is refused; where nobody has, it is for whoever types
 * it to say, who is told.
 */
export async function askForPassword(
  terminal: Terminal,
  owner: Owner,
  { passwords, pages, server }: Document,
): Promise<Secret> {
  const { username, name = '', email = '' } = owner;
  const password = await readNewPassword(terminal, username);
  const rules = new PasswordRules(passwords, [pages.siteName, ...wordsOfHost(server.publicUrl.hostname)]);
  const flaw = await rules.judge(password, { username, words: [name, email] });
  if (flaw === undefined) return new Secret(password);
  const words = flaws(passwords.minLength, passwords.maxLength)[flaw];
  const isWritten = JSON.stringify(passwords) !== JSON.stringify(passwordOptions.parse({}));
  if (isWritten && password.trim() !== '')
    throw new OperatorError(
      `the password of ${username} ${words}`,
      'choose another; the rules stand under passwords: in the configuration',
    );
  terminal.stderr.write(`the password of ${username} ${words} and is soon guessed\n`);
  return new Secret(password);
}

function flaws(minLength: number, maxLength: number) {
  return {
    'too-short': `has fewer than ${minLength} characters`,
    'too-long': `has more than ${maxLength} characters`,
    'too-simple': 'lacks characters of the kinds that passwords.compose asks for',
    common: 'is one that many people use',
    personal: 'is little more than the name, the e-mail address or the site',
    leaked: 'stands in the list of leaked passwords',
  } as const;
}
