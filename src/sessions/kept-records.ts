/**
 * Records of busy sessions, kept in this process for as long as the store's journal says nothing of them. The journal is asked
 * once in a turn of the event loop, so that an end that another process has announced counts at the next turn.
 */
import type { Store } from '../core/store.ts';

const maxKept = 10_000;

/** Kept records by the id of their session. */
export class KeptRecords<Kept> {
  readonly #store: Pick<Store, 'changes'>;
  readonly #prefix: string;
  readonly #kept = new Map<string, Kept>();
  /** Where the journal has been read to; undefined as long as nothing may be kept. */
  #place: string | undefined;
  #isAsked = false;

  /** `prefix` is that of the records' keys. */
  constructor(store: Pick<Store, 'changes'>, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** A record that has not been announced since it was read; undefined where the store must be asked. Throws as the store does. */
  get(id: string): Kept | undefined {
    if (!this.#isAsked) this.#ask();
    return this.#kept.get(id);
  }

  /** Keeps a record that the store has given at this very moment: one that had to be waited for may be of before a change. */
  set(id: string, record: Kept): void {
    if (this.#place === undefined) return;
    this.#kept.delete(id);
    this.#kept.set(id, record);
    const oldest = this.#kept.size > maxKept ? this.#kept.keys().next().value : undefined;
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  delete(id: string): void {
    this.#kept.delete(id);
  }

  #ask(): void {
    let changes: ReturnType<Store['changes']>;
    try {
      changes = this.#store.changes(this.#place);
    } catch (error) {
      this.#clear();
      throw error;
    }
    // A store that has to be waited for is asked each time.
    if (changes instanceof Promise) {
      changes.catch(() => undefined);
      this.#clear();
      return;
    }
    this.#place = changes.place;
    if (!changes.isWhole) this.#kept.clear();
    for (const key of changes.keys) if (key.startsWith(this.#prefix)) this.#kept.delete(key.slice(this.#prefix.length));
    this.#isAsked = true;
    setImmediate(() => {
      this.#isAsked = false;
    });
  }

  #clear(): void {
    this.#place = undefined;
    this.#kept.clear();
  }
}
