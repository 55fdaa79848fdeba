/** Kept connections to one server: those for searches, bound as the manager, or those for the binds of users. */

import { Semaphore } from '../../remote/semaphore.ts';
import type { Connection } from './connection.ts';
import { directoryFailure, isBrokenConnection } from './failure.ts';

const idleLimit = 60_000;
const maxQueue = 1000;

/** Said to those for whom no turn at the directory can be waited for. */
export const queueIsFull = { message: 'too many logins wait for the directory', hint: 'raise poolSize' } as const;

/** A bounded set of connections for one use. */
export class Pool {
  readonly #open: (signal: AbortSignal) => Promise<Connection>;
  readonly #turns: Semaphore;
  readonly #idle = new Map<Connection, NodeJS.Timeout>();
  #isClosed = false;

  /** `open` connects, and binds where that is wanted; `size` is the most connections at once. */
  constructor(open: (signal: AbortSignal) => Promise<Connection>, size: number) {
    this.#open = open;
    this.#turns = new Semaphore(size, maxQueue, queueIsFull);
  }

  /**
   * Runs `work` on a connection of its own. One that broke, as all do when the server starts anew, is replaced once; the
   * work is searches or one bind, so it may run twice.
   */
  async use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#turns.run(signal, async () => {
      const kept = this.#take();
      if (kept) {
        try {
          return await this.#lend(kept, work);
        } catch (error) {
          if (signal.aborted || !isBrokenConnection(directoryFailure(error, kept.server.label))) throw error;
          this.#drop();
        }
      }
      const connection = await this.#open(signal);
      connection.onClose(() => this.#forget(connection));
      return this.#lend(connection, work);
    });
  }

  /** Ends all connections; those in use end with their work. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  async #lend<T>(connection: Connection, work: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await work(connection);
    } finally {
      if (!connection.isOpen) connection.destroy();
      else if (this.#isClosed) connection.close();
      else this.#keep(connection);
    }
  }

  #keep(connection: Connection): void {
    const timer = setTimeout(() => {
      this.#idle.delete(connection);
      connection.close();
    }, idleLimit).unref();
    this.#idle.set(connection, timer);
  }

  #forget(connection: Connection): void {
    clearTimeout(this.#idle.get(connection));
    this.#idle.delete(connection);
  }

  #take(): Connection | undefined {
    for (const connection of [...this.#idle.keys()].reverse()) {
      this.#forget(connection);
      if (connection.isOpen) return connection;
      connection.destroy();
    }
    return undefined;
  }

  #drop(): void {
    for (const connection of [...this.#idle.keys()]) {
      this.#forget(connection);
      connection.close();
    }
  }
}
