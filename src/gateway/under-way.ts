/** Work that is under way, so that what it needs is closed after it. Nobody waits for it otherwise: what breaks is logged here. */
import type { Log } from '../core/log.ts';

/** A set of promises that empties itself. */
export class UnderWay {
  readonly #log: Log;
  readonly #works = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(work: Promise<void>): void {
    const watched = work
      .catch((error: unknown) => this.#log.error({ error }, 'an answer broke'))
      .finally(() => this.#works.delete(watched));
    this.#works.add(watched);
  }

  /** Resolves when all of it is done, well or not; what is added meanwhile is not waited for. */
  async whenDone(): Promise<void> {
    await Promise.all(this.#works);
  }
}
