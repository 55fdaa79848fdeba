/** The opening handshake of a WebSocket towards one server, as one promise. */
import { createHash } from 'node:crypto';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Forward } from '../../core/verdict.ts';
import { headOf } from '../../edge/head-of.ts';
import { upstreamLines } from '../headers.ts';
import type { UpstreamServerPool } from '../server-pool.ts';

/** What a server made of a handshake. */
export type Handshake =
  | { readonly kind: 'switched'; readonly answer: IncomingMessage; readonly upstream: Duplex; readonly head: Buffer }
  | { readonly kind: 'answered'; readonly answer: IncomingMessage }
  | { readonly kind: 'failed'; readonly error: Error; readonly isConnected: boolean };

/** Asks one server. The signal ends it when the client has gone; every limit of the route ends it as `failed`. */
export function shakeHands(pool: UpstreamServerPool, forward: Forward, signal: AbortSignal): Promise<Handshake> {
  const { timeouts } = forward.route;
  return new Promise((resolve) => {
    let isConnected = false;
    let timer: NodeJS.Timeout | undefined;
    const upstream = pool.request({ path: forward.upstreamPath, headers: headerLines(forward, pool) });
    const limit = (milliseconds: number, what: string): void => {
      clearTimeout(timer);
      if (milliseconds > 0)
        timer = setTimeout(() => upstream.destroy(timeoutError(`${what} within ${milliseconds} ms`)), milliseconds);
    };
    const abort = (): void => void upstream.destroy(new Error('the client has gone'));
    const finish = (handshake: Handshake): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(handshake);
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    limit(timeouts.connect, 'no connection to the upstream');
    onConnected(upstream, () => {
      isConnected = true;
      pool.connected();
      limit(timeouts.response, 'no answer to the upgrade');
    });
    upstream.on('upgrade', (answer, socket, head) => {
      const fault = handshakeFault(answer, forward);
      if (fault === undefined) return finish({ kind: 'switched', answer, upstream: socket, head });
      socket.destroy();
      finish({ kind: 'failed', error: new Error(`the upstream's 101 ${fault}`), isConnected });
    });
    upstream.on('response', (answer) => {
      if ((answer.statusCode ?? 0) >= 200) return finish({ kind: 'answered', answer });
      // Node takes a 101 without `Upgrade` for an answer; it is none, and none will come.
      answer.destroy();
      finish({
        kind: 'failed',
        error: new Error(`the upstream answers the upgrade with a bare ${answer.statusCode}`),
        isConnected,
      });
    });
    upstream.on('error', (error) => finish({ kind: 'failed', error, isConnected }));
    upstream.end();
  });
}

/** What is wrong with a 101: a tunnel opens for WebSocket only, and for an answer to this very request (RFC 6455 §4.1). */
function handshakeFault(answer: IncomingMessage, { headers: sent }: Forward): string | undefined {
  const head = headOf(answer);
  if (answer.statusCode !== 101) return `is a ${answer.statusCode}`;
  if (head.single('upgrade')?.trim().toLowerCase() !== 'websocket') return 'switches to another protocol';
  const accept = createHash('sha1')
    .update(`${sent.get('sec-websocket-key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  return head.single('sec-websocket-accept') === accept ? undefined : 'does not accept the key that was sent';
}

function onConnected(request: ClientRequest, then: () => void): void {
  request.once('socket', (socket) => {
    const isSecure = 'encrypted' in socket;
    if (!socket.connecting && !isSecure) then();
    else socket.once(isSecure ? 'secureConnect' : 'connect', then);
  });
}

/** Node takes names and values in turn as they are, without a Host of its own. */
function headerLines(forward: Forward, pool: UpstreamServerPool): string[] {
  const lines = upstreamLines(forward);
  return forward.headers.has('host') ? lines : ['host', pool.server.url.host, ...lines];
}

function timeoutError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}
