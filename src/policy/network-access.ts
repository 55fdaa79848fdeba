/** What the network that a client is in means for a location: that it stays out, that it need not sign in, or nothing. */
import type { Route } from '../core/route.ts';
import type { CanonicalTarget, Client } from '../core/verdict.ts';
import type { HostTest } from '../routing/known-hosts.ts';
import { isInAny } from '../routing/networks.ts';

/** Whether a location keeps a client out for its address, whoever it is. */
export function isOutside({ networks }: Pick<Route, 'networks'>, client: Client): boolean {
  return networks?.satisfy === 'all' && !isInAny(client, networks.networks);
}

/**
 * Whether nobody has to sign in, and an identity counts where there is one: everywhere at an optional location, from its networks
 * at one that asks for either. There the host must be one of the site: a page of any other name that an attacker lets lead here
 * (DNS rebinding) would be read from within the network.
 */
export function asksNobody(
  { access, networks }: Pick<Route, 'access' | 'networks'>,
  client: Client,
  target: Pick<CanonicalTarget, 'host' | 'port'>,
  isOwnHost: HostTest,
): boolean {
  if (access === 'optional') return true;
  return networks?.satisfy === 'any' && isOwnHost(target) && isInAny(client, networks.networks);
}
