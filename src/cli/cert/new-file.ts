/** Writes files that were not there before: what stands at a place is never written over. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { OperatorError } from '../../core/errors.ts';

/** Who may read a file: its owner alone, or everybody. */
type Readers = 'owner' | 'everybody';

/** Writes a whole file, to the disk. Throws an OperatorError where something stands there already. */
export function writeNewFile(path: string, content: string | Buffer, readers: Readers): void {
  try {
    const file = openSync(path, 'wx', readers === 'owner' ? 0o600 : 0o644);
    try {
      writeSync(file, typeof content === 'string' ? Buffer.from(content, 'utf8') : content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'EEXIST') throw alreadyThere(path);
    throw new OperatorError(
      `the file ${path} cannot be written (${code})`,
      'check the folder and who may write to it',
      error,
    );
  }
}

/** The error for a place that is taken. */
export function alreadyThere(path: string): OperatorError {
  return new OperatorError(
    `the file ${path} is there already, and nothing is overwritten`,
    'name another place, or move it away',
  );
}
