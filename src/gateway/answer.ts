/**
 * Answers requests that are not forwarded: to the login page, to its confirmation, elsewhere, or a refusal, as a page to
 * people and as JSON to programs. The same for requests to the gateway and for those that a front proxy asks about.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import type { Offer } from '../core/outcome.ts';
import { isOutage, type Reason } from '../core/reason.ts';
import type { CanonicalTarget, Verdict } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import { type Question, withoutRepeatedNegotiate } from '../login/negotiate-cookie.ts';
import type { Notice } from '../pages/fields.ts';
import type { PageSender } from '../portal/page-sender.ts';
import type { Portal } from '../portal/portal.ts';
import type { SavedPosts } from '../portal/post-replay.ts';
import { isNavigation, type ReplyHeaders, redirect, redirectPermanently, sendJson } from '../portal/send-page.ts';
import type { RequestResult } from '../telemetry/recorder.ts';
import type { Decided } from './decided.ts';

/** A verdict that forwards nothing. */
export type Declined = Exclude<Verdict, { readonly kind: 'forward' | 'portal' }>;

/** What declining works with. */
export interface DeclineParts {
  readonly portal: Portal;
  readonly posts: SavedPosts;
  readonly pages: PageSender;
  readonly publicUrl: URL;
  readonly clock: Clock;
}

/** Answers requests that are not forwarded. */
export class Decliner {
  readonly #parts: DeclineParts;

  constructor(parts: DeclineParts) {
    this.#parts = parts;
  }

  /**
   * Answers one request. `origin` stands before redirects: empty where the browser asked us, the public one where a front
   * proxy did, since some resolve what is relative against the address that they asked.
   */
  async answer(
    decided: Decided,
    verdict: Declined,
    request: IncomingMessage,
    response: ServerResponse,
    origin = '',
  ): Promise<RequestResult> {
    switch (verdict.kind) {
      case 'authenticate':
        return this.#authenticate(decided, verdict, request, response, origin);
      case 'redirect':
        redirectPermanently(request, response, origin + verdict.location);
        return { status: response.statusCode };
      case 'step-up':
        return this.#stepUp(verdict, request, response, origin);
      case 'refuse':
        this.#parts.pages.sendError(request, response, { requestId: decided.request.id, ...verdict });
        return { status: verdict.error.status, reason: verdict.reason, detail: verdict.error.message };
      default:
        return verdict satisfies never;
    }
  }

  async #authenticate(
    decided: Decided,
    verdict: Extract<Verdict, { kind: 'authenticate' }>,
    request: IncomingMessage,
    response: ServerResponse,
    origin: string,
  ): Promise<RequestResult> {
    const { publicUrl, clock } = this.#parts;
    const challenges = challengesOf(
      withoutRepeatedNegotiate(
        [...bearerOffers(verdict, request), ...verdict.offers],
        headOf(request),
        publicUrl,
        clock.now(),
      ),
    );
    if (showsBearer(request) || !isNavigation(headOf(request))) {
      const login = loginAddress(returnFor(request, verdict.target));
      sendJson(request, response, 401, { error: 'login-required', login }, challenges);
      return { status: 401 };
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return this.#authenticatePost(decided, verdict, request, response, origin);
    const returnTo = verdict.target.path + verdict.target.query;
    const notice = noticeFor(verdict.reason);
    if (!('www-authenticate' in challenges)) {
      redirect(request, response, origin + loginAddress(returnTo, notice ? { notice } : {}), challenges);
      return { status: response.statusCode };
    }
    // A browser without a ticket shows the body of the 401: the login page itself.
    const { client, request: plain } = decided;
    if (!client) throw new Error('a request without a client cannot have been decided');
    return this.#parts.portal.answer(request, response, {
      requestId: plain.id,
      client,
      signal: plain.signal,
      target: loginTarget(verdict.target, returnTo, notice),
      challenge: challenges,
    });
  }

  /** A form whose session has ended: kept where the route allows it, else the page says that it was not sent. */
  async #authenticatePost(
    decided: Decided,
    verdict: Extract<Verdict, { kind: 'authenticate' }>,
    request: IncomingMessage,
    response: ServerResponse,
    origin: string,
  ): Promise<RequestResult> {
    const { posts, pages } = this.#parts;
    const kept = await posts.keep(
      request,
      verdict.route,
      verdict.target,
      decided.client?.address ?? decided.request.peer,
    );
    if (kept.kind === 'kept') {
      const cookie = kept.cookie && { 'set-cookie': kept.cookie };
      const notice = noticeForForm(verdict.reason);
      redirect(request, response, origin + loginAddress(kept.returnTo, { notice }), cookie || {});
      return { status: response.statusCode };
    }
    const openHref = loginAddress(returnFor(request, verdict.target));
    pages.send(request, response, 401, {
      kind: 'not-sent',
      reason: kept.reason,
      openHref,
      signIn: true,
      requestId: decided.request.id,
    });
    return { status: 401 };
  }

  #stepUp(
    verdict: Extract<Verdict, { kind: 'step-up' }>,
    request: IncomingMessage,
    response: ServerResponse,
    origin: string,
  ): RequestResult {
    if (isNavigation(headOf(request)) && (request.method === 'GET' || request.method === 'HEAD')) {
      redirect(request, response, origin + loginAddressOf(verdict));
      return { status: response.statusCode };
    }
    const login = loginAddress(returnFor(request, verdict.target), { confirm: '1' });
    sendJson(request, response, 401, { error: 'login-required', reason: verdict.reason, login });
    return { status: 401 };
  }
}

/** Where a page load is sent to sign in, or to prove again who it is. */
export function loginAddressOf(verdict: Extract<Declined, { kind: 'authenticate' | 'step-up' }>): string {
  const returnTo = verdict.target.path + verdict.target.query;
  if (verdict.kind === 'step-up') return loginAddress(returnTo, { confirm: '1' });
  const notice = noticeFor(verdict.reason);
  return loginAddress(returnTo, notice ? { notice } : {});
}

/** The login page's address. */
function loginAddress(returnTo: string, more: Readonly<Record<string, string>> = {}): string {
  return `/_gate/login?${new URLSearchParams({ return: returnTo, ...more })}`;
}

function loginTarget(target: CanonicalTarget, returnTo: string, notice?: string): CanonicalTarget {
  return {
    ...target,
    path: '/_gate/login',
    query: loginAddress(returnTo, notice ? { notice } : {}).slice('/_gate/login'.length),
  };
}

/** What the login page says of the session before, or of who was not let in; nothing where there was neither. */
function noticeFor(reason: Reason): Notice['code'] | undefined {
  if (reason === 'idle') return 'session-idle';
  if (reason === 'not-in-directory' || reason === 'user-reserved') return 'not-admitted';
  if (isOutage(reason)) return 'unavailable';
  const ended: readonly Reason[] = [
    'lifetime',
    'revoked',
    'provider-gone',
    'back-channel',
    'single-logout',
    'signed-out',
  ];
  return ended.includes(reason) ? 'session-ended' : undefined;
}

/** What the login page says to whom a form is kept for: that it is, unless signing in will not help. */
function noticeForForm(reason: Reason): Notice['code'] {
  const notice = noticeFor(reason);
  return notice === 'not-admitted' || notice === 'unavailable' ? notice : 'form-kept';
}

/** Where to go after a login that a script's request asked for: the page it stands on, not what it fetched. */
function returnFor(request: IncomingMessage, target: CanonicalTarget): string {
  const head = headOf(request);
  const [referer, host] = [head.single('referer'), head.single('host')];
  const page = referer !== undefined && URL.canParse(referer) ? new URL(referer) : undefined;
  if (page && page.host === host && !page.pathname.startsWith('/_gate')) return page.pathname + page.search;
  return target.path + target.query;
}

function showsBearer(request: IncomingMessage): boolean {
  return /^bearer\b/i.test(headOf(request).single('authorization') ?? '');
}

/** Where a location takes bearer tokens it says so, and what was wrong with one that was shown (RFC 6750 §3). */
function bearerOffers({ route }: Extract<Verdict, { kind: 'authenticate' }>, request: IncomingMessage): Offer[] {
  if (typeof route.access !== 'object' || route.access.bearer !== true) return [];
  if (showsBearer(request)) return [{ via: 'header', value: 'Bearer error="invalid_token"' }];
  return isNavigation(headOf(request)) ? [] : [{ via: 'header', value: 'Bearer' }];
}

function challengesOf({ offers, cookie }: Question): ReplyHeaders {
  const values = offers.flatMap((offer) => (offer.via === 'header' ? [offer.value] : []));
  return { ...(values.length > 0 && { 'www-authenticate': values }), ...(cookie && { 'set-cookie': cookie }) };
}
