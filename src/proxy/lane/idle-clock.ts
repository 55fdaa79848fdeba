/**
 * Says when nothing has happened for a while, at something where things happen all the time: its timer is not set anew each time,
 * but looks when it runs off whether there is time left.
 */

/** The timer is set for no longer than this, so that a shorter wait hardly ever needs another one. In milliseconds. */
const longest = 4000;

/** Runs while somebody is waited for; times by the clock of `performance`. */
export class IdleClock {
  readonly #onOver: () => void;
  #milliseconds = 0;
  #until = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #runsOffAt = Number.POSITIVE_INFINITY;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Begins to wait so many milliseconds; 0 is no limit. */
  restart(milliseconds: number, now = performance.now()): void {
    this.#milliseconds = milliseconds;
    if (milliseconds > 0) this.touch(now);
    else this.#until = Number.POSITIVE_INFINITY;
  }

  /** Something has happened: the same wait begins anew. */
  touch(now = performance.now()): void {
    if (this.#milliseconds <= 0) return;
    this.#until = now + this.#milliseconds;
    if (this.#until < this.#runsOffAt) this.#set(now);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#until = Number.POSITIVE_INFINITY;
  }

  #set(now: number): void {
    clearTimeout(this.#timer);
    const wait = Math.min(this.#until - now, longest);
    this.#runsOffAt = now + wait;
    this.#timer = setTimeout(this.#look, Math.ceil(wait)).unref();
  }

  readonly #look = (): void => {
    this.#runsOffAt = Number.POSITIVE_INFINITY;
    if (this.#until === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    if (now < this.#until) {
      this.#set(now);
      return;
    }
    this.#until = Number.POSITIVE_INFINITY;
    this.#onOver();
  };
}
