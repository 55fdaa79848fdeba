/** The HTTP/2 connections of a listener: what a client may ask of one, when an idle one ends, and their part in a drain. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { plainAnswer } from '../../core/answer.ts';
import type { Log } from '../../core/log.ts';
import { noteExpectation } from '../expect-continue.ts';
import { headOf } from '../head-of.ts';
import { writeToStream } from '../write-answer.ts';
import { Http2Request, pseudoHeader } from './request.ts';
import { Http2Response } from './response.ts';

interface Http2Parts {
  readonly log: Log;
  /** Of a request's head in bytes, each header counted with 32 more as RFC 9113 §6.5.2 says. */
  readonly maxHeaderSize: number;
  /** Milliseconds for which a connection without requests is kept. */
  readonly keepAlive: number;
  /** Takes what the rest of the gateway knows as a request and its response. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
}

/** Browsers open about a hundred at once, and no page needs more. */
const maxConcurrentStreams = 100;
/** What a client may send ahead of what is read: of one body, and of all of a connection. */
const streamWindow = 256 * 1024;
const connectionWindow = 1024 * 1024;

/** HTTP/2 connections, from the handshake to the end. */
export class Http2Sessions {
  readonly #parts: Http2Parts;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Those whose requests have all been answered. */
  readonly #idle = new Set<ServerHttp2Session>();

  constructor(parts: Http2Parts) {
    this.#parts = parts;
  }

  /** Takes over a connection whose client has chosen HTTP/2. */
  take(socket: TLSSocket): void {
    const { log, maxHeaderSize, keepAlive } = this.#parts;
    const session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderSize, initialWindowSize: streamWindow },
      maxHeaderListPairs: 256,
      // Requests that are reset as fast as they come cost us and not their client (CVE-2023-44487, CVE-2025-8671).
      streamResetBurst: 200,
      streamResetRate: 33,
      maxSessionInvalidFrames: 100,
      // Headers that stand twice are judged where those of HTTP/1.1 are, and an upstream's go to the client as they are.
      strictSingleValueFields: false,
    });
    session.setLocalWindowSize(connectionWindow);
    this.#sessions.add(session);
    let open = 0;
    let idle = setTimeout(() => session.close(), keepAlive);
    session.on('stream', (stream, _headers, _flags, rawHeaders) => {
      open += 1;
      clearTimeout(idle);
      this.#idle.delete(session);
      stream.once('close', () => {
        open -= 1;
        if (open > 0 || session.destroyed) return;
        idle = setTimeout(() => session.close(), keepAlive);
        this.#idle.add(session);
      });
      this.#serve(stream, rawHeaders, socket);
    });
    session.on('error', (error: Error & { code?: string }) => {
      if (error.code !== 'ECONNRESET')
        log.info({ code: error.code, address: socket.remoteAddress }, 'an HTTP/2 connection broke');
    });
    session.once('close', () => {
      clearTimeout(idle);
      this.#sessions.delete(session);
      this.#idle.delete(session);
    });
  }

  /** Tells every client to send no more on its connection; requests under way go on. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  /** As `close`, for the connections whose requests have all been answered. */
  closeIdle(): void {
    for (const session of this.#idle) session.close();
  }

  /** Ends every connection and what runs on it. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #serve(stream: ServerHttp2Stream, rawHeaders: readonly string[], socket: TLSSocket): void {
    stream.on('error', () => undefined);
    const fault = faultOf(rawHeaders, this.#parts.maxHeaderSize);
    if (fault !== undefined) {
      this.#parts.log.info({ address: socket.remoteAddress, status: fault }, 'a client sent what is no valid request');
      writeToStream(stream, plainAnswer(fault));
      return;
    }
    const ownRequest = new Http2Request(stream, rawHeaders, socket);
    const ownResponse = new Http2Response(stream, ownRequest);
    // The one place that knows they are not Node's own: they have what the gateway, Express and helmet use of those.
    const request = ownRequest as unknown as IncomingMessage;
    const response = ownResponse as unknown as ServerResponse;
    const expect = headOf(request).single('expect');
    if (expect?.toLowerCase() === '100-continue') noteExpectation(request, response);
    else if (expect !== undefined) return void response.writeHead(constants.HTTP_STATUS_EXPECTATION_FAILED).end();
    this.#parts.serve(request, response);
  }
}

/** The status for what nobody further in could answer: a head that is too large, a claim to be on plain HTTP. */
function faultOf(rawHeaders: readonly string[], maxHeaderSize: number): number | undefined {
  // nghttp2 holds a client to the limit only once it has acknowledged it, so its first requests are measured here.
  const size = rawHeaders.reduce((sum, text) => sum + text.length, 16 * rawHeaders.length);
  if (size > maxHeaderSize) return constants.HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
  // A CONNECT has no scheme (RFC 9113 §8.5); what becomes of it is the pipeline's to say.
  if (pseudoHeader(rawHeaders, ':method') === 'CONNECT') return undefined;
  if (pseudoHeader(rawHeaders, ':scheme')?.toLowerCase() !== 'https') return constants.HTTP_STATUS_BAD_REQUEST;
  return undefined;
}
