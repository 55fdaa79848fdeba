/**
 * Connections to upstreams: a pool for each server, shared by the routes that name it in the same way, with passive health in nginx's
 * way: a server that cannot be connected to gets no requests for a while.
 */
import type { ForwardingRoute, Upstream, UpstreamServer } from '../core/route.ts';
import { Balancer } from './balancer.ts';
import { type ServerHealth, type ServerPoolParts, UpstreamServerPool } from './server-pool.ts';
import type { StickyParts } from './sticky.ts';

interface UpstreamPoolsParts extends ServerPoolParts {
  /** Whose keys name servers in cookies. */
  readonly sealer: StickyParts['sealer'];
  readonly publicUrl: URL;
}

/** Every upstream's connections. A reload makes others; these close when what is under way has ended. */
export class UpstreamPools {
  readonly #parts: UpstreamPoolsParts;
  readonly #balancers = new WeakMap<Upstream, Balancer>();
  readonly #pools = new Map<string, UpstreamServerPool>();
  readonly #closeListeners: (() => void)[] = [];

  constructor(parts: UpstreamPoolsParts) {
    this.#parts = parts;
  }

  /** The servers behind a route. Routes that name the same server in the same way share its connections and health. */
  of(route: Pick<ForwardingRoute, 'upstream' | 'timeouts'>): Balancer {
    const known = this.#balancers.get(route.upstream);
    if (known) return known;
    const pools = route.upstream.servers.map((server) => this.#pool(server, route.upstream, route.timeouts.connect));
    const balancer = new Balancer(route.upstream, pools, this.#parts);
    this.#balancers.set(route.upstream, balancer);
    return balancer;
  }

  /** How each server stands that has been asked for something. */
  health(): readonly ServerHealth[] {
    return [...this.#pools.values()].map((pool) => pool.health);
  }

  /** Told when no more requests are taken, for whoever keeps connections beside the pools. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** Takes no more requests and resolves when those under way have ended. */
  async close(): Promise<void> {
    for (const tell of this.#closeListeners) tell();
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #pool(server: UpstreamServer, { tls, keepAlive }: Upstream, connectTimeout: number): UpstreamServerPool {
    const key = JSON.stringify([server.origin, server.trust, tls, keepAlive, connectTimeout]);
    const known = this.#pools.get(key);
    if (known) return known;
    const pool = new UpstreamServerPool(server, { tls, keepAlive, connectTimeout }, this.#parts);
    this.#pools.set(key, pool);
    return pool;
  }
}
