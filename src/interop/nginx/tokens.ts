/**
 * Cuts nginx's configuration language into words and signs, each with its place, as nginx's own reader does
 * (ngx_conf_read_token): quotes, escapes, comments, `${name}`. What the words mean is `parse.ts`'s.
 */
import { escapedByteAt } from '../../config/source.ts';
import { OperatorError } from '../../core/errors.ts';

/** Where something stands; lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A word with its quotes and escapes taken off, or a sign. */
export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly place: SourcePosition }
  | { readonly kind: ';' | '{' | '}' | 'end'; readonly place: SourcePosition };

/** Writes a place as compilers do. */
export function formatPosition({ file, line, column }: SourcePosition): string {
  return `${file}:${line}:${column}`;
}

/** What is wrong with the text at a place; nothing of the text itself, which could be a piece of a password. */
export function syntaxError(place: SourcePosition, message: string, hint: string): OperatorError {
  return new OperatorError(`${formatPosition(place)}  ${message}`, hint);
}

const blank = /[ \t\r\n]/;
const escapes: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n', '"': '"', "'": "'", '\\': '\\' };

/** Reads one file's tokens in turn. */
export class Tokens {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string) {
    this.#text = text.replace(/^\ufeff/, '');
    this.#file = file;
  }

  /** The next token; throws an OperatorError for what nginx would not read either. */
  next(): Token {
    this.#skipBlanks();
    const place = this.#place();
    const sign = this.#text[this.#at];
    if (sign === undefined) return { kind: 'end', place };
    if (sign === ';' || sign === '{' || sign === '}') {
      this.#at += 1;
      return { kind: sign, place };
    }
    const start = this.#at;
    const text = sign === '"' || sign === "'" ? this.#quoted(sign, place) : this.#bare();
    this.#requireText(this.#text.slice(start, this.#at), place);
    return { kind: 'word', text: withoutEscapes(text), place };
  }

  /** Bytes that are no UTF-8 come as lone surrogates: outside of comments nobody could say what they are. */
  #requireText(raw: string, begin: SourcePosition): void {
    const place = escapedByteAt(raw, begin);
    if (!place) return;
    throw syntaxError(place, 'the byte here is not UTF-8', 'save the file as UTF-8; in comments it does not matter');
  }

  /** Skips a block of Lua whose opening brace has been read: its braces count only outside of strings and comments. */
  skipLua(place: SourcePosition): void {
    const pattern =
      /--\[(=*)\[[\s\S]*?\]\1\]|--[^\n]*|\[(=*)\[[\s\S]*?\]\2\]|"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'|[{}]/g;
    pattern.lastIndex = this.#at;
    for (let depth = 1; depth > 0; ) {
      const found = pattern.exec(this.#text);
      if (!found) throw syntaxError(place, 'the block of Lua has no end', 'close it with }');
      if (found[0] === '{') depth += 1;
      else if (found[0] === '}') depth -= 1;
    }
    this.#advanceTo(pattern.lastIndex);
  }

  #place(): SourcePosition {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #advanceTo(end: number): void {
    for (; this.#at < end; this.#at += 1)
      if (this.#text[this.#at] === '\n') {
        this.#line += 1;
        this.#lineStart = this.#at + 1;
      }
  }

  #skipBlanks(): void {
    for (;;) {
      const sign = this.#text[this.#at];
      if (sign === '#') {
        const end = this.#text.indexOf('\n', this.#at);
        this.#advanceTo(end === -1 ? this.#text.length : end);
      } else if (sign !== undefined && blank.test(sign)) this.#advanceTo(this.#at + 1);
      else return;
    }
  }

  #quoted(quote: string, place: SourcePosition): string {
    const start = this.#at + 1;
    let end = start;
    while (end < this.#text.length && this.#text[end] !== quote) end += this.#text[end] === '\\' ? 2 : 1;
    if (end >= this.#text.length)
      throw syntaxError(place, 'a quote is not closed', `write ${quote} where the word ends`);
    this.#advanceTo(end + 1);
    const behind = this.#text[end + 1];
    if (behind !== undefined && !blank.test(behind) && !';{)'.includes(behind))
      throw syntaxError(this.#place(), 'a letter stands right behind a closing quote', 'put a blank between them');
    return this.#text.slice(start, end);
  }

  #bare(): string {
    const start = this.#at;
    let end = start;
    for (let isName = false; end < this.#text.length; end += 1) {
      const sign = this.#text[end] ?? '';
      // The brace of a variable's name ends no word, unless its dollar was escaped.
      if (sign === '{' && isName) continue;
      if (sign === ';' || sign === '{' || blank.test(sign)) break;
      if (sign === '\\') end += 1;
      isName = sign === '$';
    }
    this.#advanceTo(Math.min(end, this.#text.length));
    return this.#text.slice(start, this.#at);
  }
}

/** nginx takes these escapes off everywhere, and leaves every other backslash where it is. */
function withoutEscapes(text: string): string {
  return text.replace(/\\([trn"'\\])/g, (_all, sign: string) => escapes[sign] ?? sign);
}
