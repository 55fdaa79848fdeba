/**
 * A backup: one file with what the store holds at a moment, made while gateways run. Its secrets stay sealed, and the keys that
 * open them are not in it unless they are asked for, under a passphrase.
 */
import { randomBytes, scryptSync } from 'node:crypto';
import { chmodSync, closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { SealKey } from '../core/seal.ts';
import type { Secret } from '../core/secret.ts';
import { assertBackupPlace } from './backup-place.ts';
import { failedOpen, failedUse } from './errors.ts';
import { readHeld } from './held-entries.ts';
import { type EmbeddedOptions, sealKeyFile } from './index.ts';
import { databaseFile } from './open-database.ts';
import { assertKnown } from './schema.ts';
import { readKeyFile } from './seal-keys.ts';
import { sealDatabase } from './sealing.ts';

const ownerOnly = 0o600;
const busyTimeout = 5000;
/** What a passphrase costs to guess: 128 MiB and some tenths of a second for each. */
const derivation = { N: 2 ** 17, r: 8, p: 1 };
const maxMemory = 256 * 2 ** 20;
const saltBytes = 16;
const keyBytes = 32;
const context = 'sealing keys in a backup';

const keysSchema = z.object({ salt: z.string(), N: z.int(), r: z.int(), p: z.int(), sealed: z.string() });

/** What a backup came to. */
interface Backup {
  readonly entries: number;
  /** The key that seals what is in it, and the file that has that key. */
  readonly sealedBy: string;
  readonly keyFile: string;
}

/**
 * Writes a backup for its owner only, over an earlier one of that name. Ends that wait beside the store are in it. Throws an
 * OperatorError where there is no store, its keys are not at hand, something else has that name, or the file cannot be written.
 */
export function backUp(
  options: EmbeddedOptions,
  { file, passphrase, clock, log }: { file: string; passphrase?: Secret; clock: Clock; log: Log },
): Backup {
  const source = join(options.path, databaseFile);
  if (!existsSync(source))
    throw new OperatorError(
      `there is no store ${source}`,
      'name the configuration whose store is meant: --config FILE',
    );
  assertBackupPlace(file, options);
  const keyFile = sealKeyFile(options);
  const beside = `${file}.${process.pid}.part`;
  try {
    copy(source, beside);
    const database = new DatabaseSync(beside);
    try {
      const { sealer } = sealDatabase(database, beside, { file: keyFile, log });
      const end = database.prepare('UPDATE entries SET value = :value WHERE key = :key');
      for (const held of readHeld(options.path)) end.run({ ...held });
      // What passwords can be tried against leaves the machine in no copy.
      database.exec("PRAGMA secure_delete = ON; DELETE FROM entries WHERE key >= 'offline:' AND key < 'offline;'");
      describe(database, passphrase && sealKeys(readKeyFile(keyFile) ?? '', passphrase), clock);
      const entries = Number(database.prepare('SELECT count(*) AS count FROM entries').get()?.count);
      database.close();
      renameSync(beside, file);
      return { entries, sealedBy: sealer.id, keyFile };
    } finally {
      if (database.isOpen) database.close();
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(
      `the backup ${file} cannot be written: ${String(failedUse(beside, error).message)}`,
      undefined,
      error,
    );
  } finally {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(beside + suffix, { force: true });
  }
}

/** Opens a backup to be read; throws an OperatorError where it is none. */
export function openBackup(file: string): DatabaseSync {
  if (!existsSync(file)) throw new OperatorError(`there is no backup ${file}`);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    const sound = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (sound !== 'ok') throw new OperatorError(`the backup ${file} is damaged: ${String(sound)}`);
    if (!hasTable(database, 'entries')) throw new OperatorError(`${file} is no backup of a store`);
    assertKnown(database, file);
    return database;
  } catch (error) {
    database?.close();
    throw failedOpen(file, error);
  }
}

/** The text of the sealing keys in a backup; undefined where it has none or no passphrase is given. Throws an OperatorError for another one. */
export function keysIn(backup: DatabaseSync, passphrase: Secret | undefined): string | undefined {
  const row = hasTable(backup, 'backup') && backup.prepare("SELECT value FROM backup WHERE name = 'keys'").get();
  if (!row || !passphrase) return undefined;
  const { salt, sealed, ...cost } = keysSchema.parse(JSON.parse(String(row.value)));
  const key = new SealKey(derive(passphrase, Buffer.from(salt, 'base64url'), cost));
  const text = key.open(Buffer.from(sealed, 'base64url'), context);
  if (text === undefined)
    throw new OperatorError('this is not the passphrase of the backup', 'nothing was changed; try again');
  return text;
}

/** Whether a backup has its sealing keys with it. */
export function hasKeys(backup: DatabaseSync): boolean {
  return hasTable(backup, 'backup') && backup.prepare("SELECT 1 FROM backup WHERE name = 'keys'").get() !== undefined;
}

/** A copy that is whole, whatever is written meanwhile; the empty file has the mode before there is anything in it. */
function copy(source: string, beside: string): void {
  closeSync(openSync(beside, 'wx', ownerOnly));
  chmodSync(beside, ownerOnly);
  const database = new DatabaseSync(source, { timeout: busyTimeout });
  try {
    database.prepare('VACUUM INTO ?').run(beside);
  } finally {
    database.close();
  }
}

function describe(database: DatabaseSync, keys: string | undefined, clock: Clock): void {
  database.exec('CREATE TABLE backup (name TEXT PRIMARY KEY, value TEXT NOT NULL)');
  const say = database.prepare('INSERT INTO backup VALUES (?, ?)');
  say.run('made', new Date(clock.now()).toISOString());
  if (keys !== undefined) say.run('keys', keys);
}

function sealKeys(text: string, passphrase: Secret): string {
  const salt = randomBytes(saltBytes);
  const sealed = new SealKey(derive(passphrase, salt, derivation)).seal(text, context);
  return JSON.stringify({ salt: salt.toString('base64url'), ...derivation, sealed: sealed.toString('base64url') });
}

function derive(passphrase: Secret, salt: Buffer, cost: typeof derivation): Buffer {
  return scryptSync(passphrase.reveal().normalize('NFC'), salt, keyBytes, { ...cost, maxmem: maxMemory });
}

function hasTable(database: DatabaseSync, name: string): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;
}
