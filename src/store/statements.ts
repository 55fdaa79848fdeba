/** What the embedded store says to SQLite. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** How many entries a list reads at a time. */
export const listPage = 200;
/** How many expired entries leave at a time. */
export const pruneBatch = 500;

// A version is random, lest a key that was deleted and written anew look unchanged to a compare-and-set.
const newVersion = 'lower(hex(randomblob(8)))';
const isLive = '(exp IS NULL OR exp > :now)';

/** Prepares all of them; once for a database. */
export function prepare(database: DatabaseSync) {
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
    announce: statement('INSERT INTO changed (key, at) VALUES (:key, :now)'),
    changed: statement('SELECT seq, key FROM changed WHERE seq > ?1 ORDER BY seq'),
    lastChange: statement('SELECT COALESCE(MAX(seq), 0) AS seq FROM changed'),
    // The last one stays, so that the journal's end is known.
    pruneJournal: statement('DELETE FROM changed WHERE at <= :before AND seq < (SELECT MAX(seq) FROM changed)'),
    begin: statement('BEGIN IMMEDIATE'),
    commit: statement('COMMIT'),
    rollback: statement('ROLLBACK'),
    prune: statement(`DELETE FROM entries WHERE rowid IN
      (SELECT rowid FROM entries WHERE exp IS NOT NULL AND exp <= :now LIMIT ${pruneBatch})`),
  };
}

/** The statements of one database. */
export type Statements = ReturnType<typeof prepare>;

/** The first text after all keys of a prefix: the last code point, which Unicode leaves without a sign, is in none of them. */
export function endOf(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

/** The column of an expiry. Whole milliseconds: a fraction would be stored as text or real. */
export function toColumn(expiresAt: number | undefined): number | null {
  if (expiresAt === undefined || expiresAt === Number.POSITIVE_INFINITY) return null;
  return Math.min(Math.ceil(expiresAt), Number.MAX_SAFE_INTEGER);
}
