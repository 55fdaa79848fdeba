/** Addresses of machines as they stand in sockets and headers. Which of them count as one client is the users' room's. */

/** An address in its one spelling: of an IPv4 address mapped into IPv6 the IPv4 address, of one in brackets what is in them. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d)/i, '').replace(/^\[(.*)\]$/, '$1');
}
