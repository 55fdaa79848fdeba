/** How much may be under way at once: the rest waits in order, up to its deadline. */
import { Failure } from '../core/failure.ts';
import { abortable } from './deadline.ts';

/** So many at once, so many more in the queue, the rest refused with a Failure `overloaded`. */
export class Semaphore {
  readonly #queue = new Set<() => void>();
  readonly #maxQueue: number;
  readonly #refusal: { readonly message: string; readonly hint?: string };
  #free: number;

  /** `refusal` is what is said to those for whom the queue is full. */
  constructor(maxAtOnce: number, maxQueue: number, refusal: { readonly message: string; readonly hint?: string }) {
    this.#free = maxAtOnce;
    this.#maxQueue = maxQueue;
    this.#refusal = refusal;
  }

  /** Whether work that came at this moment would run at once. */
  get isFree(): boolean {
    return this.#free > 0;
  }

  /** Runs `work` when it is its turn; whoever leaves before leaves the queue. */
  async run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#queue.size >= this.#maxQueue) {
      const { message, hint } = this.#refusal;
      throw new Failure('overloaded', message, { hint });
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue.add(resolve);
    if (!signal) return promise;
    await abortable(
      signal,
      () => promise,
      () => this.#queue.delete(resolve),
    );
  }

  /** Hands the turn on; the count stays as it is unless nobody waits. */
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
