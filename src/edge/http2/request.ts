/**
 * A request of HTTP/2 as the rest of the gateway knows requests: with Node's HTTP/1.1 properties, and none of HTTP/2's own
 * spellings. Why not with Node's compatibility classes: `docs/decisions/0006-http2.md`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { HeaderLines } from '../../core/request-head.ts';
import { shareArrival } from '../arrival.ts';

/** Where the connection is to be seen from a request; destroying it ends the request alone, not its neighbours. */
interface StreamSocket {
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
    const lines = new HeaderLines(rawHeaders);
    this.method = lines.named(':method')[0] ?? '';
    this.url = lines.named(':path')[0] ?? '';
    this.complete = stream.endAfterHeaders;
    this.rawHeaders = plainHeaders(lines, !stream.endAfterHeaders);
    this.headers = new HeaderLines(this.rawHeaders).toNode().headers;
    this.socket = socketOf(stream, socket);
    shareArrival(socket, this.socket);
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
  return new HeaderLines(rawHeaders).named(name)[0];
}

/**
 * `:authority` is the Host (RFC 9113 §8.3.1). A `host` that says the same goes; one that says something else stays beside it,
 * and the request is refused for having two. Cookies may come in crumbs, which are one header (§8.2.3). A body without a
 * length is what HTTP/1.1 calls chunked.
 */
function plainHeaders(stream: HeaderLines, hasBody: boolean): string[] {
  const [authority] = stream.named(':authority');
  const lines = authority === undefined ? [] : ['Host', authority];
  stream.each((name, value) => {
    if (name.startsWith(':') || name === 'cookie') return;
    if (name === 'host' && value.toLowerCase() === authority?.toLowerCase()) return;
    lines.push(name, value);
  });
  if (stream.has('cookie')) lines.push('cookie', stream.all('cookie').join('; '));
  if (hasBody && !stream.has('content-length')) lines.push('transfer-encoding', 'chunked');
  return lines;
}

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
