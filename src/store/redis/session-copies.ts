/**
 * Copies of what is read with each request: a record that was read a moment ago is not asked for again, and one that is older lets
 * its session go on while the server does not answer.
 */
import { kindOf } from '../entry-kinds.ts';
import type { ReadEntry } from './entries.ts';

const maxCopies = 50_000;
const copiedKinds: ReadonlySet<string> = new Set(['session', 'session-token']);

/** A copy of an entry. */
export interface Copy {
  readonly entry: ReadEntry;
  /** When it was asked for. */
  readonly at: number;
}

/** A value that is on its way; of no use for a copy once its key has been written. */
interface Reading {
  isStale: boolean;
}

/** Copies by key, the ones longest unread going first. */
export class SessionCopies {
  readonly #copies = new Map<string, Copy>();
  readonly #readings = new Map<string, Set<Reading>>();

  /** Whether entries of this key are copied. */
  copies(key: string): boolean {
    return copiedKinds.has(kindOf(key));
  }

  get(key: string): Copy | undefined {
    return this.#copies.get(key);
  }

  /** Reads an entry and keeps a copy of it, unless its key was written meanwhile. */
  async fill(key: string, read: () => Promise<ReadEntry | undefined>): Promise<ReadEntry | undefined> {
    const reading: Reading = { isStale: false };
    const others = this.#readings.get(key) ?? new Set();
    this.#readings.set(key, others.add(reading));
    const at = performance.now();
    try {
      const entry = await read();
      if (!reading.isStale) this.#keep(key, entry, at);
      return entry;
    } finally {
      others.delete(reading);
      if (others.size === 0) this.#readings.delete(key);
    }
  }

  /** The key was written, by whomever. */
  drop(key: string): void {
    this.#copies.delete(key);
    for (const reading of this.#readings.get(key) ?? []) reading.isStale = true;
  }

  clear(): void {
    this.#copies.clear();
    for (const readings of this.#readings.values()) for (const reading of readings) reading.isStale = true;
  }

  #keep(key: string, entry: ReadEntry | undefined, at: number): void {
    this.#copies.delete(key);
    if (!entry) return;
    this.#copies.set(key, { entry, at });
    const oldest = this.#copies.size > maxCopies ? this.#copies.keys().next().value : undefined;
    if (oldest !== undefined) this.#copies.delete(oldest);
  }
}
