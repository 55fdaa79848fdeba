/** One try of a request at one server: the body up and the answer down, each as fast as the slower side takes it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { ErrorCode } from '../core/errors.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Forward } from '../core/verdict.ts';
import type { Again } from './balancer.ts';
import type { Connections } from './connections.ts';
import { openedBy } from './live-connection.ts';
import { ClientLeft, discardRest, type RequestBody } from './request-body.ts';
import { type ResponseRules, responseHeaders, upstreamHead } from './response-headers.ts';
import type { UpstreamServerPool } from './server-pool.ts';
import { isConnectFailure, isDeadConnection, QueueTimeout, readFailure } from './upstream-errors.ts';

/** A client's request, and what the pipeline has decided about it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly forward: Forward;
  /** True when nobody has answered `Expect: 100-continue` yet: the body is asked for once an upstream is there to take it. */
  readonly awaitsContinue?: boolean;
}

/** How a request ended. After `failed` without `headersSent` the response is untouched: the caller renders the page. */
export type ForwardResult =
  | { readonly kind: 'sent'; readonly status: number }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly reason: Reason;
      readonly error: Error;
      readonly headersSent: boolean;
      /** What the client has been told, where the lane has sent the head. */
      readonly status?: number;
    }
  /** `reason` when it was the gateway that cut the connection. */
  | { readonly kind: 'client-gone'; readonly reason?: Reason };

interface UpstreamAttemptParts {
  readonly exchange: Exchange;
  readonly pool: UpstreamServerPool;
  readonly body: RequestBody | undefined;
  readonly fresh: boolean;
  readonly connections: Connections;
  readonly rules: ResponseRules;
}

/** Early hints of one request that are passed on: nothing slows down an upstream that never stops sending them. */
const maxHints = 10;

/** Sends the request once. The callbacks are undici's; they never throw into it. */
export class UpstreamAttempt implements Dispatcher.DispatchHandler {
  readonly #parts: UpstreamAttemptParts;
  readonly #response: ServerResponse;
  #settle: (result: ForwardResult | Again) => void = () => undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #release: (() => void) | undefined;
  /** For a connection at first, later for the client to take what is waiting. */
  #timer: NodeJS.Timeout | undefined;
  #isSettled = false;
  #hasAnswer = false;
  #isComplete = false;
  #status = 0;
  #bytes = 0;
  #hints = 0;
  #cut: Reason | undefined;

  constructor(parts: UpstreamAttemptParts) {
    this.#parts = parts;
    this.#response = parts.exchange.response;
  }

  /** Resolves when the answer is with the client, or is not to be had here. Never rejects. */
  run(headers: string[]): Promise<ForwardResult | Again> {
    const { exchange, pool, body, fresh } = this.#parts;
    const { route, upstreamPath } = exchange.forward;
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#response.on('close', this.#onClose).on('drain', this.#onDrain);
      if (this.#response.destroyed) {
        this.#finish({ kind: 'client-gone' });
        return;
      }
      this.#register('request');
      const options = {
        method: exchange.request.method ?? 'GET',
        path: upstreamPath,
        headers,
        body: body ?? null,
        headersTimeout: route.timeouts.response,
        bodyTimeout: route.timeouts.idle,
      };
      pool.dispatch(options, this, fresh);
      if (!this.#controller && !this.#isSettled) this.#awaitConnection(route.timeouts.connect);
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isSettled) {
      controller.abort(new Error('nobody waits for the answer any more'));
      return;
    }
    clearTimeout(this.#timer);
    this.#controller = controller;
    this.#parts.pool.connected();
    if (this.#parts.exchange.awaitsContinue && this.#parts.body) this.#response.writeContinue();
  }

  onResponseStarted(): void {
    this.#hasAnswer = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: object, phrase?: string): void {
    const upstream = upstreamHead(controller.rawHeaders);
    if (status < 200) {
      this.#sendHints(status, upstream);
      return;
    }
    // What these throw makes undici abort the request, and comes back as its error.
    const lines = responseHeaders(upstream, this.#parts.exchange.forward, this.#parts.rules, status);
    const isPrintable = phrase !== undefined && phrase !== '' && /^[\x20-\x7e]*$/.test(phrase);
    if (isPrintable) this.#response.writeHead(status, phrase, lines);
    else this.#response.writeHead(status, lines);
    this.#status = status;
    if (/^text\/event-stream\b/i.test(upstream.single('content-type') ?? '')) this.#register('stream');
    // The head travels with the first part of the body where that is here already, and alone where it is not.
    process.nextTick(() => {
      if (this.#bytes === 0 && !this.#response.writableEnded && !this.#isSettled) this.#response.flushHeaders();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return;
    this.#bytes += chunk.length;
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#awaitClient();
  }

  onResponseEnd(): void {
    this.#isComplete = true;
    this.#response.end();
    const { body, exchange } = this.#parts;
    // An answer that came before the body was through: the upstream wants no more of it.
    body?.destroy();
    discardRest(exchange.request);
    if (!this.#response.writableFinished) this.#awaitClient();
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#isSettled || this.#isComplete) return;
    const isConnected = this.#controller !== undefined;
    if (error instanceof ClientLeft) {
      this.#finish({ kind: 'client-gone' });
    } else if (this.#status > 0) {
      // The status is out: only a broken connection can still tell the client that the body is not whole.
      this.#fail(error, true);
      this.#response.destroy();
    } else if (!isConnected && isConnectFailure(error)) {
      this.#finish({ kind: 'again', fresh: false, error });
    } else if (!this.#hasAnswer && !this.#parts.fresh && this.#mayRepeat() && isDeadConnection(error)) {
      this.#finish({ kind: 'again', fresh: true, error });
    } else {
      this.#fail(error, false);
    }
  }

  readonly #onClose = (): void => {
    if (this.#isSettled) return;
    const isSent = this.#isComplete && this.#response.writableFinished;
    if (isSent) this.#finish({ kind: 'sent', status: this.#status });
    else this.#finish({ kind: 'client-gone', ...(this.#cut && { reason: this.#cut }) });
    if (isSent) return;
    this.#controller?.abort(new Error('the client has gone'));
    this.#parts.body?.destroy();
  };

  readonly #onDrain = (): void => {
    clearTimeout(this.#timer);
    this.#controller?.resume();
  };

  /** A request whose repetition changes nothing (RFC 9110 §9.2.2), and whose body nobody has read since there is none. */
  #mayRepeat(): boolean {
    const { body, exchange } = this.#parts;
    return body === undefined && ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(exchange.request.method ?? '');
  }

  #sendHints(status: number, headers: HeaderLines): void {
    const link = [...headers.all('link')];
    if (status !== 103 || link.length === 0 || this.#parts.exchange.request.httpVersion === '1.0') return;
    this.#hints += 1;
    if (this.#hints > maxHints) return;
    try {
      this.#response.writeEarlyHints({ link });
    } catch {
      // Node is strict about the form of links; hints are only hints.
    }
  }

  #register(kind: 'stream' | 'request'): void {
    const { exchange, connections } = this.#parts;
    this.#release?.();
    this.#release = connections.add(exchange.forward.session?.id, {
      kind,
      opened: openedBy(exchange.forward),
      end: (reason) => this.#cutClient(reason),
    });
  }

  #cutClient(reason: Reason): void {
    this.#cut = reason;
    this.#response.destroy();
  }

  /** undici times connections that it makes, but not the wait for one that others hold. */
  #awaitConnection(milliseconds: number): void {
    if (milliseconds === 0) return;
    const wait = milliseconds + 1000;
    this.#timer = setTimeout(
      () => this.#fail(new QueueTimeout(`no connection to the upstream within ${wait} ms`), false),
      wait,
    );
  }

  /** A client that takes nothing for as long as an upstream may be silent is as good as gone. */
  #awaitClient(): void {
    const { idle } = this.#parts.exchange.forward.route.timeouts;
    clearTimeout(this.#timer);
    if (idle > 0) this.#timer = setTimeout(() => this.#cutClient('answer-not-taken'), idle);
  }

  #fail(error: Error, headersSent: boolean): void {
    this.#finish({ kind: 'failed', ...readFailure(error, this.#controller !== undefined), error, headersSent });
  }

  #finish(result: ForwardResult | Again): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#release?.();
    this.#response.off('close', this.#onClose).off('drain', this.#onDrain);
    if (result.kind === 'failed' && !result.headersSent) discardRest(this.#parts.exchange.request);
    this.#settle(result);
  }
}
