/** One setup at a time in a tree: two runs of npm in one `node_modules` take each other's files away. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { SetupError } from './debian-packages.mjs';

const pauseMilliseconds = 200;
const usualPatience = 20 * 60_000;

/**
 * Does something while no other process does it under the same lock, which is a file with the holder's process id. Waits for
 * the holder, up to `patience` milliseconds; one that no longer runs holds nothing.
 * @template Result
 * @param {{ file: string, say: (line: string) => void, patience?: number }} lock
 * @param {() => Result} work
 * @returns {Result}
 */
export function alone({ file, say, patience = usualPatience }, work) {
  const endsAt = Date.now() + patience;
  for (let tries = 0; !take(file); tries++) {
    const holder = holderOf(file);
    if (holder !== undefined && !isRunning(holder)) {
      removeStale(file, holder);
      continue;
    }
    const who = holder === undefined ? 'another process' : `process ${holder}`;
    if (Date.now() >= endsAt)
      throw new SetupError(`${who} has been setting up this tree for long: end it, or remove ${file}, and try again.`);
    if (tries === 0) say(`${who} is setting up this tree: waiting for it`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMilliseconds);
  }
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** @param {string} file */
function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new SetupError(`${file} cannot be written (${codeOf(error)}): make its folder writable for this user.`);
  }
}

/**
 * Who holds a lock; undefined while it is being written, and where it is gone.
 * @param {string} file
 */
function holderOf(file) {
  try {
    const id = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(id) && id > 0 ? id : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Our own id in a lock that we do not hold is that of a process before us: containers give the same ones out again.
 * @param {number} id
 */
function isRunning(id) {
  if (id === process.pid) return false;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/**
 * Moved away before it is removed: what another process has put in its place meanwhile is put back.
 * @param {string} file
 * @param {number} holder
 */
function removeStale(file, holder) {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (holderOf(aside) !== holder) linkSync(aside, file);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
