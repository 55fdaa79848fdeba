/** `gatehouse backup` and `gatehouse restore`: what is in the store, in one file and back. */
import { resolve } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import { backUp } from '../store/backup.ts';
import { entryKinds } from '../store/entry-kinds.ts';
import type { EmbeddedOptions } from '../store/index.ts';
import { type EntryCounts, restoreStore, wantsPassphrase } from '../store/restore.ts';
import { createLog } from '../telemetry/log.ts';
import { type Command, type Invocation, UsageError } from './command.ts';
import { configOption, requireConfiguration } from './configuration.ts';
import { readNewPassword, readPassword } from './password-prompt.ts';

/** Enough for a phrase of some words; a stolen backup can be guessed at for ever. */
const minPassphrase = 12;

/** The command that makes one. */
export const backup: Command = {
  usage: 'gatehouse backup FILE [--with-key] [--config FILE]',
  summary: 'write what is in the store to one file, while the gateway runs',
  help: [
    'FILE is readable by its owner only, and takes the place of an earlier backup of that name, and of nothing else. The secrets in',
    'it are sealed, and the key that opens them is not in it: keep the file of session.store.sealKey elsewhere, or use --with-key.',
    '--with-key   adds the sealing keys under a passphrase (asked for, or the first line of the input; 12 characters at least)',
  ].join('\n'),
  takesWords: true,
  options: { ...configOption, 'with-key': { type: 'boolean' } },
  run: runBackup,
};

/** The command that brings one back. */
export const restore: Command = {
  usage: 'gatehouse restore FILE [--keep-sessions] [--config FILE]',
  summary: 'bring a backup back into the store of a gateway that is stopped',
  help: [
    'Refused while a gateway has the store open. Assertion keys and the key of forms come back; lock-outs, used tickets and whatever',
    'else is one-time stay as the present store has them. Sessions and logins under way do not come back, since the backup knows',
    'nothing of what was ended since: everybody signs in anew.',
    'API tokens come back and are listed, but for those that the present store knows as ended.',
    '--keep-sessions   brings them back, but for sessions that the present store knows as ended; those that ended since and that it',
    '                  has forgotten (after 15 minutes, or in a new store) come back to life',
    'Where the store lacks the sealing keys and the backup has them, its passphrase is asked for, or read from the input.',
  ].join('\n'),
  takesWords: true,
  options: { ...configOption, 'keep-sessions': { type: 'boolean' } },
  run: runRestore,
};

async function runBackup(invocation: Invocation): Promise<number> {
  const { terminal, values } = invocation;
  const file = fileOf(invocation, backup);
  const store = storeOf(invocation);
  const passphrase =
    values['with-key'] === true ? new Secret(await readNewPassword(terminal, 'the backup')) : undefined;
  if (passphrase && passphrase.reveal().length < minPassphrase)
    throw new OperatorError(`the passphrase has fewer than ${minPassphrase} characters`, 'take some words in a row');
  const log = createLog({ level: 'warn', destination: terminal.stderr });
  const { entries, sealedBy, keyFile } = backUp(store, {
    file,
    clock: systemClock,
    log,
    ...(passphrase && { passphrase }),
  });
  terminal.stdout.write(`${file}: ${entries} entries, their secrets sealed by the key ${sealedBy}\n`);
  terminal.stdout.write(
    passphrase
      ? 'the sealing keys are in it, under the passphrase\n'
      : `the key is in ${keyFile} and not in the backup: keep a copy of that file elsewhere\n`,
  );
  return 0;
}

async function runRestore(invocation: Invocation): Promise<number> {
  const { terminal, values } = invocation;
  const file = fileOf(invocation, restore);
  const store = storeOf(invocation);
  const passphrase = wantsPassphrase(store, file)
    ? new Secret(await readPassword(terminal, 'Passphrase of the backup: '))
    : undefined;
  const keepSessions = values['keep-sessions'] === true;
  const log = createLog({ level: 'warn', destination: terminal.stderr });
  const how = { file, keepSessions, passphrase, clock: systemClock, log };
  const { restored, left, ended, tokens } = restoreStore(store, how);
  terminal.stdout.write(`brought back:  ${said(restored)}\nleft out:      ${said(left)}\n`);
  if (left.has(entryKinds['enrolment-mark']?.label ?? ''))
    terminal.stdout.write(
      'second factors that were set up since the backup are gone: the first one of an account takes an enrolment code until gatehouse factors accept-loss\n',
    );
  if (ended > 0) terminal.stdout.write(`still ended:   ${ended} sessions\n`);
  if (tokens.restored.length > 0)
    terminal.stdout.write(
      `API tokens that let programs in again: ${tokens.restored.join(', ')}; end with gatehouse api-tokens revoke NAME what is not wanted\n`,
    );
  if (tokens.ended.length > 0) terminal.stdout.write(`API tokens that stay ended: ${tokens.ended.join(', ')}\n`);
  return 0;
}

function fileOf({ positionals }: Invocation, { usage }: Command): string {
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new UsageError('one file is to be named', usage);
  return resolve(file);
}

function storeOf(invocation: Invocation): EmbeddedOptions {
  const { store } = requireConfiguration(invocation).document.session;
  if (store.type === 'embedded') return store;
  if (store.type === 'redis')
    throw new OperatorError(
      'the store is in Redis, which is backed up by its own means',
      'copy its dump.rdb or its append-only file, and the file of session.store.sealKey',
    );
  throw new OperatorError(
    'the store is in memory: there is nothing to back up',
    'set session.store to { type: embedded, path: … }',
  );
}

function said(counts: EntryCounts): string {
  return [...counts].map(([label, count]) => `${count} ${label}`).join(', ') || 'nothing';
}
