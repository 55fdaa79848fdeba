/** Which headers are ours, for a whole configuration: the namespace that no client may enter. */
import { networks } from '../config/values.ts';
import type { Route } from '../core/route.ts';
import { ownCookies } from '../proxy/cookies.ts';
import { HeaderComposer } from '../proxy/headers.ts';
import type { Document } from './document.ts';

/** The gateway's own cookies: no upstream sees one, and none may set one. */
export const isOwnCookie = ownCookies(['__Host-gatehouse*', 'gatehouse*']);

/** The composer of a configuration's routes. */
export function composerOf(document: Document, routes: readonly Route[]): HeaderComposer {
  return new HeaderComposer({
    routes,
    closed: closedNames(document),
    isOwnCookie,
    isTrusted: networks(document.server.trustedProxies),
  });
}

/** Every header that any part of the configuration names is closed on every route, also where it is switched off. */
function closedNames({ headers, routes }: Document): string[] {
  return [headers, ...routes.map((route) => route.headers)].flatMap((rules) => Object.keys(rules));
}
