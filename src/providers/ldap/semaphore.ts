/** How much may be under way at once: the rest waits in order, up to its deadline. */
import { abortable } from './deadline.ts';
import { DirectoryError } from './failure.ts';

/** So many at once, so many more in the queue, the rest refused. */
export class Semaphore {
  readonly #queue = new Set<() => void>();
  readonly #longest: number;
  #free: number;

  constructor(atOnce: number, longest: number) {
    this.#free = atOnce;
    this.#longest = longest;
  }

  /** Runs `work` when it is its turn. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#queue.size >= this.#longest) {
      throw new DirectoryError('overloaded', 'too many logins wait for the directory', { hint: 'raise poolSize' });
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue.add(resolve);
    await abortable(
      signal,
      () => promise,
      () => this.#queue.delete(resolve),
    );
  }

  #leave(): void {
    const [next] = this.#queue;
    if (!next) {
      this.#free++;
      return;
    }
    this.#queue.delete(next);
    next();
  }
}
