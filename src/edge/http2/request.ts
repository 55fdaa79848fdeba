/**
 * A request of HTTP/2 as the rest of the gateway knows requests: with Node's HTTP/1.1 properties, and none of HTTP/2's own
 * spellings. Why not with Node's compatibility classes: `docs/decisions/0006-http2.md`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';

/** Where the connection is to be seen from a request; destroying it ends the request alone, not its neighbours. */
export interface StreamSocket {
  readonly encrypted: true;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly alpnProtocol: 'h2';
  readonly writable: boolean;
  destroy(): void;
}

/** A request that came on a stream of HTTP/2. */
export class Http2Request extends Readable {
  readonly method: string;
  /** The portal writes the canonical target over it. */
  url: string;
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** Names and values in turn as HTTP/1.1 would have had them: `Host` first, one `cookie`, no pseudo-headers. */
  readonly rawHeaders: string[];
  readonly httpVersion = '2.0';
  readonly httpVersionMajor = 2;
  readonly httpVersionMinor = 0;
  readonly socket: StreamSocket;
  /** True when the client has sent all of it. A stream that was reset never is, though Node ends it all the same. */
  complete: boolean;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, rawHeaders: readonly string[], socket: TLSSocket) {
    super({ highWaterMark: 65_536 });
    this.#stream = stream;
    const pseudo = pseudoHeaders(rawHeaders);
    this.method = pseudo.get(':method') ?? '';
    this.url = pseudo.get(':path') ?? '';
    this.complete = stream.endAfterHeaders;
    this.rawHeaders = plainHeaders(rawHeaders, pseudo.get(':authority'), !stream.endAfterHeaders);
    this.headers = headersOf(this.rawHeaders);
    this.socket = socketOf(stream, socket);
    // A request without a listener must not end the process: its client has only gone.
    this.on('error', () => undefined);
    stream.once('close', () => this.complete || this.destroy());
    if (stream.endAfterHeaders) this.push(null);
    else stream.on('data', this.#onData).on('end', this.#onEnd).pause();
  }

  /** As for HTTP/1.1, where it reaches the socket; nothing here waits longer than the body's own limits. */
  get connection(): StreamSocket {
    return this.socket;
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stream.off('data', this.#onData).off('end', this.#onEnd);
    // What still comes is taken in and dropped, so that the connection's window does not fill with it.
    if (!this.#stream.destroyed) this.#stream.resume();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#stream.pause();
  };

  readonly #onEnd = (): void => {
    // Node also ends a stream that the client has reset, and one whose connection broke: the body is then not whole.
    if (this.#stream.aborted || this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
      this.destroy();
      return;
    }
    this.complete = true;
    this.push(null);
  };
}

/** The value of a pseudo-header, before a request is made of it. */
export function pseudoHeader(rawHeaders: readonly string[], name: string): string | undefined {
  return pseudoHeaders(rawHeaders).get(name);
}

function pseudoHeaders(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.startsWith(':')) found.set(name, rawHeaders[index + 1] ?? '');
  }
  return found;
}

/**
 * `:authority` is the Host (RFC 9113 §8.3.1). A `host` that says the same goes; one that says something else stays beside it,
 * and the request is refused for having two. Cookies may come in crumbs, which are one header (§8.2.3). A body without a
 * length is what HTTP/1.1 calls chunked.
 */
function plainHeaders(rawHeaders: readonly string[], authority: string | undefined, hasBody: boolean): string[] {
  const lines = authority === undefined ? [] : ['Host', authority];
  const crumbs: string[] = [];
  let hasLength = false;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = rawHeaders[index + 1] ?? '';
    if (name.startsWith(':')) continue;
    if (name === 'host' && value.toLowerCase() === authority?.toLowerCase()) continue;
    if (name === 'cookie') {
      crumbs.push(value);
      continue;
    }
    if (name === 'content-length') hasLength = true;
    lines.push(name, value);
  }
  if (crumbs.length > 0) lines.push('cookie', crumbs.join('; '));
  if (hasBody && !hasLength) lines.push('transfer-encoding', 'chunked');
  return lines;
}

/** As Node makes them of HTTP/1.1: of headers that count once the first, of the others all. */
function headersOf(rawHeaders: readonly string[]): Readonly<IncomingHttpHeaders> {
  const headers: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    const before = headers[name];
    if (before === undefined) headers[name] = name === 'set-cookie' ? [value] : value;
    else if (typeof before !== 'string') before.push(value);
    else if (!single.has(name)) headers[name] = `${before}, ${value}`;
  }
  return headers;
}

const single: ReadonlySet<string> = new Set([
  ...['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since'],
  ...['if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer'],
  ...['retry-after', 'server', 'user-agent'],
]);

function socketOf(stream: ServerHttp2Stream, { remoteAddress, remotePort }: TLSSocket): StreamSocket {
  return {
    encrypted: true,
    remoteAddress,
    remotePort,
    alpnProtocol: 'h2',
    get writable() {
      return !stream.destroyed;
    },
    destroy: () => stream.close(constants.NGHTTP2_CANCEL),
  };
}
