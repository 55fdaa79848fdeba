/** Speaks to the running gateway at its socket of commands: where that is, one request, and its answer. */
import { request as send } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { type ConfigIssue, loadConfig } from '../config/load.ts';
import { filePath } from '../config/values.ts';
import { xivoEnvironment } from './configuration.ts';

/** An answer of the gateway; `unreachable` where none speaks at the socket. */
type SocketAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'unreachable'; readonly detail: string };

/** All that says where the socket is. The rest of a configuration may be wrong: the gateway that runs has another. */
const whereabouts = z.looseObject({
  admin: z.looseObject({ socket: filePath().optional() }).optional(),
  session: z.looseObject({ store: z.looseObject({ path: filePath().optional() }).optional() }).optional(),
});

/**
 * Where the gateway of a configuration file listens for commands. Where the file does not even say that, the place that a
 * configuration which says nothing has, and all that is wrong with the file.
 */
export function findSocket(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): { readonly path: string; readonly issues: readonly ConfigIssue[] } {
  const text = file === xivoEnvironment ? { text: '{}' } : {};
  const result = loadConfig({ schema: whereabouts, file, env, ...text });
  const { admin, session } = result.kind === 'ok' ? result.value : {};
  const folder = session?.store?.path ?? resolve(dirname(resolve(file)), '../data');
  return { path: admin?.socket ?? join(folder, 'admin.sock'), issues: result.kind === 'ok' ? [] : result.issues };
}

/** Sends a command; what it starts in the gateway goes on when nobody waits for the answer any more. */
export function askGateway(
  path: string,
  question: { readonly method: string; readonly target: string; readonly timeout: number; readonly body?: object },
): Promise<SocketAnswer> {
  const { method, target, timeout, body } = question;
  return new Promise((settle) => {
    const signal = AbortSignal.timeout(timeout);
    const fail = (error: NodeJS.ErrnoException): void =>
      settle({ kind: 'unreachable', detail: signal.aborted ? `no answer in ${timeout / 1000} s` : detailOf(error) });
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { 'content-type': 'application/json' };
    const request = send({ socketPath: path, method, path: target, agent: false, signal, headers }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        answer += part;
      });
      response.once('error', fail);
      response.once('end', () => settle({ kind: 'answered', status: response.statusCode ?? 0, body: parsed(answer) }));
    });
    request.once('error', fail).end(text);
  });
}

function detailOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EACCES')
    return 'this user may not speak there: it is open to the user that the gateway runs as, and root';
  if (code === 'ENOENT') return 'there is no socket';
  return code === 'ECONNREFUSED' ? 'nobody listens there any more' : (code ?? message);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
