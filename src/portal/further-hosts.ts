/**
 * What stands at further hosts of the site, where nobody signs in: the way to the login begins a hand-over, one can sign out there
 * and go on with a saved form, and programs find what they need. Everything else lives at the public host.
 */
import type { Request } from 'express';
import { GatewayError } from '../core/errors.ts';
import { headOf } from '../edge/head-of.ts';
import type { HandoverWish } from '../login/handovers.ts';
import { assetPath } from '../pages/assets.ts';
import { languagePath } from '../pages/layout.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import type { FurtherHost } from '../routing/site-origins.ts';
import { handoverPath } from './addresses.ts';
import { type PortalParts, type PortalRequest, type PortalRoutes, queryValue } from './context.ts';
import { endLoop, type LoopParts, redirectInLoop } from './redirect-loop.ts';
import { isNavigation, redirect } from './send-page.ts';

type FurtherParts = LoopParts & Pick<PortalParts, 'origins' | 'handovers' | 'authenticator'>;

/** Takes the requests of further hosts before all other addresses do. */
export const furtherHosts: PortalRoutes<FurtherParts> = (app, parts, on) => {
  app.use((request, response, next) =>
    on(async (visit) => {
      const host = parts.origins.furtherAt(visit.context.target);
      if (!host || isEverywhere(request)) next();
      else if (isLogin(request)) await beginHandover(parts, visit, host);
      else refer(parts, visit);
    })(request, response),
  );
};

function isLogin({ method, path }: Request): boolean {
  return (path === '/_gate/login' || path === '/_gate/factor') && isRead(method);
}

/** What is the same at each host: what signs out, what belongs to a form that was kept there, and what programs ask for. */
function isEverywhere(request: Request): boolean {
  const { method, path } = request;
  if (method === 'OPTIONS' || path.startsWith(assetPath)) return true;
  if (['/_gate/logout', '/_gate/replay', '/_gate/jwks.json', languagePath, handoverPath].includes(path)) return true;
  // A notice comes from a server and is known by what it says; who a script's session is of, its host's cookie tells.
  if (method === 'POST') return /^\/_gate\/(?:callback|backchannel)\//.test(path);
  return path === '/_gate/session' && isRead(method) && !isNavigation(headOf(request));
}

/** A page is looked for at the public host, without a query that might be for here alone. */
function refer({ publicUrl, pages }: FurtherParts, { request, response, context }: PortalRequest): void {
  const error = new GatewayError('MISDIRECTED', 'the address lives at the public host alone');
  if (isRead(request.method) && isNavigation(headOf(request)))
    redirect(request, response, publicUrl.origin + context.target.path);
  else pages.sendError(request, response, { error, reason: 'host-unknown', requestId: context.requestId });
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Sends a browser to the public host to sign in there, unless it has a session here already that will do. */
async function beginHandover(parts: FurtherParts, visit: PortalRequest, host: FurtherHost): Promise<void> {
  const { request, response, context, headers } = visit;
  const wish = wishOf(request, host, parts.publicUrl);
  const session = await parts.authenticator.visitor(headers, context.target);
  if (wish.want === undefined || wish.want === 'form') {
    if (session) return redirectInLoop(parts, visit, wish.returnTo, session);
    // Handed over again and again, and never signed in: the cookie does not last here.
    if (wish.want === undefined && (await endLoop(parts, visit, wish.returnTo, session))) return;
  }
  const { nonce, cookies } = await parts.handovers.begin(wish, headers, context.client.address);
  const address = `${parts.publicUrl.origin}${handoverPath}?${new URLSearchParams({ nonce })}`;
  redirect(request, response, address, { 'set-cookie': cookies });
}

function wishOf(request: Request, { name }: FurtherHost, publicUrl: URL): HandoverWish {
  const isSet = (key: string, value = '1'): boolean => queryValue(request, key) === value;
  const asks = request.path === '/_gate/factor' ? queryValue(request, 'for') : undefined;
  const want =
    request.path === '/_gate/factor'
      ? 'factor'
      : isSet('confirm')
        ? 'confirm'
        : isSet('switch')
          ? 'switch'
          : isSet('method', 'form')
            ? 'form'
            : undefined;
  const notice = /^[a-z-]{1,32}$/.exec(queryValue(request, 'notice') ?? '')?.[0];
  return {
    host: name,
    returnTo: safeReturnTo(queryValue(request, 'return'), publicUrl),
    ...(want && { want }),
    ...(asks !== undefined && { asks: safeReturnTo(asks, publicUrl) }),
    ...(notice !== undefined && { notice }),
  };
}
