/** A life for what the tests' support starts: it ends when the contender does. */
import type { TestContext } from 'node:test';

/** What the servers of the tests ask of a test: to be told when it is over. */
export class Scope {
  readonly #after: (() => unknown)[] = [];

  /** The part of a test's context that `test/support` uses. */
  readonly context = { after: (work: () => unknown) => void this.#after.push(work) } as unknown as TestContext;

  /** Also ends this. */
  after(work: () => unknown): void {
    this.#after.push(work);
  }

  /** Ends everything, the last first. */
  async end(): Promise<void> {
    for (const work of this.#after.splice(0).reverse()) await work();
  }
}
