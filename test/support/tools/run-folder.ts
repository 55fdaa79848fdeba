/**
 * The folder of a run of the tests, in which its files share what is made once. The runner makes it and names it in the
 * environment; a file that is run by hand makes one of its own.
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The variable that names the folder to every process of a run. */
export const runFolderVariable = 'TEST_RUN_FOLDER';

let own: string | undefined;

/** The folder of this run; one that this process has made goes with it. */
export function runFolder(): string {
  const given = process.env[runFolderVariable];
  if (given) return given;
  own = makeRunFolder();
  process.once('exit', () => rmSync(own ?? '', { recursive: true, force: true, maxRetries: 10 }));
  return own;
}

/** Whether this process is a run of its own: nobody has named it a folder. */
export function isOwnRun(): boolean {
  return runFolder() === own;
}

/** Makes a folder for a run, and names it to this process and to those that it starts. */
export function makeRunFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-run-'));
  process.env[runFolderVariable] = folder;
  return folder;
}

/**
 * A folder that is filled once a run. Where two processes fill it at the same time, both use what the first one made: it is
 * renamed whole.
 */
export function onceARun(name: string, fill: (folder: string) => void): string {
  const folder = join(runFolder(), name);
  if (existsSync(folder)) return folder;
  const draft = mkdtempSync(`${folder}-`);
  fill(draft);
  try {
    renameSync(draft, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}
