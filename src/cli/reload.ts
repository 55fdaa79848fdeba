/** `gatehouse reload`: lets the running gateway read its configuration again, waits, and prints what came of it. */
import * as z from 'zod';
import { formatIssues } from '../config/report.ts';
import { type Command, exitCodes, type Invocation } from './command.ts';
import { configFile, configOption } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';

/** Longer than any reload takes that comes to an end, in milliseconds. */
const patience = 120_000;

const answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('reloaded'), nextStart: z.array(z.string()) }),
  z.object({ kind: z.literal('failed'), message: z.string(), hint: z.string().optional() }),
]);

/** Reads no configuration itself but to find the gateway: its file and its environment may differ from the command's. */
export const reload: Command = {
  usage: 'gatehouse reload [--config FILE]',
  summary: 'put the changed configuration of the running gateway in place',
  help: [
    'Speaks to the gateway at its socket (admin.socket; admin.sock in the folder of the store, or in ../data, when absent)',
    'as the user that it runs as, and waits until the configuration is in place.',
    '0: it is in place. 1: it cannot be used, and the one before goes on; or a key counts from the next start only,',
    'which is named. 69: no gateway answers.',
  ].join('\n'),
  options: configOption,
  run: runReload,
};

async function runReload(invocation: Invocation): Promise<number> {
  const { stdout, stderr, env } = invocation.terminal;
  const file = configFile(invocation);
  const { path, issues } = findSocket(file, env);
  const reply = await askGateway(path, { method: 'POST', target: '/reload', timeout: patience });
  if (reply.kind === 'unreachable') {
    // A file that does not say where its gateway is is the fault to mend first.
    if (issues.length > 0) stderr.write(`${formatIssues(issues)}\n`);
    stderr.write(`gatehouse: no gateway answers at ${path}: ${reply.detail}\n`);
    return issues.length > 0 ? exitCodes.failed : exitCodes.unavailable;
  }
  const { data: result } = answer.safeParse(reply.body);
  if (!result) {
    stderr.write(
      `gatehouse: the gateway at ${path} gave an answer that this version does not know (${reply.status})\n`,
    );
    return exitCodes.failed;
  }
  if (result.kind === 'failed') {
    stderr.write(`gatehouse: the configuration was not reloaded; the one before goes on\n${result.message}\n`);
    if (result.hint) stderr.write(`  ${result.hint}\n`);
    return exitCodes.failed;
  }
  stdout.write('the configuration was reloaded\n');
  if (result.nextStart.length === 0) return exitCodes.good;
  stderr.write(`gatehouse: counts from the next start of the gateway only: ${result.nextStart.join(', ')}\n`);
  return exitCodes.failed;
}
