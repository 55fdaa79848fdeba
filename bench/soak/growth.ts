/** Memory and open handles of the gateway's processes as they develop. */
import { memoryBytes, openDescriptors, treeOf } from '../machine/processes.ts';

interface Look {
  readonly minutes: number;
  readonly megabytes: number;
  readonly handles: number;
}

/** Looks now and then, and says at the end how fast they have grown. */
export class Growth {
  readonly #roots: readonly number[];
  readonly #startedAt = performance.now();
  readonly #looks: Look[] = [];

  constructor(roots: readonly number[]) {
    this.#roots = roots;
  }

  /** What they are at this moment. */
  look(): string {
    const look = {
      minutes: (performance.now() - this.#startedAt) / 60_000,
      megabytes: memoryBytes(this.#roots) / 1024 ** 2,
      handles: treeOf(this.#roots).reduce((sum, pid) => sum + handlesOf(pid), 0),
    };
    this.#looks.push(look);
    return `${look.minutes.toFixed(1)} min  ${look.megabytes.toFixed(0)} MB  ${look.handles} handles`;
  }

  /** By least squares, over the second half: the first is what a process takes to warm up. */
  slope(): string {
    const half = this.#looks.slice(Math.floor(this.#looks.length / 2));
    const perHour = (figure: (look: Look) => number): string => {
      const [x, y] = [mean(half.map(({ minutes }) => minutes)), mean(half.map(figure))];
      const [above, below] = half.reduce(
        ([above, below], look) => [above + (look.minutes - x) * (figure(look) - y), below + (look.minutes - x) ** 2],
        [0, 0],
      );
      return below === 0 ? 'too short' : ((above / below) * 60).toFixed(1);
    };
    return `in the second half: ${perHour(({ megabytes }) => megabytes)} MB an hour, ${perHour(({ handles }) => handles)} handles an hour`;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** One that has just died has none. */
function handlesOf(pid: number): number {
  try {
    return openDescriptors(pid);
  } catch {
    return 0;
  }
}
