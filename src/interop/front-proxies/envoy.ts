/**
 * Exports routes to Envoy: Envoy carries the requests, and asks the gateway about each of them (ext_authz over HTTP, the
 * path asked about behind `/_gate/auth`).
 */
import { stringify } from 'yaml';
import type { ForwardingRoute } from '../../core/route.ts';
import { clusterName, clustersOf } from './envoy-clusters.ts';
import {
  answeredNames,
  clearedFor,
  type Exported,
  type ExportSite,
  furtherPorts,
  listenFor,
  type RankedRoute,
  rankRoutes,
  splitHost,
} from './site.ts';

const header = `# Written by \`gatehouse export envoy\`: write it anew when the routes change. Envoy must be in server.trustedProxies of the
# gateway, and the applications must be out of reach but through Envoy. docs/forward-auth.md says what differs.
`;

const types = 'type.googleapis.com/envoy.extensions';

/** By which the gateway is told the route that Envoy has matched: a verdict about another one is a refusal. */
const routeHeader = 'x-original-route';

/** Writes a static configuration. */
export function exportEnvoy(site: ExportSite): Exported {
  const ranked = rankRoutes(site.routes);
  const text =
    header +
    stringify(
      {
        static_resources: {
          listeners: [undefined, ...furtherPorts(site)].map((port) => listener(site, ranked, port)),
          clusters: clustersOf(site, ranked),
        },
      },
      { lineWidth: 0, aliasDuplicateObjects: false },
    );
  const doubtful = ranked.filter(({ except }) => except.length > 0).map(({ route }) => route.name);
  const notes = [
    'untested: no Envoy was at hand; docs/forward-auth.md lists what to look at',
    ...(doubtful.length > 0
      ? [`Envoy takes the first route that matches: look at the order of ${doubtful.join(', ')}`]
      : []),
    ...site.routes
      .filter(({ upstream }) => upstream.tls?.certificate !== undefined)
      .map(({ name }) => `add the client certificate of ${name} to its cluster`),
  ];
  return { text, notes };
}

function listener(site: ExportSite, ranked: readonly RankedRoute[], port: string | undefined): object {
  const listen = listenFor(site, port);
  const at = listen.lastIndexOf(':');
  const address = at === -1 ? '0.0.0.0' : listen.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const filters = [connectionManager(site, ranked)];
  const isHttps = site.publicUrl.protocol === 'https:';
  return {
    name: port === undefined ? 'site' : `site-${port}`,
    address: { socket_address: { address, port_value: Number(listen.slice(at + 1)) } },
    filter_chains: [{ filters, ...(isHttps && { transport_socket: downstreamTls(site) }) }],
  };
}

function connectionManager(site: ExportSite, ranked: readonly RankedRoute[]): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'gatehouse',
      use_remote_address: true,
      // One reading of a path, before it is routed, asked about and sent.
      normalize_path: true,
      merge_slashes: true,
      path_with_escaped_slashes_action: 'REJECT_REQUEST',
      common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
      max_request_headers_kb: Math.ceil(site.maxHeaderSize / 1024),
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      http_filters: [
        clearing(site),
        asking(site),
        { name: 'envoy.filters.http.router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } },
      ],
      route_config: {
        name: 'gatehouse',
        request_headers_to_remove: [routeHeader],
        virtual_hosts: virtualHosts(site, ranked),
      },
    },
  };
}

function downstreamTls({ certificate, key }: ExportSite): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${types}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
      },
    },
  };
}

/** Before the question, so that nothing of ours that a client sends goes any further. */
function clearing(site: ExportSite): object {
  // Envoy cleans by itself what it sets.
  const own = /^x-(?:forwarded-client-cert|envoy-.*)$/;
  const names = new Set([...site.identityNames, ...clearedFor(site).filter((name) => !own.test(name))]);
  return {
    name: 'envoy.filters.http.header_mutation',
    typed_config: {
      '@type': `${types}.filters.http.header_mutation.v3.HeaderMutation`,
      mutations: { request_mutations: [...names].map((name) => ({ remove: name })) },
    },
  };
}

function asking(site: ExportSite): object {
  const { verdictTimeout, gateway } = site;
  const names = answeredNames(site);
  const timeout = `${verdictTimeout / 1000}s`;
  const exactly = (list: readonly string[]) => ({ patterns: list.map((exact) => ({ exact })) });
  return {
    name: 'envoy.filters.http.ext_authz',
    typed_config: {
      '@type': `${types}.filters.http.ext_authz.v3.ExtAuthz`,
      failure_mode_allow: false,
      status_on_error: { code: 'ServiceUnavailable' },
      // All of them: the gateway refuses what it would otherwise have dropped. A handshake is known by its key.
      allowed_headers: { patterns: [{ safe_regex: { regex: '.+' } }] },
      disallowed_headers: exactly(['connection', 'upgrade', 'transfer-encoding', 'te', 'expect']),
      http_service: {
        server_uri: { uri: gateway.origin, cluster: 'gatehouse', timeout },
        path_prefix: '/_gate/auth',
        authorization_response: {
          allowed_upstream_headers: exactly(names),
          allowed_client_headers_on_success: exactly(['set-cookie', 'www-authenticate']),
        },
      },
    },
  };
}

function virtualHosts({ verdictTimeout, publicUrl }: ExportSite, ranked: readonly RankedRoute[]): object[] {
  const own = { cluster: 'gatehouse', timeout: `${verdictTimeout / 1000}s` };
  const hosts = [...new Set(ranked.map(({ route }) => route.host))];
  return hosts.map((host) => ({
    name: host ?? 'every host',
    domains: domainsOf(host, publicUrl.protocol === 'https:' ? '443' : '80', hosts),
    routes: [
      {
        match: { path_separated_prefix: '/_gate/auth' },
        direct_response: { status: 404 },
        typed_per_filter_config: unasked,
      },
      { match: { prefix: '/_gate/' }, route: own, typed_per_filter_config: unasked },
      ...ranked.flatMap(({ route }, index) => (route.host === host ? [routeEntry(route, index)] : [])),
      // Whoever is told nothing else by the verdict meets the gateway's own answer.
      { match: { prefix: '/' }, route: own },
    ],
  }));
}

/** A host as it stands in requests. Browsers leave out the standard port; the host of that port has the name without one, too. */
function domainsOf(host: string | undefined, standard: string, hosts: readonly (string | undefined)[]): string[] {
  if (host === undefined) return ['*'];
  const { name, port } = splitHost(host);
  if (port !== undefined) return port === standard ? [name, host] : [host];
  if (name.startsWith('*.')) return [name];
  return [...(hosts.includes(`${name}:${standard}`) ? [] : [name]), `${name}:*`];
}

const unasked = {
  'envoy.filters.http.ext_authz': { '@type': `${types}.filters.http.ext_authz.v3.ExtAuthzPerRoute`, disabled: true },
};

/** Envoy has one limit for silence, on a WebSocket as in an answer. */
const webSocketTimeout = 3_600_000;

function routeEntry(route: ForwardingRoute, index: number): object {
  const { access, upstream, path, timeouts, preserveHost, modifier, websocket } = route;
  const typed_per_filter_config = naming(route);
  if (access === 'deny') return { match: matchOf(route), direct_response: { status: 403 }, typed_per_filter_config };
  const isReplaced = upstream.path !== undefined && upstream.path !== path && !modifier.startsWith('~');
  return {
    match: matchOf(route),
    route: {
      cluster: clusterName(index),
      timeout: '0s',
      idle_timeout: `${Math.max(timeouts.idle, websocket && timeouts.idle > 0 ? webSocketTimeout : 0) / 1000}s`,
      ...(isReplaced && { prefix_rewrite: upstream.path }),
      ...(!preserveHost && { host_rewrite_literal: upstream.servers[0]?.url.host }),
    },
    typed_per_filter_config,
  };
}

/** Before the question, like the clearing. Envoy fills in what stands between two signs of percent. */
function naming({ name }: ForwardingRoute): object {
  const header = { key: routeHeader, value: encodeURIComponent(name).replaceAll('%', '%%') };
  const append = { header, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' };
  return {
    'envoy.filters.http.header_mutation': {
      '@type': `${types}.filters.http.header_mutation.v3.HeaderMutationPerRoute`,
      mutations: { request_mutations: [{ append }] },
    },
  };
}

function matchOf({ modifier, path }: ForwardingRoute): object {
  switch (modifier) {
    case '=':
      return { path };
    case '~':
      return { safe_regex: { regex: `.*${path}.*`.replace(/^\.\*\^/, '').replace(/\$\.\*$/, '') } };
    case '~*':
      return { safe_regex: { regex: `(?i).*${path}.*`.replace('.*^', '').replace(/\$\.\*$/, '') } };
    default:
      return { prefix: path };
  }
}
