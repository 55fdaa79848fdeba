/**
 * Connections to upstreams: a pool for each server, TLS towards it, and balancing with passive health in nginx's way: a
 * server that cannot be connected to is left alone for a while.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Route, Upstream, UpstreamServer, UpstreamTls } from '../core/route.ts';
import { type TlsClientOptions, tlsClientOptions } from '../tls/client.ts';

/** What agents are made of. */
export interface UpstreamPoolsOptions {
  /** Whose upstreams are set up at once; others follow when they are first asked for. */
  readonly routes?: readonly Pick<Route, 'upstream' | 'timeouts'>[];
  readonly log: Log;
  readonly clock: Clock;
  /** Connections to one server at once; more requests wait. Event streams hold one each. */
  readonly connections?: number;
  readonly balance?: 'round-robin' | 'least-pending';
  /** Failed connections in a row after which a server is left alone. */
  readonly maxFails?: number;
  /** For how long, in milliseconds. */
  readonly failTimeout?: number;
}

/** The health of one server, as the operator's listener shows it. */
export interface ServerHealth {
  readonly origin: string;
  readonly isLive: boolean;
  readonly fails: number;
  readonly pending: number;
}

/** Largest response head that is taken from an upstream, in bytes. */
export const maxResponseHead = 65_536;

type Settled = Required<Omit<UpstreamPoolsOptions, 'routes'>>;

/** Every upstream's connections. A reload makes others; these close when what is under way has ended. */
export class UpstreamPools {
  readonly #options: Settled;
  readonly #balancers = new WeakMap<Upstream, Balancer>();
  readonly #agents = new Map<string, UpstreamServerPool>();

  constructor({
    connections = 2048,
    balance = 'round-robin',
    maxFails = 1,
    failTimeout = 10_000,
    ...rest
  }: UpstreamPoolsOptions) {
    this.#options = { connections, balance, maxFails, failTimeout, ...rest };
  }

  /** The servers behind a route. Routes that name the same server in the same way share its connections and health. */
  of(route: Pick<Route, 'upstream' | 'timeouts'>): Balancer {
    const known = this.#balancers.get(route.upstream);
    if (known) return known;
    const { servers, tls } = route.upstream;
    const balancer = new Balancer(
      servers.map((server) => this.#agent(server, tls, route.timeouts.connect)),
      this.#options.balance,
    );
    this.#balancers.set(route.upstream, balancer);
    return balancer;
  }

  /** How each server stands that has been asked for something. */
  health(): readonly ServerHealth[] {
    return [...this.#agents.values()].map((agent) => agent.health);
  }

  /** Takes no more requests and resolves when those under way have ended. */
  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.close()));
  }

  /** Ends every connection at once. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  #agent(server: UpstreamServer, tls: UpstreamTls | undefined, connectTimeout: number): UpstreamServerPool {
    const key = JSON.stringify([server.origin, tls, connectTimeout]);
    const known = this.#agents.get(key);
    if (known) return known;
    const agent = new UpstreamServerPool(server, tls, connectTimeout, this.#options);
    this.#agents.set(key, agent);
    return agent;
  }
}

/** The servers of one upstream, in turn. */
export class Balancer {
  readonly agents: readonly UpstreamServerPool[];
  readonly #balance: Settled['balance'];
  #next = 0;

  constructor(agents: readonly UpstreamServerPool[], balance: Settled['balance']) {
    this.agents = agents;
    this.#balance = balance;
  }

  /** The server for a request that these have failed; undefined when none is left. A single server is never left alone. */
  pick(tried: ReadonlySet<UpstreamServerPool>): UpstreamServerPool | undefined {
    const [only] = this.agents;
    if (this.agents.length === 1) return only && !tried.has(only) ? only : undefined;
    const open = this.agents.filter((agent) => !tried.has(agent));
    const live = open.filter((agent) => agent.isLive);
    // With every server left alone, any may have come back.
    const choice = live.length > 0 ? live : open;
    if (choice.length === 0) return undefined;
    this.#next = (this.#next + 1) % this.agents.length;
    const turn = this.#next;
    const rotated = choice.toSorted((one, other) => this.#place(one, turn) - this.#place(other, turn));
    const chosen =
      this.#balance === 'round-robin'
        ? rotated[0]
        : rotated.reduce((least, agent) => (agent.pending < least.pending ? agent : least));
    chosen?.probe();
    return chosen;
  }

  #place(agent: UpstreamServerPool, turn: number): number {
    return (this.agents.indexOf(agent) - turn + this.agents.length) % this.agents.length;
  }
}

/** One server of an upstream: its pool, and what is known of its health. */
export class UpstreamServerPool {
  readonly server: UpstreamServer;
  /** Requests that have begun and not ended. */
  pending = 0;
  readonly #settings: Settled;
  readonly #client: ConstructorParameters<typeof Client>[1] & object;
  readonly #tunnels: RequestOptions;
  #pool: Pool | undefined;
  #fails = 0;
  #failedAt = 0;

  constructor(server: UpstreamServer, tls: UpstreamTls | undefined, connectTimeout: number, settings: Settled) {
    this.server = server;
    this.#settings = settings;
    const isSecure = server.url.protocol === 'https:';
    const secure = isSecure ? tlsOptions(server, tls) : {};
    const connector = buildConnector({ ...secure, timeout: connectTimeout, allowH2: false });
    this.#client = {
      // Undici, and Node's agent below, would take the server's name for TLS from the Host header, which is the client's.
      connect: (options, callback) => connector({ ...options, servername: secure.servername ?? '' }, callback),
      allowH2: false,
      maxHeaderSize: maxResponseHead,
      // Shorter than what upstreams keep: a connection that they close first costs a retry.
      keepAliveTimeout: 4000,
      keepAliveMaxTimeout: 60_000,
    };
    const tunnel = { keepAlive: false, ...secure, servername: secure.servername ?? '' };
    this.#tunnels = {
      agent: new (isSecure ? HttpsAgent : HttpAgent)(tunnel),
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
    this.#pool ??= new Pool(this.server.origin, { ...this.#client, connections: this.#settings.connections });
    this.#pool.dispatch(named, handler);
  }

  /** A request on a connection of its own, for a tunnel. */
  request(options: Pick<RequestOptions, 'path' | 'headers'>): ClientRequest {
    const send = this.server.url.protocol === 'https:' ? httpsRequest : httpRequest;
    return send({ ...this.#tunnels, ...options, method: 'GET' });
  }

  get isLive(): boolean {
    const { maxFails, failTimeout, clock } = this.#settings;
    return this.#fails < maxFails || clock.now() - this.#failedAt >= failTimeout;
  }

  get health(): ServerHealth {
    return { origin: this.server.origin, isLive: this.isLive, fails: this.#fails, pending: this.pending };
  }

  /** Called when it is chosen: after a while alone, one request tries it and the others go on without. */
  probe(): void {
    if (this.#fails >= this.#settings.maxFails) this.#failedAt = this.#settings.clock.now();
  }

  connected(): void {
    if (this.#fails >= this.#settings.maxFails)
      this.#settings.log.info({ upstream: this.server.origin }, 'an upstream server is back');
    this.#fails = 0;
  }

  failed(error: Error): void {
    this.#fails += 1;
    this.#failedAt = this.#settings.clock.now();
    if (this.#fails === this.#settings.maxFails)
      this.#settings.log.warn({ upstream: this.server.origin, error }, 'an upstream server cannot be connected to');
  }

  async close(): Promise<void> {
    await this.#pool?.close();
  }

  async destroy(): Promise<void> {
    await this.#pool?.destroy();
  }
}

/** The name of the server's certificate is the configured one, whatever Host the client has sent. */
function tlsOptions({ url }: UpstreamServer, tls: UpstreamTls = {}): Partial<TlsClientOptions> {
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
