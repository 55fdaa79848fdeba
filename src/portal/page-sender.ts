/** Sends pages and errors: the view in the browser's language with the headers of our pages, or JSON where a program asked. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import { headOf } from '../edge/head-of.ts';
import type { Pages, PageView } from '../pages/pages.ts';
import { errorBody, isNavigation, protectPage, type ReplyHeaders, sendJson, sendPage } from './send-page.ts';

/** What an error answer says beside its code. */
export interface ErrorAnswer {
  readonly error: GatewayError;
  readonly reason: Reason;
  readonly requestId: string;
  readonly route?: Route;
  readonly principal?: Principal;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** Who may pass a route, in words for a visitor who was refused for this reason. */
export type RouteWords = (route: Route, reason: Reason) => { readonly openTo: readonly string[] };

/** Renders and sends our own pages. */
export class PageSender {
  readonly #pages: Pages;
  readonly #words: RouteWords;
  readonly #protect: ReturnType<typeof protectPage>;

  /** `hsts` in seconds. */
  constructor(pages: Pages, publicUrl: URL, words: RouteWords, hsts?: number) {
    this.#pages = pages;
    this.#words = words;
    this.#protect = protectPage({ https: publicUrl.protocol === 'https:', hsts });
  }

  get assets(): ReturnType<Pages['assets']> {
    return this.#pages.assets();
  }

  /** Sends a page in the language that the browser prefers. */
  send(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    view: PageView,
    headers: ReplyHeaders = {},
  ): void {
    if (response.headersSent || response.destroyed) return;
    this.#protect(request, response);
    const language = this.#pages.language(headOf(request).all('accept-language').join(', '));
    const page = this.#pages.render(language, view);
    sendPage(request, response, status, page, { ...headers, vary: 'Accept-Language', 'content-language': language });
  }

  /** Sends an error, as a page to people and as JSON to programs. */
  sendError(request: IncomingMessage, response: ServerResponse, answer: ErrorAnswer, extra: ReplyHeaders = {}): void {
    const { error, requestId, retryAfter } = answer;
    const headers = { ...extra, 'x-request-id': requestId, ...(retryAfter && { 'retry-after': String(retryAfter) }) };
    if (!isNavigation(headOf(request))) sendJson(request, response, error.status, errorBody(error, requestId), headers);
    else this.send(request, response, error.status, this.#errorView(request, answer), headers);
  }

  #errorView(
    request: IncomingMessage,
    { error, reason, requestId, route, principal, retryAfter }: ErrorAnswer,
  ): PageView {
    const here = request.url ?? '/';
    if (error.code === 'ACCESS_DENIED')
      return {
        kind: 'denied',
        reason,
        requestId,
        username: principal?.subject,
        openTo: route ? this.#words(route, reason).openTo : undefined,
        contact: route?.contact,
        switchHref: principal && `/_gate/login?${new URLSearchParams({ switch: '1', return: here })}`,
      };
    const isRepeatable = (request.method === 'GET' || request.method === 'HEAD') && error.status >= 500;
    return {
      kind: 'error',
      code: error.code,
      requestId,
      retryAfterSeconds: retryAfter,
      ...(isRepeatable && { retryHref: here }),
      ...(error.code === 'PROVIDER_UNAVAILABLE' && { homeHref: false as const }),
    };
  }
}
