/** `gatehouse api-tokens`: tokens by which programs come in, made, listed and revoked by the running gateway. */
import * as z from 'zod';
import { duration } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { type Command, exitCodes, type Invocation, NoGatewayError, textOption, UsageError } from './command.ts';
import { configFile, configOption } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';

/** Longer than a directory takes that is asked about a user, in milliseconds. */
const patience = 60_000;

const listed = z.object({
  tokens: z.array(
    z.object({
      name: z.string(),
      id: z.string(),
      user: z.string().optional(),
      roles: z.array(z.string()).optional(),
      routes: z.array(z.string()).optional(),
      networks: z.array(z.string()).optional(),
      until: z.string().optional(),
      lastUse: z.object({ at: z.string(), address: z.string() }).optional(),
      expired: z.boolean().optional(),
      lost: z.boolean().optional(),
    }),
  ),
});
const made = z.object({ token: z.string(), name: z.string(), until: z.string().optional() });
const ended = z.object({ ended: z.number() });
const refusal = z.object({ message: z.string() });

/** The command. */
export const apiTokens: Command = {
  usage: 'gatehouse api-tokens add NAME | list | revoke NAME  [--config FILE]',
  summary: 'let programs in by tokens of their own',
  help: [
    'add NAME       makes a token and prints it, once: it is nowhere kept. Applications hear of the program as api:NAME',
    '  --user U       it stands for this user of a directory or a local account instead, and ends with that account',
    '  --roles a,b    the roles that it has; with --user, of those that the user has only these',
    '  --routes a,b   only these routes, by their names',
    '  --networks N   only from these networks, such as 10.0.0.0/8,192.0.2.7',
    '  --until T      until 90d from here, 2027-06-30 (its beginning, in UTC) or 2027-06-30T18:00:00+02:00; for good when absent',
    'list           lists them, with who they are for, their limits and their last use; never the tokens',
    'revoke NAME    ends one at once; what is open by it is cut within two seconds',
    '',
    'A token counts on routes with access: { apiTokens: true }, as "Authorization: Bearer gha_…" or under the header that',
    'apiTokenHeader of the route names. The running gateway is asked at its socket. 69: no gateway answers.',
  ].join('\n'),
  takesWords: true,
  options: {
    ...configOption,
    user: { type: 'string' },
    roles: { type: 'string' },
    routes: { type: 'string' },
    networks: { type: 'string' },
    until: { type: 'string' },
  },
  run: runApiTokens,
};

type Reply = { readonly status: number; readonly body: unknown };

async function runApiTokens(invocation: Invocation): Promise<number> {
  const [action = '', name, ...rest] = invocation.positionals;
  const wantsName = action === 'add' || action === 'revoke';
  if (!(wantsName || action === 'list') || wantsName === (name === undefined) || rest.length > 0)
    throw new UsageError('say add NAME, list or revoke NAME', apiTokens.usage);
  const stray = Object.keys(invocation.values).find((option) => option !== 'config' && action !== 'add');
  if (stray !== undefined) throw new UsageError(`--${stray} goes with add`, apiTokens.usage);
  if (action === 'list') return list(invocation);
  return action === 'add' ? add(invocation, name ?? '') : revoke(invocation, name ?? '');
}

async function add(invocation: Invocation, name: string): Promise<number> {
  const { stdout, stderr } = invocation.terminal;
  const lists = Object.fromEntries(
    (['roles', 'routes', 'networks'] as const).flatMap((option) => {
      const text = textOption(invocation, option);
      return text === undefined ? [] : [[option, wordsOf(text, option)]];
    }),
  );
  const user = textOption(invocation, 'user');
  const until = untilOf(textOption(invocation, 'until'));
  const body = { name, ...(user !== undefined && { user }), ...lists, ...(until !== undefined && { until }) };
  const { data } = made.safeParse(await ask(invocation, 'POST', '/api-tokens', body));
  if (!data) return exitCodes.failed;
  // The token alone on the standard output, so that a script can take it.
  stdout.write(`${data.token}\n`);
  const end = data.until === undefined ? 'until it is revoked' : `until ${data.until}`;
  stderr.write(`the token of ${data.name}, good ${end}: it is shown this once, and kept nowhere\n`);
  return exitCodes.good;
}

async function list(invocation: Invocation): Promise<number> {
  const { data } = listed.safeParse(await ask(invocation, 'GET', '/api-tokens'));
  if (!data) return exitCodes.failed;
  const { stdout } = invocation.terminal;
  if (data.tokens.length === 0) stdout.write('there are no API tokens\n');
  for (const token of data.tokens.toSorted((a, b) => a.name.localeCompare(b.name))) {
    const { name, id, user, roles, routes, networks, until, lastUse, expired, lost } = token;
    const parts = [
      user === undefined ? `as api:${name}` : `as ${user}`,
      ...(roles ? [`roles ${roles.join(',')}`] : []),
      ...(routes ? [`routes ${routes.join(',')}`] : []),
      ...(networks ? [`networks ${networks.join(',')}`] : []),
      until === undefined ? 'for good' : `${expired ? 'expired' : 'until'} ${until}`,
      lastUse ? `last used ${lastUse.at} from ${lastUse.address}` : 'not used yet',
      ...(lost ? ['cannot be used: the key of the store that it was made by is gone; make it anew'] : []),
    ];
    stdout.write(`${name}  gha_${id}…  ${parts.join('; ')}\n`);
  }
  return exitCodes.good;
}

async function revoke(invocation: Invocation, name: string): Promise<number> {
  const reply = await ask(invocation, 'DELETE', `/api-tokens/${encodeURIComponent(name)}`);
  if (!ended.safeParse(reply).success) return exitCodes.failed;
  invocation.terminal.stdout.write(`${name} is revoked\n`);
  return exitCodes.good;
}

/** The answer's body; undefined, and a line on the standard error, where it is a refusal. */
async function ask(invocation: Invocation, method: string, target: string, body?: object): Promise<unknown> {
  const { stderr, env } = invocation.terminal;
  const { path } = findSocket(configFile(invocation), env);
  const reply = await askGateway(path, { method, target, timeout: patience, ...(body && { body }) });
  if (reply.kind === 'unreachable') throw new NoGatewayError(path, reply.detail);
  if (isGood(reply)) return reply.body;
  const { data } = refusal.safeParse(reply.body);
  stderr.write(`gatehouse: ${data?.message ?? `the gateway at ${path} answered ${reply.status}`}\n`);
  return undefined;
}

function isGood({ status }: Reply): boolean {
  return status >= 200 && status < 300;
}

function wordsOf(text: string, option: string): string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes('')) throw new OperatorError(`--${option}: ${JSON.stringify(text)} has an empty word`, 'a,b');
  return words;
}

/** A time as the gateway takes it; a span counts from here. */
function untilOf(text: string | undefined): string | undefined {
  if (text === undefined || !/^\d+[a-z]+$/.test(text)) return text;
  const { data } = duration().safeParse(text);
  if (data === undefined || data === 0)
    throw new OperatorError(`--until: ${text} is no span of time`, 'write one such as 90d or 12h, or a date');
  return new Date(Date.now() + data).toISOString();
}
