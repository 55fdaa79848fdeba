/** One of those that are compared, and how its processes are started, watched and ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type CpuList, pinnedTo } from '../machine/cpus.ts';

/** Somebody who asks, and what their browser sends beside what all send. */
export interface User {
  readonly name: string;
  /** As in `Cookie: gatehouse=…`. */
  readonly line: string;
}

/** What the upstream must hear of a user: their name, or nothing, whatever the client says; `undefined` where it is not looked at. */
export type Hearing = ((user: User) => string) | undefined;

/** A proxy that runs. */
export interface Contender {
  /** Short, for `--rows` and as a key of results. */
  readonly name: string;
  readonly title: string;
  /** Where it listens, without a closing slash. */
  readonly url: string;
  /** Its processes; what they have started counts too. */
  readonly roots: readonly number[];
  readonly users: readonly User[];
  readonly hears: Hearing;
  /** Ends it. */
  end(): Promise<void>;
}

/** What a contender is started with. */
export interface Ground {
  /** A folder of the run. */
  readonly folder: string;
  readonly cpus: Readonly<Record<'proxy' | 'load' | 'upstream', CpuList>>;
  /** Port of the upstream at 127.0.0.1. */
  readonly upstream: number;
  /** How many users sign in at a gateway. */
  readonly users: number;
}

/** A folder of its own below the one of the run. */
export function ownFolder({ folder }: Pick<Ground, 'folder'>, name: string): string {
  const made = path.join(folder, name);
  mkdirSync(made, { recursive: true });
  return made;
}

/** A program under way. */
export interface Running {
  readonly pid: number;
  /** The end of what it wrote to its standard error. */
  said(): string;
  hasEnded(): boolean;
  end(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a program on a CPU; one that ends by itself within the first moments throws with what it said. */
export async function startOn(
  cpu: CpuList,
  program: string,
  parameters: readonly string[],
  { env, cwd }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Running> {
  const [taskset = '', ...words] = pinnedTo(cpu);
  const child = spawn(taskset, [...words, program, ...parameters], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production', ...env },
    ...(cwd !== undefined && { cwd }),
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-8000);
  });
  await Promise.race([once(child, 'exit'), once(child, 'error'), delay(150)]);
  if (child.pid === undefined || hasEnded(child)) throw new Error(`${program} did not start: ${said.trim()}`);
  return {
    pid: child.pid,
    said: () => said.trim(),
    hasEnded: () => hasEnded(child),
    end: (signal = 'SIGTERM') => endProcess(child, signal),
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await Promise.race([exit, delay(5000, undefined, { ref: false }).then(() => child.kill('SIGKILL'))]);
  await exit;
}

/** Lines that every browser of the bench sends beside its user's own and Host. */
export const commonLines: readonly string[] = ['User-Agent: Mozilla/5.0 (bench)', 'Accept: application/json'];

/** Users that nobody knows: their line says nothing that a proxy reads. */
export function strangers(count: number): User[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `user${index}`,
    line: `Cookie: desk=${String(index).padStart(43, 'x')}`,
  }));
}
