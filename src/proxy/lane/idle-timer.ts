/** How long one side may let the other wait. */

/** Runs while somebody is waited for. */
export class IdleTimer {
  readonly #milliseconds: number;
  readonly #onOver: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** 0 milliseconds is no limit. */
  constructor(milliseconds: number, onOver: () => void) {
    this.#milliseconds = milliseconds;
    this.#onOver = onOver;
  }

  /** Begins to wait anew. */
  restart(): void {
    if (this.#timer) this.#timer.refresh();
    else if (this.#milliseconds > 0) this.#timer = setTimeout(this.#onOver, this.#milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
