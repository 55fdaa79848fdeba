/** Opens the file of the embedded store: makes the folder, keeps others out, checks the contents, names what is wrong. */
import { closeSync, fchmodSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { failedOpen } from './errors.ts';
import { migrate } from './schema.ts';

/** The file inside the configured folder. */
export const databaseFile = 'gatehouse.db';

/** For the opening, in milliseconds; afterwards the store waits by itself, without stopping the process. */
const busyTimeout = 5000;
const busyTimeoutInUse = 10;
const ownerOnly = 0o600;

/** What opening goes by; `onOpen` is the last step of it, with the patience that an opening has. */
export interface OpenOptions {
  readonly log: Log;
  readonly now: number;
  readonly onOpen?: (database: DatabaseSync, path: string) => void;
}

/** An open database in `folder`, its tables up to date. Throws an OperatorError. */
export function openDatabase(folder: string, { log, now, onOpen }: OpenOptions): DatabaseSync {
  const path = join(folder, databaseFile);
  prepareFolder(folder);
  prepareFile(path, log);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeout });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF');
    assertSound(database, path);
    migrate(database, path, now);
    onOpen?.(database, path);
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutInUse}`);
    return database;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw failedOpen(path, error);
  }
}

function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const isInTheWay =
      error instanceof Error && 'code' in error && (error.code === 'EEXIST' || error.code === 'ENOTDIR');
    if (!isInTheWay) throw failedOpen(folder, error);
    throw new OperatorError(
      `the store ${folder} cannot be opened: it, or a folder above it, is a file`,
      'set session.store.path to a folder',
      error,
    );
  }
}

/** Makes a file for its owner only, before SQLite does: it gives the companions of a file that file's mode. */
export function prepareFile(path: string, log: Log): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new OperatorError(
      `the store ${path} cannot be opened: it is a folder`,
      'move it away, or set session.store.path',
    );
  }
  try {
    const file = openSync(path, 'a+', ownerOnly);
    try {
      fchmodSync(file, ownerOnly);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && error.syscall === 'fchmod')) throw failedOpen(path, error);
    log.warn({ path, error }, 'the store belongs to another user, so its mode stays as it is');
  }
}

function assertSound(database: DatabaseSync, path: string): void {
  const found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (found === 'ok') return;
  throw new OperatorError(
    `the store ${path} is damaged: ${String(found)}`,
    'stop every process that uses it, move the file and its -wal and -shm companions away, then start again: users sign in anew',
  );
}
