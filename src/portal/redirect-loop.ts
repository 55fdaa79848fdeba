/**
 * Ends circles of somebody who is signed in: an application that answers its own 401 by sending the browser to the login, or a
 * session that is gone as soon as it has begun. The turns stand in a cookie, which tabs that open together read alike: what
 * counts is one after another. Whoever changes it only spoils their own trip.
 */

import { createHash } from 'node:crypto';
import type { AnswerHeaders } from '../core/answer.ts';
import type { Session } from '../core/session.ts';
import { setCookie } from '../core/set-cookie.ts';
import { headOf } from '../edge/head-of.ts';
import { readCookie } from '../sessions/cookie.ts';
import type { PortalParts, PortalRequest } from './context.ts';
import { offersForm } from './login-page.ts';
import { isNavigation, redirect } from './send-page.ts';

const name = 'gatehouse-turns';
const form = /^(\d{1,3})-(\d{1,3})-(\d{1,12})-([0-9a-f]{0,8})$/;
const pageDigits = 8;
/** A turn that comes later than this after the one before begins a new count. */
const turnSeconds = 15;
/** Browsers give up after some twenty redirects, with a page of their own: a circle must end here before. */
const maxReturns = 5;
/** Turns by way of an identity provider are longer. */
const maxArrivals = 3;
const maxReturnsAfterThem = 2;

/** What ending a circle takes. */
export type LoopParts = Pick<PortalParts, 'clock' | 'publicUrl' | 'pages' | 'signIn'>;

/** How often in a row somebody signed in was sent back to a page, and to which; how often they came from an identity provider. */
interface LoopCounter {
  readonly returns: number;
  readonly arrivals: number;
  readonly page: string;
}

/** Sends somebody signed in on to where they wanted to go, unless they come from there again and again. */
export async function redirectInLoop(
  parts: LoopParts,
  visit: PortalRequest,
  returnTo: string,
  session: Session,
): Promise<void> {
  const turns = turnsOf(parts, visit);
  if (turns.returns >= maxReturns && turns.page === markOf(returnTo)) return showLoop(parts, visit, returnTo, session);
  sendCounted(parts, visit, returnTo, turns);
}

/**
 * Ends what leads to an identity provider unasked, just after logins there that all worked: who is signed in needs no other,
 * who is not would get none that lasts. True when it has answered.
 */
export async function endLoop(
  parts: LoopParts,
  visit: PortalRequest,
  returnTo: string,
  session: Session | undefined,
): Promise<boolean> {
  const turns = turnsOf(parts, visit);
  if (turns.arrivals < maxArrivals) return false;
  // Tabs that open anew come here one after the other, but each for its own page.
  const isCircle = turns.returns >= maxReturnsAfterThem && turns.page === markOf(returnTo);
  if (session && !isCircle) sendCounted(parts, visit, returnTo, turns);
  else await showLoop(parts, visit, returnTo, session);
  return true;
}

/** The `Set-Cookie` value that counts a login at an identity provider. */
export function countArrival(parts: LoopParts, visit: PortalRequest): string {
  const turns = turnsOf(parts, visit);
  return count(parts, { ...turns, arrivals: turns.arrivals + 1 });
}

/** The page that ends a circle, and lets the next try begin afresh. `session` is there when the login itself works. */
export async function showLoop(
  parts: LoopParts,
  visit: PortalRequest,
  returnTo: string,
  session?: Session,
): Promise<void> {
  const { request, response, context } = visit;
  const hasForm = session === undefined && (await offersForm(parts, visit));
  parts.signIn.record('failed', context, {
    reason: 'flow-loop',
    ...(session && { provider: session.provider, user: session.assertion.subject, session: session.id }),
  });
  const login = (more: Readonly<Record<string, string>> = {}): string =>
    `/_gate/login?${new URLSearchParams({ ...more, return: returnTo })}`;
  const view = {
    kind: 'loop',
    requestId: context.requestId,
    retryHref: login(),
    ...(hasForm && { formHref: login({ method: 'form' }) }),
    ...(session && { signedIn: { username: session.assertion.subject, switchHref: login({ switch: '1' }) } }),
  } as const;
  parts.pages.send(request, response, 508, view, cookieOfPage(visit, cookie(parts, '', 0)));
}

function sendCounted(parts: LoopParts, visit: PortalRequest, returnTo: string, turns: LoopCounter): void {
  const page = markOf(returnTo);
  const next = { ...turns, returns: page === turns.page ? turns.returns + 1 : 1, page };
  redirect(visit.request, visit.response, returnTo, cookieOfPage(visit, count(parts, next)));
}

/** Pages alone change the count: their pictures come from the same application, and go round beside them. */
function cookieOfPage({ request }: PortalRequest, value: string): AnswerHeaders {
  return isNavigation(headOf(request)) ? { 'set-cookie': value } : {};
}

/** Without the query, in which some applications put something new each time. */
function markOf(returnTo: string): string {
  return createHash('sha256').update(returnTo.split('?', 1).join()).digest('hex').slice(0, pageDigits);
}

function turnsOf(parts: LoopParts, { request }: PortalRequest): LoopCounter {
  const [, returns, arrivals, second, page = ''] =
    form.exec(readCookie(headOf(request).all('cookie'), name) ?? '') ?? [];
  const isRecent = secondOf(parts) - Number(second) <= turnSeconds;
  return isRecent
    ? { returns: Number(returns), arrivals: Number(arrivals), page }
    : { returns: 0, arrivals: 0, page: '' };
}

function count(parts: LoopParts, { returns, arrivals, page }: LoopCounter): string {
  return cookie(parts, `${returns}-${arrivals}-${secondOf(parts)}-${page}`, turnSeconds);
}

function secondOf({ clock }: LoopParts): number {
  return Math.floor(clock.now() / 1000);
}

function cookie({ publicUrl }: LoopParts, value: string, seconds: number): string {
  return setCookie(publicUrl, name, value, { path: '/_gate/', maxAgeSeconds: seconds });
}
