/** The client's body on its way to the upstream: counted, timed, with back-pressure, and never at the client's expense. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ErrorCode } from '../core/errors.ts';
import type { Reason } from '../core/reason.ts';

/** A client's body that cannot go on: too large, too slow. */
export class BodyRefused extends Error {
  readonly code: ErrorCode;
  readonly reason: Reason;

  constructor(code: ErrorCode, reason: Reason, message: string) {
    super(message);
    this.name = 'BodyRefused';
    this.code = code;
    this.reason = reason;
  }
}

/** The client went away in the middle of its body. */
export class ClientLeft extends Error {
  constructor() {
    super('the client left before its body was complete');
    this.name = 'ClientLeft';
  }
}

/** Bounds of a body; 0 is no bound. */
interface BodyLimits {
  readonly maxBytes: number;
  /** Milliseconds between two parts. */
  readonly idle: number;
}

/**
 * Reads the client's request only as fast as the upstream takes it.
 *
 * It stands between the two because undici destroys a body that it no longer wants, and destroying the request itself
 * would cut the client's connection before the answer is out.
 */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #limits: BodyLimits;
  #bytes = 0;
  #isReading = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: IncomingMessage, limits: BodyLimits) {
    super({ highWaterMark: 65_536 });
    this.#source = source;
    this.#limits = limits;
  }

  override _read(): void {
    if (!this.#isReading) {
      this.#isReading = true;
      // Paused first: listening would set it flowing before the upstream asks.
      this.#source.pause();
      this.#source
        .on('data', this.#onData)
        .on('end', this.#onEnd)
        .on('close', this.#onClose)
        .on('error', this.#onClose);
    }
    // The clock runs only while the client is the one waited for.
    if (this.#limits.idle > 0) {
      if (this.#timer) this.#timer.refresh();
      else this.#timer = setTimeout(this.#onIdle, this.#limits.idle);
    }
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#source
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onClose)
      .off('error', this.#onClose);
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    const { maxBytes } = this.#limits;
    if (maxBytes > 0 && this.#bytes > maxBytes) {
      this.#source.pause();
      this.destroy(new BodyRefused('PAYLOAD_TOO_LARGE', 'request-too-large', `the body exceeds ${maxBytes} bytes`));
      return;
    }
    this.#timer?.refresh();
    if (this.push(chunk)) return;
    this.#source.pause();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  };

  readonly #onEnd = (): void => {
    clearTimeout(this.#timer);
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.#source.complete) this.destroy(new ClientLeft());
  };

  readonly #onIdle = (): void => {
    this.destroy(
      new BodyRefused('REQUEST_TIMEOUT', 'request-too-slow', `nothing of the body came for ${this.#limits.idle} ms`),
    );
  };
}

/**
 * Takes in what is left of a body that nobody wants any more, so that the answer is not lost in a reset (RFC 9112 §9.6),
 * and the connection can serve again. A client that goes on for longer than `lingering` milliseconds is cut.
 */
export function discardRest(request: IncomingMessage, lingering = 10_000): void {
  if (request.complete || request.destroyed) return;
  const timer = setTimeout(() => request.socket.destroy(), lingering);
  timer.unref();
  const done = (): void => clearTimeout(timer);
  request.once('end', done).once('close', done);
  request.resume();
}
