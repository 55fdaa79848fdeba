/**
 * The two ends of a stream put together: bytes go both ways with back-pressure, an end of one half goes on as an end, a reset as a
 * reset. Nothing is read or changed on the way.
 */
import type { Socket } from 'node:net';
import type { Reason } from '../core/reason.ts';

/** One end of a stream: what is read and written, TLS or not, and the TCP connection beneath, which can be reset. */
export interface StreamEnd {
  readonly socket: Socket;
  readonly transport: Socket;
}

/** How long a stream may be; in milliseconds, 0 is without end. */
export interface RelayLimits {
  /** Without a byte in either direction. */
  readonly idle: number;
  /** From its beginning on. */
  readonly lifetime: number;
}

/** How a stream went. */
interface RelayResult {
  /** Absent where both ends have said that they are done. */
  readonly reason?: Reason;
  /** From the client. */
  readonly bytesIn: number;
  /** To the client. */
  readonly bytesOut: number;
}

/** A stream that runs. */
export class Relay {
  readonly done: Promise<RelayResult>;
  readonly #client: StreamEnd;
  readonly #upstream: StreamEnd;
  #bytesIn = 0;
  #bytesOut = 0;
  #reason: Reason | undefined;

  /** Both ends must take halves that are still open (`allowHalfOpen`); what they have read already is relayed first. */
  constructor(client: StreamEnd, upstream: StreamEnd, { idle, lifetime }: RelayLimits) {
    this.#client = client;
    this.#upstream = upstream;
    const timer = lifetime > 0 ? setTimeout(() => this.cut('lifetime'), lifetime) : undefined;
    timer?.unref();
    // What is read from one end is written to the other, so that the client's own timer sees both directions.
    if (idle > 0) client.socket.setTimeout(idle, () => this.cut('idle'));
    pump(client.socket, upstream.socket, (bytes) => {
      this.#bytesIn += bytes;
    });
    pump(upstream.socket, client.socket, (bytes) => {
      this.#bytesOut += bytes;
    });
    this.done = Promise.all([this.#ended(client, 'client-gone'), this.#ended(upstream, 'upstream-broke')]).then(() => {
      clearTimeout(timer);
      const counted = { bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
      return this.#reason === undefined ? counted : { reason: this.#reason, ...counted };
    });
  }

  /** Resets both ends. The first reason is the one that is told. */
  cut(reason: Reason): void {
    this.#reason ??= reason;
    reset(this.#client);
    reset(this.#upstream);
  }

  /** Resolves once an end is closed; one that breaks takes the other with it. */
  #ended({ socket }: StreamEnd, whenBroken: Reason): Promise<void> {
    return new Promise((resolve) => {
      socket.once('error', () => this.cut(whenBroken));
      // Closed before it has said its end: nothing that comes later could be told apart from a whole stream.
      socket.once('close', () => {
        if (!socket.readableEnded) this.cut(whenBroken);
        resolve();
      });
      if (socket.destroyed) {
        this.cut(whenBroken);
        resolve();
      }
    });
  }
}

/** Ends a connection by a reset, so that its other side cannot take what came for the whole. */
export function reset({ socket, transport }: StreamEnd): void {
  const cut = (): void => {
    if (!transport.destroyed) transport.resetAndDestroy();
    socket.destroy();
  };
  if (socket === transport) {
    cut();
    return;
  }
  // Nothing is read or written any more; TCP is not taken from under TLS while TLS is at work on what came over it, which crashes Node.
  socket.pause();
  setImmediate(cut);
}

function pump(from: Socket, to: Socket, count: (bytes: number) => void): void {
  from.on('data', (chunk: Buffer) => {
    count(chunk.length);
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  // One may have said its end while it was connected to a server: that is not said again.
  if (from.readableEnded) to.end();
  else from.once('end', () => to.end());
  // Whoever held it until it was let in has paused it.
  from.resume();
}
