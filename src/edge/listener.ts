/**
 * One address that browsers connect to: the same limits and refusals over http and https, and the way to a drained end. A
 * connection passes its parts in one order: limits, PROXY header, ClientHello, TLS, lane, `node:http`. A part that is added
 * goes to its place in it (`docs/architecture.md`, "Order at a listener").
 */
import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { plainAnswer } from '../core/answer.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Certificates } from '../tls/certificates.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { noteExpectation } from './expect-continue.ts';
import { createPlainServer, createTlsServer, type HttpServerParts } from './http-server.ts';
import { Http2Sessions } from './http2/sessions.ts';
import type { LaneExchange } from './lane/exchange.ts';
import { Lane } from './lane/lane.ts';
import { listen } from './listen.ts';
import { guardConnections, type Serve, type Upgrade } from './pipelining.ts';
import { ProxiedPeers } from './proxied-peers.ts';
import { writeToSocket } from './write-answer.ts';

interface ListenerParts extends HttpServerParts {
  readonly address: URL;
  /** Other processes listen there, too. */
  readonly reusePort?: boolean;
  /** Of an https listener that shares its TLS tickets with others: the key of this moment. */
  readonly ticketKeys?: (() => Buffer) | undefined;
  /** Of an https address. */
  readonly certificates?: Certificates | undefined;
  /** Whether a peer begins its connections with a PROXY header; asked at each, so that a reload counts. */
  readonly mustTell: (address: string) => boolean;
  readonly serve: Serve;
  readonly upgrade: Upgrade;
  /** Whether connections that come are read by the lane. */
  readonly hasLane: () => boolean;
  /** Takes a request of the lane; false leaves it to `serve`. */
  readonly take: (exchange: LaneExchange) => boolean;
}

const idleInterval = 100;

/** What an https listener has besides. */
interface TlsParts {
  readonly http2?: Http2Sessions;
  readonly release?: () => void;
  readonly ticketKeys?: (() => Buffer) | undefined;
}

/** A listener that is open. */
export class Listener {
  readonly #server: Server | HttpsServer;
  readonly #scheme: string;
  readonly #http2: Http2Sessions | undefined;
  readonly #release: () => void;
  readonly #connectionLimit: ConnectionLimit;
  readonly #peers: ProxiedPeers;
  readonly #lane: Lane;
  readonly #ticketKeys: (() => Buffer) | undefined;

  private constructor(
    server: Server | HttpsServer,
    { connectionLimit, peers }: Connections,
    lane: Lane,
    { http2, release = () => undefined, ticketKeys }: TlsParts = {},
  ) {
    this.#ticketKeys = ticketKeys;
    this.#server = server;
    this.#connectionLimit = connectionLimit;
    this.#peers = peers;
    this.#lane = lane;
    this.#scheme = http2 ? 'https' : 'http';
    this.#http2 = http2;
    this.#release = release;
  }

  /** Listens; throws an OperatorError that says what stands in the way. */
  static async open(parts: ListenerParts): Promise<Listener> {
    const { address, certificates, limits, log } = parts;
    if (address.protocol !== 'https:') {
      const server = createPlainServer(parts);
      const lane = laneOf(parts, (peer) => connections.connectionLimit.serve(peer));
      lane.standBefore(server, 'connection');
      const connections = receive(server, parts, () => {
        server.closeIdleConnections();
        lane.closeIdle();
      });
      prepare(server, parts, connections.connectionLimit, lane);
      await listen(server, address, 80, parts);
      return new Listener(server, connections, lane);
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
    const lane = laneOf(parts, (peer) => connections.connectionLimit.serve(peer));
    const show = (socket: Socket): void => connections.peers.show(socket);
    const server = createTlsServer(parts, certificates, { http2, lane, show });
    const connections = receive(server, parts, () => {
      server.closeIdleConnections();
      lane.closeIdle();
      http2.closeIdle();
    });
    prepare(server, parts, connections.connectionLimit, lane);
    // A new context also ends the tickets of the one before, so that a visitor who comes back sees the new certificate.
    const release = certificates.onChange(() => {
      server.setSecureContext(certificates.defaults);
      listener.renewTicketKeys();
    });
    const listener = new Listener(server, connections, lane, { http2, release, ticketKeys: parts.ticketKeys });
    listener.renewTicketKeys();
    await listen(server, address, 443, parts);
    return listener;
  }

  /** Where it really listens: a configured port of 0 has become a free one. */
  get address(): URL {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the listener has no address');
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return new URL(`${this.#scheme}://${host}:${address.port}`);
  }

  /** Takes the key of this moment for TLS tickets; those of before lead to a whole handshake. */
  renewTicketKeys(): void {
    if (this.#ticketKeys && 'setTicketKeys' in this.#server) this.#server.setTicketKeys(this.#ticketKeys());
  }

  /** Takes no more connections; resolves when the last has ended. Idle ones end at once, the others when they are. */
  close(): Promise<void> {
    this.#release();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Node looks once: an answer that ends later would leave its connection open for as long as it is kept alive.
    const idle = setInterval(() => this.#server.closeIdleConnections(), idleInterval);
    void closed.then(() => clearInterval(idle));
    this.#lane.close();
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

/** The lane of a listener, whose requests count for its connections as all others do. */
function laneOf({ limits, log, hasLane, take }: ListenerParts, asks: (socket: Socket) => void): Lane {
  return new Lane({
    limits,
    isOn: hasLane,
    take: (exchange) => {
      asks(exchange.socket);
      return take(exchange);
    },
    onFlood: ({ remoteAddress: address }) =>
      log.info(
        { address, detail: 'too many requests wait for their answers' },
        'a client sent what is no valid request',
      ),
  });
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
  lane: Lane,
): void {
  const { serve, upgrade } = guardConnections(takers, log);
  server.maxHeadersCount = 0; // Node would drop what is past the count and go on; the size limit refuses instead.
  server.on('request', (request, response) => {
    connectionLimit.serve(request.socket);
    lane.watch(response, request.socket);
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
