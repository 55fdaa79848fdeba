/** What a log has already said of a record: one that is wrong is read again and again, and said once. */

/** Remembers of so many keys what was said last. */
export class SaidOnce {
  readonly #said = new Map<string, string>();
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  /** Whether this has not been said of the key yet, or something else since. */
  isNew(key: string, what: string): boolean {
    if (this.#said.get(key) === what) return false;
    this.#said.delete(key);
    this.#said.set(key, what);
    const oldest = this.#said.size > this.#max ? this.#said.keys().next().value : undefined;
    if (oldest !== undefined) this.#said.delete(oldest);
    return true;
  }

  /** It is right again: the next time it is news. */
  forget(key: string): void {
    this.#said.delete(key);
  }
}
