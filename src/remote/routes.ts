/** The connections of one HTTP client: to the server directly, through a tunnel of a forward proxy, or to the proxy, which passes on. */
import type { Socket } from 'node:net';
import { Agent, type buildConnector, type Dispatcher } from 'undici';
import type { Authorities } from '../tls/authorities.ts';
import { type CertificateListener, tlsClientOptions } from '../tls/client.ts';
import { untilLimit } from './deadline.ts';
import { type ForwardProxy, type OutboundProxy, wayTo } from './outbound-proxy.ts';
import { atProxy, dialProxy, proxyRefusal, secureTunnel, type TunnelTarget } from './tunnel.ts';

/** How they are made. */
interface RouteOptions {
  readonly ca: Authorities | undefined;
  readonly pins?: readonly string[] | undefined;
  /** For one exchange, in milliseconds. */
  readonly timeout: number;
  readonly outboundProxy: OutboundProxy;
  readonly onCertificate?: CertificateListener | undefined;
}

/** A request without its address. */
interface Terms {
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly reset: boolean;
  readonly signal: AbortSignal;
}

/** Makes the connection for an origin. */
type Connect = (target: TunnelTarget, signal: AbortSignal) => Promise<Socket>;

const connections = 16;

/**
 * Shares of the whole time: for a connection by way of a proxy, and for the head of an answer that a proxy passes on. They end
 * before whoever waits does, so that the proxy is named and not the server behind it.
 */
const connectShare = 0.5;
const headShare = 0.75;

/** Sends requests by the way that is configured for their address. */
export class Routes {
  readonly #options: RouteOptions;
  readonly #agents = new Map<string, Agent>();
  readonly #ending = new AbortController();

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  /** An answer as soon as its head is there. Rejects with a Failure that names the proxy where it is the proxy's. */
  async send(url: URL, terms: Terms): Promise<Dispatcher.ResponseData> {
    const { ca, pins, outboundProxy, onCertificate } = this.#options;
    const { proxy } = wayTo(outboundProxy, url);
    if (proxy && url.protocol === 'http:') return this.#passOn(proxy, url, terms);
    const agent = proxy
      ? this.#agent(`tunnel ${proxy.origin}`, () => {
          const tls = tlsClientOptions({ ca, pins, onCertificate });
          return this.#by((target, signal) => secureTunnel({ proxy, target, tls }, signal));
        })
      : this.#agent('direct', () => ({
          ...tlsClientOptions({ ca, pins, onCertificate }),
          timeout: this.#options.timeout,
        }));
    return agent.request({ ...terms, origin: url.origin, path: url.pathname + url.search });
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  /** RFC 9112 §3.2.2: a proxy is told the whole address. */
  async #passOn(proxy: ForwardProxy, url: URL, terms: Terms): Promise<Dispatcher.ResponseData> {
    const agent = this.#agent(`pass ${proxy.origin}`, () => this.#by((_target, signal) => dialProxy(proxy, signal)));
    const who = proxy.authorization && { 'proxy-authorization': proxy.authorization.reveal() };
    const headers = { ...terms.headers, host: url.host, ...who };
    const place = url.origin + url.pathname;
    return atProxy(proxy, `${terms.method} ${place.replace(/;.*$/, '')}`, async () => {
      const answer = await untilLimit(terms.signal, headShare * this.#options.timeout, (signal) =>
        agent.request({ ...terms, headers, signal, origin: proxy.origin, path: place + url.search }),
      );
      const refused = proxyRefusal(answer.statusCode, proxy);
      if (!refused) return answer;
      await answer.body.dump();
      throw refused;
    });
  }

  #agent(name: string, connect: () => buildConnector.connector | buildConnector.BuildOptions): Agent {
    const { timeout } = this.#options;
    const kept =
      this.#agents.get(name) ??
      new Agent({
        connect: connect(),
        allowH2: false,
        connections,
        headersTimeout: timeout,
        bodyTimeout: timeout,
        keepAliveTimeout: 15_000,
      });
    this.#agents.set(name, kept);
    return kept;
  }

  /** A connector of undici, within its share of the time. */
  #by(connect: Connect): buildConnector.connector {
    return ({ hostname, port }, callback) => {
      const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) };
      const limit = connectShare * this.#options.timeout;
      untilLimit(this.#ending.signal, limit, (signal) => connect(target, signal)).then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error instanceof Error ? error : new Error('no connection'), null),
      );
    };
  }
}
