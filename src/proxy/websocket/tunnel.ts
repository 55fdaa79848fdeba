/** An open WebSocket: bytes both ways with back-pressure, untouched, and a proper Close when the session ends. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Reason } from '../../core/reason.ts';
import { closeFrame, FrameReader } from './frames.ts';

/** RFC 6455 §7.4.1: "violating its policy". */
const policyViolation = 1008;
/** How long a frame under way may take to end before it is cut. */
const frameGrace = 500;
/** How long the other side may take to hang up after a Close or an end. */
const closeGrace = 1000;
/** How often activity is reported. */
const activityEvery = 30_000;

interface TunnelParts {
  readonly client: Duplex;
  readonly upstream: Duplex;
  /** Called when the client sends data, at most twice a minute; its pongs do not count. */
  readonly onActivity?: () => void;
}

/** How much went through, who hung up first, and why the gateway did, if it did. */
export interface TunnelEnd {
  readonly endedBy: 'client' | 'upstream' | 'gateway';
  readonly up: number;
  readonly down: number;
  readonly reason?: Reason;
}

/** Joins a client and an upstream until one of them, or the gateway, ends it. */
export class Tunnel {
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<TunnelEnd>;
  readonly #client: Duplex;
  readonly #upstream: Duplex;
  readonly #onActivity: (() => void) | undefined;
  readonly #fromClient = new FrameReader();
  readonly #fromUpstream = new FrameReader();
  #up = 0;
  #down = 0;
  #endedBy: TunnelEnd['endedBy'] | undefined;
  #reason: Reason | undefined;
  #isOver = false;
  #activeAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor({ client, upstream, onActivity }: TunnelParts) {
    this.#client = client;
    this.#upstream = upstream;
    this.#onActivity = onActivity;
    for (const socket of [client, upstream]) configureSocket(socket);
    this.closed = Promise.all([closing(client), closing(upstream)]).then(() => {
      clearTimeout(this.#timer);
      const endedBy = this.#endedBy ?? 'client';
      return { endedBy, up: this.#up, down: this.#down, ...(this.#reason && { reason: this.#reason }) };
    });
    client.on('data', this.#onClientData).on('drain', () => upstream.resume());
    upstream.on('data', this.#onUpstreamData).on('drain', () => client.resume());
    for (const event of ['end', 'close', 'error']) {
      client.on(event, () => this.#ending('client'));
      upstream.on(event, () => this.#ending('upstream'));
    }
    follow(client, upstream, () => this.#soonDestroy(closeGrace));
    follow(upstream, client, () => this.#soonDestroy(closeGrace));
  }

  /** Closes towards the client with 1008 and the reason, as soon as the frame under way has ended. */
  end(reason: Reason): void {
    if (this.#reason !== undefined) return;
    this.#ending('gateway');
    this.#reason = reason;
    if (this.#fromUpstream.isBetween || this.#fromUpstream.isClosed) this.#sendClose();
    else this.#soonDestroy(frameGrace);
  }

  readonly #onClientData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    const before = this.#fromClient.dataFrames;
    this.#fromClient.read(chunk);
    this.#up += chunk.length;
    if (this.#fromClient.isClosed) this.#ending('client');
    if (this.#fromClient.dataFrames > before) this.#reportActivity();
    if (!this.#upstream.write(chunk)) this.#client.pause();
  };

  readonly #onUpstreamData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    // With an end waiting, only the rest of the frame under way still goes.
    const length = this.#fromUpstream.read(chunk, this.#reason !== undefined);
    const part = length === chunk.length ? chunk : chunk.subarray(0, length);
    this.#down += part.length;
    if (this.#fromUpstream.isClosed) this.#ending('upstream');
    if (!this.#client.write(part)) this.#upstream.pause();
    if (this.#reason !== undefined && this.#fromUpstream.isBetween) this.#sendClose();
  };

  /** Who closes first, by a Close frame or by hanging up, has ended it. */
  #ending(by: TunnelEnd['endedBy']): void {
    this.#endedBy ??= by;
  }

  #sendClose(): void {
    this.#isOver = true;
    const text = this.#reason ?? '';
    // After a Close of the upstream's own, which has passed, no frame may follow.
    if (this.#fromUpstream.isClosed) this.#client.end();
    else this.#client.end(closeFrame(policyViolation, text));
    if (this.#fromClient.isBetween && !this.#fromClient.isClosed)
      this.#upstream.end(closeFrame(policyViolation, text, true));
    else this.#upstream.end();
    // What still comes is taken in and dropped: unread bytes would turn the end into a reset, which may overtake the Close.
    this.#client.resume();
    this.#upstream.resume();
    this.#soonDestroy(closeGrace);
  }

  #reportActivity(): void {
    const now = performance.now();
    if (!this.#onActivity || now - this.#activeAt < activityEvery) return;
    this.#activeAt = now;
    this.#onActivity();
  }

  #soonDestroy(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#client.destroy();
      this.#upstream.destroy();
    }, milliseconds);
  }
}

/** An end is passed on once all before it is out; a cut at once, for nothing whole can come after it. */
function follow(from: Duplex, to: Duplex, onEnd: () => void): void {
  let hasEnded = false;
  from.once('end', () => {
    hasEnded = true;
    to.end();
    onEnd();
  });
  from.on('error', () => to.destroy());
  from.once('close', () => {
    if (!hasEnded) to.destroy();
  });
}

function closing(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** Sockets may be silent for hours; only the system's own probes find out that a peer is dead. */
function configureSocket(socket: Duplex): void {
  if (!(socket instanceof Socket)) return;
  socket.setTimeout(0);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
}
