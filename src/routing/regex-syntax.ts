/** Reads the source of a regular expression (with the `u` flag, which JavaScript has taken already) into its parts. */

/** A part of a pattern. */
export type RegexNode =
  | { readonly kind: 'one'; readonly source: string }
  | { readonly kind: 'sequence'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'either'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly part: RegexNode; readonly min: number; readonly max: number }
  /** A group whose text is kept. */
  | { readonly kind: 'capture'; readonly part: RegexNode }
  /** Matches nothing by itself: `(?=…)`, `(?!…)` and their like. */
  | { readonly kind: 'look'; readonly part: RegexNode; readonly isBehind: boolean }
  | { readonly kind: 'start' | 'edge' };

/** Text of any length: what a back-reference may stand for. */
export const anything: RegexNode = { kind: 'repeat', part: { kind: 'one', source: '[^]' }, min: 0, max: Infinity };

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
    if (this.#take(/\^/y)) return { kind: 'start' };
    if (this.#take(/\$|\\[bB]/y)) return { kind: 'edge' };
    if (this.#take(/\\(?:[1-9]\d*|k<[^>]*>)/y)) return anything;
    const look = this.#take(/\(\?(<?)[=!]/y);
    if (look) return { kind: 'look', part: this.#group(), isBehind: look[1] === '<' };
    const modified = this.#take(/\(\?[a-z-]+:/y);
    if (modified) return this.#modified(modified[0]);
    if (this.#take(/\(\?:/y)) return this.#group();
    if (this.#take(/\((?:\?<[^>]*>)?/y)) return { kind: 'capture', part: this.#group() };
    const one = this.#take(
      /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[\dA-Fa-f]{4}|x[\dA-Fa-f]{2}|c[A-Za-z]|.)|\[(?:\\.|[^\]\\])*\]|./suy,
    );
    return { kind: 'one', source: this.#modifiers.reduceRight((inner, open) => `${open}${inner})`, one?.[0] ?? '') };
  }

  /** What stands in `(?i:…)` and its like keeps these letters about each character. */
  #modified(open: string): RegexNode {
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
