/**
 * A store whose ends of sessions hold although it takes nothing: they are held beside it, count at once for every process of the
 * machine, and are written when it takes them again.
 */
import type { Clock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Changes, Store, Stored, StoredEntry, StoreOutage, WriteOptions } from '../core/store.ts';
import { UnopenedEntry } from './errors.ts';
import { HeldEntries, type HeldEntry } from './held-entries.ts';

const flushEvery = 1000;
/** What stays once the store has taken it, where no end was named. */
const longest = 10 * 365 * 86_400_000;
const nothing: ReadonlyMap<string, HeldEntry> = new Map();

/** Holds what must be held, and passes everything on to another store. */
export class HoldingStore implements Store {
  readonly #store: Store;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #flushing: NodeJS.Timeout;
  #held: HeldEntries | undefined;
  #isFlushing = false;

  constructor(store: Store, { folder, clock, log }: { folder: string; clock: Clock; log: Log }) {
    this.#store = store;
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
    this.#open();
    this.#flushing = setInterval(() => void this.#flush(), flushEvery).unref();
  }

  get(key: string): MaybePromise<Stored | undefined> {
    const held = this.#entries.get(key);
    return held ? { value: held.value, version: versionOf(held) } : this.#store.get(key);
  }

  put(key: string, value: string, expiresAt?: number): Promise<void> {
    return this.#store.put(key, value, expiresAt);
  }

  async replace(
    key: string,
    version: string | undefined,
    value: string,
    expiresAt?: number,
    options: WriteOptions = {},
  ): Promise<boolean> {
    // What is held is an end, and an end is final.
    if (this.#entries.has(key)) return false;
    try {
      return await this.#store.replace(key, version, value, expiresAt, options);
    } catch (error) {
      if (!options.held || (error instanceof Failure && error.answer === 'closed')) throw error;
      return this.#hold({ key, version, value, expiresAt }, error);
    }
  }

  take(key: string): Promise<string | undefined> {
    return this.#store.take(key);
  }

  delete(key: string): Promise<boolean> {
    return this.#store.delete(key);
  }

  async *list(prefix: string): AsyncGenerator<StoredEntry, void, undefined> {
    for await (const entry of this.#store.list(prefix)) {
      const held = this.#entries.get(entry.key);
      yield held ? { key: entry.key, value: held.value, version: versionOf(held) } : entry;
    }
  }

  /** What is held takes the place of an entry that would last longer. */
  count(prefix: string, at: number): MaybePromise<number> {
    const over = [...this.#entries].filter(
      ([key, { lasts }]) => key.startsWith(prefix) && this.#clock.now() + lasts <= at,
    );
    return andThen(this.#store.count(prefix, at), (count) => Math.max(0, count - over.length));
  }

  /** Names what any process holds as well; a place is that of the store and the number of the last that was held. */
  changes(after?: string): MaybePromise<Changes> {
    this.#held?.refresh();
    const [place, seq = 0] = after?.split(' ') ?? [];
    const entries = [...this.#entries];
    const last = entries.reduce((highest, [, held]) => Math.max(highest, held.seq), Number(seq));
    const keys = after === undefined ? [] : entries.filter(([, held]) => held.seq > Number(seq)).map(([key]) => key);
    return andThen(this.#store.changes(place), (changes) => ({
      ...changes,
      keys: keys.length === 0 ? changes.keys : [...changes.keys, ...keys],
      place: `${changes.place} ${last}`,
    }));
  }

  waiting(): number {
    return this.#entries.size + this.#store.waiting();
  }

  outage(): StoreOutage | undefined {
    return this.#store.outage();
  }

  async close(): Promise<void> {
    clearInterval(this.#flushing);
    await this.#flush();
    await this.#store.close();
    this.#held?.close();
    this.#held = undefined;
  }

  get #entries(): ReadonlyMap<string, HeldEntry> {
    return this.#held?.entries ?? nothing;
  }

  /** Where the version is still the one that was read; where that cannot be asked, too: an end must not wait for it. */
  async #hold(
    write: { key: string; version: string | undefined; value: string; expiresAt: number | undefined },
    cause: unknown,
  ) {
    const { key, version, value, expiresAt } = write;
    const isSame = await this.#isStill(key, version);
    if (!isSame) return false;
    this.#open();
    try {
      if (!this.#held) throw cause;
      this.#held.hold(key, value, expiresAt === undefined ? longest : Math.max(0, expiresAt - this.#clock.now()));
    } catch (error) {
      this.#log.error(
        { error },
        'the store takes nothing, and what must not be lost could not be held beside it either',
      );
      throw cause;
    }
    if (this.#entries.size === 1)
      this.#log.warn({ error: cause }, 'the store takes nothing: ends of sessions are held beside it, and count');
    return true;
  }

  async #isStill(key: string, version: string | undefined): Promise<boolean> {
    try {
      return (await this.#versionAt(key)) === version;
    } catch {
      return true;
    }
  }

  /** One that cannot be opened can be ended: it must not keep the others waiting. */
  async #versionAt(key: string): Promise<string | undefined> {
    try {
      return (await this.#store.get(key))?.version;
    } catch (error) {
      if (error instanceof UnopenedEntry) return error.version;
      throw error;
    }
  }

  /** A disk that is full when this is made has no room to hold anything: it is tried again. */
  #open(): void {
    if (this.#held) return;
    try {
      this.#held = new HeldEntries(this.#folder, this.#log);
    } catch (error) {
      this.#log.warn(
        { folder: this.#folder, error },
        'there is no room beside the store for ends that it would not take',
      );
    }
  }

  async #flush(): Promise<void> {
    if (this.#isFlushing || this.#entries.size === 0) return;
    this.#isFlushing = true;
    try {
      const count = this.#entries.size;
      for (const [key, held] of [...this.#entries]) await this.#writeHeld(key, held);
      this.#log.info({ count }, 'what was held beside the store has been written to it');
    } catch (error) {
      this.#log.debug({ error, waiting: this.#entries.size }, 'the store does not take what is held beside it yet');
    } finally {
      this.#isFlushing = false;
    }
  }

  /** Over whatever is there: an end is final. */
  async #writeHeld(key: string, { value, lasts }: HeldEntry): Promise<void> {
    const until = this.#clock.now() + lasts;
    for (;;) {
      const version = await this.#versionAt(key);
      if (await this.#store.replace(key, version, value, until, { announced: true })) break;
    }
    this.#held?.drop(key);
  }
}

function versionOf({ seq }: HeldEntry): string {
  return `held ${seq}`;
}
