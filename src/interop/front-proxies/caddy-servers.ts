/** The servers of a route in Caddy's words, and whom it leads to which of them. */
import type { ForwardingRoute } from '../../core/route.ts';
import { exportedServers } from './balancing.ts';
import { hostAndPort } from './site.ts';

const policies = { turns: 'round_robin', cookie: 'cookie gatehouse_lb', address: 'ip_hash' } as const;

/** Addresses for `reverse_proxy`, and its line of the policy where there is a choice. */
export function serversFor(route: ForwardingRoute): {
  readonly addresses: readonly string[];
  readonly policy: readonly string[];
} {
  const addresses = exportedServers(route, 'caddy').map(({ url, socketPath }) =>
    socketPath === undefined ? hostAndPort(url) : `unix/${socketPath}`,
  );
  const policy = addresses.length > 1 ? [`lb_policy ${policies[route.upstream.sticky ?? 'turns']}`] : [];
  return { addresses, policy };
}
