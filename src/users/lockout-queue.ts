/** Who waits for attempts of others to end: in order, and woken by each that ends in this process. */
import { withDeadline } from '../remote/deadline.ts';

/** Those who wait, by the key of the counter that is in their way. */
export class LockoutQueue {
  readonly #queues = new Map<string, Set<() => void>>();
  #size = 0;

  /** How many wait, whatever for. */
  get size(): number {
    return this.#size;
  }

  /** Resolves when it is this one's turn to look again, at the latest after `milliseconds`: another worker wakes nobody here. */
  async wait(key: string, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = this.#queues.get(key) ?? new Set();
    this.#queues.set(key, queue.add(resolve));
    this.#size += 1;
    await withDeadline(signal, milliseconds, () => promise).catch(() => undefined);
    this.#size -= 1;
    queue.delete(resolve);
    if (queue.size === 0) this.#queues.delete(key);
  }

  /** There is room for one more. */
  wake(key: string): void {
    const queue = this.#queues.get(key);
    const [next] = queue ?? [];
    if (!next) return;
    queue?.delete(next);
    next();
  }
}
