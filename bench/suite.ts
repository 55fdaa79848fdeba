/** A run of the bench: the sets one after the other, and what came of them in a file. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { benchPackages, installPackages, SetupError } from '../scripts/debian-packages.mjs';
import { startUpstream } from './contenders/nginx.ts';
import { pinThisProcess, usualCpus } from './machine/cpus.ts';
import { commit, thisMachine, versions } from './machine/machine.ts';
import { compare } from './measure/compare.ts';
import type { Figure, LeftOut, Result, RowSet } from './measure/result.ts';
import type { BenchOptions } from './options.ts';
import { plans, wantedMeasurements } from './rows.ts';
import { asText } from './show/table.ts';

/** Runs it, prints it and writes it; the result. Throws where an answer was wrong. */
export async function runSuite(options: BenchOptions): Promise<Result> {
  install();
  const cpus = usualCpus();
  const machine = thisMachine();
  const say = (line: string): void => console.error(line);
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  // A server that works as another account must reach its own folder in it.
  await chmod(folder, 0o711);
  pinThisProcess(cpus.load);
  const upstream = await startUpstream(folder, cpus.upstream);
  const [sets, figures, leftOut]: [RowSet[], Figure[], LeftOut[]] = [[], [], []];
  let isWorthKeeping = true;
  try {
    const ground = { folder, cpus, upstream: upstream.port, upstreamPid: upstream.pid, users: options.users };
    for (const plan of plans(options.rows)) {
      try {
        const compared = await compare(plan, ground, options, say);
        sets.push(compared.set);
        leftOut.push(...compared.leftOut);
      } catch (error) {
        leftOut.push({ contender: plan.name, why: String(error), isWrong: true });
        say(`without ${plan.name}: ${String(error)}`);
      }
    }
    for (const { name, title, run } of wantedMeasurements(options.rows)) {
      say(`${name}: ${title}`);
      try {
        figures.push(...(await run(ground, options, say)));
      } catch (error) {
        leftOut.push({ contender: name, why: String(error), isWrong: true });
        say(`without ${name}: ${String(error)}`);
      }
    }
    isWorthKeeping = leftOut.some(({ isWrong }) => isWrong);
  } finally {
    await upstream.end();
    if (isWorthKeeping) say(`kept, with logs and audits: ${folder}`);
    else await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
  const rounds = sets.flatMap(({ rows }) => rows).flatMap((row) => row.rounds);
  const result: Result = {
    made: new Date().toISOString(),
    commit: commit(),
    machine,
    versions: versions(),
    terms: { ...termsOf(options), connections: 64 },
    sets,
    figures,
    leftOut,
    disturbedShare: rounds.length === 0 ? 0 : rounds.filter(({ disturbed }) => disturbed).length / rounds.length,
  };
  save(result, options.out);
  console.log(asText(result));
  return result;
}

/** Where the packages cannot be installed, whoever lacks one is left out. */
function install(): void {
  const user = { needs: 'The bench needs', without: '' };
  const say = (line: string): void => console.error(line);
  try {
    installPackages({ packages: benchPackages, env: process.env, uid: process.getuid?.() ?? 0, say, user });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
  }
}

function termsOf({ rounds, seconds, warmUp, users, quick }: BenchOptions): Omit<Result['terms'], 'connections'> {
  return { rounds, seconds, warmUp, users, quick };
}

/** Writes a result where it was asked for. */
export function save(result: Result, file: string): void {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
  console.error(`written: ${file}`);
}
