/** What is allowed in a set of routes and often not meant; `gatehouse check` prints it. */
import { isDeepStrictEqual } from 'node:util';
import { machineOf } from '../core/regex-machine.ts';
import type { Route } from '../core/route.ts';
import { readRouteHost } from './host.ts';
import { compileLocations } from './locations.ts';
import { blowUp } from './regex-safety.ts';

/** A warning about one route. */
interface LocationWarning {
  readonly route: Route;
  readonly key: 'location' | 'upstream' | 'redirect';
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
}

/** All warnings about routes that `compileLocations` takes. */
export function locationWarnings(routes: readonly Route[]): LocationWarning[] {
  return [...siblingsAdmitted(routes), ...slashesThatDiffer(routes), ...slowPatterns(routes), ...circles(routes)];
}

/**
 * Prefixes without a closing slash that decide about more than their own tree: as in nginx a prefix is a string, and
 * `/ccagent` takes `/ccagentx` too. Silent where the siblings would get the same access from the other routes.
 */
export function siblingsAdmitted(routes: readonly Route[]): LocationWarning[] {
  return routes.flatMap((route) => {
    if (!isPrefix(route) || route.path.endsWith('/')) return [];
    const sibling = `${encodeURI(route.path)}x`;
    const others = compileLocations(routes.filter((other) => other !== route));
    const { name = '', port = '' } = readRouteHost(route.host ?? '') ?? {};
    const otherwise = others.match({ host: name.replace(/^\*/, 'any'), port, path: sibling })?.route;
    // Where no other route takes them the siblings would be 404, which is as closed as deny.
    if (isDeepStrictEqual(accessOf(otherwise ?? { access: 'deny' }), accessOf(route))) return [];
    const instead = otherwise ? `by the route ${otherwise.name}` : 'nowhere';
    const exact = `= ${route.path}`;
    return {
      route,
      key: 'location',
      message: `takes every path that begins so, ${route.path}x too, which would otherwise be served ${instead}`,
      hint: `write "${route.path}/", or two locations: "${exact}" and "${`${route.modifier} ${route.path}/`.trim()}"`,
    };
  });
}

/** `/api/` to `http://app/v1` makes `/v1users` of `/api/users`: nginx replaces the string, so do we. */
function slashesThatDiffer(routes: readonly Route[]): LocationWarning[] {
  return routes.flatMap((route) => {
    const to = route.upstream?.path;
    if (to === undefined || !isPrefix(route) || !route.path.endsWith('/') || to.endsWith('/')) return [];
    return {
      route,
      key: 'upstream',
      message: `replaces ${route.path} by ${to}, so that ${route.path}page is sent as ${to}page`,
      hint: `end the upstream's path with a slash: ${to}/`,
    };
  });
}

/** Regular expressions that somebody takes at their own risk. Where a machine reads them, the risk is another proxy's. */
function slowPatterns(routes: readonly Route[]): LocationWarning[] {
  return routes.flatMap((route) => {
    const isInsensitive = route.modifier === '~*';
    const why = route.modifier.startsWith('~') && route.insecureRegex && blowUp(route.path, isInsensitive);
    if (!why) return [];
    const risk = machineOf(route.path, isInsensitive)
      ? 'in a proxy that tries one reading after the other, such as nginx, though not here'
      : 'and keep all other requests waiting';
    const message = `can take very long on a path made for it, ${risk}: it ${why}`;
    return { route, key: 'location', message, hint: 'write it otherwise, and remove insecureRegex' };
  });
}

/** Redirects to a path that their own location takes: a browser gives up after some twenty turns. */
function circles(routes: readonly Route[]): LocationWarning[] {
  const locations = compileLocations(routes);
  return routes.flatMap((route) => {
    if (route.fixed?.kind !== 'redirect' || !/^\/[^$]*$/.test(route.fixed.to)) return [];
    const [path = ''] = route.fixed.to.split(/[?#]/, 1);
    const { name = '', port = '' } = readRouteHost(route.host ?? '') ?? {};
    if (locations.match({ host: name.replace(/^\*/, 'any'), port, path })?.route !== route) return [];
    return {
      route,
      key: 'redirect',
      message: `leads to ${path}, which the same location takes: browsers go round in a circle`,
      hint: 'write a location of that one path, such as "= /", or lead elsewhere',
    };
  });
}

function isPrefix({ modifier }: Route): boolean {
  return modifier === '' || modifier === '^~';
}

function accessOf({ access, networks }: Pick<Route, 'access' | 'networks'>): unknown {
  if (typeof access === 'string') return { access, networks };
  return { ...access, roles: [...access.roles].sort(), providers: [...access.providers].sort(), networks };
}
