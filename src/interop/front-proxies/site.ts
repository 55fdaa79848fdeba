/**
 * What the exports for front proxies work with: the routes as plain data, where everything listens, and the header names
 * that a proxy has to clear and to set so that its applications believe the same as behind the gateway itself.
 */
import type { ForwardingRoute } from '../../core/route.ts';

/** A configuration as a proxy in front has to know it. */
export interface ExportSite {
  /** In file order. */
  readonly routes: readonly ForwardingRoute[];
  readonly publicUrl: URL;
  /** Where the proxy reaches the gateway. */
  readonly gateway: URL;
  /** Where the proxy listens: a port, or an address and a port. */
  readonly listen: string;
  /** Files of the proxy's machine; used where the public address is https. */
  readonly certificate: string;
  readonly key: string;
  /** The names by which upstreams are told who somebody is, in lower case. */
  readonly identityNames: readonly string[];
  /** The headers under which routes take API tokens, in lower case. */
  readonly tokenHeaders: readonly string[];
  /** The names by which proxies tell applications about clients, in lower case, and how the names of their families begin. */
  readonly namesOfProxies: { readonly names: readonly string[]; readonly families: readonly string[] };
  /** Octets of the largest request head. */
  readonly maxHeaderSize: number;
  /** How long a verdict may take, in milliseconds: the whole of a login that needs no page. */
  readonly verdictTimeout: number;
  /** How long a permission may be kept by the proxy, in milliseconds; undefined: not at all. */
  readonly cache?: number;
  /** Whether the proxy passes WebSockets and event streams to the gateway, which ends them with their session. */
  readonly live: boolean;
}

/** An exported configuration, and what its operator has to know beside it. */
export interface Exported {
  readonly text: string;
  readonly notes: readonly string[];
}

/**
 * What the answer brings: the identity and, in the place of what the client sent, its cookies and credentials without those that
 * were for the gateway.
 */
export function answeredNames({ identityNames, tokenHeaders }: ExportSite): readonly string[] {
  return [...new Set([...identityNames, 'cookie', 'authorization', 'x-request-id', 'traceparent', ...tokenHeaders])];
}

/**
 * Names that applications believe of proxies, and that nobody sets here: a client's own are cleared. Those that no list can
 * hold, being any that begin alike, the gateway refuses when it is asked.
 */
const clearedNames: readonly string[] = [
  ...[
    'forwarded',
    'x-forwarded',
    'x-rewrite-url',
    'proxy',
    'x-real-ip',
    'http2-settings',
    'proxy-authorization',
    'proxy-connection',
  ],
  ...['server', 'prefix', 'scheme', 'ssl', 'by', 'client-cert', 'user', 'email', 'groups', 'preferred-username'].map(
    (name) => `x-forwarded-${name}`,
  ),
  ...['access-token', 'uri', 'method', 'upgrade'].map((name) => `x-forwarded-${name}`),
  ...['url', 'uri', 'host', 'method', 'upgrade', 'route'].map((name) => `x-original-${name}`),
];

/** Of the families that proxies tell applications, the members that are known; the others no list can hold. */
const knownMembers: readonly string[] = [
  ...['client-cert', 'client-cert-chain', 'x-client-cert', 'x-client-cert-chain', 'x-client-dn', 'x-client-verify'],
  ...[
    'cert',
    'cert-chain',
    'verify',
    'dn',
    's-dn',
    'i-dn',
    'subject-dn',
    'issuer-dn',
    'serial',
    'fingerprint',
    'cn',
  ].flatMap((name) => [`ssl-client-${name}`, `x-ssl-client-${name}`]),
  ...[
    'ssl-client-subject',
    'ssl-client-issuer',
    'ssl-client-escaped-cert',
    'x-ssl-cert',
    'x-ssl-verify',
    'x-ssl-issuer',
  ],
  ...['x-ssl-client-sha1', 'x-ssl-client-notbefore', 'x-ssl-client-notafter', 'x-ssl-protocol', 'x-ssl-cipher'],
  ...['', '-chain', '-issuer', '-leaf', '-serial-number', '-subject', '-validity'].map(
    (part) => `x-amzn-mtls-clientcert${part}`,
  ),
  ...['', '-subject', '-subject-dn', '-issuer', '-issuer-dn', '-serial', '-der', '-pem'].map(
    (part) => `x-client-cert${part}`,
  ),
  ...['x-client-certificate', 'x-client-subject', 'x-client-subject-dn', 'x-client-issuer', 'x-client-serial'],
  ...['cert', 'verify', 'dn'].flatMap((name) => [`tls-client-${name}`, `x-tls-client-${name}`]),
  ...['x-peer-cert', 'x-peer-certificate', 'x-arr-clientcert', 'cf-client-cert-verified', 'cf-client-cert-sha256'],
];

/** Every name that is cleared: what the gateway drops of a stranger's headers, as far as names can be listed. */
export function clearedFor({ namesOfProxies }: ExportSite): readonly string[] {
  return [...new Set([...clearedNames, ...namesOfProxies.names, ...knownMembers])];
}

/** A route with the routes that take some of its requests first, though it comes before them in the list. */
export interface RankedRoute {
  readonly route: ForwardingRoute;
  readonly except: readonly ForwardingRoute[];
}

/**
 * Routes in the order in which nginx weighs them, for proxies that take the first that matches: exact ones, `^~` prefixes,
 * regular expressions in file order, other prefixes; the longest prefix first. A `^~` prefix leaves out what a longer
 * plain prefix takes. Routes for one host come before those for all.
 */
export function rankRoutes(routes: readonly ForwardingRoute[]): RankedRoute[] {
  const byLength = (a: ForwardingRoute, b: ForwardingRoute): number => b.path.length - a.path.length;
  const rank = (some: readonly ForwardingRoute[]): RankedRoute[] => {
    const plain = some.filter(({ modifier }) => modifier === '').toSorted(byLength);
    const firm = some.filter(({ modifier }) => modifier === '^~').toSorted(byLength);
    return [
      ...some.filter(({ modifier }) => modifier === '=').map((route) => ({ route, except: [] })),
      ...firm.map((route) => ({ route, except: plain.filter((other) => isWithin(other, route)) })),
      ...some.filter(({ modifier }) => modifier.startsWith('~')).map((route) => ({ route, except: [] })),
      ...plain.map((route) => ({ route, except: [] })),
    ];
  };
  return sitesOf(routes).flatMap(({ host, routes: some }) =>
    rank(some.map((route) => (host === undefined ? route : { ...route, host }))),
  );
}

/** The routes of one host: its own, and those for all hosts that it has not replaced; in file order. */
export interface HostSite {
  /** Undefined: every host that has no routes of its own. */
  readonly host: string | undefined;
  readonly routes: readonly ForwardingRoute[];
}

/** A route's host and the port that it names. */
export function splitHost(host: string): { readonly name: string; readonly port: string | undefined } {
  const [, name = host, port] = /^(.+?)(?::(\d+))?$/.exec(host) ?? [];
  return { name, port };
}

/** The port that browsers write, or leave out, for the public address. */
export function publicPort({ publicUrl }: Pick<ExportSite, 'publicUrl'>): string {
  return publicUrl.port || (publicUrl.protocol === 'https:' ? '443' : '80');
}

/** The ports beside the public one that hosts of routes name. */
export function furtherPorts(site: Pick<ExportSite, 'publicUrl' | 'routes'>): readonly string[] {
  const ports = site.routes.flatMap(({ host }) => (host === undefined ? [] : (splitHost(host).port ?? [])));
  return [...new Set(ports)].filter((port) => port !== publicPort(site));
}

/** Where the proxy listens for a route's host: the public port may be another one on its machine, a further one is as it is written. */
export function listenFor(site: Pick<ExportSite, 'publicUrl' | 'listen'>, port: string | undefined): string {
  if (port === undefined || port === publicPort(site)) return site.listen;
  return site.listen.slice(0, site.listen.lastIndexOf(':') + 1) + port;
}

/** Routes by host: exact hosts, then wildcards, the longest first and each with a port before it stands without, then the rest. */
export function sitesOf(routes: readonly ForwardingRoute[]): HostSite[] {
  const hosts = [...new Set(routes.flatMap(({ host }) => (host === undefined ? [] : [host])))];
  const isWild = (host: string) => Number(host.startsWith('*.'));
  const nameLength = (host: string) => splitHost(host).name.length;
  hosts.sort((a, b) => isWild(a) - isWild(b) || nameLength(b) - nameLength(a) || b.length - a.length);
  const own = hosts.map((host) => ({ host, routes: routes.filter((route) => isOf(routes, route, host)) }));
  return [...own, { host: undefined, routes: routes.filter(({ host }) => host === undefined) }];
}

/** Where a route and one for all hosts have the same location, the host's own counts. */
function isOf(routes: readonly ForwardingRoute[], route: ForwardingRoute, host: string): boolean {
  if (route.host !== undefined) return route.host === host;
  if (route.modifier.startsWith('~')) return true;
  return !routes.some((other) => other.host === host && place(other) === place(route));
}

/** nginx takes a plain prefix and a `^~` one of the same path for the same location. */
function place({ modifier, path }: ForwardingRoute): string {
  return modifier === '=' ? `= ${path}` : modifier.startsWith('~') ? `~ ${path}` : path;
}

function isWithin(other: ForwardingRoute, route: ForwardingRoute): boolean {
  return other.path.length > route.path.length && other.path.startsWith(route.path);
}

/** A URL's host with its port, written or not. */
export function hostAndPort(url: URL): string {
  return url.port === '' ? `${url.hostname}:${url.protocol === 'https:' ? '443' : '80'}` : url.host;
}

/** What stands before absolute addresses that an upstream writes, and what browsers must see there. */
export function redirectsOf(
  route: ForwardingRoute,
  hosts: readonly string[],
): { readonly from: string; readonly to: string }[] {
  const { servers, path } = route.upstream;
  const [from, to] = path === undefined ? ['/', '/'] : [path, route.path];
  const redirects = servers.map(({ url }) => ({ from: `${url.protocol}//${url.host}${from}`, to }));
  const scheme = servers[0]?.url.protocol;
  if (route.preserveHost && scheme !== undefined && (from !== '/' || to === '/'))
    for (const host of hosts) redirects.push({ from: `${scheme}//${host}${from}`, to });
  return redirects;
}
