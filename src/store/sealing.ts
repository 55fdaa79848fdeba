/**
 * Brings a database under its sealing keys when it is opened: what lies there in clear or under an earlier key is sealed, and
 * the file is compacted, so that no page and no log of it holds clear text.
 */
import { existsSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Sealer } from '../core/seal.ts';
import { kindOf } from './entry-kinds.ts';
import { makeSealKeys, openSealer, readSealKeys } from './seal-keys.ts';
import { changeSecret, mayHoldSecret, secretKinds } from './secret-parts.ts';
import { endOf } from './statements.ts';

/** How a database is sealed. */
interface SealingOptions {
  readonly file: string;
  /** Drop what no key opens, in place of refusing to start. */
  readonly forget?: boolean;
  readonly log: Log;
}

/** An entry with a secret, and what its sealing says of it. */
interface SecretEntry {
  readonly key: string;
  readonly value: string;
  readonly version: string;
  readonly id: string | undefined;
  readonly state: 'clear' | 'opened' | 'unknown-key' | 'altered';
}

/** Stays until a compaction has removed what was once in clear: a start that is killed halfway is followed by one that goes on. */
const dueKey = 'store-seal:compaction-due';

/** What came of it: with what entries are sealed from here on, and how many were sealed by this. */
export interface SealedDatabase {
  readonly sealer: Sealer;
  readonly entries: number;
}

/** The ids of the keys that a database wants and a file does not have. */
export function missingKeys(database: DatabaseSync, file: string): readonly string[] {
  const keys = readSealKeys(file);
  const unfit = secretEntries(database, keys && openSealer(file, keys)).filter(({ state }) => state === 'unknown-key');
  return [...new Set(unfit.flatMap(({ id }) => id ?? []))];
}

/** Seals all that is to be sealed, by the first key of the file. Throws an OperatorError where the keys do not fit what is there. */
export function sealDatabase(database: DatabaseSync, path: string, options: SealingOptions): SealedDatabase {
  const { file, log, forget = false } = options;
  const before = readSealKeys(file);
  if (before) warnOfReaders(file, log);
  const entries = secretEntries(database, before && openSealer(file, before));
  const unfit = entries.filter(({ state }) => state === 'unknown-key');
  // Another process may have made the file since it was looked for.
  if (unfit.length > 0 && !before && existsSync(file)) return sealDatabase(database, path, options);
  if (unfit.length > 0 && !forget) throw doesNotFit(path, file, before !== undefined, unfit);
  const sealer = openSealer(file, before ?? makeSealKeys(file));
  if (unfit.length > 0) log.warn({ entries: unfit.length }, 'entries that no key opens leave the store');
  for (const { key } of entries.filter(({ state }) => state === 'altered'))
    log.warn({ kind: kindOf(key) }, 'an entry of the store was changed since it was sealed');
  const sealed = write(database, sealer, entries, forget);
  compactIfDue(database, path, log);
  return { sealer, entries: sealed };
}

/** All but those that are sealed as they should be: a site has hundreds of thousands, and nothing is to be done with them. */
function secretEntries(database: DatabaseSync, sealer: Sealer | undefined): readonly SecretEntry[] {
  const list = database.prepare('SELECT key, value, version FROM entries WHERE key >= :from AND key < :to');
  const entries: SecretEntry[] = [];
  for (const kind of secretKinds) {
    for (const row of list.iterate({ from: `${kind}:`, to: endOf(`${kind}:`) })) {
      const [key, value, version] = [String(row.key), String(row.value), String(row.version)];
      if (!mayHoldSecret(key, value)) continue;
      changeSecret(key, value, (secret, isSealed) => {
        const opened = isSealed && sealer ? sealer.open(secret, key) : undefined;
        if (opened?.kind === 'opened' && opened.id === sealer?.id) return undefined;
        if (opened && opened.kind !== 'clear') entries.push({ key, value, version, state: opened.kind, id: opened.id });
        else if (isSealed) entries.push({ key, value, version, state: 'unknown-key', id: secret.split(':')[2] });
        else entries.push({ key, value, version, state: 'clear', id: undefined });
        return undefined;
      });
    }
  }
  return entries;
}

/** One transaction: either all is sealed and a compaction due, or nothing has changed. How many entries were sealed. */
function write(database: DatabaseSync, sealer: Sealer, entries: readonly SecretEntry[], forget: boolean): number {
  const due = entries.filter(({ state, id }) => state === 'clear' || (state === 'opened' && id !== sealer.id));
  const lost = forget ? entries.filter(({ state }) => state === 'unknown-key' || state === 'altered') : [];
  if (due.length + lost.length === 0) return 0;
  // The version stays: what is said is the same, and another process has written meanwhile where it is another.
  const update = database.prepare('UPDATE entries SET value = :value WHERE key = :key AND version = :version');
  const remove = database.prepare('DELETE FROM entries WHERE key = :key AND version = :version');
  const mark = database.prepare("INSERT OR REPLACE INTO entries (key, value, version) VALUES (?, 'due', '')");
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const { key, value, version } of due)
      update.run({ key, version, value: changeSecret(key, value, (secret) => sealAnew(sealer, secret, key)) });
    for (const { key, version } of lost) remove.run({ key, version });
    if (due.some(({ state }) => state === 'clear')) mark.run(dueKey);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
  return due.length;
}

function sealAnew(sealer: Sealer, secret: string, key: string): string {
  const opened = sealer.open(secret, key);
  return sealer.seal(opened.kind === 'opened' ? opened.text : secret, key);
}

/** Writes the whole file anew and empties its log: freed pages of both still hold what was there in clear. */
function compactIfDue(database: DatabaseSync, path: string, log: Log): void {
  if (!database.prepare('SELECT 1 FROM entries WHERE key = ?').get(dueKey)) return;
  try {
    database.exec('VACUUM');
    const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() ?? {};
    if (busy !== 0) throw new Error('another process reads the file');
    database.prepare('DELETE FROM entries WHERE key = ?').run(dueKey);
  } catch (error) {
    log.warn(
      { path, error },
      'what lay in the store in clear is sealed, but the file could not be compacted; the next start tries again',
    );
  }
}

function warnOfReaders(file: string, log: Log): void {
  if ((statSync(file).mode & 0o077) !== 0)
    log.warn({ path: file }, 'others than the owner can read or write the file of the sealing keys: chmod 600 it');
}

function doesNotFit(path: string, file: string, hasFile: boolean, unfit: readonly SecretEntry[]): OperatorError {
  const ids = [...new Set(unfit.map(({ id }) => id))].join(', ');
  return new OperatorError(
    `the store ${path} is sealed by the key ${ids}, which ${hasFile ? `is not in ${file}` : `is missing: there is no ${file}`}`,
    'bring the file back from where it is kept beside the backups, or begin anew with gatehouse serve --forget-sealed: everybody signs in anew, and applications fetch new keys of the assertion',
  );
}
