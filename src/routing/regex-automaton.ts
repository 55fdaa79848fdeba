/**
 * The positions of a pattern (Glushkov's automaton): which may follow which, and in how many ways. Two ways from one position
 * to another are two ways of reading the same text, which is what a backtracking matcher tries one after the other.
 */
import type { RegexNode } from './regex-syntax.ts';

/** The automaton. Positions are numbers from 0; there are as many as `atoms`. */
export interface Automaton {
  /** What each position takes, as the source of one character or class. */
  readonly atoms: readonly string[];
  /** For each position the next ones, each with the number of ways to it. */
  readonly next: readonly ReadonlyMap<number, number>[];
  /** The positions that a match may begin with. */
  readonly first: readonly number[];
}

/** A pattern of more positions is not judged. */
const maxPositions = 400;

/** Repetitions beyond these count as unbounded, for their readings grow alike: the second where the first makes too many. */
const maxCounted = [100, 8];

/** Where a part begins and ends, and whether it may be left out. */
interface Ends {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly isNullable: boolean;
}

const nothing: Ends = { first: [], last: [], isNullable: true };

/** The automaton of a pattern; undefined where it is too large to be judged. */
export function automatonOf(pattern: RegexNode): Automaton | undefined {
  for (const most of maxCounted) {
    const builder = new Builder(most);
    try {
      const { first } = builder.build(pattern);
      return { atoms: builder.atoms, next: builder.next, first };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return undefined;
}

class Builder {
  readonly atoms: string[] = [];
  readonly next: Map<number, number>[] = [];
  readonly #maxCounted: number;

  constructor(most: number) {
    this.#maxCounted = most;
  }

  build(node: RegexNode): Ends {
    switch (node.kind) {
      case 'one':
        return this.#position(node.source);
      case 'sequence':
        return node.parts.reduce((before, part) => this.#joined(before, this.build(part)), nothing);
      case 'either': {
        const parts = node.parts.map((part) => this.build(part));
        return {
          first: parts.flatMap(({ first }) => first),
          last: parts.flatMap(({ last }) => last),
          isNullable: parts.some(({ isNullable }) => isNullable),
        };
      }
      case 'look':
        // What it looks at is read and given back: nothing follows behind its end.
        return { first: this.build(node.part).first, last: [], isNullable: true };
      case 'repeat':
        return this.#repeated(node.part, node.min, node.max);
      default:
        return nothing;
    }
  }

  #position(source: string): Ends {
    const at = this.atoms.push(source) - 1;
    if (at >= maxPositions) throw new RangeError('too many positions');
    this.next.push(new Map());
    return { first: [at], last: [at], isNullable: false };
  }

  #joined(before: Ends, after: Ends): Ends {
    this.#link(before.last, after.first);
    return {
      first: before.isNullable ? [...before.first, ...after.first] : before.first,
      last: after.isNullable ? [...before.last, ...after.last] : after.last,
      isNullable: before.isNullable && after.isNullable,
    };
  }

  #repeated(part: RegexNode, min: number, max: number): Ends {
    const isOpen = max > this.#maxCounted;
    const copies = isOpen ? Math.min(Math.max(min, 1), this.#maxCounted) : max;
    let all = nothing;
    for (let copy = 1; copy <= copies; copy++) {
      const ends = this.build(part);
      if (isOpen && copy === copies) this.#link(ends.last, ends.first);
      all = this.#joined(all, { ...ends, isNullable: ends.isNullable || copy > min });
    }
    return all;
  }

  #link(from: readonly number[], to: readonly number[]): void {
    for (const one of from) for (const other of to) this.next[one]?.set(other, (this.next[one]?.get(other) ?? 0) + 1);
  }
}
