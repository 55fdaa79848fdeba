/** Signing out: a page that asks first, because a link from elsewhere must not do it, and the form that does. */

import type { Request } from 'express';
import { GatewayError } from '../core/errors.ts';
import { breakdownOf } from '../core/failure.ts';
import type { Session } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import { isSameOrigin } from '../login/browser.ts';
import { negotiateDeclined } from '../login/negotiate-cookie.ts';
import { clearedCookie } from '../sessions/cookie.ts';
import { type FormFields, type PortalParts, type PortalRequest, type PortalRoutes, readForm } from './context.ts';
import { isNavigation, redirect, sendJson } from './send-page.ts';
import { ownSessions } from './session-routes.ts';

const purpose = 'logout';

type LogoutParts = Pick<
  PortalParts,
  | 'log'
  | 'publicUrl'
  | 'origins'
  | 'pages'
  | 'browsers'
  | 'signIn'
  | 'authenticator'
  | 'sessions'
  | 'cookies'
  | 'cut'
  | 'logoutAddress'
>;

/** Adds the addresses of the logout. */
export const logoutRoutes: PortalRoutes<LogoutParts> = (app, parts, on) => {
  app.get(
    '/_gate/logout',
    on((visit) => askFirst(parts, visit)),
  );
  app.post(
    '/_gate/logout',
    on((visit) => signOut(parts, visit)),
  );
};

async function askFirst(parts: LogoutParts, visit: PortalRequest): Promise<void> {
  const { request, response } = visit;
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  if (!session) return parts.pages.send(request, response, 200, { kind: 'signed-out', loginHref: '/_gate/login' });
  const browser = parts.browsers.recognise(headOf(request));
  const view = {
    kind: 'logout',
    action: '/_gate/logout',
    hidden: { form: parts.browsers.token(browser.id, purpose) },
    stayHref: '/',
    username: session.assertion.subject,
  } as const;
  parts.pages.send(request, response, 200, view, browser.cookie ? { 'set-cookie': browser.cookie } : {});
}

async function signOut(parts: LogoutParts, visit: PortalRequest): Promise<void> {
  const { request, response, context } = visit;
  const form = hasBody(request) ? await readForm(parts, visit) : new Map<string, string>();
  if (!form) return;
  if (!isWanted(parts, visit, form)) {
    const error = new GatewayError('ORIGIN_MISMATCH', 'a logout that no page of this site sent');
    return parts.pages.sendError(request, response, { error, reason: 'origin-mismatch', requestId: context.requestId });
  }
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  const headers = {
    'set-cookie': [
      clearedCookie(parts.publicUrl),
      negotiateDeclined(parts.publicUrl),
      ...parts.cookies.expirations(context.target.host),
    ],
    // What the next person at this desk goes back to must not be the pages of the one before.
    'clear-site-data': '"cache"',
  };
  if (session) {
    try {
      const asked = { client: context.client, requestId: context.requestId };
      await parts.signIn.signOut(session, asked);
      for (const twin of await findTwins(parts, request, session)) await parts.signIn.signOut(twin, asked);
    } catch (cause) {
      // The store refuses: what this process can do is done, and nobody is told that it was all.
      parts.log.error(
        { request: context.requestId, session: session.id, error: cause },
        'a logout could not be stored',
      );
      parts.cut(session.id);
      const error = new GatewayError('UNAVAILABLE', 'a logout could not be stored', cause);
      const answer = { error, reason: breakdownOf(cause), requestId: context.requestId } as const;
      return parts.pages.sendError(request, response, answer, headers);
    }
    const elsewhere = await parts.logoutAddress(session);
    // A script cannot follow to another site: it is told where a page would go.
    if (elsewhere && !isNavigation(headOf(request)))
      return sendJson(request, response, 200, { signedOut: true, location: elsewhere.href }, headers);
    if (elsewhere) return redirect(request, response, elsewhere.href, headers);
  }
  if (isNavigation(headOf(request)))
    parts.pages.send(request, response, 200, { kind: 'signed-out', loginHref: '/_gate/login' }, headers);
  else sendJson(request, response, 200, { signedOut: session !== undefined }, headers);
}

/**
 * The user's other sessions of this very browser: tabs that sign in at the same moment begin one each. At a further host the
 * browser is not known by the cookie of the public one, but by the session.
 */
async function twinsOf(parts: LogoutParts, request: Request, session: Session): Promise<Session[]> {
  const browser = parts.browsers.find(headOf(request));
  const known = (session.grant?.handles ?? []).filter((handle) => parts.browsers.isHandle(handle));
  const handles = new Set(browser === undefined ? known : [...known, parts.browsers.handle(browser)]);
  if (handles.size === 0) return [];
  const own = await ownSessions(parts, session);
  return own.filter(({ id, grant }) => id !== session.id && grant?.handles?.some((handle) => handles.has(handle)));
}

/** A store that is away takes the end of the session at hand, and cannot be asked for others: nobody has their tokens any more. */
async function findTwins(parts: LogoutParts, request: Request, session: Session): Promise<Session[]> {
  try {
    return await twinsOf(parts, request, session);
  } catch (error) {
    parts.log.warn(
      { session: session.id, error },
      'other sessions of a browser that signs out could not be looked for',
    );
    return [];
  }
}

/** Our own page sends a token; an application's logout button is known by the browser's word that it is of this origin. */
function isWanted(parts: LogoutParts, { request, context }: PortalRequest, form: FormFields): boolean {
  const origin = parts.origins.trustedAt(context.target);
  if (parts.browsers.isOurForm(headOf(request), purpose, form.get('form'), origin)) return true;
  const isSaid = headOf(request).has('origin') || headOf(request).single('sec-fetch-site') === 'same-origin';
  return isSaid && isSameOrigin(headOf(request), origin);
}

function hasBody(request: Request): boolean {
  return headOf(request).framing().kind !== 'none';
}
