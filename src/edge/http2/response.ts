/**
 * An answer over HTTP/2 with what the gateway uses of Node's ServerResponse: a stream that a client or the gateway may cut at
 * any time, headers that may stand several times, and none that belong to a connection of HTTP/1.1.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { Writable } from 'node:stream';

type Value = string | number | readonly string[];

/** What HTTP/2 has no use for (RFC 9113 §8.2.2). */
const ofHttp1: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const endPatience = 5;

/** What an answer must know of its request. */
interface RequestHalf {
  readonly method: string;
  readonly complete: boolean;
  destroy(): unknown;
}

/** An answer that goes out on a stream of HTTP/2. */
export class Http2Response extends Writable {
  statusCode = 200;
  /** There is none in HTTP/2. */
  statusMessage = '';
  readonly #stream: ServerHttp2Stream;
  readonly #request: RequestHalf;
  readonly #headers = new Map<string, string[]>();
  #hasBody = true;
  #headersSent = false;
  #mayHaveTrailers = false;
  #isWhole = false;
  #trailers: readonly string[] = [];

  constructor(stream: ServerHttp2Stream, request: RequestHalf) {
    super({ highWaterMark: 65_536, decodeStrings: true });
    this.#stream = stream;
    this.#request = request;
    // What goes wrong with a stream shows as its end, which 'close' says.
    this.on('error', () => undefined);
    stream.once('close', () => this.destroy());
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  get finished(): boolean {
    return this.writableEnded;
  }

  setHeader(name: string, value: Value): this {
    if (this.#headersSent) throw new Error('the headers are out already');
    const spelt = name.toLowerCase();
    if (!ofHttp1.has(spelt)) this.#headers.set(spelt, [value].flat().map(String));
    return this;
  }

  appendHeader(name: string, value: Value): this {
    return this.setHeader(name, [...(this.#headers.get(name.toLowerCase()) ?? []), ...[value].flat().map(String)]);
  }

  getHeader(name: string): string | string[] | undefined {
    const values = this.#headers.get(name.toLowerCase());
    return values && (values.length === 1 ? values[0] : values);
  }

  getHeaderNames(): string[] {
    return [...this.#headers.keys()];
  }

  getHeaders(): Record<string, string | string[] | undefined> {
    return Object.fromEntries([...this.#headers.keys()].map((name) => [name, this.getHeader(name)]));
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase());
  }

  /** Headers come as names and values in turn, or as an object; each replaces what was set before under its name. */
  writeHead(status: number, ...rest: [phrase?: string | Headers, headers?: Headers]): this {
    if (this.#headersSent) throw new Error('the headers are out already');
    this.statusCode = status;
    const headers = rest.find((part) => typeof part === 'object') ?? [];
    const lines = Array.isArray(headers) ? pairs(headers) : Object.entries(headers);
    for (const [name] of lines) this.removeHeader(name);
    for (const [name, value] of lines) if (value !== undefined) this.appendHeader(name, value);
    this.#respond();
    return this;
  }

  /** Before the head: what ends the answer may be trailers. */
  awaitTrailers(): void {
    this.#mayHaveTrailers = true;
  }

  /** Before the end, of an answer that awaits them: names and values in turn. */
  setTrailers(lines: readonly string[]): void {
    this.#trailers = lines;
  }

  /** Sends a head that is all of the answer, and says so with it. */
  endWithHead(status: number, headers: readonly string[]): void {
    this.#isWhole = true;
    this.writeHead(status, headers);
    this.end();
  }

  flushHeaders(): void {
    if (!this.#headersSent) this.#respond();
  }

  writeContinue(): void {
    this.#inform({ ':status': 100 });
  }

  writeProcessing(): void {
    this.#inform({ ':status': 102 });
  }

  writeEarlyHints(hints: Readonly<Record<string, string | string[]>>): void {
    this.#inform({ ...hints, ':status': 103 });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (!this.#headersSent) this.#respond();
    // Called back once the client's window has taken it: that is the back-pressure.
    if (!this.#hasBody) callback();
    else if (this.#stream.writable) this.#stream.write(chunk, callback);
    else this.destroy();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (!this.#headersSent) this.#respond();
    if (this.#stream.writableFinished) {
      callback();
      return;
    }
    this.#stream.once('finish', () => callback());
    this.#stream.end();
  }

  /** Before its end, a cut: only a reset tells the client that the body is not whole. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.writableFinished) this.#endRequest();
    else if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    callback(error);
  }

  /** Nobody wants the rest of the body: the client may stop (RFC 9113 §8.1), once it has the whole answer. */
  #endRequest(): void {
    if (this.#request.complete || this.#stream.destroyed) return;
    if (!this.#stream.closed) {
      // A reset would overtake an end that still waits to be sent.
      if (this.#stream.state.localClose !== 1) {
        setTimeout(() => this.#endRequest(), endPatience).unref();
        return;
      }
      this.#stream.close(constants.NGHTTP2_NO_ERROR);
    }
    // A stream does not end before what has arrived on it is taken in.
    this.#request.destroy();
  }

  #respond(): void {
    this.#headersSent = true;
    if (this.#stream.destroyed || this.#stream.closed) return void this.destroy();
    const { statusCode } = this;
    this.#hasBody = !this.#isWhole && this.#request.method !== 'HEAD' && ![204, 205, 304].includes(statusCode);
    // In turn: an object would make one of headers that a browser wants to see one by one.
    const lines: string[] = [':status', String(statusCode)];
    for (const [name, values] of this.#headers) for (const value of values) lines.push(name, value);
    const waitForTrailers = this.#mayHaveTrailers && this.#hasBody;
    if (waitForTrailers) this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(trailersOf(this.#trailers)));
    this.#stream.respond(lines, { endStream: !this.#hasBody, waitForTrailers });
  }

  #inform(headers: Record<string, string | string[] | number>): void {
    if (!this.#headersSent && !this.#stream.destroyed && !this.#stream.closed) this.#stream.additionalHeaders(headers);
  }
}

/** Whether a response is one of HTTP/2. */
export function isHttp2Response(response: object): response is Http2Response {
  return response instanceof Http2Response;
}

/** A name that stands several times has a list. */
function trailersOf(lines: readonly string[]): Record<string, string | string[]> {
  const trailers: Record<string, string | string[]> = {};
  for (const [name, value] of pairs(lines)) {
    const before = trailers[name];
    trailers[name] = before === undefined ? value : [before, value].flat();
  }
  return trailers;
}

type Headers = readonly string[] | Readonly<Record<string, Value | undefined>>;

function pairs(lines: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let index = 0; index + 1 < lines.length; index += 2) found.push([lines[index] ?? '', lines[index + 1] ?? '']);
  return found;
}
