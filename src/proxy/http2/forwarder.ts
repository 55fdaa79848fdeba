/** Carries requests to upstreams over HTTP/2, gRPC among them. */
import type { IncomingMessage } from 'node:http';
import type { ForwardingRoute } from '../../core/route.ts';
import { headOf } from '../../edge/head-of.ts';
import type { Connections } from '../connections.ts';
import { BodyRefused, discardRest } from '../request-body.ts';
import type { ResponseRules } from '../response-headers.ts';
import { bringing, visitorOf } from '../sticky.ts';
import type { Exchange, ForwardResult } from '../upstream-attempt.ts';
import { readFailure } from '../upstream-errors.ts';
import type { UpstreamPools } from '../upstream-pool.ts';
import { Http2Call } from './call.ts';
import { callDeadline } from './grpc-timeout.ts';

interface Http2ForwarderParts {
  readonly pools: UpstreamPools;
  readonly connections: Connections;
  readonly rules: ResponseRules;
}

/** Whether a route's servers are spoken to in HTTP/2. */
export function speaksHttp2({ upstream }: Pick<ForwardingRoute, 'upstream'>): boolean {
  return upstream.protocol !== undefined;
}

/** Forwards over HTTP/2. */
export class Http2Forwarder {
  readonly #parts: Http2ForwarderParts;

  constructor(parts: Http2ForwarderParts) {
    this.#parts = parts;
  }

  /** As `Forwarder.forward`: streams both ways, never rejects. */
  async forward(exchange: Exchange): Promise<ForwardResult> {
    const { pools, ...parts } = this.#parts;
    const { request, forward } = exchange;
    const { route } = forward;
    const isGrpc = route.upstream.protocol === 'grpc';
    const refused = refuse(request, route, isGrpc);
    if (refused) {
      discardRest(request);
      return { kind: 'failed', code: refused.code, reason: refused.reason, error: refused, headersSent: false };
    }
    const deadline = isGrpc ? callDeadline(timeoutOf(request), route.timeouts.response) : 0;
    const result = await pools.of(route).attempt(visitorOf(headOf(request), forward), ({ pool, fresh, cookie }) =>
      new Http2Call({
        ...parts,
        pool,
        fresh,
        isGrpc,
        deadline: deadline ?? 0,
        exchange: { ...exchange, forward: bringing(forward, cookie) },
      }).run(),
    );
    if (result && result.kind !== 'again') return result;
    discardRest(request);
    const error = result?.error ?? new Error('the route has no upstream server');
    return { kind: 'failed', ...readFailure(error, false), error, headersSent: false };
  }
}

/** What can be refused before anybody is asked. */
function refuse(request: IncomingMessage, { maxBody }: ForwardingRoute, isGrpc: boolean): BodyRefused | undefined {
  const head = headOf(request);
  const framing = head.framing();
  if (framing.kind === 'faulty') return new BodyRefused('BAD_REQUEST', 'ambiguous-header', framing.detail);
  if (framing.kind === 'length' && maxBody > 0 && framing.bytes > maxBody)
    return new BodyRefused(
      'PAYLOAD_TOO_LARGE',
      'request-too-large',
      `the body has ${framing.bytes} bytes, ${maxBody} are allowed`,
    );
  if (!isGrpc) return undefined;
  if (request.httpVersionMajor < 2 || !isGrpcType(head.single('content-type')))
    return new BodyRefused(
      'UNSUPPORTED_MEDIA_TYPE',
      'upgrade-refused',
      'the location speaks gRPC, which is HTTP/2 with content-type application/grpc',
    );
  if (callDeadline(timeoutOf(request), 0) === undefined)
    return new BodyRefused(
      'BAD_REQUEST',
      'ambiguous-header',
      'grpc-timeout is no number of up to eight digits with a unit',
    );
  return undefined;
}

/** Two of them are none that can be read. */
function timeoutOf(request: IncomingMessage): string | undefined {
  const lines = headOf(request).all('grpc-timeout');
  return lines.length > 1 ? lines.join(', ') : lines[0];
}

function isGrpcType(type: string | undefined): boolean {
  return /^application\/grpc(?:[+;]|$)/i.test(type?.trim() ?? '');
}
