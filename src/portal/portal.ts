/**
 * The gateway's own addresses under `/_gate/`, as an Express application: what they share, and where each is answered.
 * Express sees the canonical target and a bounded body; the data plane never passes here.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { Answer, AnswerHeaders } from '../core/answer.ts';
import { GatewayError } from '../core/errors.ts';
import { breakdownOf } from '../core/failure.ts';
import { headOf } from '../edge/head-of.ts';
import { isHttp2, overHttp2 } from '../edge/http2/express.ts';
import { assetPath } from '../pages/assets.ts';
import type { Notice } from '../pages/fields.ts';
import type { RequestResult } from '../telemetry/recorder.ts';
import { accountRoutes } from './account-routes.ts';
import { addresses } from './addresses.ts';
import {
  type PortalAsker,
  type PortalContext,
  type PortalHandler,
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  refuseVisit,
} from './context.ts';
import { factorRoutes } from './factor-routes.ts';
import { federatedRoutes } from './federated-routes.ts';
import { furtherHosts } from './further-hosts.ts';
import { handoverRoutes } from './handover-routes.ts';
import { languageRoutes } from './language-routes.ts';
import { loginPage } from './login-page.ts';
import { loginRoutes } from './login-routes.ts';
import { noticeRoutes } from './logout-notice-routes.ts';
import { logoutRoutes } from './logout-routes.ts';
import { passRoutes } from './pass-routes.ts';
import { passkeyRoutes } from './passkey-routes.ts';
import { sendJson } from './send-page.ts';
import { sessionRoutes } from './session-routes.ts';
import { startRoutes } from './start-routes.ts';

/** Answers the gateway's own addresses. */
export class Portal {
  readonly #parts: PortalParts;
  readonly #app: express.Express;
  readonly #appOverHttp2: express.Express;
  readonly #contexts = new WeakMap<IncomingMessage, PortalContext>();

  constructor(parts: PortalParts) {
    this.#parts = parts;
    this.#app = this.#application(parts);
    this.#appOverHttp2 = overHttp2(this.#application(parts));
  }

  /** Answers one request; resolves when the answer is out or the client has gone. */
  answer(request: IncomingMessage, response: ServerResponse, context: PortalContext): Promise<RequestResult> {
    const told: NonNullable<PortalContext['told']> = {};
    this.#contexts.set(request, { ...context, told });
    request.url = context.target.path + context.target.query;
    return new Promise((resolve) => {
      const settle = (): void => resolve({ status: response.statusCode, ...told });
      if (response.destroyed) return settle();
      response.once('finish', settle);
      response.once('close', settle);
      (isHttp2(request) ? this.#appOverHttp2 : this.#app)(request, response);
    });
  }

  /** The login page as the body of a 401 that offers these ways besides, for whoever asked for something else. */
  loginPage(
    asker: PortalAsker,
    wish: { readonly challenge: AnswerHeaders; readonly returnTo: string; readonly notice?: Notice },
  ): Promise<Answer> {
    const { challenge, ...shown } = wish;
    return loginPage(this.#parts, asker, { ...shown, confirm: false }, { status: 401, headers: challenge });
  }

  #application(parts: PortalParts): express.Express {
    const app = express();
    app.disable('x-powered-by');
    app.set('etag', false);
    app.set('case sensitive routing', true);
    app.set('strict routing', true);
    const on = (handler: PortalHandler) => async (request: Request, response: Response) => {
      const context = this.#contexts.get(request);
      if (!context) throw new Error('a portal request without its context');
      await handler({ request, response, context, headers: headOf(request) });
    };
    furtherHosts(app, parts, on);
    handoverRoutes(app, parts, on);
    loginRoutes(app, parts, on);
    logoutRoutes(app, parts, on);
    startRoutes(app, parts, on);
    languageRoutes(app, parts, on);
    sessionRoutes(app, parts, on);
    accountRoutes(app, parts, on);
    factorRoutes(app, parts, on);
    passRoutes(app, parts, on);
    passkeyRoutes(app, parts, on);
    federatedRoutes(app, parts, on);
    noticeRoutes(app, parts, on);
    fileRoutes(app, parts, on);
    refuseTheRest(app, parts, on);
    app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
      const requestId = this.#contexts.get(request)?.requestId ?? '';
      const reason = breakdownOf(error);
      parts.log[reason === 'store-away' ? 'debug' : 'error'](
        { request: requestId, error },
        'an address of the gateway broke',
      );
      parts.pages.sendError(request, response, {
        error: new GatewayError('UNAVAILABLE', 'the portal broke', error),
        reason,
        requestId,
      });
    });
    return app;
  }
}

/** What is the same for everybody: the keys of the assertion, and what our pages are dressed with. */
const fileRoutes: PortalRoutes<Pick<PortalParts, 'signer' | 'pages'>> = (app, parts, on) => {
  app.get(
    '/_gate/jwks.json',
    on(async ({ request, response }) => {
      sendJson(request, response, 200, await parts.signer.jwks(), { 'cache-control': 'public, max-age=300' });
    }),
  );
  app.get(
    `${assetPath}:name`,
    on(({ request, response }) => sendAsset(parts, request, response)),
  );
};

/** Other methods of the addresses that there are, then other addresses. */
const refuseTheRest: PortalRoutes<Pick<PortalParts, 'pages'>> = (app, parts, on) => {
  for (const [address, methods] of Object.entries(addresses))
    app.all(
      address,
      on((visit) => refuseMethod(parts, visit, methods)),
    );
  app.use(on((visit) => refuseVisit(parts, visit, 'NOT_FOUND', 'no-route', 'no such address of the gateway')));
};

/** Who only asks which methods there are is told so; another method is refused (RFC 9110 §15.5.6). */
function refuseMethod(
  { pages }: Pick<PortalParts, 'pages'>,
  { request, response, context }: PortalRequest,
  allow: string,
): void {
  if (request.method === 'OPTIONS') {
    response.status(204).setHeader('allow', allow).end();
    return;
  }
  const error = new GatewayError('METHOD_NOT_ALLOWED', `${request.method} has no meaning at this address`);
  const answer = { error, reason: 'method-not-allowed', requestId: context.requestId, allow } as const;
  pages.sendError(request, response, answer);
}

function sendAsset({ pages }: Pick<PortalParts, 'pages'>, request: Request, response: Response): void {
  const asset = pages.assets.get(String(request.params.name));
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
  if (headOf(request).single('if-none-match') === asset.etag) response.status(304).end();
  else response.end(asset.body);
}
