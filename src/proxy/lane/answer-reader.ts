/** Reads an upstream's answer as it comes: what precedes it, its head, its body, and whether the connection is still sound. */
import { AnswerBody } from './answer-body.ts';
import { AnswerFault, type AnswerHead, readAnswerHead } from './answer-head.ts';

/** Told what has come, in order. What these throw ends the reading. */
export interface AnswerEvents {
  /** `103 Early Hints`; whatever else precedes an answer is left out. */
  onHints(head: AnswerHead): void;
  onHead(head: AnswerHead): void;
  onPart(part: Buffer): void;
  /** All of it has come; `isSound` where the connection takes another request, and nothing stands behind the answer. */
  onWhole(isSound: boolean): void;
  /** Nothing of a body has come with the head. */
  onHeadAlone(): void;
}

/** Answers that precede one (RFC 9110 §15.2): an upstream that never comes to the point is no use. */
const maxInformational = 100;

/** One answer. */
export class AnswerReader {
  readonly #method: string;
  readonly #events: AnswerEvents;
  #head: AnswerHead | undefined;
  #body: AnswerBody | undefined;
  /** What has come of a head. */
  #partial: Buffer | undefined;
  #hasBegun = false;
  #informational = 0;

  constructor(method: string, events: AnswerEvents) {
    this.#method = method;
    this.#events = events;
  }

  /** Absent until it has come whole. */
  get head(): AnswerHead | undefined {
    return this.#head;
  }

  /** Whether any byte has come. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Throws an AnswerFault where it cannot be read in one way only. */
  read(chunk: Buffer): void {
    this.#hasBegun = true;
    if (this.#body) {
      this.#readBody(this.#body, chunk);
      return;
    }
    this.#partial = this.#partial ? Buffer.concat([this.#partial, chunk]) : chunk;
    while (this.#partial && !this.#body) {
      const bytes: Buffer = this.#partial;
      const head = readAnswerHead(bytes, this.#method);
      if (!head) {
        // What came is another's as soon as this returns.
        this.#partial = Buffer.from(bytes);
        return;
      }
      this.#partial = bytes.length > head.length ? bytes.subarray(head.length) : undefined;
      if (head.status >= 200) this.#begin(head);
      else this.#precede(head);
    }
  }

  #precede(head: AnswerHead): void {
    this.#informational += 1;
    if (this.#informational > maxInformational) throw new AnswerFault('the upstream sends 1xx without end');
    if (head.status === 101) throw new AnswerFault('the upstream changes the protocol, and nobody has asked');
    if (head.status === 103) this.#events.onHints(head);
  }

  /** The connection has ended: whether the answer is whole. */
  end(): boolean {
    return this.#body?.end() ?? false;
  }

  #begin(head: AnswerHead): void {
    this.#events.onHead(head);
    this.#head = head;
    this.#body = new AnswerBody(head.framing);
    const rest = this.#partial;
    this.#partial = undefined;
    if (rest || this.#body.isDone) this.#readBody(this.#body, rest ?? nothing);
    else this.#events.onHeadAlone();
  }

  #readBody(body: AnswerBody, chunk: Buffer): void {
    const length = body.read(chunk, (part) => this.#events.onPart(part));
    if (body.isDone) this.#events.onWhole(this.#head?.keepsAlive === true && length === chunk.length);
  }
}

const nothing = Buffer.alloc(0);
