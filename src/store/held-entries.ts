/**
 * A small file beside the store, with room of its own: what must not be lost is held there while the store takes nothing, as on
 * a full disk. It is made at its full size, so that a write into it needs no room that the disk may not have.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Log } from '../core/log.ts';
import { prepareFile } from './open-database.ts';

/** The file inside the store's folder. */
export const heldFile = 'gatehouse-held.db';

/** Room for some four thousand ends of sessions. */
const rooms = 400;
const roomBytes = 4000;
/** Pages that a write may change at once: so much its journal has room for. */
const journalRooms = 40;
const busyTimeout = 5000;
const busyTimeoutInUse = 1000;
/** Where in the file the commits are counted (https://sqlite.org/fileformat2.html, 1.3.7). */
const commitCounter = 24;

/** What is held of an entry. */
export interface HeldEntry {
  readonly value: string;
  /** How long it is to stay once the store has taken it, in milliseconds. */
  readonly lasts: number;
  /** Counts up over all entries ever held. */
  readonly seq: number;
}

/** What is held for the store in a folder, key and value; read once, for a copy of the store. */
export function readHeld(folder: string): readonly { readonly key: string; readonly value: string }[] {
  const path = join(folder, heldFile);
  if (!existsSync(path)) return [];
  const database = new DatabaseSync(path, { timeout: busyTimeout });
  try {
    const rows = database.prepare('SELECT key, value FROM held ORDER BY seq').all();
    return rows.map(({ key, value }) => ({ key: String(key), value: String(value) }));
  } finally {
    database.close();
  }
}

/** The entries held for a store, by every process of it. */
export class HeldEntries {
  readonly #database: DatabaseSync;
  readonly #hold: StatementSync;
  readonly #drop: StatementSync;
  readonly #all: StatementSync;
  /** Open for as long as the database: to close it would take the locks of this process from the file. */
  readonly #file: number;
  readonly #counter = Buffer.alloc(4);
  #entries = new Map<string, HeldEntry>();
  #seen = -1;

  /** Opens the file, or makes it with all its room; throws where there is none. */
  constructor(folder: string, log: Log) {
    const path = join(folder, heldFile);
    prepareFile(path, log);
    const database = new DatabaseSync(path, { timeout: busyTimeout });
    try {
      // The journal of PERSIST keeps its blocks; FULL: what is held is on the disk before anybody is told.
      database.exec('PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY');
      makeRoom(database);
      this.#hold = database.prepare('INSERT INTO held (key, value, lasts) VALUES (?, ?, ?) RETURNING seq');
      this.#drop = database.prepare('DELETE FROM held WHERE seq = ?');
      this.#all = database.prepare('SELECT seq, key, value, lasts FROM held ORDER BY seq');
      this.#file = openSync(path, 'r');
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutInUse}`);
    } catch (error) {
      database.close();
      throw error;
    }
    this.#database = database;
    this.refresh();
  }

  /** By key, as it was at the last refresh and with what this process has held since. */
  get entries(): ReadonlyMap<string, HeldEntry> {
    return this.#entries;
  }

  /** Throws where even this file has no room. */
  hold(key: string, value: string, lasts: number): void {
    const seq = Number(this.#hold.get(key, value, lasts)?.seq);
    this.#entries.set(key, { value, lasts, seq });
  }

  /** The store has taken it. */
  drop(key: string): void {
    const held = this.#entries.get(key);
    if (!held) return;
    this.#drop.run(held.seq);
    this.#entries.delete(key);
  }

  /**
   * Sees what other processes have held and dropped. SQLite counts its commits in the file's header: to look there takes no
   * lock and a tenth of the time of asking.
   */
  refresh(): void {
    readSync(this.#file, this.#counter, 0, 4, commitCounter);
    const counter = this.#counter.readUInt32BE();
    if (counter === this.#seen) return;
    const rows = this.#all.all();
    this.#entries = new Map(
      rows.map(({ seq, key, value, lasts }) => [
        String(key),
        { value: String(value), lasts: Number(lasts), seq: Number(seq) },
      ]),
    );
    this.#seen = counter;
  }

  close(): void {
    if (!this.#database.isOpen) return;
    this.#database.close();
    closeSync(this.#file);
  }
}

/** Takes the room and frees it inside the file: pages that are free in it belong to it. A start that was killed is followed up. */
function makeRoom(database: DatabaseSync): void {
  const has = (sql: string): boolean => database.prepare(sql).get() !== undefined;
  const isMade = (): boolean => has("SELECT 1 FROM sqlite_schema WHERE name = 'held'");
  if (!isMade()) {
    database.exec('BEGIN IMMEDIATE');
    try {
      // Another process may have made it while this one waited.
      if (!isMade()) takeRoom(database);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
  // What is changed stands in the journal first, and the journal keeps its size.
  if (has('SELECT 1 FROM room LIMIT 1'))
    database.exec(
      `UPDATE room SET filling = randomblob(${roomBytes}) WHERE rowid <= ${journalRooms}; DELETE FROM room`,
    );
}

function takeRoom(database: DatabaseSync): void {
  database.exec(`CREATE TABLE held (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, value TEXT NOT NULL, lasts INTEGER NOT NULL);
    CREATE TABLE room (filling BLOB)`);
  const fill = database.prepare(`INSERT INTO room VALUES (randomblob(${roomBytes}))`);
  for (let room = 0; room < rooms; room++) fill.run();
}
