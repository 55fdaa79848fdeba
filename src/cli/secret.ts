/** `gatehouse secret`: makes and checks the secrets that machines share. Runs without a configuration. */
import path from 'node:path';
import { generateSecret, secretFaults } from '../peers/secret-rule.ts';
import { writeNewFile } from './cert/new-file.ts';
import { type Command, exitCodes, type Invocation, textOption, UsageError } from './command.ts';
import { readPassword } from './password-prompt.ts';

/** The command. */
export const secret: Command = {
  usage: 'gatehouse secret generate [--out FILE], or check',
  summary: 'make or check a secret that machines share',
  help: [
    'generate   prints a secret of 32 characters; --out FILE writes it into a new file that only its owner may read, and prints nothing',
    'check      asks for a secret, or takes the first line of the standard input, and says all that is wrong with it, never the secret',
    '',
    'A shared secret has 8 to 64 printable ASCII characters, at least one each of upper case, lower case, digit and other.',
    'Exits with 0 when it is good, 1 when it is not.',
  ].join('\n'),
  takesWords: true,
  options: { out: { type: 'string' } },
  run: runSecret,
};

async function runSecret(invocation: Invocation): Promise<number> {
  const { positionals, terminal } = invocation;
  const out = textOption(invocation, 'out');
  const [verb, ...rest] = positionals;
  if (rest.length === 0 && verb === 'generate') {
    if (out === undefined) terminal.stdout.write(`${generateSecret()}\n`);
    else {
      writeNewFile(path.resolve(out), `${generateSecret()}\n`, 'owner');
      terminal.stderr.write(`${path.resolve(out)} holds a new secret\n`);
    }
    return exitCodes.good;
  }
  if (rest.length > 0 || verb !== 'check' || out !== undefined)
    throw new UsageError(`usage: ${secret.usage}`, 'gatehouse secret --help says more');
  const faults = secretFaults(await readPassword(terminal, 'Secret: '));
  for (const fault of faults) terminal.stderr.write(`the secret ${fault}\n`);
  if (faults.length === 0) terminal.stdout.write('good\n');
  return faults.length === 0 ? exitCodes.good : exitCodes.failed;
}
