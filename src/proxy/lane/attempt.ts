/**
 * One try of a lane's request at one server, on plain sockets: the body up and the answer down, each as fast as the slower
 * side takes it. By the same rules as `upstream-attempt.ts`, which does it with the messages of Node and undici.
 */
import type { Reason } from '../../core/reason.ts';
import type { Forward } from '../../core/verdict.ts';
import type { ClientEvents, LaneExchange } from '../../edge/lane/exchange.ts';
import type { Again } from '../balancer.ts';
import type { Connections, Registration } from '../connections.ts';
import { type LiveConnection, type Opened, openedBy } from '../live-connection.ts';
import type { ResponseRules } from '../response-headers.ts';
import type { UpstreamServerPool } from '../server-pool.ts';
import type { ForwardResult } from '../upstream-attempt.ts';
import { AnswerRelay } from './answer-relay.ts';
import { failureOf, tooSlow } from './failure.ts';
import { IdleTimer } from './idle-timer.ts';
import { type RequestHead, requestHead, writeRequestHead } from './request-head.ts';
import type { SocketEvents, UpstreamSocket } from './upstream-socket.ts';
import type { UpstreamSockets } from './upstream-sockets.ts';
import { goesOnAsItCame, sendWhole } from './whole-answer.ts';

/** A request on the lane, and what the pipeline has decided about it. */
export interface LaneWork {
  readonly exchange: LaneExchange;
  readonly forward: Forward;
  /** What goes upstream, where that is kept; made of `forward` when absent. */
  readonly head?: RequestHead | undefined;
  /** Added to the answer where the upstream has no such line: names and values in turn. */
  readonly added: readonly string[];
}

interface LaneAttemptParts extends LaneWork {
  readonly pool: UpstreamServerPool;
  readonly sockets: UpstreamSockets;
  readonly fresh: boolean;
  readonly connections: Connections;
  readonly rules: ResponseRules;
  /** Told once, when the answer is with the client, or is not to be had here. */
  readonly settle: (result: ForwardResult | Again, now?: number) => void;
}

/** Sends the request once. */
export class LaneAttempt implements ClientEvents, SocketEvents, LiveConnection {
  readonly #parts: LaneAttemptParts;
  /** Absent until an answer has begun that does not go on as it came. */
  #relay: AnswerRelay | undefined;
  #upstream: UpstreamSocket | undefined;
  #kind: 'request' | 'stream' = 'request';
  #registration: Registration | undefined;
  /** For the next part of the body, and for the client to take what is waiting. */
  #bodyTimer: IdleTimer | undefined;
  #clientTimer: IdleTimer | undefined;
  #isSettled = false;
  #isBodySent: boolean;
  #cut: Reason | undefined;
  /** What it comes to once the client has taken all of it. */
  #sent: ForwardResult | undefined;

  constructor(parts: LaneAttemptParts) {
    this.#parts = parts;
    this.#isBodySent = parts.exchange.head.bodyLength === 0;
  }

  get kind(): 'request' | 'stream' {
    return this.#kind;
  }

  get opened(): Opened {
    return openedBy(this.#parts.forward);
  }

  run(): void {
    const { exchange, sockets, fresh } = this.#parts;
    exchange.watch(this);
    this.#register();
    const idle = fresh ? undefined : sockets.takeIdle();
    if (idle) return void this.#send(idle);
    sockets.open().then(
      (opened) => this.#send(opened),
      (error: Error) => this.#finish(failureOf(error, { request: exchange.head, fresh, isConnected: false })),
    );
  }

  #send(upstream: UpstreamSocket): void {
    const { exchange, pool, sockets, forward } = this.#parts;
    // Nobody has used it.
    if (this.#isSettled) return void sockets.release(upstream);
    pool.connected();
    this.#upstream = upstream;
    upstream.events = this;
    upstream.expect(forward.route.timeouts.response, exchange.cameAt);
    const { upstreamPath: path, route } = forward;
    try {
      const { head = requestHead(forward) } = this.#parts;
      writeRequestHead(upstream.socket, exchange.head, { path, host: pool.server.url.host, head });
      if (this.#isBodySent) return;
      const { idle } = route.timeouts;
      this.#bodyTimer = new IdleTimer(idle, () => this.#fail(tooSlow(idle)));
      this.#bodyTimer.restart();
      exchange.takeBody();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  onBody(chunk: Buffer): boolean {
    this.#upstream?.touch();
    const isTaken = this.#upstream?.socket.write(chunk) ?? true;
    // The clock runs only while the client is the one waited for.
    if (isTaken) this.#bodyTimer?.restart();
    else this.#bodyTimer?.stop();
    return isTaken;
  }

  onBodyEnd(): void {
    this.#bodyTimer?.stop();
    this.#isBodySent = true;
  }

  onDrain(): void {
    if (this.#isBodySent) return;
    this.#bodyTimer?.restart();
    this.#parts.exchange.resumeBody();
  }

  onTaken(): void {
    this.#clientTimer?.stop();
    if (this.#sent) return void this.#finish(this.#sent);
    this.#upstream?.expect(this.#parts.forward.route.timeouts.idle);
    this.#upstream?.socket.resume();
  }

  onGone(): void {
    if (this.#isSettled) return;
    this.#finish({ kind: 'client-gone', ...(this.#cut && { reason: this.#cut }) });
    this.#drop();
  }

  onData(chunk: Buffer, now: number): void {
    try {
      if (this.#relay || !this.#isBodySent || !this.#sendWhole(chunk, now)) this.#read(chunk);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #sendWhole(chunk: Buffer, now: number): boolean {
    const { exchange, forward, added } = this.#parts;
    if (exchange.head.method === 'HEAD' || !goesOnAsItCame(forward)) return false;
    const status = sendWhole(chunk, exchange, { added, isIdentified: forward.principal !== undefined, now });
    if (status !== undefined) this.#conclude(status, { isSound: true, now });
    return status !== undefined;
  }

  #read(chunk: Buffer): void {
    this.#relay ??= new AnswerRelay(this.#parts, this);
    this.#relay.read(chunk);
  }

  onTimeout(): void {
    // It waits for the client's body, which has a clock of its own; the next part starts this one again.
    if (!this.#isBodySent && !this.#relay && this.#upstream?.socket.writableNeedDrain === false) return;
    this.#fail(Object.assign(new Error('the upstream said nothing in time'), { code: 'ETIMEDOUT' }));
  }

  onEnd(error?: Error): void {
    if (this.#isSettled) return;
    if (error || !this.#relay?.end())
      this.#fail(error ?? Object.assign(new Error('the upstream closed the connection'), { code: 'ECONNRESET' }));
  }

  onAnswer(isEventStream: boolean): void {
    this.#upstream?.expect(this.#parts.forward.route.timeouts.idle);
    if (!isEventStream) return;
    this.#kind = 'stream';
    this.#register();
  }

  onFull(): void {
    this.#awaitClient();
  }

  onOver(status: number, isSound: boolean): void {
    this.#conclude(status, { isSound: isSound && this.#isBodySent });
  }

  /** Ends it since its session has, or since its route has another meaning. */
  end(reason: Reason): void {
    this.#cut = reason;
    this.#parts.exchange.cut();
  }

  /** All of the answer has come. The connection serves again where nothing is in doubt. */
  #conclude(status: number, { isSound, now }: { readonly isSound: boolean; readonly now?: number }): void {
    const { exchange, sockets } = this.#parts;
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream) {
      upstream.events = undefined;
      if (isSound) sockets.release(upstream, now);
      else upstream.socket.destroy();
    }
    const sent = { kind: 'sent', status } as const;
    if (!exchange.socket.writableNeedDrain) return void this.#finish(sent);
    this.#sent = sent;
    this.#awaitClient();
  }

  #register(): void {
    const { forward, connections, exchange } = this.#parts;
    if (this.#registration) connections.remove(this.#registration);
    this.#registration = connections.register(forward.session?.id, this, exchange.cameAt);
  }

  /** A client that takes nothing for as long as an upstream may be silent is as good as gone. */
  #awaitClient(): void {
    this.#upstream?.socket.pause();
    this.#upstream?.expect(0);
    this.#clientTimer ??= new IdleTimer(this.#parts.forward.route.timeouts.idle, () => this.end('answer-not-taken'));
    this.#clientTimer.restart();
  }

  #fail(error: Error): void {
    if (this.#isSettled) return;
    const { exchange, fresh } = this.#parts;
    const [head, hasBegun] = [this.#relay?.head, this.#relay !== undefined];
    this.#finish(failureOf(error, { request: exchange.head, head, hasBegun, fresh, isConnected: true }));
    // The status is out: only a broken connection can still tell the client that the body is not whole.
    if (head) exchange.cut();
    this.#drop();
  }

  #drop(): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (!upstream) return;
    upstream.events = undefined;
    upstream.socket.destroy();
  }

  #finish(result: ForwardResult | Again, now?: number): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const { connections, settle } = this.#parts;
    this.#bodyTimer?.stop();
    this.#clientTimer?.stop();
    if (this.#registration) connections.remove(this.#registration);
    settle(result, now);
  }
}
