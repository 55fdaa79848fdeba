/**
 * How many readings of one text a pattern has at once, over all texts: the product of its positions, walked by each class of
 * characters. A loop counts once however long it is gone round; how its readings grow with the length is judged apart.
 */
import type { Automaton } from './regex-automaton.ts';

/** The work that one judgement may take; spending more throws RangeError, for then the pattern cannot be judged. */
export class Budget {
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
  }

  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new RangeError('cannot be judged');
  }
}

/** Readings of each position that wait for the next character. */
type Counts = ReadonlyMap<number, number>;

/** What is judged by. */
interface Bounds {
  /** For each position, how many loops follow each other on the same text up to it. */
  readonly depths: readonly number[];
  /** The readings that may go on or be at an end at once, by depth. */
  readonly maxAtOnce: readonly number[];
  /** For each position the loop that it is of, where it is of one. */
  readonly component: readonly (number | undefined)[];
}

/** Whether some text has more readings at once than the bounds allow. */
export function hasMoreReadings(
  automaton: Automaton,
  takes: readonly (readonly boolean[])[],
  bounds: Bounds,
  budget: Budget,
): boolean {
  const isSearch = searchOf(automaton, bounds);
  const begin: Counts = new Map([...automaton.first].filter(([at]) => !isSearch(at)));
  const seen = [begin];
  const open = [begin];
  const isPassing = passing(automaton, bounds, isSearch);
  const isEnd = takes.map((taken) => !taken.includes(true));
  const classes = takes[0]?.length ?? 0;
  for (let counts = open.pop(); counts; counts = open.pop()) {
    const found: Counts[] = [];
    for (let character = 0; character < classes; character++) {
      const isTaken = (at: number) => takes[at]?.[character] === true;
      const isCounted = (at: number) => isTaken(at) || isEnd[at] === true;
      if (isBeyond(counts, isCounted, bounds)) return true;
      const following = stepped(counts, automaton.next, isTaken, { ...bounds, isPassing }, budget);
      if (seen.some((known) => covers(known, following, budget))) continue;
      seen.push(following);
      found.push(following);
    }
    // The one of most readings is gone on with first: it finds soonest what is too many.
    open.push(...found.sort((one, other) => total(one) - total(other)));
  }
  return false;
}

/**
 * What tells the position of a search. It begins for each place of the text apart: that there are many places is the loop that
 * depths count.
 */
function searchOf({ first, next, atoms }: Automaton, { depths }: Bounds): (at: number) => boolean {
  return (at) =>
    atoms[at] === '[^]' &&
    depths[at] === 1 &&
    next[at]?.has(at) === true &&
    [...next[at].keys()].every((to) => first.has(to));
}

/** For each position whether it is behind no loop: readings come by there for a while only, and a loop behind gathers them. */
function passing({ next }: Automaton, { component }: Bounds, isSearch: (at: number) => boolean): boolean[] {
  const isPassing = next.map(() => true);
  const open = [...next.keys()].filter((at) => component[at] !== undefined && !isSearch(at));
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (!isPassing[at]) continue;
    isPassing[at] = false;
    open.push(...(next[at]?.keys() ?? []));
  }
  return isPassing;
}

function isBeyond(counts: Counts, isCounted: (at: number) => boolean, { depths, maxAtOnce }: Bounds): boolean {
  const sums = maxAtOnce.map(() => 0);
  for (const [at, count] of counts) {
    const depth = depths[at] ?? 0;
    if (count > 0 && isCounted(at)) sums[depth] = (sums[depth] ?? 0) + count;
  }
  return sums.some((sum, depth) => sum > (maxAtOnce[depth] ?? 0));
}

function stepped(
  counts: Counts,
  next: Automaton['next'],
  isTaken: (at: number) => boolean,
  { component, isPassing }: { readonly component: Bounds['component']; readonly isPassing: readonly boolean[] },
  budget: Budget,
): Counts {
  const following = new Map<number, number>();
  const within = new Map<number, number>();
  const passed = new Map<number, number>();
  budget.spend(counts.size);
  for (const [at, count] of counts) {
    if (!isTaken(at)) continue;
    budget.spend(2 * (next[at]?.size ?? 0));
    for (const [to, ways] of next[at] ?? []) {
      const isWithin = component[at] !== undefined && component[at] === component[to];
      if (isWithin) within.set(to, Math.max(within.get(to) ?? 0, count));
      else {
        const entering = isPassing[at] ? passed : following;
        entering.set(to, (entering.get(to) ?? 0) + count * ways);
      }
    }
  }
  for (const [at, count] of within) following.set(at, Math.max(following.get(at) ?? 0, count));
  for (const [at, count] of passed) following.set(at, (following.get(at) ?? 0) + count);
  return following;
}

function covers(known: Counts, other: Counts, budget: Budget): boolean {
  for (const [at, count] of other) {
    budget.spend(1);
    if ((known.get(at) ?? 0) < count) return false;
  }
  return true;
}

function total(counts: Counts): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
