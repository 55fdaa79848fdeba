/** Carries verdicts out for WebSocket upgrades: a tunnel to the upstream, or a plain HTTP answer on the socket. */
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Verdict } from '../../core/verdict.ts';
import { closeSocket } from '../../edge/close-socket.ts';
import { errorBody } from '../../portal/send-page.ts';
import type { WebSocketOpener } from '../../proxy/websocket/opener.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import type { Decided } from '../decided.ts';
import type { Pipeline } from '../pipeline.ts';
import { readRequest } from '../request.ts';

/** What carrying out upgrades works with. */
export interface UpgradeParts {
  readonly log: Log;
  readonly pipeline: Pipeline;
  readonly tunnel: WebSocketOpener;
  /** Counts a frame as activity of its session. */
  readonly touch: (sessionId: string) => Promise<void>;
}

/** Answers upgrade requests. */
export class UpgradeCarrier {
  readonly #parts: UpgradeParts;

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /** Never throws: what goes wrong is answered on the socket, which then closes. */
  async carry(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    socket.on('error', () => socket.destroy());
    const pending = this.#parts.pipeline.decide(readRequest(request, gone.signal, true));
    const decided = pending instanceof Promise ? await pending : pending;
    let result: RequestResult;
    try {
      result = await this.#carryOut(decided, request, socket, head);
    } catch (cause) {
      this.#parts.log.error({ request: decided.request.id, error: cause }, 'an upgrade could not be carried out');
      result = refuse(socket, decided, new GatewayError('UNAVAILABLE', 'an upgrade could not be carried out', cause));
    }
    this.#parts.pipeline.finish(decided, result);
  }

  #noteActivity(sessionId: string): void {
    this.#parts.touch(sessionId).catch((error: unknown) => {
      this.#parts.log.warn({ session: sessionId, error }, 'the activity of a WebSocket could not be noted');
    });
  }

  async #carryOut(decided: Decided, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<RequestResult> {
    const { verdict } = decided;
    switch (verdict.kind) {
      case 'forward': {
        const { forward } = verdict;
        const { session, route } = forward;
        const opened = await this.#parts.tunnel.open({
          request,
          socket,
          head,
          forward,
          ...(session && route.idleActivity && { onActivity: (id) => this.#noteActivity(id) }),
        });
        if (opened.kind !== 'failed') return { status: opened.kind === 'client-gone' ? 499 : opened.status };
        this.#parts.log.warn(
          { request: decided.request.id, route: forward.route.name, reason: opened.reason, error: opened.error },
          'an upstream failed',
        );
        return {
          ...refuse(socket, decided, new GatewayError(opened.code, 'the upstream failed', opened.error)),
          reason: opened.reason,
        };
      }
      default:
        return declineUpgrade(decided, verdict, socket);
    }
  }
}

/** Answers an upgrade that opens nothing, and ends the socket. */
export function declineUpgrade(
  decided: Decided,
  verdict: Exclude<Verdict, { readonly kind: 'forward' }>,
  socket: Duplex,
): RequestResult {
  switch (verdict.kind) {
    case 'authenticate':
    case 'step-up':
      return refuse(socket, decided, new GatewayError('LOGIN_REQUIRED', verdict.reason), {
        login: `/_gate/login?${new URLSearchParams({ return: '/' })}`,
      });
    case 'redirect':
      return refuse(socket, decided, new GatewayError('NOT_FOUND', 'a WebSocket needs the exact address'));
    case 'portal':
      return refuse(socket, decided, new GatewayError('NOT_FOUND', 'the portal has no WebSockets'));
    case 'refuse':
      return refuse(socket, decided, verdict.error);
    default:
      return verdict satisfies never;
  }
}

function refuse(socket: Duplex, decided: Decided, error: GatewayError, more: object = {}): RequestResult {
  const text = JSON.stringify({ ...errorBody(error, decided.request.id), ...more });
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    `X-Request-Id: ${decided.request.id}`,
  ];
  closeSocket(socket, `${head.join('\r\n')}\r\n\r\n${text}`);
  return { status: error.status };
}
