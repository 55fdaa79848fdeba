/** The last lines of something, in memory: records of logins and refusals where no audit file has them, and warnings of the log. */

/** Keeps the newest lines; the oldest go. */
export class RecentLines {
  readonly #limit: number;
  readonly #lines: string[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  keep(line: string): void {
    this.#lines[this.#next] = line;
    this.#next = (this.#next + 1) % this.#limit;
  }

  /** From the newest on. */
  *newest(): Generator<string, void, undefined> {
    const count = this.#lines.length;
    for (let index = 1; index <= count; index++) {
      const line = this.#lines[(this.#next - index + count) % count];
      if (line !== undefined) yield line;
    }
  }
}
