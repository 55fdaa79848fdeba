/** The file of sealing keys: one a line, the first seals, all of them open. Made at the first start, read again when another process has added a key. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../core/errors.ts';
import { Sealer, SealKey } from '../core/seal.ts';

const keyBytes = 32;
const ownerOnly = 0o600;
/** How long one process waits for another that changes the file, in milliseconds. */
const maxWait = 10_000;

/** The keys of a file, the sealing one first; undefined where there is no file. Throws an OperatorError that names file and line. */
export function readSealKeys(file: string): readonly SealKey[] | undefined {
  const text = readKeyFile(file);
  return text === undefined ? undefined : parseSealKeys(text, file);
}

function parseSealKeys(text: string, file: string): readonly SealKey[] {
  const keys = text.split('\n').flatMap((line, index) => {
    const said = line.trim();
    if (said === '' || said.startsWith('#')) return [];
    const bytes = /^[\w-]{43}$/.test(said) ? Buffer.from(said, 'base64url') : undefined;
    if (!bytes) throw new OperatorError(`${file}:${index + 1}: this line is no sealing key`, badLine);
    return [new SealKey(bytes)];
  });
  if (keys.length === 0) throw new OperatorError(`the file of sealing keys ${file} holds none`, badLine);
  return keys;
}

const badLine =
  'each line is 32 bytes as base64url, or a comment that begins with #; bring the file back as it was, from where it is kept beside the backups';

/** A sealer with the keys of a file, which is read again when an unknown key is met. */
export function openSealer(file: string, keys: readonly SealKey[]): Sealer {
  return new Sealer(keys, () => readSealKeys(file) ?? keys);
}

/** Makes a file with one key. Where another process has made one meanwhile, that one counts. */
export function makeSealKeys(file: string): readonly SealKey[] {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const beside = writeBeside(file, newLine());
  try {
    linkSync(beside, file);
    settleFolder(file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw cannotWrite(file, error);
  } finally {
    unlinkSync(beside);
  }
  const keys = readSealKeys(file);
  if (!keys) throw cannotWrite(file, undefined);
  return keys;
}

/** Puts another key in front of those that a file has; it seals from then on. */
export function addSealKey(file: string): readonly SealKey[] {
  if (readSealKeys(file) === undefined) return makeSealKeys(file);
  return changeAlone(file, () => {
    putInPlace(file, newLine() + readFileSync(file, 'utf8'));
    return readSealKeys(file) ?? [];
  });
}

/** Adds the keys of another file behind those that a file has: they open, and do not seal unless there were none. */
export function adoptSealKeys(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  changeAlone(file, () => {
    const known = new Set((readSealKeys(file) ?? []).map(({ id }) => id));
    const lines = text.split('\n').filter((line) => {
      const said = line.trim();
      return said !== '' && !said.startsWith('#') && parseSealKeys(said, 'the backup').some(({ id }) => !known.has(id));
    });
    if (lines.length === 0) return;
    const before = readKeyFile(file) ?? '';
    putInPlace(file, `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${lines.join('\n')}\n`);
  });
}

/**
 * One process at a time reads the file and writes it anew, or a key that has sealed already would be lost. The lock is SQLite's on
 * a file beside it, and goes with the process that holds it.
 */
function changeAlone<T>(file: string, change: () => T): T {
  let lock: DatabaseSync;
  try {
    lock = new DatabaseSync(`${file}.lock`, { timeout: maxWait });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    throw cannotWrite(file, error);
  }
  try {
    return change();
  } finally {
    lock.close();
  }
}

function putInPlace(file: string, text: string): void {
  renameSync(writeBeside(file, text), file);
  settleFolder(file);
}

/** A name is on the disk when its folder is: after a power cut the sealed store must find its key. */
function settleFolder(file: string): void {
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The text of a file of keys; undefined where there is none. */
export function readKeyFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new OperatorError(
      `the file of sealing keys ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      'make it readable for the user that runs the gateway, and for nobody else, or set session.store.sealKey',
      error,
    );
  }
}

function newLine(): string {
  return `${randomBytes(keyBytes).toString('base64url')}\n`;
}

/** The whole file at once and on the disk, under a name of its own: a half-written key is a lost store. */
function writeBeside(file: string, text: string): string {
  const beside = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const handle = openSync(beside, 'wx', ownerOnly);
    try {
      fchmodSync(handle, ownerOnly);
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw cannotWrite(file, error);
  }
  return beside;
}

function cannotWrite(file: string, error: unknown): OperatorError {
  const why = error instanceof Error ? `: ${error.message}` : '';
  return new OperatorError(
    `the file of sealing keys ${file} cannot be written${why}`,
    'make its folder writable for the user that runs the gateway, or set session.store.sealKey to another file',
    error,
  );
}
