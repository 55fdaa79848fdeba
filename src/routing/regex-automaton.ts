/**
 * The positions of a pattern (Glushkov's automaton): which may follow which, and in how many ways. Two ways from one position
 * to another are two ways of reading the same text, which is what a backtracking matcher tries one after the other.
 */
import type { RegexNode } from '../core/regex-syntax.ts';

/** The automaton. Positions are numbers from 0; there are as many as `atoms`. */
export interface Automaton {
  /** What each position takes, as the source of one character or class. */
  readonly atoms: readonly string[];
  /** For each position how many groups may end with it that are kept time and again, being repeated. */
  readonly captures: readonly number[];
  /** For each position the next ones, each with the number of ways to it. */
  readonly next: readonly ReadonlyMap<number, number>[];
  /** The positions that a match may begin with, each with the number of ways to it. */
  readonly first: ReadonlyMap<number, number>;
}

/** A pattern of more positions is not judged. */
const maxPositions = 1000;

/** Parts that are built, copies of a repetition included: a pattern of more is not judged. */
const maxParts = 4000;

/** Links between positions that are made: a pattern of more is not judged. */
const maxLinks = 50_000;

/** Where a part begins and ends, each with the number of ways to it, and in how many ways it may be left out. */
interface Ends {
  readonly first: Ways;
  readonly last: Ways;
  readonly empty: number;
}
type Ways = ReadonlyMap<number, number>;

const nothing: Ends = { first: new Map(), last: new Map(), empty: 1 };

/** What takes no character: how often the end of a pattern, or of what it looks at, is come to. */
const end: RegexNode = { kind: 'one', source: '[]' };

/**
 * The automaton of a pattern. A repetition of more than `maxCounted` times counts as unbounded, which has all of its readings.
 * Throws RangeError where the pattern is too large.
 */
export function automatonOf(pattern: RegexNode, maxCounted: number): Automaton {
  const builder = new Builder(maxCounted);
  const { first } = builder.build({ kind: 'sequence', parts: [pattern, end] });
  return { atoms: builder.atoms, captures: builder.captures, next: builder.next, first };
}

class Builder {
  readonly atoms: string[] = [];
  readonly captures: number[] = [];
  readonly next: Map<number, number>[] = [];
  readonly #maxCounted: number;
  #parts = 0;
  #repeats = 0;
  #links = 0;

  constructor(maxCounted: number) {
    this.#maxCounted = maxCounted;
  }

  build(node: RegexNode): Ends {
    this.#parts += 1;
    if (this.#parts > maxParts) throw new RangeError('too many parts');
    switch (node.kind) {
      case 'one':
        return this.#position(node.source);
      case 'sequence':
        return node.parts.reduce((before, part) => this.#joined(before, this.build(part)), nothing);
      case 'either': {
        const parts = node.parts.map((part) => this.build(part));
        return {
          first: sum(parts.map(({ first }) => [first, 1])),
          last: sum(parts.map(({ last }) => [last, 1])),
          empty: parts.reduce((ways, { empty }) => ways + empty, 0),
        };
      }
      case 'look':
        // What it looks at is read and given back: nothing follows behind its end.
        return { ...nothing, first: this.build({ kind: 'sequence', parts: [node.part, end] }).first };
      case 'repeat':
        return this.#within(() => this.#repeated(node.part, node.min, node.max));
      case 'capture': {
        const ends = this.build(node.part);
        if (this.#repeats > 0) for (const at of ends.last.keys()) this.captures[at] = (this.captures[at] ?? 0) + 1;
        return ends;
      }
      default:
        return nothing;
    }
  }

  #within(build: () => Ends): Ends {
    this.#repeats += 1;
    const ends = build();
    this.#repeats -= 1;
    return ends;
  }

  #position(source: string): Ends {
    const at = this.atoms.push(source) - 1;
    if (at >= maxPositions) throw new RangeError('too many positions');
    this.captures.push(0);
    this.next.push(new Map());
    return { first: new Map([[at, 1]]), last: new Map([[at, 1]]), empty: 0 };
  }

  #joined(before: Ends, after: Ends): Ends {
    this.#link(before.last, after.first);
    return {
      first: sum([
        [before.first, 1],
        [after.first, before.empty],
      ]),
      last: sum([
        [after.last, 1],
        [before.last, after.empty],
      ]),
      empty: before.empty * after.empty,
    };
  }

  /** Copies that may be left out stand within each other, `a(a(a)?)?`, as a matcher reads them. */
  #repeated(part: RegexNode, min: number, max: number): Ends {
    const isOpen = max > this.#maxCounted;
    const copies = isOpen ? Math.min(Math.max(min, 1), this.#maxCounted) : max;
    const built: Ends[] = [];
    for (let copy = 1; copy <= copies; copy++) {
      const ends = this.build(part);
      if (isOpen && copy === copies) {
        this.#link(ends.last, ends.first);
        // A round that reads nothing is tried before each that reads something: as two ways round.
        if (ends.empty > 0) this.#link(ends.last, ends.first);
      }
      built.push(ends);
    }
    return built.reduceRight((rest, ends, index) => {
      const all = this.#joined(ends, rest);
      return index < min ? all : { ...all, empty: all.empty + 1 };
    }, nothing);
  }

  #link(from: Ways, to: Ways): void {
    this.#links += from.size * to.size;
    if (this.#links > maxLinks) throw new RangeError('too many links');
    for (const [one, left] of from)
      for (const [other, right] of to) {
        const next = this.next[one];
        next?.set(other, (next.get(other) ?? 0) + left * right);
      }
  }
}

function sum(parts: readonly (readonly [Ways, number])[]): Ways {
  const all = new Map<number, number>();
  for (const [ways, times] of parts)
    if (times > 0) for (const [at, count] of ways) all.set(at, (all.get(at) ?? 0) + count * times);
  return all;
}
