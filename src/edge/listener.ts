/**
 * One listener at one address: the server of HTTP with its lane and, over https, its TLS; the same limits and refusals over both,
 * and the way to a drained end. `door.ts` has the address and gives the connections. A connection passes its parts in one order:
 * limits, PROXY header, ClientHello, TLS, lane, `node:http`. A part that is added goes to its place in it
 * (`docs/architecture.md`, "Order at a listener").
 */
import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { plainAnswer } from '../core/answer.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Arrival } from '../core/peer.ts';
import type { Certificates } from '../tls/certificates.ts';
import type { ClientCertificateOptions } from '../tls/options.ts';
import { noteArrival } from './arrival.ts';
import { ClientCertificates } from './client-certificates.ts';
import { noteExpectation } from './expect-continue.ts';
import { createPlainServer, createTlsServer, type HttpServerParts } from './http-server.ts';
import { Http2Sessions } from './http2/sessions.ts';
import type { LaneExchange } from './lane/exchange.ts';
import { Lane } from './lane/lane.ts';
import { guardConnections, type Serve, type Upgrade } from './pipelining.ts';
import { writeToSocket } from './write-answer.ts';

interface ListenerParts extends HttpServerParts {
  readonly name: string;
  readonly address: URL;
  /** Of an https listener that shares its TLS tickets with others: the key of this moment. */
  readonly ticketKeys?: (() => Buffer) | undefined;
  /** Of an https address. */
  readonly certificates?: Certificates | undefined;
  /** What clients are asked for; nothing when absent. */
  readonly clients?: ClientCertificateOptions | undefined;
  /** Told of each request, with the connection that it came on. */
  readonly onRequest: (peer: Pick<Socket, 'remoteAddress' | 'remotePort'>) => void;
  /** Gives a TLS socket the peer that a balancer has told for the connection beneath. */
  readonly show: (socket: Socket) => void;
  readonly serve: Serve;
  readonly upgrade: Upgrade;
  /** Whether connections that come are read by the lane. */
  readonly hasLane: () => boolean;
  /** Takes a request of the lane; false leaves it to `serve`. */
  readonly take: (exchange: LaneExchange) => boolean;
}

const idleInterval = 100;

/** A listener that takes connections from its address. */
export class Listener {
  readonly #server: Server | HttpsServer;
  readonly #http2: Http2Sessions | undefined;
  readonly #lane: Lane;
  readonly #arrival: Arrival;
  readonly #ticketKeys: (() => Buffer) | undefined;
  readonly #release: () => void;
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;
  #endsIdle = false;

  /** Made whole, and serving nobody yet; throws an OperatorError where a certificate is missing. */
  constructor(parts: ListenerParts) {
    const { address, certificates, clients, name, limits, log, onRequest, show } = parts;
    this.#arrival = { listener: name };
    const serving: ListenerParts = {
      ...parts,
      serve: (request, response) => {
        // No more requests are to come on a connection that this listener gives up.
        if (this.#closed) response.setHeader('connection', 'close');
        parts.serve(request, response);
      },
      take: (exchange) => !this.#closed && parts.take(exchange),
    };
    this.#lane = laneOf(serving);
    if (address.protocol !== 'https:') {
      this.#server = createPlainServer(parts);
      this.#lane.standBefore(this.#server, 'connection');
      this.#release = () => undefined;
    } else {
      if (!certificates) throw new OperatorError(`${address.origin} has no certificate`, 'set server.tls');
      this.#http2 = new Http2Sessions({
        ...limits,
        log,
        serve: (request, response) => {
          onRequest(request.socket);
          serving.serve(request, response);
        },
      });
      const asking = clients && new ClientCertificates({ ask: clients.ask, certificates, name, log });
      const server = createTlsServer(parts, certificates, {
        http2: this.#http2,
        lane: this.#lane,
        show,
        clients: asking,
        arrival: this.#arrival,
      });
      this.#server = server;
      this.#ticketKeys = parts.ticketKeys;
      // A new context also ends the tickets of the one before, so that a visitor who comes back sees the new certificate.
      this.#release = certificates.onChange(() => {
        server.setSecureContext(certificates.defaults);
        this.renewTicketKeys();
        asking?.update();
      });
      this.renewTicketKeys();
    }
    prepare(this.#server, serving, this.#lane);
    // What `node:http` begins when it listens, and only then: the time that a head may take.
    this.#server.emit('listening');
  }

  /** Serves a connection that has come for it. */
  take(socket: Socket): void {
    if (this.#closed) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (!this.#http2) noteArrival(socket, this.#arrival);
    this.#server.emit('connection', socket);
  }

  /** Takes the key of this moment for TLS tickets; those of before lead to a whole handshake. */
  renewTicketKeys(): void {
    if (this.#ticketKeys && 'setTicketKeys' in this.#server) this.#server.setTicketKeys(this.#ticketKeys());
  }

  /** Ends the connections whose requests have all been answered. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
    this.#lane.closeIdle();
    this.#http2?.closeIdle();
  }

  /** Takes no more connections; resolves when the last has ended. Idle ones end at once, the others when they are. */
  close(): Promise<void> {
    this.#closed ??= this.#whenEmpty();
    this.#endsIdle = true;
    this.#server.closeIdleConnections();
    this.#lane.close();
    this.#http2?.close();
    return this.#closed;
  }

  /**
   * Takes no more connections, while another takes its place; resolves when the last has ended. Each ends with its next answer:
   * one that has nothing to answer is left alone, since a request may be on its way.
   */
  retire(): Promise<void> {
    this.#closed ??= this.#whenEmpty();
    this.#http2?.close();
    return this.#closed;
  }

  /** Ends what is left. */
  cut(): void {
    this.#http2?.cut();
    for (const socket of this.#sockets) socket.destroy();
  }

  #whenEmpty(): Promise<void> {
    this.#release();
    const { promise, resolve } = Promise.withResolvers<void>();
    // Node looks once: an answer that ends later would leave its connection open for as long as it is kept alive.
    const idle = setInterval(() => {
      if (this.#endsIdle) this.#server.closeIdleConnections();
      if (this.#sockets.size > 0) return;
      clearInterval(idle);
      this.#lane.close();
      // It has never listened: this ends the timer of its heads.
      this.#server.close();
      resolve();
    }, idleInterval);
    return promise;
  }
}

/** The lane of a listener, whose requests count for its connections as all others do. */
function laneOf({ limits, log, hasLane, take, onRequest }: ListenerParts): Lane {
  return new Lane({
    limits,
    isOn: hasLane,
    take: (exchange) => {
      onRequest(exchange.socket);
      return take(exchange);
    },
    onFlood: ({ remoteAddress: address }) =>
      log.info(
        { address, detail: 'too many requests wait for their answers' },
        'a client sent what is no valid request',
      ),
  });
}

function prepare(server: Server | HttpsServer, { log, onRequest, ...takers }: ListenerParts, lane: Lane): void {
  const { serve, upgrade } = guardConnections(takers, log);
  server.maxHeadersCount = 0; // Node would drop what is past the count and go on; the size limit refuses instead.
  server.on('request', (request, response) => {
    onRequest(request.socket);
    lane.watch(response, request.socket);
    serve(request, response);
  });
  // Node's own answer would ask for a body that nobody has judged yet.
  server.on('checkContinue', (request, response) => {
    onRequest(request.socket);
    noteExpectation(request, response);
    serve(request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    onRequest(request.socket);
    upgrade(request, socket, head);
  });
  // A CONNECT has its socket to itself, as an upgrade has, and the same answers.
  server.on('connect', (request, socket, head) => {
    onRequest(request.socket);
    upgrade(request, socket, head);
  });
  server.on('clientError', (error, socket) => refuse(log, error, socket));
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
