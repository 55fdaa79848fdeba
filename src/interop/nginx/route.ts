/** One location of nginx as one route: what it sends where, and what keeps it from being sent. */

import { isShut, type ReadAccess, readAccess } from './access.ts';
import { type AnswerWords, readAnswer, redirectWords } from './answering.ts';
import { readCors } from './cors.ts';
import type { Findings } from './findings.ts';
import type { FlatLocation } from './flatten.ts';
import { readHeaders } from './headers.ts';
import { type AccessWords, bothAccesses } from './networks.ts';
import type { Directive } from './parse.ts';
import { type Passing, passingOf } from './passing.ts';
import { reportBlocks } from './rest.ts';
import { type RouteData, type RouteSource, unmatched } from './route-data.ts';
import { limits, reportPaths, withTls } from './route-options.ts';
import { Scope } from './scope.ts';
import { encodePath, readUpstream } from './upstream.ts';

/** What a location comes to; one that is `closed` has no upstream, and its requests must not reach another location. */
type ReadRoute =
  | { readonly kind: 'route'; readonly data: RouteData; readonly notes: readonly string[] }
  /** `isPassed`: an application is behind it, which somebody has to decide about. */
  | { readonly kind: 'closed'; readonly why: string; readonly isPassed: boolean }
  /** nginx lets nobody in: into a location that answers 404 as into one that is not there. */
  | { readonly kind: 'shut'; readonly why: string; readonly isMissing: boolean }
  /** The gateway does by itself what the location does. */
  | { readonly kind: 'own' };

/** Reads a location. */
export function readRoute(location: FlatLocation, source: RouteSource, findings: Findings): ReadRoute {
  const { branch } = location;
  if (isGateways(location)) return { kind: 'own' };
  if (location.unreadable !== undefined)
    return { kind: 'closed', why: `its regular expression cannot be read: ${location.unreadable}`, isPassed: true };
  if (branch?.why !== undefined) {
    const what = location.directive.name === 'location' ? `${branch.what}: ` : '';
    return { kind: 'closed', why: what + branch.why, isPassed: true };
  }
  const scope = new Scope([source.http, source.server, ...location.blocks], source.constants);
  const { redirect } = location;
  if (redirect) {
    const notes = redirect.note === undefined ? [] : [redirect.note];
    return readFixed(location, { redirect: redirectWords(redirect) }, { scope, source, findings, notes });
  }
  const [answer] = scope.own('return');
  if (answer) return readReturn(location, answer, { scope, source, findings, notes: [] });
  if (scope.own('internal').length > 0) return { kind: 'shut', why: 'nginx alone uses it (internal)', isMissing: true };
  const passing = passingOf(location, source.server, source.named);
  if (!passing && isShut(scope)) return { kind: 'shut', why: 'deny all', isMissing: false };
  if (!passing) return { kind: 'closed', why: withoutProxy(location.blocks.at(-1) ?? []), isPassed: false };
  return readPassing(location, passing, scope, source, findings);
}

/** A location that passes its requests on. */
function readPassing(
  location: FlatLocation,
  { pass, blocks, named, files }: Passing,
  outer: Scope,
  source: RouteSource,
  findings: Findings,
): ReadRoute {
  const said = findings.atRoute();
  const shaped: FlatLocation = { ...location, blocks };
  const scope = named ? new Scope([source.http, source.server, ...blocks], source.constants) : outer;
  const fixed = scope.values();
  const upstream = { location: shaped, scope, groups: source.groups, values: new Map([...source.request, ...fixed]) };
  const read = readUpstream(upstream, pass, said);
  if (read.kind === 'none') return { kind: 'closed', why: read.why, isPassed: true };
  const access = readAccess({ ...source, scope: outer, own: location.blocks.at(-1) ?? [] }, said);
  const ofNamed = named && readAccess({ ...source, scope, own: blocks.at(-1) ?? [] }, said);
  const { first } = read;
  const values = { fixed, all: upstream.values };
  const { preserveHost, websocket, headers } = readHeaders(scope, values, first.host, said);
  reportPaths(scope, location, first.pathname, said);
  const instead = 'nginx serves files that are there by itself; here all requests go to the application';
  const own = location.blocks.at(-1) ?? [];
  const cors = readCors({ ...source, scope: outer, own, values: fixed }, said);
  if (files) said.add('note', files.directive.place, files.what, instead);
  reportBlocks(blocks, said);
  if (named) reportBlocks(location.blocks, said);
  const data: RouteData = {
    ...nameAndPlace(location, fixed.get('gatehouse_route'), source.host),
    upstream: withTls(read, scope, source, said),
    ...narrower(access.access, ofNamed),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(websocket && { websocket }),
    ...limits(scope, websocket, said),
    ...(!preserveHost && { preserveHost }),
    ...(cors && { cors }),
  };
  const notes = new Set([...read.notes, ...access.notes, ...(ofNamed?.notes ?? []), ...said.notes]);
  return { kind: 'route', data, notes: location.branch ? [`Of ${location.branch.what}.`, ...notes] : [...notes] };
}

function nameAndPlace(location: FlatLocation, name: string | undefined, host: string | undefined) {
  const text = locationText(location);
  const given = name === undefined ? undefined : decoded(name);
  return {
    ...(given !== undefined && given !== text && { name: given }),
    location: text,
    ...(host !== undefined && { host }),
  };
}

/** Where requests pass two locations, each of them has to let them through. */
function narrower(access: AccessWords, named: ReadAccess | undefined): Pick<RouteData, 'access'> {
  const both = named ? bothAccesses(access, named.access) : access;
  return both === undefined ? {} : { access: both };
}

/** The location in the words of our configuration. */
function locationText({ modifier, path }: FlatLocation): string {
  const text = modifier.startsWith('~') ? path : encodePath(path.replaceAll('%', '%25'));
  return modifier === '' ? text : `${modifier} ${text}`;
}

/** A route that lets nobody in. */
export function closedRoute(location: FlatLocation, host: string | undefined): RouteData {
  return { location: locationText(location), ...(host !== undefined && { host }), upstream: unmatched, access: 'deny' };
}

function isGateways({ modifier, path }: FlatLocation): boolean {
  return !modifier.startsWith('~') && /^\/_gate(?:\/|$)/.test(path);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function withoutProxy(own: readonly Directive[]): string {
  const other = own.find(({ name }) => /^(?:fastcgi|uwsgi|scgi|grpc|memcached)_pass$/.test(name));
  if (other) return `the gateway speaks HTTP to upstreams, not what ${other.name} does`;
  const files = own.find(({ name }) => ['root', 'alias', 'try_files', 'autoindex'].includes(name));
  return files ? `the gateway serves no files (${files.name})` : 'it has no proxy_pass';
}

interface Surroundings {
  readonly scope: Scope;
  readonly source: RouteSource;
  readonly findings: Findings;
  readonly notes: readonly string[];
}

/** A location that nginx answers by itself. */
function readFixed(
  location: FlatLocation,
  answer: AnswerWords,
  { scope, source, findings, notes }: Surroundings,
): ReadRoute {
  const said = findings.atRoute();
  const access = readAccess({ ...source, scope, own: location.blocks.at(-1) ?? [] }, said);
  reportBlocks(location.blocks, said);
  const data: RouteData = {
    ...nameAndPlace(location, undefined, source.host),
    ...answer,
    ...narrower(access.access, undefined),
  };
  return { kind: 'route', data, notes: [...notes, ...access.notes, ...said.notes] };
}

/** A redirect to the closing slash is the gateway's own, where there is a location with one. */
function readReturn(location: FlatLocation, { args }: Directive, surroundings: Surroundings): ReadRoute {
  const { modifier, path } = location;
  const { scope, source } = surroundings;
  const [code = '', target = ''] = args;
  const to = target
    .replace(/^(?:https?|\$scheme):\/\/[^/]+?(?=\/|\$(?:uri|request_uri|document_uri)\b)/, '')
    .replace(/\$is_args\$args$|\?\$args$/, '');
  const isSlash = [`${path}/`, '$uri/', '$request_uri/', '$document_uri/'].includes(to);
  if (modifier === '=' && /^30[1278]$/.test(code) && isSlash && source.prefixes.has(`${path}/`)) return { kind: 'own' };
  // What stands before it may have sent the requests elsewhere.
  const isFirst = scope.own('rewrite').length === 0;
  const values = new Map([...source.request, ...scope.values()]);
  const read = isFirst ? readAnswer(args, values, scope.find('default_type')?.args[0] ?? 'text/plain') : undefined;
  if (read && !('why' in read)) return readFixed(location, read, surroundings);
  const why = read?.why ?? `nginx answers by itself (return ${code})`;
  return /^(?:4\d\d|503)$/.test(code)
    ? { kind: 'shut', why, isMissing: code !== '403' }
    : { kind: 'closed', why, isPassed: false };
}
