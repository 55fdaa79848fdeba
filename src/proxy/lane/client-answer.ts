/** An answer on its way to the client: its head with the first part of the body in one write, then part after part. */
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { clientHead } from './client-head.ts';
import { pageFor, writePage } from './write-page.ts';

/** Early hints of one request that are passed on. */
const maxHints = 10;

/** What the head says. */
interface Start {
  readonly status: number;
  readonly phrase: string;
  readonly lines: readonly string[];
  readonly isChunked: boolean;
}

/** Writes one answer. */
export class ClientAnswer {
  readonly #exchange: LaneExchange;
  #head: string | undefined;
  #isChunked = false;
  #hints = 0;

  constructor(exchange: LaneExchange) {
    this.#exchange = exchange;
  }

  /** Passes on the links of early hints (RFC 8297): an upstream that never stops sending them slows down nobody. */
  hint(links: readonly string[]): void {
    this.#hints += 1;
    if (links.length === 0 || this.#hints > maxHints) return;
    const lines = links.map((link) => `Link: ${link}\r\n`).join('');
    this.#exchange.write(`HTTP/1.1 103 Early Hints\r\n${lines}\r\n`);
  }

  /** Says what the head is; it travels with the first part of the body where that is here already. */
  begin({ status, phrase, lines, isChunked }: Start): void {
    this.#isChunked = isChunked;
    this.#head = clientHead({ status, phrase, lines, isChunked, keepAlive: this.#exchange.keepAlive });
  }

  /** Sends a part; false where the client is full. */
  send(part: Buffer): boolean {
    if (part.length === 0) return true;
    const before = (this.#head ?? '') + (this.#isChunked ? `${part.length.toString(16)}\r\n` : '');
    this.#head = undefined;
    const after = this.#isChunked ? '\r\n' : '';
    const { socket } = this.#exchange;
    // The part is somebody else's again as soon as this returns.
    const page = pageFor(before.length + part.length + after.length, socket);
    let length = page.write(before, 0, 'latin1');
    length += part.copy(page, length);
    length += page.write(after, length, 'latin1');
    return writePage(page, length, socket, this.#exchange);
  }

  /** Sends the head where no part of a body has taken it along. */
  flush(): void {
    if (this.#head === undefined) return;
    this.#exchange.write(this.#head);
    this.#head = undefined;
  }

  /** Sends what ends it. */
  end(): void {
    const rest = (this.#head ?? '') + (this.#isChunked ? '0\r\n\r\n' : '');
    this.#head = undefined;
    if (rest !== '') this.#exchange.write(rest);
  }
}
