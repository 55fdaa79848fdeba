/**
 * The ways in for operators: a listener of its own, and the Unix socket of commands. They share no socket and no route with
 * the public listener, and take no decision about users. What they answer is `app.ts`'s.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { OperatorError } from '../core/errors.ts';
import { headOf } from '../edge/head-of.ts';
import { type AdminParts, createAdminApp } from './app.ts';
import { identifyCaller, localCaller } from './guard.ts';
import { type AdminOptions, isLoopback } from './options.ts';
import { listenAt } from './socket.ts';

export type { AdminParts } from './app.ts';

/** Where operators are heard. */
export interface Admin {
  /** Where it listens; the port is the real one also when 0 was asked for. */
  readonly address: URL;
  /** Answers what is under way, then closes; connections that linger are cut. */
  close(): Promise<void>;
}

/** The address and its callers, and the socket's path: undefined for none. */
export interface AdminWays extends Omit<AdminOptions, 'socket'> {
  readonly socket?: { readonly path: string; readonly isNamed: boolean } | undefined;
}

const timeouts = { headers: 5000, request: 10_000, keepAlive: 5000, lingering: 1000 } as const;
const maxConnections = 200;

/**
 * Starts listener and socket. An OperatorError when the listener cannot: without a token it refuses any address that other
 * machines can reach, however the options came about; and when a socket that the configuration names cannot. A gateway goes
 * on without one that another gateway has.
 */
export async function startAdmin(ways: AdminWays, parts: AdminParts): Promise<Admin> {
  const { listen, token, tokens } = ways;
  if (token === undefined && Object.keys(tokens).length === 0 && !isLoopback(listen.hostname))
    throw new OperatorError(
      `admin.listen is ${listen.origin}, which other machines can reach, and there is no token in admin.tokens`,
      'set admin.tokens, or listen on http://127.0.0.1:9090',
    );
  const server = serverOf(createAdminApp((request) => identifyCaller(headOf(request), ways), parts));
  const address = await bind(server, listen);
  try {
    const commands = await openSocket(ways.socket, parts);
    return {
      address,
      close: async () => void (await Promise.all([server, ...commands].map(closeServer))),
    };
  } catch (error) {
    await closeServer(server);
    throw error;
  }
}

async function openSocket(socket: AdminWays['socket'], parts: AdminParts): Promise<Server[]> {
  if (!socket) return [];
  const { path, isNamed } = socket;
  const server = serverOf(createAdminApp(() => ({ kind: 'caller', caller: localCaller }), parts));
  const result = await listenAt(server, path);
  switch (result.kind) {
    case 'open':
      return [server];
    case 'taken':
      parts.log.warn({ socket: path }, 'another gateway has the socket of commands: they reach that one, and not this');
      return [];
    case 'failed':
      if (isNamed)
        throw new OperatorError(
          `admin.socket: cannot listen at ${path} (${result.error.code ?? result.error.message})`,
          'name a path of at most 107 bytes in a folder that this user may write to',
          result.error,
        );
      parts.log.warn({ socket: path, error: result.error }, 'no socket of commands: name one with admin.socket');
      return [];
    default:
      return result satisfies never;
  }
}

function serverOf(app: RequestListener): Server {
  const server = createServer({ headersTimeout: timeouts.headers, requestTimeout: timeouts.request }, app);
  server.keepAliveTimeout = timeouts.keepAlive;
  server.maxConnections = maxConnections;
  return server;
}

function bind(server: Server, listen: URL): Promise<URL> {
  const host = listen.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === 'EADDRINUSE'
          ? 'another program uses the port; end it, or change admin.listen'
          : 'change admin.listen';
      reject(
        new OperatorError(
          `admin.listen: cannot listen on ${listen.origin} (${error.code ?? error.message})`,
          hint,
          error,
        ),
      );
    });
    server.listen(Number(listen.port || '80'), host, () => {
      const bound = server.address();
      const url = new URL(listen);
      if (bound !== null && typeof bound === 'object') url.port = String(bound.port);
      resolve(url);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), timeouts.lingering);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
