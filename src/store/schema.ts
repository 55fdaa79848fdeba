/** The tables of the embedded store, as numbered steps: a file of an older version is brought up, a newer one is refused. */
import type { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../core/errors.ts';

/** Step N brings a file from version N to N + 1. A step that has been released is never edited. */
const steps: readonly string[] = [
  `CREATE TABLE entries (
     key TEXT NOT NULL PRIMARY KEY,
     value TEXT NOT NULL,
     version TEXT NOT NULL,
     exp INTEGER
   );
   CREATE INDEX entries_exp ON entries (exp) WHERE exp IS NOT NULL;`,
  // With the key, so that a count reads the index alone.
  'DROP INDEX entries_exp; CREATE INDEX entries_exp ON entries (exp, key);',
  // AUTOINCREMENT: a number is never given twice, so a place stays true after the journal's beginning was removed.
  'CREATE TABLE changed (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at INTEGER NOT NULL);',
];

/** Brings the tables to this program's version; several processes may do so at once. */
export function migrate(database: DatabaseSync, path: string, now: number): void {
  assertKnown(database, path);
  if (versionOf(database) === steps.length) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL)');
    const version = versionOf(database);
    const record = database.prepare('INSERT INTO migrations (version, applied) VALUES (?, ?)');
    steps.slice(version).forEach((step, index) => {
      database.exec(step);
      record.run(version + index + 1, now);
    });
    database.exec('COMMIT');
  } catch (error) {
    // SQLite has already rolled back by itself after a full disk, for one.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Throws an OperatorError for a file of a later version. */
export function assertKnown(database: DatabaseSync, path: string): void {
  const version = versionOf(database);
  if (version > steps.length) throw tooNew(path, version);
}

function versionOf(database: DatabaseSync): number {
  const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'").get();
  if (!table) return 0;
  return Number(database.prepare('SELECT COALESCE(MAX(version), 0) AS version FROM migrations').get()?.version);
}

function tooNew(path: string, version: number): OperatorError {
  return new OperatorError(
    `the store ${path} was written by a later version (its tables are version ${version}, this program knows ${steps.length})`,
    'start the later version again, or set session.store.path to another folder: users then sign in anew',
  );
}
