/**
 * A connection as `node:http` is lent it for one request: it gives exactly the bytes of that request, and what is written to
 * it goes to the client. Once the request is answered the connection goes back to the lane.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { shareArrival } from '../arrival.ts';

/** What the borrower does to the connection beyond answering. */
interface LentEvents {
  /** Wants more of the request's body. */
  readonly onRead: () => void;
  /** Has written its last: the connection ends with it. */
  readonly onEnd: () => void;
  /** Has cut the connection. */
  readonly onCut: () => void;
}

/** Stands for the socket towards `node:http`. */
export class LentSocket extends Duplex {
  readonly #socket: Socket;
  readonly #events: LentEvents;
  #isReturned = false;

  constructor(socket: Socket, events: LentEvents) {
    super({ allowHalfOpen: true });
    shareArrival(socket, this);
    this.#socket = socket;
    this.#events = events;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this.#socket.remoteFamily;
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  get encrypted(): boolean {
    return (this.#socket as Partial<TLSSocket>).encrypted === true;
  }

  /** The lane keeps the time of its connections itself. */
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  /** Takes it back: what is done with it from here on no longer concerns the client. */
  giveBack(): void {
    this.#isReturned = true;
    this.destroy();
  }

  override _read(): void {
    if (!this.#isReturned) this.#events.onRead();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, taken: (error?: Error | null) => void): void {
    this.#pass(this.#isReturned || this.#socket.write(chunk), taken);
  }

  override _writev(chunks: { chunk: Buffer }[], taken: (error?: Error | null) => void): void {
    this.#socket.cork();
    let isTaken = true;
    for (const { chunk } of chunks) isTaken = this.#isReturned || this.#socket.write(chunk);
    this.#socket.uncork();
    this.#pass(isTaken, taken);
  }

  override _final(ended: (error?: Error | null) => void): void {
    if (!this.#isReturned) this.#events.onEnd();
    ended();
  }

  override _destroy(error: Error | null, destroyed: (error?: Error | null) => void): void {
    if (!this.#isReturned && !this.writableFinished) this.#events.onCut();
    destroyed(error);
  }

  /** The next part waits for as long as the client's side is full. */
  #pass(isTaken: boolean, taken: (error?: Error | null) => void): void {
    if (isTaken) {
      taken();
      return;
    }
    const socket = this.#socket;
    const goOn = (): void => {
      socket.off('drain', goOn).off('close', goOn);
      taken();
    };
    socket.on('drain', goOn).on('close', goOn);
  }
}
