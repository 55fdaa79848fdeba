/**
 * Carries a WebSocket upgrade to its upstream. Only a true 101 opens a tunnel; any other answer goes to the client as what
 * it is. `docs/decisions/0003-websocket-tunnel.md` says why http-proxy-middleware does not do this.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../../core/errors.ts';
import type { Reason } from '../../core/reason.ts';
import type { Forward } from '../../core/verdict.ts';
import { closeSocket } from '../../edge/close-socket.ts';
import { headOf } from '../../edge/head-of.ts';
import type { Again } from '../balancer.ts';
import type { Connections } from '../connections.ts';
import { openedBy } from '../live-connection.ts';
import { type ResponseRules, responseHeaders } from '../response-headers.ts';
import { bringing, visitorOf } from '../sticky.ts';
import { readFailure } from '../upstream-errors.ts';
import type { UpstreamPools } from '../upstream-pool.ts';
import { type Handshake, shakeHands } from './handshake.ts';
import { Tunnel, type TunnelEnd } from './tunnel.ts';

/** A client's upgrade request, and what the pipeline has decided about it. */
interface UpgradeExchange {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came after the request's head. */
  readonly head: Buffer;
  readonly forward: Forward;
  /** Called when the client sends data on a session, with the id that this has by then, at most twice a minute. */
  readonly onActivity?: (sessionId: string) => void;
}

/** How an upgrade went. After `failed` the socket is untouched: the caller answers on it. */
export type UpgradeResult =
  | { readonly kind: 'open'; readonly status: 101; readonly closed: Promise<TunnelEnd> }
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly reason: Reason; readonly error: Error }
  | { readonly kind: 'client-gone' };

/** For a client to take the rest of an answer in place of a tunnel, where the route has no limit; in milliseconds. */
const maxLastBytes = 60_000;

interface WebSocketOpenerOptions {
  readonly pools: UpstreamPools;
  readonly connections: Connections;
  readonly rules: ResponseRules;
}

/** Opens WebSockets. */
export class WebSocketOpener {
  readonly #options: WebSocketOpenerOptions;

  constructor(options: WebSocketOpenerOptions) {
    this.#options = options;
  }

  /** Never rejects; resolves when the handshake is over. Another server is tried while none has been connected to. */
  async open(exchange: UpgradeExchange): Promise<UpgradeResult> {
    const { request, socket, forward } = exchange;
    const fault = requestFault(request);
    if (fault !== undefined)
      return { kind: 'failed', code: 'BAD_REQUEST', reason: 'upgrade-refused', error: new Error(fault) };
    const gone = new AbortController();
    const onGone = (): void => gone.abort();
    socket.on('error', onGone).once('close', onGone);
    if (socket.destroyed) gone.abort();

    let answered = exchange;
    const visitor = visitorOf(headOf(request), forward);
    const handshake = await this.#options.pools.of(forward.route).attempt(visitor, async ({ pool, cookie }) => {
      answered = { ...exchange, forward: bringing(forward, cookie) };
      const shaken = await shakeHands(pool, forward, gone.signal);
      const mayTryAnother = shaken.kind === 'failed' && !shaken.isConnected && !gone.signal.aborted;
      return mayTryAnother ? { kind: 'again', fresh: false, error: shaken.error } : shaken;
    });
    const result = this.#conclude(answered, settled(handshake), gone.signal.aborted);
    if (result.kind !== 'open') socket.off('close', onGone);
    return result;
  }

  #conclude(exchange: UpgradeExchange, handshake: Handshake, isGone: boolean): UpgradeResult {
    if (isGone) {
      if (handshake.kind === 'switched') handshake.upstream.destroy();
      if (handshake.kind === 'answered') handshake.answer.destroy();
      return { kind: 'client-gone' };
    }
    try {
      switch (handshake.kind) {
        case 'switched':
          return this.#join(exchange, handshake);
        case 'answered':
          return this.#answer(exchange, handshake.answer);
        case 'failed':
          return { kind: 'failed', ...readFailure(handshake.error, handshake.isConnected), error: handshake.error };
        default:
          return handshake satisfies never;
      }
    } catch (cause) {
      if (handshake.kind === 'switched') handshake.upstream.destroy();
      if (handshake.kind === 'answered') handshake.answer.destroy();
      const error = cause instanceof Error ? cause : new Error('the answer cannot be passed on', { cause });
      return { kind: 'failed', code: 'UPSTREAM_BROKE', reason: 'upstream-broke', error };
    }
  }

  #join(
    exchange: UpgradeExchange,
    { answer, upstream, head }: Extract<Handshake, { kind: 'switched' }>,
  ): UpgradeResult {
    const { socket: client, forward, onActivity } = exchange;
    client.write(this.#head(answer, forward, ['connection', 'Upgrade', 'upgrade', 'websocket']), 'latin1');
    // Bytes that came with the heads go back to the front of their streams, so that they are read like the rest.
    if (exchange.head.length > 0) client.unshift(exchange.head);
    if (head.length > 0) upstream.unshift(head);
    let session = forward.session?.id;
    const report = onActivity && (() => session !== undefined && onActivity(session));
    const tunnel = new Tunnel({ client, upstream, ...(report && { onActivity: report }) });
    const release = this.#options.connections.add(session, {
      kind: 'websocket',
      opened: openedBy(forward),
      end: (reason) => tunnel.end(reason),
      moved: (next) => {
        session = next;
      },
    });
    void tunnel.closed.then(release);
    return { kind: 'open', status: 101, closed: tunnel.closed };
  }

  /** No tunnel without 101: the answer ends with the connection, so nothing the client sends can reach the upstream. */
  #answer({ socket, forward }: UpgradeExchange, answer: IncomingMessage): UpgradeResult {
    const { idle } = forward.route.timeouts;
    socket.write(this.#head(answer, forward, ['connection', 'close']), 'latin1');
    answer.on('error', () => cut(socket));
    answer.on('close', () => answer.complete || cut(socket));
    if (idle > 0) answer.setTimeout(idle, () => answer.destroy());
    socket.once('close', () => answer.destroy());
    answer.pipe(socket);
    answer.once('end', () => closeSocket(socket, undefined, idle > 0 ? idle : maxLastBytes));
    socket.resume();
    return { kind: 'answered', status: answer.statusCode ?? 502 };
  }

  #head(answer: IncomingMessage, forward: Forward, own: readonly string[]): string {
    const { statusCode = 502, statusMessage = '' } = answer;
    const phrase = /^[\x20-\x7e]*$/.test(statusMessage) ? statusMessage : '';
    const lines = [...own, ...responseHeaders(headOf(answer), forward, this.#options.rules, statusCode)];
    let head = `HTTP/1.1 ${statusCode} ${phrase}\r\n`;
    for (let index = 0; index + 1 < lines.length; index += 2) head += `${lines[index]}: ${lines[index + 1]}\r\n`;
    return `${head}\r\n`;
  }
}

/** What came of all tries: with no server left, the failure of the last. */
function settled(handshake: Handshake | Again | undefined): Handshake {
  if (handshake && handshake.kind !== 'again') return handshake;
  const error = handshake?.error ?? new Error('the route has no upstream server');
  return { kind: 'failed', error, isConnected: false };
}

/** Whether a request asks for a WebSocket; what asks for another protocol is an ordinary request to us. */
function isWebSocketUpgrade(request: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  return headOf(request).single('upgrade')?.trim().toLowerCase() === 'websocket';
}

/** What keeps a request from being an opening handshake (RFC 6455 §4.2.1). */
function requestFault(request: IncomingMessage): string | undefined {
  const { method, httpVersion } = request;
  const head = headOf(request);
  if (!isWebSocketUpgrade(request)) return 'the upgrade is to another protocol than WebSocket';
  if (method !== 'GET' || httpVersion !== '1.1') return 'a WebSocket opens with a GET of HTTP/1.1';
  // A body would be read as frames by one side and as a body by the other.
  if (head.framing().kind !== 'none') return 'an upgrade request has no body';
  if (!/^[A-Za-z0-9+/]{22}==$/.test(head.single('sec-websocket-key') ?? ''))
    return 'Sec-WebSocket-Key is missing or malformed';
  return undefined;
}

/** A reset is the only way to say that a body which ends with the connection is not whole. */
function cut(socket: Duplex): void {
  if (socket instanceof Socket) socket.resetAndDestroy();
  else socket.destroy();
}
