/** The nodes of the machine that `regex-machine.ts` runs, made of a pattern's parts. */
import type { RegexNode } from './regex-syntax.ts';

/** Nodes of a machine: a pattern of more has none. Reading one character may come by all of them, in some 10 ns each. */
const maxNodes = 400;

/** Characters and classes that a pattern tells apart. */
const maxAtoms = 150;

/** What a node is: one that takes a character, one with two ways on, one that asks something of its place, the end of a match. */
export const kinds = { take: 0, fork: 1, edge: 2, end: 3 } as const;

/** What is asked of a place between two characters. */
export type Edge =
  | { readonly kind: 'start' | 'end' | 'lineStart' | 'lineEnd' }
  | { readonly kind: 'word'; readonly atom: number; readonly isNegative: boolean }
  | { readonly kind: 'look'; readonly look: number; readonly isNegative: boolean };

/** What is looked at from each place of a text. What is ahead is read backwards, from the end of the text on. */
interface Look {
  readonly entry: number;
  readonly isBehind: boolean;
}

/** The nodes of a pattern; they are numbers from 0. */
export interface RegexNodes {
  /** Where a match begins. */
  readonly entry: number;
  /** For each node its kind, the next one, and: of `take` the atom, of `fork` the other way, of `edge` which one. */
  readonly kind: Uint8Array;
  readonly next: Int32Array;
  readonly more: Int32Array;
  readonly edges: readonly Edge[];
  /** Those within others come first. */
  readonly looks: readonly Look[];
  /** The sources of the characters and classes that are told apart. */
  readonly atoms: readonly string[];
  /** The atom of what ends a line. */
  readonly line: number;
}

/** The nodes of a pattern. Throws RangeError where it is too large, or refers back. */
export function nodesOf(pattern: RegexNode): RegexNodes {
  const builder = new Builder();
  const entry = builder.build(pattern, builder.add('end'), false);
  const { kind, next, more, edges, looks, line } = builder;
  return {
    entry,
    kind: Uint8Array.from(kind),
    next: Int32Array.from(next),
    more: Int32Array.from(more),
    edges,
    looks,
    atoms: [...builder.atoms.keys()],
    line,
  };
}

/** Makes nodes from behind: each is given the one that follows it. */
class Builder {
  readonly kind: number[] = [];
  readonly next: number[] = [];
  readonly more: number[] = [];
  readonly edges: Edge[] = [];
  readonly looks: Look[] = [];
  readonly atoms = new Map<string, number>();
  /** What ends a line. */
  readonly line = this.#atom('[\\n\\r\\u2028\\u2029]');
  #built = 0;

  add(kind: keyof typeof kinds, next = 0, more = 0): number {
    if (this.kind.length >= maxNodes) throw new RangeError('too many parts');
    this.next.push(next);
    this.more.push(more);
    return this.kind.push(kinds[kind]) - 1;
  }

  build(node: RegexNode, to: number, isBackwards: boolean): number {
    this.#built += 1;
    // What takes nothing makes no nodes, and could be repeated without end.
    if (this.#built > 2 * maxNodes) throw new RangeError('too many parts');
    switch (node.kind) {
      case 'one':
        return this.add('take', to, this.#atom(node.source));
      case 'sequence': {
        const parts = isBackwards ? node.parts : node.parts.toReversed();
        return parts.reduce((next, part) => this.build(part, next, isBackwards), to);
      }
      case 'either':
        return singlesAsOne(node.parts)
          .map((part) => this.build(part, to, isBackwards))
          .reduceRight((rest, part) => this.add('fork', part, rest));
      case 'capture':
        return this.build(node.part, to, isBackwards);
      case 'repeat':
        if (node.isReference) throw new RangeError('refers back');
        return this.#repeated(node, to, isBackwards);
      case 'start':
        return this.#asked({ kind: 'start' }, to);
      case 'edge':
        return this.#asked(this.#edge(node), to);
      case 'look': {
        const { isBehind, isNegative } = node;
        const entry = this.build(node.part, this.add('end'), !isBehind);
        const look = this.looks.push({ entry, isBehind }) - 1;
        return this.#asked({ kind: 'look', look, isNegative }, to);
      }
      default:
        return node satisfies never;
    }
  }

  #repeated({ part, min, max }: RegexNode & { kind: 'repeat' }, to: number, isBackwards: boolean): number {
    let next = to;
    let copies = min;
    if (max === Infinity) {
      const again = this.add('fork', to);
      const round = this.build(part, again, isBackwards);
      this.more[again] = round;
      next = min === 0 ? again : round;
      copies -= 1;
    } else for (let copy = min; copy < max; copy++) next = this.add('fork', this.build(part, next, isBackwards), to);
    for (let copy = 0; copy < copies; copy++) next = this.build(part, next, isBackwards);
    return next;
  }

  #asked(edge: Edge, to: number): number {
    return this.add('edge', to, this.edges.push(edge) - 1);
  }

  #edge({ sign, ofLines, word }: RegexNode & { kind: 'edge' }): Edge {
    if (sign === '^') return { kind: 'lineStart' };
    if (sign === '$') return { kind: ofLines ? 'lineEnd' : 'end' };
    return { kind: 'word', atom: this.#atom(word), isNegative: sign === '\\B' };
  }

  #atom(source: string): number {
    const atom = this.atoms.get(source) ?? this.atoms.size;
    this.atoms.set(source, atom);
    if (this.atoms.size > maxAtoms) throw new RangeError('too many characters and classes');
    return atom;
  }
}

/** Of alternatives those of a single character as one class, `a|[b-d]`. */
function singlesAsOne(parts: readonly RegexNode[]): readonly RegexNode[] {
  const sources: string[] = [];
  const others = parts.filter((part) => {
    const [only = part, ...more] = part.kind === 'sequence' ? part.parts : [];
    const isSingle = more.length === 0 && only.kind === 'one' && !only.source.startsWith('(?');
    if (isSingle) sources.push(only.source);
    return !isSingle;
  });
  return sources.length === 0 ? others : [...others, { kind: 'one', source: sources.join('|') }];
}
