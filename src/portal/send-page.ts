/** Answers of the gateway's own addresses on their responses, and what protects our pages. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';
import { type AnswerHeaders, jsonAnswer, redirectAnswer } from '../core/answer.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { writeAnswer } from '../edge/write-answer.ts';
import { contentSecurityPolicy } from '../pages/pages.ts';

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
 * Security headers for our own pages; answers of upstreams never have them.
 *
 * Browsers apply `form-action` to the redirects that follow a form, too: after a login an application may send the browser
 * to another site at once, and a logout goes on to an identity provider.
 */
export function pageProtection(options: {
  readonly https: boolean;
  /** Seconds. */
  readonly hsts: number | undefined;
}): AnswerHeaders {
  const middleware = helmet({
    contentSecurityPolicy: false,
    strictTransportSecurity: options.hsts === undefined ? false : { maxAge: options.hsts, includeSubDomains: false },
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
  const headers: Record<string, string> = {};
  // Helmet writes to a response; what it would write is the same for each.
  const collector = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => undefined,
  };
  middleware({} as IncomingMessage, collector as unknown as ServerResponse, () => undefined);
  return {
    ...headers,
    'content-security-policy': contentSecurityPolicy(options.https ? ['https:'] : ['https:', 'http:']),
    'cache-control': 'no-store',
  };
}

/** Sends JSON. */
export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: object,
  headers: AnswerHeaders = {},
): void {
  writeAnswer(request, response, jsonAnswer(status, body, headers));
}

/** Sends the browser elsewhere; 303 so that a POST does not follow. */
export function redirect(
  request: IncomingMessage,
  response: ServerResponse,
  location: string,
  headers: AnswerHeaders = {},
): void {
  writeAnswer(request, response, redirectAnswer(request.method, location, headers));
}
