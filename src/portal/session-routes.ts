/** Who am I, and where else am I signed in: JSON for programs, a page for people, and a form that ends other sessions. */

import type { Request, Response } from 'express';
import { defaultTenant } from '../core/account.ts';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { accountOf, type Session } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import {
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  queryValue,
  readForm,
  refuseVisit,
} from './context.ts';
import { isNavigation, redirect, sendJson } from './send-page.ts';

const purpose = 'sessions';
const here = '/_gate/session';

type SessionParts = Pick<
  PortalParts,
  | 'clock'
  | 'publicUrl'
  | 'pages'
  | 'browsers'
  | 'signIn'
  | 'authenticator'
  | 'sessions'
  | 'label'
  | 'homeHref'
  | 'tenants'
>;

/** Adds the address of the user's sessions. */
export const sessionRoutes: PortalRoutes<SessionParts> = (app, parts, on) => {
  app.get(
    here,
    on((visit) => show(parts, visit)),
  );
  app.post(
    here,
    on((visit) => end(parts, visit)),
  );
};

async function show(parts: SessionParts, visit: PortalRequest): Promise<void> {
  const { request, response, context } = visit;
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  if (!session) return askToSignIn(request, response);
  // Scripts of another company's applications ask as well as ours.
  if (!parts.tenants.admits(session.tenant, context.target)) {
    const detail = 'the host is of another tenant than the session';
    return refuseVisit(parts, visit, 'ACCESS_DENIED', 'tenant-mismatch', detail);
  }
  const sessions = await ownSessions(parts, session);
  const principal = parts.signIn.principal(session);
  if (!isNavigation(headOf(request)))
    return sendJson(request, response, 200, whoAmI(parts, principal, session, sessions));
  const browser = parts.browsers.recognise(headOf(request));
  const ended = Number(queryValue(request, 'ended'));
  const view = {
    kind: 'sessions',
    action: here,
    hidden: { form: parts.browsers.token(browser.id, purpose) },
    username: session.assertion.subject,
    sessions: sessions.map((one) => ({
      id: one.id,
      ...one.client,
      method: parts.label(one.provider),
      createdAt: one.createdAt,
      lastSeenAt: one.lastSeenAt,
      current: one.id === session.id,
    })),
    now: parts.clock.now(),
    backHref: parts.homeHref,
    accountHref: '/_gate/account',
    logoutHref: '/_gate/logout',
    ...(Number.isInteger(ended) && ended > 0 && ended < 1000 && { ended }),
  } as const;
  parts.pages.send(request, response, 200, view, {
    'x-request-id': context.requestId,
    ...(browser.cookie && { 'set-cookie': browser.cookie }),
  });
}

async function end(parts: SessionParts, visit: PortalRequest): Promise<void> {
  const { request, response, context } = visit;
  const form = await readForm(parts, visit);
  if (!form) return;
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  if (!session) return askToSignIn(request, response);
  if (!parts.browsers.isOurForm(headOf(request), purpose, form.get('form'), parts.publicUrl.origin)) {
    const error = new GatewayError('ORIGIN_MISMATCH', 'the form is not from this browser');
    return parts.pages.sendError(request, response, { error, reason: 'origin-mismatch', requestId: context.requestId });
  }
  const wanted = form.get('end');
  const others = (await ownSessions(parts, session)).filter(
    ({ id }) => id !== session.id && (wanted === 'others' || wanted === id),
  );
  for (const other of others)
    await parts.signIn.signOut(other, { client: context.client, requestId: context.requestId });
  redirect(request, response, `${here}?ended=${others.length}`);
}

/** All live sessions of a session's user. */
export async function ownSessions(parts: Pick<PortalParts, 'sessions'>, session: Session): Promise<Session[]> {
  const sessions: Session[] = [];
  for await (const one of parts.sessions.ofAccount(accountOf(session)))
    if (one.assertion.realm === session.assertion.realm) sessions.push(one);
  return sessions;
}

function whoAmI(
  { sessions: all }: SessionParts,
  principal: Principal,
  session: Session,
  sessions: readonly Session[],
): object {
  const described = (one: Session) => describe(one, all.overAt(one));
  const { attributes, subject, provider, amr, roles, tenant, tenantId, company } = principal;
  return {
    user: subject,
    name: attributes.name?.[0],
    email: attributes.email?.[0],
    groups: attributes.groups ?? [],
    roles: [...roles],
    ...(tenant !== defaultTenant && { tenant, tenantId, company }),
    provider,
    amr,
    session: described(session),
    sessions: sessions.map((one) => ({ ...described(one), current: one.id === session.id })),
  };
}

/** `idleAt`: when it ends unless somebody is seen on it; never after `expiresAt`. */
function describe({ id, provider, createdAt, lastSeenAt, expiresAt, client }: Session, overAt: number): object {
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
  return {
    id,
    provider,
    ...client,
    createdAt: time(createdAt),
    lastSeenAt: time(lastSeenAt),
    idleAt: time(overAt),
    expiresAt: time(expiresAt),
  };
}

function askToSignIn(request: Request, response: Response): void {
  const login = `/_gate/login?${new URLSearchParams({ return: here })}`;
  if (isNavigation(headOf(request))) redirect(request, response, login);
  else sendJson(request, response, 401, { error: 'login-required', login });
}
