/**
 * Answers front proxies on the lane itself: the one answer that the lane gives, since it has no upstream, the permission for a live
 * session. Whatever else comes of such a call is `forward-auth.ts`'s to say, together with the decision that has been made.
 */
import type { AnswerHeaders } from '../../core/answer.ts';
import type { Forward, GatewayRequest } from '../../core/verdict.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { clientEnd, dateLine } from '../../proxy/lane/client-head.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import { type Decided, secondsSince } from '../decided.ts';
import type { KeptPermits, PermitLines } from '../kept/kept-permits.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Asked, ForwardAuthCarrier } from './forward-auth.ts';
import { leaveDecision } from './lent-decision.ts';

interface LanePermitsParts {
  readonly pipeline: Pipeline;
  readonly forwardAuth: ForwardAuthCarrier;
  readonly kept: KeptPermits;
  readonly recorder: Pick<Recorder, 'forwarded'>;
  /** The names by which a session's identity is told, in lower case. */
  readonly identityNames: readonly string[];
  /** `Strict-Transport-Security` of answers over https. */
  readonly hsts: string | undefined;
}

/** Each request's own. */
const own: ReadonlySet<string> = new Set(['x-request-id', 'traceparent']);
const oddOctet = /[^\t\x20-\x7e\x80-\xff]/;

/** Answers calls of the forward-auth address. */
export class LanePermits {
  readonly #parts: LanePermitsParts;
  readonly #identityNames: ReadonlySet<string>;

  constructor(parts: LanePermitsParts) {
    this.#parts = parts;
    this.#identityNames = new Set(parts.identityNames);
  }

  /** Answers a call that was permitted before, and still is; false where that has to be decided. */
  answerAgain(exchange: LaneExchange): boolean {
    const permit = this.#parts.kept.find(exchange);
    if (!permit) return false;
    this.#write(exchange, permit.lines);
    this.#parts.recorder.forwarded(permit.record(secondsSince({ startedAt: exchange.cameAt })));
    exchange.finish(true);
    return true;
  }

  /** Decides on a call; where it cannot be read, or may bring a form, nothing is done here. */
  carry(exchange: LaneExchange, call: GatewayRequest): void | Promise<void> {
    const asked = exchange.head.bodyLength > 0 ? undefined : this.#parts.forwardAuth.asked(call);
    if (!asked || asked.again) return void exchange.lend();
    const pending = this.#parts.pipeline.decide(asked.request);
    if (pending instanceof Promise) return pending.then((decided) => this.#answer(exchange, call, { asked, decided }));
    return this.#answer(exchange, call, { asked, decided: pending });
  }

  #answer(exchange: LaneExchange, call: GatewayRequest, made: { asked: Asked; decided: Decided }): void {
    const { pipeline, forwardAuth, kept } = this.#parts;
    const { asked } = made;
    const decided = forwardAuth.review(made.decided, asked.use, call);
    if (!exchange.isOpen) return void pipeline.finish(decided, { status: 499 });
    const forward = decided.verdict.kind === 'forward' ? decided.verdict.forward : undefined;
    const headers = forward?.session && forwardAuth.permitHeaders(forward, asked.isEnvoy);
    if (!forward || !headers || !isWritable(headers)) return void leaveDecision(exchange.lend(), decided);
    const lines = this.#linesOf(headers, forward, exchange);
    if (!asked.isEnvoy && forwardAuth.isClean(call.headers)) kept.keep(exchange, decided, forward, lines);
    const [id, trace] = [...own].map((name) => textOf(name, headers[name]));
    this.#write(exchange, `${lines.call}${lines.identity}${id}${lines.hasTrace ? '' : trace}`);
    pipeline.finish(decided, { status: 200, lane: true });
    exchange.finish(true);
  }

  #write(exchange: LaneExchange, lines: string): void {
    exchange.write(`HTTP/1.1 200 OK\r\n${lines}${dateLine()}${clientEnd(exchange.keepAlive)}`);
  }

  #linesOf(headers: AnswerHeaders, { headers: sent }: Forward, exchange: LaneExchange): PermitLines {
    const { hsts } = this.#parts;
    // The client's own goes on; one of ours would be another with each request.
    const trace = sent.get('traceparent');
    const hasTrace = trace === exchange.head.headers.single('traceparent');
    const call = ['content-length: 0\r\n'];
    if (!('cache-control' in headers)) call.push('cache-control: no-store\r\n');
    const identity: string[] = [];
    for (const [name, value] of Object.entries(headers))
      if (!own.has(name)) (this.#identityNames.has(name) ? identity : call).push(textOf(name, value));
    if (hasTrace) call.push(textOf('traceparent', trace));
    if (exchange.encrypted && hsts !== undefined) call.push(textOf('strict-transport-security', hsts));
    return { call: call.join(''), identity: identity.join(''), hasTrace };
  }
}

function textOf(name: string, value: string | readonly string[] | undefined): string {
  return [value ?? []]
    .flat()
    .map((one) => `${name}: ${one}\r\n`)
    .join('');
}

/** Whether each value may stand in a head. */
function isWritable(headers: AnswerHeaders): boolean {
  return Object.values(headers)
    .flat()
    .every((value) => !oddOctet.test(value));
}
