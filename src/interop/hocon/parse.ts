/**
 * From the words of a HOCON text to its assignments, in the order in which they count. Includes are read here, from files
 * only: nothing is ever fetched, and nothing that is included is run. What `${…}` stands for is `hocon.ts`'s.
 */
import type { OperatorError } from '../../core/errors.ts';
import { type HoconInclude, includeAt } from './include.ts';
import { type HoconPlace, type HoconToken, hoconError, hoconTokens } from './tokens.ts';

/** One part of a value; several of them in a row are joined. */
export type HoconPart =
  | { readonly kind: 'text'; readonly text: string; readonly isQuoted: boolean; readonly isCut: boolean }
  | {
      readonly kind: 'substitution';
      readonly path: readonly string[];
      readonly isOptional: boolean;
      readonly at: HoconPlace;
    }
  | { readonly kind: 'list'; readonly items: readonly HoconRaw[] }
  | { readonly kind: 'object'; readonly assignments: readonly HoconAssignment[] };

/** A value as written. */
export interface HoconRaw {
  readonly parts: readonly HoconPart[];
  readonly at: HoconPlace;
}

/** A key, from the top of the object it stands in, and its value. An object itself is assigned before what it holds. */
export interface HoconAssignment {
  readonly path: readonly string[];
  readonly value: HoconRaw;
}

/** A file that an include names, and what it holds; undefined when there is none. */
export type HoconFiles = (name: string, from: string) => { readonly file: string; readonly text: string } | undefined;

/** An include that was left out, and why. */
export interface LeftOut extends HoconPlace {
  readonly what: string;
  readonly why: string;
}

const maxIncludes = 20;
const deepest = 50;

/** Reads a text. Throws an OperatorError that names file, line and column. */
export function parseHocon(
  text: string,
  file: string,
  files: HoconFiles,
): { readonly assignments: readonly HoconAssignment[]; readonly leftOut: readonly LeftOut[] } {
  const leftOut: LeftOut[] = [];
  const assignments = new Parser(text, file, { files, leftOut, open: [file] }).document();
  return { assignments, leftOut };
}

/** What the parsers of a file and of those it includes share. */
interface Reading {
  readonly files: HoconFiles;
  readonly leftOut: LeftOut[];
  readonly open: readonly string[];
}

class Parser {
  readonly #tokens: readonly HoconToken[];
  readonly #reading: Reading;
  #at = 0;
  #depth = 0;

  constructor(text: string, file: string, reading: Reading) {
    this.#tokens = hoconTokens(text, file);
    this.#reading = reading;
  }

  document(): HoconAssignment[] {
    this.#skip('space', 'newline');
    const isBraced = this.#take('{') !== undefined;
    const assignments = this.#fields([], isBraced ? '}' : undefined);
    this.#skip('space', 'newline');
    const rest = this.#token;
    if (rest.kind !== 'end') throw unexpected(rest, 'nothing may stand after the last brace');
    return assignments;
  }

  get #token(): HoconToken {
    // The last one is `end`, which nothing goes past.
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as HoconToken;
  }

  #skip(...kinds: readonly HoconToken['kind'][]): void {
    while (kinds.includes(this.#token.kind)) this.#at += 1;
  }

  #take(sign: string): HoconToken | undefined {
    const token = this.#token;
    if (token.kind !== 'sign' || token.text !== sign) return undefined;
    this.#at += 1;
    return token;
  }

  #fields(prefix: readonly string[], until: '}' | undefined): HoconAssignment[] {
    const assignments: HoconAssignment[] = [];
    for (;;) {
      this.#skip('space', 'newline');
      if (until && this.#take(until)) return assignments;
      if (this.#token.kind === 'end') {
        if (until)
          throw hoconError(this.#token, 'the file ends before a brace that was opened closes', 'close it with }');
        return assignments;
      }
      if (!until && this.#token.text === '}' && this.#token.kind === 'sign')
        throw hoconError(this.#token, '} closes a brace that was never opened', 'remove it, or open one');
      const include = includeAt(this.#tokens, this.#at);
      assignments.push(...(include ? this.#include(include, prefix) : this.#field(prefix)));
      this.#endOfItem(until);
    }
  }

  /** After a field or an item: a comma, a new line, or the end of what it stands in. */
  #endOfItem(until: '}' | ']' | undefined): void {
    this.#skip('space');
    const token = this.#token;
    const isEnd = token.kind === 'end' || token.kind === 'newline' || (token.kind === 'sign' && token.text === until);
    if (isEnd) {
      this.#skip('space', 'newline');
      this.#take(',');
    } else if (!this.#take(',')) throw unexpected(token, 'the next setting must begin on a line of its own');
  }

  #field(prefix: readonly string[]): HoconAssignment[] {
    const at = this.#token;
    const path = [...prefix, ...this.#key()];
    const sign = this.#token;
    const isOpen = sign.kind === 'sign' && sign.text === '{';
    if (!isOpen && !this.#take('=') && !this.#take(':') && !this.#take('+='))
      throw unexpected(sign, '= must stand after this key');
    this.#skip('space', 'newline');
    const value = this.#value(at);
    const [only] = value.parts;
    if (sign.text === '+=') {
      const before = { kind: 'substitution', path, isOptional: true, at } as const;
      return [{ path, value: { parts: [before, { kind: 'list', items: [value] }], at } }];
    }
    if (value.parts.length !== 1 || only?.kind !== 'object') return [{ path, value }];
    const empty: HoconRaw = { parts: [{ kind: 'object', assignments: [] }], at };
    return [{ path, value: empty }, ...only.assignments.map((one) => ({ ...one, path: [...path, ...one.path] }))];
  }

  /** A key: words with dots between them, or in quotes. */
  #key(): string[] {
    const path: string[] = [];
    let word = '';
    let isBegun = false;
    for (;;) {
      const { kind, text } = this.#token;
      if (kind === 'quoted') word += text;
      else if (kind === 'text' || kind === 'space') {
        const [first = '', ...more] = text.split('.');
        word += first;
        for (const part of more) {
          path.push(word.trim());
          word = part;
        }
      } else break;
      isBegun = true;
      this.#at += 1;
    }
    path.push(word.trim());
    if (isBegun && !path.includes('')) return path;
    throw unexpected(this.#token, 'a key must stand here');
  }

  #value(key: HoconPlace): HoconRaw {
    const at = this.#token;
    const parts: HoconPart[] = [];
    for (;;) {
      const token = this.#token;
      if (token.kind === 'sign' && (token.text === '{' || token.text === '[')) parts.push(this.#nested(token));
      else if (token.kind === 'sign' && !/^[,\]}]$/.test(token.text))
        throw hoconError(
          token,
          `${token.text} stands in a value that is not in quotes`,
          'put the value in quotes; or, when the next setting begins here, put that on a line of its own',
        );
      else if (token.kind === 'text' || token.kind === 'space' || token.kind === 'quoted') {
        parts.push({ kind: 'text', text: token.text, isQuoted: token.kind === 'quoted', isCut: token.isCut === true });
        this.#at += 1;
      } else if (token.kind === 'substitution') {
        const path = token.text.replaceAll('"', '').split('.');
        parts.push({ kind: 'substitution', path, isOptional: token.isOptional === true, at: token });
        this.#at += 1;
      } else break;
    }
    const solid = parts.filter((part) => part.kind !== 'text' || part.isQuoted || part.text.trim() !== '');
    if (solid.length === 0) throw hoconError(key, 'this has no value', 'write one; "" is an empty one');
    return { parts: solid.length === 1 ? solid : parts, at };
  }

  #nested(open: HoconToken): HoconPart {
    this.#at += 1;
    this.#depth += 1;
    if (this.#depth > deepest) throw hoconError(open, `braces stand more than ${deepest} deep`);
    const part: HoconPart =
      open.text === '{'
        ? { kind: 'object', assignments: this.#fields([], '}') }
        : { kind: 'list', items: this.#items() };
    this.#depth -= 1;
    return part;
  }

  #items(): HoconRaw[] {
    const items: HoconRaw[] = [];
    for (;;) {
      this.#skip('space', 'newline');
      if (this.#take(']')) return items;
      if (this.#token.kind === 'end')
        throw hoconError(this.#token, 'the file ends before a list closes', 'close it with ]');
      items.push(this.#value(this.#token));
      this.#endOfItem(']');
    }
  }

  #include(include: HoconInclude, prefix: readonly string[]): HoconAssignment[] {
    this.#at = include.end;
    const { files, leftOut, open } = this.#reading;
    const { name, at, isRequired } = include;
    const found = include.isInClasspath ? undefined : files(name, at.file);
    if (!found) {
      if (isRequired) throw hoconError(at, `include required: there is no file ${name}`, 'put it beside this file');
      leftOut.push({
        ...at,
        what: `include "${name}"`,
        why: 'it is a part of XiVO’s own program: its defaults are XiVO’s',
      });
      return [];
    }
    if (open.includes(found.file)) throw hoconError(at, `${name} includes itself`, 'remove one of the includes');
    if (open.length >= maxIncludes) throw hoconError(at, `includes stand more than ${maxIncludes} deep`);
    const inner = new Parser(found.text, found.file, { files, leftOut, open: [...open, found.file] }).document();
    return inner.map((one) => ({ ...one, path: [...prefix, ...one.path] }));
  }
}

/** What stands where something else must. Words of the file are not repeated: a piece of a password can pass for one. */
function unexpected({ kind, text, ...at }: HoconToken, wanted: string): OperatorError {
  const names = {
    ...{ end: 'the end of the file', newline: 'the end of the line', sign: text, quoted: 'text in quotes' },
    ...{ substitution: 'a substitution', text: 'a word', space: 'a blank' },
  };
  return hoconError(at, `${wanted}; here is ${names[kind]}`, 'begin each setting on a line of its own');
}
