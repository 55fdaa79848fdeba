/** Session records in the store: read and parsed, written by compare-and-set, found again by user and by handle. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Store, Stored } from '../core/store.ts';
import { Journal } from '../store/journal.ts';
import {
  indexKeys,
  type LiveRecord,
  parseRecord,
  printRecord,
  recordKey,
  recordPrefix,
  type SessionRecord,
} from './record.ts';

/** A record and the version that a compare-and-set needs. */
export interface StoredRecord {
  readonly record: SessionRecord;
  readonly version: string;
}

/** An id found in an index; `isYoung` when its record may still be on its way. */
export interface IndexedId {
  readonly id: string;
  readonly isYoung: boolean;
}

/** How long after its end a session can still say why it ended. */
const remembered = 15 * 60_000;

/** An index entry is written just before its record: one without a record counts as left behind only after this time. */
const youth = 60_000;

const cachedRecords = 10_000;

/** The records of all sessions. */
export class SessionRecords {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #idle: number;
  /** Parsed records by id. The store is read each time; only the parsing is saved, and only for the same version. */
  readonly #parsed = new Map<string, StoredRecord>();

  constructor({ store, clock, log, idle }: { store: Store; clock: Clock; log: Log; idle: number }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#idle = idle;
  }

  /** The record of a session, live or ended; one that cannot be read is removed and counts as none. */
  async read(id: string): Promise<StoredRecord | undefined> {
    const stored = await this.#store.get(recordKey(id));
    if (stored) return this.#parse(id, stored);
    this.#parsed.delete(id);
    return undefined;
  }

  /**
   * Writes over `version`, or, when undefined, where there is no record; false when it is not so. Every worker hears of an end,
   * and of what else is announced.
   */
  async write(
    id: string,
    version: string | undefined,
    record: SessionRecord,
    { announced = record.kind === 'ended' } = {},
  ): Promise<boolean> {
    const endsAt =
      record.kind === 'ended'
        ? this.#clock.now()
        : Math.min(record.expiresAt, Math.max(record.lastSeenAt, this.#clock.now()) + this.#idle);
    return this.#store.replace(recordKey(id), version, printRecord(record), endsAt + remembered, { announced });
  }

  /** All records. */
  async *all(): AsyncGenerator<StoredRecord & { readonly id: string }, void, undefined> {
    for await (const { key, ...stored } of this.#store.list(recordPrefix)) {
      const id = key.slice(recordPrefix.length);
      const parsed = await this.#parse(id, stored);
      if (parsed) yield { id, ...parsed };
    }
  }

  /** How many records are live: one is kept for some time beyond the end of its session, and only one that ended has less left. */
  async count(): Promise<number> {
    return this.#store.count(recordPrefix, this.#clock.now() + remembered);
  }

  /** Hears the ids of the records that were announced; undefined when any may have been. Gives the way to stop. */
  follow(listener: (ids: readonly string[] | undefined) => void): () => void {
    const journal = new Journal({
      store: this.#store,
      log: this.#log,
      onChange: (keys) =>
        listener(keys?.flatMap((key) => (key.startsWith(recordPrefix) ? [key.slice(recordPrefix.length)] : []))),
    });
    return () => journal.close();
  }

  /** Makes a session findable; before its record is written, so that none is ever live and not to be found. */
  async index(id: string, record: LiveRecord): Promise<void> {
    const now = String(this.#clock.now());
    for (const key of indexKeys(id, record)) await this.#store.put(key, now, record.expiresAt + remembered);
  }

  /** Undoes `index`, but for what `kept` still needs. */
  async unindex(id: string, record: LiveRecord, kept?: LiveRecord): Promise<void> {
    const needed = kept ? indexKeys(id, kept) : [];
    for (const key of indexKeys(id, record)) if (!needed.includes(key)) await this.#store.delete(key);
  }

  /** The ids below an index prefix. */
  async find(prefix: string): Promise<IndexedId[]> {
    const found: IndexedId[] = [];
    for await (const { key, value } of this.#store.list(prefix)) {
      found.push({ id: key.slice(prefix.length), isYoung: this.#clock.now() - Number(value) < youth });
    }
    return found;
  }

  /** Removes an index entry whose session is gone. */
  async forget(prefix: string, id: string): Promise<void> {
    await this.#store.delete(prefix + id);
  }

  async #parse(id: string, stored: Stored): Promise<StoredRecord | undefined> {
    const known = this.#parsed.get(id);
    if (known?.version === stored.version) return known;
    const record = parseRecord(stored.value);
    if (!record) {
      this.#log.warn({ session: id }, 'a session record could not be read and was removed');
      await this.#store.delete(recordKey(id));
      return undefined;
    }
    const parsed = { record, version: stored.version };
    this.#parsed.delete(id);
    this.#parsed.set(id, parsed);
    const oldest = this.#parsed.size > cachedRecords ? this.#parsed.keys().next().value : undefined;
    if (oldest !== undefined) this.#parsed.delete(oldest);
    return parsed;
  }
}
