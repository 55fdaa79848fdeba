/** The TLS of the connections that come to a stream: handshakes in time, and what clients show of themselves. */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Log } from '../core/log.ts';
import type { Arrival } from '../core/peer.ts';
import { beneath, ClientCertificates, type GoneReason } from '../edge/client-certificates.ts';
import type { Certificates } from '../tls/certificates.ts';
import { ticketLifetime } from '../tls/peer-certificate.ts';
import { tlsPolicy } from '../tls/server-certificate.ts';
import { reset, type StreamEnd } from './relay.ts';

interface TlsFrontParts {
  /** The stream's. */
  readonly name: string;
  readonly certificates: Certificates;
  /** Whether clients are asked for certificates. */
  readonly ask: 'never' | 'optional' | 'required';
  /** For a handshake, in milliseconds. */
  readonly timeout: number;
  readonly log: Log;
}

/** What became of a handshake; the reason of one that failed is in the log. */
type Secured =
  | { readonly kind: 'secured'; readonly end: StreamEnd; readonly arrival: Arrival }
  | { readonly kind: 'refused' };

/** The handshakes of one stream. */
export class TlsFront {
  readonly #parts: TlsFrontParts;
  readonly #server: Server;
  readonly #release: () => void;
  readonly #clients: ClientCertificates | undefined;
  /** What is to be done where a client's certificate is good no more. */
  readonly #whenGone = new WeakMap<TLSSocket, (reason: GoneReason) => void>();
  readonly #shaking = new Map<Socket, (socket: TLSSocket | undefined) => void>();
  /** Those that run. */
  #open = 0;
  #isClosed = false;

  constructor(parts: TlsFrontParts) {
    const { name, certificates, ask, timeout, log } = parts;
    this.#parts = parts;
    const end = (socket: TLSSocket, reason: GoneReason): void => this.#whenGone.get(socket)?.(reason);
    const clients = ask === 'never' ? undefined : new ClientCertificates({ ask, certificates, name, log, end });
    this.#clients = clients;
    this.#server = createServer({
      ...tlsPolicy,
      ...certificates.defaults,
      SNICallback: (servername, done) => done(null, certificates.contextFor(servername)),
      handshakeTimeout: timeout,
      // Who is let in is decided afterwards, by more than the chain.
      ...(clients && { requestCert: true, rejectUnauthorized: false, sessionTimeout: ticketLifetime }),
    });
    this.#server.on('secureConnection', (socket) => this.#finish(beneath(socket), socket));
    this.#server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
      parts.log.debug({ code: error.code, address: socket.remoteAddress }, 'a TLS handshake failed');
      this.#finish(beneath(socket), undefined);
    });
    this.#release = certificates.onChange(() => {
      // A new context also ends the tickets of the one before.
      this.#server.setSecureContext(certificates.defaults);
      clients?.update();
    });
  }

  /**
   * Shakes hands on a connection, and leaves unread what comes after. `whenGone` is called with the reason where its certificate,
   * or the authority of it, is good no more.
   */
  async secure(transport: Socket, whenGone: (reason: GoneReason) => void): Promise<Secured> {
    this.#open += 1;
    transport.once('close', () => {
      this.#open -= 1;
      this.#releaseIfDone();
    });
    this.#clients?.begin(transport);
    const socket = await new Promise<TLSSocket | undefined>((resolve) => {
      const late = setTimeout(() => this.#finish(transport, undefined), this.#parts.timeout);
      this.#shaking.set(transport, (secured) => {
        clearTimeout(late);
        resolve(secured);
      });
      transport.once('close', () => this.#finish(transport, undefined));
      this.#server.emit('connection', transport);
    });
    if (!socket) {
      transport.destroy();
      return { kind: 'refused' };
    }
    const end = { socket: socket.pause().on('error', ignore), transport };
    this.#whenGone.set(socket, whenGone);
    const arrival = this.#clients ? this.#clients.arrivalOf(socket) : { listener: this.#parts.name };
    if (arrival) return { kind: 'secured', end, arrival };
    reset(end);
    return { kind: 'refused' };
  }

  /** No more handshakes come. Who has come by one is looked at until the end. */
  close(): void {
    this.#isClosed = true;
    this.#releaseIfDone();
  }

  #releaseIfDone(): void {
    if (this.#isClosed && this.#open === 0) this.#release();
  }

  #finish(transport: Socket | undefined, secured: TLSSocket | undefined): void {
    const resolve = transport && this.#shaking.get(transport);
    if (!resolve) return void secured?.on('error', ignore).destroy();
    this.#shaking.delete(transport);
    resolve(secured);
  }
}

function ignore(): void {}
