/**
 * One address that browsers connect to: the same limits and refusals over http and https, and the way to a drained end. A
 * connection passes its parts in one order: limits, PROXY header, ClientHello, TLS, lane, `node:http`. A part that is added
 * goes to its place in it (`docs/architecture.md`, "Order at a listener").
 */
import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { plainAnswer } from '../core/answer.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Certificates } from '../tls/certificates.ts';
import { tlsPolicy } from '../tls/server-certificate.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { noteExpectation } from './expect-continue.ts';
import { headOf } from './head-of.ts';
import { Http2Sessions } from './http2/sessions.ts';
import { listen } from './listen.ts';
import { guardConnections, type Serve, type Upgrade } from './pipelining.ts';
import { ProxiedPeers } from './proxied-peers.ts';
import { writeToSocket } from './write-answer.ts';

/** The limits of the listeners; times in milliseconds, sizes in bytes. */
interface ServerLimits {
  readonly maxHeaderSize: number;
  readonly maxConnections: number;
  readonly headTimeout: number;
  readonly keepAlive: number;
}

interface ListenerParts {
  readonly address: URL;
  readonly limits: ServerLimits;
  readonly log: Log;
  /** Of an https address. */
  readonly certificates?: Certificates | undefined;
  /** Whether a peer begins its connections with a PROXY header; asked at each, so that a reload counts. */
  readonly mustTell: (address: string) => boolean;
  /** False where a WebSocket gets the same answer as any request. */
  readonly takesUpgrade: (target: string | undefined) => boolean;
  readonly serve: Serve;
  readonly upgrade: Upgrade;
}

/** A listener that is open. */
export class Listener {
  readonly #server: Server | HttpsServer;
  readonly #scheme: string;
  readonly #http2: Http2Sessions | undefined;
  readonly #release: () => void;
  readonly #connectionLimit: ConnectionLimit;
  readonly #peers: ProxiedPeers;

  private constructor(
    server: Server | HttpsServer,
    { connectionLimit, peers }: Connections,
    { http2, release = () => undefined }: { http2?: Http2Sessions; release?: () => void } = {},
  ) {
    this.#server = server;
    this.#connectionLimit = connectionLimit;
    this.#peers = peers;
    this.#scheme = http2 ? 'https' : 'http';
    this.#http2 = http2;
    this.#release = release;
  }

  /** Listens; throws an OperatorError that says what stands in the way. */
  static async open(parts: ListenerParts): Promise<Listener> {
    const { address, certificates, limits, log } = parts;
    if (address.protocol !== 'https:') {
      const server = createHttpServer(serverOptions(parts));
      const connections = receive(server, parts, () => server.closeIdleConnections());
      prepare(server, parts, connections.connectionLimit);
      await listen(server, address, 80);
      return new Listener(server, connections);
    }
    if (!certificates) throw new OperatorError(`${address.origin} has no certificate`, 'set server.tls');
    const http2 = new Http2Sessions({
      ...limits,
      log,
      serve: (request, response) => {
        connections.connectionLimit.serve(request.socket);
        parts.serve(request, response);
      },
    });
    const server = createTlsServer(parts, certificates, { http2, show: (socket) => connections.peers.show(socket) });
    const connections = receive(server, parts, () => {
      server.closeIdleConnections();
      http2.closeIdle();
    });
    prepare(server, parts, connections.connectionLimit);
    // A new context also ends the tickets of the one before, so that a visitor who comes back sees the new certificate.
    const release = certificates.onChange(() => server.setSecureContext(certificates.defaults));
    await listen(server, address, 443);
    return new Listener(server, connections, { http2, release });
  }

  /** Where it really listens: a configured port of 0 has become a free one. */
  get address(): URL {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the listener has no address');
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return new URL(`${this.#scheme}://${host}:${address.port}`);
  }

  /** Takes no more connections; resolves when the last has ended. Idle ones end at once. */
  close(): Promise<void> {
    this.#release();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    this.#peers.close();
    this.#http2?.close();
    return closed;
  }

  /** Ends what is left. */
  cut(): void {
    this.#http2?.cut();
    this.#connectionLimit.cut();
  }
}

function serverOptions({ limits, takesUpgrade }: ListenerParts): ServerOptions {
  return {
    maxHeaderSize: limits.maxHeaderSize,
    headersTimeout: limits.headTimeout,
    // Bodies have their own limits where they are read: an upload may rightly take long.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: Math.min(5000, limits.headTimeout),
    insecureHTTPParser: false,
    // A front proxy whose forward auth asks about a WebSocket may pass its headers on; it wants an answer, not a tunnel.
    shouldUpgradeCallback: (request) =>
      headOf(request).single('upgrade')?.trim().toLowerCase() === 'websocket' && takesUpgrade(request.url),
  };
}

/**
 * HTTP/1.1 is served by the very server that plain listeners have, so that both keep the same limits; a connection whose
 * client has chosen HTTP/2 is handed on. `docs/decisions/0006-http2.md` says why not by `http2.createSecureServer`.
 */
function createTlsServer(
  parts: ListenerParts,
  certificates: Certificates,
  { http2, show }: { readonly http2: Http2Sessions; readonly show: (socket: Socket) => void },
): HttpsServer {
  const { limits, log } = parts;
  const server = createHttpsServer({
    ...serverOptions(parts),
    ...certificates.defaults,
    ...tlsPolicy,
    ALPNProtocols: ['h2', 'http/1.1'],
    SNICallback: (servername, done) => done(null, certificates.contextFor(servername)),
    handshakeTimeout: limits.headTimeout,
  });
  const serveHttp1 = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    show(socket);
    if (socket.alpnProtocol === 'h2') http2.take(socket);
    else for (const serve of serveHttp1) serve.call(server, socket);
  });
  server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
    show(socket);
    log.debug({ code: error.code, address: socket.remoteAddress }, 'a TLS handshake failed');
  });
  return server;
}

/** How a listener's connections are counted, and whose they are. */
interface Connections {
  readonly connectionLimit: ConnectionLimit;
  readonly peers: ProxiedPeers;
}

/**
 * What stands before HTTP and TLS: the connections of a listener are counted, so that those that ask for nothing make way
 * when they are too many, and their PROXY headers read.
 */
function receive(
  server: Server | HttpsServer,
  { limits, log, address, mustTell }: ListenerParts,
  closeIdle: () => void,
): Connections {
  const { maxConnections, headTimeout } = limits;
  const onCrowded = (waiting: number): void =>
    log.warn(
      { listener: address.origin, maxConnections, waiting },
      'a listener is nearly full: connections that ask for nothing make way for others',
    );
  const connectionLimit = new ConnectionLimit({ maxConnections, closeIdle, onCrowded });
  const peers = new ProxiedPeers({ mustTell, headTimeout, log, onTold: (socket) => connectionLimit.rename(socket) });
  server.maxConnections = maxConnections;
  peers.standBefore(server);
  server.prependListener('connection', (socket: Socket) => connectionLimit.enter(socket));
  return { connectionLimit, peers };
}

function prepare(
  server: Server | HttpsServer,
  { log, ...takers }: ListenerParts,
  connectionLimit: ConnectionLimit,
): void {
  const { serve, upgrade } = guardConnections(takers, log);
  server.maxHeadersCount = 0; // Node would drop what is past the count and go on; the size limit refuses instead.
  server.on('request', (request, response) => {
    connectionLimit.serve(request.socket);
    serve(request, response);
  });
  // Node's own answer would ask for a body that nobody has judged yet.
  server.on('checkContinue', (request, response) => {
    connectionLimit.serve(request.socket);
    noteExpectation(request, response);
    serve(request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    connectionLimit.serve(request.socket);
    upgrade(request, socket, head);
  });
  // A CONNECT has its socket to itself, as an upgrade has, and the same answers.
  server.on('connect', (request, socket, head) => {
    connectionLimit.serve(request.socket);
    upgrade(request, socket, head);
  });
  server.on('clientError', (error, socket) => refuse(log, error, socket));
  // One that cannot listen is reported by `listen`; one that fails later must not take the process with it.
  server.once('listening', () => {
    server.on('error', (error) => log.error({ error }, 'a listener reported an error'));
  });
}

/** What cannot be parsed is answered once and cut: nothing after it on that connection can be trusted. */
function refuse(log: Log, error: Error & { code?: string }, duplex: Duplex): void {
  const socket = duplex as Socket;
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  if (error.code !== 'ECONNRESET')
    log.info({ code: error.code, address: socket.remoteAddress, status }, 'a client sent what is no valid request');
  if (!socket.writable || socket.bytesWritten > 0) return void socket.destroy();
  writeToSocket(socket, plainAnswer(status));
}
