/** What processes have used, from /proc: a contender's are its roots and whatever these have started. */
import { readdirSync, readFileSync } from 'node:fs';

/** Hundredths of a second are what proc(5) counts in on every Linux of today (`getconf CLK_TCK`). */
const ticksPerSecond = 100;

interface Status {
  readonly parent: number;
  readonly ticks: number;
  /** Of children that have ended and been waited for. */
  readonly childTicks: number;
}

/** The roots and all that descends from them. */
export function treeOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const status = Number.isInteger(pid) ? statusOf(pid) : undefined;
    if (status) children.set(status.parent, [...(children.get(status.parent) ?? []), pid]);
  }
  const tree: number[] = [];
  const waiting = [...roots];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    tree.push(pid);
    waiting.push(...(children.get(pid) ?? []));
  }
  return tree;
}

/** CPU seconds of processes, user and system, all threads; of the roots also what their ended children have used. */
export function cpuSeconds(roots: readonly number[]): number {
  let ticks = 0;
  for (const pid of treeOf(roots)) {
    const status = statusOf(pid);
    ticks += (status?.ticks ?? 0) + (roots.includes(pid) ? (status?.childTicks ?? 0) : 0);
  }
  return ticks / ticksPerSecond;
}

/** CPU seconds of one process and of those of its children that have ended, but of none that runs. */
export function ownCpuSeconds(pid: number): number {
  const status = statusOf(pid);
  return ((status?.ticks ?? 0) + (status?.childTicks ?? 0)) / ticksPerSecond;
}

/** Memory held by processes in bytes: of one its resident set, of several their proportional shares, so that shared pages count once. */
export function memoryBytes(roots: readonly number[]): number {
  const tree = treeOf(roots);
  const [only] = tree;
  if (tree.length === 1 && only !== undefined) return residentBytes(only);
  return tree.reduce((sum, pid) => sum + proportionalBytes(pid), 0);
}

/** How many descriptors a process has open. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The resident set of one process, in bytes. */
export function residentBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, /VmRSS:\s+(\d+) kB/);
}

function proportionalBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB/m);
}

function kilobytes(file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1] ?? '0') * 1024;
  } catch {
    return 0;
  }
}

/** proc(5): behind the name the second field is the parent, the twelfth to fifteenth are the times. */
function statusOf(pid: number): Status | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
  return { parent: Number(fields[1]), ticks: user + system, childTicks: childUser + childSystem };
}
