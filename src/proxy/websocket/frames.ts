/** WebSocket frames, read just far enough to know where one ends (RFC 6455 §5.2); payloads are never looked at. */

const closeOpcode = 0x8;

/** Follows the frames of one direction. */
export class FrameReader {
  readonly #head = Buffer.alloc(14);
  #have = 0;
  #need = 2;
  #left = 0;
  #isClosed = false;
  #messages = 0;

  /** True between two frames: the only place where another frame may be put in. */
  get isBetween(): boolean {
    return this.#left === 0 && this.#have === 0;
  }

  /** True when a Close frame has begun: nothing may follow it. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Frames that carry data; pings, pongs and the Close are not among them. */
  get dataFrames(): number {
    return this.#messages;
  }

  /** Reads a part of the stream, to its end or, when asked, to the first end of a frame; how many bytes that was. */
  read(chunk: Buffer, untilBetween = false): number {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
      } else {
        this.#readHead(chunk[at] ?? 0);
        at += 1;
      }
      if (untilBetween && this.isBetween) break;
    }
    return at;
  }

  #readHead(byte: number): void {
    this.#head[this.#have] = byte;
    this.#have += 1;
    const length = byte & 0x7f;
    if (this.#have === 2) this.#need = 2 + ({ 126: 2, 127: 8 }[length] ?? 0) + ((byte & 0x80) === 0 ? 0 : 4);
    if (this.#have < this.#need) return;
    this.#left = this.#payloadLength();
    const opcode = (this.#head[0] ?? 0) & 0x0f;
    if (opcode === closeOpcode) this.#isClosed = true;
    else if (opcode < closeOpcode) this.#messages += 1;
    this.#have = 0;
    this.#need = 2;
  }

  #payloadLength(): number {
    const length = (this.#head[1] ?? 0) & 0x7f;
    if (length === 126) return this.#head.readUInt16BE(2);
    return length === 127 ? Number(this.#head.readBigUInt64BE(2)) : length;
  }
}

/** A Close frame with a status and a short text; masked when it goes to a server. */
export function closeFrame(status: number, text: string, isMasked = false): Buffer {
  const payload = Buffer.concat([
    Buffer.from([status >> 8, status & 0xff]),
    Buffer.from(text, 'latin1').subarray(0, 123),
  ]);
  const head = [0x80 | closeOpcode, (isMasked ? 0x80 : 0) | payload.length];
  // A mask of zeros leaves the payload as it is. It guards caches against pages that choose the payload; nobody chose this one.
  return Buffer.concat([Buffer.from(isMasked ? [...head, 0, 0, 0, 0] : head), payload]);
}
