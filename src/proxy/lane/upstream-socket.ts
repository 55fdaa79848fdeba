/** One plain connection to an upstream server, and the request that has it. */
import { connect, type Socket } from 'node:net';
import { IdleClock } from './idle-clock.ts';

/** What a connection gives to the request that has it. */
export interface SocketEvents {
  /** The bytes are there for as long as the call takes; `now` is by the clock of `performance`. */
  onData(chunk: Buffer, now: number): void;
  onDrain(): void;
  /** Nothing has come or gone for the time that was set. */
  onTimeout(): void;
  /** The upstream sends no more; an error where it broke off. Once. */
  onEnd(error?: Error): void;
}

/** All connections are read into the same bytes: whoever needs them beyond the call copies them. */
const readPage = Buffer.allocUnsafeSlow(65_536);

/** A connection, and whose it is. */
export class UpstreamSocket {
  readonly socket: Socket;
  events: SocketEvents | undefined;
  readonly #clock: IdleClock;
  readonly #onGone: (gone: UpstreamSocket) => void;
  #error: Error | undefined;

  /** Begins to connect: the socket says how that goes. */
  constructor(address: { readonly host: string; readonly port: number }, onGone: (gone: UpstreamSocket) => void) {
    this.#onGone = onGone;
    this.#clock = new IdleClock(() => (this.events ? this.events.onTimeout() : void this.socket.destroy()));
    const onread = { buffer: readPage, callback: (count: number) => this.#read(count) };
    this.socket = connect({ ...address, onread, noDelay: true });
  }

  /** It is connected: from here on it serves requests. */
  open(): this {
    this.socket
      .on('drain', () => {
        this.touch();
        this.events?.onDrain();
      })
      .on('error', (error) => {
        this.#error = error;
      })
      .on('end', this.#end)
      .on('close', this.#end);
    return this;
  }

  /** Whether it may serve another request. */
  get isUsable(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded;
  }

  /** Sets for how many milliseconds nothing may come or go; 0 is no limit. */
  expect(milliseconds: number, now?: number): void {
    this.#clock.restart(milliseconds, now);
  }

  /** Something has gone to it. */
  touch(): void {
    this.#clock.touch();
  }

  #read(count: number): boolean {
    const now = performance.now();
    this.#clock.touch(now);
    // What nobody has asked for is the end of all trust.
    if (this.events) this.events.onData(readPage.subarray(0, count), now);
    else this.socket.destroy();
    return true;
  }

  readonly #end = (): void => {
    this.#clock.close();
    this.#onGone(this);
    const { events } = this;
    this.events = undefined;
    events?.onEnd(this.#error);
  };
}
