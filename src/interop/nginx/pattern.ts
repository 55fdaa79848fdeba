/**
 * From nginx's regular expressions (PCRE) to JavaScript's with the `u` flag: escapes that one of them does not know, POSIX
 * classes, lone brackets. What has no counterpart is unreadable, and said so.
 */
import { machineOf } from '../../core/regex-machine.ts';

/** A pattern in JavaScript's words, or why there is none. */
export type PatternReading =
  | { readonly kind: 'ok'; readonly source: string; readonly insensitive: boolean }
  | {
      readonly kind: 'unreadable';
      readonly why: string;
      /** With what every path that it takes begins; empty when that cannot be told. */
      readonly begins: string;
    };

/** Text as a regular expression that matches just it. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, (sign) => (sign === '/' ? sign : `\\${sign}`));
}

const posix: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  xdigit: '0-9A-Fa-f',
  word: '\\w',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
};

const syntax = /[\^$\\.*+?()[\]{}|/]/;

class Unreadable extends Error {}

/** Reads a pattern as it stands behind `~` or `~*`. */
export function readPattern(pattern: string): PatternReading {
  const [, , flag = '', rest = ''] = /^((?:\(\*(?:UTF8?|UCP)\))*)(\(\?i\))?(.*)$/s.exec(pattern) ?? [];
  try {
    const source = new Translation(rest).source();
    new RegExp(source, 'u');
    return { kind: 'ok', source, insensitive: flag !== '' };
  } catch (error) {
    const why = error instanceof Unreadable ? error.message : 'JavaScript does not read it';
    return { kind: 'unreadable', why, begins: flag === '' ? fixedStart(rest) : '' };
  }
}

/** Whether a pattern that was read takes a path of the same files: in time that its length bounds, since both can be anybody's. */
export function hasMatch(source: string, isInsensitive: boolean, path: string): boolean {
  return (machineOf(source, isInsensitive) ?? new RegExp(source, isInsensitive ? 'iu' : 'u')).test(path);
}

/** Whether alternatives stand outside of every group, so that an anchor in front is that of the first one only. */
export function hasOuterAlternatives(source: string): boolean {
  let depth = 0;
  for (const [sign] of source.matchAll(/\\.|\[(?:\\.|[^\]\\])*\]|[()|]/gsu)) {
    if (sign === '|' && depth === 0) return true;
    if (sign === '(') depth += 1;
    else if (sign === ')') depth -= 1;
  }
  return false;
}

/** The literal text that every path of a pattern begins with; none where that cannot be told. */
export function fixedStart(pattern: string): string {
  const [, literal = '', next = ''] = /^\^(\/[A-Za-z0-9_/-]*)(.?)/s.exec(pattern) ?? [];
  if (pattern.includes('|')) return '';
  return /[*?{]/.test(next) ? literal.slice(0, -1) : literal;
}

/** One pass over a pattern. */
class Translation {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  source(): string {
    let out = '';
    while (this.#at < this.#text.length) out += this.#piece();
    return out;
  }

  #piece(): string {
    const rest = this.#text.slice(this.#at);
    const sign = rest.charAt(0);
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(rest)?.[0];
    if (quantifier !== undefined) {
      if (rest.charAt(quantifier.length) === '+')
        throw new Unreadable('JavaScript knows no possessive quantifiers such as *+');
      return this.#take(quantifier.length);
    }
    if (sign === '\\') return this.#escape(false);
    if (sign === '[') return this.#class();
    if (sign === '(') return this.#group(rest);
    const taken = this.#take(1);
    return sign === '{' || sign === '}' || sign === ']' ? `\\${taken}` : taken;
  }

  #take(length: number): string {
    const taken = this.#text.slice(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  #group(rest: string): string {
    const plain = /^\((?:\?(?:[:=!]|<[=!]|<[A-Za-z_]\w*>|-?i:))?(?![?*])/.exec(rest)?.[0];
    if (plain !== undefined) return this.#take(plain.length);
    const [named, , name] = /^\(\?(P<|')([A-Za-z_]\w*)[>']/.exec(rest) ?? [];
    if (named === undefined) throw new Unreadable(`JavaScript knows no group that begins with ${rest.slice(0, 3)}`);
    this.#take(named.length);
    return `(?<${name}>`;
  }

  /** An escape, in a class or outside of one. */
  #escape(inClass: boolean): string {
    const rest = this.#text.slice(this.#at + 1);
    const [code = ''] = /^(?:x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[pP]\{\w+\}|k<\w+>|.|$)/su.exec(rest) ?? [];
    this.#take(code.length + 1);
    if (code === '') throw new Unreadable('it ends with a backslash');
    if (code.startsWith('x{')) return `\\u${code.slice(1)}`;
    if (code.length > 2 || /^[dDwWsSnrtf]$/.test(code)) return `\\${code}`;
    if (code === 'h') return inClass ? ' \\t' : '[ \\t]';
    if (!inClass && /^[bB1-9]$/.test(code)) return `\\${code}`;
    if (!inClass && code === 'A') return '^';
    if (!inClass && /^[zZ]$/.test(code)) return '$';
    if (/^[A-Za-z0-9]$/.test(code)) throw new Unreadable(`JavaScript knows no \\${code}`);
    return syntax.test(code) || (inClass && code === '-') ? `\\${code}` : code;
  }

  #class(): string {
    let out = this.#take(this.#text.startsWith('[^', this.#at) ? 2 : 1);
    let wasSet = true;
    for (let first = true; ; first = false) {
      const rest = this.#text.slice(this.#at);
      if (rest === '') throw new Unreadable('a [ is not closed');
      if (rest.startsWith(']') && !first) return out + this.#take(1);
      const [item, isSet] = this.#classItem(rest);
      // Between sets, and at either end, PCRE takes a hyphen as it is; JavaScript wants that said.
      const isPlainHyphen = item === '-' && (wasSet || /^-(?:\]|\\[dDwWsSh]|\[:)/.test(rest));
      out += isPlainHyphen ? '\\-' : item;
      wasSet = isSet;
    }
  }

  #classItem(rest: string): [item: string, isSet: boolean] {
    const [whole, negated, name = ''] = /^\[:(\^?)(\w+):\]/.exec(rest) ?? [];
    if (whole !== undefined) {
      const members = negated === '' && Object.hasOwn(posix, name) ? posix[name] : undefined;
      if (members === undefined) throw new Unreadable(`JavaScript knows no ${whole}`);
      this.#take(whole.length);
      return [members, true];
    }
    if (rest.startsWith('\\')) return [this.#escape(true), /^\\[dDwWsShpP]/.test(rest)];
    const sign = this.#take(/^[\ud800-\udbff][\udc00-\udfff]/.test(rest) ? 2 : 1);
    return [sign === '[' || sign === ']' ? `\\${sign}` : sign, false];
  }
}
