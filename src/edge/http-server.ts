/** Node's servers of HTTP/1.1 with the limits of a listener, plain and over TLS. */
import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../core/log.ts';
import type { Arrival } from '../core/peer.ts';
import type { Certificates } from '../tls/certificates.ts';
import { ticketLifetime } from '../tls/peer-certificate.ts';
import { tlsPolicy } from '../tls/server-certificate.ts';
import { noteArrival } from './arrival.ts';
import type { ClientCertificates } from './client-certificates.ts';
import { headOf } from './head-of.ts';
import type { Http2Sessions } from './http2/sessions.ts';
import type { Lane } from './lane/lane.ts';

/** The limits of the listeners; times in milliseconds, sizes in bytes. */
interface ServerLimits {
  readonly maxHeaderSize: number;
  readonly maxConnections: number;
  readonly headTimeout: number;
  readonly keepAlive: number;
}

/** What a server is made with. */
export interface HttpServerParts {
  readonly limits: ServerLimits;
  readonly log: Log;
  /** False where a WebSocket gets the same answer as any request. */
  readonly takesUpgrade: (target: string | undefined) => boolean;
}

/** A server of plain HTTP/1.1. */
export function createPlainServer(parts: HttpServerParts): Server {
  return createHttpServer(serverOptions(parts));
}

function serverOptions({ limits, takesUpgrade }: HttpServerParts): ServerOptions {
  return {
    maxHeaderSize: limits.maxHeaderSize,
    headersTimeout: limits.headTimeout,
    // Bodies have their own limits where they are read: an upload may rightly take long.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: Math.min(5000, limits.headTimeout),
    insecureHTTPParser: false,
    // A front proxy whose forward auth asks about a WebSocket may pass its headers on; it wants an answer, not a tunnel.
    shouldUpgradeCallback: (request) =>
      headOf(request).single('upgrade')?.trim().toLowerCase() === 'websocket' && takesUpgrade(request.url),
  };
}

/** What stands beside the server of an https listener. */
interface TlsServerParts {
  readonly http2: Http2Sessions;
  readonly lane: Lane;
  readonly show: (socket: Socket) => void;
  /** Where clients are asked for certificates. */
  readonly clients: ClientCertificates | undefined;
  /** How those come that are not asked. */
  readonly arrival: Arrival;
}

/**
 * HTTP/1.1 is served by the very server that plain listeners have, so that both keep the same limits; a connection whose
 * client has chosen HTTP/2 is handed on. `docs/decisions/0006-http2.md` says why not by `http2.createSecureServer`.
 */
export function createTlsServer(
  parts: HttpServerParts,
  certificates: Certificates,
  { http2, lane, show, clients, arrival }: TlsServerParts,
): HttpsServer {
  const { limits, log } = parts;
  const server = createHttpsServer({
    ...serverOptions(parts),
    ...tlsPolicy,
    ...certificates.defaults,
    ALPNProtocols: ['h2', 'http/1.1'],
    SNICallback: (servername, done) => done(null, certificates.contextFor(servername)),
    handshakeTimeout: limits.headTimeout,
    // Who is let in is decided at each request, by more than the chain: what OpenSSL makes of it is read there.
    ...(clients && { requestCert: true, rejectUnauthorized: false, sessionTimeout: ticketLifetime }),
  });
  if (clients) server.prependListener('connection', (transport: Socket) => clients.begin(transport));
  lane.standBefore(server, 'secureConnection');
  const serveHttp1 = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    show(socket);
    const came = clients ? clients.arrivalOf(socket) : arrival;
    if (!came) return void socket.on('error', () => undefined).destroy();
    noteArrival(socket, came);
    if (socket.alpnProtocol === 'h2') http2.take(socket);
    else for (const serve of serveHttp1) serve.call(server, socket);
  });
  server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
    show(socket);
    const fields = { code: error.code, address: socket.remoteAddress };
    if (error.code === 'ERR_SSL_HTTP_REQUEST') log.info(fields, 'a client speaks plain HTTP where TLS is spoken');
    else log.debug(fields, 'a TLS handshake failed');
  });
  return server;
}
