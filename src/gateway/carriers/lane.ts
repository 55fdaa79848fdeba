/**
 * Carries verdicts out for requests that the lane has read: what is forwarded goes on plain sockets, all else is left to
 * `node:http` together with the decision, so that nothing is decided, or taken from the client, twice.
 */
import { GatewayError } from '../../core/errors.ts';
import type { Forward, GatewayRequest, Verdict } from '../../core/verdict.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { writeToSocket } from '../../edge/write-answer.ts';
import { isNavigation } from '../../portal/send-page.ts';
import { isCarried, type LaneForwarder } from '../../proxy/lane/forwarder.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import { createRequestId } from '../../telemetry/trace.ts';
import type { Decided } from '../decided.ts';
import { type CarryParts, resultOf } from './carry.ts';
import { isForwardAuth } from './forward-auth-request.ts';
import { leaveDecision } from './lent-decision.ts';

interface LaneCarrierParts extends CarryParts {
  readonly forwarder: LaneForwarder;
  /** `Strict-Transport-Security` of answers over https. */
  readonly hsts: string | undefined;
}

type Refusal = Extract<Verdict, { kind: 'refuse' }>;

/** Answers requests of the lane. */
export class LaneCarrier {
  readonly #parts: LaneCarrierParts;

  constructor(parts: LaneCarrierParts) {
    this.#parts = parts;
  }

  /** Never throws and never rejects. */
  carry(exchange: LaneExchange): Promise<void> | undefined {
    if (isForwardAuth(exchange.head.target)) return void exchange.lend();
    const pending = this.#parts.pipeline.decide(readExchange(exchange));
    const done =
      pending instanceof Promise
        ? pending.then((decided) => this.#carryOut(exchange, decided))
        : this.#carryOut(exchange, pending);
    return done?.catch((error: unknown) => {
      // Nobody else would answer it.
      exchange.cut();
      throw error;
    });
  }

  #carryOut(exchange: LaneExchange, decided: Decided): Promise<void> | undefined {
    const { verdict } = decided;
    if (!exchange.isOpen) return void this.#parts.pipeline.finish(decided, { status: 499 });
    if (verdict.kind !== 'forward' || !this.#carries(exchange, verdict.forward)) return leave(exchange, decided);
    return this.#forward(exchange, decided, verdict.forward);
  }

  #carries({ head }: LaneExchange, { route }: Forward): boolean {
    return isCarried(route) && !(route.maxBody > 0 && head.bodyLength > route.maxBody);
  }

  async #forward(exchange: LaneExchange, decided: Decided, forward: Forward): Promise<void> {
    const { forwarder, pipeline, log, hsts } = this.#parts;
    const added = decided.request.encrypted && hsts !== undefined ? ['strict-transport-security', hsts] : [];
    if (forward.session) exchange.keepReading();
    const sent = await forwarder.forward({ exchange, forward, added });
    const finish = (result: RequestResult): void => pipeline.finish(decided, { ...result, lane: true });
    if (sent.kind === 'sent') {
      finish({ status: sent.status });
      return exchange.finish(true);
    }
    if (sent.kind === 'client-gone') return finish({ status: 499, ...(sent.reason && { reason: sent.reason }) });
    const { reason, error: cause } = sent;
    log.warn({ request: decided.request.id, route: forward.route.name, reason, error: cause }, 'an upstream failed');
    if (sent.headersSent) return finish({ status: sent.status ?? 502, reason });
    const error = new GatewayError(sent.code, `${forward.route.name}: the upstream failed`, cause);
    await this.#refuse(exchange, decided, { kind: 'refuse', error, reason });
  }

  /** Where something of the body has been taken from the client, the connection ends with the answer. */
  async #refuse(exchange: LaneExchange, decided: Decided, verdict: Refusal): Promise<void> {
    if (exchange.isUntouched) return leave(exchange, { ...decided, verdict });
    const { answers, pipeline } = this.#parts;
    const { request, client, reply } = decided;
    const answer = await answers.to({ request, client, reply, isPage: isNavigation(request.headers) }, verdict);
    writeToSocket(exchange.leave(), answer);
    pipeline.finish(decided, { ...resultOf(answer.status, verdict), lane: true });
  }
}

/** Lets `node:http` answer by a decision that has been made. */
function leave(exchange: LaneExchange, decided: Decided): undefined {
  leaveDecision(exchange.lend(), decided);
  return undefined;
}

function readExchange(exchange: LaneExchange): GatewayRequest {
  const { head, socket } = exchange;
  return {
    id: createRequestId(),
    method: head.method,
    target: head.target,
    headers: head.headers,
    peer: socket.remoteAddress ?? '',
    encrypted: 'encrypted' in socket && socket.encrypted === true,
    upgrade: false,
    // Most requests end without anybody listening to it.
    get signal() {
      return exchange.signal;
    },
  };
}
