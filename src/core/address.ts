/** Addresses of machines as they stand in sockets and headers. Which of them count as one client is the users' room's. */
import { isIPv4, isIPv6 } from 'node:net';

/** A network: an address of it, how many bits all its addresses share, and its family. */
export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** A network as a configuration writes it. */
export function networkText({ address, prefix }: Network): string {
  return `${address}/${prefix}`;
}

/** An address in its one spelling: of an IPv4 address mapped into IPv6 the IPv4 address, of one in brackets what is in them. */
export function plainAddress(address: string): string {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  // RFC 4291 §2.5.5.2, in any spelling.
  if (!/ffff:[^:]/i.test(bare) || !isIPv6(bare)) return bare;
  const groups = ipv6Groups(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const [high = 0, low = 0] = groups.slice(6);
  return isMapped ? [high >> 8, high & 255, low >> 8, low & 255].join('.') : bare;
}

/** The eight groups of an IPv6 address, which must be one. */
export function ipv6Groups(address: string): readonly number[] {
  const [head = '', tail] = address.split('::', 2);
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function groupsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!isIPv4(group)) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
