/** Carries a request to its upstream and the answer back: the data plane's one narrow way in for HTTP. */
import type { IncomingMessage } from 'node:http';
import type { Log } from '../core/log.ts';
import type { Forward } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import type { Connections } from './connections.ts';
import type { OwnCookie } from './cookies.ts';
import { BodyRefused, discardRest, RequestBody } from './request-body.ts';
import { type Exchange, type ForwardResult, UpstreamAttempt } from './upstream-attempt.ts';
import { readFailure } from './upstream-errors.ts';
import type { UpstreamPools, UpstreamServerPool } from './upstream-pool.ts';

export type { Exchange, ForwardResult } from './upstream-attempt.ts';

/** What a forwarder is made of. */
export interface ForwarderOptions {
  readonly agents: UpstreamPools;
  readonly connections: Connections;
  readonly isOwnCookie: OwnCookie;
  readonly log: Log;
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
    const { agents, connections, isOwnCookie, log } = this.#options;
    const body = bodyOf(request, forward);
    const headers = headerLines(request, forward);
    const balancer = agents.of(forward.route);
    const tried = new Set<UpstreamServerPool>();
    let agent = balancer.pick(tried);
    let fresh = false;
    let failure: Error | undefined;
    while (agent) {
      const result = await new UpstreamAttempt({ exchange, agent, body, fresh, connections, isOwnCookie }).run(headers);
      if (result.kind !== 'again') return result;
      failure = result.error;
      log.debug({ upstream: agent.server.origin, error: failure }, 'a request is tried again');
      fresh = result.fresh;
      if (fresh) continue;
      tried.add(agent);
      agent = balancer.pick(tried);
    }
    discardRest(request);
    // Made here: an error takes its stack from where it is made, which costs more than all else in this function.
    failure ??= new Error('the route has no upstream server');
    return { kind: 'failed', ...readFailure(failure, false), error: failure, headersSent: false };
  }
}

/** Whether a method reaches no upstream: one that echoes a TRACE would show the client the headers that we have set. */
export function isNeverForwarded(method: string | undefined): boolean {
  return method === 'TRACE' || method === 'CONNECT';
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
  if (isNeverForwarded(request.method))
    return fail(new BodyRefused('METHOD_NOT_ALLOWED', 'method-not-allowed', `${request.method} is never forwarded`));
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

/** Names and values in turn. The length is the client's own; without one undici sends in chunks. */
function headerLines(request: IncomingMessage, forward: Forward): string[] {
  const lines: string[] = [];
  for (const [name, value] of forward.headers) {
    if (typeof value === 'string') lines.push(name, value);
    else for (const item of value) lines.push(name, item);
  }
  const framing = headOf(request).framing();
  if (framing.kind === 'length') lines.push('content-length', String(framing.bytes));
  return lines;
}
