/**
 * Connections of HTTP/2 to one server: a few, each with many requests at once. Made with `node:http2`: undici's client loses answers
 * of HTTP/2 (`docs/decisions/grpc.md`).
 */
import { type ClientHttp2Session, constants } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Log } from '../core/log.ts';
import { connectHttp2, connectTls, type TlsClientOptions } from '../tls/client.ts';

interface UpstreamSessionsParts {
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  /** Absent: clear text, which the server must understand without being asked (RFC 9113 §3.3). */
  readonly tls: TlsClientOptions | undefined;
  /** In milliseconds. */
  readonly connectTimeout: number;
  readonly log: Log;
}

/** A connection, and how much runs on it. */
interface Held {
  readonly session: ClientHttp2Session;
  streams: number;
  /** The server takes no more on it; what runs may end. */
  isLeaving: boolean;
}

/** What the server may send ahead of what is read: of one answer, and of all of a connection. */
const streamWindow = 256 * 1024;
const connectionWindow = 1024 * 1024;
const maxSessions = 4;
/** Requests on one connection before another is opened, where the server allows as many. */
const crowded = 100;
const pingEvery = 30_000;
const pingPatience = 10_000;
/** An idle connection is closed after this time, in milliseconds. */
const idleAfter = 60_000;

/** Those to one server. */
export class UpstreamSessions {
  readonly #parts: UpstreamSessionsParts;
  readonly #held = new Set<Held>();
  #opening: Promise<Held> | undefined;
  #isClosed = false;

  constructor(parts: UpstreamSessionsParts) {
    this.#parts = parts;
  }

  /** The connection with the most room; release what it returns when the request has ended. Rejects where none can be had. */
  async take(): Promise<{ readonly session: ClientHttp2Session; readonly release: () => void }> {
    let held = this.#best();
    if (!held || (held.streams >= roomOf(held) && this.#held.size < maxSessions)) {
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
      });
      const fresh = await this.#opening;
      held = this.#best() ?? fresh;
    }
    held.streams += 1;
    const { session } = held;
    let isReleased = false;
    return {
      session,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        held.streams -= 1;
        if (held.streams === 0 && (held.isLeaving || this.#isClosed)) session.close();
      },
    };
  }

  /** Takes no more requests; connections end with what runs on them. */
  close(): void {
    this.#isClosed = true;
    for (const { session, streams } of this.#held) if (streams === 0) session.close();
  }

  #best(): Held | undefined {
    let best: Held | undefined;
    for (const held of this.#held) if (isOpen(held) && (!best || held.streams < best.streams)) best = held;
    return best;
  }

  async #open(): Promise<Held> {
    const { origin, connectTimeout } = this.#parts;
    const session = connectHttp2(origin, this.#connect(), {
      settings: { enablePush: false, initialWindowSize: streamWindow },
      maxHeaderListPairs: 256,
      // A client's lines go up as they are, as over HTTP/1.1: what stands twice is for the application to judge.
      strictSingleValueFields: false,
    });
    const held: Held = { session, streams: 0, isLeaving: false };
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () =>
          session.destroy(
            Object.assign(new Error(`no HTTP/2 connection within ${connectTimeout} ms`), { code: 'ETIMEDOUT' }),
          ),
        connectTimeout || 2 ** 31 - 1,
      );
      // With the server's first settings it is known that it speaks HTTP/2.
      session.once('remoteSettings', () => resolve());
      session.once('close', () => reject(new Error(`${origin} closed the connection, and may not speak HTTP/2`)));
      session.on('error', reject);
      session.once('remoteSettings', () => clearTimeout(late)).once('close', () => clearTimeout(late));
    });
    session.setLocalWindowSize(connectionWindow);
    this.#keep(held);
    return held;
  }

  #keep(held: Held): void {
    const { session } = held;
    this.#held.add(held);
    let idleSince = performance.now();
    const timer = setInterval(() => {
      if (held.streams > 0) {
        idleSince = performance.now();
        this.#ping(session);
      } else if (performance.now() - idleSince >= idleAfter) session.close();
    }, pingEvery).unref();
    session.once('goaway', () => {
      held.isLeaving = true;
    });
    session.on('error', (error: Error) =>
      this.#parts.log.debug({ upstream: this.#parts.origin, error }, 'an HTTP/2 connection to an upstream broke'),
    );
    session.once('close', () => {
      clearInterval(timer);
      this.#held.delete(held);
    });
  }

  /** A server that has gone without a word answers none. */
  #ping(session: ClientHttp2Session): void {
    if (session.closed || session.destroyed) return;
    const late = setTimeout(() => session.destroy(undefined, constants.NGHTTP2_NO_ERROR), pingPatience).unref();
    try {
      session.ping(() => clearTimeout(late));
    } catch {
      clearTimeout(late);
    }
  }

  #connect(): Socket {
    const { host, port, tls } = this.#parts;
    if (!tls) return connectTcp({ host, port, noDelay: true });
    const servername = tls.servername === undefined ? {} : { servername: tls.servername };
    return connectTls({ host, port, ...servername }, { ...tls, ALPNProtocols: ['h2'] });
  }
}

/** One that has broken is not `closed` to Node, and takes nothing. */
function isOpen({ session, isLeaving }: Held): boolean {
  return !isLeaving && !session.closed && !session.destroyed;
}

function roomOf({ session }: Held): number {
  return Math.min(session.remoteSettings?.maxConcurrentStreams ?? crowded, crowded);
}
