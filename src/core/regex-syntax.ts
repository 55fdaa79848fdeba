/** Reads the source of a regular expression (with the `u` flag, which JavaScript has taken already) into its parts. */

/** A part of a pattern. */
export type RegexNode =
  | { readonly kind: 'one'; readonly source: string }
  | { readonly kind: 'sequence'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'either'; readonly parts: readonly RegexNode[] }
  | {
      readonly kind: 'repeat';
      readonly part: RegexNode;
      readonly min: number;
      readonly max: number;
      /** It stands for a back-reference. */
      readonly isReference?: true;
    }
  /** A group whose text is kept. */
  | { readonly kind: 'capture'; readonly part: RegexNode }
  /** Matches nothing by itself: `(?=…)`, `(?!…)` and their like. */
  | { readonly kind: 'look'; readonly part: RegexNode; readonly isBehind: boolean; readonly isNegative: boolean }
  /** The start of the whole text, and no other line's. */
  | { readonly kind: 'start' }
  /** Another place between two characters, by its sign. `word` is the source of what belongs to words there. */
  | {
      readonly kind: 'edge';
      readonly sign: '^' | '$' | '\\b' | '\\B';
      readonly ofLines: boolean;
      readonly word: string;
    };

/** Text of any length. */
export const anything = {
  kind: 'repeat',
  part: { kind: 'one', source: '[^]' },
  min: 0,
  max: Infinity,
} as const satisfies RegexNode;

const reference: RegexNode = { ...anything, isReference: true };

/** Reads a pattern that JavaScript compiles. */
export function readRegex(source: string): RegexNode {
  return new RegexReader(source).alternatives();
}

class RegexReader {
  readonly #source: string;
  #at = 0;
  readonly #modifiers: string[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  alternatives(): RegexNode {
    const parts = [this.#sequence()];
    while (this.#take(/\|/y)) parts.push(this.#sequence());
    return parts.length === 1 && parts[0] ? parts[0] : { kind: 'either', parts };
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at] ?? '')) {
      const part = this.#piece();
      const [quantifier, low, comma, high] = this.#take(/(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/y) ?? [];
      if (quantifier === undefined) parts.push(part);
      else if (low === undefined)
        parts.push({
          kind: 'repeat',
          part,
          min: quantifier[0] === '+' ? 1 : 0,
          max: quantifier[0] === '?' ? 1 : Infinity,
        });
      else
        parts.push({
          kind: 'repeat',
          part,
          min: Number(low),
          max: high ? Number(high) : comma ? Infinity : Number(low),
        });
    }
    return { kind: 'sequence', parts };
  }

  #piece(): RegexNode {
    const [sign] = this.#take(/[\^$]|\\[bB]/y) ?? [];
    if (sign !== undefined) return this.#edge(sign as '^' | '$' | '\\b' | '\\B');
    if (this.#take(/\\(?:[1-9]\d*|k<[^>]*>)/y)) return reference;
    const look = this.#take(/\(\?(<?)([=!])/y);
    if (look) return { kind: 'look', part: this.#group(), isBehind: look[1] === '<', isNegative: look[2] === '!' };
    const modified = this.#take(/\(\?[a-z-]+:/y);
    if (modified) return this.#within(modified[0]);
    if (this.#take(/\(\?:/y)) return this.#group();
    if (this.#take(/\((?:\?<[^>]*>)?/y)) return { kind: 'capture', part: this.#group() };
    const one = this.#take(
      /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB][\dA-Fa-f]{2}\\u[dD][c-fC-F][\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|x[\dA-Fa-f]{2}|c[A-Za-z]|.)|\[(?:\\.|[^\]\\])*\]|./suy,
    );
    return { kind: 'one', source: this.#modified(one?.[0] ?? '') };
  }

  #edge(sign: '^' | '$' | '\\b' | '\\B'): RegexNode {
    const ofLines =
      this.#modifiers
        .findLast((open) => open.includes('m'))
        ?.split('-', 1)[0]
        ?.includes('m') === true;
    return sign === '^' && !ofLines ? { kind: 'start' } : { kind: 'edge', sign, ofLines, word: this.#modified('\\w') };
  }

  #modified(source: string): string {
    return this.#modifiers.reduceRight((inner, open) => `${open}${inner})`, source);
  }

  /** What stands in `(?i:…)` and its like keeps these letters about each character. */
  #within(open: string): RegexNode {
    this.#modifiers.push(open);
    const inner = this.#group();
    this.#modifiers.pop();
    return inner;
  }

  #group(): RegexNode {
    const inner = this.alternatives();
    this.#take(/\)/y);
    return inner;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found) this.#at += found[0].length;
    return found ?? undefined;
  }
}
