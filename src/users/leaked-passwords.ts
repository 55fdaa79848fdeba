/**
 * Passwords that have leaked, in a file of lines `SHA1:count` sorted by digest, as Have I Been Pwned gives it out. It is searched by
 * halves on the disk: it may be larger than the memory, and nobody is asked over the network.
 */
import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { OperatorError } from '../core/errors.ts';

const digestLength = 40;
/** More than a digest, a colon, a count and a line end take. */
const maxLine = 64;
/** Lines that are looked at when the file is named, spread over it: whether it is sorted at all. */
const samples = 64;
const linePattern = /^([\dA-Fa-f]{40})(?::\d{1,12})?\r?$/;

/** Throws an OperatorError where a file is none of this kind; what is wrong only in places shows when it is searched. */
export function checkLeakedFile(path: string): void {
  const file = openOrExplain(path);
  try {
    const { size } = fstatSync(file);
    const read = (at: number): string => {
      const buffer = Buffer.alloc(maxLine * 2);
      return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, at));
    };
    if (size < digestLength) throw notOfThisKind(path, 'is empty');
    let before = '';
    for (let sample = 0; sample < samples; sample++) {
      const at = Math.floor(((size - digestLength) * sample) / samples);
      const found = digestAfter(read(Math.max(0, at - 1)), at === 0);
      if (found === undefined && at > 0 && at + maxLine >= size) break;
      if (found === undefined) throw notOfThisKind(path, `has a line near byte ${at} that is no SHA1:count`);
      if (found < before) throw notOfThisKind(path, `is not sorted by digest, near byte ${at}`);
      before = found;
    }
  } finally {
    closeSync(file);
  }
}

/** Whether a password is in the file. Rejects where the file cannot be read any more: that is no word for the password. */
export async function hasLeaked(path: string, password: string): Promise<boolean> {
  const wanted = hash('sha1', password, 'hex').toUpperCase();
  const file = await open(path);
  try {
    let [low, high] = [0, (await file.stat()).size];
    // The first line that begins at or after `low` and before `high` is the one that is compared.
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const line = await lineAt(file, middle);
      if (line === undefined || line.digest > wanted) high = middle;
      else if (line.digest === wanted) return true;
      else low = line.end;
    }
    return false;
  } finally {
    await file.close();
  }
}

/** The first whole line that begins at a byte or behind it; undefined where there is none. */
async function lineAt(
  file: FileHandle,
  at: number,
): Promise<{ readonly digest: string; readonly end: number } | undefined> {
  const from = Math.max(0, at - 1);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(maxLine * 2), 0, maxLine * 2, from);
  const text = buffer.toString('latin1', 0, bytesRead);
  const start = at === 0 ? 0 : text.indexOf('\n') + 1;
  if (at > 0 && start === 0) return undefined;
  const end = text.indexOf('\n', start);
  const line = text.slice(start, end < 0 ? undefined : end);
  const [, digest] = linePattern.exec(line) ?? [];
  if (digest !== undefined) return { digest: digest.toUpperCase(), end: from + start + line.length + 1 };
  if (line === '') return undefined;
  throw new OperatorError('the file of leaked passwords has a line that is no SHA1:count', 'have it made anew');
}

/** The digest of the first whole line of a piece, which begins with a line or within one. */
function digestAfter(piece: string, isStart: boolean): string | undefined {
  const start = isStart ? 0 : piece.indexOf('\n') + 1;
  if (!isStart && start === 0) return undefined;
  return linePattern.exec(piece.slice(start).split('\n', 1)[0] ?? '')?.[1]?.toUpperCase();
}

function openOrExplain(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new OperatorError(
      `the file ${path} cannot be read (${why})`,
      'check the path, and that this user may read it',
      error,
    );
  }
}

function notOfThisKind(path: string, what: string): OperatorError {
  return new OperatorError(
    `the file ${path} ${what}`,
    'it must hold lines SHA1:count, sorted by SHA1, as the download "ordered by hash" does',
  );
}
