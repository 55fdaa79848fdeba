/**
 * Exports routes to nginx: nginx carries the requests, and asks the gateway about each of them (auth_request). The gateway
 * names the path to send, the identity and the cookies that are not its own; nginx adds nothing of its own reading.
 */
import type { ForwardingRoute } from '../../core/route.ts';
import { exportedServers } from './balancing.ts';
import { forwardedLines, liveMaps } from './nginx-live.ts';
import { appLocation, certificateNotes } from './nginx-locations.ts';
import { ownLocations } from './nginx-own-locations.ts';
import { block, type Line, time, writeLines } from './nginx-text.ts';
import {
  answeredNames,
  clearedFor,
  type Exported,
  type ExportSite,
  type HostSite,
  hostAndPort,
  listenFor,
  publicPort,
  sitesOf,
  splitHost,
} from './site.ts';

const header = [
  '# Written by `gatehouse export nginx`: write it anew when the routes change. It belongs inside http { … }, for instance as',
  '# /etc/nginx/conf.d/gatehouse.conf. nginx must be in server.trustedProxies of the gateway, and the applications must be',
  '# out of reach but through nginx. docs/behind-nginx.md says what differs from the gateway carrying requests itself.',
];

/**
 * Idle connections that each worker keeps. With fewer than requests come at once nginx opens and closes connections all the time,
 * which costs both sides more than the request.
 */
const kept = { gateway: 256, application: 64 } as const;

/** Writes the configuration. */
export function exportNginx(site: ExportSite): Exported {
  const groups = groupsOf(site.routes);
  const sites = sitesOf(site.routes);
  const lines: Line[] = [
    ...header,
    '',
    ...maps(),
    ...liveMaps(site),
    '',
    ...cacheZone(site),
    block('upstream gatehouse', `server ${hostAndPort(site.gateway)}`, `keepalive ${kept.gateway}`),
    ...[...groups.values()].map(({ name, lines }) =>
      block(`upstream ${name}`, [...lines], `keepalive ${kept.application}`),
    ),
    '',
    ...plainServer(site),
    ...sites.map((one) => server(site, one, (route) => groups.get(groupKey(route))?.name ?? '')),
  ];
  return { text: writeLines(lines), notes: certificateNotes(site) };
}

interface Group {
  readonly name: string;
  readonly lines: readonly string[];
}

/** Routes with the same servers share their connections. */
function groupsOf(routes: readonly ForwardingRoute[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const route of routes) {
    const key = groupKey(route);
    if (!groups.has(key)) groups.set(key, { name: `gatehouse_app_${groups.size + 1}`, lines: linesOf(route) });
  }
  return groups;
}

function groupKey(route: ForwardingRoute): string {
  return [route.upstream.servers[0]?.url.protocol, ...linesOf(route)].join('\n');
}

/** What keeps a client at one server stands before the servers, as nginx wants it before keepalive. */
function linesOf(route: ForwardingRoute): readonly string[] {
  const servers = exportedServers(route, 'nginx').map(({ url, socketPath, weight, isBackup }) =>
    [
      `server ${socketPath === undefined ? hostAndPort(url) : `unix:${socketPath}`}`,
      ...(weight === undefined ? [] : [`weight=${weight}`]),
      ...(isBackup ? ['backup'] : []),
    ].join(' '),
  );
  return [...(route.upstream.sticky === 'address' ? ['hash $remote_addr consistent'] : []), ...servers];
}

function maps(): Line[] {
  return [
    block('map $http_upgrade $gatehouse_upgrade', 'default ""', '"~*^websocket$" websocket'),
    block('map $gatehouse_websocket $gatehouse_connection', 'default ""', 'websocket upgrade'),
  ];
}

/** The key of a kept verdict holds the session cookie: in memory, and gone with the machine. */
function cacheZone({ cache }: ExportSite): Line[] {
  if (cache === undefined) return [];
  return [
    `# A permission is kept for ${time(cache)}: for that long after a logout, a revocation or a change of roles it still counts.`,
    'proxy_cache_path /dev/shm/gatehouse-verdicts levels=1:2 keys_zone=gatehouse:10m max_size=64m inactive=1m use_temp_path=off',
    '',
  ];
}

/** Plain HTTP is sent to HTTPS where nginx has the usual port. */
function plainServer({ publicUrl, listen }: ExportSite): Line[] {
  if (publicUrl.protocol !== 'https:' || listen !== '443') return [];
  return [block('server', 'listen 80 default_server', 'return 308 https://$host$request_uri'), ''];
}

function server(site: ExportSite, { host, routes }: HostSite, group: (route: ForwardingRoute) => string): Line {
  const { publicUrl, certificate, key, maxHeaderSize } = site;
  const isHttps = publicUrl.protocol === 'https:';
  const isDefault = host === undefined;
  const { name, port } = splitHost(host ?? publicUrl.hostname);
  const isNamed = isDefault && !site.routes.some((route) => isPublic(site, route));
  const hosts = [isDefault || host.startsWith('*.') ? publicUrl.host : host];
  const kilobytes = Math.max(8, Math.ceil(maxHeaderSize / 1024));
  return block(
    'server',
    `listen ${listenFor(site, port)}${isHttps ? ' ssl' : ''}${isDefault ? ' default_server' : ''}`,
    `server_name ${isDefault && !isNamed ? '_' : name}`,
    isHttps ? [`ssl_certificate ${certificate}`, `ssl_certificate_key ${key}`, 'ssl_protocols TLSv1.2 TLSv1.3'] : [],
    '',
    '# One reading of a request: nginx drops what the gateway would drop, and redirects as the gateway does.',
    ['underscores_in_headers off', 'ignore_invalid_headers on', 'merge_slashes on', 'absolute_redirect off'],
    `large_client_header_buffers 8 ${kilobytes}k`,
    ['proxy_headers_hash_max_size 2048', 'proxy_headers_hash_bucket_size 128'],
    '',
    verdict(site),
    '',
    toUpstream(site),
    '',
    ownLocations(site),
    '',
    routes.map((route) => appLocation({ site, route, group: group(route), hosts })),
    routes.some(({ modifier, path }) => path === '/' && !modifier.startsWith('~') && modifier !== '=')
      ? []
      : block('location /', 'error_page 404 = @gatehouse_page', 'return 404'),
  );
}

/** Whether a route's host is the public one. */
function isPublic(site: ExportSite, { host }: ForwardingRoute): boolean {
  if (host === undefined) return false;
  const { name, port = publicPort(site) } = splitHost(host);
  return name === site.publicUrl.hostname && port === publicPort(site);
}

const variable = (name: string): string => `$gatehouse_h_${name.replaceAll('-', '_')}`;

/** What is taken from the gateway's answer, on every location. */
function verdict(site: ExportSite): Line[] {
  return [
    '# What the gateway answers: the path to send, the identity, and the cookies and credentials that are not its own.',
    'auth_request_set $gatehouse_path $upstream_http_x_gatehouse_path',
    ...answeredNames(site).map(
      (name) => `auth_request_set ${variable(name)} $upstream_http_${name.replaceAll('-', '_')}`,
    ),
    ...[1, 2, 3].map(
      (at) => `auth_request_set $gatehouse_set_cookie_${at} $upstream_http_x_gatehouse_set_cookie_${at}`,
    ),
    'auth_request_set $gatehouse_mutual $upstream_http_www_authenticate',
    'error_page 401 403 500 = @gatehouse_answer',
    '# New cookies and the proof of a mutual authentication, for the client. Empty ones are not sent.',
    ...[1, 2, 3].map((at) => `add_header Set-Cookie $gatehouse_set_cookie_${at} always`),
    'add_header WWW-Authenticate $gatehouse_mutual always',
  ];
}

/** Headers for every application: set from the answer, or cleared; an empty value is not sent. */
function toUpstream(site: ExportSite): Line[] {
  const answered = answeredNames(site);
  return [
    '# What applications receive. Every name of ours is set here, so that none is left of what a client sends.',
    'proxy_http_version 1.1',
    'proxy_set_header Host $gatehouse_host',
    'proxy_set_header Upgrade $gatehouse_websocket',
    'proxy_set_header Connection $gatehouse_connection',
    ...forwardedLines(),
    ...answered.map((name) => `proxy_set_header ${name} ${variable(name)}`),
    ...clearedFor(site)
      .filter((name) => !answered.includes(name))
      .map((name) => `proxy_set_header ${name} ""`),
    'proxy_buffering off',
    'proxy_request_buffering off',
  ];
}
