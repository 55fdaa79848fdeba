/** Which addresses count as one client. */
import { isIPv6 } from 'node:net';
import { ipv6Groups, plainAddress } from '../core/address.ts';

/**
 * The address as counters see it: IPv4 as it is, also when mapped into IPv6; of IPv6 the /64, since a single host commonly
 * has all of one.
 */
export function addressGroup(address: string): string {
  const [unscoped = ''] = address.trim().toLowerCase().split('%', 1);
  const plain = plainAddress(unscoped);
  if (!isIPv6(plain)) return plain;
  const network = ipv6Groups(plain).slice(0, 4);
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}
