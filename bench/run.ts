/**
 * `npm run bench [seconds]`: how much the gateway carries with 2,000 users signed in, beside nginx as a plain proxy and
 * http-proxy-middleware, in one run, and what a decision of it costs. Rounds take turns, so that what disturbs the machine disturbs all of them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request } from 'undici';
import { amountGiven } from './amount.ts';
import { type Contender, startContenders } from './contenders.ts';
import { benchDecide } from './decide.ts';
import { type Load, runLoad } from './load.ts';
import { benchOutage } from './outage.ts';

if (process.argv[2] === 'outage') process.exit(benchOutage());
if (process.argv[2] === 'decide') {
  await benchDecide();
  process.exit();
}
const seconds = amountGiven('npm run bench [seconds] | npm run bench outage | npm run bench decide', 60);
const rounds = 4;
const connections = 64;
const users = 2000;

const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
const { contenders, cookies, close } = await startContenders(folder, users);
try {
  for (const contender of contenders) await verify(contender, cookies);
  const results = new Map<Contender, Load[]>(contenders.map((contender) => [contender, []]));
  for (const contender of contenders) await warmUp(contender);
  const work = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  const resident = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const contender of contenders) {
      const load = { cookies, folder, connections, seconds: seconds / rounds };
      const before = contender.cpuSeconds();
      const result = await runLoad(contender, load);
      results.get(contender)?.push(result);
      work.get(contender)?.push(((contender.cpuSeconds() - before) / result.answered) * 1e6);
      resident.get(contender)?.push(contender.residentBytes());
    }
  report(results, work, resident);
  await benchDecide();
} finally {
  await close();
  await rm(folder, { recursive: true, force: true });
}

/**
 * Node compiles what it has run often, after some ten thousand requests here. On a busy machine that takes long, and a
 * short run would time little else.
 */
async function warmUp(contender: Contender): Promise<void> {
  let answered = 0;
  for (let turn = 0; turn < 15 && answered < 20_000; turn += 1)
    answered += (await runLoad(contender, { cookies, folder, connections, seconds: 3 })).answered;
}

/** What is timed must be right: the page arrives, and behind the gateway the upstream has heard who asks. */
async function verify({ name, url, heard }: Contender, users: readonly string[]): Promise<void> {
  for (const index of [0, users.length - 1]) {
    const answer = await request(`${url}/page`, { headers: { cookie: users[index] ?? '' } });
    assert.equal(answer.statusCode, 200, `${name} does not answer`);
    assert.equal((await answer.body.text()).length, 1024, `${name} does not give the page`);
    if (heard) assert.equal(answer.headers['x-heard'], `user${index}`, `${name} does not tell the upstream who asks`);
  }
}

function report(
  results: ReadonlyMap<Contender, readonly Load[]>,
  work: ReadonlyMap<Contender, readonly number[]>,
  resident: ReadonlyMap<Contender, readonly number[]>,
): void {
  const base = median(
    [...results].find(([{ name }]) => name.startsWith('nginx'))?.[1].map(({ perSecond }) => perSecond) ?? [],
  );
  console.log(
    `\n${users} users, ${connections} connections, ${rounds} rounds of ${seconds / rounds} s each, pages of 1 KiB, Node ${process.version}\n`,
  );
  console.log(row(['', 'req/s', 'of nginx', 'CPU µs', 'p50 ms', 'p99 ms', 'errors', '  RSS MB, round by round']));
  for (const [contender, loads] of results) {
    const perSecond = median(loads.map((load) => load.perSecond));
    console.log(
      row([
        contender.name,
        Math.round(perSecond).toLocaleString('en'),
        (perSecond / base).toFixed(2),
        median(work.get(contender) ?? []).toFixed(0),
        median(loads.map(({ p50 }) => p50)).toFixed(2),
        median(loads.map(({ p99 }) => p99)).toFixed(2),
        String(loads.reduce((sum, { errors }) => sum + errors, 0)),
        `  ${(resident.get(contender) ?? []).map(megabytes).join(' ')}`,
      ]),
    );
  }
  const errors = [...results.values()].flat().reduce((sum, load) => sum + load.errors, 0);
  if (errors > 0) process.exitCode = 1;
}

function row([name = '', ...cells]: readonly string[]): string {
  return name.padEnd(34) + cells.map((cell) => cell.padStart(10)).join('');
}

function megabytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
