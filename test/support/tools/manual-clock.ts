/** A clock that a test moves by hand. */
import type { Clock } from '../../../src/core/clock.ts';

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Goes on by so many milliseconds. */
  advance(milliseconds: number): void;
}

/** A clock that stands at `start`. */
export function manualClock(start = Date.UTC(2026, 0, 5, 8)): ManualClock {
  let now = start;
  return {
    now: () => now,
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}
