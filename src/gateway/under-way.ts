/** Work that is under way, so that what it needs is closed after it. Nobody waits for it otherwise: what breaks is logged here. */
import type { Log } from '../core/log.ts';

/** Counts work; a set of promises would cost each request some. */
export class UnderWay {
  readonly #log: Log;
  #open = 0;
  #waiting: (() => void)[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(work: Promise<void>): void {
    this.begin();
    work.catch((error: unknown) => this.#log.error({ error }, 'an answer broke')).finally(() => this.end());
  }

  /** Something begins whose end is told by `end`, once. */
  begin(): void {
    this.#open += 1;
  }

  end(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when nothing is under way, whether it went well or not. */
  async whenDone(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
