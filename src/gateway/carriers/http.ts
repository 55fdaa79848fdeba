/** Carries verdicts out over HTTP: forwards, has the portal answer, or declines (`answer.ts`). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import type { Forward } from '../../core/verdict.ts';
import { awaitsContinue } from '../../edge/expect-continue.ts';
import type { Portal } from '../../portal/portal.ts';
import type { Forwarder } from '../../proxy/forward.ts';
import { type Http2Forwarder, speaksHttp2 } from '../../proxy/http2/forwarder.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import type { Decided } from '../decided.ts';
import { readRequest } from '../request.ts';
import { type CarryParts, carry, respond } from './carry.ts';
import { takeDecision } from './lent-decision.ts';

interface HttpParts extends CarryParts {
  readonly portal: Portal;
  readonly forwarder: Forwarder;
  /** For routes whose servers speak HTTP/2. */
  readonly http2Forwarder: Http2Forwarder;
}

/** A request and where its answer goes. */
interface Message {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Answers HTTP requests. */
export class HttpCarrier {
  readonly #parts: HttpParts;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  /** Never throws: what goes wrong is a 503. */
  carry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pipeline, answers } = this.#parts;
    const message = { request, response };
    const gone = new AbortController();
    // An abort makes an exception of its own, stack and all: only for clients that have really gone.
    response.once('close', () => response.writableFinished || gone.abort());
    const made = takeDecision(request.socket);
    return carry(this.#parts, () => made ?? pipeline.decide(readRequest(request, gone.signal)), {
      carryOut: (decided) => this.#carryOut(decided, message),
      decline: (decided, verdict) => respond(answers, decided, verdict, message),
    });
  }

  #carryOut(decided: Decided, message: Message): Promise<RequestResult> {
    const { portal, answers } = this.#parts;
    const { verdict, request } = decided;
    switch (verdict.kind) {
      case 'forward':
        return this.#forward(decided, verdict.forward, message);
      case 'portal':
        return portal.answer(message.request, message.response, {
          requestId: request.id,
          client: verdict.client,
          target: verdict.target,
          signal: request.signal,
        });
      default:
        return respond(answers, decided, verdict, message);
    }
  }

  async #forward(decided: Decided, forward: Forward, message: Message): Promise<RequestResult> {
    const { forwarder, http2Forwarder, log, answers } = this.#parts;
    const by = speaksHttp2(forward.route) ? http2Forwarder : forwarder;
    const sent = await by.forward({ ...message, forward, awaitsContinue: awaitsContinue(message.request) });
    switch (sent.kind) {
      case 'sent':
        return { status: sent.status };
      case 'client-gone':
        return { status: 499, ...(sent.reason && { reason: sent.reason }) };
      case 'failed': {
        const error = new GatewayError(sent.code, `${forward.route.name}: the upstream failed`, sent.error);
        log.warn(
          { request: decided.request.id, route: forward.route.name, reason: sent.reason, error: sent.error },
          'an upstream failed',
        );
        if (sent.headersSent) return { status: message.response.statusCode, reason: sent.reason };
        return respond(answers, decided, { kind: 'refuse', error, reason: sent.reason }, message);
      }
      default:
        return sent satisfies never;
    }
  }
}
