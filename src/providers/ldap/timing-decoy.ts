/**
 * Makes an unknown user take as long as a wrong password: it spends the time that a refused bind has lately taken, or, as
 * long as there was none, asks the directory to refuse a bind of nobody.
 */
import { setTimeout as delay } from 'node:timers/promises';

const maxSamples = 64;

/** Times of refused binds. */
export class Decoy {
  readonly #samples: number[] = [];

  /** Notes how many milliseconds a bind took that was refused for its password. */
  note(milliseconds: number): void {
    this.#samples.push(milliseconds);
    if (this.#samples.length > maxSamples) this.#samples.shift();
  }

  /** Spends such a time, drawn by lot so that the spread is alike too; `refusedBind` is asked when none is known. */
  async spend(signal: AbortSignal, refusedBind: () => Promise<void>): Promise<void> {
    const sample = this.#samples[Math.floor(Math.random() * this.#samples.length)];
    if (sample === undefined) return refusedBind();
    try {
      await delay(sample, undefined, { signal });
    } catch {
      // The time was up: what is known of the user holds all the same.
    }
  }
}
