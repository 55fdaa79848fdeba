/** From the routes as configured to the routes that are matched: frozen objects with everything filled in. */
import type { Reason } from '../core/reason.ts';
import type { Access, HeaderRule, Route, Upstream, UpstreamTls } from '../core/route.ts';
import { defaultHeaderRules } from '../proxy/templates.ts';
import { canonicalRouteHost } from '../routing/host.ts';
import type { Document, RouteDocument } from './document.ts';

/** The routes of a configuration, in file order. */
export function routesOf(document: Pick<Document, 'routes' | 'headers'>): readonly Route[] {
  return document.routes.map((route) => Object.freeze(routeOf(route, document.headers)));
}

/** What a route is called: its name, else its host and location as written. */
export function routeName(route: RouteDocument): string {
  return route.name ?? (route.host ? `${route.host} ${route.location.text}` : route.location.text);
}

/** The route as if it asked for one of these roles, too: what an application asks for by itself. */
export function askingFor(roles: readonly string[] | undefined, route: Route): Route {
  if (roles === undefined || route.access === 'deny') return route;
  const access = route.access === 'public' ? { providers: [] } : route.access;
  // The body of the request may have been read by the time that an application asks.
  return { ...route, access: { ...access, roles }, replayPosts: false };
}

/** What would have let a visitor pass, in words that visitors know. */
export function labelsOf({ roles, providers }: Document, access: Route['access'], reason: Reason): readonly string[] {
  if (typeof access === 'string') return [];
  if (reason === 'provider-not-admitted') return access.providers.map((name) => providers[name]?.label ?? name);
  return access.roles.map((role) => roles[role]?.label ?? role);
}

function routeOf(route: RouteDocument, general: Document['headers']): Route {
  const { location, timeout } = route;
  return {
    name: routeName(route),
    ...(route.host !== undefined && { host: canonicalRouteHost(route.host) ?? route.host }),
    modifier: location.modifier,
    path: location.path,
    upstream: upstreamOf(route),
    access: accessOf(route.access),
    headers: headersOf(general, route.headers),
    websocket: route.websocket,
    idleActivity: route.idleActivity,
    timeouts: { connect: route.connectTimeout, response: timeout, idle: timeout },
    encodedSlashes: route.encodedSlashes === 'allow',
    pathParameters: route.pathParameters === 'allow',
    replayPosts: route.replayPosts,
    maxBody: route.maxBody,
    allowedOrigins: route.allowedOrigins,
    preserveHost: route.preserveHost,
    ...(route.contact !== undefined && { contact: route.contact }),
  };
}

function upstreamOf({ upstream }: RouteDocument): Upstream {
  const { servers, ...tls } = upstream;
  const path = servers[0]?.path;
  return {
    servers: servers.map(({ url }) => ({ origin: url.origin, url })),
    ...(path !== undefined && { path }),
    ...(Object.keys(tls).length > 0 && { tls: tls as UpstreamTls }),
  };
}

function accessOf(access: RouteDocument['access']): Access {
  if (typeof access === 'string') return access;
  const { roles, providers, bearer, maxAge } = access;
  return { roles, providers, bearer, ...(maxAge !== undefined && { maxAge }) };
}

/** The default headers, with the general ones over them and the route's own over those; `false` takes one away. */
function headersOf(general: Document['headers'], own: RouteDocument['headers']): HeaderRule[] {
  const rules = new Map<string, HeaderRule>(defaultHeaderRules.map((rule) => [rule.name.toLowerCase(), rule]));
  for (const [name, template] of [...Object.entries(general), ...Object.entries(own)]) {
    if (template === false) rules.delete(name.toLowerCase());
    else if (typeof template === 'string') rules.set(name.toLowerCase(), { name, template });
    else rules.set(name.toLowerCase(), { name, template: template.value, encoding: template.encoding });
  }
  return [...rules.values()];
}
