/** The body of an upstream's answer: where it ends, and its bytes without the coding of its connection. */
import { AnswerFault, type AnswerFraming } from './answer-head.ts';

/** Bytes of a chunk's size line, and of all trailer lines. */
const maxLine = 4096;
const maxTrailers = 16_384;

/** Reads a body part by part. */
export class AnswerBody {
  readonly #framing: AnswerFraming;
  /** Of the body, or of the chunk under way; with a chunk's closing CRLF. */
  #left: number;
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done';
  /** A line that has not come whole. */
  #line = '';
  #trailers = 0;

  constructor(framing: AnswerFraming) {
    this.#framing = framing;
    this.#left = framing.kind === 'length' ? framing.bytes : 0;
    const isEmpty = framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0);
    this.#state = isEmpty ? 'done' : framing.kind === 'chunked' ? 'size' : 'data';
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /**
   * Reads on; `onData` gets what is content. The number of bytes that belong to the body: fewer than have come where it has
   * ended within them. Throws an AnswerFault where the coding is broken.
   */
  read(bytes: Buffer, onData: (part: Buffer) => void): number {
    if (this.#framing.kind === 'close') {
      onData(bytes);
      return bytes.length;
    }
    if (this.#framing.kind === 'chunked') return this.#readChunks(bytes, onData);
    if (this.#state === 'done') return 0;
    const taken = Math.min(this.#left, bytes.length);
    onData(taken === bytes.length ? bytes : bytes.subarray(0, taken));
    this.#left -= taken;
    if (this.#left === 0) this.#state = 'done';
    return taken;
  }

  /** The connection has ended: whether that ends the body, too. */
  end(): boolean {
    if (this.#framing.kind === 'close') this.#state = 'done';
    return this.isDone;
  }

  #readChunks(bytes: Buffer, onData: (part: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const taken = Math.min(this.#left, bytes.length - at);
        onData(bytes.subarray(at, at + taken));
        at += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#state = 'data-end';
        continue;
      }
      const lineEnd = bytes.indexOf(0x0a, at);
      this.#line += bytes.toString('latin1', at, lineEnd === -1 ? bytes.length : lineEnd + 1);
      at = lineEnd === -1 ? bytes.length : lineEnd + 1;
      if (this.#line.length > maxLine) throw new AnswerFault('a line of the chunked answer is too long');
      if (lineEnd === -1) break;
      if (!this.#line.endsWith('\r\n')) throw new AnswerFault('a line of the chunked answer has no CRLF');
      const line = this.#line.slice(0, -2);
      this.#line = '';
      this.#readLine(line);
    }
    return at;
  }

  #readLine(line: string): void {
    if (this.#state === 'data-end') {
      if (line !== '') throw new AnswerFault('a chunk of the answer is longer than it says');
      this.#state = 'size';
    } else if (this.#state === 'trailers') {
      // Trailers are dropped: whoever reads them as headers would read what nobody has judged.
      this.#trailers += line.length;
      if (this.#trailers > maxTrailers) throw new AnswerFault('the trailers of the answer are too long');
      if (line === '') this.#state = 'done';
    } else {
      const [, size] = /^([0-9a-f]{1,13})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i.exec(line) ?? [];
      if (size === undefined) throw new AnswerFault('the size of a chunk of the answer is no number');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailers' : 'data';
    }
  }
}
