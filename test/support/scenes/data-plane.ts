/** The data plane on a listener of its own, without the pipeline: what the tests of `src/proxy` send requests to. */

import { EventEmitter, once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Principal } from '../../../src/core/principal.ts';
import type { ForwardingRoute, UpstreamTls } from '../../../src/core/route.ts';
import type { Session } from '../../../src/core/session.ts';
import type { Forward } from '../../../src/core/verdict.ts';
import { headOf } from '../../../src/edge/head-of.ts';
import type { LaneExchange } from '../../../src/edge/lane/exchange.ts';
import { Lane } from '../../../src/edge/lane/lane.ts';
import { Connections } from '../../../src/proxy/connections.ts';
import { ownCookies } from '../../../src/proxy/cookies.ts';
import { Forwarder, type ForwardResult } from '../../../src/proxy/forward.ts';
import { HeaderComposer } from '../../../src/proxy/headers.ts';
import { isCarried, LaneForwarder } from '../../../src/proxy/lane/forwarder.ts';
import { reportUnanswerable } from '../../../src/proxy/response-headers.ts';
import { defaultHeaderRules } from '../../../src/proxy/templates.ts';
import { UpstreamPools } from '../../../src/proxy/upstream-pool.ts';
import { type UpgradeResult, WebSocketOpener } from '../../../src/proxy/websocket/opener.ts';
import { collectLog } from '../tools/log.ts';
import { stickyParts } from '../tools/sticky-parts.ts';

/** A route with everything at its mildest, and what the test wants otherwise. */
export function testRoute(
  origins: readonly string[],
  parts: Partial<ForwardingRoute> & { path?: string; upstreamPath?: string; tls?: UpstreamTls } = {},
): ForwardingRoute {
  const { upstreamPath, tls, ...rest } = parts;
  return {
    name: 'test',
    modifier: '',
    path: '/',
    upstream: {
      servers: origins.map((origin) => ({ origin, url: new URL(origin) })),
      ...(upstreamPath !== undefined && { path: upstreamPath }),
      ...(tls && { tls }),
    },
    access: { roles: [], providers: [] },
    headers: defaultHeaderRules,
    websocket: true,
    bind: 'httpOnly',
    idleActivity: true,
    timeouts: { connect: 30_000, response: 60_000, idle: 60_000 },
    encodedSlashes: false,
    pathParameters: false,
    replayPosts: false,
    maxBody: 0,
    allowedOrigins: [],
    preserveHost: true,
    ...rest,
  };
}

/** Alice, who may do a lot. */
export const alice: Principal = {
  realm: 'test',
  subject: 'alice',
  amr: ['pwd'],
  attributes: { name: ['Alice Example'], email: ['alice@example.com'], groups: ['agents', 'staff'] },
  provider: 'directory',
  tenant: '',
  roles: new Set(['agent', 'supervisor']),
};

/** A session of hers. */
export const session: Session = {
  id: 'session-1',
  tenant: 'default',
  assertion: alice,
  provider: 'directory',
  createdAt: 0,
  lastSeenAt: 0,
  proofs: [{ step: 'first', by: 'directory', realm: 'test', amr: ['pwd'], at: 1_700_000_000_000 }],
  expiresAt: Number.MAX_SAFE_INTEGER,
  client: { address: '127.0.0.1', userAgent: 'test' },
};

/** What a test may decide about its data plane. */
export interface DataPlaneOptions {
  readonly route: ForwardingRoute;
  readonly principal?: Principal | undefined;
  readonly session?: Session | undefined;
  readonly assertion?: string;
  readonly reply?: Forward['reply'];
  readonly isTrusted?: (address: string) => boolean;
  readonly clock?: Clock;
  readonly maxConnections?: number;
  readonly connections?: Connections;
  /** Other routes of the same configuration. */
  readonly others?: readonly ForwardingRoute[];
  readonly closed?: readonly string[];
}

/** A running data plane. */
export interface DataPlane {
  readonly port: number;
  readonly origin: string;
  readonly results: ForwardResult[];
  readonly upgrades: UpgradeResult[];
  readonly pools: UpstreamPools;
  readonly connections: Connections;
  readonly server: Server;
  readonly log: ReturnType<typeof collectLog>;
  /** The result of a request that has ended, in order. */
  result(index?: number): Promise<ForwardResult>;
  upgradeResult(): Promise<UpgradeResult>;
}

/** Whether data planes have a lane: the lane has to pass what the other way in passes. Set it before the first one starts. */
export const onLane = { isOn: false };

/** Puts a lane before a server, as listeners have it. */
function standLane(
  server: Server,
  {
    forwarder,
    verdict,
    results,
  }: {
    readonly forwarder: LaneForwarder;
    readonly verdict: (request: Pick<IncomingMessage, 'rawHeaders' | 'url' | 'socket'>, upgrade: boolean) => Forward;
    readonly results: ForwardResult[];
  },
): void {
  const finish = (exchange: LaneExchange, result: ForwardResult): void => {
    if (result.kind === 'failed' && !result.headersSent) {
      const { code, reason } = result;
      const length = `Content-Length: ${code.length}`;
      exchange.write(`HTTP/1.1 500 Failed\r\nx-code: ${code}\r\nx-reason: ${reason}\r\n${length}\r\n\r\n${code}`);
    }
    if (result.kind === 'sent' || (result.kind === 'failed' && !result.headersSent)) exchange.finish(true);
    results.push(result);
    server.emit('forwarded');
  };
  const lane = new Lane({
    limits: { maxHeaderSize: 65_536, headTimeout: 60_000, keepAlive: 60_000 },
    isOn: () => true,
    onFlood: () => undefined,
    take: (exchange) => {
      const { head, socket } = exchange;
      const forward = verdict({ rawHeaders: [...head.headers.raw], url: head.target, socket }, false);
      const { maxBody } = forward.route;
      if (!isCarried(forward.route) || (maxBody > 0 && head.bodyLength > maxBody)) return false;
      forwarder.forward({ exchange, forward, added: [] }, (result) => finish(exchange, result));
      return true;
    },
  });
  lane.standBefore(server, 'connection');
  server.on('request', (request, response) => lane.watch(response, request.socket)).on('close', () => lane.close());
}

/** Starts one on a free port, ended with the test. A failure is answered with its code as text. */
export async function startDataPlane(t: TestContext, options: DataPlaneOptions): Promise<DataPlane> {
  const log = collectLog();
  const { route, principal = alice, maxConnections = 2048 } = options;
  const live = 'session' in options ? options.session : session;
  const pools = new UpstreamPools({
    log: log.log,
    clock: options.clock ?? systemClock,
    maxConnections,
    ...stickyParts,
  });
  const connections = options.connections ?? new Connections();
  const isOwnCookie = ownCookies(['__Host-gatehouse', 'gatehouse', 'gatehouse-flow-*']);
  const composer = new HeaderComposer({
    routes: [route, ...(options.others ?? [])],
    isOwnCookie,
    isTrusted: options.isTrusted ?? (() => false),
    ...(options.closed && { closed: options.closed }),
  });
  const rules = { isOwnCookie, onUnanswerable: reportUnanswerable(log.log) };
  const forwarder = new Forwarder({ pools, connections, rules });
  const tunnel = new WebSocketOpener({ pools, connections, rules });
  const results: ForwardResult[] = [];
  const upgrades: UpgradeResult[] = [];
  const verdict = (
    request: Pick<IncomingMessage, 'rawHeaders' | 'url'> & { readonly socket: Pick<Socket, 'remoteAddress'> },
    upgrade: boolean,
  ): Forward => {
    const who =
      'principal' in options && options.principal === undefined ? {} : { principal, ...(live && { session: live }) };
    const client = { address: request.socket.remoteAddress ?? '', scheme: 'http', userAgent: '' } as const;
    const { headers, spellings } = composer.compose(route, {
      headers: headOf(request),
      client,
      peer: request.socket.remoteAddress ?? '',
      requestId: 'request-1',
      upgrade,
      ...who,
      ...(options.assertion !== undefined && { assertion: options.assertion }),
    });
    const url = request.url ?? '/';
    const { path } = route.upstream;
    const [host = ''] = (headOf(request).single('host') ?? '').split(':');
    return {
      ...{ route, client },
      target: { path: url, query: '', host, port: '80' },
      upstreamPath: path === undefined ? url : path + url.slice(route.path.length),
      headers,
      spellings,
      reply: options.reply ?? {},
      ...who,
    };
  };
  const server = createServer({
    requestTimeout: 0,
    maxHeaderSize: 65_536,
    shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
  });
  const carry = async (exchange: Parameters<Forwarder['forward']>[0]): Promise<void> => {
    const result = await forwarder.forward(exchange);
    const { response } = exchange;
    if (result.kind === 'failed' && !result.headersSent)
      response.writeHead(500, { 'x-code': result.code, 'x-reason': result.reason }).end(result.code);
    results.push(result);
    server.emit('forwarded');
  };
  server.on('request', (request, response) => void carry({ request, response, forward: verdict(request, false) }));
  server.on(
    'checkContinue',
    (request, response) => void carry({ request, response, forward: verdict(request, false), awaitsContinue: true }),
  );
  server.on('upgrade', (request, socket, head) => {
    void tunnel.open({ request, socket, head, forward: verdict(request, true) }).then((result) => {
      if (result.kind === 'failed')
        socket.end(
          `HTTP/1.1 500 Failed\r\nConnection: close\r\nX-Code: ${result.code}\r\nX-Reason: ${result.reason}\r\n\r\n`,
        );
      upgrades.push(result);
      server.emit('upgraded');
    });
  });
  const laneForwarder = new LaneForwarder({ pools, connections, rules, maxConnections });
  if (onLane.isOn) standLane(server, { forwarder: laneForwarder, verdict, results });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    connections.endAll('draining');
    server.close();
    server.closeAllConnections();
    // A test may have closed them.
    await pools.close().catch(() => undefined);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    results,
    upgrades,
    pools,
    connections,
    server,
    log,
    result: async (index = 0) => {
      while (results.length <= index) await once(server, 'forwarded');
      return results[index]!;
    },
    upgradeResult: async () => {
      while (upgrades.length === 0) await once(server, 'upgraded');
      return upgrades[0]!;
    },
  };
}

/** An answer with its whole body. */
export interface Answer {
  readonly status: number;
  readonly phrase: string;
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly trailers: NodeJS.Dict<string>;
}

/** What to ask. */
export interface RequestShape {
  readonly method?: string;
  /** Names and values in turn, sent as they stand; Host is added when it is missing. */
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  readonly agent?: import('node:http').Agent;
}

/** Asks once, on a connection of its own unless an agent is given. Rejects when the answer is not whole. */
export async function ask(
  port: number,
  path: string,
  { method = 'GET', headers = [], body, agent }: RequestShape = {},
): Promise<Answer> {
  const lines = [...headers];
  if (!lines.some((line, index) => index % 2 === 0 && line.toLowerCase() === 'host'))
    lines.push('Host', `127.0.0.1:${port}`);
  if (
    body !== undefined &&
    !lines.some((line, index) => index % 2 === 0 && /^(content-length|transfer-encoding)$/i.test(line))
  )
    lines.push('Content-Length', String(Buffer.byteLength(body)));
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: lines,
    setHost: false,
    agent: agent ?? false,
  });
  if (body === undefined) request.end();
  else request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return {
    status: response.statusCode ?? 0,
    phrase: response.statusMessage ?? '',
    rawHeaders: response.rawHeaders,
    headers: response.headers,
    body: Buffer.concat(parts),
    trailers: response.trailers,
  };
}

/** A client that sends bytes and remembers those that come back. */
export interface RawClient {
  readonly socket: Socket;
  readonly text: () => string;
  /** Resolves when what has come matches. */
  until(pattern: RegExp): Promise<string>;
  closed(): Promise<string>;
}

/** Connects and sends; closed with the test. A reset ends the connection as a close does: which comes is up to chance. */
export async function rawClient(t: TestContext, port: number, bytes: string | Buffer): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  let text = '';
  let isOver = false;
  const news = new EventEmitter();
  const over = (): void => {
    isOver = true;
    news.emit('any');
  };
  socket.on('error', () => undefined).on('end', over);
  const closed = new Promise<string>((resolve) =>
    socket.once('close', () => {
      over();
      resolve(text);
    }),
  );
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    news.emit('any');
  });
  socket.write(bytes);
  return {
    socket,
    text: () => text,
    until: async (pattern) => {
      while (!pattern.test(text)) {
        if (isOver) throw new Error(`the connection ended with: ${text}`);
        await once(news, 'any');
      }
      return text;
    },
    closed: () => closed,
  };
}

/** Waits until something holds, looking at every turn of the clock. */
export async function eventually(holds: () => boolean, what: string, milliseconds = 60_000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
