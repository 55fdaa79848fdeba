/** Session records in the store: read and written by compare-and-set, found again by user and by handle. */
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import { SaidOnce } from '../core/said-once.ts';
import type { Store, Stored } from '../core/store.ts';
import { UnopenedEntry } from '../store/errors.ts';
import { Journal } from '../store/journal.ts';
import { indexKeys, printEntry, readEntry, userPrefix } from './index-keys.ts';
import { KeptRecords } from './kept-records.ts';
import {
  type EndedRecord,
  type LiveRecord,
  parseRecord,
  printRecord,
  type UnreadableRecord,
} from './stored-session.ts';

/** A record and the version that a compare-and-set needs. */
export interface StoredRecord {
  readonly record: LiveRecord | EndedRecord | UnreadableRecord;
  readonly version: string;
}

/** An id found in an index; `isYoung` when its record may still be on its way. */
interface IndexedId {
  readonly id: string;
  readonly isYoung: boolean;
  readonly tenant: string;
}

/** How long after its end a session can still say why it ended. */
export const remembered = 15 * 60_000;

/** An index entry is written just before its record: one without a record counts as left behind only after this time. */
const youth = 60_000;

/** Ends that time brings anyway, or under which a session goes on: they wait for the store. Somebody's wish does not. */
const passing: ReadonlySet<string> = new Set(['idle', 'lifetime', 'offline-over', 'rotated']);

const cachedRecords = 10_000;
const recordPrefix = 'session:';

/** The records of all sessions. */
export class SessionRecords {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #idle: number;
  /** Parsed records by id. The store is read each time; only the parsing is saved, and only for the same version. */
  readonly #parsed = new Map<string, StoredRecord>();
  readonly #unopenedSaid = new SaidOnce();
  readonly #kept: KeptRecords<StoredRecord>;

  constructor({ store, clock, log, idle }: { store: Store; clock: Clock; log: Log; idle: number }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#idle = idle;
    this.#kept = new KeptRecords(store, recordPrefix);
  }

  /**
   * The record of a session as it was at the beginning of this turn of the event loop; undefined where the store must be asked.
   * Activity that other processes have written is missing.
   */
  kept(id: string): StoredRecord | undefined {
    return this.#kept.get(id);
  }

  /** The record of a session; at once where the store answers at once. One whose seal does not open cannot be read. */
  read(id: string): MaybePromise<StoredRecord | undefined> {
    try {
      const stored = this.#store.get(recordPrefix + id);
      if (!(stored instanceof Promise)) {
        const found = this.#readOf(id, stored);
        if (found) this.#kept.set(id, found);
        return found;
      }
      return stored.then(
        (value) => this.#keepIfAtHand(id, this.#readOf(id, value)),
        (error: unknown) => this.#unopened(id, error),
      );
    } catch (error) {
      return this.#unopened(id, error);
    }
  }

  /** A record that had to be waited for may be of before a change: kept where the store has it at hand, which it forgets at a change. */
  #keepIfAtHand(id: string, found: StoredRecord | undefined): StoredRecord | undefined {
    if (found && this.#isAtHand(id, found.version)) this.#kept.set(id, found);
    return found;
  }

  #isAtHand(id: string, version: string): boolean {
    try {
      const stored = this.#store.get(recordPrefix + id);
      if (!(stored instanceof Promise)) return stored?.version === version;
      stored.catch(() => undefined);
    } catch {
      // Who asks next is told.
    }
    return false;
  }

  #readOf(id: string, stored: Stored | undefined): StoredRecord | undefined {
    this.#unopenedSaid.forget(id);
    this.#kept.delete(id);
    if (stored) return this.#parse(id, stored);
    this.#parsed.delete(id);
    return undefined;
  }

  /** Not kept: the key may come back, and the record is the same version then. */
  #unopened(id: string, error: unknown): StoredRecord {
    if (!(error instanceof UnopenedEntry)) throw error;
    this.#parsed.delete(id);
    this.#kept.delete(id);
    if (this.#unopenedSaid.isNew(id, error.version))
      this.#log.warn({ session: id, error }, 'a session record cannot be opened; nobody is signed in by it');
    return { record: { kind: 'unreadable' }, version: error.version };
  }

  /**
   * Writes over `version`, or, when undefined, where there is no record; false when it is not so. Every worker hears of an end,
   * and of what else is announced.
   */
  async write(
    id: string,
    version: string | undefined,
    record: LiveRecord | EndedRecord,
    { announced = record.kind === 'ended' } = {},
  ): Promise<boolean> {
    const now = this.#clock.now();
    const endsAt =
      record.kind === 'ended' ? now : Math.min(record.expiresAt, Math.max(record.lastSeenAt, now) + this.#idle);
    this.#kept.delete(id);
    const options = {
      announced,
      held: record.kind === 'ended' && !passing.has(record.reason),
      isFinal: record.kind === 'ended',
    };
    const isWritten = await this.#store.replace(
      recordPrefix + id,
      version,
      printRecord(record),
      endsAt + remembered,
      options,
    );
    // Somebody may have read it while the write was on its way.
    this.#kept.delete(id);
    return isWritten;
  }

  /** All records. */
  async *all(): AsyncGenerator<StoredRecord & { readonly id: string }, void, undefined> {
    for await (const { key, ...stored } of this.#store.list(recordPrefix)) {
      const id = key.slice(recordPrefix.length);
      yield { id, ...this.#parse(id, stored) };
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
    const value = printEntry(this.#clock.now(), record.tenant);
    for (const key of indexKeys(id, record)) await this.#store.put(key, value, record.expiresAt + remembered);
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
      const { at, tenant } = readEntry(value);
      found.push({ id: key.slice(prefix.length), isYoung: this.#clock.now() - at < youth, tenant });
    }
    return found;
  }

  /** The ids of an account's sessions. */
  async ofAccount({ tenant, subject }: Account): Promise<IndexedId[]> {
    return (await this.find(userPrefix(subject))).filter((entry) => entry.tenant === tenant);
  }

  /** Removes an index entry whose session is gone, if the store takes that; else it goes with time. */
  async forget(prefix: string, id: string): Promise<void> {
    await this.#tidy(() => this.#store.delete(prefix + id));
  }

  /** Removes the index of a session that has ended, if the store takes that; the end is none the less. */
  async forgetAll(id: string, record: LiveRecord): Promise<void> {
    await this.#tidy(() => this.unindex(id, record));
  }

  async #tidy(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.debug({ error }, 'what is left in the index of sessions could not be removed');
    }
  }

  #parse(id: string, stored: Stored): StoredRecord {
    const known = this.#parsed.get(id);
    if (known?.version === stored.version) return known;
    const record = parseRecord(stored.value);
    if (record.kind === 'unreadable')
      this.#log.warn({ session: id }, 'a session record cannot be read by this version; nobody is signed in by it');
    const parsed = { record, version: stored.version };
    this.#parsed.delete(id);
    this.#parsed.set(id, parsed);
    const oldest = this.#parsed.size > cachedRecords ? this.#parsed.keys().next().value : undefined;
    if (oldest !== undefined) this.#parsed.delete(oldest);
    return parsed;
  }
}
