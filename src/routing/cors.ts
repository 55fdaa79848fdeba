/** Scripts of other origins (the Fetch standard's CORS): what is a preflight, and what answers say about who may read them. */
import type { AnswerHeaders } from '../core/answer.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { CorsRule } from '../core/route.ts';
import type { GatewayRequest } from '../core/verdict.ts';

/** By these some applications take a request for one of another method. */
const overrides = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;

/**
 * Whether a browser asks by this request whether it may send another one. It has no body, so that no form is one, and is of no
 * other method than it says.
 */
export function isPreflight({
  method,
  headers,
  upgrade,
}: Pick<GatewayRequest, 'method' | 'headers' | 'upgrade'>): boolean {
  if (method !== 'OPTIONS' || upgrade || overrides.some((name) => headers.has(name))) return false;
  if (headers.single('origin') === undefined || headers.single('access-control-request-method') === undefined)
    return false;
  const body = headers.framing();
  return body.kind === 'none' || (body.kind === 'length' && body.bytes === 0);
}

/** Whether a script of the origin that a request names may read the answer. */
export function isAllowedOrigin({ origins }: CorsRule, headers: HeaderLines): boolean {
  const origin = headers.single('origin');
  return origin !== undefined && (origins === '*' || origins.includes(origin));
}

/** What every answer of a location says about who may read it, and that it would say something else to others. */
export function corsHeaders(rule: CorsRule, headers: HeaderLines): AnswerHeaders {
  const { origins, credentials, exposeHeaders } = rule;
  const exposed = exposeHeaders.length > 0 && { 'access-control-expose-headers': exposeHeaders.join(', ') };
  if (origins === '*') return { 'access-control-allow-origin': '*', ...exposed };
  const origin = headers.single('origin');
  if (origin === undefined || !origins.includes(origin)) return { vary: 'Origin' };
  return {
    'access-control-allow-origin': origin,
    ...(credentials && { 'access-control-allow-credentials': 'true' }),
    ...exposed,
    vary: 'Origin',
  };
}

/** What the answer to a preflight says beside that. */
export function preflightHeaders({ methods, headers, maxAge }: CorsRule): AnswerHeaders {
  return {
    'access-control-allow-methods': methods.join(', '),
    ...(headers.length > 0 && { 'access-control-allow-headers': headers.join(', ') }),
    ...(maxAge !== undefined && { 'access-control-max-age': String(Math.floor(maxAge / 1000)) }),
  };
}

const ofPreflights =
  /^(?:host|origin|user-agent|referer|accept(?:-\w+)*|access-control-request-[\w-]+|sec-[\w-]+|x-forwarded-[\w-]+|forwarded|x-real-ip|traceparent|tracestate|connection|cache-control|pragma)$/;

/** A preflight with what browsers and proxies write into one, and nothing by which a user or another method could be meant. */
export function barePreflight(headers: HeaderLines): HeaderLines {
  return headers.without((name) => !ofPreflights.test(name));
}
