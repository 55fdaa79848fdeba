/** What has come on a connection and been read by nobody yet: request heads, and the body behind the one under way. */
import type { Socket } from 'node:net';
import type { HeadReader } from './head.ts';
import type { LaneHead } from './lines.ts';

/** Bytes that are taken in while nobody reads them; a client that sends more waits. */
const maxAhead = 65_536;
/** Requests whose answers a client has not waited for: as many as `node:http` gets (`pipelining.ts`). */
const maxRequestsAhead = 100;
const shortestRequest = 18;
const furtherHead = /\r\n\r\n(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) \//g;

/** The bytes of one client. */
export class Incoming {
  readonly #socket: Socket;
  readonly #reader: HeadReader;
  #bytes: Buffer | undefined;
  /** In the place of its bytes: a head alone, as most requests come. */
  #head: LaneHead | undefined;
  #bodyLeft = 0;
  #isPaused = false;

  constructor(socket: Socket, reader: HeadReader) {
    this.#socket = socket;
    this.#reader = reader;
  }

  get isEmpty(): boolean {
    return this.#bytes === undefined && this.#head === undefined;
  }

  /** Bytes of the body under way that nobody has read. */
  get bodyLeft(): number {
    return this.#bodyLeft;
  }

  /** `isShared`: the bytes are another's as soon as this returns. */
  add(bytes: Buffer, isShared = false): void {
    if (isShared && this.isEmpty && this.#bodyLeft === 0) {
      const head = this.#reader.read(bytes);
      if (typeof head === 'object' && head.bodyLength === 0 && head.text.length === bytes.length) {
        this.#head = head;
        return;
      }
    }
    this.#unread();
    const chunk = isShared ? Buffer.from(bytes) : bytes;
    this.#bytes = this.#bytes ? Buffer.concat([this.#bytes, chunk]) : chunk;
  }

  /** The next head; its body is what comes next. */
  nextHead(): ReturnType<HeadReader['read']> {
    const alone = this.#head;
    this.#head = undefined;
    if (alone) return alone;
    const bytes = this.#bytes;
    if (!bytes) return 'incomplete';
    const head = this.#reader.read(bytes);
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
    this.#unread();
    const bytes = this.#bytes ?? Buffer.alloc(0);
    this.#bytes = undefined;
    return bytes;
  }

  #unread(): void {
    if (!this.#head) return;
    this.#bytes = Buffer.from(this.#head.text, 'latin1');
    this.#head = undefined;
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
