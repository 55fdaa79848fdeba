/** A store in this process's memory: for tests and for trying out. Its contents end with the process. */
import type { Clock } from '../core/clock.ts';
import type { Changes, Store, Stored, StoredEntry } from '../core/store.ts';
import { storeFailure } from './errors.ts';

interface Entry {
  readonly value: string;
  readonly version: string;
  readonly expiresAt: number;
}

const pruneEvery = 60_000;
/** How long an announcement stays, in milliseconds. */
const journalKept = 10 * 60_000;

/** Keeps entries in a Map; expired ones leave it once a minute. */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #pruning: NodeJS.Timeout;
  #announced: { readonly key: string; readonly at: number }[] = [];
  /** How many announcements have left the journal. */
  #forgotten = 0;
  #writes = 0;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#pruning = setInterval(() => this.prune(), pruneEvery).unref();
  }

  get(key: string): Stored | undefined {
    const entry = this.#live(key);
    return entry && { value: entry.value, version: entry.version };
  }

  async put(key: string, value: string, expiresAt = Number.POSITIVE_INFINITY): Promise<void> {
    this.#live(key);
    this.#write(key, value, expiresAt);
  }

  async replace(
    key: string,
    version: string | undefined,
    value: string,
    expiresAt = Number.POSITIVE_INFINITY,
    { announced = false } = {},
  ): Promise<boolean> {
    if (this.#live(key)?.version !== version) return false;
    this.#write(key, value, expiresAt);
    if (announced) this.#announced.push({ key, at: this.#clock.now() });
    return true;
  }

  async take(key: string): Promise<string | undefined> {
    const entry = this.#live(key);
    this.#entries.delete(key);
    return entry?.value;
  }

  async delete(key: string): Promise<boolean> {
    const entry = this.#live(key);
    this.#entries.delete(key);
    return entry !== undefined;
  }

  async *list(prefix: string): AsyncGenerator<StoredEntry, void, undefined> {
    this.#live(prefix);
    for (const key of [...this.#entries.keys()]) {
      if (!key.startsWith(prefix)) continue;
      const entry = this.#live(key);
      if (entry) yield { key, value: entry.value, version: entry.version };
    }
  }

  count(prefix: string, at: number): number {
    this.#live(prefix);
    let count = 0;
    for (const [key, { expiresAt }] of this.#entries) if (expiresAt > at && key.startsWith(prefix)) count += 1;
    return count;
  }

  changes(after?: string): Changes {
    this.#live('');
    const place = String(this.#forgotten + this.#announced.length);
    if (after === undefined || after === place) return { keys: [], place, isWhole: true };
    const from = Number(after) - this.#forgotten;
    return { keys: this.#announced.slice(Math.max(0, from)).map(({ key }) => key), place, isWhole: from >= 0 };
  }

  waiting(): number {
    return 0;
  }

  outage(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#pruning);
    this.#entries.clear();
  }

  #live(key: string): Entry | undefined {
    if (this.#isClosed) throw storeFailure('closed', 'the store in memory is closed');
    const entry = this.#entries.get(key);
    return entry && entry.expiresAt > this.#clock.now() ? entry : undefined;
  }

  #write(key: string, value: string, expiresAt: number): void {
    this.#writes += 1;
    this.#entries.set(key, { value, version: String(this.#writes), expiresAt });
  }

  /** Removes what has expired, and the journal's beginning. */
  prune(): void {
    const now = this.#clock.now();
    const kept = this.#announced.filter(({ at }) => at > now - journalKept);
    this.#forgotten += this.#announced.length - kept.length;
    this.#announced = kept;
    for (const [key, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#entries.delete(key);
  }
}
