/** Which CPU does what in a run, and who else has used them: the idle check. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { cpuSeconds, ownCpuSeconds } from './processes.ts';

/** The CPUs of a run, by number. */
export interface Cpus {
  /** For the proxy that is measured, with all its processes. */
  readonly proxy: number;
  /** For whoever asks. */
  readonly load: number;
  /** For the upstream; the one of the load where the machine has two. */
  readonly upstream: number;
}

/** One CPU, or a range of them as taskset takes it. */
export type CpuList = number | string;

/** Two of them, or three where the machine has them. */
export function usualCpus(): Cpus {
  if (availableParallelism() < 2) throw new Error('the bench needs two CPUs: one for the proxy, one for the load');
  return { proxy: 0, load: 1, upstream: availableParallelism() > 2 ? 2 : 1 };
}

/** The words before a program that keep it on a CPU. */
export function pinnedTo(cpu: CpuList): readonly string[] {
  return ['/usr/bin/taskset', '-c', String(cpu)];
}

/** Keeps this process, with all its threads, on a CPU. */
export function pinThisProcess(cpu: number): void {
  pinProcess(process.pid, cpu);
}

/** Keeps a process that runs already, with all its threads, on these CPUs. */
export function pinProcess(pid: number, ...cpus: readonly number[]): void {
  const list = [...new Set(cpus)].join(',');
  const words = ['-a', '-c', '-p', list, String(pid)];
  const { status, stderr } = spawnSync('/usr/bin/taskset', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`taskset cannot keep process ${pid} on CPU ${list}: ${stderr}`);
}

interface Usage {
  readonly busy: number;
  readonly stolen: number;
}

/** What others took of the CPUs of a run while something was timed, as shares of the time. */
export interface Disturbance {
  readonly proxy: number;
  readonly load: number;
}

/** Above this share of a CPU a round counts as disturbed. */
export const disturbedAbove = 0.1;

/**
 * Looks from now on; what it returns says who else worked on the CPUs meanwhile, beside these processes, this one, and what
 * this one has started and seen end.
 */
export function watchCpus(cpus: Cpus, own: { proxy: readonly number[]; load: readonly number[] }): () => Disturbance {
  const startedAt = performance.now();
  const look = () => ({
    usage: usageByCpu(),
    proxy: cpuSeconds(own.proxy),
    load: cpuSeconds(own.load) + ownCpuSeconds(process.pid),
  });
  const before = look();
  return () => {
    const after = look();
    const seconds = (performance.now() - startedAt) / 1000;
    const busy = (cpu: number): number => {
      const [from, to] = [before.usage.get(cpu), after.usage.get(cpu)];
      return from && to ? to.busy - from.busy + (to.stolen - from.stolen) : 0;
    };
    const loadCpus = new Set([cpus.load, cpus.upstream]);
    const load = [...loadCpus].reduce((sum, cpu) => sum + busy(cpu), 0);
    const share = (others: number): number => Math.max(0, others / seconds);
    return {
      proxy: share(busy(cpus.proxy) - (after.proxy - before.proxy)),
      load: share(load - (after.load - before.load)),
    };
  };
}

/** proc(5): user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second. */
function usageByCpu(): ReadonlyMap<number, Usage> {
  const lines = readFileSync('/proc/stat', 'utf8').matchAll(/^cpu(\d+) (.*)$/gm);
  return new Map(
    [...lines].map(([, cpu, numbers = '']) => {
      const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = numbers.split(' ').map(Number);
      return [Number(cpu), { busy: (user + nice + system + irq + softirq) / 100, stolen: steal / 100 }];
    }),
  );
}
