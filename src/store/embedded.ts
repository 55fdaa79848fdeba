/**
 * A store in one SQLite file, shared by all processes of a machine. WAL with `synchronous = NORMAL`: what was acknowledged
 * survives the end of any process; a power cut may take the last commits, never the file.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { MaybePromise, Store, Stored, StoredEntry } from '../core/store.ts';
import { failedUse, problemOf, StoreError } from './errors.ts';
import { databaseFile, openDatabase } from './open-database.ts';

const pruneEvery = 60_000;
const pruneBatch = 500;
const listPage = 200;
const leaseKey = 'store-lease:prune';

/** How long a statement is tried again while another process holds the file, in milliseconds; and how often, about. */
const maxWait = 5000;
const retryEvery = 20;

// A version is random, lest a key that was deleted and written anew look unchanged to a compare-and-set.
const newVersion = 'lower(hex(randomblob(8)))';
const isLive = '(exp IS NULL OR exp > :now)';

/** The statements, prepared once. */
function prepare(database: DatabaseSync) {
  const statement = (sql: string): StatementSync => database.prepare(sql);
  return {
    // By position: each request asks, and to bind by name costs as much as to look the entry up.
    get: statement('SELECT value, version FROM entries WHERE key = ?1 AND (exp IS NULL OR exp > ?2)'),
    put: statement(`INSERT INTO entries (key, value, version, exp) VALUES (:key, :value, ${newVersion}, :exp)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, exp = excluded.exp`),
    create: statement(`INSERT INTO entries (key, value, version, exp) VALUES (:key, :value, ${newVersion}, :exp)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, exp = excluded.exp
      WHERE entries.exp IS NOT NULL AND entries.exp <= :now`),
    replace: statement(`UPDATE entries SET value = :value, version = ${newVersion}, exp = :exp
      WHERE key = :key AND version = :version AND ${isLive}`),
    take: statement('DELETE FROM entries WHERE key = :key RETURNING value, exp'),
    delete: statement(`DELETE FROM entries WHERE key = :key AND ${isLive}`),
    list: statement(`SELECT key, value, version FROM entries
      WHERE key >= :from AND key < :to AND ${isLive} ORDER BY key LIMIT ${listPage}`),
    // Left to itself SQLite takes the index of keys, and reads each row for its expiry: fifteen times the work.
    count: statement(`SELECT
      (SELECT count(*) FROM entries INDEXED BY entries_exp WHERE exp > :at AND key >= :from AND key < :to) +
      (SELECT count(*) FROM entries INDEXED BY entries_exp WHERE exp IS NULL AND key >= :from AND key < :to) AS count`),
    prune: statement(`DELETE FROM entries WHERE rowid IN
      (SELECT rowid FROM entries WHERE exp IS NOT NULL AND exp <= :now LIMIT ${pruneBatch})`),
  };
}

/** What is done with the statements; another try must do no harm. */
type Work<T> = (statements: ReturnType<typeof prepare>) => T;

/** Keeps entries in `gatehouse.db` in a folder. */
export class EmbeddedStore implements Store {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #pruning: NodeJS.Timeout;
  readonly #holder = randomUUID();

  /** Opens or makes the file. Throws an OperatorError that names the path and what to do. */
  constructor(folder: string, { clock, log }: { clock: Clock; log: Log }) {
    this.#path = join(folder, databaseFile);
    this.#clock = clock;
    this.#log = log;
    this.#database = openDatabase(folder, { log, now: clock.now() });
    this.#statements = prepare(this.#database);
    this.#pruning = setInterval(() => void this.#pruneInTurn(), pruneEvery).unref();
  }

  get(key: string): MaybePromise<Stored | undefined> {
    return this.#read(({ get }) => {
      const row = get.get(key, this.#clock.now());
      return row && { value: String(row.value), version: String(row.version) };
    });
  }

  async put(key: string, value: string, expiresAt?: number): Promise<void> {
    await this.#run(({ put }) => put.run({ key, value, exp: toColumn(expiresAt) }));
  }

  async replace(key: string, version: string | undefined, value: string, expiresAt?: number): Promise<boolean> {
    const row = { key, value, exp: toColumn(expiresAt), now: this.#clock.now() };
    const result = await this.#run(({ create, replace }) =>
      version === undefined ? create.run(row) : replace.run({ ...row, version }),
    );
    return result.changes > 0;
  }

  async take(key: string): Promise<string | undefined> {
    const row = await this.#run(({ take }) => take.get({ key }));
    if (!row || (row.exp !== null && Number(row.exp) <= this.#clock.now())) return undefined;
    return String(row.value);
  }

  async delete(key: string): Promise<boolean> {
    const { changes } = await this.#run((statements) => statements.delete.run({ key, now: this.#clock.now() }));
    return changes > 0;
  }

  /** Reads page by page and lets others have their turn in between; no transaction stays open. */
  async *list(prefix: string): AsyncGenerator<StoredEntry, void, undefined> {
    let from = prefix;
    for (;;) {
      const rows = await this.#run(({ list }) => list.all({ from, to: endOf(prefix), now: this.#clock.now() }));
      for (const row of rows) {
        const key = String(row.key);
        yield { key, value: String(row.value), version: String(row.version) };
        from = `${key}\0`;
      }
      if (rows.length < listPage) return;
      await nextTurn();
    }
  }

  count(prefix: string, at: number): MaybePromise<number> {
    return this.#read(({ count }) => Number(count.get({ from: prefix, to: endOf(prefix), at })?.count));
  }

  async close(): Promise<void> {
    clearInterval(this.#pruning);
    if (this.#database.isOpen) this.#database.close();
  }

  /** Removes what has expired, in batches; how many entries. */
  async prune(): Promise<number> {
    let pruned = 0;
    while (this.#database.isOpen) {
      const { changes } = await this.#run(({ prune }) => prune.run({ now: this.#clock.now() }));
      pruned += Number(changes);
      if (changes < pruneBatch) break;
      await nextTurn();
    }
    return pruned;
  }

  /** Takes or keeps the lease on pruning: of all processes one does the work, and another follows when it is gone. */
  async holdsLease(): Promise<boolean> {
    const lease = await this.get(leaseKey);
    if (lease && lease.value !== this.#holder) return false;
    return this.replace(leaseKey, lease?.version, this.#holder, this.#clock.now() + 2.5 * pruneEvery);
  }

  async #pruneInTurn(): Promise<void> {
    try {
      if (!(await this.holdsLease())) return;
      const pruned = await this.prune();
      if (pruned > 0) this.#log.debug({ pruned }, 'expired entries left the store');
    } catch (error) {
      this.#log.warn({ path: this.#path, error }, 'expired entries could not be removed from the store');
    }
  }

  /** Answers at once: writers do not stop readers. Only after a crash of another process is there something to wait for. */
  #read<T>(work: Work<T>): MaybePromise<T> {
    const tried = this.#try(work);
    return tried.isDone ? tried.result : this.#run(work);
  }

  /** SQLite's own wait would stop every request of this process with it: here the others go on. */
  async #run<T>(work: Work<T>): Promise<T> {
    const end = performance.now() + maxWait;
    for (;;) {
      const tried = this.#try(work);
      if (tried.isDone) return tried.result;
      if (performance.now() > end) throw failedUse(this.#path, tried.error);
      await delay(retryEvery * (0.5 + Math.random()));
    }
  }

  /** Not done while another process holds the file; throws for whatever else stands in the way. */
  #try<T>(
    work: Work<T>,
  ): { readonly isDone: true; readonly result: T } | { readonly isDone: false; readonly error: unknown } {
    if (!this.#database.isOpen) throw new StoreError('closed', `store ${this.#path}: it is closed`);
    try {
      return { isDone: true, result: work(this.#statements) };
    } catch (error) {
      if (problemOf(error) !== 'busy') throw failedUse(this.#path, error);
      return { isDone: false, error };
    }
  }
}

/** The first text after all keys of a prefix: the last code point, which Unicode leaves without a sign, is in none of them. */
function endOf(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

/** Whole milliseconds: a fraction would be stored as text or real. */
function toColumn(expiresAt: number | undefined): number | null {
  if (expiresAt === undefined || expiresAt === Number.POSITIVE_INFINITY) return null;
  return Math.min(Math.ceil(expiresAt), Number.MAX_SAFE_INTEGER);
}
