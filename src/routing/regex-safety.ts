/**
 * Whether matching a regular expression against a path that somebody has made for it can take very long. JavaScript tries one
 * reading of a text after the other: the checks count how the number of readings grows with the text. What passes takes at
 * most the square of the longest path in steps.
 */
import { type Automaton, automatonOf } from './regex-automaton.ts';
import { anything, type RegexNode, readRegex } from './regex-syntax.ts';

/** Why a pattern (of `~`, or without regard to case of `~*`) can take very long; undefined where it cannot. */
export function blowUp(source: string, isInsensitive: boolean): string | undefined {
  const key = `${isInsensitive}${source}`;
  if (!judged.has(key)) {
    if (judged.size > 1000) judged.clear();
    judged.set(key, judge(source, isInsensitive));
  }
  return judged.get(key);
}

/** A configuration is checked more than once before its routes are made. */
const judged = new Map<string, string | undefined>();

const nested = 'repeats what can be read in more than one way as a repetition already, such as (a+)+ or (a|a)*';
const adjacent = 'repeats one thing right behind another that takes the same characters, such as a+a+ or .*.*';
const manyLoops = 'has several repetitions that take the same characters one after the other, such as .*a.*b.*c';

function judge(source: string, isInsensitive: boolean): string | undefined {
  if (!isReadable(source)) return undefined;
  const automaton = automatonOf(searched(readRegex(source)));
  if (!automaton) return 'is too large to be judged';
  const graph = new Graph(automaton, alphabetOf(automaton, source, isInsensitive));
  if (graph.isAmbiguousLoop()) return nested;
  const loops = graph.loops();
  if (graph.hasManyReadings()) return manyLoops;
  const pairs = loops.map((one) => loops.map((other) => one !== other && graph.joins(one, other)));
  const isSearch = (index: number) => loops[index]?.includes(0) === true && /^\[\^\]$/.test(automaton.atoms[0] ?? '');
  for (const [one, row] of pairs.entries())
    for (const [other, isJoined] of row.entries())
      if (isJoined && !isSearch(one) && graph.isAdjacent(loops[one] ?? [], loops[other] ?? [])) return adjacent;
  return longestChain(pairs) > 2 ? manyLoops : undefined;
}

/** A pattern as it is searched for: from every place on, unless it begins at the start; nothing after it has to match. */
function searched(node: RegexNode): RegexNode {
  if (node.kind === 'either') return { kind: 'either', parts: node.parts.map(searched) };
  const parts = node.kind === 'sequence' ? node.parts : [node];
  const isFixed = parts[0]?.kind === 'start';
  // A search that is written out, ^(?=…).*?…, is one too.
  const behind = parts.findIndex((part, index) => index > 0 && part.kind !== 'look');
  const written = isFixed ? parts[behind] : undefined;
  const isWritten = written?.kind === 'repeat' && isAny(written.part) && written.max === Infinity && written.min === 0;
  const rest = isWritten ? [...parts.slice(behind + 1)] : parts;
  const looks: RegexNode[] = isWritten ? parts.slice(0, behind) : [];
  const kept = withoutTail(rest);
  return { kind: 'sequence', parts: [...(isFixed && !isWritten ? [] : [anything]), ...looks, ...kept] };
}

/** What JavaScript does not read is another mistake. */
function isReadable(source: string): boolean {
  try {
    return new RegExp(source, 'u') !== undefined;
  } catch {
    return false;
  }
}

function isAny(node: RegexNode): boolean {
  return node.kind === 'one' && (node.source === '.' || node.source === '[^]');
}

/** Once the rest has matched, what may be left out at the end is not needed. */
function withoutTail(parts: readonly RegexNode[]): readonly RegexNode[] {
  const last = parts.at(-1);
  if (last?.kind !== 'repeat') return parts;
  if (last.min === 0) return withoutTail(parts.slice(0, -1));
  return last.max === last.min ? parts : [...parts.slice(0, -1), { ...last, max: last.min }];
}

/** For each position, which of some characters it takes: all that the pattern could tell apart. */
function alphabetOf({ atoms }: Automaton, source: string, isInsensitive: boolean): readonly (readonly boolean[])[] {
  const samples = new Set<number>(Array.from({ length: 0x180 }, (_, code) => code));
  for (const code of [0x17f, 0x212a, 0x3b1, 0x4e2d, 0x20ac, 0x301, 0x2028, 0x1f600]) samples.add(code);
  for (const character of source) for (const step of [-1, 0, 1]) samples.add((character.codePointAt(0) ?? 0) + step);
  for (const [, long, short] of source.matchAll(/\\u(?:\{([\dA-Fa-f]+)\}|([\dA-Fa-f]{4}))/g))
    for (const step of [-1, 0, 1]) samples.add(Number.parseInt(long ?? short ?? '0', 16) + step);
  const texts = [...samples].filter((code) => code >= 0 && code <= 0x10ffff).map((code) => String.fromCodePoint(code));
  const known = new Map<string, readonly boolean[]>();
  return atoms.map((atom) => {
    const found = known.get(atom);
    if (found) return found;
    const pattern = new RegExp(`^(?:${atom})$`, isInsensitive ? 'iu' : 'u');
    const taken = texts.map((text) => pattern.test(text));
    known.set(atom, taken);
    return taken;
  });
}

/** Loops are sets of positions that lead to one another. */
type Loop = readonly number[];

class Graph {
  readonly #next: Automaton['next'];
  readonly #first: readonly number[];
  readonly #takes: readonly (readonly boolean[])[];
  readonly #component: readonly number[];

  constructor({ next, first }: Automaton, takes: readonly (readonly boolean[])[]) {
    this.#next = next;
    this.#first = first;
    this.#takes = takes;
    this.#component = componentsOf(next);
  }

  /** Positions that are a loop: more than one that lead to each other, or one that follows itself. */
  loops(): Loop[] {
    const groups = new Map<number, number[]>();
    for (const [at, component] of this.#component.entries())
      groups.set(component, [...(groups.get(component) ?? []), at]);
    return [...groups.values()].filter(([at = 0, ...more]) => more.length > 0 || this.#next[at]?.has(at));
  }

  /** Whether within a loop one text can be read in two ways that begin and end alike: the ways double with each round. */
  isAmbiguousLoop(): boolean {
    const size = this.#next.length;
    for (const loop of this.loops()) {
      const inside = new Set(loop);
      for (const from of loop)
        for (const [to, ways] of this.#next[from] ?? []) if (ways > 1 && inside.has(to)) return true;
      // Two readings side by side, as one position each: do they part from a place where they are together, and meet again?
      const steps = (pair: number): number[] => {
        const [one, other] = [Math.floor(pair / size), pair % size];
        return [...(this.#next[one] ?? [])].flatMap(([left]) =>
          [...(this.#next[other] ?? [])].flatMap(([right]) =>
            inside.has(left) && inside.has(right) && this.#meet([left, right]) ? [left * size + right] : [],
          ),
        );
      };
      const together = loop.map((at) => at * size + at);
      const apart = reachable(together, steps);
      for (const pair of apart)
        if (
          Math.floor(pair / size) !== pair % size &&
          [...reachable([pair], steps)].some((end) => Math.floor(end / size) === end % size)
        )
          return true;
    }
    return false;
  }

  /** Whether a text that one loop takes leads into another that takes it too: the ways grow with the length of the text. */
  joins(one: Loop, other: Loop): boolean {
    const [left, right] = this.#shared(one, other);
    if (left.length === 0 || right.length === 0) return false;
    const goal = new Set(right);
    const isTaken = (at: number) => this.#meet([at], left, right);
    const found = reachable(left, (at) => [...(this.#next[at]?.keys() ?? [])].filter(isTaken));
    return [...found].some((at) => goal.has(at));
  }

  /** Whether a loop follows another at once. */
  isAdjacent(one: Loop, other: Loop): boolean {
    const goal = new Set(other);
    const [left] = this.#shared(one, other);
    return left.some((at) => [...(this.#next[at]?.keys() ?? [])].some((to) => goal.has(to)));
  }

  /** Whether a short text of one character, over and over, has very many readings: optional parts in a row. */
  hasManyReadings(): boolean {
    const characters = new Set(this.#takes.map((taken) => taken.indexOf(true)));
    for (const character of characters) {
      let counts = new Map<number, number>(this.#first.map((at) => [at, 1]));
      for (let length = 0; length < 48; length++) {
        const following = new Map<number, number>();
        for (const [at, count] of counts) {
          if (!this.#takes[at]?.[character]) continue;
          for (const [to, ways] of this.#next[at] ?? []) following.set(to, (following.get(to) ?? 0) + count * ways);
        }
        counts = following;
        if ([...counts.values()].reduce((sum, count) => sum + count, 0) > maxReadings) return true;
      }
    }
    return false;
  }

  /** What is left of two loops when each may only take what the other takes too. */
  #shared(one: Loop, other: Loop): [Loop, Loop] {
    const left = this.#cycles(one.filter((at) => other.some((to) => this.#meet([at, to]))));
    const right = this.#cycles(other.filter((at) => left.some((to) => this.#meet([at, to]))));
    return [left, right];
  }

  /** Of some positions those that still lead back to themselves. */
  #cycles(positions: Loop): Loop {
    const inside = new Set(positions);
    const steps = (at: number) => [...(this.#next[at]?.keys() ?? [])].filter((to) => inside.has(to));
    return positions.filter((at) => steps(at).some((to) => reachable([to], steps).has(at)));
  }

  /** Whether there is a character that all of these positions take, and one at least of each of these loops. */
  #meet(positions: readonly number[], ...loops: readonly Loop[]): boolean {
    const [first = []] = positions.map((at) => this.#takes[at] ?? []);
    return first.some(
      (isTaken, character) =>
        isTaken &&
        positions.every((at) => this.#takes[at]?.[character]) &&
        loops.every((loop) => loop.some((at) => this.#takes[at]?.[character])),
    );
  }
}

/** Readings of a text of 48 characters; the square of its length is 2304. */
const maxReadings = 20_000;

function reachable(from: readonly number[], steps: (at: number) => readonly number[]): Set<number> {
  const found = new Set(from);
  const open = [...found];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const to of steps(at))
      if (!found.has(to)) {
        found.add(to);
        open.push(to);
      }
  return found;
}

/** For each position the number of the set of those that lead to it and that it leads to. */
function componentsOf(next: Automaton['next']): number[] {
  const ahead = next.map((_, at) => reachable([at], (from) => [...(next[from]?.keys() ?? [])]));
  return next.map((_, at) => ahead.findIndex((set, other) => set.has(at) && ahead[at]?.has(other) === true));
}

function longestChain(pairs: readonly (readonly boolean[])[]): number {
  const lengths = new Map<number, number>();
  const from = (one: number): number => {
    const known = lengths.get(one);
    if (known !== undefined) return known;
    // Loops lead only onward, so that no chain comes back.
    const length = 1 + Math.max(0, ...(pairs[one] ?? []).map((isJoined, other) => (isJoined ? from(other) : 0)));
    lengths.set(one, length);
    return length;
  };
  return Math.max(0, ...pairs.map((_, one) => from(one)));
}
