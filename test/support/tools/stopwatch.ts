/**
 * How long something takes, measured so that a machine with other work does not spoil it: time counts only as far as this
 * process has had its turns. What waits for a timer that is too long, or for somebody who never answers, still counts whole.
 */
import assert from 'node:assert/strict';

const beat = 5;

/** What some work gave, and how long it took. */
export interface Timed<T> {
  readonly value: T;
  /** Of the time in which this process could run: what must be short. */
  readonly milliseconds: number;
  /** By the clock on the wall: what must be long. */
  readonly elapsed: number;
}

/** Waits for work and measures it. */
export async function timed<T>(work: Promise<T> | (() => Promise<T>)): Promise<Timed<T>> {
  return measure(work, Number.POSITIVE_INFINITY);
}

/** Waits for work that must end in less than so many milliseconds. */
export async function endsWithin<T>(limit: number, what: string, work: Promise<T> | (() => Promise<T>)): Promise<T> {
  const { value, milliseconds } = await measure(work, 2 * limit);
  assert.ok(milliseconds < limit, `${what}: ${Math.round(milliseconds)} ms, and not less than ${limit}`);
  return value as T;
}

/** Waits no longer than a patience, after which there is no value. */
async function measure<T>(work: Promise<T> | (() => Promise<T>), patience: number): Promise<Timed<T>> {
  let milliseconds = 0;
  const start = performance.now();
  let seen = start;
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<T>();
  const count = (): void => {
    const now = performance.now();
    // A turn that comes late says that others ran: it counts as a beat that was a little late.
    milliseconds += Math.min(now - seen, 2 * beat);
    seen = now;
    if (milliseconds > patience) giveUp(undefined as T);
  };
  const timer = setInterval(count, beat);
  try {
    const value = await Promise.race([typeof work === 'function' ? work() : work, givenUp]);
    count();
    return { value, milliseconds, elapsed: seen - start };
  } finally {
    clearInterval(timer);
  }
}

/** The milliseconds of a processor that this thread spends on some work: what others do at the time adds nothing. */
export function cpuTime(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
