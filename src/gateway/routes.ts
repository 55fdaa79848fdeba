/** From the routes as configured to the routes that are matched: frozen objects with everything filled in. */
import * as z from 'zod';
import type { Level } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { AppDemand } from '../core/verdict.ts';
import { assertionRuleOf, forwardOptions, type HeaderTemplates, headerRules } from '../proxy/options.ts';
import { upstreamOf } from '../proxy/upstream-options.ts';
import { accessOf, networksOf } from '../routing/access-options.ts';
import { corsOf, corsOptions, preflightFaults } from '../routing/cors-options.ts';
import { fixedAnswerOf, fixedOptions } from '../routing/fixed-answer.ts';
import { canonicalRouteHost } from '../routing/host.ts';
import { locationOptions, routeName } from '../routing/options.ts';
import { startFaults, startOptions, tileOf } from '../routing/start-options.ts';
import { answerFaults } from './fixed-answer.ts';

/** One of `routes:`, of the options of the rooms that act on it. */
export const routeOptions = z
  .strictObject({
    ...locationOptions.shape,
    ...forwardOptions.shape,
    ...fixedOptions.shape,
    ...corsOptions.shape,
    ...startOptions.shape,
    service: z.string().optional().describe('one of services: what machines must be admitted to here, beside access'),
    clientCertificate: z
      .enum(['strip', 'forward'])
      .default('strip')
      .describe('forward: the application is sent what a machine has shown as Client-Cert (RFC 9440)'),
  })
  .superRefine((route, context) => {
    for (const { key, message, hint } of [...answerFaults(route), ...preflightFaults(route), ...startFaults(route)])
      context.addIssue({ code: 'custom', path: [key], message, params: { hint } });
    const takesTokens = typeof route.access === 'object' && route.access.apiTokens;
    if (route.apiTokenHeader !== undefined && !takesTokens) {
      const hint = 'write access: { apiTokens: true } too, or leave the header out';
      const message = 'names a header for API tokens, which the access of this route does not take';
      context.addIssue({ code: 'custom', path: ['apiTokenHeader'], message, params: { hint } });
    }
  });

/** A route as configured. */
type RouteDocument = z.output<typeof routeOptions>;

/** What routes are made of. */
export interface RoutesDocument {
  readonly routes: readonly RouteDocument[];
  readonly headers: HeaderTemplates;
}

/** The routes of a configuration, in file order. */
export function routesOf({ routes, headers }: RoutesDocument): readonly Route[] {
  return routes.map((route) => Object.freeze(routeOf(route, headers)));
}

/** The route as if it asked for this, too: what an application asks for by itself. */
export function askingFor(demand: AppDemand | undefined, route: Route): Route {
  if (demand === undefined || route.access === 'deny' || route.access === 'peers') return route;
  const access = typeof route.access === 'string' ? { roles: [], providers: [] } : route.access;
  const { networks, ...rest } = route;
  // What an application asks for by itself no network frees from.
  const narrowing = networks?.satisfy === 'all' && { networks };
  const { roles = access.roles } = demand;
  const level = Math.max(demand.level ?? 1, access.level ?? 1) as Level;
  // The body of the request may have been read by the time that an application asks.
  return { ...rest, ...narrowing, access: { ...access, roles, level }, replayPosts: false };
}

type Labelled = Readonly<Record<string, { readonly label?: string | undefined }>>;

/** What would have let a visitor pass, in words that visitors know. */
export function labelsOf(
  { roles, providers }: { readonly roles: Labelled; readonly providers: Labelled },
  access: Route['access'],
  reason: Reason,
): readonly string[] {
  if (typeof access === 'string') return [];
  if (reason === 'provider-not-admitted') return access.providers.map((name) => providers[name]?.label ?? name);
  // What else is missing has no name that visitors know.
  return reason === 'role-missing' ? access.roles.map((role) => roles[role]?.label ?? role) : [];
}

function routeOf(route: RouteDocument, general: HeaderTemplates): Route {
  const { location, timeout } = route;
  const fixed = fixedAnswerOf(route);
  const access = accessOf(route.access);
  const networks = networksOf(route.access);
  const tile = tileOf(route);
  return {
    name: routeName(route),
    ...(route.host !== undefined && { host: canonicalRouteHost(route.host) ?? route.host }),
    modifier: location.modifier,
    path: location.path,
    ...(route.upstream && { upstream: upstreamOf(route.upstream) }),
    ...(fixed && { fixed }),
    access,
    ...(route.application !== undefined && { application: route.application }),
    ...(networks && { networks }),
    ...(route.service !== undefined && { service: route.service }),
    ...(route.clientCertificate === 'forward' && { forwardsCertificate: true }),
    ...(route.apiTokenHeader !== undefined && { apiTokenHeader: route.apiTokenHeader.toLowerCase() }),
    ...corsOf(route),
    ...(route.label !== undefined && { label: route.label }),
    ...(tile && { tile }),
    headers: headerRules(general, route.headers),
    bind: access === 'public' || access === 'deny' || access === 'peers' ? 'off' : (route.cookies.bind ?? 'httpOnly'),
    ...(route.assertion && { assertion: assertionRuleOf(route.assertion) }),
    websocket: route.websocket,
    idleActivity: route.idleActivity,
    timeouts: { connect: route.connectTimeout, response: timeout, idle: timeout },
    encodedSlashes: route.encodedSlashes === 'allow',
    pathParameters: route.pathParameters === 'allow',
    ...(route.insecureRegex && { insecureRegex: true }),
    ...(route.cache === 'keep' && { keepsCache: true }),
    replayPosts: route.replayPosts,
    maxBody: route.maxBody,
    allowedOrigins: route.allowedOrigins,
    preserveHost: route.preserveHost,
    ...(route.contact !== undefined && { contact: route.contact }),
  };
}
