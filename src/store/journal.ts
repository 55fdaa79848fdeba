/** Follows the journal of a store: what any process has announced is told here within a moment. */
import type { Log } from '../core/log.ts';
import type { Changes, Store } from '../core/store.ts';

/**
 * How often the journal is asked, in milliseconds. A question that finds nothing costs two microseconds, whatever the number
 * of sessions.
 */
const askEvery = 25;

/** Hears which keys were written; undefined when that is not known, so that any may have been. */
type ChangeListener = (keys: readonly string[] | undefined) => void;

/** A reader of the journal, from its making on. */
export class Journal {
  readonly #store: Pick<Store, 'changes'>;
  readonly #log: Log;
  readonly #listener: ChangeListener;
  readonly #timer: NodeJS.Timeout;
  #place: string | undefined;
  #isAsking = false;
  #isFailing = false;

  constructor(parts: { store: Pick<Store, 'changes'>; log: Log; onChange: ChangeListener }) {
    this.#store = parts.store;
    this.#log = parts.log;
    this.#listener = parts.onChange;
    void this.#ask();
    this.#timer = setInterval(() => void this.#ask(), askEvery).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** What was announced while the store could not be asked is heard when it can. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const answer = this.#store.changes(this.#place);
      this.#notifyListener(answer instanceof Promise ? await answer : answer);
      if (this.#isFailing) this.#log.info({}, 'the journal of the store can be read again');
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#log.warn({ error }, 'the journal of the store cannot be read; it is tried again');
      this.#isFailing = true;
    } finally {
      this.#isAsking = false;
    }
  }

  #notifyListener({ keys, place, isWhole }: Changes): void {
    this.#place = place;
    if (!isWhole) this.#listener(undefined);
    else if (keys.length > 0) this.#listener(keys);
  }
}
