/** Carries verdicts out over HTTP: forwards, redirects to the login, or answers with a page or JSON. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Offer } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import type { CanonicalTarget, Verdict } from '../core/verdict.ts';
import type { Forwarder } from '../proxy/forward.ts';
import { isNavigation, permanently, redirect, sendJson } from './answers.ts';
import type { PageSender } from './pages.ts';
import type { Decided, Pipeline } from './pipeline.ts';
import type { Portal } from './portal.ts';
import type { RequestResult } from './record.ts';
import type { PostKeeper } from './replay.ts';
import { readRequest } from './request.ts';

/** What carrying out over HTTP works with. */
export interface HttpParts {
  readonly log: Log;
  readonly pipeline: Pipeline;
  readonly portal: Portal;
  readonly forwarder: Forwarder;
  readonly posts: PostKeeper;
  readonly pages: PageSender;
}

/** Answers HTTP requests. */
export class HttpCarrier {
  readonly #parts: HttpParts;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  /** Never throws: what goes wrong is a 503. */
  async carry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const decided = await this.#parts.pipeline.decide(readRequest(request, gone.signal));
    let result: RequestResult;
    try {
      result = await this.#carryOut(decided, request, response);
    } catch (cause) {
      this.#parts.log.error({ request: decided.request.id, error: cause }, 'a verdict could not be carried out');
      const error = new GatewayError('UNAVAILABLE', 'a verdict could not be carried out', cause);
      result = this.#refuse(decided, request, response, { kind: 'refuse', error, reason: 'internal-error' });
    }
    this.#parts.pipeline.finish(decided, result);
  }

  async #carryOut(decided: Decided, request: IncomingMessage, response: ServerResponse): Promise<RequestResult> {
    const { verdict } = decided;
    switch (verdict.kind) {
      case 'forward':
        return this.#forward(decided, verdict, request, response);
      case 'portal':
        return this.#parts.portal.answer(request, response, { requestId: decided.request.id, client: verdict.client, target: verdict.target, signal: decided.request.signal });
      case 'authenticate':
        return this.#authenticate(decided, verdict, request, response);
      case 'redirect':
        permanently(request, response, verdict.location);
        return { status: response.statusCode };
      case 'step-up':
        return this.#stepUp(verdict, request, response);
      case 'refuse':
        return this.#refuse(decided, request, response, verdict);
      default:
        return verdict satisfies never;
    }
  }

  async #forward(
    decided: Decided,
    { forward }: Extract<Verdict, { kind: 'forward' }>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<RequestResult> {
    const sent = await this.#parts.forwarder.forward({ request, response, forward });
    switch (sent.kind) {
      case 'sent':
        return { status: sent.status };
      case 'client-gone':
        return { status: 499 };
      case 'failed': {
        const error = new GatewayError(sent.code, `${forward.route.name}: the upstream failed`, sent.error);
        this.#parts.log.warn({ request: decided.request.id, route: forward.route.name, reason: sent.reason, error: sent.error }, 'an upstream failed');
        if (sent.headersSent) return { status: response.statusCode, reason: sent.reason };
        return this.#refuse(decided, request, response, { kind: 'refuse', error, reason: sent.reason });
      }
      default:
        return sent satisfies never;
    }
  }

  async #authenticate(
    decided: Decided,
    verdict: Extract<Verdict, { kind: 'authenticate' }>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<RequestResult> {
    const challenges = challengesOf(verdict.offers);
    if (!isNavigation(request.headers)) {
      const login = loginAddress(returnFor(request, verdict.target));
      sendJson(request, response, 401, { error: 'login-required', login }, challenges);
      return { status: 401 };
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return this.#authenticatePost(decided, verdict, request, response);
    const returnTo = verdict.target.path + verdict.target.query;
    const notice = noticeFor(verdict.reason);
    if (!('www-authenticate' in challenges)) {
      redirect(request, response, loginAddress(returnTo, notice ? { notice } : {}));
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
  ): Promise<RequestResult> {
    const { posts, pages } = this.#parts;
    const kept = await posts.keep(request, verdict.route, verdict.target);
    if (kept.kind === 'kept') {
      const notice = noticeFor(verdict.reason);
      const cookie = kept.cookie && { 'set-cookie': kept.cookie };
      redirect(request, response, loginAddress(kept.returnTo, notice ? { notice } : {}), cookie || {});
      return { status: response.statusCode };
    }
    const openHref = loginAddress(returnFor(request, verdict.target));
    pages.send(request, response, 401, { kind: 'not-sent', reason: kept.reason, openHref, signIn: true, requestId: decided.request.id });
    return { status: 401 };
  }

  #stepUp(verdict: Extract<Verdict, { kind: 'step-up' }>, request: IncomingMessage, response: ServerResponse): RequestResult {
    if (isNavigation(request.headers) && (request.method === 'GET' || request.method === 'HEAD')) {
      redirect(request, response, loginAddress(verdict.target.path + verdict.target.query, { confirm: '1' }));
      return { status: response.statusCode };
    }
    const login = loginAddress(returnFor(request, verdict.target), { confirm: '1' });
    sendJson(request, response, 401, { error: 'login-required', reason: verdict.reason, login });
    return { status: 401 };
  }

  #refuse(
    decided: Decided,
    request: IncomingMessage,
    response: ServerResponse,
    verdict: Extract<Verdict, { kind: 'refuse' }>,
  ): RequestResult {
    this.#parts.pages.sendError(request, response, { requestId: decided.request.id, ...verdict });
    return { status: verdict.error.status, reason: verdict.reason };
  }
}

/** The login page's address. */
function loginAddress(returnTo: string, more: Readonly<Record<string, string>> = {}): string {
  return `/_gate/login?${new URLSearchParams({ return: returnTo, ...more })}`;
}

function loginTarget(target: CanonicalTarget, returnTo: string, notice?: string): CanonicalTarget {
  return { ...target, path: '/_gate/login', query: loginAddress(returnTo, notice ? { notice } : {}).slice('/_gate/login'.length) };
}

/** What the login page says of the session before; nothing where there was none. */
function noticeFor(reason: Reason): 'session-idle' | 'session-ended' | undefined {
  if (reason === 'idle') return 'session-idle';
  const ended: readonly Reason[] = ['lifetime', 'revoked', 'provider-gone', 'back-channel', 'single-logout', 'signed-out'];
  return ended.includes(reason) ? 'session-ended' : undefined;
}

/** Where to go after a login that a script's request asked for: the page it stands on, not what it fetched. */
function returnFor(request: IncomingMessage, target: CanonicalTarget): string {
  const { referer, host } = request.headers;
  const page = referer !== undefined && URL.canParse(referer) ? new URL(referer) : undefined;
  if (page && page.host === host && !page.pathname.startsWith('/_gate')) return page.pathname + page.search;
  return target.path + target.query;
}

function challengesOf(offers: readonly Offer[]): { 'www-authenticate'?: string[] } {
  const values = offers.flatMap((offer) => (offer.via === 'header' ? [offer.value] : []));
  return values.length > 0 ? { 'www-authenticate': values } : {};
}
