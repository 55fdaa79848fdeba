/** Carries verdicts out over HTTP: forwards, has the portal answer, or declines (`answer.ts`). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Verdict } from '../../core/verdict.ts';
import { awaitsContinue } from '../../edge/expect-continue.ts';
import type { Portal } from '../../portal/portal.ts';
import type { Forwarder } from '../../proxy/forward.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import type { Decliner } from '../answer.ts';
import type { Decided } from '../decided.ts';
import type { Pipeline } from '../pipeline.ts';
import { readRequest } from '../request.ts';

/** What carrying out over HTTP works with. */
export interface HttpParts {
  readonly log: Log;
  readonly pipeline: Pipeline;
  readonly portal: Portal;
  readonly forwarder: Forwarder;
  readonly decliner: Decliner;
}

/** Answers HTTP requests. */
export class HttpCarrier {
  readonly #parts: HttpParts;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  /** Never throws: what goes wrong is a 503. */
  async carry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    // An abort makes an exception of its own, stack and all: only for clients that have really gone.
    response.once('close', () => response.writableFinished || gone.abort());
    const pending = this.#parts.pipeline.decide(readRequest(request, gone.signal));
    const decided = pending instanceof Promise ? await pending : pending;
    let result: RequestResult;
    try {
      result = await this.#carryOut(decided, request, response);
    } catch (cause) {
      this.#parts.log.error({ request: decided.request.id, error: cause }, 'a verdict could not be carried out');
      const error = new GatewayError('UNAVAILABLE', 'a verdict could not be carried out', cause);
      result = await this.#parts.decliner.answer(
        decided,
        { kind: 'refuse', error, reason: 'internal-error' },
        request,
        response,
      );
    }
    this.#parts.pipeline.finish(decided, result);
  }

  async #carryOut(decided: Decided, request: IncomingMessage, response: ServerResponse): Promise<RequestResult> {
    const { verdict } = decided;
    switch (verdict.kind) {
      case 'forward':
        return this.#forward(decided, verdict, request, response);
      case 'portal':
        return this.#parts.portal.answer(request, response, {
          requestId: decided.request.id,
          client: verdict.client,
          target: verdict.target,
          signal: decided.request.signal,
        });
      default:
        return this.#parts.decliner.answer(decided, verdict, request, response);
    }
  }

  async #forward(
    decided: Decided,
    { forward }: Extract<Verdict, { kind: 'forward' }>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<RequestResult> {
    const exchange = { request, response, forward, awaitsContinue: awaitsContinue(request) };
    const sent = await this.#parts.forwarder.forward(exchange);
    switch (sent.kind) {
      case 'sent':
        return { status: sent.status };
      case 'client-gone':
        return { status: 499 };
      case 'failed': {
        const error = new GatewayError(sent.code, `${forward.route.name}: the upstream failed`, sent.error);
        this.#parts.log.warn(
          { request: decided.request.id, route: forward.route.name, reason: sent.reason, error: sent.error },
          'an upstream failed',
        );
        if (sent.headersSent) return { status: response.statusCode, reason: sent.reason };
        return this.#parts.decliner.answer(decided, { kind: 'refuse', error, reason: sent.reason }, request, response);
      }
      default:
        return sent satisfies never;
    }
  }
}
