/** Changing a file that others read and change: one writer at a time, and never half a file. */

import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../core/errors.ts';

const maxWait = 10_000;

/**
 * Runs a change while no other process changes the file. The lock is SQLite's on an empty file beside it: the system lets
 * go of it when a process ends, however it ends. That file stays, as removing it would let two in.
 */
export function withFileLock<T>(path: string, change: () => T): T {
  const lock = `${path}.lock`;
  let database: DatabaseSync | undefined;
  try {
    makeLockFile(lock);
    database = new DatabaseSync(lock, { timeout: maxWait });
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    const message = `${path} cannot be locked for a change${why(error)}`;
    throw new OperatorError(message, `check that this user may write to ${lock} and no other process holds it`, error);
  }
  try {
    return change();
  } finally {
    database.close();
  }
}

/**
 * Puts a text in the place of a file in one step: readers see the old one or the new one, after a power cut too. Only the
 * owner may read it, and the group where it could before; the owner stays, or is that of the folder.
 */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const old = statSync(path, { throwIfNoEntry: false });
    const owner = old ?? statSync(dirname(path));
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(file, text);
      giveTo(file, owner);
      fchmodSync(file, old ? (old.mode & 0o040) | 0o600 : 0o600);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new OperatorError(
      `${path} cannot be written${why(error)}`,
      'check the disk, and who may write to its folder',
      error,
    );
  }
}

function makeLockFile(lock: string): void {
  if (statSync(lock, { throwIfNoEntry: false })) return;
  const file = openSync(lock, 'a', 0o600);
  try {
    giveTo(file, statSync(dirname(lock)));
  } finally {
    closeSync(file);
  }
}

/** What root makes must stay usable for the gateway's own user. */
function giveTo(file: number, { uid, gid }: { uid: number; gid: number }): void {
  if (process.getuid?.() === 0) fchownSync(file, uid, gid);
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function why(error: unknown): string {
  return error instanceof Error ? ` (${error.message})` : '';
}
