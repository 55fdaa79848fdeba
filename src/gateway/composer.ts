/** Which headers are ours, for a whole configuration: the namespace that no client may enter. */
import { networks } from '../config/values.ts';
import type { Log } from '../core/log.ts';
import type { Route } from '../core/route.ts';
import { ownCookies } from '../proxy/cookies.ts';
import { HeaderComposer } from '../proxy/headers.ts';
import { assertionHeader, defaultHeaderRules } from '../proxy/templates.ts';
import type { Document } from './document.ts';

/** The gateway's own cookies: no upstream sees one, and none may set one. */
export const isOwnCookie = ownCookies(['__Host-gatehouse*', 'gatehouse*']);

/** The composer of a configuration's routes. */
export function composerOf(document: Document, routes: readonly Route[], log?: Log): HeaderComposer {
  return new HeaderComposer({
    routes,
    closed: closedNames(document),
    isOwnCookie,
    ...(log && { log }),
    isTrusted: networks(document.server.trustedProxies),
  });
}

/**
 * The names under which any route tells its upstream who somebody is, in lower case: what a proxy that carries requests
 * itself has to clear on each of them, and then to set.
 */
export function identityNames(
  document: Pick<Document, 'headers' | 'routes'>,
  routes: readonly Route[],
): readonly string[] {
  const rules = [...defaultHeaderRules, ...routes.flatMap((route) => route.headers)].map(({ name }) => name);
  return [...new Set([...rules, ...closedNames(document), assertionHeader].map((name) => name.toLowerCase()))];
}

/** The headers under which any route takes API tokens: where a proxy carries requests itself, the answer says what is left of them. */
export function tokenHeaders(routes: readonly Route[]): readonly string[] {
  return [...new Set(routes.flatMap(({ apiTokenHeader }) => apiTokenHeader ?? []))];
}

/** Every header that any part of the configuration names is closed on every route, also where it is switched off. */
function closedNames({ headers, routes }: Pick<Document, 'headers' | 'routes'>): string[] {
  return [headers, ...routes.map((route) => route.headers)].flatMap((rules) => Object.keys(rules));
}
