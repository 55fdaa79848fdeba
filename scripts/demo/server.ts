/** The demo contact center: eight applications on one port, each showing what the gateway told it about its user. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { OperatorError } from '../../src/core/errors.ts';
import { type Html, html } from '../../src/pages/html.ts';
import { type App, findApp } from './apps.ts';
import { floorEvent, queueFigures } from './figures.ts';
import { type Identity, identityReader, type ReadIdentity } from './identity.ts';
import { firstPage } from './samples.ts';
import { formPage, frame, identityPanel, livePage, troublePage } from './views.ts';

/** Where the demo listens, and whose assertions it believes. */
export interface DemoOptions {
  /** 0 takes a free port. */
  readonly port: number;
  /** The gateway's public URL. */
  readonly gatewayUrl: string;
}

/** A running demo. */
export interface Demo {
  readonly url: string;
  /** Ends it at once, live connections included; may be called again. */
  close(): Promise<void>;
}

const host = '127.0.0.1';
const maxForm = 64 * 1024;
const tick = 1000;
const downloadChunks = 60;

const assets: Readonly<Record<string, readonly [contentType: string, body: Buffer]>> = {
  '/assets/demo.css': ['text/css; charset=utf-8', readFileSync(new URL('./demo.css', import.meta.url))],
  '/assets/demo.js': ['text/javascript; charset=utf-8', readFileSync(new URL('./demo.js', import.meta.url))],
};

/** Starts the demo on the loopback address; a port that is taken is an OperatorError. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxForm });
  let readIdentity: ReadIdentity | undefined;
  const server = createServer((request, response) => {
    if (!readIdentity) return void response.writeHead(503).end();
    answer(request, response, readIdentity).catch((error: unknown) => {
      if (!response.destroyed) console.error('the demo contact center:', error);
      response.destroy();
    });
  });
  server.on('upgrade', (request, socket, head) => {
    const { rest } = findApp(pathOf(request));
    if (rest !== '/ws') return void socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    sockets.handleUpgrade(request, socket, head, (client) => {
      const send = (message: object): void => client.send(JSON.stringify(message));
      const figures = (): void => send({ type: 'queues', queues: queueFigures(Date.now()) });
      const timer = setInterval(figures, tick);
      client.on('message', (data) => send({ type: 'echo', text: String(data) }));
      client.on('close', () => clearInterval(timer));
      client.on('error', () => client.terminate());
      figures();
    });
  });
  const port = await listen(server, options.port);
  const url = `http://${host}:${port}`;
  readIdentity = identityReader(options.gatewayUrl, url);
  let closed: Promise<unknown> | undefined;
  return {
    url,
    close: async () => {
      if (!closed) {
        closed = once(server, 'close');
        for (const client of sockets.clients) client.terminate();
        server.close();
        server.closeAllConnections();
      }
      await closed;
    },
  };
}

async function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    throw new OperatorError(
      `the demo contact center cannot listen on ${host}:${port}: another program has that port`,
      'is it already running in another terminal? Else end the program that has the port: ss -ltnp shows it',
      error,
    );
  }
  const address = server.address();
  return typeof address === 'object' && address ? address.port : port;
}

async function answer(request: IncomingMessage, response: ServerResponse, readIdentity: ReadIdentity): Promise<void> {
  const { app, rest } = findApp(pathOf(request));
  const asset = assets[rest];
  if (asset) return void response.setHeader('content-type', asset[0]).end(asset[1]);
  if (await answerOddly(app, rest, response)) return;
  const identity = await readIdentity(request.headers);
  const page = (status: number, title: string, body: Html): void => {
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    response.end(frame(app, identity, title, body));
  };
  await route(request, app, rest, identity, page);
}

async function route(
  request: IncomingMessage,
  app: App,
  rest: string,
  identity: Identity,
  page: (status: number, title: string, body: Html) => void,
): Promise<void> {
  switch (rest) {
    case '/':
      return page(200, app.purpose, overview(app, identity));
    case '/live':
      return page(200, 'Live', livePage(app));
    case '/form':
      return page(200, 'Form', formPage(app, request.method === 'POST' ? await readForm(request) : undefined));
    case '/trouble':
      return page(200, 'Trouble', troublePage(app));
    case '/slow':
      return page(200, 'This application took its time', identityPanel(identity));
    case '/forbidden':
      return page(403, 'This application says no', identityPanel(identity));
    case '/broken':
      return page(500, 'This application is broken', identityPanel(identity));
    default:
      return page(404, 'This application has no such page', identityPanel(identity));
  }
}

function overview(app: App, identity: Identity): Html {
  return html`${firstPage(app, identity)}${identityPanel(identity)}`;
}

/** Answers that are no pages: streams, redirects, and what goes wrong on purpose. */
async function answerOddly(app: App, rest: string, response: ServerResponse): Promise<boolean> {
  const ended = new AbortController();
  response.once('close', () => ended.abort());
  switch (rest) {
    case '/stream':
      await streamNews(response, ended.signal);
      return true;
    case '/download':
      await streamDownload(response, ended.signal);
      return true;
    case '/cut':
      response.destroy();
      return true;
    case '/redirect':
      response.writeHead(302, { location: `http://${host}:${response.socket?.localPort}${app.path}/` }).end();
      return true;
    case '/slow':
      await delay(10 * tick, undefined, { signal: ended.signal });
      return false;
    default:
      return false;
  }
}

async function streamNews(response: ServerResponse, signal: AbortSignal): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  while (!signal.aborted) {
    const time = Date.now();
    response.write(`retry: ${tick}\nid: ${time}\ndata: ${floorEvent(Math.floor(time / tick), time)}\n\n`);
    await delay(tick, undefined, { signal });
  }
}

async function streamDownload(response: ServerResponse, signal: AbortSignal): Promise<void> {
  const chunk = Buffer.alloc(16 * 1024, 'A line of a call that was recorded for training.\n');
  const headers = { 'content-type': 'text/plain', 'content-disposition': 'attachment; filename="recording.txt"' };
  response.writeHead(200, { ...headers, 'content-length': chunk.length * downloadChunks });
  for (let sent = 0; sent < downloadChunks; sent += 1) {
    response.write(chunk);
    await delay(tick, undefined, { signal });
  }
  response.end();
}

async function readForm(request: IncomingMessage): Promise<[string, string][]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxForm) throw new Error('the form is too large for the demo');
    chunks.push(chunk);
  }
  return [...new URLSearchParams(Buffer.concat(chunks).toString('utf8'))];
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}
