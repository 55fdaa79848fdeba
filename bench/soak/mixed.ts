/**
 * `npm run soak`: what a long day in a contact center does to the gateway, and to the machines round it. Agents sign in, work and
 * sign out; meanwhile the application, the store and workers die, certificates are swapped and configurations reloaded.
 * Every answer must carry the identity that it is for; memory and open handles must not grow.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Agent } from 'undici';
import { Scope } from '../contenders/scope.ts';
import { UsageError } from '../usage-error.ts';
import { type MixedGround, startMixedGround } from './ground.ts';
import { Growth } from './growth.ts';
import { MixedAgent, MixedCounts } from './mixed-agent.ts';
import { Troubles } from './troubles.ts';

/** What `--help` prints of it. */
export const mixedUsage = `npm run soak -- [options]                   mixed traffic among deaths, swaps and reloads

  --minutes N     30
  --agents N      16
  --workers N     server.workers (2)
  --store NAME    embedded or redis (redis; its server dies too)
  --calm          no deaths, no swaps, no reloads
`;

interface MixedOptions {
  readonly minutes: number;
  readonly agents: number;
  readonly workers: number;
  readonly store: 'embedded' | 'redis';
  readonly isCalm: boolean;
}

/** Runs it by the words of the command line; the exit code. */
export async function soakMixed(words: readonly string[]): Promise<number> {
  const options = readOptions(words);
  const scope = new Scope();
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-soak-'));
  scope.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  try {
    return await run(options, await startMixedGround(scope, folder, options), scope);
  } finally {
    await scope.end();
  }
}

async function run({ minutes, agents, isCalm }: MixedOptions, ground: MixedGround, scope: Scope): Promise<number> {
  const dispatcher = new Agent({ connections: 64, connect: { rejectUnauthorized: false } });
  scope.after(() => dispatcher.destroy());
  const [counts, growth, troubles] = [new MixedCounts(), new Growth(ground.gateway.roots), new Troubles(ground)];
  const endsAt = performance.now() + minutes * 60_000;
  const parts = { ground, dispatcher, counts, troubles, isOver: () => performance.now() >= endsAt };
  const shifts = Array.from({ length: agents }, (_, index) => new MixedAgent(index, parts).work());
  const trouble = isCalm ? Promise.resolve() : troubles.make(parts.isOver);
  while (!parts.isOver()) {
    await delay(Math.min(10_000, Math.max(100, endsAt - performance.now())));
    console.log(`${growth.look()}  ${JSON.stringify(counts)}  ${troubles.summary()}`);
  }
  await Promise.all([trouble, ...shifts]);
  await delay(5000);
  console.log(`at rest: ${growth.look()}  ${JSON.stringify(counts)}`);
  console.log(growth.slope());
  console.log(
    `${troubles.summary()}\n${counts.wrongIdentities} wrong identities, ${counts.unexplained} errors that no trouble explains`,
  );
  for (const line of counts.examples) console.log(`  ${line}`);
  return counts.wrongIdentities + counts.unexplained > 0 ? 1 : 0;
}

function readOptions(words: readonly string[]): MixedOptions {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { minutes: text, agents: text, workers: text, store: text, calm: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [first, ...more] = positionals;
  const { store = 'redis' } = values;
  const number = (given: string | undefined, usual: number): number => (given === undefined ? usual : Number(given));
  const [minutes, agents, workers] = [
    number(values.minutes ?? first, 30),
    number(values.agents, 16),
    number(values.workers, 2),
  ];
  const isRight = minutes > 0 && Number.isInteger(agents) && agents > 0 && Number.isInteger(workers) && workers > 0;
  if (!isRight || more.length > 0 || (store !== 'embedded' && store !== 'redis'))
    throw new UsageError(`this is no soak: ${words.join(' ')}`);
  return { minutes, agents, workers, store, isCalm: values.calm ?? false };
}
