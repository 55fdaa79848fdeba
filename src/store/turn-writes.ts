/**
 * The writes of one turn of the event loop in one transaction: a commit costs more than the write, and in a rush of logins many of
 * them write in the same turn. Nobody is told of a write before it is committed.
 */

/** A write that waits for the end of the turn. */
interface Waiting<S> {
  readonly work: (statements: S) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers writes. `run` does a work, alone or, given `together`, several in one transaction that leaves nothing where one fails. */
export class TurnWrites<S> {
  readonly #run: <T>(work: (statements: S) => T) => Promise<T>;
  readonly #together: <T>(work: () => T) => T;
  #waiting: Waiting<S>[] = [];
  #flushing: Promise<void> | undefined;

  constructor(run: <T>(work: (statements: S) => T) => Promise<T>, together: <T>(work: () => T) => T) {
    this.#run = run;
    this.#together = together;
  }

  /** Does a work at the end of this turn, or after the writes of earlier turns. */
  add<T>(work: (statements: S) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (result: unknown) => void, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Resolves when what was added so far is done. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      await endOfTurn();
      const turn = this.#waiting;
      this.#waiting = [];
      await this.#write(turn);
    }
    this.#flushing = undefined;
  }

  async #write(turn: readonly Waiting<S>[]): Promise<void> {
    if (turn.length > 1)
      try {
        const results = await this.#run((statements) => this.#together(() => turn.map(({ work }) => work(statements))));
        for (const [index, { resolve }] of turn.entries()) resolve(results[index]);
        return;
      } catch {
        // Nothing of it was written: each is done alone, lest one that cannot be written keep the others out.
      }
    for (const { work, resolve, reject } of turn) await this.#run(work).then(resolve, reject);
  }
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
