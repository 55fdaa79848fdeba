/** Plain connections to one upstream server: kept, the one used last first, and closed at the first doubt. */
import { QueueTimeout } from '../upstream-errors.ts';
import { UpstreamSocket } from './upstream-socket.ts';

/** Shorter than what upstreams keep: a connection that they close first costs a repetition. In milliseconds. */
const maxIdle = 4000;

interface Waiting {
  readonly take: (socket: UpstreamSocket) => void;
  readonly fail: (error: Error) => void;
}

/** The connections to one server. */
export class UpstreamSockets {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #connectTimeout: number;
  readonly #max: number;
  readonly #idle: UpstreamSocket[] = [];
  readonly #all = new Set<UpstreamSocket>();
  readonly #waiting: Waiting[] = [];
  #connecting = 0;
  #isClosed = false;

  /** Times in milliseconds; 0 is no limit. */
  constructor({ url, connectTimeout, max }: { url: URL; connectTimeout: number; max: number }) {
    this.#address = { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 80) };
    this.#connectTimeout = connectTimeout;
    this.#max = max;
  }

  /** One that an earlier request has left, at once; undefined where there is none. */
  takeIdle(): UpstreamSocket | undefined {
    for (let last = this.#idle.pop(); last; last = this.#idle.pop()) {
      if (last.isUsable) return last;
      last.socket.destroy();
    }
    return undefined;
  }

  /** A new one; rejects where none can be had in time. */
  open(): Promise<UpstreamSocket> {
    if (this.#isClosed)
      return Promise.reject(Object.assign(new Error('the upstream is no longer used'), { code: 'UND_ERR_CLOSED' }));
    if (this.#all.size + this.#connecting >= this.#max) return this.#wait();
    this.#connecting += 1;
    return new Promise((resolve, reject) => {
      const made = new UpstreamSocket(this.#address, (gone) => this.#forget(gone));
      const { socket } = made;
      const timer = this.#connectTimeout > 0 ? setTimeout(late, this.#connectTimeout) : undefined;
      function late(): void {
        socket.destroy(Object.assign(new Error('the upstream took no connection in time'), { code: 'ETIMEDOUT' }));
      }
      const failed = (error: Error): void => {
        clearTimeout(timer);
        this.#connecting -= 1;
        reject(error);
        this.#serveNext();
      };
      socket.once('error', failed).once('connect', () => {
        clearTimeout(timer);
        socket.off('error', failed);
        this.#connecting -= 1;
        this.#all.add(made.open());
        resolve(made);
      });
    });
  }

  /** Leaves one to the next request: all of the answer has come, and nothing behind it. */
  release(used: UpstreamSocket, now?: number): void {
    used.events = undefined;
    const isOver = this.#isClosed || !used.isUsable;
    // A client that took the end of its answer slowly, or was gone by then, has paused it: the next request would wait in vain.
    if (!isOver) used.socket.resume();
    const next = isOver ? undefined : this.#waiting.shift();
    if (next) next.take(used);
    else if (isOver) used.socket.destroy();
    else {
      used.expect(maxIdle, now);
      this.#idle.push(used);
    }
  }

  /** Closes what is idle; what is in use closes after its request. */
  close(): void {
    this.#isClosed = true;
    for (const { socket } of this.#idle.splice(0)) socket.destroy();
  }

  #wait(): Promise<UpstreamSocket> {
    return new Promise((resolve, reject) => {
      const wait = this.#connectTimeout + 1000;
      const waiting: Waiting = { take: settle(resolve), fail: settle(reject) };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new QueueTimeout(`no connection to the upstream within ${wait} ms`));
      }, wait);
      function settle<Value>(then: (value: Value) => void): (value: Value) => void {
        return (value) => {
          clearTimeout(timer);
          then(value);
        };
      }
      this.#waiting.push(waiting);
    });
  }

  #forget(gone: UpstreamSocket): void {
    if (!this.#all.delete(gone)) return;
    const at = this.#idle.indexOf(gone);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#serveNext();
  }

  /** There is room for another. */
  #serveNext(): void {
    const next = this.#waiting.shift();
    if (next) this.open().then(next.take, next.fail);
  }
}
