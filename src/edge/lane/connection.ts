/**
 * One client connection on the lane: its requests follow one another, each taken by the gateway, lent to `node:http`, or
 * handed over to it for good with all that has not been answered. It refuses nothing and answers nothing by itself.
 */
import type { Socket } from 'node:net';
import { closeSocket } from '../close-socket.ts';
import type { ConnectionContext, Returnable } from './connection-context.ts';
import type { ClientEvents, LaneExchange } from './exchange.ts';
import { Incoming } from './incoming.ts';
import { LentSocket } from './lent-socket.ts';
import type { LaneHead } from './lines.ts';
import { readShared, type SharedReading } from './shared-reading.ts';

/** For the rest of a body that nobody wants, in milliseconds (RFC 9112 §9.6). */
const lingering = 10_000;

/** A connection that the lane reads. */
export class LaneConnection implements LaneExchange, Returnable {
  readonly socket: Socket;
  readonly peer: string;
  readonly encrypted: boolean;
  readonly #parts: ConnectionContext;
  readonly #incoming: Incoming;
  readonly #reading: SharedReading | undefined;
  #phase: 'waiting' | 'taken' | 'lent' | 'dropping' | 'over' = 'waiting';
  #head: LaneHead | undefined;
  #hasAnswer = false;
  #isTaken = false;
  #events: ClientEvents | undefined;
  #lent: LentSocket | undefined;
  #isAnswered = false;
  #gone: AbortController | undefined;
  #isReading = false;
  #served = 0;
  /** By the clock of `performance`: since when it waits for a head, or for the rest of a body that is dropped. */
  #since = performance.now();
  #now = this.#since;
  cameAt = 0;

  constructor(socket: Socket, parts: ConnectionContext) {
    this.socket = socket;
    this.peer = socket.remoteAddress ?? '';
    this.encrypted = 'encrypted' in socket && socket.encrypted === true;
    this.#parts = parts;
    this.#incoming = new Incoming(socket, parts.reader);
    if (!this.encrypted) this.#reading = readShared(socket, (bytes) => this.#take(bytes, true));
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    socket.on('error', this.#ignore).on('drain', this.#onDrain);
  }

  get head(): LaneHead {
    if (!this.#head) throw new Error('no request is under way');
    return this.#head;
  }

  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (!this.isOpen) this.#gone.abort();
    return this.#gone.signal;
  }

  get keepAlive(): number | undefined {
    return this.#goesOn() ? this.#parts.keepAlive : undefined;
  }

  get isOpen(): boolean {
    return this.#phase !== 'over';
  }

  get isUntouched(): boolean {
    return !this.#isTaken && !this.#hasAnswer;
  }

  /** True where all requests have been answered and no part of another has come. */
  get isIdle(): boolean {
    return this.#phase === 'waiting' && this.#incoming.isEmpty && this.#served > 0;
  }

  /** Looks whether it has waited too long; times in milliseconds. */
  sweep(now: number, { headTimeout, keepAlive }: { readonly headTimeout: number; readonly keepAlive: number }): void {
    const waited = now - this.#since;
    if (this.#phase === 'dropping' && waited > lingering) this.socket.destroy();
    if (this.#phase !== 'waiting') return;
    if (this.isIdle && keepAlive > 0 && waited > keepAlive) this.socket.destroy();
    else if (!this.isIdle && headTimeout > 0 && waited > headTimeout)
      this.#parts.refuse('ERR_HTTP_REQUEST_TIMEOUT', this.leave());
  }

  keepReading(isVouched: boolean): boolean {
    return this.#parts.reader.keep(this.head, isVouched);
  }

  watch(events: ClientEvents): void {
    this.#events = events;
  }

  takeBody(): void {
    this.#isTaken = true;
    this.resumeBody();
  }

  resumeBody(): void {
    this.#incoming.resume();
    this.#feed();
  }

  write(bytes: Buffer | string): boolean {
    this.#hasAnswer = true;
    return typeof bytes === 'string' ? this.socket.write(bytes, 'latin1') : this.socket.write(bytes);
  }

  finish(keepsAlive: boolean, now = performance.now()): void {
    this.#now = now;
    if (this.#phase === 'over') return;
    const goesOn = keepsAlive && this.#goesOn();
    this.#events = undefined;
    this.#gone = undefined;
    this.#isTaken = false;
    this.#served += 1;
    if (!goesOn) {
      closeSocket(this.leave());
      return;
    }
    this.#since = now;
    this.#head = undefined;
    this.#phase = this.#incoming.bodyLeft > 0 ? 'dropping' : 'waiting';
    this.#incoming.resume();
    this.#readOn();
  }

  cut(): void {
    this.socket.destroy();
  }

  leave(): Socket {
    const { socket } = this;
    this.#phase = 'over';
    this.#reading?.release();
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    socket.off('error', this.#ignore).off('drain', this.#onDrain);
    this.#parts.onLeft(this);
    return socket;
  }

  lend(): LentSocket {
    const lent = new LentSocket(this.socket, {
      onRead: () => this.#incoming.resume(),
      onEnd: () => closeSocket(this.leave()),
      onCut: () => this.socket.destroy(),
    });
    this.#events = undefined;
    this.#phase = 'lent';
    this.#isAnswered = false;
    this.#lent = lent;
    lent.push(Buffer.from(this.head.text, 'latin1'));
    this.#parts.lend(lent, this);
    this.#feed();
    return lent;
  }

  /** Takes the lent connection back: its request has been answered, and its body has come whole. */
  takeBack(): void {
    const lent = this.#lent;
    this.#isAnswered = true;
    if (this.#phase !== 'lent' || !lent || lent.writableEnded || this.#incoming.bodyLeft > 0) return;
    lent.giveBack();
    this.#lent = undefined;
    this.finish(true);
  }

  readonly #onData = (chunk: Buffer): void => this.#take(chunk, false);
  #take(bytes: Buffer, isShared: boolean): void {
    if (this.#phase === 'over') return;
    this.#now = performance.now();
    if (this.isIdle) this.#since = this.#now;
    this.#incoming.add(bytes, isShared);
    this.#readOn();
    this.#feed();
    if (!this.isOpen) return;
    if (this.#incoming.isTooFarAhead()) this.#parts.cutFlood(this.socket);
    else this.#incoming.holdBack();
  }

  /** Reads request after request, for as long as they are answered at once. */
  #readOn(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    if (this.#phase === 'dropping') this.#drop();
    while (this.#phase === 'waiting' && !this.#incoming.isEmpty) if (!this.#readHead()) break;
    this.#isReading = false;
  }

  #readHead(): boolean {
    const head = this.#incoming.nextHead();
    if (head === 'foreign') this.#parts.handOver(this.leave(), this.#incoming.takeAll());
    if (typeof head === 'string') return false;
    this.cameAt = this.#now;
    this.#head = head;
    this.#hasAnswer = false;
    this.#phase = 'taken';
    this.#isTaken = false;
    if (!this.#parts.take(this)) this.lend();
    return true;
  }

  /** Gives on what has come of the body. */
  #feed(): void {
    if (this.#phase === 'lent' ? !this.#lent : !this.#isTaken) return;
    const part = this.#incoming.nextPart();
    if (!part) return;
    const goesOn = this.#lent ? this.#lent.push(part) : this.#events?.onBody(part);
    if (goesOn === false) this.#incoming.pause();
    if (this.#incoming.bodyLeft > 0) return;
    this.#events?.onBodyEnd();
    if (this.#lent && this.#isAnswered) this.takeBack();
  }

  /** Drops what has come of a body that nobody wants. */
  #drop(): void {
    this.#incoming.nextPart();
    if (this.#incoming.bodyLeft > 0) return;
    this.#phase = 'waiting';
    this.#since = performance.now();
  }

  #goesOn(): boolean {
    return this.head.keepsAlive && !this.#parts.isClosing();
  }

  readonly #ignore = (): void => undefined;
  readonly #onDrain = (): void => this.#events?.onTaken();

  readonly #onEnd = (): void => {
    // As for Node: who ends its half waits for no answer, though what has been written still arrives.
    if (this.#phase !== 'waiting') return void closeSocket(this.socket);
    const isHalf = !this.#incoming.isEmpty;
    const socket = this.leave();
    if (isHalf) this.#parts.refuse('HPE_INVALID_EOF_STATE', socket);
    else closeSocket(socket);
  };

  readonly #onClose = (): void => {
    const events = this.#events;
    this.leave();
    this.#events = undefined;
    this.#gone?.abort();
    this.#lent?.destroy();
    events?.onGone();
  };
}
