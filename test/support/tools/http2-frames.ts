/** HTTP/2 frame by frame, for what a well-behaved client cannot send: forbidden headers, resets at the wrong moment. */
import type { TLSSocket } from 'node:tls';

/** Types of frames (RFC 9113 §6). */
export const frames = { data: 0, headers: 1, reset: 3, settings: 4, goAway: 7, continuation: 9 } as const;

/** A frame that came back. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A client that says exactly what it is told to. */
export class FrameClient {
  readonly received: Frame[] = [];
  readonly #socket: TLSSocket;
  #rest: Buffer = Buffer.alloc(0);

  /** The connection must have chosen h2. Its preface and empty settings are sent at once. */
  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.send(frames.settings, 0, 0, Buffer.alloc(0));
  }

  get isClosed(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  send(type: number, flags: number, stream: number, payload: Buffer): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  /** Literal header fields without Huffman coding (RFC 7541 §6.2.2), so that every octet is our own. */
  headers(stream: number, lines: readonly (readonly [string, string])[], endStream: boolean): void {
    const block = lines.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]);
    this.send(frames.headers, 0x4 | (endStream ? 0x1 : 0), stream, Buffer.concat(block));
  }

  data(stream: number, text: string, endStream = false): void {
    this.send(frames.data, endStream ? 0x1 : 0, stream, Buffer.from(text));
  }

  reset(stream: number, code: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(code);
    this.send(frames.reset, 0, stream, payload);
  }

  /** The frames of a stream; those of the connection are on stream 0. */
  on(stream: number): Frame[] {
    return this.received.filter((frame) => frame.stream === stream);
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      const frame = {
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(9, 9 + length),
      };
      this.received.push(frame);
      this.#rest = this.#rest.subarray(9 + length);
      if (frame.type === frames.settings && (frame.flags & 1) === 0) this.send(frames.settings, 1, 0, Buffer.alloc(0));
    }
  }
}

/** A string with a length of seven bits, or of seven bits and two more octets. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest = bytes.length - 127;
  if (rest >= 1 << 14) throw new RangeError('a literal is too long for this client');
  return Buffer.concat([Buffer.from([127, (rest & 0x7f) | 0x80, rest >> 7]), bytes]);
}
