/**
 * Ends of sessions that this process has made: those that the server has not taken yet, which count here at once, and those of the last
 * minutes, which a failover may have lost.
 */
import type { Redis } from 'ioredis';
import type { RedisEntries } from './entries.ts';

/** How long an end is written again after a failover, in milliseconds. */
const rewrittenFor = 5 * 60_000;
const maxEnds = 50_000;
/** So many are written together. */
const atOnce = 200;

/** An end. */
interface End {
  readonly key: string;
  readonly value: string;
  readonly version: string;
  readonly expiresAt: number | undefined;
}

/** Remembers them, in memory: they end with the process. */
export class Ends {
  readonly #held = new Map<string, End>();
  readonly #written = new Map<string, End & { readonly at: number }>();

  /** What the server has not taken. */
  get held(): ReadonlyMap<string, End> {
    return this.#held;
  }

  /** False where there is no more room. */
  hold(end: End): boolean {
    if (this.#held.size >= maxEnds) return false;
    this.#held.set(end.key, end);
    return true;
  }

  /** What nobody writes over once it is there. */
  remember(end: End): void {
    const at = performance.now();
    this.#written.delete(end.key);
    this.#written.set(end.key, { ...end, at });
    for (const [key, oldest] of this.#written) {
      if (this.#written.size <= maxEnds && at - oldest.at < rewrittenFor) break;
      this.#written.delete(key);
    }
  }

  /** Writes those of the last minutes again, where the server does not have them. */
  async rewrite(client: Redis, entries: RedisEntries): Promise<void> {
    const now = performance.now();
    const recent = [...this.#written.values()].filter(({ at }) => now - at < rewrittenFor);
    for (let from = 0; from < recent.length; from += atOnce)
      await Promise.all(recent.slice(from, from + atOnce).map((end) => this.#rewriteOne(client, entries, end)));
  }

  /** Writes what is held, as far as the server has room; how many. */
  async release(client: Redis, entries: RedisEntries): Promise<number> {
    let released = 0;
    for (const end of [...this.#held.values()]) {
      if (!(await writeEnd(client, entries, end))) continue;
      this.remember(end);
      this.#held.delete(end.key);
      released += 1;
    }
    return released;
  }

  async #rewriteOne(client: Redis, entries: RedisEntries, end: End): Promise<void> {
    if (!(await writeEnd(client, entries, end))) this.hold(end);
  }
}

/** Over whatever else is there, since an end is final. False where the server has no room: the entry is gone, and the end to be held. */
async function writeEnd(client: Redis, entries: RedisEntries, end: End): Promise<boolean> {
  try {
    await entries.write(client, { ...end, how: 'final', announced: true });
    return true;
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('OOM'))) throw error;
    await entries.cut(client, end.key);
    return false;
  }
}
