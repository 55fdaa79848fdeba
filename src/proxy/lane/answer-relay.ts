/** Passes an upstream's answer on to the client part by part: what is read of it, rewritten by the rules of all answers. */
import type { Forward } from '../../core/verdict.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { type ResponseRules, responseHeaders } from '../response-headers.ts';
import type { AnswerHead } from './answer-head.ts';
import { type AnswerEvents, AnswerReader } from './answer-reader.ts';
import { ClientAnswer } from './client-answer.ts';

interface RelayParts {
  readonly exchange: LaneExchange;
  readonly forward: Forward;
  readonly rules: ResponseRules;
  /** Added to the answer where the upstream has no such line: names and values in turn. */
  readonly added: readonly string[];
}

/** Told how far it has come. */
interface RelayEvents {
  /** The head goes to the client. */
  onAnswer(isEventStream: boolean): void;
  /** The client takes no more for now. */
  onFull(): void;
  /** All of it has come; `isSound` where the connection takes another request. */
  onOver(status: number, isSound: boolean): void;
}

/** One answer on its way. */
export class AnswerRelay implements AnswerEvents {
  readonly #parts: RelayParts;
  readonly #events: RelayEvents;
  readonly #reader: AnswerReader;
  readonly #answer: ClientAnswer;

  constructor(parts: RelayParts, events: RelayEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#reader = new AnswerReader(parts.exchange.head.method, this);
    this.#answer = new ClientAnswer(parts.exchange);
  }

  /** Absent until it has come whole. */
  get head(): AnswerHead | undefined {
    return this.#reader.head;
  }

  /** Throws where the answer cannot be read in one way only, or may not be passed on. */
  read(chunk: Buffer): void {
    this.#reader.read(chunk);
  }

  /** The connection has ended: whether that ends the answer, too. */
  end(): boolean {
    if (!this.#reader.end()) return false;
    this.onWhole(false);
    return true;
  }

  onHead({ status, phrase, framing, headers }: AnswerHead): void {
    const { forward, rules, added } = this.#parts;
    // What this throws refuses the answer.
    const lines = responseHeaders(headers, forward, rules, status);
    const [own] = added;
    if (own !== undefined && headers.named(own).length === 0) lines.push(...added);
    const isChunked = framing.kind === 'chunked' || framing.kind === 'close';
    this.#answer.begin({ status, phrase, lines, isChunked });
    this.#events.onAnswer(/^text\/event-stream\b/i.test(headers.single('content-type') ?? ''));
  }

  onPart(part: Buffer): void {
    if (!this.#answer.send(part)) this.#events.onFull();
  }

  /** The head travels with the first part of the body where that is here already, and alone where it is not. */
  onHeadAlone(): void {
    process.nextTick(() => this.#parts.exchange.isOpen && this.#answer.flush());
  }

  onWhole(isSound: boolean): void {
    this.#answer.end();
    this.#events.onOver(this.#reader.head?.status ?? 0, isSound);
  }

  onHints({ headers }: AnswerHead): void {
    this.#answer.hint(headers.all('link'));
  }
}
