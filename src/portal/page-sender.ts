/** Makes pages and errors: the view in the browser's language with the headers of our pages, or JSON where a program asked. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, type AnswerHeaders, errorBody, jsonAnswer } from '../core/answer.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { isOfNoTenant, type Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { GatewayRequest } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import { writeAnswer } from '../edge/write-answer.ts';
import type { Language } from '../pages/language.ts';
import type { Pages, PageView } from '../pages/pages.ts';
import { chosenLanguage } from './language-choice.ts';
import { isNavigation, pageProtection } from './send-page.ts';

/** When to come again, where nobody knows better. */
const unavailableRetrySeconds = 5;

/** What an error answer says beside its code. */
interface ErrorAnswer {
  readonly error: GatewayError;
  readonly reason: Reason;
  readonly requestId: string;
  readonly route?: Route;
  readonly principal?: Principal;
  /** Seconds. */
  readonly retryAfter?: number;
  /** The methods that there are, where another one was refused. */
  readonly allow?: string;
}

/** The request that meets an error, and whether a person sees what is answered. */
interface ErrorContext {
  readonly request: Pick<GatewayRequest, 'method' | 'target' | 'headers'>;
  readonly isPage: boolean;
}

/** Who may pass a route, in words for a visitor who was refused for this reason. */
export type RouteWords = (route: Route, reason: Reason) => { readonly openTo: readonly string[] };

/** Renders and sends our own pages. */
export class PageSender {
  readonly #pages: Pages;
  readonly #publicUrl: URL;
  readonly #words: RouteWords;
  readonly #protection: AnswerHeaders;
  readonly #homeHref: string;

  /** `hsts` in seconds; `homeHref` is where a page of ours leads back to. */
  constructor(pages: Pages, publicUrl: URL, words: RouteWords, hsts?: number, homeHref = '/') {
    this.#homeHref = homeHref;
    this.#pages = pages;
    this.#publicUrl = publicUrl;
    this.#words = words;
    this.#protection = pageProtection({ https: publicUrl.protocol === 'https:', hsts });
  }

  get assets(): ReturnType<Pages['assets']> {
    return this.#pages.assets();
  }

  /** The language of the pages for a browser: the one that was chosen in it, else the one that it prefers. */
  language(headers: HeaderLines): Language {
    return chosenLanguage(headers) ?? this.#pages.language(headers.all('accept-language').join(', '));
  }

  /** A page in the language that was chosen in the browser, else the one that it prefers. */
  page(headers: HeaderLines, status: number, view: PageView, more: AnswerHeaders = {}): Answer {
    const language = this.language(headers);
    return {
      status,
      headers: {
        'content-type': 'text/html; charset=utf-8',
        ...this.#protection,
        ...more,
        vary: 'Accept-Language',
        'content-language': language,
      },
      body: this.#pages.render(language, view),
    };
  }

  /** An error, as a page to people and as JSON to programs. */
  error(context: ErrorContext, answer: ErrorAnswer, more: AnswerHeaders = {}): Answer {
    const { error, requestId, allow } = answer;
    // RFC 9110 §15.6.4: what is unavailable for now says when to come again.
    const { retryAfter = error.status === 503 ? unavailableRetrySeconds : undefined } = answer;
    const said = { ...(allow && { allow }), ...(retryAfter && { 'retry-after': String(retryAfter) }) };
    const headers = { ...more, 'x-request-id': requestId, ...said };
    if (!context.isPage) return jsonAnswer(error.status, errorBody(error, requestId), headers);
    return this.page(context.request.headers, error.status, this.#errorView(context.request, answer), headers);
  }

  /** Sends a page. */
  send(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    view: PageView,
    headers: AnswerHeaders = {},
  ): void {
    writeAnswer(request, response, this.page(headOf(request), status, view, headers));
  }

  /** Sends an error. */
  sendError(request: IncomingMessage, response: ServerResponse, answer: ErrorAnswer, more: AnswerHeaders = {}): void {
    const headers = headOf(request);
    const plain = { method: request.method ?? 'GET', target: request.url ?? '/', headers };
    writeAnswer(request, response, this.error({ request: plain, isPage: isNavigation(headers) }, answer, more));
  }

  /** The same page at the site's own address. */
  #addressOf(target: string): string {
    const { origin } = this.#publicUrl;
    return target.startsWith('/') && !target.startsWith('/_gate') ? origin + target : `${origin}/`;
  }

  #errorView(
    { method, target }: ErrorContext['request'],
    { error, reason, requestId, route, principal, retryAfter }: ErrorAnswer,
  ): PageView {
    if (error.code === 'ACCESS_DENIED')
      return {
        kind: 'denied',
        homeHref: this.#homeHref,
        reason,
        requestId,
        username: principal?.subject,
        openTo: route ? this.#words(route, reason).openTo : undefined,
        contact: route?.contact,
        switchHref: principal
          ? `/_gate/login?${new URLSearchParams({ switch: '1', return: target })}`
          : isOfNoTenant(reason)
            ? '/_gate/login?switch=1&method=form'
            : undefined,
      };
    const isRepeatable = (method === 'GET' || method === 'HEAD') && error.status >= 500;
    return {
      kind: 'error',
      homeHref: this.#homeHref,
      code: error.code,
      requestId,
      retryAfterSeconds: retryAfter,
      ...(isRepeatable && { retryHref: target }),
      ...(error.code === 'PROVIDER_UNAVAILABLE' && { homeHref: false as const }),
      ...(error.code === 'MISDIRECTED' && { homeHref: this.#addressOf(target) }),
    };
  }
}
