/**
 * HTTP to a server that the configuration names: its own CAs, answers that are bounded after they were unpacked, one
 * limit of time for a whole exchange, no redirect followed, and an end to all of it.
 */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { Failure } from '../core/failure.ts';
import type { Authorities } from '../tls/authorities.ts';
import type { CertificateListener } from '../tls/client.ts';
import { withDeadline } from './deadline.ts';
import type { OutboundProxy } from './outbound-proxy.ts';
import { Routes } from './routes.ts';

/** How a client is set. */
interface HttpClientOptions {
  readonly ca: Authorities | undefined;
  /** What each server that is asked must show one of, besides a good chain and name. */
  readonly pins?: readonly string[] | undefined;
  /** For one exchange, its answer included; in milliseconds. */
  readonly timeout: number;
  /** False: each request on a connection of its own, where an answer that is lost cannot be asked for again. */
  readonly keepAlive: boolean;
  /** The way out; directly when absent. */
  readonly outboundProxy?: OutboundProxy | undefined;
  readonly onCertificate?: CertificateListener | undefined;
}

/** One request. */
interface HttpRequest {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer, whole and unpacked. Names of headers are in lower case. */
interface HttpAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Buffer;
}

/** A fetch with the shape that openid-client and jose ask for. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

/** What they pass to it. */
interface FetchInit {
  readonly method?: string | undefined;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly redirect?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The most bytes of an answer, on the wire and unpacked. */
const maxBytes = 1024 * 1024;

/** The connections to one server. More requests than connections wait their turn. */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #routes: Routes;
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#routes = new Routes({ ...options, outboundProxy: options.outboundProxy ?? false });
  }

  /** Asks once. Rejects with what sockets, TLS and the clock say, or with a Failure for an answer that cannot be taken. */
  async request(url: string | URL, { method = 'GET', headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    if (this.#isClosed) throw new DOMException('the provider is closed', 'AbortError');
    return withDeadline(signal, this.#options.timeout, async (deadline) => {
      const answer = await this.#routes.send(new URL(url), {
        reset: !this.#options.keepAlive,
        method: method as Dispatcher.HttpMethod,
        // Unless a caller says otherwise nothing comes packed; what does all the same is unpacked within bounds.
        headers: { 'accept-encoding': 'identity', 'user-agent': 'gatehouse', ...headers },
        body: body ?? null,
        signal: deadline.signal,
      });
      const bytes = await readBounded(answer.body, placeOf(url));
      const { 'content-encoding': encoding = 'identity', ...rest } = answer.headers;
      return { status: answer.statusCode, headers: rest, body: await unpack(bytes, String(encoding), placeOf(url)) };
    });
  }

  /** The same in the shape of `fetch`. */
  readonly fetch: Fetch = async (url, init) => {
    const headers = new Headers(init.headers as ConstructorParameters<typeof Headers>[0]);
    const body = bodyText(init.body);
    if (init.body instanceof URLSearchParams && !headers.has('content-type'))
      headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
    const { method, signal } = init;
    const answer = await this.request(url, { method, signal, body, headers: Object.fromEntries(headers) });
    const { 'content-length': _packed, ...kept } = answer.headers;
    const lines = Object.entries(kept).flatMap(([name, value]) =>
      [value ?? []].flat().map((item): [string, string] => [name, item]),
    );
    // A `Response` may have no body, not even an empty one, with these.
    const isBare = [204, 205, 304].includes(answer.status);
    return new Response(isBare ? null : new Uint8Array(answer.body), { status: answer.status, headers: lines });
  };

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#routes.close();
  }
}

/** Origin and path only: a query may hold a ticket or a code. */
function placeOf(url: string | URL): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/;.*$/, '')}`;
}

function bodyText(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof URLSearchParams) return String(body);
  throw new TypeError('a request to an identity provider has a text for a body');
}

async function readBounded(body: Dispatcher.ResponseData['body'], where: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    if (!Buffer.isBuffer(part)) continue;
    length += part.length;
    // Leaving the loop destroys the body and its connection.
    if (length > maxBytes) throw tooLarge(where);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const unpackers: Readonly<Record<string, (bytes: Buffer, limits: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

async function unpack(bytes: Buffer, encoding: string, where: string): Promise<Buffer> {
  const name = encoding.trim().toLowerCase();
  if (name === 'identity' || name === '') return bytes;
  const unpacker = Object.hasOwn(unpackers, name) ? unpackers[name] : undefined;
  const hint = 'have the server send its answers as they are';
  if (!unpacker) throw new Failure('protocol-error', `${where}: the answer is packed in an unknown way`, { hint });
  if (bytes.length === 0) return bytes;
  try {
    return await unpacker(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(where);
    throw new Failure('protocol-error', `${where}: the answer cannot be unpacked`, { hint });
  }
}

function tooLarge(where: string): Failure {
  return new Failure('protocol-error', `${where}: the answer is too large`, { hint: 'check what answers there' });
}
