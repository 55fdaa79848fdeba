/**
 * Which route takes a request: nginx's order of locations, and hosts before them. Reading what stands in the configuration is
 * `location-text.ts`'s and `location-problems.ts`'s, where a route leads `upstream-target.ts`'s.
 */
import { OperatorError } from '../core/errors.ts';
import type { Route } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { canonicalRouteHost, readRouteHost } from './host.ts';
import { locationProblems } from './location-problems.ts';
import { compilePattern, foldCase } from './location-text.ts';
import { hasParameters, matchedText } from './path.ts';
import { PrefixTree } from './prefix-tree.ts';
import type { RegexMatcher } from './regex-matcher.ts';

/** A route that was looked at for a request, and what became of it. */
interface Candidate {
  readonly route: Route;
  readonly matches: boolean;
  readonly note: string;
}

/** The route of a request. `considered` is worked out when it is read, for `explain`; the way of a request skips it. */
export interface LocationMatch {
  readonly route: Route;
  /** In an operator's words. */
  readonly why: string;
  readonly considered: readonly Candidate[];
}

/** What of a target decides about its location. */
type Place = Pick<CanonicalTarget, 'host' | 'port' | 'path'>;

/** How paths are compared with locations. */
export interface LocationOptions {
  /**
   * True: as Express compares them with its routes, without regard to case and to a closing slash. nginx regards both; but
   * `/Admin` would reach a handler of `/admin` without meeting its location.
   */
  readonly likeExpress?: boolean;
}

/** The locations that one host can reach. */
interface Site {
  readonly likeExpress: boolean;
  /** Such as `host cc.example.com`; empty for the routes without one. */
  readonly label: string;
  readonly exact: ReadonlyMap<string, Route>;
  /** Plain and `^~`. */
  readonly prefixes: ReadonlyMap<string, Route>;
  readonly tree: PrefixTree<Route>;
  readonly patterns: readonly { readonly route: Route; readonly pattern: RegexMatcher }[];
}

/**
 * Compiles routes for matching; throws an OperatorError for those that nginx would not load either.
 *
 * A host's set is its own routes and those without a host; with the same location in both, its own wins. The set is of the
 * exact host, else of the longest `*.` that fits, else only the routes without a host; of a host that stands there with a port
 * and without, the one with the request's port comes first. Sets never mix.
 */
export function compileLocations(routes: readonly Route[], options: LocationOptions = {}): Locations {
  const [problem] = locationProblems(options.likeExpress ? routes.map(inLowerCase) : routes);
  if (problem)
    throw new OperatorError(
      `routes[${problem.index}] (${routes[problem.index]?.name}): ${problem.key} ${problem.message}`,
      'Correct the route in the configuration.',
    );
  return new Locations(routes, options);
}

/** Compiled locations; made by `compileLocations`. */
export class Locations {
  readonly #sites = new Map<string, Site>();
  readonly #hasPorts: boolean;
  readonly #common: Site;
  readonly #textOf: (path: string) => string;

  constructor(routes: readonly Route[], { likeExpress = false }: LocationOptions = {}) {
    const common = routes.filter((route) => route.host === undefined);
    this.#textOf = likeExpress ? (path) => foldCase(matchedText(path)) : matchedText;
    this.#common = siteOf('', common, routes, likeExpress);
    this.#hasPorts = routes.some(({ host }) => host !== undefined && readRouteHost(host)?.port !== undefined);
    for (const host of new Set(routes.flatMap(hostOf))) {
      const own = routes.filter((route) => hostOf(route)[0] === host);
      this.#sites.set(host, siteOf(`host ${host}`, [...own, ...common], routes, likeExpress));
    }
  }

  /** The route for a canonical target; undefined when no location matches. */
  match({ host, port, path }: Place): LocationMatch | undefined {
    const site = this.#siteFor(host, port);
    const text = this.#textOf(path);
    const found = find(site, text);
    if (!found) return undefined;
    return new Match(site, text, found);
  }

  /**
   * The path to redirect to when only the closing slash is missing: `/app` where there is a location `/app/` and none
   * `/app`. nginx answers 301 there before it looks at any other location.
   */
  closingSlash({ host, port, path }: Place): string | undefined {
    if (path.endsWith('/') || hasParameters(path)) return undefined;
    const site = this.#siteFor(host, port);
    const text = this.#textOf(path);
    const has = (wanted: string) => site.exact.has(wanted) || site.prefixes.has(wanted);
    return !has(text) && has(`${text}/`) ? `${path}/` : undefined;
  }

  /** What was looked at for a request that nothing takes, too. */
  considered({ host, port, path }: Place): readonly Candidate[] {
    const site = this.#siteFor(host, port);
    const text = this.#textOf(path);
    return consider(site, text, find(site, text)?.route);
  }

  #siteFor(host: string, port: string): Site {
    const exact = this.#named(host, port);
    if (exact) return exact;
    // Labels are cut from the left, so that the longest wildcard is met first and never matches half a label.
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = this.#named(`*${host.slice(dot)}`, port);
      if (wildcard) return wildcard;
    }
    return this.#common;
  }

  /** The set of a name with this port, else that of the name whatever the port. */
  #named(name: string, port: string): Site | undefined {
    return (this.#hasPorts ? this.#sites.get(`${name}:${port}`) : undefined) ?? this.#sites.get(name);
  }
}

/** A class, since an object that is made with a getter of its own costs as much as the rest of a match. */
class Match implements LocationMatch {
  readonly route: Route;
  readonly why: string;
  readonly #site: Site;
  readonly #text: string;

  constructor(site: Site, text: string, { route, why }: Pick<LocationMatch, 'route' | 'why'>) {
    this.route = route;
    this.why = site.label === '' ? why : `${site.label}: ${why}`;
    this.#site = site;
    this.#text = text;
  }

  get considered(): readonly Candidate[] {
    return consider(this.#site, this.#text, this.route);
  }
}

/** As Express compares it; a regular expression is left as it is, since case means something in one. */
function inLowerCase(route: Route): Route {
  return route.modifier.startsWith('~') ? route : { ...route, path: foldCase(route.path) };
}

/** `own` decides which come first for the same location; `order` is the file's, which regular expressions follow. */
function siteOf(label: string, own: readonly Route[], order: readonly Route[], likeExpress: boolean): Site {
  const exact = new Map<string, Route>();
  const prefixes = new Map<string, Route>();
  for (const route of own) {
    const places = route.modifier === '=' ? exact : prefixes;
    const path = likeExpress ? foldCase(route.path) : route.path;
    if (!route.modifier.startsWith('~') && !places.has(path)) places.set(path, route);
  }
  const patterns = order
    .filter((route) => route.modifier.startsWith('~') && own.includes(route))
    .map((route) => ({ route, pattern: compilePattern(likeExpress ? { ...route, modifier: '~*' } : route) }));
  return { likeExpress, label, exact, prefixes, tree: new PrefixTree(prefixes), patterns };
}

function hostOf(route: Route): string[] {
  const host = route.host === undefined ? undefined : canonicalRouteHost(route.host);
  return host === undefined ? [] : [host];
}

function find(site: Site, text: string): { route: Route; why: string } | undefined {
  const texts = site.likeExpress ? [text, text.endsWith('/') ? text.slice(0, -1) : `${text}/`] : [text];
  const exact = texts.map((spelt) => site.exact.get(spelt)).find((route) => route !== undefined);
  if (exact) return { route: exact, why: `"${written(exact)}" is exactly the path` };
  const prefix = site.tree.longest(text);
  if (prefix?.modifier === '^~')
    return { route: prefix, why: `"${written(prefix)}" is the longest prefix, and ^~ leaves regular expressions out` };
  const pattern = site.patterns.find((candidate) => texts.some((spelt) => candidate.pattern.test(spelt)));
  if (pattern)
    return { route: pattern.route, why: `"${written(pattern.route)}" is the first regular expression that matches` };
  if (!prefix) return undefined;
  const rivals = site.patterns.length === 0 ? '' : ', and no regular expression matches';
  return { route: prefix, why: `"${written(prefix)}" is the longest prefix${rivals}` };
}

/** Every location of the site in the order in which nginx weighs them. */
function consider(site: Site, text: string, chosen: Route | undefined): Candidate[] {
  const prefixes = [...site.prefixes].toSorted(([one], [other]) => other.length - one.length);
  const candidates = [
    ...[...site.exact].map(([path, route]) => ({ route, matches: path === text })),
    ...prefixes.map(([path, route]) => ({ route, matches: text.startsWith(path) })),
    ...site.patterns.map(({ route, pattern }) => ({ route, matches: pattern.test(text) })),
  ];
  return candidates.map(({ route, matches }) => {
    const outcome = route === chosen ? 'chosen' : matches ? 'matches, but another comes first' : 'does not match';
    return { route, matches, note: `${written(route)}: ${outcome}` };
  });
}

function written({ modifier, path }: Route): string {
  return modifier === '' ? path : `${modifier} ${path}`;
}
