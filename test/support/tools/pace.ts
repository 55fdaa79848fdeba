/** How long work takes of the processor, and how that compares with what this machine does at its present pace. */

/** Milliseconds of the processor that some work takes; other work on the machine does not count. */
export function milliseconds(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The least of three times, so that what the collector or the compiler did meanwhile does not count. */
export function fastest(work: () => unknown): number {
  return Math.min(milliseconds(work), milliseconds(work), milliseconds(work));
}

/** A search that grows by the square of its text: a quarter of what takes 50 ms on a quiet core. */
const search = /\w*\.js$/u;
const searched = 'a'.repeat(4095);

/** A time as a multiple of what takes 50 ms on a quiet core. */
export function timesThePace(took: number): number {
  return took / (4 * fastest(() => search.test(searched)));
}
