/** Which addresses count as one client. */
import { isIPv4, isIPv6 } from 'node:net';

/**
 * The address as counters see it: IPv4 as it is, also when mapped into IPv6; of IPv6 the /64, since a single host commonly
 * has all of one.
 */
export function addressGroup(address: string): string {
  const [plain = ''] = address.trim().toLowerCase().split('%', 1);
  if (!isIPv6(plain)) return plain;
  const groups = expand(plain);
  const mapped = embeddedIpv4(groups);
  return (
    mapped ??
    `${groups
      .slice(0, 4)
      .map((group) => group.toString(16))
      .join(':')}::/64`
  );
}

/** The eight groups of an IPv6 address. */
function expand(address: string): number[] {
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

/** `::ffff:0:0/96`, RFC 4291 §2.5.5.2. */
function embeddedIpv4(groups: readonly number[]): string | undefined {
  const [high = 0, low = 0] = groups.slice(6);
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return undefined;
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
