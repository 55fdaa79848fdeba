/** What the admin listener and the socket of commands answer: one application, told who speaks. */
import type { IncomingMessage } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { Log } from '../core/log.ts';
import { type Actor, actorOf, callerOf } from './actor.ts';
import { type ApiTokenRouteParts, apiTokenRoutes } from './api-token-routes.ts';
import { type FactorRouteParts, factorRoutes, knownRoutes } from './factor-routes.ts';
import { type Caller, type Refusal, roleMissing } from './guard.ts';
import { createReadiness, type HealthSource } from './health.ts';
import { type LockoutRouteParts, lockoutRoutes } from './lockout-routes.ts';
import { offlineRoutes } from './offline-routes.ts';
import { type ProviderRouteParts, providerRoutes } from './provider-routes.ts';
import { loginsRoute, type RecordRouteParts, recordsRoute, warningsRoute } from './record-routes.ts';
import { isGranted, type Subject } from './rights.ts';
import { type SessionRouteParts, sessionRoutes } from './session-routes.ts';
import { type UserRouteParts, userRoutes } from './user-routes.ts';

/** What came of a reload, as the caller is told. */
export type ReloadAnswer =
  | { readonly kind: 'reloaded'; readonly nextStart: readonly string[] }
  | { readonly kind: 'failed'; readonly message: string; readonly hint?: string };

/** What is asked and told here. */
export interface AdminParts
  extends HealthSource,
    SessionRouteParts,
    LockoutRouteParts,
    ApiTokenRouteParts,
    FactorRouteParts,
    ProviderRouteParts,
    RecordRouteParts,
    UserRouteParts {
  readonly log: Log;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** Reads the configuration anew; resolves when it is in place, or is not. */
  readonly reload: (by: Actor) => Promise<ReloadAnswer>;
}

/** Says who speaks, or why nobody is heard. */
type Identify = (request: IncomingMessage) => { readonly kind: 'caller'; readonly caller: Caller } | Refusal;

/** Makes the application for callers that come one way. */
export function createAdminApp(identify: Identify, parts: AdminParts): Express {
  const { log, metrics } = parts;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  // Without TLS here, a promise of TLS would lock browsers out of other ports of this host.
  app.use(helmet({ strictTransportSecurity: false }));
  app.use(guard(identify, log));
  const readiness = createReadiness(parts);

  app.get('/health/live', (_request, response) => void response.json({ status: 'live' }));
  app.get('/health/ready', async (_request, response) => {
    const ready = await readiness();
    const code = ready.status === 'unavailable' ? 503 : 200;
    const { role } = callerOf(response);
    response.status(code).json(isGranted(role, 'read', 'health') ? ready : { status: ready.status });
  });
  app.get('/metrics', permit('metrics', log), async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.render());
  });
  app.use('/sessions', permit('sessions', log), sessionRoutes(parts));
  app.use('/offline', permit('offline', log), offlineRoutes(parts));
  app.use('/lockouts', permit('lockouts', log), lockoutRoutes(parts));
  app.use('/providers', permit('providers', log), providerRoutes(parts));
  app.use('/logins', permit('records', log), loginsRoute(parts));
  app.use('/records', permit('records', log), recordsRoute(parts));
  app.use('/warnings', permit('records', log), warningsRoute(parts));
  app.use('/factors', permit('factors', log), factorRoutes(parts));
  app.use('/users', permit('configuration', log), userRoutes(parts));
  app.use('/known', permit('factors', log), knownRoutes(parts));
  app.use('/api-tokens', permit('api-tokens', log), apiTokenRoutes(parts));
  app.post('/reload', permit('configuration', log), async (_request, response) => {
    const result = await parts.reload(actorOf(response));
    response.status(result.kind === 'reloaded' ? 200 : 422).json(result);
  });
  refuseTheRest(app);
  app.use(onError(log));
  return app;
}

/** Other methods of the addresses that there are, then other addresses. */
function refuseTheRest(app: Express): void {
  const allowed = {
    '/health/live': 'GET, HEAD',
    '/health/ready': 'GET, HEAD',
    '/metrics': 'GET, HEAD',
    '/sessions': 'GET, HEAD, DELETE',
    '/sessions/:id': 'DELETE',
    '/offline': 'DELETE',
    '/lockouts': 'GET, HEAD, DELETE',
    '/providers': 'GET, HEAD',
    '/logins': 'GET, HEAD',
    '/records': 'GET, HEAD',
    '/warnings': 'GET, HEAD',
    '/factors': 'GET, HEAD, DELETE',
    '/factors/unlock': 'POST',
    '/factors/pass': 'POST',
    '/factors/code': 'POST',
    '/factors/move': 'POST',
    '/factors/tenants': 'GET, HEAD',
    '/factors/hosts': 'GET, HEAD',
    '/factors/accept-loss': 'POST',
    '/known': 'DELETE',
    '/users/imported': 'POST',
    '/api-tokens': 'GET, HEAD, POST',
    '/api-tokens/:name': 'DELETE',
    '/reload': 'POST',
  };
  for (const [path, methods] of Object.entries(allowed))
    app.all(path, (_request, response) => {
      fail(response.setHeader('allow', methods), 405, 'method-not-allowed', `Allowed here: ${methods}.`);
    });
  app.use((_request, response) => fail(response, 404, 'not-found', 'There is nothing at this address.'));
}

function guard(identify: Identify, log: Log): RequestHandler {
  return (request, response, next) => {
    response.setHeader('cache-control', 'no-store');
    const result = identify(request);
    if (result.kind === 'refused') return refuse(response, result, log);
    response.locals.caller = result.caller;
    next();
  };
}

/** Lets pass whom the table of rights lets read, or change, this. */
function permit(subject: Subject, log: Log): RequestHandler {
  return (request, response, next) => {
    const { role } = callerOf(response);
    const act = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'change';
    if (isGranted(role, act, subject)) next();
    else refuse(response, roleMissing(role), log);
  };
}

function refuse(response: Response, { status, error, message }: Refusal, log: Log): void {
  const { method, path, socket } = response.req;
  const caller: Caller | undefined = response.locals.caller;
  log.warn(
    { error, actor: caller?.actor, address: socket.remoteAddress, method, path },
    'the admin listener refused a request',
  );
  if (status === 401) response.setHeader('www-authenticate', 'Bearer realm="gatehouse-admin"');
  fail(response, status, error, message);
}

/** What throws here is the store, or an address that cannot be read. */
function onError(log: Log): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) return next(error);
    const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
    if (status === 400) return fail(response, 400, 'bad-request', 'The address or the body cannot be read.');
    if (status === 413) return fail(response, 413, 'too-large', 'The body is too large.');
    log.error({ error, method: request.method, path: request.path }, 'the admin listener could not answer');
    fail(response, 503, 'unavailable', 'The store does not answer; see the log.');
  };
}

function fail(response: Response, status: number, error: string, message: string): void {
  response.status(status).json({ error, message });
}
