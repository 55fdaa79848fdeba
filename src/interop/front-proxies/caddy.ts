/**
 * Exports routes to Caddy: Caddy carries the requests and asks the gateway about each of them. It is `forward_auth` written
 * out, since the short form leaves a client's header in place where the answer has none (CVE-2026-30851), and drops cookies.
 */
import type { ForwardingRoute } from '../../core/route.ts';
import { matcher } from './caddy-matchers.ts';
import { serversFor } from './caddy-servers.ts';
import { headerCase, indent, literal, quote } from './caddy-text.ts';
import {
  answeredNames,
  clearedFor,
  type Exported,
  type ExportSite,
  furtherPorts,
  hostAndPort,
  listenFor,
  type RankedRoute,
  rankRoutes,
  redirectsOf,
  splitHost,
} from './site.ts';

/** Writes the Caddyfile. */
export function exportCaddy(site: ExportSite): Exported {
  const { publicUrl, certificate, key } = site;
  const isHttps = publicUrl.protocol === 'https:';
  const text = [
    '# Written by `gatehouse export caddy`: write it anew when the routes change. Caddy must be in server.trustedProxies of the',
    '# gateway, and the applications must be out of reach but through Caddy. docs/forward-auth.md says what differs.',
    ...permission(site),
    `${addressesOf(site).join(', ')} {`,
    ...(site.listen.includes(':') ? [`  bind ${site.listen.slice(0, site.listen.lastIndexOf(':'))}`] : []),
    ...(isHttps ? [`  tls ${certificate} ${key}`] : []),
    '  route {',
    ...indent(2, firstLines(site)),
    ...rankRoutes(site.routes).flatMap((ranked, index) => indent(2, routeBlock(site, ranked, index + 1))),
    ...indent(2, ['# Where there is nothing, the gateway says so.', ...ask(site, 'answer=page', [])]),
    '  }',
    '}',
    '',
  ].join('\n');
  return { text, notes: notesOf(site) };
}

function notesOf({ publicUrl, certificate, key }: ExportSite): string[] {
  const where = `${certificate} and ${key}`;
  return publicUrl.protocol === 'https:'
    ? [`put the site's certificate and key at ${where}, or take out "tls" where Caddy gets them itself`]
    : [];
}

/** What is done with every request before its route is looked for. */
function firstLines(site: ExportSite): string[] {
  return [
    '# Verdicts are for Caddy alone.',
    '@verdicts path /_gate/auth /_gate/auth/*',
    'respond @verdicts 404',
    '# No name of ours, however spelt, is left of what a client sends.',
    'request_header -*_*',
    '# Caddy drops what Connection names after it has set what the answer says: a client could have ours dropped.',
    '@websocket header_regexp Upgrade (?i)^websocket$',
    '@plain not header_regexp Upgrade (?i)^websocket$',
    'request_header @websocket Connection Upgrade',
    'request_header @plain -Connection',
    'request_header @plain -Upgrade',
    ...[...cleared(site)].map((name) => `request_header -${name}`),
    '@own path /_gate/*',
    `handle @own {`,
    `  reverse_proxy ${hostAndPort(site.gateway)}`,
    '}',
    ...live(site),
  ];
}

/** What stays open the gateway carries itself, and ends it with its session. EventSource always asks for `text/event-stream`. */
function live({ live: isWanted, gateway }: ExportSite): string[] {
  if (!isWanted) return [];
  const through = [`  reverse_proxy ${hostAndPort(gateway)} {`, '    flush_interval -1', '  }', '}'];
  return [
    '# WebSockets and event streams: the gateway carries them, and a logout ends them.',
    ...['handle @websocket {', ...through],
    '@events header_regexp Accept (?i)text/event-stream',
    ...['handle @events {', ...through],
  ];
}

/** Over http any host is served, as the gateway does; over https those that the certificate is for. */
function addressesOf(site: ExportSite): string[] {
  const { publicUrl, routes } = site;
  const portFor = (port?: string): string => {
    const listen = listenFor(site, port);
    return listen.slice(listen.lastIndexOf(':') + 1);
  };
  if (publicUrl.protocol === 'http:')
    return [undefined, ...furtherPorts(site)].map((port) => `http://:${portFor(port)}`);
  const hosts = [publicUrl.hostname, ...routes.flatMap(({ host }) => (host === undefined ? [] : [host]))];
  const addresses = hosts.map(splitHost).map(({ name, port }) => `https://${name}:${portFor(port)}`);
  return [...new Set(addresses)];
}

/** Prefixes where a whole family is ours. What Caddy sets about itself (X-Forwarded-For and its like) it also cleans. */
function cleared(site: ExportSite): Set<string> {
  const families = ['x-remote-', 'x-gatehouse-', 'x-original-', 'x-forwarded-', ...site.namesOfProxies.families];
  const names = [...site.identityNames, ...clearedFor(site)].filter(
    (name) => !families.some((family) => name.startsWith(family)),
  );
  return new Set([...families.map((family) => `${family}*`), ...names, 'x-request-id']);
}

function routeBlock(site: ExportSite, ranked: RankedRoute, number: number): string[] {
  const { route } = ranked;
  const place = indent(1, matcher(ranked, site.publicUrl.protocol === 'https:' ? '443' : '80'));
  const isOwn = route.fixed !== undefined;
  return [
    '',
    ...(route.cors === undefined ? [] : preflight(site, place, number)),
    `@route${number} {`,
    ...place,
    '}',
    `handle @route${number} {`,
    ...indent(1, isOwn ? through(site) : asked(site, route)),
    '}',
  ];
}

/** The gateway answers itself. As an answer to a question, its 2xx would be taken for a permission to forward. */
function through({ gateway }: ExportSite): string[] {
  return [`reverse_proxy ${hostAndPort(gateway)}`];
}

function asked(site: ExportSite, route: ForwardingRoute): string[] {
  if (route.access === 'deny') return ask(site, 'answer=page', []);
  const isReplaced = route.upstream.path !== undefined;
  const query = `route=${encodeURIComponent(route.name)}${isReplaced ? '&path=canonical' : ''}`;
  return [...ask(site, query, permitted(route)), ...carry(site, route)];
}

function preflight(site: ExportSite, place: readonly string[], number: number): string[] {
  return [
    `@preflight${number} {`,
    ...indent(1, ['method OPTIONS', 'header Origin *', 'header Access-Control-Request-Method *']),
    ...place,
    '}',
    `handle @preflight${number} {`,
    ...indent(1, through(site)),
    '}',
  ];
}

function permitted({ upstream }: ForwardingRoute): string[] {
  const path = upstream.path === undefined ? [] : [`rewrite * ${answer('x-gatehouse-path')}`];
  return ['import gatehouse_permission', ...path];
}

/** The question to the gateway; what is no permission goes to the client as it is. */
function ask({ gateway }: ExportSite, query: string, then: readonly string[]): string[] {
  return [
    `reverse_proxy ${hostAndPort(gateway)} {`,
    ...indent(1, [
      'method GET',
      `rewrite /_gate/auth?${query}`,
      'header_up X-Forwarded-Method {method}',
      'header_up X-Forwarded-Uri {uri}',
      ...(then.length === 0 ? [] : ['@permitted status 2xx', 'handle_response @permitted {', ...indent(1, then), '}']),
    ]),
    '}',
  ];
}

/** What the answer says goes upstream in the place of what the client said; what it leaves out is cleared. */
function permission(site: ExportSite): string[] {
  const names = answeredNames(site);
  const cookies = [1, 2, 3].map((at) => `x-gatehouse-set-cookie-${at}`);
  return [
    '(gatehouse_permission) {',
    '  route {',
    ...indent(2, [...names, ...cookies].flatMap(replace)),
    ...indent(2, [
      ...cookies.map((name, index) => `@cookie${index} header_regexp ${name} .`),
      ...cookies.map((name, index) => `header @cookie${index} +Set-Cookie ${answer(name)}`),
      ...cookies.map((name) => `request_header -${name}`),
    ]),
    '  }',
    '}',
  ];
}

function answer(name: string): string {
  return `{http.reverse_proxy.header.${headerCase(name)}}`;
}

/**
 * Puts a header of the answer in the place of the client's. One that the answer has not leaves the placeholder itself in
 * Caddy 2.6, and nothing later: either is taken away again.
 */
function replace(name: string): string[] {
  return [
    `request_header ${name} ${answer(name)}`,
    `@no-${name} header_regexp ${name} ${quote('^(\\{http\\.reverse_proxy\\.header\\.|$)')}`,
    `request_header @no-${name} -${name}`,
  ];
}

/** The way to the application. */
function carry({ publicUrl }: ExportSite, route: ForwardingRoute): string[] {
  const { upstream, timeouts, maxBody, preserveHost, path } = route;
  const hosts = [route.host === undefined || route.host.startsWith('*.') ? publicUrl.host : route.host];
  const { addresses, policy } = serversFor(route);
  const seconds = (milliseconds: number) => `${milliseconds / 1000}s`;
  return [
    ...(maxBody > 0 ? ['request_body {', `  max_size ${maxBody}`, '}'] : []),
    `reverse_proxy ${addresses.join(' ')} {`,
    ...indent(1, [
      ...policy,
      'flush_interval -1',
      ...(preserveHost ? [] : ['header_up Host {upstream_hostport}']),
      ...redirectsOf(route, hosts).map(
        ({ from, to }) => `header_down Location ${quote(`^${literal(from)}`)} ${quote(to)}`,
      ),
      ...(upstream.path === undefined || upstream.path === path
        ? []
        : [`header_down Set-Cookie ${quote(`(?i)(; *path=)${literal(upstream.path)}`)} ${quote(`\${1}${path}`)}`]),
      '# Nobody signs a browser in or out but the gateway.',
      `header_down Set-Cookie ${quote('(?i)^=*(__Host-)?gatehouse.*$')} ${quote('gatehouse-refused=; Path=/; Max-Age=0')}`,
      'transport http {',
      '  compression off',
      ...indent(1, [
        ...(timeouts.connect > 0 ? [`dial_timeout ${seconds(timeouts.connect)}`] : []),
        ...(timeouts.response > 0 ? [`response_header_timeout ${seconds(timeouts.response)}`] : []),
        ...tls(route),
      ]),
      '}',
    ]),
    '}',
  ];
}

function tls({ name, upstream }: ForwardingRoute): string[] {
  const { servers, tls: trust } = upstream;
  if (servers[0]?.url.protocol !== 'https:') return [];
  const stem = `/etc/caddy/gatehouse/${name.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'route'}`;
  return [
    'tls',
    ...(trust?.ca === undefined ? [] : [`tls_trusted_ca_certs ${stem}-ca.pem`]),
    ...(trust?.servername === undefined ? [] : [`tls_server_name ${trust.servername}`]),
    ...(trust?.certificate === undefined ? [] : [`tls_client_auth ${stem}.crt ${stem}.key`]),
  ];
}
