/**
 * Carries verdicts out for requests that the lane has read: what is forwarded goes on plain sockets, all else is left to
 * `node:http` together with the decision, so that nothing is decided, or taken from the client, twice.
 */
import { GatewayError } from '../../core/errors.ts';
import type { Forward, GatewayRequest, Verdict } from '../../core/verdict.ts';
import { arrivalOf } from '../../edge/arrival.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { writeToSocket } from '../../edge/write-answer.ts';
import { isNavigation } from '../../portal/send-page.ts';
import type { ForwardResult } from '../../proxy/forward.ts';
import type { LaneWork } from '../../proxy/lane/attempt.ts';
import { isCarried, type LaneForwarder } from '../../proxy/lane/forwarder.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import { createRequestId } from '../../telemetry/trace.ts';
import { type Decided, secondsSince } from '../decided.ts';
import type { KeptForwards } from '../kept/kept-forwards.ts';
import type { Recalled } from '../kept/recalled.ts';
import type { UnderWay } from '../under-way.ts';
import { type CarryParts, resultOf } from './carry.ts';
import { isForwardAuth } from './forward-auth-request.ts';
import type { LanePermits } from './lane-permits.ts';
import { leaveDecision } from './lent-decision.ts';

interface LaneCarrierParts extends CarryParts {
  readonly forwarder: LaneForwarder;
  readonly kept: KeptForwards;
  readonly permits: LanePermits;
  readonly recorder: Pick<Recorder, 'forwarded'>;
  readonly underWay: UnderWay;
  /** `Strict-Transport-Security` of answers over https. */
  readonly hsts: string | undefined;
}

type Refusal = Extract<Verdict, { kind: 'refuse' }>;
const none: readonly string[] = [];

/** Answers requests of the lane. */
export class LaneCarrier {
  readonly #parts: LaneCarrierParts;
  readonly #added: readonly string[];

  constructor(parts: LaneCarrierParts) {
    this.#parts = parts;
    this.#added = parts.hsts === undefined ? none : ['strict-transport-security', parts.hsts];
  }

  /** Never throws. */
  carry(exchange: LaneExchange): void {
    try {
      const { pipeline, kept } = this.#parts;
      if (isForwardAuth(exchange.head.target)) return void this.#permit(exchange);
      const recalled = kept.find(exchange);
      if (recalled) return void this.#sendAgain(exchange, recalled);
      const pending = pipeline.decide(readExchange(exchange, createRequestId()));
      if (!(pending instanceof Promise)) return void this.#carryOut(exchange, pending);
      const carried = pending.then((decided) => this.#carryOut(exchange, decided));
      this.#parts.underWay.add(carried.catch((error: unknown) => this.#broke(exchange, error)));
    } catch (error) {
      this.#broke(exchange, error);
    }
  }

  #permit(exchange: LaneExchange): void {
    const { permits, underWay } = this.#parts;
    if (permits.answerAgain(exchange)) return;
    const carried = permits.carry(exchange, readExchange(exchange, createRequestId()));
    if (carried) underWay.add(carried.catch((error: unknown) => this.#broke(exchange, error)));
  }

  /** Nobody else would answer it. */
  #broke(exchange: LaneExchange, error: unknown): void {
    this.#parts.log.error({ error }, 'an answer broke');
    exchange.cut();
  }

  #carryOut(exchange: LaneExchange, decided: Decided): void {
    const { verdict } = decided;
    if (!exchange.isOpen) this.#parts.pipeline.finish(decided, { status: 499 });
    else if (verdict.kind !== 'forward' || !carries(exchange, verdict.forward)) leave(exchange, decided);
    else this.#forward(exchange, decided, verdict.forward);
  }

  #forward(exchange: LaneExchange, decided: Decided, forward: Forward): void {
    this.#parts.kept.keep(exchange, decided, forward);
    this.#send({ exchange, forward }, (sent) => this.#finish(exchange, { decided, forward, sent }));
  }

  /** What has been decided before is sent like any other request; where its record is no usual one, it is made like any other. */
  #sendAgain(exchange: LaneExchange, recalled: Recalled): void {
    const { forward } = recalled;
    this.#send({ exchange, forward, head: recalled }, (sent, now) => {
      if (sent.kind === 'sent' && sent.status < 400) {
        const seconds = secondsSince({ startedAt: exchange.cameAt }, now);
        this.#parts.recorder.forwarded(recalled.record(sent.status, seconds));
        exchange.finish(true, now);
      } else {
        const decided = recalled.decided(readExchange(exchange, recalled.id), exchange);
        this.#finish(exchange, { decided, forward, sent });
      }
    });
  }

  #send(
    { exchange, forward, head }: Omit<LaneWork, 'added'>,
    finish: (sent: ForwardResult, now?: number) => void,
  ): void {
    const { forwarder, underWay } = this.#parts;
    let isOver = false;
    const end = (): void => {
      if (!isOver) underWay.end();
      isOver = true;
    };
    underWay.begin();
    try {
      forwarder.forward({ exchange, forward, head, added: exchange.encrypted ? this.#added : none }, (sent, now) => {
        try {
          finish(sent, now);
        } catch (error) {
          this.#broke(exchange, error);
        } finally {
          end();
        }
      });
    } catch (error) {
      end();
      throw error;
    }
  }

  #finish(
    exchange: LaneExchange,
    { decided, forward, sent }: { readonly decided: Decided; readonly forward: Forward; readonly sent: ForwardResult },
  ): void {
    const { pipeline, log, underWay } = this.#parts;
    if (sent.kind === 'sent') {
      pipeline.finish(decided, { status: sent.status, lane: true });
      return void exchange.finish(true);
    }
    if (sent.kind === 'client-gone') {
      const reason = sent.reason && { reason: sent.reason };
      return void pipeline.finish(decided, { status: 499, ...reason, lane: true });
    }
    const { reason, error: cause } = sent;
    log.warn({ request: decided.request.id, route: forward.route.name, reason, error: cause }, 'an upstream failed');
    if (sent.headersSent) return void pipeline.finish(decided, { status: sent.status ?? 502, reason, lane: true });
    const error = new GatewayError(sent.code, `${forward.route.name}: the upstream failed`, cause);
    const refused = this.#refuse(exchange, decided, { kind: 'refuse', error, reason });
    underWay.add(refused.catch((broken: unknown) => this.#broke(exchange, broken)));
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

function carries({ head }: LaneExchange, { route }: Forward): boolean {
  return isCarried(route) && !(route.maxBody > 0 && head.bodyLength > route.maxBody);
}

/** Lets `node:http` answer by a decision that has been made. */
function leave(exchange: LaneExchange, decided: Decided): void {
  leaveDecision(exchange.lend(), decided);
}

function readExchange(exchange: LaneExchange, id: string): GatewayRequest {
  const { head, peer, encrypted, socket } = exchange;
  const arrival = arrivalOf(socket);
  return {
    ...(arrival && { arrival }),
    id,
    method: head.method,
    target: head.target,
    headers: head.headers,
    peer,
    encrypted,
    upgrade: false,
    // Most requests end without anybody listening to it.
    get signal() {
      return exchange.signal;
    },
  };
}
