/** The answers of routes without an application, as verdicts; and what such a route may not have beside its answer. */
import type { Answer, AnswerHeaders } from '../core/answer.ts';
import type { FixedAnswer, Route } from '../core/route.ts';
import type { CanonicalTarget, Verdict } from '../core/verdict.ts';
import { redirectLocation } from '../routing/fixed-answer.ts';
import { refuse } from './refuse.ts';

/** What a route without an application says to whom its access has let through. */
export function fixedVerdict(route: Route, target: CanonicalTarget): Verdict {
  if (!route.fixed) return refuse('NOT_FOUND', 'no-route', 'nothing is behind the route', { route });
  return { kind: 'answer', route, target, answer: answerOf(route.fixed, target) };
}

function answerOf(fixed: FixedAnswer, target: CanonicalTarget): Answer {
  if (fixed.kind === 'redirect')
    return { status: fixed.status, headers: { location: redirectLocation(fixed.to, target) }, body: '' };
  const { status, body, type } = fixed;
  const isText = /^text\/[^;]*$/.test(type);
  const headers = body === '' ? {} : { 'content-type': isText ? `${type}; charset=utf-8` : type };
  return { status, headers: { ...headers, 'x-content-type-options': 'nosniff' }, body };
}

/** The answer to a preflight; what it says of origins goes with every answer of the location. */
export function preflightVerdict(route: Route, target: CanonicalTarget, headers: AnswerHeaders): Verdict {
  return { kind: 'answer', route, target, answer: { status: 204, headers, body: '' } };
}

/** The same from the origin that browsers know, where what is relative would be another server's. */
export function fromOrigin(answer: Answer, origin: string): Answer {
  const { location } = answer.headers;
  if (typeof location !== 'string' || !location.startsWith('/')) return answer;
  return { ...answer, headers: { ...answer.headers, location: origin + location } };
}

/**
 * The same for a front proxy that carries requests by itself, and takes some answers for its own: nginx shows the client none
 * of a check, and to all of them 2xx is a permission to forward. Undefined where the answer can be given as it is.
 */
export function besidesFrontProxy({ answer, route }: Extract<Verdict, { kind: 'answer' }>, use: string) {
  const isPermission = answer.status < 300;
  if (use === 'page' || (use === 'pass' && !isPermission)) return undefined;
  return refuse('ACCESS_DENIED', 'no-route', 'the proxy in front has no application to forward this to', { route });
}

interface Fault {
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** What of a route concerns an application, where it is said; defaults of the schema count as not said. */
const aboutApplications = {
  websocket: (value: unknown) => value === true,
  replayPosts: (value: unknown) => value === true,
  preserveHost: (value: unknown) => value === false,
  cache: (value: unknown) => value === 'keep',
  headers: (value: unknown) => Object.keys(Object(value)).length > 0,
  cookies: (value: unknown) => Object(value).bind !== undefined,
  assertion: (value: unknown) => value !== undefined,
  allowedOrigins: (value: unknown) => Array.isArray(value) && value.length > 0,
  preflight: (value: unknown) => value !== undefined,
};

/** What contradicts in a route that answers by itself, or is missing in one that does not. */
export function answerFaults(route: RouteWords): readonly Fault[] {
  const kinds = (['redirect', 'respond'] as const).filter((key) => route[key] !== undefined);
  const [kind, other] = kinds;
  if (!kind)
    return route.upstream === undefined
      ? [{ key: 'upstream', message: 'is missing', hint: 'write upstream: http://app:8070, or redirect:, or respond:' }]
      : [];
  const more: Fault[] = other ? [{ key: other, message: `stands beside ${kind}:`, hint: 'keep one of the two' }] : [];
  if (route.upstream !== undefined)
    more.push({ key: kind, message: 'stands beside upstream:, which answers by itself', hint: 'keep one of the two' });
  for (const [key, isSaid] of Object.entries(aboutApplications))
    if (isSaid(route[key as keyof typeof aboutApplications]))
      more.push({ key, message: `is about an application, and ${kind}: has none behind it`, hint: 'take it out' });
  const { modifier, path } = route.location;
  if (modifier === '=' && route.redirect?.to === path)
    more.push({ key: 'redirect', message: 'leads to its own location', hint: 'write where browsers are to go' });
  return more;
}

type RouteWords = { readonly [Key in keyof typeof aboutApplications]?: unknown } & {
  readonly upstream?: unknown;
  readonly redirect?: { readonly to: string } | undefined;
  readonly respond?: unknown;
  readonly location: { readonly modifier: string; readonly path: string };
};
