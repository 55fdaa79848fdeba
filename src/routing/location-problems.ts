/** What makes a set of routes impossible: the errors that nginx, too, reports when it reads its configuration. */
import type { Route, Upstream } from '../core/route.ts';
import { canonicalRouteHost } from './host.ts';
import { compilePattern } from './location-text.ts';
import { readPath } from './path.ts';
import { blowUp } from './regex-safety.ts';

/** What the checks look at; a whole route is one. */
type RouteLocation = Pick<Route, 'name' | 'host' | 'modifier' | 'path' | 'insecureRegex'> & {
  readonly upstream?: Pick<Upstream, 'path'>;
};

/** An error in one route: its place in the list, the key it concerns, and what to do. */
interface LocationProblem {
  readonly index: number;
  readonly key: 'location' | 'host' | 'upstream';
  readonly message: string;
  readonly hint?: string;
  /** Of a location that is taken: the place of the route that has it. */
  readonly first?: number;
}

/** Every error of the routes' locations, hosts and upstream paths; `compileLocations` refuses routes that have one. */
export function locationProblems(routes: readonly RouteLocation[]): LocationProblem[] {
  const seen = new Map<string, number>();
  return routes.flatMap((route, index) => {
    const problems: LocationProblem[] = [];
    const report = (key: LocationProblem['key'], message: string | undefined, hint?: string) => {
      if (message !== undefined) problems.push({ index, key, message, ...(hint && { hint }) });
    };
    const key = placeOf(route);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, index);
    else
      problems.push({
        index,
        key: 'location',
        message: `is taken by the route ${routes[first]?.name} already: nothing would ever reach this one`,
        hint: 'give it another location or a host of its own, or put both routes together',
        first,
      });
    report('location', patternProblem(route));
    report('location', slowness(route), slownessHint);
    report('host', hostProblem(route.host));
    report('upstream', upstreamProblem(route));
    return problems;
  });
}

/** A plain prefix and `^~` with the same path are one place, as in nginx; a path and `= path` are two. */
function placeOf({ host, modifier, path }: RouteLocation): string {
  return JSON.stringify([
    host === undefined ? '' : (canonicalRouteHost(host) ?? host),
    modifier === '^~' ? '' : modifier,
    path,
  ]);
}

function patternProblem(route: RouteLocation): string | undefined {
  if (!route.modifier.startsWith('~')) return undefined;
  try {
    compilePattern(route);
    return undefined;
  } catch {
    return 'is not a regular expression that JavaScript reads';
  }
}

const slownessHint =
  'write what may stand between two slashes as [^/]+, or take the risk with insecureRegex: true on this route';

/** Whether one request could keep the process busy for seconds. */
function slowness({ modifier, path, insecureRegex }: RouteLocation): string | undefined {
  if (!modifier.startsWith('~') || insecureRegex) return undefined;
  const why = blowUp(path, modifier === '~*');
  return why && `is a regular expression that can take very long on a path made for it: it ${why}`;
}

function hostProblem(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  const canonical = canonicalRouteHost(host);
  if (canonical === undefined)
    return 'must be a host name such as cc.example.com or *.example.com, with or without a port; without scheme or path';
  return undefined;
}

function upstreamProblem({ modifier, upstream }: RouteLocation): string | undefined {
  const path = upstream?.path;
  if (path === undefined) return undefined;
  if (modifier.startsWith('~'))
    return 'must have no path: a regular expression matches no fixed prefix that the path could replace, as in nginx';
  const reading = readPath(path);
  if (reading.kind === 'refused') return `has a path that could not be sent: ${reading.detail}`;
  return reading.path === path ? undefined : `has a path that is not in its normal form: write ${reading.path}`;
}
