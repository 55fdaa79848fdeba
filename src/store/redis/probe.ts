/** What `gatehouse check --connect` tries at a store in Redis, one step after the other, as a gateway that starts would. */
import type { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.ts';
import { OperatorError } from '../../core/errors.ts';
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { networkSteps, probeSteps, type Step, type StepResult } from '../../remote/probe.ts';
import { assertMaster, openClient, readInfo, type ServerInfo } from './client.ts';
import { redisFailure } from './failure.ts';
import { assertNoEviction, assertSaved, savingOf } from './lasting.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';
import { openedMark, sealerOfRedis } from './seal-mark.ts';

const stepTimeout = 5000;

/** Tries name, port, TLS, user, role, memory policy, persistence and sealing keys; nothing is written. */
export async function* probeRedis(
  options: RedisStoreOptions,
  {
    clock,
    signal,
    keepsEnrolments,
  }: { readonly clock: Clock; readonly signal: AbortSignal; readonly keepsEnrolments: boolean },
): AsyncGenerator<ProbeStep> {
  const place = placeOf(options);
  let opened: { readonly client: Redis; readonly info: ServerInfo } | undefined;
  const server = () => {
    if (!opened) throw new Error('nobody is connected');
    return opened;
  };
  const enter = async (): Promise<StepResult> => {
    const client = await openClient(options);
    opened = { client, info: await readInfo(client, place) };
    const who = options.username === undefined ? 'the default user' : `user ${options.username}`;
    return { detail: `${who} is let in, version ${opened.info.version}, at ${client.stream.remoteAddress}` };
  };
  const role = async (): Promise<StepResult> => {
    assertMaster(server().info, place);
    return { detail: 'master' };
  };
  const steps: Step[] = [
    ...wayThere(options, clock),
    [options.sentinels ? 'sentinels' : 'auth', enter],
    ['role', role],
    ['policy', async () => policyOf(server().info, place, keepsEnrolments)],
    ['disk', async () => diskOf(server().client, place, keepsEnrolments)],
    ['seal', async () => sealOf(server().client, options)],
  ];
  try {
    yield* probeSteps(steps, { signal, timeout: stepTimeout, explain: (error) => explain(error, place) });
  } finally {
    opened?.client.disconnect();
  }
}

/** Sentinels say themselves where the master is. */
function wayThere({ url, sentinels, tls }: RedisStoreOptions, clock: Clock): Step[] {
  if (sentinels) return [];
  const host = url.host.includes(':') ? `[${url.host}]` : url.host;
  const address = new URL(`${url.isSecure ? 'https' : 'http'}://${host}:${url.port}`);
  return networkSteps(address, { ca: tls?.ca, servername: tls?.servername }, clock);
}

function policyOf(info: ServerInfo, place: string, keepsEnrolments: boolean): StepResult {
  const { evicts = 'unknown', maxMemory } = info;
  if (keepsEnrolments) assertNoEviction(info, place);
  const limit = maxMemory > 0 ? `maxmemory ${Math.round(maxMemory / 2 ** 20)} MB` : 'no maxmemory';
  const hint = 'set maxmemory-policy noeviction on the server';
  if (evicts === 'noeviction') return { detail: `noeviction, ${limit}` };
  if (maxMemory === 0) return { detail: `${evicts}, ${limit}`, hint };
  throw new Failure(
    'store-away',
    `store ${place}: ${evicts} drops entries when the memory is full, ends of sessions and whatever is one-time among them`,
    { hint },
  );
}

async function diskOf(client: Redis, place: string, keepsEnrolments: boolean): Promise<StepResult> {
  const saving = await savingOf(client);
  if (keepsEnrolments) assertSaved(saving, place);
  if (saving === 'untold') return { detail: 'the user may not ask what is saved' };
  if (saving === 'all') return { detail: 'every write is saved (appendonly)' };
  if (saving !== 'nothing')
    return {
      detail: `saved at times (save ${saving.rules})`,
      hint: 'set appendonly yes: the last minutes get lost otherwise',
    };
  return {
    detail: 'nothing is saved',
    hint: 'set appendonly yes: after a restart everybody signs in anew, and API tokens and keys are gone',
  };
}

async function sealOf(client: Redis, options: RedisStoreOptions): Promise<StepResult> {
  const sealer = sealerOfRedis(options);
  const marked = await client.get(`${options.prefix}:seal`);
  if (marked === null) return { detail: `no store yet under the prefix ${options.prefix}` };
  return { detail: `sealed by the key ${openedMark(sealer, marked, options).id}, which is at hand` };
}

function explain(error: unknown, place: string): Failure {
  if (error instanceof OperatorError) return new Failure('store-away', error.message, { hint: error.hint });
  return redisFailure(error, place);
}
