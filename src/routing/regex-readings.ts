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
  /** What a reading weighs at each position. */
  readonly weights: readonly number[];
  /** What the readings may weigh that go on or are at an end at once, by depth. */
  readonly maxAtOnce: readonly number[];
  /** For each position the loop that it is of, where it is of one. */
  readonly component: readonly (number | undefined)[];
}

/** Readings between two characters, and what was at work with the one before them, by depth. */
interface State {
  readonly counts: Counts;
  readonly before: readonly number[];
}

/**
 * What the readings weigh that some text has at once, at most, by depth, as the mean of two characters that follow each other: what
 * is seldom at work at one place is never at the next. It ends once one is more than the bounds allow.
 */
export function mostWork(
  automaton: Automaton,
  takes: readonly (readonly boolean[])[],
  bounds: Bounds,
  budget: Budget,
): readonly number[] {
  const most = bounds.maxAtOnce.map(() => 0);
  const isSearch = searchOf(automaton, bounds);
  const counts: Counts = new Map([...automaton.first].filter(([at]) => !isSearch(at)));
  const begin: State = { counts, before: bounds.maxAtOnce.map(() => 0) };
  const seen = [begin];
  const open = [begin];
  const isPassing = passing(automaton, takes, bounds, isSearch);
  const isEnd = takes.map((taken) => !taken.includes(true));
  const classes = takes[0]?.length ?? 0;
  for (let state = open.pop(); state; state = open.pop()) {
    const found: State[] = [];
    for (let character = 0; character < classes; character++) {
      const isTaken = (at: number) => takes[at]?.[character] === true;
      const isCounted = (at: number) => isTaken(at) || isEnd[at] === true;
      const work = workOf(state.counts, isCounted, bounds);
      for (const [depth, sum] of work.entries())
        most[depth] = Math.max(most[depth] ?? 0, (sum + (state.before[depth] ?? 0)) / 2);
      if (most.some((sum, depth) => sum > (bounds.maxAtOnce[depth] ?? 0))) return most;
      const counts = stepped(state.counts, automaton.next, isTaken, { ...bounds, isPassing }, budget);
      const following = { counts, before: work };
      if (seen.some((known) => covers(known, following, budget))) continue;
      seen.push(following);
      found.push(following);
    }
    // The one of most readings is gone on with first: it finds soonest what is too many.
    open.push(...found.sort((one, other) => total(one.counts) - total(other.counts)));
  }
  return most;
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

/**
 * For each position whether no loop is before it that the same text goes round in: readings come by there for a while only, and
 * a loop behind gathers them.
 */
function passing(
  { next }: Automaton,
  takes: readonly (readonly boolean[])[],
  { component }: Bounds,
  isSearch: (at: number) => boolean,
): boolean[] {
  const isPassing = next.map(() => true);
  for (const loop of new Set(component)) {
    const inside = [...next.keys()].filter((at) => loop !== undefined && component[at] === loop && !isSearch(at));
    const taken = (takes[0] ?? []).map((_, character) => inside.some((at) => takes[at]?.[character]));
    const found = new Set(inside);
    for (const at of found)
      for (const to of next[at]?.keys() ?? [])
        if (takes[to]?.some((isTaken, by) => isTaken && taken[by])) found.add(to);
    for (const at of found) isPassing[at] = false;
  }
  return isPassing;
}

function workOf(
  counts: Counts,
  isCounted: (at: number) => boolean,
  { depths, maxAtOnce, weights }: Bounds,
): readonly number[] {
  const sums = maxAtOnce.map(() => 0);
  for (const [at, count] of counts) {
    const depth = depths[at] ?? 0;
    if (count > 0 && isCounted(at)) sums[depth] = (sums[depth] ?? 0) + count * (weights[at] ?? 1);
  }
  return sums;
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

function covers(known: State, other: State, budget: Budget): boolean {
  if (known.before.some((work, depth) => work < (other.before[depth] ?? 0))) return false;
  for (const [at, count] of other.counts) {
    budget.spend(1);
    if ((known.counts.get(at) ?? 0) < count) return false;
  }
  return true;
}

function total(counts: Counts): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
