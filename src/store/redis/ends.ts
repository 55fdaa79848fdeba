/**
 * Ends of sessions that this process has made: those that the server has not taken yet, which count here at once, and those of the last
 * minutes, which a failover may have lost.
 */

/** How long an end is written again after a failover, in milliseconds. */
const rewrittenFor = 5 * 60_000;
const maxEnds = 50_000;

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

  /** The server has it. */
  release(key: string): void {
    this.#held.delete(key);
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

  /** Those of the last minutes. */
  recent(): readonly End[] {
    const now = performance.now();
    return [...this.#written.values()].filter(({ at }) => now - at < rewrittenFor);
  }
}
