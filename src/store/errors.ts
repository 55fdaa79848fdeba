/** How a store fails: in use as a typed error that callers treat as unavailable, at opening as something for the operator. */
import { OperatorError } from '../core/errors.ts';
import { Failure } from '../core/failure.ts';

/** What is wrong with a store. */
export type StoreProblem = 'full' | 'read-only' | 'damaged' | 'sealed' | 'busy' | 'refused' | 'unreachable' | 'closed';

/** A store that cannot do what it was asked; nothing was written. The problem is the failure's `answer`. */
export function storeFailure(problem: StoreProblem, detail: string, cause?: unknown): Failure {
  return new Failure('internal-error', detail, { answer: problem, cause });
}

/** An entry that is there and cannot be opened; by its version it can be replaced. */
export class UnopenedEntry extends Failure {
  readonly version: string;

  constructor(version: string, { message, answer }: Failure) {
    super('internal-error', message, { answer });
    this.version = version;
  }
}

const hints: Readonly<Record<StoreProblem, string>> = {
  full: 'free space on that disk, or set session.store.path to a folder on another one',
  'read-only': 'make the folder and its files writable for the user that runs the gateway, or set session.store.path',
  damaged:
    'stop every process that uses it, move the file and its -wal and -shm companions away, then start again: users sign in anew',
  sealed: 'bring the file of session.store.sealKey back as it was, then start again',
  busy: 'look for another program that holds the file, such as a backup or an sqlite3 shell, and end it',
  refused: 'check the user name and the password of session.store',
  unreachable: 'check that session.store.path names a folder on a local disk that this user may write to',
  closed: 'this is a fault of the program: the store was used after its end',
};

const problemsByCode: Readonly<Record<number, StoreProblem>> = {
  3: 'read-only', // SQLITE_PERM
  5: 'busy',
  6: 'busy', // SQLITE_LOCKED
  8: 'read-only',
  11: 'damaged', // SQLITE_CORRUPT
  13: 'full',
  26: 'damaged', // SQLITE_NOTADB
};

const problemsByErrno: Readonly<Record<string, StoreProblem>> = {
  EACCES: 'read-only',
  EPERM: 'read-only',
  EROFS: 'read-only',
  ENOSPC: 'full',
  EDQUOT: 'full',
};

/** The problem behind an error of SQLite (https://sqlite.org/rescode.html) or of the file system. */
export function problemOf(error: unknown): StoreProblem {
  if (!(error instanceof Error)) return 'unreachable';
  if ('errcode' in error && typeof error.errcode === 'number') {
    return problemsByCode[error.errcode & 0xff] ?? 'unreachable';
  }
  const code = 'code' in error ? String(error.code) : '';
  return code === 'ERR_INVALID_STATE' ? 'closed' : (problemsByErrno[code] ?? 'unreachable');
}

const sayings: Readonly<Record<StoreProblem, string>> = {
  full: 'the disk is full',
  'read-only': 'it may not be written to',
  damaged: 'it is damaged or not a database',
  sealed: 'its secrets cannot be opened',
  busy: 'another process holds it',
  refused: 'it does not let this gateway in',
  unreachable: 'it cannot be used',
  closed: 'it is closed',
};

/** For an operation that failed. */
export function failedUse(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const problem = problemOf(error);
  return storeFailure(problem, `store ${path}: ${sayings[problem]}${why(error)}; ${hints[problem]}`, error);
}

/** For a store that cannot be opened. */
export function failedOpen(path: string, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  const problem = problemOf(error);
  return new OperatorError(
    `the store ${path} cannot be opened: ${sayings[problem]}${why(error)}`,
    hints[problem],
    error,
  );
}

function why(error: unknown): string {
  return error instanceof Error ? ` (${error.message})` : '';
}
