/**
 * `npm run bench shift`: thousands of agents sign in within a minute, while the directory is away for a part of it; then every
 * WebSocket is cut at once. Says how many got in and how long it took, and whether anybody was ever taken for somebody else.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { Scope } from '../contenders/scope.ts';
import { figure } from '../figures/figure.ts';
import { cpuSeconds, memoryBytes, ownCpuSeconds } from '../machine/processes.ts';
import type { Figure } from '../measure/result.ts';
import { quantile } from '../measure/statistics.ts';
import { ShiftAgent, ShiftCounts } from './agent.ts';
import { type ShiftGround, startShiftGround } from './ground.ts';
import { arrivals, readShiftOptions, type ShiftOptions, shiftUsage } from './options.ts';

/** Runs it by the words of the command line; the exit code. */
export async function benchShift(words: readonly string[]): Promise<number> {
  const options = readShiftOptions(words);
  if (!options) {
    console.log(shiftUsage);
    return 0;
  }
  const figures = await runShift(options, (line) => console.error(line));
  for (const { title, value, unit, note } of figures)
    console.log(`${title.padEnd(64)}${String(value).padStart(10)} ${unit}${note === undefined ? '' : `  (${note})`}`);
  const bad = figures.filter(({ name }) => /^shift-(?:failed|wrong|poll-errors)$/.test(name));
  return bad.some(({ value }) => value > 0) ? 1 : 0;
}

/** Runs it; what it came to. */
export async function runShift(options: ShiftOptions, say: (line: string) => void): Promise<Figure[]> {
  const scope = new Scope();
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-shift-'));
  scope.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  const dispatcher = new Agent({ connections: 512, pipelining: 1, headersTimeout: 120_000 });
  scope.after(() => dispatcher.destroy());
  try {
    return await new Shift(options, await startShiftGround(scope, folder, options), dispatcher, say).run();
  } finally {
    await scope.end();
  }
}

/** How long the login page tries by itself: some minutes. */
const patienceMs = 180_000;

class Shift {
  readonly #options: ShiftOptions;
  readonly #ground: ShiftGround;
  readonly #say: (line: string) => void;
  readonly #counts = new ShiftCounts();
  readonly #agents: ShiftAgent[];
  readonly #startedAt = performance.now();
  #backAt: number | undefined;

  constructor(options: ShiftOptions, ground: ShiftGround, dispatcher: Agent, say: (line: string) => void) {
    this.#options = options;
    this.#ground = ground;
    this.#say = say;
    const { url } = ground.gateway;
    const pollMs = options.pollSeconds * 1000;
    const habits = { url: new URL(url), dispatcher, counts: this.#counts, pollMs, patienceMs };
    this.#agents = Array.from({ length: options.agents }, (_, index) => {
      return new ShiftAgent(ground.agent(index), habits);
    });
  }

  async run(): Promise<Figure[]> {
    const { agents, seconds, curve, workers } = this.#options;
    const { roots } = this.#ground.gateway;
    const before = { gateway: cpuSeconds(roots), own: ownCpuSeconds(process.pid), memory: memoryBytes(roots) };
    const progress = setInterval(() => this.#report(), 5000);
    const outage = this.#outage();
    const begun = this.#agents.map(async (agent, index) => {
      await delay(arrivals[curve](index / agents) * seconds * 1000);
      await agent.begin();
    });
    await Promise.all([outage, ...begun]);
    const signedIn = (performance.now() - this.#startedAt) / 1000;
    const atWork = { gateway: cpuSeconds(roots), own: ownCpuSeconds(process.pid), memory: memoryBytes(roots) };
    const quiet = await this.#pollsDuring(() => delay(10_000));
    const afterPolls = cpuSeconds(roots);
    const storm = await this.#storm();
    clearInterval(progress);
    this.#report();
    for (const agent of this.#agents) agent.leave();
    const end = memoryBytes(roots);
    return [
      ...this.#logins(signedIn),
      figure(
        'shift-cpu-login',
        'CPU of the gateway until all were in',
        atWork.gateway - before.gateway,
        's',
        `${workers} workers`,
      ),
      figure('shift-cpu-polls', 'share of a CPU for polls of all', (afterPolls - atWork.gateway) / 10, 'CPUs'),
      figure('shift-cpu-agents', 'CPU of those who asked, until all were in', atWork.own - before.own, 's'),
      figure('shift-memory-start', 'memory of the gateway before', before.memory / 1024 ** 2, 'MB'),
      figure(
        'shift-memory',
        'memory with all at work',
        atWork.memory / 1024 ** 2,
        'MB',
        `${this.#counts.open} WebSockets`,
      ),
      figure('shift-memory-end', 'memory after the storm', end / 1024 ** 2, 'MB'),
      ...quiet,
      figure(
        'shift-cut',
        'WebSockets that ended by themselves',
        this.#counts.cut.length,
        '',
        [...new Set(this.#counts.cut)].slice(0, 3).join('; '),
      ),
      ...storm,
      figure('shift-poll-errors', 'polls that failed, of all', this.#counts.pollErrors, ''),
      figure('shift-wrong', 'answers with somebody else’s identity', this.#counts.wrongIdentities, ''),
    ];
  }

  /** The directory is away in the middle of the arrivals. */
  async #outage(): Promise<void> {
    const { seconds, outage } = this.#options;
    if (outage === 0) return;
    await delay(Math.max(0, (seconds - outage) / 2) * 1000);
    this.#say('the directory stops');
    await this.#ground.slapd.stop();
    await delay(outage * 1000);
    await this.#ground.slapd.restart();
    this.#backAt = performance.now();
    this.#say('the directory is back');
  }

  #logins(signedIn: number): Figure[] {
    const { logins, failed, retries } = this.#counts;
    const took = logins.map(({ milliseconds }) => milliseconds / 1000);
    const undisturbed = logins.filter(({ tries }) => tries === 1).map(({ milliseconds }) => milliseconds / 1000);
    const ends = logins.map(({ begunAt, milliseconds }) => begunAt + milliseconds);
    const backAt = this.#backAt;
    const recovered =
      backAt === undefined ? [] : ends.filter((end) => end > backAt).map((end) => (end - backAt) / 1000);
    const late = logins.filter(
      ({ begunAt, tries }) => backAt !== undefined && begunAt > backAt + 5000 && tries > 1,
    ).length;
    return [
      figure('shift-failed', 'failed logins', failed.length, '', [...new Set(failed)].slice(0, 3).join('; ')),
      figure('shift-logins', 'logins', logins.length, '', `all in after ${signedIn.toFixed(1)} s`),
      figure('shift-rate', 'logins a second at the most (of ten seconds)', busiest(ends), '/s'),
      figure('shift-p50', 'a login, p50', quantile(undisturbed, 0.5), 's', 'of those with one try'),
      figure('shift-p99', 'a login, p99', quantile(undisturbed, 0.99), 's', 'of those with one try'),
      figure('shift-p99-all', 'a login with its retries, p99', quantile(took, 0.99), 's', `${retries} retries`),
      ...(backAt === undefined
        ? []
        : [
            figure('shift-recovery', 'first login after the directory was back', Math.min(...recovered), 's'),
            figure('shift-late', 'logins begun 5 s after it was back that took more than one try', late, ''),
          ]),
    ];
  }

  async #pollsDuring(work: () => Promise<void>): Promise<Figure[]> {
    const from = this.#counts.polls.length;
    const startedAt = performance.now();
    await work();
    const polls = this.#counts.polls.slice(from);
    const perSecond = (polls.length / (performance.now() - startedAt)) * 1000;
    return [
      figure('shift-polls', 'polls a second of all', perSecond, '/s'),
      figure('shift-poll-p50', 'a poll, p50', quantile(polls, 0.5), 'ms'),
      figure('shift-poll-p99', 'a poll, p99', quantile(polls, 0.99), 'ms'),
    ];
  }

  async #storm(): Promise<Figure[]> {
    const { roots } = this.#ground.gateway;
    const [handshakes, polls, errors] = [
      this.#counts.handshakes.length,
      this.#counts.polls.length,
      this.#counts.socketErrors,
    ];
    const [cpu, startedAt] = [cpuSeconds(roots), performance.now()];
    this.#say('every WebSocket is cut');
    await Promise.all(this.#agents.map((agent) => agent.reconnect(this.#options.jitterSeconds * 1000)));
    const took = (performance.now() - startedAt) / 1000;
    const own = this.#counts.handshakes.slice(handshakes);
    return [
      figure(
        'storm-seconds',
        'storm: until every WebSocket was back',
        took,
        's',
        `jitter of ${this.#options.jitterSeconds} s`,
      ),
      figure('storm-p99', 'storm: a WebSocket, p99', quantile(own, 0.99), 'ms', `${own.length} opened`),
      figure('storm-failed', 'storm: WebSockets that did not open', this.#counts.socketErrors - errors, ''),
      figure('storm-poll-p99', 'storm: a poll meanwhile, p99', quantile(this.#counts.polls.slice(polls), 0.99), 'ms'),
      figure('storm-cpu', 'storm: CPU of the gateway', cpuSeconds(roots) - cpu, 's'),
    ];
  }

  #report(): void {
    const { logins, failed, retries, polls, open, wrongIdentities, pollErrors } = this.#counts;
    const memory = Math.round(memoryBytes(this.#ground.gateway.roots) / 1024 ** 2);
    const at = Math.round((performance.now() - this.#startedAt) / 1000);
    this.#say(
      `${at} s: ${logins.length} in, ${failed.length} failed, ${retries} retries, ${open} WebSockets, ${polls.length} polls, ${pollErrors} poll errors, ${wrongIdentities} wrong, ${memory} MB`,
    );
  }
}

/** Most of them within ten seconds, by the second. */
function busiest(ends: readonly number[]): number {
  const bySecond = new Map<number, number>();
  for (const end of ends) bySecond.set(Math.floor(end / 10_000), (bySecond.get(Math.floor(end / 10_000)) ?? 0) + 1);
  return Math.max(0, ...bySecond.values()) / 10;
}
