/**
 * nginx's configuration, translated: servers, locations and upstreams become routes. What cannot be said in our words is
 * reported with its place, and closed where another location would take its requests: the import opens nothing.
 */
import { withBranches } from './branches.ts';
import { type Finding, Findings, type RouteFindings } from './findings.ts';
import { flattenLocations } from './flatten.ts';
import { readGroups } from './groups.ts';
import { readListeners } from './listeners.ts';
import type { Directive, NginxSource } from './parse.ts';
import { namedLocations, passingOf, withRest } from './passing.ts';
import { reportConditions, reportRest } from './rest.ts';
import type { RouteData, RouteSource } from './route-data.ts';
import { constantMaps } from './scope.ts';
import type { ReadServer, ReadServers } from './server.ts';
import { readServers } from './servers.ts';
import { type ImportedRoute, readLocations } from './site-routes.ts';

/** What the import knows beside the files. */
export interface NginxOptions {
  /** The host of a server that has no name. */
  readonly host: string | undefined;
  /** What the star at the end of a name stands for. */
  readonly domains: readonly string[];
  /** True: what nothing in its server guards stays open. */
  readonly keepsPublic: boolean;
  /** The path under which a file that nginx names can be read here; undefined where it cannot. */
  readonly readable: (path: string) => string | undefined;
  /** Why the configuration would not take a route; undefined where it would. */
  readonly faultOf: (route: RouteData) => string | undefined;
}

/** A translation. */
export interface NginxImport {
  readonly server: Readonly<Record<string, unknown>>;
  readonly serverNotes: readonly string[];
  /** What is not here of whole servers and of `http`, and which locations have no route. */
  readonly notes: readonly string[];
  readonly routes: readonly ImportedRoute[];
  readonly findings: readonly Finding[];
}

/** Translates what `parseNginx` has read. */
export function importNginx(sources: readonly NginxSource[], options: NginxOptions): NginxImport {
  const findings = new Findings();
  // What no single route is about.
  const general = findings.atRoute();
  for (const { place, pattern, why } of sources.flatMap(({ missed }) => missed))
    general.add('refused', place, `include ${pattern}`, why);
  const http = sources
    .flatMap(({ directives }) => directives)
    .flatMap((directive) => (directive.name === 'http' ? (directive.body ?? []) : [directive]));
  const servers = readServers(http, options, general);
  const shared = { ...options, http, groups: readGroups(http), constants: constantMaps(http) };
  const routes = servers.sites.flatMap((site) => siteRoutes(site, shared, options, { findings, general }));
  for (const { directives } of sources) reportRest(directives, general);
  reportRest(
    http.filter(({ name }) => name !== 'http'),
    general,
  );
  for (const { server } of servers.sites) reportServer(server, findings, general);
  const { data, notes } = readListeners(servers, http, options, findings.atRoute());
  return {
    server: data,
    serverNotes: notes,
    routes: withNames(distinct(routes)),
    notes: general.notes,
    findings: findings.all,
  };
}

/** What the locations of one server become, for each of its hosts. */
function siteRoutes(
  { server, hosts }: ReadServers['sites'][number],
  shared: Pick<RouteSource, 'http' | 'groups' | 'constants' | 'keepsPublic' | 'readable'>,
  options: NginxOptions,
  { findings, general }: { readonly findings: Findings; readonly general: RouteFindings },
): ImportedRoute[] {
  const body = withRest(server.body);
  const flat = flattenLocations(body);
  const named = namedLocations(body);
  const locations = withBranches(flat.locations, { ...shared, server: body, named });
  const plain = locations.filter(({ modifier }) => !/[~=]/.test(modifier.charAt(0)));
  const prefixes = new Set(plain.map(({ path }) => path));
  const written = ({ args }: Directive): string => `location ${args.join(' ')}`;
  for (const one of flat.dead)
    findings.add('ignored', one.place, written(one), 'no request reaches it: a location beside it takes them');
  const used = new Set(flat.locations.map((one) => passingOf(one, body, named)?.named));
  for (const one of flat.named)
    if (!used.has(one)) findings.add('ignored', one.place, written(one), 'nginx alone reaches it, from within');
  return hosts.flatMap((host) => {
    const request = requestValues(server, host);
    const source: RouteSource = { ...shared, server: body, request, host, prefixes, named };
    return readLocations(locations, source, options.faultOf, { findings, general });
  });
}

/** The variables of a request that are the same for every request of a server and host. */
function requestValues({ names, listens }: ReadServer, host: string | undefined): Map<string, string> {
  const values = new Map<string, string>();
  const [name] = host === undefined && names.length === 1 ? names : [host];
  if (name !== undefined && !name.startsWith('*.'))
    values.set('host', name.replace(/:\d+$/, '')).set('http_host', name);
  if (names[0] !== undefined) values.set('server_name', names[0]);
  const [first] = listens;
  if (first && listens.every(({ isTls }) => isTls === first.isTls))
    values.set('scheme', first.isTls ? 'https' : 'http');
  if (first && listens.every(({ port }) => port === first.port)) values.set('server_port', first.port);
  return values;
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

/** Says what became of directives that nobody else has spoken for: of a server, and of locations without a route. */
function reportServer({ body }: ReadServer, findings: Findings, general: RouteFindings): void {
  reportRest(body, general);
  reportConditions(body, general);
  const within = (blocks: readonly Directive[]): void => {
    for (const { name, args, body: inner = [] } of blocks) {
      if (name !== 'location' || /^\/_gate(?:\/|$)/.test(args.at(-1) ?? '')) continue;
      if (inner.some((one) => one.name === 'internal')) continue;
      reportRest(inner, findings);
      reportConditions(inner, findings);
      within(inner);
    }
  };
  within(body);
}
