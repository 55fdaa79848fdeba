/** The public listeners: limits on what a client may send, the gateway of the moment behind them, and a drain at the end. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { isForwardAuth } from './asked-request.ts';

/** What listeners need of a gateway; a reload puts another in its place. */
export interface Carrier {
  http(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** The limits of the listeners; times in milliseconds, sizes in bytes. */
export interface ServerLimits {
  readonly maxHeaderSize: number;
  readonly maxConnections: number;
  readonly headTimeout: number;
  readonly keepAlive: number;
}

/** Every address the gateway listens on. */
export class PublicServers {
  readonly #servers: Server[] = [];
  readonly #log: Log;
  #carrier: Carrier;
  #isDraining = false;

  private constructor(carrier: Carrier, log: Log) {
    this.#carrier = carrier;
    this.#log = log;
  }

  /** Listens on every address, or on none: one that fails closes the others and is reported. */
  static async start(
    addresses: readonly URL[],
    limits: ServerLimits,
    carrier: Carrier,
    log: Log,
  ): Promise<PublicServers> {
    const servers = new PublicServers(carrier, log);
    try {
      for (const address of addresses) await servers.#listen(address, limits);
    } catch (error) {
      await servers.drain(0);
      throw error;
    }
    return servers;
  }

  /** Where they really listen: a configured port of 0 has become a free one. */
  get addresses(): readonly URL[] {
    return this.#servers.map((server) => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('the listener has no address');
      return new URL(`http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`);
    });
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests that arrive from here on meet another gateway; those under way finish on theirs. */
  swap(carrier: Carrier): void {
    this.#carrier = carrier;
  }

  /** Takes no more connections, lets requests under way finish for at most `milliseconds`, then cuts what is left. */
  async drain(milliseconds: number): Promise<void> {
    this.#isDraining = true;
    const closed = Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
    for (const server of this.#servers) server.closeIdleConnections();
    const cut = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections();
    }, milliseconds);
    await closed;
    clearTimeout(cut);
  }

  async #listen(address: URL, limits: ServerLimits): Promise<void> {
    const server = createServer({
      maxHeaderSize: limits.maxHeaderSize,
      headersTimeout: limits.headTimeout,
      // Bodies have their own limits where they are read: an upload may rightly take long.
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAlive,
      connectionsCheckingInterval: Math.min(5000, limits.headTimeout),
      insecureHTTPParser: false,
      // A front proxy that asks about a WebSocket may pass its headers on; it wants an answer, not a tunnel.
      shouldUpgradeCallback: (request) =>
        request.headers.upgrade?.trim().toLowerCase() === 'websocket' && !isForwardAuth(request.url),
    });
    server.maxHeadersCount = 0; // Node would drop what is past the count and go on; the size limit refuses instead.
    server.maxConnections = limits.maxConnections;
    server.on('request', (request, response) => {
      if (this.#isDraining) response.setHeader('connection', 'close');
      this.#carrier.http(request, response);
    });
    server.on('upgrade', (request, socket, head) => this.#carrier.upgrade(request, socket, head));
    server.on('connect', (_request, socket) =>
      socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
    );
    server.on('clientError', (error, socket) => this.#refuse(error, socket));
    await listen(server, address);
    this.#servers.push(server);
  }

  /** What cannot be parsed is answered once and cut: nothing after it on that connection can be trusted. */
  #refuse(error: Error & { code?: string }, duplex: Duplex): void {
    const socket = duplex as Socket;
    const status =
      { HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large', ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout' }[
        error.code ?? ''
      ] ?? '400 Bad Request';
    if (error.code !== 'ECONNRESET')
      this.#log.info(
        { code: error.code, address: socket.remoteAddress, status },
        'a client sent what is no valid request',
      );
    if (!socket.writable || socket.bytesWritten > 0) return void socket.destroy();
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }
}

async function listen(server: Server, address: URL): Promise<void> {
  const port = Number(address.port || '80');
  const host = address.hostname.replace(/^\[(.*)\]$/, '$1');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explainListenError(error, address)));
    server.listen({ port, host }, () => resolve());
  });
}

function explainListenError(error: NodeJS.ErrnoException, address: URL): Error {
  const where = `cannot listen on ${address.origin}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `${where}: the port is in use`,
        `stop the other program, or choose another port in server.listen (ss -ltnp shows who has it)`,
        error,
      );
    case 'EACCES':
      return new OperatorError(
        `${where}: not permitted`,
        'ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one in server.listen',
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new OperatorError(`${where}: this machine has no such address`, 'correct server.listen', error);
    default:
      return new OperatorError(`${where}: ${error.message}`, 'correct server.listen', error);
  }
}
