/** Carries verdicts out on bare sockets: a tunnel to the upstream for a WebSocket, or a plain HTTP answer, which ends the socket. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../../core/errors.ts';
import type { Forward } from '../../core/verdict.ts';
import { writeToSocket } from '../../edge/write-answer.ts';
import type { WebSocketOpener } from '../../proxy/websocket/opener.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import type { Answers, Declined } from '../answer.ts';
import type { Decided } from '../decided.ts';
import { readRequest } from '../request.ts';
import { type CarryParts, carry, resultOf } from './carry.ts';

interface UpgradeParts extends CarryParts {
  readonly opener: WebSocketOpener;
  /** Counts a frame as activity of its session. */
  readonly touch: (sessionId: string) => Promise<void>;
}

/** An upgrade request, its socket, and what came behind its head. */
interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Answers upgrade requests, and CONNECT, which has a socket of its own as well. */
export class UpgradeCarrier {
  readonly #parts: UpgradeParts;

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /** Never throws: what goes wrong is answered on the socket, which then closes. */
  carry(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { pipeline, answers } = this.#parts;
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    socket.on('error', () => socket.destroy());
    return carry(this.#parts, () => pipeline.decide(readRequest(request, gone.signal, true)), {
      carryOut: (decided) => this.#carryOut(decided, { request, socket, head }),
      decline: (decided, verdict) => declineOn(socket, answers, decided, verdict),
    });
  }

  #carryOut(decided: Decided, upgrade: Upgrade): Promise<RequestResult> {
    const { verdict } = decided;
    if (verdict.kind === 'forward') return this.#open(decided, verdict.forward, upgrade);
    return declineOn(upgrade.socket, this.#parts.answers, decided, closedTo(verdict));
  }

  async #open(decided: Decided, forward: Forward, upgrade: Upgrade): Promise<RequestResult> {
    const { log, opener, answers, pipeline } = this.#parts;
    const { session, route } = forward;
    const opened = await opener.open({
      ...upgrade,
      forward,
      ...(session && route.idleActivity && { onActivity: (id) => this.#noteActivity(id) }),
    });
    if (opened.kind === 'open') void opened.closed.then((end) => pipeline.ended(decided, end));
    if (opened.kind !== 'failed') return { status: opened.kind === 'client-gone' ? 499 : opened.status };
    const { code, reason, error: cause } = opened;
    log.warn({ request: decided.request.id, route: route.name, reason, error: cause }, 'an upstream failed');
    const error = new GatewayError(code, 'the upstream failed', cause);
    return declineOn(upgrade.socket, answers, decided, { kind: 'refuse', error, reason });
  }

  #noteActivity(sessionId: string): void {
    this.#parts.touch(sessionId).catch((error: unknown) => {
      this.#parts.log.warn({ session: sessionId, error }, 'the activity of a WebSocket could not be noted');
    });
  }
}

/** Answers on a socket, and ends it: never with a page, which nobody would see. */
export async function declineOn(
  socket: Duplex,
  answers: Answers,
  { request, client, reply }: Decided,
  verdict: Declined,
): Promise<RequestResult> {
  const answer = await answers.to({ request, client, reply, isPage: false }, verdict);
  writeToSocket(socket, answer);
  return resultOf(answer.status, verdict);
}

/** What a verdict is to a WebSocket: the gateway's own addresses have none. */
export function closedTo(verdict: Exclude<Decided['verdict'], { kind: 'forward' }>): Declined {
  if (verdict.kind !== 'portal') return verdict;
  const error = new GatewayError('NOT_FOUND', 'the portal has no WebSockets');
  return { kind: 'refuse', error, reason: 'no-route' };
}
