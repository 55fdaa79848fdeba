/** Where Envoy sends requests: the gateway, and the servers of each route with their limits and their certificates. */
import type { ForwardingRoute, UpstreamServer } from '../../core/route.ts';
import { exportedServers } from './balancing.ts';
import type { ExportSite, RankedRoute } from './site.ts';

/** What a route's servers are called; `index` is its place among the ranked ones. */
export function clusterName(index: number): string {
  return `app_${index + 1}`;
}

/** The gateway, and after it one for each route that leads anywhere. */
export function clustersOf({ gateway }: ExportSite, ranked: readonly RankedRoute[]): object[] {
  return [
    endpoints('gatehouse', [{ url: gateway }], 2000),
    ...ranked.flatMap(({ route }, index) => (route.access === 'deny' ? [] : [cluster(route, index)])),
  ];
}

function cluster(route: ForwardingRoute, index: number): object {
  const { upstream, timeouts } = route;
  const { servers, tls } = upstream;
  const [first] = servers;
  const name = tls?.servername ?? first?.url.hostname;
  return {
    ...endpoints(clusterName(index), exportedServers(route, 'envoy'), timeouts.connect),
    ...(first?.url.protocol === 'https:' && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          sni: name,
          common_tls_context: {
            validation_context: {
              trusted_ca:
                tls?.ca === undefined ? { filename: '/etc/ssl/certs/ca-certificates.crt' } : { inline_string: tls.ca },
              match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: name } }],
            },
          },
        },
      },
    }),
  };
}

function endpoints(name: string, servers: readonly Pick<UpstreamServer, 'url' | 'weight'>[], connect: number): object {
  return {
    name,
    type: 'STRICT_DNS',
    connect_timeout: `${connect / 1000}s`,
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: servers.map(({ url: { hostname, port, protocol }, weight }) => ({
            ...(weight !== undefined && { load_balancing_weight: weight }),
            endpoint: {
              address: {
                socket_address: {
                  address: hostname.replace(/^\[(.*)\]$/, '$1'),
                  port_value: Number(port || (protocol === 'https:' ? 443 : 80)),
                },
              },
            },
          })),
        },
      ],
    },
  };
}
