/** Where a backup may be written: nothing is replaced by it but an earlier backup, and nothing of the store. */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { OperatorError } from '../core/errors.ts';
import { heldFile } from './held-entries.ts';
import { type EmbeddedOptions, sealKeyFile } from './index.ts';
import { databaseFile } from './open-database.ts';

const companions = ['', '-wal', '-shm', '-journal'];

/** Throws an OperatorError where a backup at this place would destroy something, also by way of links. */
export function assertBackupPlace(file: string, options: EmbeddedOptions): void {
  const keyFile = sealKeyFile(options);
  const own = [databaseFile, heldFile].flatMap((name) => companions.map((suffix) => join(options.path, name + suffix)));
  const place = realPath(file);
  if ([...own, keyFile].some((path) => realPath(path) === place))
    throw new OperatorError(
      `the backup ${file} cannot be written: this is a file of the store itself`,
      'name a file in another folder, best on another disk',
    );
  if (statSync(file, { throwIfNoEntry: false }) && !isBackup(file))
    throw new OperatorError(
      `the backup ${file} cannot be written: what stands there is no backup`,
      'name a file that is not there yet, or an earlier backup, which it replaces',
    );
}

/** Where a path leads, whether or not there is something at its end. */
function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    const folder = dirname(whole);
    return folder === whole ? whole : join(realPath(folder), basename(whole));
  }
}

/** Read as it lies there: to open the store of another gateway in the usual way would leave files beside it. */
function isBackup(file: string): boolean {
  if (!statSync(file).isFile()) return false;
  const place = pathToFileURL(file);
  place.searchParams.set('immutable', '1');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(place, { readOnly: true });
    return database.prepare("SELECT 1 FROM backup WHERE name = 'made'").get() !== undefined;
  } catch {
    return false;
  } finally {
    database?.close();
  }
}
