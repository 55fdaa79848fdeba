/** Brings a backup back into a store that no gateway has open. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Secret } from '../core/secret.ts';
import { hasKeys, keysIn, openBackup } from './backup.ts';
import { entryKinds, kindOf } from './entry-kinds.ts';
import { problemOf } from './errors.ts';
import { type EmbeddedOptions, sealKeyFile } from './index.ts';
import { openDatabase } from './open-database.ts';
import { adoptSealKeys } from './seal-keys.ts';
import { missingKeys, sealDatabase } from './sealing.ts';
import { endOf } from './statements.ts';

/** How many entries by label. */
export type EntryCounts = ReadonlyMap<string, number>;

/** What a restore came to. */
interface Restoration {
  readonly restored: EntryCounts;
  /** In the backup, and not brought back. */
  readonly left: EntryCounts;
  /** Sessions of the backup that the present store knows as ended. */
  readonly ended: number;
  /** API tokens by name: those that let programs in again, and those that the present store knows as ended. */
  readonly tokens: { readonly restored: readonly string[]; readonly ended: readonly string[] };
}

/** How to restore. */
interface RestoreOptions {
  readonly file: string;
  /** Sessions and logins under way, too. */
  readonly keepSessions: boolean;
  /** Of the keys in the backup; needed where `wantsPassphrase` says so. */
  readonly passphrase?: Secret | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

type Row = Record<string, SQLOutputValue>;

/** Whether a backup brings the keys that the store lacks, so that their passphrase has to be asked for. */
export function wantsPassphrase(options: EmbeddedOptions, file: string): boolean {
  const backup = openBackup(file);
  try {
    return hasKeys(backup) && missingKeys(backup, sealKeyFile(options)).length > 0;
  } finally {
    backup.close();
  }
}

/**
 * Restores all or nothing. What the present store knows of one-time things and of lock-outs stays; of the rest the backup's
 * takes its place. Throws an OperatorError where a gateway has the store open, or a key is missing.
 */
export function restoreStore(options: EmbeddedOptions, how: RestoreOptions): Restoration {
  const { file, keepSessions, passphrase, clock, log } = how;
  const keyFile = sealKeyFile(options);
  const backup = openBackup(file);
  try {
    const rows = backup.prepare('SELECT key, value, version, exp FROM entries').all();
    const missing = missingKeys(backup, keyFile);
    const keys = missing.length > 0 ? keysIn(backup, passphrase) : undefined;
    if (missing.length > 0 && keys === undefined) throw wantsKeys(file, keyFile, missing);
    let restoration: Restoration | undefined;
    const onOpen = (database: DatabaseSync, path: string): void => {
      withoutOthers(database, path, () => {
        if (keys !== undefined) adoptSealKeys(keyFile, keys);
        sealDatabase(database, path, { file: keyFile, log });
        restoration = replaceEntries(database, rows, keepSessions);
        sealDatabase(database, path, { file: keyFile, log });
      });
    };
    openDatabase(options.path, { log, now: clock.now(), onOpen }).close();
    if (!restoration) throw new Error('the store was opened and nothing was restored');
    return restoration;
  } finally {
    backup.close();
  }
}

/**
 * Works on a store that nobody else has open, and throws an OperatorError where somebody has: leaving the write-ahead log wants that,
 * and the lock keeps others out until it is over.
 */
export function withoutOthers(database: DatabaseSync, path: string, work: () => void): void {
  try {
    database.exec('PRAGMA busy_timeout = 500; PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE');
    database.exec('BEGIN EXCLUSIVE; COMMIT');
  } catch (error) {
    if (problemOf(error) !== 'busy') throw error;
    throw new OperatorError(
      `the store ${path} is open in another process`,
      'stop the gateway first, and start it again afterwards',
      error,
    );
  }
  work();
  database.exec('PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL');
}

function replaceEntries(database: DatabaseSync, rows: readonly Row[], keepSessions: boolean): Restoration {
  const isRestored = (key: string): boolean => {
    const { restored = 'never' } = entryKinds[kindOf(key)] ?? {};
    return restored === 'always' || (restored === 'with-sessions' && keepSessions);
  };
  const [restored, left] = [new Map<string, number>(), new Map<string, number>()];
  const known = endedEntries(database);
  let ended = 0;
  const tokens: { restored: string[]; ended: string[] } = { restored: [], ended: [] };
  const insert = database.prepare(
    'INSERT INTO entries (key, value, version, exp) VALUES (:key, :value, :version, :exp)',
  );
  const remove = database.prepare('DELETE FROM entries WHERE key = ?');
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const { key } of database.prepare('SELECT key FROM entries').all())
      if (entryKinds[kindOf(String(key))]?.restored !== 'never' && !known.has(String(key))) remove.run(String(key));
    for (const row of rows) {
      const key = String(row.key);
      const isEnded = known.has(key);
      const token = liveToken(key, String(row.value));
      if (token !== undefined) (isEnded ? tokens.ended : tokens.restored).push(token);
      if (isEnded) ended += kindOf(key) === 'session' ? 1 : 0;
      else if (isRestored(key)) insert.run(row);
      const counts = isRestored(key) && !isEnded ? restored : left;
      const label = entryKinds[kindOf(key)]?.label ?? `entries of an unknown kind (${kindOf(key)})`;
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
  return { restored, left, ended, tokens };
}

/** What the present store knows as ended stays so: a backup of before would bring it back to life. */
function endedEntries(database: DatabaseSync): ReadonlySet<string> {
  const ofKind = database.prepare(
    `SELECT key FROM entries WHERE key >= :from AND key < :to AND value LIKE '%"kind":"ended"%'`,
  );
  const kinds = ['session', 'api-token'].map((kind) => ({ from: `${kind}:`, to: endOf(`${kind}:`) }));
  return new Set(kinds.flatMap((kind) => ofKind.all(kind).map(({ key }) => String(key))));
}

/** The name of an API token that is live in the backup. */
function liveToken(key: string, value: string): string | undefined {
  if (kindOf(key) !== 'api-token') return undefined;
  try {
    const { kind, name } = JSON.parse(value);
    return kind === 'live' ? String(name) : undefined;
  } catch {
    return undefined;
  }
}

function wantsKeys(file: string, keyFile: string, missing: readonly string[]): OperatorError {
  return new OperatorError(
    `the backup ${file} is sealed by the key ${missing.join(', ')}, which is not in ${keyFile}, and it has no keys with it`,
    'put the file of the keys in its place first; a backup made with --with-key brings them along',
  );
}
