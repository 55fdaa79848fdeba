/** The contract of every store: small enough for memory, an embedded file and Redis alike. */
import type { MaybePromise } from './maybe-promise.ts';

/** A live value; `version` changes with every write of the key. */
export interface Stored {
  readonly value: string;
  readonly version: string;
}

/** A key and its live value. */
export interface StoredEntry extends Stored {
  readonly key: string;
}

/** How a write is to be treated. */
export interface WriteOptions {
  /** It stands in the journal. */
  readonly announced?: boolean;
  /** Where the store takes nothing, it is held beside it and counts from then on: for what must not come back to life. */
  readonly held?: boolean;
  /** Nothing is ever written over it: where a failover may have lost it, it is written again. */
  readonly isFinal?: boolean;
}

/** A store that does not answer at the moment. */
export interface StoreOutage {
  /** Which store, and what is wrong with it, in an operator's words. */
  readonly message: string;
  /** For how many milliseconds more sessions go on that this process has seen; 0 where they do not. */
  readonly goesOn: number;
}

/** What was announced since a place in the store's journal. */
export interface Changes {
  /** In the order of the writes; a key as often as it was announced. */
  readonly keys: readonly string[];
  /** Where to go on the next time. */
  readonly place: string;
  /** False where the journal does not reach back to the place: any key may have changed. */
  readonly isWhole: boolean;
}

/**
 * Keeps strings under keys until they expire or are deleted.
 *
 * Keys are `<kind>:<name>`, such as `session:…`; names hold no colon of their own unless a list by prefix is wanted.
 * `expiresAt` is in milliseconds since the epoch; an expired value is never given out. Every method may throw when the
 * store is out of reach, full or read-only: callers treat that as unavailable, never as absent. A method that answers at
 * once may throw at once, too.
 */
export interface Store {
  /** Answers at once where the value is in this process or in a file of this machine, and then reads what holds now. */
  get(key: string): MaybePromise<Stored | undefined>;
  /** Writes whatever was there before; without `expiresAt` the value stays until deleted. */
  put(key: string, value: string, expiresAt?: number): Promise<void>;
  /**
   * Compare-and-set: writes only if the live version is `version`, or, when undefined, if there is no live value. What is
   * announced stands in the journal from the same step on, for every process of the store.
   */
  replace(
    key: string,
    version: string | undefined,
    value: string,
    expiresAt?: number,
    options?: WriteOptions,
  ): Promise<boolean>;
  /** Removes and returns in one atomic step: of two callers one gets the value. For everything that is one-time. */
  take(key: string): Promise<string | undefined>;
  /** True when there was a live value. */
  delete(key: string): Promise<boolean>;
  /** Live entries whose key begins with `prefix`, in no order. */
  list(prefix: string): AsyncIterable<StoredEntry>;
  /** How many entries with this prefix are still live at a moment, now or later; without reading any of them. */
  count(prefix: string, at: number): MaybePromise<number>;
  /** What was announced after a place that this store gave out; without one no keys, and the journal's end as the place. */
  changes(after?: string): MaybePromise<Changes>;
  /** How many writes are held and wait for the store to take them. */
  waiting(): number;
  /** Set while the store is elsewhere and does not answer; each use of it tells the same by failing. */
  outage(): StoreOutage | undefined;
  close(): Promise<void>;
}
