/**
 * Connections to upstreams: a pool for each server, TLS towards it, and balancing with passive health in nginx's way: a
 * server that cannot be connected to gets no requests for a while.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ForwardingRoute, Upstream, UpstreamServer, UpstreamTls } from '../core/route.ts';
import { httpsAgent, type TlsClientOptions, tlsClientOptions } from '../tls/client.ts';
import { withoutContinue } from './unasked-continue.ts';

interface UpstreamPoolsParts {
  readonly log: Log;
  readonly clock: Clock;
  /** Connections to one server at once; more requests wait. Event streams hold one each. */
  readonly maxConnections?: number;
}

/** The health of one server, as the admin listener shows it. */
interface ServerHealth {
  readonly origin: string;
  readonly isLive: boolean;
}

/** Work at one server that may be done again: on a fresh connection to it, or else at another. */
export interface Again {
  readonly kind: 'again';
  readonly fresh: boolean;
  readonly error: Error;
}

/** Largest response head that is taken from an upstream, in bytes. */
const maxResponseHead = 65_536;
/** How long a server that could not be connected to gets no requests, in milliseconds. */
const pause = 10_000;

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
    const { servers, tls } = route.upstream;
    const balancer = new Balancer(
      servers.map((server) => this.#pool(server, tls, route.timeouts.connect)),
      this.#parts.log,
    );
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

  #pool(server: UpstreamServer, tls: UpstreamTls | undefined, connectTimeout: number): UpstreamServerPool {
    const key = JSON.stringify([server.origin, tls, connectTimeout]);
    const known = this.#pools.get(key);
    if (known) return known;
    const pool = new UpstreamServerPool(server, tls, connectTimeout, this.#parts);
    this.#pools.set(key, pool);
    return pool;
  }
}

/** The servers of one upstream, in turn. */
class Balancer {
  readonly pools: readonly UpstreamServerPool[];
  readonly #log: Log;
  #next = 0;

  constructor(pools: readonly UpstreamServerPool[], log: Log) {
    this.pools = pools;
    this.#log = log;
  }

  /**
   * Does work at a server: at another for as long as the one before could not be connected to, and once more on a fresh
   * connection where it asks for one. The last failure where no server is left; undefined where there is none at all.
   */
  async attempt<Result extends { readonly kind: string }>(
    work: (pool: UpstreamServerPool, fresh: boolean) => Promise<Result | Again>,
  ): Promise<Result | Again | undefined> {
    const tried = new Set<UpstreamServerPool>();
    let last: Again | undefined;
    for (let pool = this.#pick(tried); pool; pool = this.#pick(tried)) {
      let result = await work(pool, false);
      if (isAgain(result) && result.fresh) {
        this.#log.debug({ upstream: pool.server.origin, error: result.error }, 'a request is tried again');
        result = await work(pool, true);
      }
      if (!isAgain(result)) return result;
      this.#log.debug({ upstream: pool.server.origin, error: result.error }, 'a request is tried again');
      pool.failed(result.error);
      tried.add(pool);
      last = result;
    }
    return last;
  }

  /** The server for work that these have failed; undefined when none is left. A single server always gets them. */
  #pick(tried: ReadonlySet<UpstreamServerPool>): UpstreamServerPool | undefined {
    const [only] = this.pools;
    if (this.pools.length === 1) return only && !tried.has(only) ? only : undefined;
    const open = this.pools.filter((pool) => !tried.has(pool));
    const live = open.filter((pool) => pool.isLive);
    // With none that gets requests, any may have come back.
    const choice = live.length > 0 ? live : open;
    this.#next = (this.#next + 1) % this.pools.length;
    const [chosen] = choice.toSorted((one, other) => this.#place(one) - this.#place(other));
    chosen?.probe();
    return chosen;
  }

  #place(pool: UpstreamServerPool): number {
    return (this.pools.indexOf(pool) - this.#next + this.pools.length) % this.pools.length;
  }
}

function isAgain(result: { readonly kind: string }): result is Again {
  return result.kind === 'again';
}

/** One server of an upstream: its pool, and what is known of its health. */
export class UpstreamServerPool {
  readonly server: UpstreamServer;
  readonly #parts: UpstreamPoolsParts;
  readonly #client: ConstructorParameters<typeof Client>[1] & object;
  readonly #tunnels: RequestOptions;
  #pool: Pool | undefined;
  /** When it could not be connected to, unless it has been since. */
  #failedAt: number | undefined;

  constructor(server: UpstreamServer, tls: UpstreamTls | undefined, connectTimeout: number, parts: UpstreamPoolsParts) {
    this.server = server;
    this.#parts = parts;
    const isSecure = server.url.protocol === 'https:';
    const secure = isSecure ? tlsOptions(server, tls) : undefined;
    const servername = secure?.servername ?? '';
    const connector = buildConnector({ ...secure, timeout: connectTimeout, allowH2: false });
    this.#client = {
      // Undici, and Node's agent below, would take the server's name for TLS from the Host header, which is the client's.
      connect: (options, callback) =>
        connector({ ...options, servername }, (...[error, socket]) =>
          error ? callback(error, null) : callback(null, withoutContinue(socket)),
        ),
      allowH2: false,
      maxHeaderSize: maxResponseHead,
      // Shorter than what upstreams keep: a connection that they close first costs a retry.
      keepAliveTimeout: 4000,
      keepAliveMaxTimeout: 60_000,
    };
    this.#tunnels = {
      agent: secure ? httpsAgent({ ...secure, keepAlive: false, servername }) : new HttpAgent({ keepAlive: false }),
      protocol: server.url.protocol,
      host: bare(server.url),
      port: server.url.port || (isSecure ? 443 : 80),
      setHost: false,
      maxHeaderSize: maxResponseHead,
      insecureHTTPParser: false,
    };
  }

  /** Sends a request through the pool; `fresh` on a connection of its own, which no earlier request can have worn out. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler, fresh = false): void {
    // A constant name: undici drops its connection when that of the next request differs. The connector sets the real one.
    const named = { ...options, servername: this.server.url.hostname };
    if (fresh) {
      const client = new Client(this.server.origin, { ...this.#client, pipelining: 0 });
      client.dispatch(named, handler);
      client.close().catch(() => undefined);
      return;
    }
    this.#pool ??= new Pool(this.server.origin, { ...this.#client, connections: this.#parts.maxConnections ?? 2048 });
    this.#pool.dispatch(named, handler);
  }

  /** A request on a connection of its own, for a tunnel. */
  request(options: Pick<RequestOptions, 'path' | 'headers'>): ClientRequest {
    return httpRequest({ ...this.#tunnels, ...options, method: 'GET' });
  }

  get isLive(): boolean {
    return this.#failedAt === undefined || this.#parts.clock.now() - this.#failedAt >= pause;
  }

  get health(): ServerHealth {
    return { origin: this.server.origin, isLive: this.isLive };
  }

  /** Called when it is chosen: after a while alone, one request tries it and the others go on without. */
  probe(): void {
    if (this.#failedAt !== undefined) this.#failedAt = this.#parts.clock.now();
  }

  connected(): void {
    if (this.#failedAt !== undefined)
      this.#parts.log.info({ upstream: this.server.origin }, 'an upstream server is back');
    this.#failedAt = undefined;
  }

  failed(error: Error): void {
    if (this.#failedAt === undefined)
      this.#parts.log.warn({ upstream: this.server.origin, error }, 'an upstream server cannot be connected to');
    this.#failedAt = this.#parts.clock.now();
  }

  async close(): Promise<void> {
    await this.#pool?.close();
  }
}

/** The name of the server's certificate is the configured one, whatever Host the client has sent. */
function tlsOptions({ url }: UpstreamServer, tls: UpstreamTls = {}): TlsClientOptions {
  const { ca, certificate, key, servername = bare(url) } = tls;
  return tlsClientOptions({
    servername,
    ...(ca !== undefined && { ca: { pem: [ca] } }),
    ...(certificate !== undefined && key !== undefined && { own: { certificate, key } }),
  });
}

/** The host without the brackets of an IPv6 address. */
function bare(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}
