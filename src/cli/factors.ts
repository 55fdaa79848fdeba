/** `gatehouse factors`: what accounts have set up as second factors, seen and changed by the running gateway. */
import * as z from 'zod';
import { type Command, exitCodes, type Invocation, NoGatewayError, textOption, UsageError } from './command.ts';
import { configFile, configOption } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';

/** Longer than a store takes that is only slow, in milliseconds. */
const patience = 30_000;

const listed = z.object({
  subject: z.string(),
  tenant: z.string(),
  locked: z.boolean(),
  lockedSeconds: z.number().optional(),
  enrolments: z.array(
    z.object({
      id: z.string(),
      factor: z.string(),
      type: z.string().optional(),
      name: z.string(),
      createdAt: z.string(),
      lastUsedAt: z.string().optional(),
      left: z.number().optional(),
    }),
  ),
  browsers: z.array(z.object({ since: z.string(), until: z.string(), address: z.string(), userAgent: z.string() })),
  pass: z.object({ issuer: z.string(), uses: z.number(), until: z.string() }).optional(),
});
const removed = z.object({ removed: z.number(), ended: z.number().optional() });
const unlocked = z.object({ unlocked: z.boolean() });
const made = z.object({ code: z.string(), uses: z.number(), validSeconds: z.number() });
const moved = z.object({ moved: z.number(), occupied: z.array(z.string()), unnamed: z.number() });
const acceptedLoss = z.object({ accepted: z.boolean() });
const refusal = z.object({ message: z.string() });

/** The command. */
export const factors: Command = {
  usage:
    'gatehouse factors list | reset | unlock | code | pass  NAME [--tenant T] [--id ID], move, or accept-loss  [--config FILE]',
  summary: 'see and change the second factors of a user',
  help: [
    'list NAME     what the user has set up, when it was last used, whether codes are locked; never a secret',
    'reset NAME    ends everything that the user has set up, passes, remembered browsers, and all sessions; with --id only that enrolment, and no session',
    'unlock NAME   releases codes that too many wrong entries have locked',
    'code NAME     makes an enrolment code, for who sets up the first factor where factorRules.enrol.first is code: 24 hours, one use',
    'move NAME NEW-NAME            gives what a user has set up to the name by which they are known from here on',
    'move --from-tenant A --to-tenant B   the same of all users of a tenant, such as default where tenants are new',
    'accept-loss   goes on with a store that has lost what was set up; until then each first factor takes an enrolment code',
    'pass NAME     makes a pass that stands in for a factor: as factors of type pass are configured, else 12 hours, one use',
    '',
    'A name is of one account in each tenant; --tenant names it where tenants are configured. The running gateway is asked at its',
    'socket. 69: no gateway answers.',
  ].join('\n'),
  takesWords: true,
  options: {
    ...configOption,
    ...{ tenant: { type: 'string' }, id: { type: 'string' } },
    ...{ 'from-tenant': { type: 'string' }, 'to-tenant': { type: 'string' } },
  },
  run: runFactors,
};

const actions: Readonly<Record<string, (invocation: Invocation, whose: Whose) => Promise<number>>> = {
  list: list,
  reset: reset,
  unlock: unlock,
  code: (invocation, whose) => issue(invocation, whose, '/factors/code'),
  pass: (invocation, whose) => issue(invocation, whose, '/factors/pass'),
};

/** Whose factors, and the query that says so. */
interface Whose {
  readonly name: string;
  readonly query: string;
}

async function runFactors(invocation: Invocation): Promise<number> {
  const [action = '', name, ...rest] = invocation.positionals;
  if (action === 'accept-loss' && name === undefined) return acceptLoss(invocation);
  if (action === 'move') return move(invocation, [name, ...rest]);
  const isOfTenants = ['from-tenant', 'to-tenant'].some((option) => textOption(invocation, option) !== undefined);
  if (isOfTenants) throw new UsageError('--from-tenant and --to-tenant go with move', factors.usage);
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (!act || name === undefined || rest.length > 0)
    throw new UsageError('say list, reset, unlock, code or pass, and a user name', factors.usage);
  if (textOption(invocation, 'id') !== undefined && action !== 'reset')
    throw new UsageError('--id goes with reset', factors.usage);
  const tenant = textOption(invocation, 'tenant');
  const query = new URLSearchParams({ user: name, ...(tenant !== undefined && { tenant }) });
  return act(invocation, { name, query: query.toString() });
}

async function move(invocation: Invocation, names: readonly (string | undefined)[]): Promise<number> {
  const [user, to, ...more] = names;
  const [tenant, fromTenant, toTenant] = ['tenant', 'from-tenant', 'to-tenant'].map((one) =>
    textOption(invocation, one),
  );
  const isOfOne = user !== undefined && to !== undefined && more.length === 0 && !fromTenant && !toTenant;
  const isOfAll = user === undefined && fromTenant !== undefined && toTenant !== undefined && tenant === undefined;
  if (!isOfOne && !isOfAll)
    throw new UsageError('say move NAME NEW-NAME, or move --from-tenant A --to-tenant B', factors.usage);
  const wish = isOfOne
    ? { user, to, ...(tenant !== undefined && { tenant }) }
    : { fromTenant: fromTenant ?? '', toTenant: toTenant ?? '' };
  const { data } = moved.safeParse(await ask(invocation, 'POST', `/factors/move?${new URLSearchParams(wish)}`));
  if (!data) return exitCodes.failed;
  const { stdout, stderr } = invocation.terminal;
  stdout.write(`the second factors of ${data.moved} ${data.moved === 1 ? 'account' : 'accounts'} were moved\n`);
  for (const name of data.occupied) stderr.write(`${name} has set something up there already: reset one of the two\n`);
  if (data.unnamed > 0) stderr.write(`${data.unnamed} accounts do not say whose they are: move them by name\n`);
  return data.occupied.length === 0 ? exitCodes.good : exitCodes.failed;
}

async function acceptLoss(invocation: Invocation): Promise<number> {
  const { data } = acceptedLoss.safeParse(await ask(invocation, 'POST', '/factors/accept-loss'));
  if (!data) return exitCodes.failed;
  invocation.terminal.stdout.write(
    data.accepted
      ? 'accounts without a factor count as such from here on\n'
      : 'the store is the one in which second factors were set up; nothing is to be accepted\n',
  );
  return exitCodes.good;
}

async function list(invocation: Invocation, { query }: Whose): Promise<number> {
  const { data } = listed.safeParse(await ask(invocation, 'GET', `/factors?${query}`));
  if (!data) return exitCodes.failed;
  const { stdout } = invocation.terminal;
  const whose = data.tenant === 'default' ? data.subject : `${data.subject} of tenant ${data.tenant}`;
  if (data.enrolments.length === 0) stdout.write(`${whose} has set up no second factor\n`);
  for (const { id, factor, type, name, createdAt, lastUsedAt, left } of data.enrolments) {
    const parts = [
      `${factor} (${type ?? 'no longer configured'})`,
      ...(name === '' ? [] : [name]),
      `set up ${createdAt}`,
      lastUsedAt === undefined ? 'not used since' : `last used ${lastUsedAt}`,
      ...(left === undefined ? [] : [`${left} left`]),
    ];
    stdout.write(`${id}  ${parts.join('; ')}\n`);
  }
  for (const { since, until, address, userAgent } of data.browsers)
    stdout.write(`a browser is remembered since ${since} until ${until}; from ${address}; ${userAgent}\n`);
  const { pass } = data;
  if (pass) stdout.write(`a pass by ${pass.issuer}; ${pass.uses} uses left; until ${pass.until}\n`);
  if (data.locked) {
    const end = data.lockedSeconds === undefined ? 'until it is released' : `for ${data.lockedSeconds} s more`;
    stdout.write(`codes are locked ${end}: gatehouse factors unlock ${data.subject}\n`);
  }
  return exitCodes.good;
}

async function reset(invocation: Invocation, { name, query }: Whose): Promise<number> {
  const id = textOption(invocation, 'id');
  const target = `/factors?${query}${id === undefined ? '' : `&id=${encodeURIComponent(id)}`}`;
  const { data } = removed.safeParse(await ask(invocation, 'DELETE', target));
  if (!data) return exitCodes.failed;
  const ended = data.ended === undefined ? '' : `, ${data.ended} sessions ended`;
  invocation.terminal.stdout.write(`${data.removed} enrolments of ${name} removed${ended}\n`);
  return exitCodes.good;
}

async function unlock(invocation: Invocation, { name, query }: Whose): Promise<number> {
  const { data } = unlocked.safeParse(await ask(invocation, 'POST', `/factors/unlock?${query}`));
  if (!data) return exitCodes.failed;
  invocation.terminal.stdout.write(
    data.unlocked ? `${name} is released\n` : `no wrong codes of ${name} were counted\n`,
  );
  return exitCodes.good;
}

async function issue(invocation: Invocation, { name, query }: Whose, address: string): Promise<number> {
  const { data } = made.safeParse(await ask(invocation, 'POST', `${address}?${query}`));
  if (!data) return exitCodes.failed;
  const { stdout, stderr } = invocation.terminal;
  // The code alone on the standard output, so that a script can take it.
  stdout.write(`${data.code}\n`);
  const uses = data.uses === 1 ? 'once' : `${data.uses} times`;
  stderr.write(
    `for ${name}, ${uses} within ${Math.round(data.validSeconds / 3600)} h: it is shown this once, and kept nowhere\n`,
  );
  return exitCodes.good;
}

/** The answer's body; undefined, and a line on the standard error, where it is a refusal. */
async function ask(invocation: Invocation, method: string, target: string): Promise<unknown> {
  const { stderr, env } = invocation.terminal;
  const { path } = findSocket(configFile(invocation), env);
  const reply = await askGateway(path, { method, target, timeout: patience });
  if (reply.kind === 'unreachable') throw new NoGatewayError(path, reply.detail);
  if (reply.status >= 200 && reply.status < 300) return reply.body;
  const { data } = refusal.safeParse(reply.body);
  stderr.write(`gatehouse: ${data?.message ?? `the gateway at ${path} answered ${reply.status}`}\n`);
  return undefined;
}
