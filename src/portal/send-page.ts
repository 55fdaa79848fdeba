/** The gateway's own answers on a bare response: pages for people, JSON for programs, both with the headers they need. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';
import type { GatewayError } from '../core/errors.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { contentSecurityPolicy } from '../pages/pages.ts';

/** Headers of an answer beside the usual ones. */
export type ReplyHeaders = Readonly<Record<string, string | readonly string[]>>;

/**
 * Whether a person is looking: a page is loaded, not fetched by a script.
 *
 * Fetch metadata says so where the browser sends it (https://www.w3.org/TR/fetch-metadata/); older ones are known by what
 * they accept.
 */
export function isNavigation(headers: HeaderLines): boolean {
  if (headers.has('sec-fetch-mode')) return headers.single('sec-fetch-mode') === 'navigate';
  if (headers.has('x-requested-with')) return false;
  return headers.all('accept').some((value) => value.includes('text/html'));
}

/**
 * Security headers for our own pages; answers of upstreams never pass here.
 *
 * Browsers apply `form-action` to the redirects that follow a form, too: after a login an application may send the browser
 * to another site at once, and a logout goes on to an identity provider.
 */
export function protectPage(options: {
  readonly https: boolean;
  /** Seconds. */
  readonly hsts: number | undefined;
}): (request: IncomingMessage, response: ServerResponse) => void {
  const middleware = helmet({
    contentSecurityPolicy: false,
    strictTransportSecurity: options.hsts === undefined ? false : { maxAge: options.hsts, includeSubDomains: false },
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
  const policy = contentSecurityPolicy(options.https ? ['https:'] : ['https:', 'http:']);
  return (request, response) => {
    middleware(request, response, () => {});
    response.setHeader('content-security-policy', policy);
    response.setHeader('cache-control', 'no-store');
  };
}

/** Sends a page. A body that is still arriving is not waited for: the connection closes. */
export function sendPage(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  page: string,
  headers: ReplyHeaders = {},
): void {
  send(request, response, status, 'text/html; charset=utf-8', page, headers);
}

/** Sends JSON. */
export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: object,
  headers: ReplyHeaders = {},
): void {
  send(request, response, status, 'application/json; charset=utf-8', JSON.stringify(body) + '\n', headers);
}

/** Sends the browser elsewhere; 303 so that a POST does not follow. */
export function redirect(
  request: IncomingMessage,
  response: ServerResponse,
  location: string,
  headers: ReplyHeaders = {},
): void {
  const status = request.method === 'GET' || request.method === 'HEAD' ? 302 : 303;
  send(request, response, status, 'text/plain; charset=utf-8', '', { ...headers, location });
}

/** Says that an address is another for good; 308 so that a form follows with what it holds. */
export function redirectPermanently(request: IncomingMessage, response: ServerResponse, location: string): void {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  send(request, response, isRead ? 301 : 308, 'text/plain; charset=utf-8', '', { location });
}

/** The JSON of an error: its code in the words of the web, the public message, the request's id. */
export function errorBody(error: GatewayError, requestId: string): object {
  return { error: error.code.toLowerCase().replaceAll('_', '-'), message: error.publicMessage, requestId };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: ReplyHeaders,
): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.setHeader('content-length', Buffer.byteLength(body));
  if (!response.hasHeader('cache-control')) response.setHeader('cache-control', 'no-store');
  for (const [name, value] of Object.entries(headers)) addHeader(response, name, value);
  if (!request.complete) response.setHeader('connection', 'close');
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Cookies and challenges add up; everything else is one. */
function addHeader(response: ServerResponse, name: string, value: string | readonly string[]): void {
  const values = typeof value === 'string' ? [value] : value;
  if (name === 'set-cookie' || name === 'www-authenticate') for (const one of values) response.appendHeader(name, one);
  else response.setHeader(name, typeof value === 'string' ? value : [...value]);
}
