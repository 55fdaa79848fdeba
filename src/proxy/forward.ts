/** Carries a request to its upstream and the answer back: the data plane's one narrow way in for HTTP. */
import type { IncomingMessage } from 'node:http';
import type { Forward } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import type { Connections } from './connections.ts';
import { upstreamLines } from './headers.ts';
import { BodyRefused, discardRest, RequestBody } from './request-body.ts';
import type { ResponseRules } from './response-headers.ts';
import { bringing, visitorOf } from './sticky.ts';
import { type Exchange, type ForwardResult, UpstreamAttempt } from './upstream-attempt.ts';
import { readFailure } from './upstream-errors.ts';
import type { UpstreamPools } from './upstream-pool.ts';

export type { Exchange, ForwardResult } from './upstream-attempt.ts';

interface ForwarderOptions {
  readonly pools: UpstreamPools;
  readonly connections: Connections;
  readonly rules: ResponseRules;
}

/** Forwards requests over HTTP. */
export class Forwarder {
  readonly #options: ForwarderOptions;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * Streams both ways and never holds a body. Never rejects; resolves when the answer is with the client or nothing more
   * will come of it.
   *
   * Another server is tried only while nothing has left for the first. A request is repeated only when that changes
   * nothing, on a connection that ended before any byte of an answer.
   */
  async forward(exchange: Exchange): Promise<ForwardResult> {
    const { request, forward } = exchange;
    const refused = refuse(request, forward);
    if (refused) {
      discardRest(request);
      return refused;
    }
    const { pools, ...options } = this.#options;
    const body = bodyOf(request, forward);
    const headers = headerLines(request, forward);
    const result = await pools
      .of(forward.route)
      .attempt(visitorOf(headOf(request), forward), ({ pool, fresh, cookie }) =>
        new UpstreamAttempt({
          ...options,
          exchange: { ...exchange, forward: bringing(forward, cookie) },
          pool,
          body,
          fresh,
        }).run(headers),
      );
    if (result && result.kind !== 'again') return result;
    discardRest(request);
    // Made here: an error takes its stack from where it is made, which costs more than all else in this function.
    const error = result?.error ?? new Error('the route has no upstream server');
    return { kind: 'failed', ...readFailure(error, false), error, headersSent: false };
  }
}

/** What can be refused before anybody is asked. */
function refuse(request: IncomingMessage, forward: Forward): ForwardResult | undefined {
  const fail = (error: BodyRefused): ForwardResult => ({
    kind: 'failed',
    code: error.code,
    reason: error.reason,
    error,
    headersSent: false,
  });
  const framing = headOf(request).framing();
  if (framing.kind === 'faulty') return fail(new BodyRefused('BAD_REQUEST', 'ambiguous-header', framing.detail));
  const { maxBody } = forward.route;
  if (framing.kind === 'length' && maxBody > 0 && framing.bytes > maxBody)
    return fail(
      new BodyRefused(
        'PAYLOAD_TOO_LARGE',
        'request-too-large',
        `the body has ${framing.bytes} bytes, ${maxBody} are allowed`,
      ),
    );
  return undefined;
}

function bodyOf(request: IncomingMessage, { route }: Forward): RequestBody | undefined {
  if (headOf(request).framing().kind === 'none') return undefined;
  return new RequestBody(request, { maxBytes: route.maxBody, idle: route.timeouts.idle });
}

/** The length is the client's own; without one undici sends in chunks. */
function headerLines(request: IncomingMessage, forward: Forward): string[] {
  const lines = upstreamLines(forward);
  const framing = headOf(request).framing();
  if (framing.kind === 'length') lines.push('content-length', String(framing.bytes));
  return lines;
}
