/** `gatehouse store copy`: what is in one store, put into another. */
import { resolve } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { copyBetween } from '../store/copy.ts';
import { createLog } from '../telemetry/log.ts';
import { type Command, type Invocation, textOption, UsageError } from './command.ts';
import { configFile, configOption, requireConfiguration } from './configuration.ts';

/** The command. */
export const store: Command = {
  usage: 'gatehouse store copy --to FILE [--config FILE]',
  summary: 'put what is in the store into that of another configuration',
  help: [
    'FILE is a configuration as well; only its session.store counts. From a file to Redis for several machines, or back.',
    'Stop the gateways of both first: what they change meanwhile would be lost, an end of a session, too. The other store must be empty.',
    'Sessions, lock-outs, keys and whatever is one-time go along, sealed by the keys of the other store; nobody has to sign in anew.',
  ].join('\n'),
  takesWords: true,
  options: { ...configOption, to: { type: 'string' } },
  run: runStore,
};

async function runStore(invocation: Invocation): Promise<number> {
  const { positionals, terminal } = invocation;
  const other = textOption(invocation, 'to');
  if (positionals.length !== 1 || positionals[0] !== 'copy' || other === undefined)
    throw new UsageError('copy, and --to with a configuration, are needed', store.usage);
  const from = requireConfiguration(invocation).document.session.store;
  const named = { ...invocation, values: { ...invocation.values, config: resolve(other) } };
  const to = requireConfiguration(named).document.session.store;
  const log = createLog({ level: 'warn', destination: terminal.stderr });
  const { copied, unopened } = await copyBetween(from, to, { clock: systemClock, log });
  const counts = [...copied].map(([label, count]) => `${count} ${label}`).join(', ');
  terminal.stdout.write(`copied from the store of ${configFile(invocation)}: ${counts || 'nothing'}\n`);
  if (unopened > 0) terminal.stdout.write(`left out, since no key opens them: ${unopened}\n`);
  return 0;
}
