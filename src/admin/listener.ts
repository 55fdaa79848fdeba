/**
 * The operator's listener: health, metrics, sessions. It shares no socket and no route with the public one, and takes no
 * decision about users. `guard.ts` says who may speak to it.
 */
import { createServer, type Server } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { admit, refusedToken } from './guard.ts';
import { createReadiness, type HealthSource } from './health.ts';
import { type LockoutRouteParts, lockoutRoutes } from './lockout-routes.ts';
import { type AdminOptions, isLoopback } from './options.ts';
import { type SessionRouteParts, sessionRoutes } from './session-routes.ts';

/** What the listener works with. */
export interface AdminParts extends HealthSource, SessionRouteParts, LockoutRouteParts {
  readonly log: Log;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
}

/** The operator's listener. */
export interface Admin {
  /** Where it listens; the port is the real one also when 0 was asked for. */
  readonly address: URL;
  /** Answers what is under way, then closes; connections that linger are cut. */
  close(): Promise<void>;
}

const timeouts = { headers: 5000, request: 10_000, keepAlive: 5000, lingering: 1000 } as const;
const maxConnections = 200;

/**
 * Starts the listener. An OperatorError when it cannot: without a token it refuses any address that other machines can
 * reach, however the options came about.
 */
export async function startAdmin(options: AdminOptions, parts: AdminParts): Promise<Admin> {
  const { listen, token } = options;
  if (token === undefined && !isLoopback(listen.hostname))
    throw new OperatorError(
      `admin.listen is ${listen.origin}, which other machines can reach, and there is no admin.token`,
      'set admin.token, or listen on http://127.0.0.1:9090',
    );
  const app = createApp(options, parts);
  const server = createServer({ headersTimeout: timeouts.headers, requestTimeout: timeouts.request }, app);
  server.keepAliveTimeout = timeouts.keepAlive;
  server.maxConnections = maxConnections;
  return { address: await bind(server, listen), close: () => closeServer(server) };
}

function createApp(options: AdminOptions, parts: AdminParts): Express {
  const { log, metrics } = parts;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  // Without TLS here, a promise of TLS would lock browsers out of other ports of this host.
  app.use(helmet({ strictTransportSecurity: false }));
  app.use(guard(options, log));
  const readiness = createReadiness(parts);

  app.get('/health/live', (_request, response) => void response.json({ status: 'live' }));
  app.get('/health/ready', async (_request, response) => {
    const ready = await readiness();
    const code = ready.status === 'unavailable' ? 503 : 200;
    response.status(code).json(response.locals.isStranger === true ? { status: ready.status } : ready);
  });
  app.get('/metrics', onlyKnown, async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.render());
  });
  app.use('/sessions', onlyKnown, sessionRoutes(parts));
  app.use('/lockouts', onlyKnown, lockoutRoutes(parts));

  const allowed = {
    '/health/live': 'GET, HEAD',
    '/health/ready': 'GET, HEAD',
    '/metrics': 'GET, HEAD',
    '/sessions': 'GET, HEAD, DELETE',
    '/sessions/:id': 'DELETE',
    '/lockouts': 'DELETE',
  };
  for (const [path, methods] of Object.entries(allowed))
    app.all(path, (_request, response) => {
      fail(response.setHeader('allow', methods), 405, 'method-not-allowed', `Allowed here: ${methods}.`);
    });
  app.use((_request, response) => fail(response, 404, 'not-found', 'There is nothing at this address.'));
  app.use(onError(log));
  return app;
}

function guard(options: AdminOptions, log: Log): RequestHandler {
  return (request, response, next) => {
    response.setHeader('cache-control', 'no-store');
    const admission = admit(request.headers, options);
    response.locals.isStranger = admission.kind === 'stranger';
    if (admission.kind !== 'refused') return next();
    log.warn(
      { error: admission.error, address: request.socket.remoteAddress, method: request.method },
      'the operator’s listener refused a request',
    );
    if (admission.status === 401) response.setHeader('www-authenticate', 'Bearer realm="gatehouse-admin"');
    fail(response, admission.status, admission.error, admission.message);
  };
}

const onlyKnown: RequestHandler = (_request, response, next) => {
  if (response.locals.isStranger !== true || refusedToken.kind !== 'refused') return next();
  response.setHeader('www-authenticate', 'Bearer realm="gatehouse-admin"');
  fail(response, refusedToken.status, refusedToken.error, refusedToken.message);
};

/** What throws here is the store, or an address that cannot be read. */
function onError(log: Log): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) return next(error);
    const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
    if (status === 400) return fail(response, 400, 'bad-request', 'The address cannot be read.');
    log.error({ error, method: request.method, path: request.path }, 'the operator’s listener could not answer');
    fail(response, 503, 'unavailable', 'The store does not answer; see the log.');
  };
}

function fail(response: Response, status: number, error: string, message: string): void {
  response.status(status).json({ error, message });
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
