/** `gatehouse seal rotate`: another key for the secrets in the store. */
import { systemClock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import { sealKeyFile } from '../store/index.ts';
import { resealRedis } from '../store/redis/reseal.ts';
import { rotateSealKey } from '../store/rotation.ts';
import { createLog } from '../telemetry/log.ts';
import type { Command, Invocation } from './command.ts';
import { configOption, requireConfiguration } from './configuration.ts';

/** The command. */
export const seal: Command = {
  usage: 'gatehouse seal rotate [--config FILE]',
  summary: 'seal the secrets in the store by another key',
  help: [
    'Puts another key in front of those in the file of session.store.sealKey, and seals by it what is in the store. Running',
    'gateways need no restart: they read the file again at the first entry whose key they do not know.',
    'With a store in Redis no key is made: put it first in the file on every machine and restart the gateways before.',
    'Every key of the file opens. An earlier one can be taken out once no backup that it sealed is wanted any more.',
  ].join('\n'),
  takesWords: true,
  options: configOption,
  run: runSeal,
};

async function runSeal(invocation: Invocation): Promise<number> {
  const { positionals, terminal } = invocation;
  if (positionals.length !== 1 || positionals[0] !== 'rotate') {
    terminal.stderr.write(`usage: ${seal.usage}\n`);
    return 2;
  }
  const { document } = requireConfiguration(invocation);
  const { store } = document.session;
  if (store.type === 'redis') {
    const { id, entries } = await resealRedis(store, systemClock);
    terminal.stdout.write(
      `${entries} entries are sealed anew by the key ${id}, the first one in ${sealKeyFile(store)}\n`,
    );
    return 0;
  }
  if (store.type !== 'embedded')
    throw new OperatorError(
      'the store is in memory, where nothing is sealed',
      'set session.store to { type: embedded, path: … }',
    );
  const log = createLog({ level: 'warn', destination: terminal.stderr });
  const { id, entries } = rotateSealKey(store, { clock: systemClock, log });
  terminal.stdout.write(
    `${entries} entries are sealed anew; the key ${id} in ${sealKeyFile(store)} seals from here on\n`,
  );
  return 0;
}
