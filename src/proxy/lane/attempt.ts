/**
 * One try of a lane's request at one server, on plain sockets: the body up and the answer down, each as fast as the slower
 * side takes it. By the same rules as `upstream-attempt.ts`, which does it with the messages of Node and undici.
 */
import type { Reason } from '../../core/reason.ts';
import type { Forward } from '../../core/verdict.ts';
import type { ClientEvents, LaneExchange } from '../../edge/lane/exchange.ts';
import type { Again } from '../balancer.ts';
import { type Connections, openedBy } from '../connections.ts';
import { type ResponseRules, responseHeaders } from '../response-headers.ts';
import type { UpstreamServerPool } from '../server-pool.ts';
import type { ForwardResult } from '../upstream-attempt.ts';
import type { AnswerHead } from './answer-head.ts';
import { type AnswerEvents, AnswerReader } from './answer-reader.ts';
import { ClientAnswer } from './client-answer.ts';
import { failureOf, tooSlow } from './failure.ts';
import { IdleTimer } from './idle-timer.ts';
import { requestHead } from './request-head.ts';
import type { SocketEvents, UpstreamSocket, UpstreamSockets } from './upstream-sockets.ts';

/** A request on the lane, and what the pipeline has decided about it. */
export interface LaneWork {
  readonly exchange: LaneExchange;
  readonly forward: Forward;
  /** Added to the answer where the upstream has no such line: names and values in turn. */
  readonly added: readonly string[];
}

interface LaneAttemptParts extends LaneWork {
  readonly pool: UpstreamServerPool;
  readonly sockets: UpstreamSockets;
  readonly fresh: boolean;
  readonly connections: Connections;
  readonly rules: ResponseRules;
}

/** Sends the request once. */
export class LaneAttempt implements AnswerEvents, ClientEvents, SocketEvents {
  readonly #parts: LaneAttemptParts;
  readonly #answer: ClientAnswer;
  readonly #reader: AnswerReader;
  #settle: (result: ForwardResult | Again) => void = () => undefined;
  #upstream: UpstreamSocket | undefined;
  #release: (() => void) | undefined;
  /** For the next part of the body, and for the client to take what is waiting. */
  readonly #bodyTimer: IdleTimer;
  readonly #clientTimer: IdleTimer;
  #isSettled = false;
  #isBodySent: boolean;
  #cut: Reason | undefined;
  readonly #goOn = (): void => {
    const { socket } = this.#upstream ?? {};
    socket?.setTimeout(this.#parts.forward.route.timeouts.idle);
    socket?.resume();
  };
  #onTaken: () => void = this.#goOn;

  constructor(parts: LaneAttemptParts) {
    this.#parts = parts;
    this.#answer = new ClientAnswer(parts.exchange);
    this.#reader = new AnswerReader(parts.exchange.head.method, this);
    this.#isBodySent = parts.exchange.head.bodyLength === 0;
    const { idle } = parts.forward.route.timeouts;
    this.#bodyTimer = new IdleTimer(idle, () => this.#fail(tooSlow(idle)));
    this.#clientTimer = new IdleTimer(idle, () => this.#cutClient('answer-not-taken'));
  }

  /** Resolves when the answer is with the client, or is not to be had here. Never rejects. */
  run(): Promise<ForwardResult | Again> {
    const { exchange, sockets, fresh } = this.#parts;
    return new Promise((resolve) => {
      this.#settle = resolve;
      exchange.watch(this);
      this.#register('request');
      const idle = fresh ? undefined : sockets.takeIdle();
      if (idle) this.#send(idle);
      else
        sockets.open().then(
          (opened) => this.#send(opened),
          (error: Error) => this.#finish(failureOf(error, { request: exchange.head, fresh, isConnected: false })),
        );
    });
  }

  #send(upstream: UpstreamSocket): void {
    const { exchange, pool, sockets, forward } = this.#parts;
    // Nobody has used it.
    if (this.#isSettled) {
      sockets.release(upstream);
      return;
    }
    pool.connected();
    this.#upstream = upstream;
    upstream.events = this;
    upstream.socket.setTimeout(forward.route.timeouts.response);
    this.#trying(() => {
      upstream.socket.write(requestHead(exchange.head, forward, pool.server), 'latin1');
      if (this.#isBodySent) return;
      this.#bodyTimer.restart();
      exchange.takeBody();
    });
  }

  onBody(chunk: Buffer): boolean {
    const isTaken = this.#upstream?.socket.write(chunk) ?? true;
    // The clock runs only while the client is the one waited for.
    if (isTaken) this.#bodyTimer.restart();
    else this.#bodyTimer.stop();
    return isTaken;
  }

  onBodyEnd(): void {
    this.#bodyTimer.stop();
    this.#isBodySent = true;
  }

  onDrain(): void {
    if (this.#isBodySent) return;
    this.#bodyTimer.restart();
    this.#parts.exchange.resumeBody();
  }

  onTaken(): void {
    this.#clientTimer.stop();
    this.#onTaken();
  }

  onGone(): void {
    if (this.#isSettled) return;
    this.#finish({ kind: 'client-gone', ...(this.#cut && { reason: this.#cut }) });
    this.#drop();
  }

  onData(chunk: Buffer): void {
    this.#trying(() => this.#reader.read(chunk));
  }

  onTimeout(): void {
    // It waits for the client's body, which has a clock of its own; the next part starts this one again.
    if (!this.#isBodySent && !this.#reader.hasBegun && this.#upstream?.socket.writableNeedDrain === false) return;
    this.#fail(Object.assign(new Error('the upstream said nothing in time'), { code: 'ETIMEDOUT' }));
  }

  onEnd(error?: Error): void {
    if (this.#isSettled) return;
    if (!error && this.#reader.end()) this.onWhole(false);
    else this.#fail(error ?? Object.assign(new Error('the upstream closed the connection'), { code: 'ECONNRESET' }));
  }

  onHead(head: AnswerHead): void {
    const { forward, rules, added } = this.#parts;
    const { status, phrase, framing, headers } = head;
    // What this throws refuses the answer.
    const lines = responseHeaders(headers, forward, rules, status);
    const [own] = added;
    if (own !== undefined && !headers.has(own)) lines.push(...added);
    this.#upstream?.socket.setTimeout(forward.route.timeouts.idle);
    const isChunked = framing.kind === 'chunked' || framing.kind === 'close';
    this.#answer.begin({ status, phrase, lines, isChunked });
    if (/^text\/event-stream\b/i.test(headers.single('content-type') ?? '')) this.#register('stream');
  }

  onPart(part: Buffer): void {
    if (!this.#answer.send(part)) this.#awaitClient();
  }

  /** The head travels with the first part of the body where that is here already, and alone where it is not. */
  onHeadAlone(): void {
    process.nextTick(() => this.#isSettled || this.#answer.flush());
  }

  /** All of the answer has come. The connection serves again where nothing is in doubt. */
  onWhole(isSound: boolean): void {
    const { exchange, sockets } = this.#parts;
    const status = this.#reader.head?.status ?? 0;
    this.#answer.end();
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream) {
      upstream.events = undefined;
      if (isSound && this.#isBodySent) sockets.release(upstream);
      else upstream.socket.destroy();
    }
    if (exchange.socket.writableNeedDrain) this.#awaitClient(() => this.#finish({ kind: 'sent', status }));
    else this.#finish({ kind: 'sent', status });
  }

  onHints({ headers }: AnswerHead): void {
    this.#answer.hint(headers.all('link'));
  }

  #register(kind: 'stream' | 'request'): void {
    const { forward, connections } = this.#parts;
    this.#release?.();
    this.#release = connections.add(forward.session?.id, {
      kind,
      opened: openedBy(forward),
      end: (reason) => this.#cutClient(reason),
    });
  }

  #cutClient(reason: Reason): void {
    this.#cut = reason;
    this.#parts.exchange.cut();
  }

  /** A client that takes nothing for as long as an upstream may be silent is as good as gone. */
  #awaitClient(then = this.#goOn): void {
    const { socket } = this.#upstream ?? {};
    this.#onTaken = then;
    socket?.pause();
    socket?.setTimeout(0);
    this.#clientTimer.restart();
  }

  #trying(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: Error): void {
    if (this.#isSettled) return;
    const { exchange, fresh } = this.#parts;
    const { head, hasBegun } = this.#reader;
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

  #finish(result: ForwardResult | Again): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#bodyTimer.stop();
    this.#clientTimer.stop();
    this.#release?.();
    this.#settle(result);
  }
}
