/**
 * Makes an unknown user take as long as a wrong password without the work: it spends a time that such a check has lately taken.
 */
import { setTimeout as delay } from 'node:timers/promises';

const maxSamples = 64;

/** Times of checks that found a password wrong. */
export class TimingDecoy {
  readonly #samples: number[] = [];

  /** Whether a time is known that could be spent. */
  get isReady(): boolean {
    return this.#samples.length > 0;
  }

  /** Takes how many milliseconds a check took that found a password wrong. */
  addSample(milliseconds: number): void {
    this.#samples.push(milliseconds);
    if (this.#samples.length > maxSamples) this.#samples.shift();
  }

  /** Spends such a time, drawn by lot so that the spread is alike too; `usual` as long as none is known. Ends early with the signal. */
  async spend(signal: AbortSignal | undefined, usual: number): Promise<void> {
    const sample = this.#samples[Math.floor(Math.random() * this.#samples.length)] ?? usual;
    try {
      await delay(sample, undefined, signal && { signal });
    } catch {
      // The time was up: what is known of the user holds all the same.
    }
  }
}
