/**
 * Exports routes to Traefik 3's dynamic configuration: Traefik carries the requests, and asks the gateway about each of them
 * (forwardAuth).
 */
import { stringify } from 'yaml';
import type { ForwardingRoute } from '../../core/route.ts';
import { exportedServers } from './balancing.ts';
import {
  answeredNames,
  clearedFor,
  type Exported,
  type ExportSite,
  furtherPorts,
  hostAndPort,
  publicPort,
  type RankedRoute,
  rankRoutes,
  splitHost,
} from './site.ts';

const header = `# Written by \`gatehouse export traefik\`: write it anew when the routes change. It is a file of Traefik's dynamic
# configuration (providers.file). Traefik must be in server.trustedProxies of the gateway, and the applications must be out
# of reach but through Traefik. docs/forward-auth.md says what differs.
`;

/** Routers of the gateway's own come before and after all others. */
const portalPriority = 1_000_000;
const lastPriority = 1;

/** Parts of Traefik's dynamic configuration, each by its name. */
interface Parts {
  readonly routers: Readonly<Record<string, object>>;
  readonly middlewares: Readonly<Record<string, object>>;
  readonly services: Readonly<Record<string, object>>;
  readonly serversTransports: Readonly<Record<string, object>>;
}

/** Writes the file. */
export function exportTraefik(site: ExportSite): Exported {
  const all = [undefined, ...furtherPorts(site)].map((port) => entryPoint(site, port));
  const parts = [
    ownParts(site, entryOf(site, all)),
    ...rankRoutes(site.routes).map((one, at) => routeParts(site, entriesFor(site, one, all), one, at)),
  ];
  const joined = <Kind extends keyof Parts>(kind: Kind) => Object.assign({}, ...parts.map((part) => part[kind]));
  const http: Parts = {
    routers: joined('routers'),
    middlewares: joined('middlewares'),
    services: joined('services'),
    serversTransports: joined('serversTransports'),
  };
  const text = header + stringify({ http }, { lineWidth: 0, aliasDuplicateObjects: false });
  return { text, notes: notesOf(site) };
}

/** Traefik tells ports apart by its entry points alone. */
function entryPoint(site: ExportSite, port: string | undefined): string {
  if (port !== undefined && port !== publicPort(site)) return `port-${port}`;
  return site.publicUrl.protocol === 'https:' ? 'websecure' : 'web';
}

/** Where requests come in, for a router. */
function entryOf({ publicUrl }: ExportSite, entryPoints: readonly string[]): object {
  return { entryPoints, ...(publicUrl.protocol === 'https:' && { tls: {} }) };
}

/** A host with a port has the one of that port; others come in by all of them. */
function entriesFor(site: ExportSite, { route: { host } }: RankedRoute, all: readonly string[]): object {
  const port = host === undefined ? undefined : splitHost(host).port;
  return entryOf(site, port === undefined ? all : [entryPoint(site, port)]);
}

/** The gateway's own addresses, verdicts kept from clients, and what no route takes. */
function ownParts(site: ExportSite, entry: object): Parts {
  const router = (prefix: string, priority: number, middleware: string): object => ({
    ...entry,
    rule: `PathPrefix(\`${prefix}\`)`,
    priority,
    middlewares: [middleware],
    service: 'gatehouse',
  });
  return {
    routers: {
      'gatehouse-verdicts': router('/_gate/auth', portalPriority + 1, 'gatehouse-page'),
      'gatehouse-portal': router('/_gate/', portalPriority, 'gatehouse-clear'),
      'gatehouse-nothing': router('/', lastPriority, 'gatehouse-page'),
    },
    middlewares: {
      'gatehouse-clear': { headers: { customRequestHeaders: emptied(clearedFor(site)) } },
      'gatehouse-page': forwardAuth(site, 'answer=page'),
    },
    services: { gatehouse: service([`http://${hostAndPort(site.gateway)}`]) },
    serversTransports: {},
  };
}

/** One route. A closed one is answered by the gateway, and leads nowhere else. */
function routeParts(site: ExportSite, entry: object, one: RankedRoute, index: number): Parts {
  const id = `gatehouse-${index + 1}`;
  const { route } = one;
  const isClosed = route.access === 'deny';
  const replace = isClosed ? undefined : replacing(route);
  const router = {
    ...entry,
    rule: ruleOf(one),
    priority: portalPriority - 10 - index,
    middlewares: ['gatehouse-clear', id, ...(replace ? [`${id}-path`] : [])],
    service: isClosed ? 'gatehouse' : id,
  };
  const verdict = forwardAuth(site, isClosed ? 'answer=page' : `route=${encodeURIComponent(route.name)}`);
  return {
    routers: { [id]: router },
    middlewares: { [id]: verdict, ...(replace && { [`${id}-path`]: replace }) },
    services: isClosed ? {} : { [id]: application(route, id) },
    serversTransports: isClosed ? {} : { [id]: transport(route) },
  };
}

function notesOf(site: ExportSite): string[] {
  const { routes } = site;
  return [
    'untested: no Traefik was at hand; docs/forward-auth.md lists what to look at',
    ...furtherPorts(site).map(
      (port) => `define an entry point port-${port} with address :${port} in Traefik's static file`,
    ),
    ...routes
      .filter(({ upstream }) => upstream.tls?.ca !== undefined || upstream.tls?.certificate !== undefined)
      .map(({ name }) => `add rootCAs and certificates of ${name} to its serversTransport`),
  ];
}

/** The cookie that a login in passing sets; every other one is set by the gateway's own pages. */
function forwardAuth(site: ExportSite, query: string): object {
  const { gateway, publicUrl, maxHeaderSize } = site;
  return {
    forwardAuth: {
      address: `http://${hostAndPort(gateway)}/_gate/auth?${query}`,
      trustForwardHeader: false,
      authResponseHeaders: answeredNames(site),
      addAuthCookiesToResponse: [publicUrl.protocol === 'https:' ? '__Host-gatehouse' : 'gatehouse'],
      maxResponseBodySize: maxHeaderSize * 16,
    },
  };
}

/** An empty value takes a header away. */
function emptied(names: readonly string[]): Record<string, string> {
  // Traefik sets these itself, after it has dropped what a client says.
  const own = ['x-forwarded-server', 'x-real-ip'];
  return Object.fromEntries(names.filter((name) => !own.includes(name)).map((name) => [name, '']));
}

function ruleOf({ route, except }: RankedRoute): string {
  const host = hostRule(route.host);
  return [...(host === undefined ? [] : [host]), pathRule(route), ...except.map((other) => `!${pathRule(other)}`)].join(
    ' && ',
  );
}

function hostRule(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  const { name } = splitHost(host);
  if (!name.startsWith('*.')) return `Host(\`${name}\`)`;
  return `HostRegexp(\`^.+${name.slice(1).replaceAll('.', '\\.')}$\`)`;
}

function pathRule({ modifier, path }: ForwardingRoute): string {
  switch (modifier) {
    case '=':
      return `Path(\`${path}\`)`;
    case '~':
      return `PathRegexp(\`${path}\`)`;
    case '~*':
      return `PathRegexp(\`(?i)${path}\`)`;
    default:
      return `PathPrefix(\`${path}\`)`;
  }
}

/** nginx's `proxy_pass` with a path. What is ambiguous after it the gateway has refused already. */
function replacing({ upstream, path }: ForwardingRoute): object | undefined {
  if (upstream.path === undefined || upstream.path === path) return undefined;
  const literal = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  // A slash doubled where the two meet is sent once.
  const joint = upstream.path.endsWith('/') && !path.endsWith('/') ? '/?' : '';
  return {
    replacePathRegex: { regex: `^${literal}${joint}(.*)$`, replacement: `${upstream.path.replaceAll('$', '$$$$')}$1` },
  };
}

function service(servers: readonly string[], more: object = {}): object {
  return { loadBalancer: { servers: servers.map((url) => ({ url })), ...more } };
}

function application(route: ForwardingRoute, transportId: string): object {
  const { upstream, preserveHost } = route;
  return service(
    exportedServers(route, 'traefik').map(({ origin }) => origin),
    {
      passHostHeader: preserveHost,
      serversTransport: transportId,
      ...(upstream.sticky === 'cookie' && { sticky: { cookie: { name: 'gatehouse_lb', httpOnly: true } } }),
    },
  );
}

function transport({ timeouts, upstream }: ForwardingRoute): object {
  return {
    ...(upstream.tls?.servername !== undefined && { serverName: upstream.tls.servername }),
    forwardingTimeouts: { dialTimeout: `${timeouts.connect}ms`, responseHeaderTimeout: `${timeouts.response}ms` },
  };
}
