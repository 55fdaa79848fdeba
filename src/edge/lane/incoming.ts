/** What has come on a connection and been read by nobody yet: request heads, and the body behind the one under way. */
import type { Socket } from 'node:net';
import type { HeadReader } from './head.ts';

/** Bytes that are taken in while nobody reads them; a client that sends more waits. */
const maxAhead = 65_536;
/** Requests whose answers a client has not waited for: as many as `node:http` gets (`pipelining.ts`). */
const maxRequestsAhead = 100;
const shortestRequest = 18;
const furtherHead = /\r\n\r\n(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) \//g;

/** The bytes of one client. */
export class Incoming {
  readonly #socket: Socket;
  #bytes: Buffer | undefined;
  #bodyLeft = 0;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#bytes === undefined;
  }

  /** Bytes of the body under way that nobody has read. */
  get bodyLeft(): number {
    return this.#bodyLeft;
  }

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes ? Buffer.concat([this.#bytes, chunk]) : chunk;
  }

  /** The next head; its body is what comes next. */
  nextHead(reader: HeadReader): ReturnType<HeadReader['read']> {
    const bytes = this.#bytes;
    if (!bytes) return 'incomplete';
    const head = reader.read(bytes);
    if (typeof head === 'string') return head;
    const { length } = head.text;
    this.#bytes = bytes.length > length ? bytes.subarray(length) : undefined;
    this.#bodyLeft = head.bodyLength;
    return head;
  }

  /** What has come of the body; undefined where there is nothing. */
  nextPart(): Buffer | undefined {
    const bytes = this.#bytes;
    if (!bytes || this.#bodyLeft === 0) return undefined;
    const part = bytes.length > this.#bodyLeft ? bytes.subarray(0, this.#bodyLeft) : bytes;
    this.#bytes = part.length < bytes.length ? bytes.subarray(part.length) : undefined;
    this.#bodyLeft -= part.length;
    return part;
  }

  /** All of it, for somebody else to read. */
  takeAll(): Buffer {
    const bytes = this.#bytes ?? Buffer.alloc(0);
    this.#bytes = undefined;
    return bytes;
  }

  /** Lets the client wait where it has sent too much. */
  holdBack(): void {
    if ((this.#bytes?.length ?? 0) > maxAhead) this.pause();
  }

  /** Whether more requests have been sent ahead than any browser sends. */
  isTooFarAhead(): boolean {
    const bytes = this.#bytes;
    if (!bytes || this.#bodyLeft > 0 || bytes.length < maxRequestsAhead * shortestRequest) return false;
    return (bytes.toString('latin1').match(furtherHead)?.length ?? 0) >= maxRequestsAhead;
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }
}
