/**
 * An application behind the gateway that writes down exactly what reached it, and can misbehave on demand: WebSockets,
 * event streams, slow and big bodies over real HTTP; anything else byte by byte.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, type ServerOptions as TlsOptions } from 'node:https';
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';

/** A request as it arrived. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  /** Names and values in turn, untouched. */
  readonly rawHeaders: readonly string[];
  /** Every value of a header, whatever the case of its name; `_` and `-` stay apart. */
  values(name: string): string[];
  /** The names as they came, in lower case. */
  readonly names: readonly string[];
  readonly body: { readonly bytes: number; readonly sha256: string };
  /** The connection it came on, counted from 1. */
  readonly connection: number;
  /** False when the client went away before the body was complete. */
  readonly isComplete: boolean;
}

/** A running upstream. */
export interface TestUpstream {
  readonly origin: string;
  readonly url: URL;
  readonly port: number;
  readonly received: Received[];
  readonly sockets: Set<WebSocket>;
  /** Connections that are open. */
  readonly connections: Set<Socket>;
  /** The next request to be complete, or given up. */
  next(): Promise<Received>;
  /** The only request so far. */
  only(): Received;
  /** Closes idle and busy connections alike. */
  cut(): void;
  close(): Promise<void>;
}

/** What an upstream is made of. */
export interface TestUpstreamOptions {
  /** Takes the requests in place of the paths that `answer` knows. */
  readonly answer?: RequestListener;
  readonly tls?: TlsOptions;
  readonly port?: number;
  /** Milliseconds that it keeps an idle connection. */
  readonly keepAlive?: number;
  readonly webSocket?: { readonly perMessageDeflate?: boolean; readonly refuse?: (socket: Socket) => void };
}

/** Starts an upstream on a free port of 127.0.0.1, ended with the test. */
export async function startUpstream(t: TestContext, options: TestUpstreamOptions = {}): Promise<TestUpstream> {
  const received: Received[] = [];
  const waiting: ((request: Received) => void)[] = [];
  const connections = new Set<Socket>();
  const numbers = new WeakMap<Socket, number>();
  let opened = 0;
  const record = (request: IncomingMessage, bytes: number, sha256: string): void => {
    const seen = receivedOf(request, numbers.get(request.socket) ?? 0, bytes, sha256);
    received.push(seen);
    waiting.shift()?.(seen);
  };
  const listener: RequestListener = (request, response) => {
    request.on('error', () => undefined);
    const hash = createHash('sha256');
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    const whole = new Promise<void>((resolve) => request.once('close', resolve).once('end', resolve));
    void whole.then(() => record(request, bytes, hash.digest('hex')));
    if (options.answer) options.answer(request, response);
    else void answer(request, response, whole, () => received.at(-1));
  };
  const server: Server = options.tls ? createHttpsServer(options.tls, listener) : createHttpServer(listener);
  server.keepAliveTimeout = options.keepAlive ?? 30_000;
  server.requestTimeout = 0;
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    opened += 1;
    numbers.set(socket, opened);
    connections.add(socket);
    socket.on('error', () => undefined).once('close', () => connections.delete(socket));
  });
  const sockets = acceptWebSockets(server, options.webSocket ?? {}, (request) => record(request, 0, emptyHash));
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of connections) socket.destroy();
  };
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  };
  t.after(close);
  const origin = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return {
    origin,
    url: new URL(origin),
    port,
    received,
    sockets,
    connections,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    only: () => {
      if (received.length !== 1) throw new Error(`the upstream received ${received.length} requests, not one`);
      return received[0]!;
    },
    cut,
    close,
  };
}

const emptyHash = createHash('sha256').digest('hex');

function receivedOf(request: IncomingMessage, connection: number, bytes: number, sha256: string): Received {
  const { rawHeaders } = request;
  const pairs = Array.from(
    { length: rawHeaders.length / 2 },
    (_, index) => [rawHeaders[2 * index]!, rawHeaders[2 * index + 1]!] as const,
  );
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    httpVersion: request.httpVersion,
    rawHeaders,
    names: pairs.map(([name]) => name.toLowerCase()),
    values: (name) => pairs.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, value]) => value),
    body: { bytes, sha256 },
    connection,
    isComplete: request.complete,
  };
}

/**
 * What an upstream does at its paths: `/echo` (and any other) says what it received, `/status/N`, `/bytes?n=`,
 * `/sse?every=&count=` (`then=silence` keeps it open behind the last event), `/slow?ms=`, `/stall` (a head, then silence), `/chunked?n=`, `/sink` (reads, then the hash), `/early` (answers without
 * reading), `/headers?name=value`, `/hints`, `/trailers`, `/truncate` (dies in the middle of a body), `/die`.
 */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  whole: Promise<void>,
  last: () => Received | undefined,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://upstream.invalid');
  const number = (name: string, otherwise: number): number => Number(url.searchParams.get(name) ?? otherwise);
  const [, first = '', second = ''] = url.pathname.split('/');
  switch (first) {
    case 'status':
      return void response.writeHead(Number(second), Object.fromEntries(url.searchParams)).end();
    case 'headers':
      for (const [name, value] of url.searchParams) response.appendHeader(name, value);
      return void response.end('headers');
    case 'bytes':
      return sendBytes(response, number('n', 1024));
    case 'sse':
      return sendEvents(
        response,
        number('every', 20),
        number('count', Number.POSITIVE_INFINITY),
        url.searchParams.get('then') === 'silence',
      );
    case 'slow':
      return void delay(response, number('ms', 1000), () => response.end('slow'));
    case 'stall':
      response.writeHead(200, { 'content-type': 'text/plain' }).write('beginning');
      return;
    case 'chunked':
      for (let index = 0; index < number('n', 3); index += 1) response.write(`part ${index}\n`);
      return void response.end();
    case 'early':
      return void response.writeHead(403, { 'content-type': 'text/plain' }).end('no');
    case 'hints':
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      response.writeProcessing();
      return void response.end('hinted');
    case 'trailers':
      response.writeHead(200, { trailer: 'X-Checksum', 'transfer-encoding': 'chunked' }).write('body');
      response.addTrailers({ 'X-Checksum': 'abc' });
      return void response.end();
    case 'truncate':
      response.writeHead(200, { 'content-length': '1000' }).write('only this');
      return void delay(response, 20, () => response.destroy());
    case 'die':
      return void request.socket.destroy();
    default:
      await whole;
      if (response.destroyed) return;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(last()));
  }
}

async function sendBytes(response: ServerResponse, length: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': length });
  const block = randomBytes(65_536);
  for (let left = length; left > 0; left -= block.length) {
    if (response.destroyed) return;
    if (!response.write(left >= block.length ? block : block.subarray(0, left)))
      await new Promise<void>((resolve) => {
        const go = (): void => {
          response.off('drain', go).off('close', go);
          resolve();
        };
        response.on('drain', go).on('close', go);
      });
  }
  response.end();
}

/** A timer that does not outlive its request. */
function delay(response: ServerResponse, milliseconds: number, then: () => void): void {
  const timer = setTimeout(then, milliseconds);
  response.once('close', () => clearTimeout(timer));
}

function sendEvents(response: ServerResponse, every: number, count: number, isSilentThen: boolean): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).flushHeaders();
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    response.write(`data: ${sent} ${Date.now()}\n\n`);
    if (sent < count) return;
    clearInterval(timer);
    if (!isSilentThen) response.end();
  }, every);
  response.once('close', () => clearInterval(timer));
}

/** `/push?every=&size=` sends without being asked; every other path gives back what it gets. */
function acceptWebSockets(
  server: Server,
  options: NonNullable<TestUpstreamOptions['webSocket']>,
  record: (request: IncomingMessage) => void,
): Set<WebSocket> {
  const acceptor = new WebSocketServer({
    noServer: true,
    perMessageDeflate: options.perMessageDeflate ?? false,
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  server.on('upgrade', (request, socket, head) => {
    record(request);
    socket.on('error', () => undefined);
    if (options.refuse) return options.refuse(socket as Socket);
    acceptor.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => undefined);
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
      const url = new URL(request.url ?? '/', 'http://upstream.invalid');
      if (url.pathname !== '/push') return;
      const block = randomBytes(Number(url.searchParams.get('size') ?? 100));
      const timer = setInterval(
        () => webSocket.bufferedAmount < 1_000_000 && webSocket.send(block),
        Number(url.searchParams.get('every') ?? 10),
      );
      webSocket.once('close', () => clearInterval(timer));
    });
  });
  return acceptor.clients;
}

/** A server that says what it is told to: gets each connection with the bytes that came first. Ended with the test. */
export async function startRawUpstream(
  t: TestContext,
  converse: (socket: Socket, first: string, connection: number) => void,
): Promise<{
  readonly origin: string;
  readonly port: number;
  readonly requests: string[];
  readonly sockets: Set<Socket>;
}> {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let connection = 0;
  const server = createNetServer((socket) => {
    connection += 1;
    const number = connection;
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      if (!/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(text)) return;
      requests.push(text);
      converse(socket, text, number);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, port, requests, sockets };
}
