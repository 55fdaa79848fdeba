/** Ends the sessions of a local user in the running gateway, and says what came of it. */
import * as z from 'zod';
import { exitCodes, type Invocation } from './command.ts';
import { configFile } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';

/** Longer than a store takes that is only slow, in milliseconds. */
const patience = 30_000;

const answer = z.object({ ended: z.number() });

/**
 * Ends all sessions of the name, of whatever provider, and yields the exit code. Where no gateway answers they are left, in the
 * store too, which the standard error says with what to do.
 */
export async function endSessions(invocation: Invocation, name: string): Promise<number> {
  const { stdout, stderr, env } = invocation.terminal;
  const { path } = findSocket(configFile(invocation), env);
  const target = `/sessions?user=${encodeURIComponent(name)}`;
  const reply = await askGateway(path, { method: 'DELETE', target, timeout: patience });
  const { data } = answer.safeParse(reply.kind === 'answered' && reply.status === 200 ? reply.body : undefined);
  if (data) {
    stdout.write(`${data.ended} ${data.ended === 1 ? 'session' : 'sessions'} of ${name} ended\n`);
    return exitCodes.good;
  }
  const why =
    reply.kind === 'unreachable'
      ? `no gateway answers at ${path}: ${reply.detail}`
      : `the gateway at ${path} could not end them (${reply.status})`;
  stderr.write(
    `gatehouse: the users file is changed, and no session of ${name} was ended: ${why}\n` +
      '  a store on disk keeps sessions beyond a restart; while the gateway runs, end them with:\n' +
      `  curl -X DELETE --unix-socket ${path} 'http://localhost${target}'\n`,
  );
  return reply.kind === 'unreachable' ? exitCodes.unavailable : exitCodes.failed;
}
