/**
 * One try of a request at one server over HTTP/2: the body up, the answer and its trailers down, each as fast as the slower side takes
 * it. Whoever cuts one side cuts the other.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ClientHttp2Stream, constants } from 'node:http2';
import type { Reason } from '../../core/reason.ts';
import { HeaderLines } from '../../core/request-head.ts';
import { headOf } from '../../edge/head-of.ts';
import { isHttp2Response } from '../../edge/http2/response.ts';
import type { Again } from '../balancer.ts';
import type { Connections } from '../connections.ts';
import { openedBy } from '../live-connection.ts';
import { ClientLeft, discardRest, RequestBody } from '../request-body.ts';
import { type ResponseRules, responseHeaders } from '../response-headers.ts';
import type { UpstreamServerPool } from '../server-pool.ts';
import type { Exchange, ForwardResult } from '../upstream-attempt.ts';
import { isConnectFailure, readFailure } from '../upstream-errors.ts';
import { brokenTrailers, CallTimeout, isSafe, unsendable } from './call-errors.ts';
import { callHead } from './call-head.ts';
import { plainTrailers } from './trailers.ts';

interface CallParts {
  readonly exchange: Exchange;
  readonly pool: UpstreamServerPool;
  readonly connections: Connections;
  readonly rules: ResponseRules;
  /** Milliseconds until the call must have ended; 0 is without end. */
  readonly deadline: number;
  readonly isGrpc: boolean;
  /** It has been tried at this server before. */
  readonly fresh: boolean;
}

/** Calls once. */
export class Http2Call {
  readonly #parts: CallParts;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #stream: ClientHttp2Stream | undefined;
  #settle: (result: ForwardResult | Again) => void = () => undefined;
  #release: (() => void)[] = [];
  #body: RequestBody | undefined;
  #status = 0;
  #trailers: string[] = [];
  #cut: Reason | undefined;
  #isSettled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.#request = parts.exchange.request;
    this.#response = parts.exchange.response;
  }

  /** Resolves when the answer is with the client, or is not to be had here. Never rejects. */
  async run(): Promise<ForwardResult | Again> {
    const { pool, deadline } = this.#parts;
    let taken: Awaited<ReturnType<ReturnType<UpstreamServerPool['http2']>['take']>>;
    try {
      taken = await pool.http2().take();
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      return isConnectFailure(cause) ? { kind: 'again', fresh: false, error: cause } : this.#failure(cause, false);
    }
    pool.connected();
    this.#release.push(taken.release);
    return new Promise((resolve) => {
      this.#settle = resolve;
      if (this.#response.destroyed) {
        this.#finish({ kind: 'client-gone' });
        return;
      }
      this.#response.once('close', this.#onClientClose);
      if (deadline > 0) this.#timer = setTimeout(() => this.#fail(new CallTimeout('the call took too long')), deadline);
      this.#register();
      try {
        this.#open(
          taken.session.request(callHead(this.#parts), { endStream: headOf(this.#request).framing().kind === 'none' }),
        );
      } catch (error) {
        // A connection that has just ended says nothing of its server; what cannot be sent is the client's own doing.
        if (taken.session.closed || taken.session.destroyed) this.#finish(this.#again(error as Error));
        else this.#finish({ kind: 'failed', ...unsendable, error: error as Error, headersSent: false });
      }
    });
  }

  #open(stream: ClientHttp2Stream): void {
    this.#stream = stream;
    const { exchange } = this.#parts;
    const { route } = exchange.forward;
    stream.on('error', (error) => this.#broke(error));
    this.#bound(route.timeouts.response);
    stream.on('response', (_headers, flags, rawHeaders) =>
      this.#answer(rawHeaders ?? [], (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0),
    );
    stream.on('trailers', (_headers, _flags, rawHeaders) => {
      this.#trailers = plainTrailers(rawHeaders ?? []);
    });
    stream.once('close', () => {
      if (this.#isSettled) return;
      const error = Object.assign(new Error('the upstream ended the call before its answer was whole'), {
        code: 'UND_ERR_SOCKET',
      });
      if (!stream.readableEnded || stream.rstCode !== constants.NGHTTP2_NO_ERROR) this.#broke(error);
    });
    if (headOf(this.#request).framing().kind === 'none') return;
    if (exchange.awaitsContinue) this.#response.writeContinue();
    // A call may be silent for as long as it likes: its own time and pings bound it.
    this.#body = new RequestBody(this.#request, {
      maxBytes: route.maxBody,
      idle: this.#parts.isGrpc ? 0 : route.timeouts.idle,
    });
    this.#body.on('error', (error) => this.#fail(error));
    this.#body.pipe(stream);
  }

  /** In silence a page is waited for as long as its route says; a call is bounded by its own time. */
  #bound(milliseconds: number): void {
    const stream = this.#stream;
    if (!stream || this.#parts.isGrpc) return;
    stream.setTimeout(milliseconds, () => {
      if (stream.isPaused()) this.#cutClient('answer-not-taken');
      else this.#fail(new CallTimeout(`the upstream was silent for ${milliseconds} ms`));
    });
  }

  /** Repeated only where that changes nothing: the server has done nothing with it, or would do the same again. */
  #broke(error: Error): void {
    const isRefused = this.#stream?.rstCode === constants.NGHTTP2_REFUSED_STREAM;
    const isDead = this.#stream?.session?.destroyed !== false && isSafe(this.#request.method);
    if (this.#status === 0 && !this.#body && (isRefused || (isDead && !this.#parts.fresh)))
      this.#finish(this.#again(error));
    else this.#fail(error);
  }

  /** On another connection to the same server at first. */
  #again(error: Error): Again {
    return { kind: 'again', fresh: !this.#parts.fresh, error };
  }

  #answer(rawHeaders: readonly string[], isWhole: boolean): void {
    if (this.#isSettled) return;
    const upstream = new HeaderLines(rawHeaders);
    const status = Number(upstream.named(':status')[0]);
    const plain: string[] = [];
    upstream.each((name, value) => {
      if (!name.startsWith(':')) plain.push(name, value);
    });
    let lines: string[];
    try {
      lines = responseHeaders(new HeaderLines(plain), this.#parts.exchange.forward, this.#parts.rules, status);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#status = status;
    this.#bound(this.#parts.exchange.forward.route.timeouts.idle);
    const response = this.#response;
    // What ends with its head stays so: to a gRPC client an empty body behind it is a call without a status.
    if (isWhole && isHttp2Response(response)) response.endWithHead(status, lines);
    else {
      if (isHttp2Response(response)) response.awaitTrailers();
      response.writeHead(status, lines);
      response.flushHeaders();
    }
    const stream = this.#stream;
    if (!stream) return;
    stream.on('data', (chunk: Buffer) => {
      if (!response.write(chunk)) stream.pause();
    });
    response.on('drain', () => stream.resume());
    stream.once('end', () => {
      if (this.#isSettled || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
      if (isHttp2Response(response) && this.#trailers.length > 0) response.setTrailers(this.#trailers);
      response.end();
      this.#body?.destroy();
      discardRest(this.#request);
    });
  }

  readonly #onClientClose = (): void => {
    if (this.#isSettled) return;
    if (this.#response.writableFinished) this.#finish({ kind: 'sent', status: this.#status });
    else this.#finish({ kind: 'client-gone', ...(this.#cut && { reason: this.#cut }) });
  };

  #register(): void {
    const { exchange, connections } = this.#parts;
    const { forward } = exchange;
    const kind = this.#parts.isGrpc ? 'stream' : 'request';
    this.#release.push(
      connections.add(forward.session?.id, {
        kind,
        opened: openedBy(forward),
        end: (reason) => this.#cutClient(reason),
      }),
    );
  }

  #cutClient(reason: Reason): void {
    this.#cut = reason;
    // Of this call alone, as a cancellation where it came over HTTP/2.
    if (isHttp2Response(this.#response)) this.#request.socket.destroy();
    else this.#response.destroy();
  }

  #fail(error: Error): void {
    if (this.#isSettled) return;
    if (error instanceof ClientLeft) {
      this.#finish({ kind: 'client-gone' });
      return;
    }
    const headersSent = this.#status > 0;
    const failure = this.#failure(error, headersSent);
    if (headersSent) this.#endBroken(error);
    this.#finish(failure);
  }

  /** The head is out: a gRPC client is told by trailers, any other by a broken stream. */
  #endBroken(error: Error): void {
    const response = this.#response;
    if (!this.#parts.isGrpc || !isHttp2Response(response)) return void response.destroy();
    response.setTrailers(brokenTrailers(error));
    response.end();
  }

  #failure(error: Error, headersSent: boolean): ForwardResult {
    return { kind: 'failed', ...readFailure(error, this.#stream !== undefined), error, headersSent };
  }

  #finish(result: ForwardResult | Again): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#response.off('close', this.#onClientClose);
    if (result.kind !== 'sent' && this.#stream && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL);
    if (result.kind !== 'sent') this.#body?.destroy();
    if (result.kind === 'failed' && !result.headersSent) discardRest(this.#request);
    for (const release of this.#release) release();
    this.#settle(result);
  }
}
