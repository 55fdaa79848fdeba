/** One location of nginx as one route: what it sends where, and what keeps it from being sent. */
import { isShut, readAccess } from './access.ts';
import type { Findings } from './findings.ts';
import type { FlatLocation } from './flatten.ts';
import { readHeaders } from './headers.ts';
import type { Directive } from './parse.ts';
import { Scope, type Values } from './scope.ts';
import { readSize, readTime } from './units.ts';
import { encodePath, type Group, isRewritten, readUpstream, type UpstreamSource } from './upstream.ts';

/** What stands around the locations of a server. */
export interface RouteSource {
  readonly http: readonly Directive[];
  readonly server: readonly Directive[];
  readonly groups: ReadonlyMap<string, Group>;
  readonly constants: Values;
  /** Of the variables of a request, those that are fixed for this server and host. */
  readonly request: Values;
  readonly host: string | undefined;
  readonly keepsPublic: boolean;
  /** Whether a file can be read here, and where. */
  readonly readable: (path: string) => string | undefined;
  /** The paths of all prefix locations of the server. */
  readonly prefixes: ReadonlySet<string>;
}

/** A route as the configuration writes it. */
export interface RouteData {
  name?: string;
  location: string;
  host?: string;
  upstream: unknown;
  access?: 'public' | 'deny';
  headers?: Readonly<Record<string, string>>;
  websocket?: true;
  timeout?: string;
  connectTimeout?: string;
  maxBody?: string | number;
  preserveHost?: false;
}

/** What a location comes to; one that is `closed` has no upstream, and its requests must not reach another location. */
export type ReadRoute =
  | { readonly kind: 'route'; readonly data: RouteData; readonly notes: readonly string[] }
  | { readonly kind: 'closed'; readonly why: string }
  /** nginx lets nobody in: into a location that answers 404 as into one that is not there. */
  | { readonly kind: 'shut'; readonly why: string; readonly isMissing: boolean }
  /** The gateway does by itself what the location does. */
  | { readonly kind: 'own' };

/** Where a closed route would lead, if it led anywhere. */
export const unmatched = 'http://127.0.0.1:9';

/** Reads a location. */
export function readRoute(location: FlatLocation, source: RouteSource, findings: Findings): ReadRoute {
  const scope = new Scope([source.http, source.server, ...location.blocks], source.constants);
  const own = location.blocks.at(-1) ?? [];
  if (isGateways(location)) return { kind: 'own' };
  if (location.unreadable !== undefined)
    return { kind: 'closed', why: `its regular expression cannot be read: ${location.unreadable}` };
  const [answer] = scope.own('return');
  if (answer) return readReturn(location, answer, source);
  if (scope.own('internal').length > 0) return { kind: 'shut', why: 'nginx alone uses it (internal)', isMissing: true };
  const [pass] = scope.own('proxy_pass');
  if (!pass && isShut(scope)) return { kind: 'shut', why: 'deny all', isMissing: false };
  if (!pass) return { kind: 'closed', why: withoutProxy(own) };
  const fixed = scope.values();
  const upstream: UpstreamSource = {
    location,
    scope,
    groups: source.groups,
    values: new Map([...source.request, ...fixed]),
  };
  const read = readUpstream(upstream, pass, findings);
  if (read.kind === 'none') return { kind: 'closed', why: read.why };
  for (const { args, place } of isRewritten(upstream) ? [] : scope.own('rewrite'))
    findings.add('refused', place, `rewrite ${args.join(' ')}`, 'the path goes on as it came');
  const access = readAccess({ ...source, scope, own }, findings);
  const [first = unmatched] = read.urls;
  const { preserveHost, websocket, headers } = readHeaders(scope, fixed, new URL(first).host, findings);
  reportPaths(scope, location, new URL(first).pathname, findings);
  const name = fixed.get('gatehouse_route');
  const text = locationText(location);
  const given = name === undefined ? undefined : decoded(name);
  const data: RouteData = {
    ...(given !== undefined && given !== text && { name: given }),
    location: text,
    ...(source.host !== undefined && { host: source.host }),
    upstream: withTls(read.urls, scope, source, findings),
    ...(access.access !== undefined && { access: access.access }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(websocket && { websocket }),
    ...limits(scope, websocket, findings),
    ...(!preserveHost && { preserveHost }),
  };
  return { kind: 'route', data, notes: [...read.notes, ...access.notes] };
}

/** The location in the words of our configuration. */
export function locationText({ modifier, path }: FlatLocation): string {
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

/** A redirect to the closing slash is the gateway's own, where there is a location with one. */
function readReturn({ modifier, path }: FlatLocation, { args }: Directive, source: RouteSource): ReadRoute {
  const [code = '', target = ''] = args;
  const to = target
    .replace(/^(?:https?|\$scheme):\/\/[^/]+?(?=\/|\$(?:uri|request_uri|document_uri)\b)/, '')
    .replace(/\$is_args\$args$|\?\$args$/, '');
  const isSlash = [`${path}/`, '$uri/', '$request_uri/', '$document_uri/'].includes(to);
  if (modifier === '=' && /^30[1278]$/.test(code) && isSlash && source.prefixes.has(`${path}/`)) return { kind: 'own' };
  const why = `nginx answers by itself (return ${code})`;
  return /^(?:4\d\d|503)$/.test(code) ? { kind: 'shut', why, isMissing: code !== '403' } : { kind: 'closed', why };
}

function limits(scope: Scope, websocket: boolean, findings: Findings): Partial<RouteData> {
  const read = <Value>(name: string, reader: (text: string) => Value | undefined): Value | undefined => {
    const directive = scope.find(name);
    if (!directive) return undefined;
    const value = reader(directive.args.join(' '));
    if (value === undefined)
      findings.add(
        'refused',
        directive.place,
        `${name} ${directive.args.join(' ')}`,
        'it is no value that can be written here',
      );
    return value;
  };
  const silence = read('proxy_read_timeout', readTime);
  // nginx holds an open WebSocket to the time for answers, so that this one says nothing about answers.
  const timeout = websocket && scope.find('proxy_send_timeout') ? read('proxy_send_timeout', readTime) : silence;
  const connectTimeout = read('proxy_connect_timeout', readTime);
  const maxBody = read('client_max_body_size', readSize);
  return {
    ...(timeout !== undefined && { timeout }),
    ...(connectTimeout !== undefined && { connectTimeout }),
    ...(maxBody !== undefined && { maxBody }),
  };
}

/** What says no more than the gateway does by itself is left out in silence. */
function reportPaths(scope: Scope, { path }: FlatLocation, upstreamPath: string, findings: Findings): void {
  for (const { name, args, place } of scope.all('proxy_redirect', 'proxy_cookie_path')) {
    const [from = '', to = ''] = args;
    const isOwn =
      name === 'proxy_redirect'
        ? from === 'default' || (/^https?:\/\//.test(from) && (to === path || to === '/'))
        : to === path && (from === upstreamPath || from === `${upstreamPath}/`);
    if (isOwn) continue;
    const does = name === 'proxy_redirect' ? 'redirects to the upstream' : 'paths of cookies';
    findings.add(
      'refused',
      place,
      `${name} ${args.join(' ')}`,
      `the gateway turns ${does} into the location’s by itself`,
    );
  }
}

/** The addresses, with what an https upstream is trusted by. */
function withTls(urls: readonly string[], scope: Scope, { readable }: RouteSource, findings: Findings): unknown {
  const servers = urls.length === 1 ? urls[0] : urls;
  if (!urls[0]?.startsWith('https:')) return servers;
  const file = (name: string): string | undefined => {
    const directive = scope.find(name);
    if (!directive) return undefined;
    const found = readable(directive.args[0] ?? '');
    if (found === undefined)
      findings.add('refused', directive.place, name, 'the file cannot be read here; add it by hand');
    return found;
  };
  const ca = file('proxy_ssl_trusted_certificate');
  const [certificate, key] = [file('proxy_ssl_certificate'), file('proxy_ssl_certificate_key')];
  const name = scope.find('proxy_ssl_name')?.args[0];
  const more = {
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && key !== undefined && { certificate, key }),
    ...(name !== undefined && !name.includes('$') && name !== new URL(urls[0]).hostname && { servername: name }),
  };
  if (scope.find('proxy_ssl_verify')?.args[0] !== 'on' && scope.find('proxy_pass'))
    findings.add(
      'note',
      scope.own('proxy_pass')[0]?.place ?? { file: '', line: 0, column: 0 },
      'https upstream',
      'nginx does not check its certificate, the gateway does: name its authorities under upstream.ca',
    );
  return Object.keys(more).length > 0 ? { servers, ...more } : servers;
}
