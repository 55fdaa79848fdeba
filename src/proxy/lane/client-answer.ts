/** An answer on its way to the client: its head with the first part of the body in one write, then part after part. */
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { clientHead } from './client-head.ts';

/** Up to so many bytes a part is copied behind the head; more go beside it. */
const maxCopy = 32_768;
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
    const size = this.#isChunked ? `${part.length.toString(16)}\r\n` : '';
    const before = (this.#head ?? '') + size;
    this.#head = undefined;
    const after = this.#isChunked ? '\r\n' : '';
    if (before === '' && after === '') return this.#exchange.write(part);
    if (part.length <= maxCopy) return this.#exchange.write(joined(before, part, after));
    const { socket } = this.#exchange;
    socket.cork();
    if (before !== '') this.#exchange.write(before);
    let isTaken = this.#exchange.write(part);
    if (after !== '') isTaken = this.#exchange.write(after);
    socket.uncork();
    return isTaken;
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

/** Not from the pool of Buffers: a socket may hold it for long. */
function joined(before: string, part: Buffer, after: string): Buffer {
  const bytes = Buffer.allocUnsafe(before.length + part.length + after.length);
  bytes.write(before, 0, 'latin1');
  part.copy(bytes, before.length);
  if (after !== '') bytes.write(after, before.length + part.length, 'latin1');
  return bytes;
}
