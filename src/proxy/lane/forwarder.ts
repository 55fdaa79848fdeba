/** Carries the lane's requests to their upstreams; what the lane cannot carry is left to `forward.ts`. */

import type { ForwardingRoute } from '../../core/route.ts';
import { type Again, isAgain, type Place } from '../balancer.ts';
import type { Connections } from '../connections.ts';
import type { ResponseRules } from '../response-headers.ts';
import type { UpstreamServerPool } from '../server-pool.ts';
import { bringing, visitorOf } from '../sticky.ts';
import type { ForwardResult } from '../upstream-attempt.ts';
import { readFailure } from '../upstream-errors.ts';
import type { UpstreamPools } from '../upstream-pool.ts';
import { LaneAttempt, type LaneWork } from './attempt.ts';
import { UpstreamSockets } from './upstream-sockets.ts';

interface LaneForwarderParts {
  readonly pools: UpstreamPools;
  readonly connections: Connections;
  readonly rules: ResponseRules;
  /** To one server at once; more requests wait. 2,048 when absent. */
  readonly maxConnections?: number;
}

/** Whether the lane carries requests to a route's servers: those that are spoken to in plain HTTP over TCP, on the lane's own terms. */
export function isCarried({ upstream: { servers, keepAlive, protocol } }: ForwardingRoute): boolean {
  return (
    protocol === undefined &&
    keepAlive === undefined &&
    servers.every(({ url, socketPath }) => url.protocol === 'http:' && !socketPath)
  );
}

/** Forwards on plain sockets. */
export class LaneForwarder {
  readonly #parts: LaneForwarderParts;
  readonly #sockets = new Map<UpstreamServerPool, UpstreamSockets>();

  constructor(parts: LaneForwarderParts) {
    this.#parts = parts;
    // What is idle closes; what is in use closes after its request.
    parts.pools.onClose(() => {
      for (const sockets of this.#sockets.values()) sockets.close();
    });
  }

  /**
   * As `Forwarder.forward`, and tells the result, once: after `failed` without `headersSent` nothing of an answer has gone out.
   * Never throws.
   */
  forward(work: LaneWork, done: (result: ForwardResult, now?: number) => void): void {
    const { pools, connections, rules } = this.#parts;
    const { forward, exchange, head, added } = work;
    const tries = pools.of(forward.route).tries(() => visitorOf(exchange.head.headers, forward));
    const attempt = (place: Place | undefined, last?: Again): void => {
      if (!place) return void done(failed(last));
      const { pool, fresh } = place;
      const sockets = this.#socketsOf(pool, forward.route.timeouts.connect);
      const settle = (result: ForwardResult | Again, now?: number): void =>
        isAgain(result) ? attempt(tries.next(place, result), result) : done(result, now);
      new LaneAttempt({
        exchange,
        forward: bringing(forward, place.cookie),
        head,
        added,
        pool,
        sockets,
        fresh,
        connections,
        rules,
        settle,
      }).run();
    };
    attempt(tries.first());
  }

  /** Pools differ in their connect timeout as well, so that those of a server have one. */
  #socketsOf(pool: UpstreamServerPool, connectTimeout: number): UpstreamSockets {
    const known = this.#sockets.get(pool);
    if (known) return known;
    const { maxConnections = 2048 } = this.#parts;
    const made = new UpstreamSockets({ url: pool.server.url, connectTimeout, max: maxConnections });
    this.#sockets.set(pool, made);
    return made;
  }
}

function failed(last: Again | undefined): ForwardResult {
  const error = last?.error ?? new Error('the route has no upstream server');
  return { kind: 'failed', ...readFailure(error, false), error, headersSent: false };
}
