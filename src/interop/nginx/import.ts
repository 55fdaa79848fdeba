/**
 * nginx's configuration, translated: servers, locations and upstreams become routes. What cannot be said in our words is
 * reported with its place, and closed where another location would take its requests: the import opens nothing.
 */
import { isLiveTurn } from './access.ts';
import { handlingOf } from './directives.ts';
import { conditionText, type Finding, Findings } from './findings.ts';
import { type FlatLocation, flattenLocations } from './flatten.ts';
import { readListeners } from './listeners.ts';
import type { Directive, NginxSource } from './parse.ts';
import { closedRoute, type RouteData, type RouteSource, readRoute } from './route.ts';
import { constantMaps } from './scope.ts';
import { type ReadServer, type ReadServers, readServers } from './servers.ts';
import type { Place } from './tokens.ts';
import { readGroups } from './upstream.ts';

/** What the import knows beside the files. */
export interface NginxOptions {
  /** The host of a server that has no name. */
  readonly host: string | undefined;
  /** True: what nothing in its server guards stays open. */
  readonly keepsPublic: boolean;
  /** The path under which a file that nginx names can be read here; undefined where it cannot. */
  readonly readable: (path: string) => string | undefined;
  /** Why the configuration would not take a route; undefined where it would. */
  readonly faultOf: (route: RouteData) => string | undefined;
}

/** A route with where it came from and what to know about it. */
export interface ImportedRoute {
  readonly data: RouteData;
  readonly place: Place;
  readonly written: string;
  readonly notes: readonly string[];
}

/** A translation. */
export interface NginxImport {
  readonly server: Readonly<Record<string, unknown>>;
  readonly serverNotes: readonly string[];
  readonly routes: readonly ImportedRoute[];
  readonly findings: readonly Finding[];
}

/** Translates what `parseNginx` has read. */
export function importNginx(sources: readonly NginxSource[], options: NginxOptions): NginxImport {
  const findings = new Findings();
  for (const { place, pattern, why } of sources.flatMap(({ missed }) => missed))
    findings.add('refused', place, `include ${pattern}`, why);
  const http = sources
    .flatMap(({ directives }) => directives)
    .flatMap((directive) => (directive.name === 'http' ? (directive.body ?? []) : [directive]));
  const servers = readServers(http, options.host, findings);
  const shared = { ...options, http, groups: readGroups(http), constants: constantMaps(http) };
  const routes = servers.sites.flatMap((site) => siteRoutes(site, shared, options, findings));
  for (const { directives } of sources) reportRest(directives, findings);
  reportRest(
    http.filter(({ name }) => name !== 'http'),
    findings,
  );
  for (const { server } of servers.sites) reportServer(server, findings);
  const { data, notes } = readListeners(servers, http, options, findings);
  return { server: data, serverNotes: notes, routes: withNames(distinct(routes)), findings: findings.all };
}

/** What the locations of one server become, for each of its hosts. */
function siteRoutes(
  { server, hosts }: ReadServers['sites'][number],
  shared: Omit<RouteSource, 'server' | 'request' | 'host' | 'prefixes'>,
  options: NginxOptions,
  findings: Findings,
): ImportedRoute[] {
  const { locations, dead, named } = flattenLocations(server.body);
  const plain = locations.filter(({ modifier }) => !/[~=]/.test(modifier.charAt(0)));
  const prefixes = new Set(plain.map(({ path }) => path));
  for (const { place, args } of dead)
    findings.add(
      'ignored',
      place,
      `location ${args.join(' ')}`,
      'no request reaches it: a location beside it takes them',
    );
  for (const { place, args } of named)
    findings.add('refused', place, `location ${args.join(' ')}`, 'nginx alone reaches a named location, from within');
  return hosts.flatMap((host) => {
    const source = { ...shared, server: server.body, request: requestValues(server, host), host, prefixes };
    return readLocations(locations, source, options, findings);
  });
}

/** The variables of a request that are the same for every request of a server and host. */
function requestValues({ names, listens }: ReadServer, host: string | undefined): Map<string, string> {
  const values = new Map<string, string>();
  const [name] = host === undefined && names.length === 1 ? names : [host];
  if (name !== undefined && !name.startsWith('*.')) values.set('host', name).set('http_host', name);
  if (names[0] !== undefined) values.set('server_name', names[0]);
  const [first] = listens;
  if (first && listens.every(({ isTls }) => isTls === first.isTls))
    values.set('scheme', first.isTls ? 'https' : 'http');
  if (first && listens.every(({ port }) => port === first.port)) values.set('server_port', first.port);
  return values;
}

interface Candidate extends ImportedRoute {
  readonly location: FlatLocation;
  /** Why it is shut, and what for; undefined for one that leads to an upstream. */
  readonly closed?: { readonly why: string; readonly as: 'unsaid' | 'missing' | 'forbidden' };
}

function readLocations(
  locations: readonly FlatLocation[],
  source: RouteSource,
  { faultOf }: NginxOptions,
  findings: Findings,
): ImportedRoute[] {
  const candidates = locations.flatMap((location): Candidate[] => {
    const { place, args } = location.directive;
    const written = `location ${args.join(' ')}`;
    const shut = (why: string, as: 'unsaid' | 'missing' | 'forbidden' = 'unsaid'): Candidate[] => {
      const asWritten = closedRoute(location, source.host);
      const fault = faultOf(asWritten);
      // An expression that cannot be written takes, for want of a better one, every path that comes to its turn.
      const isPattern = location.modifier.startsWith('~');
      const data = fault !== undefined && isPattern ? { ...asWritten, location: '~ ^/' } : asWritten;
      if (fault === undefined || isPattern) return [{ location, data, place, written, notes: [], closed: { why, as } }];
      findings.add('refused', place, written, `${why}; as a location it ${fault}`);
      return [];
    };
    const read = readRoute(location, source, findings);
    switch (read.kind) {
      case 'own':
        findings.add('ignored', place, written, 'the gateway does this by itself');
        return [];
      case 'closed':
        return shut(read.why);
      case 'shut':
        return shut(read.why, read.isMissing ? 'missing' : 'forbidden');
      case 'route': {
        const fault = faultOf(read.data);
        return fault === undefined ? [{ location, data: read.data, place, written, notes: read.notes }] : shut(fault);
      }
      default:
        return read satisfies never;
    }
  });
  return candidates.flatMap((candidate) => settle(candidate, candidates, findings));
}

/** A location without a translation stays as a closed route where its requests would reach another application. */
function settle(candidate: Candidate, all: readonly Candidate[], findings: Findings): ImportedRoute[] {
  const { closed, place, written } = candidate;
  if (closed === undefined) return [candidate];
  const { why, as } = closed;
  if (as === 'forbidden') return [{ ...candidate, notes: [`Closed in nginx, too: ${why}.`] }];
  const isTaken = all.some((other) => other.closed === undefined && takes(other.location, candidate.location));
  const rest = isTaken
    ? 'another location would take its requests, so it is closed'
    : 'nothing else takes its requests';
  if (as === 'missing') findings.add('note', place, written, `${why}; ${rest}`);
  else findings.add(isTaken ? 'closed' : 'refused', place, written, `${why}; ${rest}`);
  if (!isTaken) return [];
  const choice = 'Give it an upstream, or take it out to leave its requests to the other locations.';
  return [{ ...candidate, notes: [as === 'missing' ? `Closed in nginx, too: ${why}.` : `Closed: ${why}. ${choice}`] }];
}

/** Whether a location could take requests of another one that is not there. */
function takes(other: FlatLocation, { modifier, path }: FlatLocation): boolean {
  if (modifier.startsWith('~')) return true;
  // A regular expression comes before a plain prefix anyway.
  if (other.modifier.startsWith('~')) return modifier !== '';
  return other.modifier !== '=' && path.startsWith(other.path);
}

/** Where two that cannot be read are closed alike, one is enough. */
function distinct(routes: readonly ImportedRoute[]): ImportedRoute[] {
  const seen = new Set<string>();
  return routes.filter(({ data: { host, location } }) => {
    const key = JSON.stringify([host, location]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Names are one route's each; where the same came from several servers, the first keeps it. */
function withNames(routes: readonly ImportedRoute[]): ImportedRoute[] {
  const defaults = routes.map(({ data: { host, location } }) =>
    host === undefined ? location : `${host} ${location}`,
  );
  const taken = new Set(defaults);
  return routes.map((route) => {
    const { name, ...data } = route.data;
    if (name === undefined || taken.has(name)) return { ...route, data };
    taken.add(name);
    return { ...route, data: { name, ...data } };
  });
}

/** Says what became of directives that nobody else has spoken for. */
function reportRest(directives: readonly Directive[], findings: Findings): void {
  const constants = constantMaps(directives);
  for (const { name, args, place } of directives) {
    const [source = '', target = ''] = args;
    const { handling, why } = handlingOf(name);
    if (handling !== 'translated') findings.add(handling, place, name, why);
    else if (name === 'map' && !/upgrade|websocket/.test(source) && !constants.has(target.slice(1)))
      findings.add('refused', place, `map ${target}`, `it depends on the request, by ${source}`);
  }
}

/** The same for a server and the locations in it, but for those that only nginx reaches or that are the gateway's. */
function reportServer({ body }: ReadServer, findings: Findings): void {
  reportRest(body, findings);
  for (const { name, args, place } of body)
    if (name === 'rewrite') findings.add('refused', place, `rewrite ${args.join(' ')}`, 'a path is matched as it came');
  reportConditions(body, findings);
  const within = (blocks: readonly Directive[]): void => {
    for (const { name, args, body: inner = [] } of blocks) {
      if (name !== 'location' || args.at(-1)?.startsWith('@') || /^\/_gate(?:\/|$)/.test(args.at(-1) ?? '')) continue;
      reportRest(inner, findings);
      reportConditions(inner, findings);
      within(inner);
    }
  };
  within(body);
}

function reportConditions(body: readonly Directive[], findings: Findings): void {
  for (const directive of body) {
    const { name, args, place } = directive;
    if (name !== 'if' || findings.has(place)) continue;
    if (isLiveTurn(directive))
      findings.add('ignored', place, conditionText({ args }), 'the gateway carries what stays open by itself');
    else findings.add('refused', place, conditionText({ args }), 'routes have no conditions');
  }
}
