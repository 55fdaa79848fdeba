/** Connections to one server of an upstream, TLS towards it, and what is known of its health. */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { UpstreamServer, UpstreamTls } from '../core/route.ts';
import { httpsAgent, tlsClientOptions } from '../tls/client.ts';
import { serverTrust } from './server-trust.ts';
import { withoutContinue } from './unasked-continue.ts';
import { UpstreamSessions } from './upstream-sessions.ts';

/** What every server is connected to with. */
export interface ServerPoolParts {
  readonly log: Log;
  readonly clock: Clock;
  /** Connections to one server at once; more requests wait. Event streams hold one each. */
  readonly maxConnections?: number;
}

/** The health of one server, as the admin listener shows it. */
export interface ServerHealth {
  readonly origin: string;
  readonly isLive: boolean;
}

/** How a server is connected to; times in milliseconds. */
interface ConnectionTerms {
  readonly tls: UpstreamTls | undefined;
  readonly keepAlive: number | undefined;
  readonly connectTimeout: number;
}

/** Largest response head that is taken from an upstream, in bytes. */
const maxResponseHead = 65_536;
/** How long a server that could not be connected to gets no requests, in milliseconds. */
const pause = 10_000;

/** One server of an upstream: its pool, and what is known of its health. */
export class UpstreamServerPool {
  readonly server: UpstreamServer;
  readonly #parts: ServerPoolParts;
  readonly #client: ConstructorParameters<typeof Client>[1] & object;
  readonly #tunnels: RequestOptions;
  #pool: Pool | undefined;
  readonly #sessions: () => UpstreamSessions;
  #http2: UpstreamSessions | undefined;
  /** When it could not be connected to, unless it has been since. */
  #failedAt: number | undefined;

  constructor(server: UpstreamServer, terms: ConnectionTerms, parts: ServerPoolParts) {
    const { tls, connectTimeout } = terms;
    const { socketPath } = server;
    this.server = server;
    this.#parts = parts;
    const isSecure = server.url.protocol === 'https:';
    const secure = isSecure ? tlsClientOptions(serverTrust(server, tls)) : undefined;
    const servername = secure?.servername ?? '';
    this.#sessions = () =>
      new UpstreamSessions({
        ...{ origin: server.origin, host: bare(server.url), tls: secure, connectTimeout, log: parts.log },
        port: Number(server.url.port || (isSecure ? 443 : 80)),
      });
    const to = { ...(socketPath !== undefined && { socketPath }) };
    const connector = buildConnector({ ...secure, ...to, timeout: connectTimeout, allowH2: false });
    this.#client = {
      // Undici, and Node's agent below, would take the server's name for TLS from the Host header, which is the client's.
      connect: (options, callback) =>
        connector({ ...options, servername }, (...[error, socket]) =>
          error ? callback(error, null) : callback(null, withoutContinue(socket)),
        ),
      allowH2: false,
      maxHeaderSize: maxResponseHead,
      ...keptAlive(terms.keepAlive),
    };
    this.#tunnels = {
      agent: secure ? httpsAgent({ ...secure, keepAlive: false, servername }) : new HttpAgent({ keepAlive: false }),
      ...to,
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
      const client = new Client(this.server.url.origin, { ...this.#client, pipelining: 0 });
      client.dispatch(named, handler);
      client.close().catch(() => undefined);
      return;
    }
    this.#pool ??= new Pool(this.server.url.origin, {
      ...this.#client,
      connections: this.#parts.maxConnections ?? 2048,
    });
    this.#pool.dispatch(named, handler);
  }

  /** A request on a connection of its own, for a tunnel. */
  request(options: Pick<RequestOptions, 'path' | 'headers'>): ClientRequest {
    return httpRequest({ ...this.#tunnels, ...options, method: 'GET' });
  }

  /** Its connections of HTTP/2. */
  http2(): UpstreamSessions {
    this.#http2 ??= this.#sessions();
    return this.#http2;
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
    this.#http2?.close();
    await this.#pool?.close();
  }
}

/** How long idle connections are kept. Shorter than what upstreams keep: a connection that they close first costs a retry. */
function keptAlive(
  keepAlive: number | undefined,
): Pick<Client.Options, 'keepAliveTimeout' | 'keepAliveMaxTimeout' | 'pipelining'> {
  if (keepAlive === undefined) return { keepAliveTimeout: 4000, keepAliveMaxTimeout: 60_000 };
  return keepAlive === 0 ? { pipelining: 0 } : { keepAliveTimeout: keepAlive, keepAliveMaxTimeout: keepAlive };
}

/** The host without the brackets of an IPv6 address. */
function bare(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}
