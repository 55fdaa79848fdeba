/** Contenders under one load, in turns: warm-up by count, rounds that rotate, every round watched and verified. */
import path from 'node:path';
import { type Contender, type Ground, ownFolder, strangers } from '../contenders/contender.ts';
import { type Cpus, disturbedAbove, watchCpus } from '../machine/cpus.ts';
import { cpuSeconds, memoryBytes } from '../machine/processes.ts';
import { type Load, runLoad, type Shape, writeScript } from './load.ts';
import type { LeftOut, Round, Row, RowSet } from './result.ts';
import { median } from './statistics.ts';
import { listens, verify, verifyMeanwhile, WrongAnswer } from './verify.ts';

/** How long and how often. */
export interface Terms {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
}

/** What is compared under a load. */
export interface SetPlan {
  readonly name: string;
  readonly title: string;
  readonly shape: Shape;
  readonly reference: string;
  /** Fewer where answers are large. */
  readonly warmUp?: number;
  readonly start: readonly { readonly name: string; readonly start: (ground: Ground) => Promise<Contender> }[];
}

/** A contender with what has been seen of it. */
interface Entrant {
  readonly contender: Contender;
  readonly script: string;
  readonly rounds: Round[];
  readonly memory: { start: number; warm: number; end: number };
  verified: number;
  warmUpRequests: number;
}

/** A ground with a CPU for each part, and the process of the upstream. */
export type PinnedGround = Ground & { readonly cpus: Cpus; readonly upstreamPid: number };

/** Where the words about progress go. */
export type Say = (line: string) => void;

/** Starts, warms, times and ends them. */
export async function compare(
  plan: SetPlan,
  ground: PinnedGround,
  terms: Terms,
  say: Say,
): Promise<{ set: RowSet; leftOut: LeftOut[] }> {
  const { entrants, leftOut } = await startAll(plan, ground, say);
  try {
    if (!entrants.some(({ contender }) => contender.name === plan.reference))
      throw new Error(`${plan.name}: nothing can be compared without ${plan.reference}`);
    const turns = new Turns(plan, ground, terms);
    const drop = dropper(plan, entrants, leftOut, say);
    for (const entrant of [...entrants]) await turns.warm(entrant, say).catch(drop(entrant));
    for (let round = 0; round < terms.rounds; round += 1) {
      const order = entrants.map((_, place) => entrants[(place + round) % entrants.length]);
      for (const entrant of order) if (entrant) await turns.time(entrant, round, say).catch(drop(entrant));
    }
    const loadBound = await turns.directly();
    return {
      set: {
        name: plan.name,
        title: plan.title,
        reference: plan.reference,
        rows: rowsOf(entrants, plan.reference),
        loadBound,
      },
      leftOut,
    };
  } finally {
    for (const { contender } of entrants) await contender.end();
  }
}

/** Whoever answers wrongly while it is timed is worth no figure; without the reference no other is either. */
function dropper(plan: SetPlan, entrants: Entrant[], leftOut: LeftOut[], say: Say) {
  return (entrant: Entrant) =>
    async (error: unknown): Promise<void> => {
      const { name } = entrant.contender;
      if (name === plan.reference) throw error;
      entrants.splice(entrants.indexOf(entrant), 1);
      leftOut.push({ contender: `${plan.name}/${name}`, why: String(error), isWrong: error instanceof WrongAnswer });
      say(`${plan.name}: without ${name} from here on: ${String(error)}`);
      await entrant.contender.end();
    };
}

async function startAll(plan: SetPlan, ground: Ground, say: Say): Promise<{ entrants: Entrant[]; leftOut: LeftOut[] }> {
  const [entrants, leftOut]: [Entrant[], LeftOut[]] = [[], []];
  const own = { ...ground, folder: ownFolder(ground, plan.name) };
  for (const { name, start } of plan.start)
    try {
      const contender = await startRight(() => start(own), plan.shape);
      const { host } = new URL(contender.url);
      const script = writeScript(own.folder, `load-${name}`, { users: contender.users, host }, plan.shape);
      const memory = { start: megabytes(contender), warm: 0, end: 0 };
      entrants.push({ contender, script, rounds: [], memory, verified: 0, warmUpRequests: 0 });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      leftOut.push({ contender: name, why, isWrong: error instanceof WrongAnswer });
      say(`${plan.name}: without ${name}: ${why}`);
    }
  return { entrants, leftOut };
}

/** Starts one and looks whether it answers rightly; one that does not is ended. */
async function startRight(start: () => Promise<Contender>, shape: Shape): Promise<Contender> {
  const contender = await start();
  try {
    await listens(contender);
    await verify(contender, shape);
    return contender;
  } catch (error) {
    await contender.end();
    throw error;
  }
}

/** The loads of one set. */
class Turns {
  readonly #plan: SetPlan;
  readonly #ground: PinnedGround;
  readonly #terms: Terms;

  constructor(plan: SetPlan, ground: PinnedGround, terms: Terms) {
    this.#plan = plan;
    this.#ground = ground;
    this.#terms = terms;
  }

  /** By count: seconds say little where a machine is slow. Who answers too slowly for that gets half a minute. */
  async warm(entrant: Entrant, say: Say): Promise<void> {
    const wanted = Math.min(this.#terms.warmUp, this.#plan.warmUp ?? Number.POSITIVE_INFINITY);
    const until = performance.now() + 30_000;
    let perSecond = Number.POSITIVE_INFINITY;
    while (entrant.warmUpRequests < wanted && performance.now() < until) {
      const seconds = Math.min(5, Math.max(1, (wanted - entrant.warmUpRequests) / perSecond));
      const load = await this.#load(entrant.contender.url, entrant.script, seconds);
      perSecond = Math.max(1, load.perSecond);
      entrant.warmUpRequests += load.answered;
    }
    entrant.memory.warm = megabytes(entrant.contender);
    say(`${this.#plan.name}: ${entrant.contender.name} is warm after ${entrant.warmUpRequests} requests`);
  }

  /** One round of one contender. */
  async time(entrant: Entrant, round: number, say: Say): Promise<void> {
    const { contender, script } = entrant;
    const asked = verifyMeanwhile(contender, this.#plan.shape);
    const disturbance = watchCpus(this.#ground.cpus, {
      proxy: contender.roots,
      load: [this.#ground.upstreamPid],
    });
    const before = cpuSeconds(contender.roots);
    const load = await this.#load(contender.url, script, this.#terms.seconds);
    const used = cpuSeconds(contender.roots) - before;
    const others = disturbance();
    entrant.verified += await asked();
    entrant.memory.end = megabytes(contender);
    const { perSecond, p50, p99, errors } = load;
    const disturbed = Math.max(others.proxy, others.load) > disturbedAbove;
    entrant.rounds.push({ perSecond, cpuMicros: (used / load.answered) * 1e6, p50, p99, errors, others, disturbed });
    const mark = disturbed ? `  (others took ${percent(others.proxy)} and ${percent(others.load)})` : '';
    const cost = ((used / load.answered) * 1e6).toFixed(1);
    say(`${this.#plan.name} ${round + 1}: ${contender.name} ${Math.round(perSecond)}/s, ${cost} µs${mark}`);
  }

  /** The upstream without a proxy between: more than this no proxy can show. */
  async directly(): Promise<{ perSecond: number; cpuMicrosOfUpstream: number }> {
    const { folder, upstream, upstreamPid } = this.#ground;
    const host = `127.0.0.1:${upstream}`;
    const script = writeScript(
      folder,
      `load-${this.#plan.name}-direct`,
      { users: strangers(1), host },
      this.#plan.shape,
    );
    const before = cpuSeconds([upstreamPid]);
    const load = await this.#load(`http://${host}`, script, this.#terms.seconds);
    const cpuMicrosOfUpstream = ((cpuSeconds([upstreamPid]) - before) / load.answered) * 1e6;
    return { perSecond: load.perSecond, cpuMicrosOfUpstream };
  }

  #load(url: string, script: string, seconds: number): Promise<Load> {
    const { connections } = this.#plan.shape;
    return runLoad(url, { script: path.resolve(script), connections, seconds, cpu: this.#ground.cpus.load });
  }
}

function rowsOf(entrants: readonly Entrant[], reference: string): Row[] {
  const base = entrants.find(({ contender }) => contender.name === reference)?.rounds ?? [];
  return entrants.map(({ contender, rounds, memory, verified, warmUpRequests }) => {
    const middle = (figure: (round: Round) => number): number => median(rounds.map(figure));
    const ratios = (ratio: (own: Round, base: Round) => number): number =>
      median(rounds.flatMap((own, index) => (base[index] ? [ratio(own, base[index])] : [])));
    return {
      contender: contender.name,
      title: contender.title,
      rounds,
      perSecond: middle(({ perSecond }) => perSecond),
      cpuMicros: middle(({ cpuMicros }) => cpuMicros),
      p50: middle(({ p50 }) => p50),
      p99: middle(({ p99 }) => p99),
      errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
      ofReference: {
        cpu: ratios((own, base) => base.cpuMicros / own.cpuMicros),
        perSecond: ratios((own, base) => own.perSecond / base.perSecond),
      },
      memory,
      verified,
      warmUpRequests,
    };
  });
}

function megabytes({ roots }: Contender): number {
  return Math.round(memoryBytes(roots) / 1024 ** 2);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
