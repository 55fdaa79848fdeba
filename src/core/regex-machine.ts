/**
 * A pattern as a machine that reads each character once, with all readings side by side: its time grows with the text alone. It
 * says whether a text has a match, not where. Of what JavaScript knows it leaves out back-references, which no such machine has.
 */
import { type Edge, kinds, nodesOf, type RegexNodes } from './regex-nodes.ts';
import { readRegex } from './regex-syntax.ts';

/** Characters of which it is known which atoms take them. */
const maxKnown = 1000;

/** The machine of a pattern that JavaScript compiles; undefined where it has none. */
export function machineOf(source: string, isInsensitive: boolean): Machine | undefined {
  try {
    return new Machine(nodesOf(readRegex(source)), isInsensitive ? 'iu' : 'u');
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Made by `machineOf`. */
class Machine {
  readonly #nodes: RegexNodes;
  readonly #atoms: readonly RegExp[];
  readonly #known = new Map<string, Uint8Array>();
  /** V8 looks for a match between the two halves of a character beyond U+FFFF, too, where only one of no characters can be. */
  readonly #takesHalves: boolean;

  constructor(nodes: RegexNodes, flags: string) {
    this.#nodes = nodes;
    this.#atoms = nodes.atoms.map((source) => atomPattern(source, flags));
    this.#takesHalves = takesHalves(nodes, nodes.entry);
  }

  /** Whether the pattern matches anywhere in a text. */
  test(text: string): boolean {
    if (this.#takesHalves && /[\u{10000}-\u{10ffff}]/u.test(text)) return true;
    const reading = new Reading(
      this.#nodes,
      Array.from(text, (character) => this.#takenBy(character)),
    );
    // Those within others come first: what they find is asked for by the others.
    for (const { entry, isBehind } of this.#nodes.looks) reading.look(entry, isBehind);
    return reading.find(this.#nodes.entry);
  }

  /** For each atom whether it takes this character. JavaScript itself says so. */
  #takenBy(character: string): Uint8Array {
    const known = this.#known.get(character);
    if (known) return known;
    const taken = Uint8Array.from(this.#atoms, (atom) => (atom.test(character) ? 1 : 0));
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(character, taken);
    return taken;
  }
}

/** `(?i:(?-s:.))`, as the reader writes a character, with its letters for flags: V8 takes some for those of a group beside. */
function atomPattern(source: string, flags: string): RegExp {
  const [opens = ''] = /^(?:\(\?[a-z-]+:)*/.exec(source) ?? [];
  const kept = new Set(flags);
  for (const [, on = '', off = ''] of opens.matchAll(/\?([a-z]*)-?([a-z]*):/g)) {
    for (const letter of on) kept.add(letter);
    for (const letter of off) kept.delete(letter);
  }
  const bare = source.slice(opens.length, opens === '' ? undefined : -opens.split('(').length + 1);
  return new RegExp(`^(?:${bare})$`, [...kept].filter((letter) => letter !== 'm').join(''));
}

/** Whether a match of no characters is between the halves of a character: no word is there, and none that is looked at. */
function takesHalves(nodes: RegexNodes, entry: number): boolean {
  const { kind, next, more, edges, looks } = nodes;
  const met = new Set([entry]);
  for (const at of met) {
    if (kind[at] === kinds.end) return true;
    if (kind[at] === kinds.fork) met.add(next[at] ?? 0).add(more[at] ?? 0);
    const edge = kind[at] === kinds.edge ? edges[more[at] ?? 0] : undefined;
    if (!edge || !('isNegative' in edge)) continue;
    const isThere = edge.kind === 'look' && takesHalves(nodes, looks[edge.look]?.entry ?? 0);
    if (isThere !== edge.isNegative) met.add(next[at] ?? 0);
  }
  return false;
}

/** One text being read: of each of its characters it is known which atoms take it. */
class Reading {
  readonly #nodes: RegexNodes;
  readonly #text: readonly Uint8Array[];
  /** For each look whether what it looks at is there, seen from each place. */
  readonly #seen: Uint8Array[] = [];

  constructor(nodes: RegexNodes, text: readonly Uint8Array[]) {
    this.#nodes = nodes;
    this.#text = text;
  }

  find(entry: number): boolean {
    return this.#read(entry, true, () => true);
  }

  look(entry: number, isBehind: boolean): void {
    const seen = new Uint8Array(this.#text.length + 1);
    this.#read(entry, isBehind, (place) => {
      seen[place] = 1;
      return false;
    });
    this.#seen.push(seen);
  }

  /** Reads the text with a match begun at each place; `onEnd` says whether it ends where a match does. */
  #read(entry: number, isForwards: boolean, onEnd: (place: number) => boolean): boolean {
    const { kind, next, more, edges } = this.#nodes;
    const length = this.#text.length;
    // When a node was come to last. Each is come to once a place, and puts two more there at most.
    const met = new Int32Array(kind.length).fill(-1);
    let open = new Int32Array(2 * kind.length + 2);
    let following = new Int32Array(2 * kind.length + 2);
    let opened = 0;
    for (let step = 0; step <= length; step++) {
      const place = isForwards ? step : length - step;
      const row = this.#text[isForwards ? place : place - 1];
      let followed = 0;
      let isEnd = false;
      open[opened++] = entry;
      while (opened > 0) {
        const at = open[--opened] ?? 0;
        if (met[at] === step) continue;
        met[at] = step;
        const to = next[at] ?? 0;
        const about = more[at] ?? 0;
        const of = kind[at];
        if (of === kinds.take) {
          if (row?.[about] === 1) following[followed++] = to;
        } else if (of === kinds.fork) {
          open[opened++] = to;
          open[opened++] = about;
        } else if (of === kinds.end) isEnd = true;
        else if (this.#holds(edges[about] as Edge, place)) open[opened++] = to;
      }
      if (isEnd && onEnd(place)) return true;
      [open, following] = [following, open];
      opened = followed;
    }
    return false;
  }

  #holds(edge: Edge, place: number): boolean {
    switch (edge.kind) {
      case 'start':
        return place === 0;
      case 'end':
        return place === this.#text.length;
      case 'lineStart':
        return place === 0 || this.#takes(this.#nodes.line, place - 1);
      case 'lineEnd':
        return place === this.#text.length || this.#takes(this.#nodes.line, place);
      case 'word':
        return (this.#takes(edge.atom, place - 1) !== this.#takes(edge.atom, place)) !== edge.isNegative;
      case 'look':
        return (this.#seen[edge.look]?.[place] === 1) !== edge.isNegative;
      default:
        return edge satisfies never;
    }
  }

  #takes(atom: number, at: number): boolean {
    return this.#text[at]?.[atom] === 1;
  }
}
