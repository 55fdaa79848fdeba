/** One location of nginx for one route: nginx's own modifiers, limits, redirects and cookies of what stands behind it. */
import { isIP } from 'node:net';
import type { ForwardingRoute } from '../../core/route.ts';
import { liveTurn } from './nginx-live.ts';
import { block, type Line, time, word } from './nginx-text.ts';
import { type ExportSite, redirectsOf } from './site.ts';

/** A route and what of its surroundings its location names. */
interface AppLocation {
  readonly site: ExportSite;
  readonly route: ForwardingRoute;
  /** The upstream block. */
  readonly group: string;
  /** The hosts that browsers know the site by. */
  readonly hosts: readonly string[];
}

/** nginx has one limit for an answer to begin and for an open WebSocket to stay silent. */
const webSocketTimeout = 3_600_000;

/** Writes the location. A closed one is answered by the gateway without being asked about first. */
export function appLocation({ site, route, group, hosts }: AppLocation): Line {
  const head = `location ${route.modifier === '' ? '' : `${route.modifier} `}${word(route.path)}`;
  if (route.access === 'deny') return block(head, 'error_page 403 = @gatehouse_page', 'return 403');
  const scheme = route.upstream.servers[0]?.url.protocol ?? 'http:';
  return block(
    head,
    liveTurn(site),
    `set $gatehouse_route "${encodeURIComponent(route.name)}"`,
    `set $gatehouse_host ${hostOf(route)}`,
    `set $gatehouse_websocket ${route.websocket ? '$gatehouse_upgrade' : '""'}`,
    'auth_request /_gate/auth',
    `proxy_pass ${scheme}//${group}$gatehouse_path`,
    redirectsOf(route, hosts).map(({ from, to }) => `proxy_redirect ${word(from)} ${word(to)}`),
    cookiePath(route),
    limits(route),
    tls(route),
  );
}

/** The upstream's own host where the route says so; of several servers nginx can name but one. */
function hostOf({ preserveHost, upstream }: ForwardingRoute): string {
  return preserveHost ? '$http_host' : (upstream.servers[0]?.url.host ?? '""');
}

function cookiePath({ upstream, path }: ForwardingRoute): Line[] {
  return upstream.path === undefined || upstream.path === path
    ? []
    : [`proxy_cookie_path ${word(upstream.path)} ${word(path)}`];
}

function limits({ timeouts, maxBody, websocket }: ForwardingRoute): Line[] {
  const { connect, response, idle } = timeouts;
  const silence = Math.max(...(response === 0 || idle === 0 ? [0] : [response, idle]));
  return [
    `client_max_body_size ${maxBody}`,
    `proxy_connect_timeout ${time(connect)}`,
    `proxy_read_timeout ${time(websocket && silence > 0 ? Math.max(silence, webSocketTimeout) : silence)}`,
    `proxy_send_timeout ${time(idle)}`,
  ];
}

function tls(route: ForwardingRoute): Line[] {
  const { servers, tls: trust } = route.upstream;
  const [first] = servers;
  if (first?.url.protocol !== 'https:') return [];
  const name = trust?.servername ?? first.url.hostname;
  const files = filesOf(route);
  return [
    'proxy_ssl_verify on',
    'proxy_ssl_verify_depth 4',
    `proxy_ssl_trusted_certificate ${trust?.ca === undefined ? '/etc/ssl/certs/ca-certificates.crt' : files.ca}`,
    isIP(name) === 0 ? 'proxy_ssl_server_name on' : 'proxy_ssl_server_name off',
    `proxy_ssl_name ${name}`,
    ...(trust?.certificate === undefined
      ? []
      : [`proxy_ssl_certificate ${files.certificate}`, `proxy_ssl_certificate_key ${files.key}`]),
  ];
}

/** Where nginx is to find what the configuration names; the contents are the operator's to copy. */
function filesOf({ name }: ForwardingRoute): { ca: string; certificate: string; key: string } {
  const stem = `/etc/nginx/gatehouse/${name.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'route'}`;
  return { ca: `${stem}-ca.pem`, certificate: `${stem}.crt`, key: `${stem}.key` };
}

/** Which files have to be put in place before nginx takes the configuration. */
export function certificateNotes({ routes, publicUrl, certificate, key }: ExportSite): string[] {
  const own =
    publicUrl.protocol === 'https:' ? [`put the site's certificate and key at ${certificate} and ${key}`] : [];
  const upstreams = routes.flatMap((route) => {
    const { tls: trust = {}, servers } = route.upstream;
    const [first] = servers;
    if (first?.url.protocol !== 'https:' || route.access === 'deny') return [];
    const files = filesOf(route);
    const isUnnamed = isIP((trust.servername ?? first.url.hostname).replace(/^\[|\]$/g, '')) > 0;
    return [
      ...(isUnnamed ? [`nginx knows certificates by names only: give ${route.name} an upstream.servername`] : []),
      ...(trust.ca === undefined ? [] : [`copy the CAs of ${route.name} to ${files.ca}`]),
      ...(trust.certificate === undefined
        ? []
        : [`copy the client certificate of ${route.name} to ${files.certificate}, its key to ${files.key}`]),
    ];
  });
  return [...own, ...upstreams];
}
