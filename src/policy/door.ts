/** What a location says to a client before anybody is asked who it is. */
import type { Route } from '../core/route.ts';
import type { CanonicalTarget, Client } from '../core/verdict.ts';
import type { HostTest } from '../routing/known-hosts.ts';
import { isInAny } from '../routing/networks.ts';

/**
 * `closed` to everybody, `outside` for the client's address, `public`; `free`: nobody has to sign in, and an identity counts
 * where there is one; `peers`: whom the service admits, and nobody is asked; `asks` who it is.
 */
type Door = 'closed' | 'outside' | 'public' | 'free' | 'peers' | 'asks';

/**
 * Which of them it is. Where a network frees from a login, the host must be one of the site: a page of any other name that an
 * attacker lets lead here (DNS rebinding) would be read from within the network.
 */
export function doorOf(
  { access, networks }: Pick<Route, 'access' | 'networks'>,
  client: Client,
  target: Pick<CanonicalTarget, 'host' | 'port'>,
  isOwnHost: HostTest,
): Door {
  if (access === 'deny') return 'closed';
  const isIn = networks !== undefined && isInAny(client, networks.networks);
  if (networks?.satisfy === 'all' && !isIn) return 'outside';
  if (access === 'public' || access === 'peers') return access;
  if (access === 'optional') return 'free';
  return networks?.satisfy === 'any' && isIn && isOwnHost(target) ? 'free' : 'asks';
}
