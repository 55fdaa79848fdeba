/** Node's servers of HTTP/1.1 with the limits of a listener, plain and over TLS. */
import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../core/log.ts';
import type { Certificates } from '../tls/certificates.ts';
import { tlsPolicy } from '../tls/server-certificate.ts';
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

/**
 * HTTP/1.1 is served by the very server that plain listeners have, so that both keep the same limits; a connection whose
 * client has chosen HTTP/2 is handed on. `docs/decisions/0006-http2.md` says why not by `http2.createSecureServer`.
 */
export function createTlsServer(
  parts: HttpServerParts,
  certificates: Certificates,
  {
    http2,
    lane,
    show,
  }: { readonly http2: Http2Sessions; readonly lane: Lane; readonly show: (socket: Socket) => void },
): HttpsServer {
  const { limits, log } = parts;
  const server = createHttpsServer({
    ...serverOptions(parts),
    ...certificates.defaults,
    ...tlsPolicy,
    ALPNProtocols: ['h2', 'http/1.1'],
    SNICallback: (servername, done) => done(null, certificates.contextFor(servername)),
    handshakeTimeout: limits.headTimeout,
  });
  lane.standBefore(server, 'secureConnection');
  const serveHttp1 = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    show(socket);
    if (socket.alpnProtocol === 'h2') http2.take(socket);
    else for (const serve of serveHttp1) serve.call(server, socket);
  });
  server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
    show(socket);
    log.debug({ code: error.code, address: socket.remoteAddress }, 'a TLS handshake failed');
  });
  return server;
}
