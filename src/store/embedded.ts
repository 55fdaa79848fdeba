/**
 * A store in one SQLite file, shared by all processes of a machine. WAL with `synchronous = NORMAL`: what was acknowledged
 * survives the end of any process; a power cut may take the last commits, never the file.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { Changes, Store, Stored, StoredEntry } from '../core/store.ts';
import { failedUse, problemOf, storeFailure } from './errors.ts';
import { databaseFile, type OpenOptions, openDatabase } from './open-database.ts';
import { endOf, listPage, prepare, pruneBatch, type Statements, toColumn } from './statements.ts';
import { TurnWrites } from './turn-writes.ts';

const pruneEvery = 60_000;
/** How long an announcement stays: longer than any process is kept from asking. */
const journalKept = 10 * 60_000;
const leaseKey = 'store-lease:prune';

/** How long a statement is tried again while another process holds the file, in milliseconds; and how often, about. */
const maxWait = 5000;
const retryEvery = 20;

/** What is done with the statements; another try must do no harm. */
type Work<T> = (statements: Statements) => T;

/** Keeps entries in `gatehouse.db` in a folder. */
export class EmbeddedStore implements Store {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #pruning: NodeJS.Timeout;
  readonly #holder = randomUUID();
  readonly #writes = new TurnWrites<Statements>(
    (work) => this.#run(work),
    (work) => this.#together(work),
  );

  /** Opens or makes the file. Throws an OperatorError that names the path and what to do. */
  constructor(folder: string, { clock, log, onOpen }: { clock: Clock } & Omit<OpenOptions, 'now'>) {
    this.#path = join(folder, databaseFile);
    this.#clock = clock;
    this.#log = log;
    this.#database = openDatabase(folder, { log, now: clock.now(), ...(onOpen && { onOpen }) });
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
    await this.#writes.add(({ put }) => put.run({ key, value, exp: toColumn(expiresAt) }));
  }

  async replace(
    key: string,
    version: string | undefined,
    value: string,
    expiresAt?: number,
    { announced = false } = {},
  ): Promise<boolean> {
    const row = { key, value, exp: toColumn(expiresAt), now: this.#clock.now() };
    const write = ({ create, replace }: Statements): boolean =>
      (version === undefined ? create.run(row) : replace.run({ ...row, version })).changes > 0;
    if (!announced) return this.#writes.add(write);
    return this.#writes.add((statements) =>
      this.#together(() => {
        const isWritten = write(statements);
        if (isWritten) statements.announce.run({ key, now: row.now });
        return isWritten;
      }),
    );
  }

  async take(key: string): Promise<string | undefined> {
    const row = await this.#writes.add(({ take }) => take.get({ key }));
    if (!row || (row.exp !== null && Number(row.exp) <= this.#clock.now())) return undefined;
    return String(row.value);
  }

  async delete(key: string): Promise<boolean> {
    const { changes } = await this.#writes.add((statements) => statements.delete.run({ key, now: this.#clock.now() }));
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

  changes(after?: string): MaybePromise<Changes> {
    return this.#read(({ changed, lastChange }) => {
      if (after === undefined) return { keys: [], place: String(lastChange.get()?.seq), isWhole: true };
      const rows = changed.all(Number(after));
      const [first, last] = [rows.at(0), rows.at(-1)];
      const isWhole = first === undefined || Number(first.seq) === Number(after) + 1;
      return { keys: rows.map(({ key }) => String(key)), place: last ? String(last.seq) : after, isWhole };
    });
  }

  waiting(): number {
    return 0;
  }

  outage(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    clearInterval(this.#pruning);
    await this.#writes.settled();
    if (this.#database.isOpen) this.#database.close();
  }

  /** Removes what has expired, in batches; how many entries. */
  async prune(): Promise<number> {
    let pruned = 0;
    await this.#run(({ pruneJournal }) => pruneJournal.run({ before: this.#clock.now() - journalKept }));
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

  /** All of it or nothing, and for others in one step; within another that is so already. */
  #together<T>(work: () => T): T {
    if (this.#database.isTransaction) return work();
    const { begin, commit, rollback } = this.#statements;
    begin.run();
    try {
      const result = work();
      commit.run();
      return result;
    } catch (error) {
      // SQLite has already rolled back by itself after a full disk, for one.
      if (this.#database.isTransaction) rollback.run();
      throw error;
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
    if (!this.#database.isOpen) throw storeFailure('closed', `store ${this.#path}: it is closed`);
    try {
      return { isDone: true, result: work(this.#statements) };
    } catch (error) {
      if (problemOf(error) !== 'busy') throw failedUse(this.#path, error);
      return { isDone: false, error };
    }
  }
}
