/** Reads the text of a configuration file and counts its lines. What cannot be text at all is reported here. */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';

/** A place in a text and how many characters are meant. Lines and columns count from 1, columns in UTF-16 units. */
export interface Span {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** What is wrong with a file as a whole, or with a place in it. */
export interface Flaw {
  readonly message: string;
  readonly hint?: string;
  readonly span?: Span;
}

const maxBytes = 4 * 1024 * 1024;

/**
 * The text of a file, or why there is none. With `escapesBytes`, a byte that is no UTF-8 is a lone surrogate, U+DC00 and the
 * byte: for files of other programs, in whose comments it does not matter.
 */
export function readSource(file: string, { escapesBytes = false } = {}): { text: string } | { flaw: Flaw } {
  try {
    const about = statSync(file);
    if (about.isDirectory())
      return { flaw: { message: 'is a directory', hint: 'name the file in it, such as gatehouse.yaml' } };
    if (!about.isFile() && !about.isFIFO())
      return { flaw: { message: 'is not a file that can be read', hint: 'name a YAML file' } };
    if (about.size > maxBytes) return { flaw: tooLarge };
    const bytes = readFileSync(file);
    return bytes.length > maxBytes ? { flaw: tooLarge } : decode(bytes, escapesBytes);
  } catch (error) {
    return { flaw: unreadable(error) };
  }
}

/**
 * Where in a text that was read with `escapesBytes` the first byte is that is no UTF-8; undefined without one. The text begins
 * at the place that is given.
 */
export function escapedByteAt<Place extends Pick<Span, 'line' | 'column'>>(
  text: string,
  begin: Place,
): Place | undefined {
  const at = text.search(/[\udc80-\udcff]/u);
  if (at === -1) return undefined;
  const before = text.slice(0, at).split('\n');
  const column = (before.length > 1 ? 1 : begin.column) + (before.at(-1) ?? '').length;
  return { ...begin, line: begin.line + before.length - 1, column };
}

const tooLarge: Flaw = {
  message: `is larger than ${maxBytes / 1024 / 1024} MB`,
  hint: 'a configuration is far smaller; is this the right file?',
};

function unreadable(error: unknown): Flaw {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { message: 'does not exist', hint: 'check the path, or name another file' };
    case 'EACCES':
    case 'EPERM':
      return { message: 'may not be read by this user', hint: 'give this user read access to it' };
    default:
      return { message: `cannot be read (${code})`, hint: 'check the file and its disk' };
  }
}

function decode(bytes: Buffer, escapesBytes: boolean): { text: string } | { flaw: Flaw } {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    return { flaw: { message: 'is UTF-16 text', hint: 'save it as UTF-8' } };
  if (isUtf8(bytes)) return { text: bytes.toString('utf8') };
  if (escapesBytes) return { text: escapeBytes(bytes) };
  let line = 1;
  let start = 0;
  for (;;) {
    // A line break is never a part of a longer UTF-8 sequence, so each line can be looked at alone.
    const end = bytes.indexOf(0x0a, start);
    const part = bytes.subarray(start, end === -1 ? bytes.length : end);
    if (!isUtf8(part) || end === -1) {
      const column = part.toString('utf8').indexOf('\ufffd') + 1;
      const span = { line, column: Math.max(column, 1), length: 1 };
      return { flaw: { message: 'is not UTF-8 text: the byte here does not belong', hint: 'save it as UTF-8', span } };
    }
    line += 1;
    start = end + 1;
  }
}

function escapeBytes(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((size) => isUtf8(bytes.subarray(at, at + size)));
    text +=
      length === undefined ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length);
    at += length ?? 1;
  }
  return text;
}

/** A text with its lines: offsets to places and back. */
export class Source {
  readonly text: string;
  readonly lines: readonly string[];
  readonly #starts: readonly number[];

  /** A byte order mark is left out and Windows line ends become plain ones: neither moves a place an editor shows. */
  constructor(text: string) {
    this.text = text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n');
    const lines = this.text.split('\n');
    if (lines.length > 1 && lines.at(-1) === '') lines.pop();
    this.lines = lines;
    let offset = 0;
    this.#starts = lines.map((line) => {
      const start = offset;
      offset += line.length + 1;
      return start;
    });
  }

  /** The place of a stretch of text, cut at the end of its first line; always on a line that exists. */
  span(from: number, to: number = from + 1): Span {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= from) low = middle;
      else high = middle - 1;
    }
    const line = this.lines[low] ?? '';
    const start = Math.min(Math.max(from - (this.#starts[low] ?? 0), 0), line.length);
    const length = Math.max(1, Math.min(to - from, line.length - start));
    return { line: low + 1, column: start + 1, length };
  }

  /** Where a line begins; lines count from 1. */
  offsetOf(line: number): number {
    return this.#starts[line - 1] ?? 0;
  }

  /** Characters that YAML does not allow: each is a flaw of its own line. */
  controlCharacters(): Flaw[] {
    return this.lines.flatMap((line, index) => {
      const at = line.search(/[\u0000-\u0008\u000b-\u001f\u007f]/);
      if (at === -1) return [];
      const code = line.charCodeAt(at).toString(16).padStart(4, '0');
      const message =
        code === '000d'
          ? 'a carriage return stands here without a line feed'
          : `the control character U+${code.toUpperCase()} stands here, which YAML does not allow`;
      const hint =
        code === '000d' ? 'save the file with plain line ends' : 'remove it, or write it as an escape in double quotes';
      return [{ message, hint, span: { line: index + 1, column: at + 1, length: 1 } }];
    });
  }
}
