/** `gatehouse offline forget NAME`: a password that counted while its directory is away counts no more. */
import * as z from 'zod';
import { canonicalUsername } from '../core/principal.ts';
import { type Command, exitCodes, type Invocation } from './command.ts';
import { configFile, configOption } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';

/** Longer than a store takes that is only slow, in milliseconds. */
const patience = 30_000;

const answer = z.object({ forgotten: z.number() });

/** The command. */
export const offline: Command = {
  usage: 'gatehouse offline forget NAME [--config FILE]',
  summary: 'forget the password of a user that counts while a directory is away',
  help: [
    'Where login.offline is set, who has signed in of late may do so while the directory is away. After this NAME may not, until',
    'the directory has taken the password once more. Sessions go on: DELETE /sessions?user=NAME ends them, and forgets too.',
    'Speaks to the gateway at its socket. 0: forgotten. 1: nothing was kept of that name. 69: no gateway answers.',
  ].join('\n'),
  takesWords: true,
  options: configOption,
  run: runOffline,
};

async function runOffline(invocation: Invocation): Promise<number> {
  const { positionals, terminal } = invocation;
  const { stdout, stderr, env } = terminal;
  const [verb, name = '', ...more] = positionals;
  if (verb !== 'forget' || canonicalUsername(name) === '' || more.length > 0) {
    stderr.write(`usage: ${offline.usage}\n`);
    return exitCodes.usage;
  }
  const { path } = findSocket(configFile(invocation), env);
  const target = `/offline?user=${encodeURIComponent(name)}`;
  const reply = await askGateway(path, { method: 'DELETE', target, timeout: patience });
  if (reply.kind === 'unreachable') {
    stderr.write(`gatehouse: no gateway answers at ${path}: ${reply.detail}\n`);
    return exitCodes.unavailable;
  }
  const { data } = answer.safeParse(reply.status === 200 ? reply.body : undefined);
  if (!data) {
    stderr.write(`gatehouse: the gateway at ${path} could not forget it (${reply.status})\n`);
    return exitCodes.failed;
  }
  if (data.forgotten > 0) {
    stdout.write(`${name} cannot sign in any more while the directory is away\n`);
    return exitCodes.good;
  }
  stderr.write(`gatehouse: nothing is kept of ${name}\n`);
  return exitCodes.failed;
}
