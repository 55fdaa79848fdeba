/**
 * A store whose secrets are sealed: signing and form keys, logins under way, saved forms, what providers keep of a session. Who
 * uses it sees clear text only; the place in the store is part of what is sealed, so that nothing can be moved.
 */
import { Failure } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import { SaidOnce } from '../core/said-once.ts';
import type { Sealer } from '../core/seal.ts';
import type { Changes, Store, Stored, StoredEntry, StoreOutage, WriteOptions } from '../core/store.ts';
import { kindOf } from './entry-kinds.ts';
import { storeFailure, UnopenedEntry } from './errors.ts';
import { changeSecret, mayHoldSecret } from './secret-parts.ts';

/** Opened values that are kept: a session is read with each of its requests. */
const keptOpen = 10_000;

/** Seals before another store writes, and opens what it has read. */
export class SealedStore implements Store {
  readonly #store: Store;
  readonly #sealer: Sealer;
  readonly #log: Log;
  readonly #open = new Map<string, Stored>();
  readonly #leftOut = new SaidOnce();

  constructor(store: Store, { sealer, log }: { sealer: Sealer; log: Log }) {
    this.#store = store;
    this.#sealer = sealer;
    this.#log = log;
  }

  get(key: string): MaybePromise<Stored | undefined> {
    return andThen(this.#store.get(key), (stored) => this.#opened(key, stored));
  }

  put(key: string, value: string, expiresAt?: number): Promise<void> {
    return this.#store.put(key, this.#sealed(key, value), expiresAt);
  }

  replace(
    key: string,
    version: string | undefined,
    value: string,
    ...rest: [expiresAt?: number, options?: WriteOptions]
  ): Promise<boolean> {
    return this.#store.replace(key, version, this.#sealed(key, value), ...rest);
  }

  async take(key: string): Promise<string | undefined> {
    const value = await this.#store.take(key);
    return value === undefined ? undefined : this.#clear(key, value);
  }

  delete(key: string): Promise<boolean> {
    return this.#store.delete(key);
  }

  /** Leaves out what cannot be opened, and says so: one such entry must not hide the others. */
  async *list(prefix: string): AsyncGenerator<StoredEntry, void, undefined> {
    for await (const entry of this.#store.list(prefix)) {
      try {
        yield { ...entry, value: this.#clear(entry.key, entry.value) };
      } catch (error) {
        if (this.#leftOut.isNew(entry.key, entry.value))
          this.#log.warn({ error }, 'an entry of the store cannot be opened and is left out');
      }
    }
  }

  count(prefix: string, at: number): MaybePromise<number> {
    return this.#store.count(prefix, at);
  }

  changes(after?: string): MaybePromise<Changes> {
    return this.#store.changes(after);
  }

  waiting(): number {
    return this.#store.waiting();
  }

  outage(): StoreOutage | undefined {
    return this.#store.outage();
  }

  async close(): Promise<void> {
    this.#open.clear();
    await this.#store.close();
  }

  #opened(key: string, stored: Stored | undefined): Stored | undefined {
    if (!stored || !mayHoldSecret(key, stored.value)) return stored;
    const known = this.#open.get(key);
    if (known?.version === stored.version) return known;
    const opened = { value: this.#clearAt(key, stored), version: stored.version };
    this.#open.delete(key);
    this.#open.set(key, opened);
    const oldest = this.#open.size > keptOpen ? this.#open.keys().next().value : undefined;
    if (oldest !== undefined) this.#open.delete(oldest);
    return opened;
  }

  #clearAt(key: string, { value, version }: Stored): string {
    try {
      return this.#clear(key, value);
    } catch (error) {
      throw error instanceof Failure ? new UnopenedEntry(version, error) : error;
    }
  }

  #sealed(key: string, value: string): string {
    if (!mayHoldSecret(key, value)) return value;
    return changeSecret(key, value, (secret) => this.#sealer.seal(secret, key));
  }

  /** What another process has written in clear, one of an earlier version beside this one, is read as it is. */
  #clear(key: string, value: string): string {
    if (!mayHoldSecret(key, value)) return value;
    return changeSecret(key, value, (secret) => {
      const opened = this.#sealer.open(secret, key);
      if (opened.kind === 'clear') return undefined;
      if (opened.kind === 'opened') return opened.text;
      const why =
        opened.kind === 'altered' ? 'was changed since it was sealed' : 'is sealed by a key that is not at hand';
      throw storeFailure(
        'sealed',
        `store: an entry of kind ${kindOf(key)} ${why} (key ${opened.id}); bring the file of session.store.sealKey or a backup back, or begin anew with gatehouse serve --forget-sealed`,
      );
    });
  }
}
