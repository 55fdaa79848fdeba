/** The loops of a pattern: whether one reads a text in two ways, and which lead into others that take the same text. */
import type { Automaton } from './regex-automaton.ts';
import type { Budget } from './regex-readings.ts';

/** Classes of characters, as bits of some numbers. */
type Mask = readonly number[];

/** Positions that lead to one another. */
type Loop = readonly number[];

/** The loops of an automaton. `takes` says for each position which classes of characters it takes. */
export class LoopGraph {
  /** Positions that are a loop: more than one that lead to each other, or one that follows itself. */
  readonly loops: readonly Loop[];
  /** For each position its loop, where it is of one. */
  readonly component: readonly (number | undefined)[];
  readonly #next: Automaton['next'];
  readonly #taken: readonly Mask[];
  readonly #budget: Budget;

  constructor({ next }: Automaton, takes: readonly (readonly boolean[])[], budget: Budget) {
    this.#next = next;
    this.#taken = takes.map(maskOf);
    this.#budget = budget;
    this.loops = componentsOf(next).filter(([at = 0, ...more]) => more.length > 0 || next[at]?.has(at));
    const component: (number | undefined)[] = next.map(() => undefined);
    for (const [index, loop] of this.loops.entries()) for (const at of loop) component[at] = index;
    this.component = component;
  }

  /** Whether within a loop one text can be read in two ways that begin and end alike: the ways double with each round. */
  isAmbiguousLoop(): boolean {
    return this.loops.some((loop) => this.#hasTwoWays(loop) || this.#partsAndMeets(loop));
  }

  #hasTwoWays(loop: Loop): boolean {
    const inside = new Set(loop);
    return loop.some((from) => [...(this.#next[from] ?? [])].some(([to, ways]) => ways > 1 && inside.has(to)));
  }

  /** Two readings side by side, as one number for both: do they part from a place where they are together, and meet again? */
  #partsAndMeets(loop: Loop): boolean {
    const size = this.#next.length;
    const inside = new Set(loop);
    const within = new Map(loop.map((at) => [at, [...(this.#next[at]?.keys() ?? [])].filter((to) => inside.has(to))]));
    const back = new Map<number, number[]>();
    const isTogether = (pair: number) => Math.floor(pair / size) === pair % size;
    const steps = (pair: number): number[] => {
      const found: number[] = [];
      for (const left of within.get(Math.floor(pair / size)) ?? [])
        for (const right of within.get(pair % size) ?? []) {
          if (!this.#meet(this.#taken[left] ?? [], this.#taken[right] ?? [])) continue;
          const to = left * size + right;
          found.push(to);
          const before = back.get(to);
          if (before) before.push(pair);
          else back.set(to, [pair]);
        }
      return found;
    };
    const together = loop.map((at) => at * size + at);
    const apart = [...this.#reachable(together, steps)].filter((pair) => !isTogether(pair));
    if (apart.length === 0) return false;
    const meeting = this.#reachable(together, (pair) => (back.get(pair) ?? []).filter((from) => !isTogether(from)));
    return apart.some((pair) => meeting.has(pair));
  }

  /** Whether a text that one loop takes leads into another that takes it too: the ways grow with the length of the text. */
  joins(one: Loop, other: Loop): boolean {
    const [left, right] = this.#shared(one, other);
    if (left.length === 0 || right.length === 0) return false;
    const goal = new Set(right);
    const masks = [this.#takenBy(left), this.#takenBy(right)];
    const isTaken = (at: number) => this.#meet(this.#taken[at] ?? [], ...masks);
    const found = this.#reachable(left, (at) => [...(this.#next[at]?.keys() ?? [])].filter(isTaken));
    return [...found].some((at) => goal.has(at));
  }

  /**
   * For each position how many loops at most follow each other on the same text up to it: with each, its readings grow by the
   * length of the text once more. `pairs` says which loop joins which.
   */
  depths(pairs: readonly (readonly boolean[])[]): number[] {
    const lengths = new Map<number, number>();
    const upTo = (loop: number): number => {
      const known = lengths.get(loop);
      if (known !== undefined) return known;
      // Loops lead only onward, so that no chain comes back.
      const length = 1 + Math.max(0, ...pairs.map((row, before) => (row[loop] ? upTo(before) : 0)));
      lengths.set(loop, length);
      return length;
    };
    const depths = this.#next.map(() => 0);
    for (const [index, loop] of this.loops.entries())
      for (const at of this.#reachable(loop, (from) => [...(this.#next[from]?.keys() ?? [])]))
        depths[at] = Math.max(depths[at] ?? 0, upTo(index));
    return depths;
  }

  /** Whether a loop follows another at once. */
  isAdjacent(one: Loop, other: Loop): boolean {
    const goal = new Set(other);
    const [left] = this.#shared(one, other);
    return left.some((at) => [...(this.#next[at]?.keys() ?? [])].some((to) => goal.has(to)));
  }

  /** What is left of two loops when each may only take what the other takes too. */
  #shared(one: Loop, other: Loop): [Loop, Loop] {
    const left = this.#cycles(one, this.#takenBy(other));
    return [left, this.#cycles(other, this.#takenBy(left))];
  }

  /** Of some positions those that take one of these characters and lead back to themselves over such. */
  #cycles(loop: Loop, taken: Mask): Loop {
    const positions = loop.filter((at) => this.#meet(this.#taken[at] ?? [], taken));
    const inside = new Set(positions);
    const steps = (at: number) => [...(this.#next[at]?.keys() ?? [])].filter((to) => inside.has(to));
    return positions.filter((at) => this.#reachable(steps(at), steps).has(at));
  }

  #takenBy(loop: Loop): Mask {
    return (this.#taken[0] ?? []).map((_, part) => loop.reduce((all, at) => all | (this.#taken[at]?.[part] ?? 0), 0));
  }

  /** Whether there is a character that is in all of these. */
  #meet(first: Mask, ...others: readonly Mask[]): boolean {
    this.#budget.spend(1);
    return first.some((bits, part) => others.reduce((left, other) => left & (other[part] ?? 0), bits) !== 0);
  }

  #reachable(from: readonly number[], steps: (at: number) => readonly number[]): Set<number> {
    const found = new Set(from);
    const open = [...found];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      this.#budget.spend(1);
      for (const to of steps(at))
        if (!found.has(to)) {
          found.add(to);
          open.push(to);
        }
    }
    return found;
  }
}

/** Sets of positions that lead to one another (Tarjan). */
function componentsOf(next: Automaton['next']): number[][] {
  const components: number[][] = [];
  const order = new Map<number, number>();
  const open: number[] = [];
  const isOpen = new Set<number>();
  const visit = (at: number): number => {
    order.set(at, order.size);
    let low = order.get(at) ?? 0;
    open.push(at);
    isOpen.add(at);
    for (const to of next[at]?.keys() ?? []) {
      if (!order.has(to)) low = Math.min(low, visit(to));
      else if (isOpen.has(to)) low = Math.min(low, order.get(to) ?? 0);
    }
    if (low === order.get(at)) {
      const component = open.splice(open.indexOf(at));
      for (const one of component) isOpen.delete(one);
      components.push(component.sort((one, other) => one - other));
    }
    return low;
  };
  for (const at of next.keys()) if (!order.has(at)) visit(at);
  return components.sort(([one = 0], [other = 0]) => one - other);
}

function maskOf(taken: readonly boolean[]): Mask {
  const mask = Array.from({ length: Math.ceil(taken.length / 30) }, () => 0);
  for (const [at, isTaken] of taken.entries()) {
    const part = Math.floor(at / 30);
    if (isTaken) mask[part] = (mask[part] ?? 0) | (1 << (at % 30));
  }
  return mask;
}
