/**
 * The gateway's own addresses under `/_gate/`, as an Express application: what they share, and where each is answered.
 * Express sees the canonical target and a bounded body; the data plane never passes here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Session } from '../core/session.ts';
import type { CanonicalTarget, Client } from '../core/verdict.ts';
import { assetPath } from '../pages/assets.ts';
import type { AssertionSigner } from '../proxy/assertion.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { type ReplyHeaders, sendJson } from './answers.ts';
import { readBody } from './body.ts';
import type { Browsers } from './browser.ts';
import type { Flows } from './flows.ts';
import type { Identification } from './identify.ts';
import type { PageSender } from './pages.ts';
import type { PasswordLogin } from './password-login.ts';
import { federatedRoutes } from './portal-federated.ts';
import { loginRoutes } from './portal-login.ts';
import { logoutRoutes } from './portal-logout.ts';
import { sessionRoutes } from './portal-session.ts';
import type { RequestResult } from './record.ts';
import type { PostKeeper } from './replay.ts';
import type { SignIn } from './sign-in.ts';

/** What the portal works with; made by `build.ts`. */
export interface PortalParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly publicUrl: URL;
  readonly pages: PageSender;
  readonly browsers: Browsers;
  readonly signIn: SignIn;
  readonly identification: Identification;
  readonly passwordLogin: PasswordLogin;
  readonly sessions: Sessions;
  readonly posts: PostKeeper;
  readonly flows: Flows;
  /** The provider that is followed at once, instead of showing the login page. */
  readonly defaultMethod?: string | undefined;
  readonly signer: AssertionSigner;
  /** Where the browser goes to sign out of the identity provider too; undefined when nowhere. */
  readonly logoutAddress: (session: Session) => Promise<URL | undefined>;
  /** What the login page calls a provider. */
  readonly label: (provider: string) => string;
}

/** What came with a request to the portal. */
export interface PortalContext {
  readonly requestId: string;
  readonly client: Client;
  readonly target: CanonicalTarget;
  readonly signal: AbortSignal;
  /** The page is the body of a 401 that offers these ways besides. */
  readonly challenge?: ReplyHeaders;
}

/** The fields of a form; a field that stands twice is refused before a handler sees it. */
export type FormFields = ReadonlyMap<string, string>;

/** An address of the portal: the request, the response, and what came with it. */
export type PortalHandler = (request: Request, response: Response, context: PortalContext) => Promise<void> | void;

const maxFormBytes = 64 * 1024;
const formDeadline = 15_000;

/** Answers the gateway's own addresses. */
export class Portal {
  readonly #app: express.Express;
  readonly #contexts = new WeakMap<IncomingMessage, PortalContext>();

  constructor(parts: PortalParts) {
    const app = express();
    app.disable('x-powered-by');
    app.set('etag', false);
    app.set('case sensitive routing', true);
    app.set('strict routing', true);
    const on = (handler: PortalHandler) => async (request: Request, response: Response) => {
      const context = this.#contexts.get(request);
      if (!context) throw new Error('a portal request without its context');
      await handler(request, response, context);
    };
    loginRoutes(app, parts, on);
    logoutRoutes(app, parts, on);
    sessionRoutes(app, parts, on);
    federatedRoutes(app, parts, on);
    app.get(
      '/_gate/jwks.json',
      on(async (request, response) => {
        sendJson(request, response, 200, await parts.signer.jwks(), { 'cache-control': 'public, max-age=300' });
      }),
    );
    app.get(
      `${assetPath}:name`,
      on((request, response) => sendAsset(parts, request, response)),
    );
    app.use(
      on((request, response, { requestId }) => {
        parts.pages.sendError(request, response, {
          error: new GatewayError('NOT_FOUND', 'no such address of the gateway'),
          reason: 'no-route',
          requestId,
        });
      }),
    );
    app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
      const requestId = this.#contexts.get(request)?.requestId ?? '';
      parts.log.error({ request: requestId, error }, 'an address of the gateway broke');
      parts.pages.sendError(request, response, {
        error: new GatewayError('UNAVAILABLE', 'the portal broke', error),
        reason: 'internal-error',
        requestId,
      });
    });
    this.#app = app;
  }

  /** Answers one request; resolves when the answer is out or the client has gone. */
  answer(request: IncomingMessage, response: ServerResponse, context: PortalContext): Promise<RequestResult> {
    this.#contexts.set(request, context);
    request.url = context.target.path + context.target.query;
    return new Promise((resolve) => {
      const settle = (): void => resolve({ status: response.statusCode });
      if (response.destroyed) return settle();
      response.once('finish', settle);
      response.once('close', settle);
      this.#app(request, response);
    });
  }
}

/** How a set of addresses joins the application. */
export type PortalRoutes = (
  app: express.Express,
  parts: PortalParts,
  on: (handler: PortalHandler) => (request: Request, response: Response) => Promise<void>,
) => void;

/** The fields of a posted form, or undefined when it is not one that we take; the error is then sent. */
export async function readForm(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<FormFields | undefined> {
  const refuse = (code: ConstructorParameters<typeof GatewayError>[0], detail: string): undefined => {
    const reason =
      code === 'PAYLOAD_TOO_LARGE'
        ? 'request-too-large'
        : code === 'REQUEST_TIMEOUT'
          ? 'request-too-slow'
          : 'ambiguous-target';
    parts.pages.sendError(request, response, {
      error: new GatewayError(code, detail),
      reason,
      requestId: context.requestId,
    });
  };
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    return refuse('BAD_REQUEST', 'not a form');
  const body = await readBody(request, { maxBytes: maxFormBytes, deadline: formDeadline });
  switch (body.kind) {
    case 'ok': {
      const fields = new URLSearchParams(body.text);
      const names = [...fields.keys()];
      return new Set(names).size === names.length ? new Map(fields) : refuse('BAD_REQUEST', 'a field stands twice');
    }
    case 'too-large':
      return refuse('PAYLOAD_TOO_LARGE', 'the form is too large');
    case 'too-slow':
      return refuse('REQUEST_TIMEOUT', 'the form took too long');
    case 'client-gone':
      return undefined;
    default:
      return body satisfies never;
  }
}

/** One value of the query; a name that stands twice has none. */
export function queryValue(request: Request, name: string): string | undefined {
  const values = new URL(request.url, 'http://gateway.invalid').searchParams.getAll(name);
  return values.length === 1 ? values[0] : undefined;
}

function sendAsset(parts: PortalParts, request: Request, response: Response): void {
  const asset = parts.pages.assets.get(String(request.params.name));
  if (!asset) {
    response.status(404).end();
    return;
  }
  response.setHeader('content-type', asset.contentType);
  response.setHeader('etag', asset.etag);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  const isCurrent = asset.href.endsWith(request.url);
  response.setHeader('cache-control', isCurrent ? 'public, max-age=31536000, immutable' : 'public, max-age=60');
  if (request.headers['if-none-match'] === asset.etag) response.status(304).end();
  else response.end(asset.body);
}
