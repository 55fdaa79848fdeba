/** The PROXY header that tells an upstream whose connection a stream passes on; the reader of such headers is `edge/proxy-protocol.ts`. */
import { isIPv4 } from 'node:net';
import { ipv6Groups, plainAddress } from '../core/address.ts';

/** The two ends of the connection that is passed on. */
export interface ConnectionEnds {
  readonly source: { readonly address: string; readonly port: number };
  readonly target: { readonly address: string; readonly port: number };
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Version 2, command PROXY; over TCP with addresses of IPv4, of IPv6. */
const proxyCommand = 0x21;
const tcp4 = 0x11;
const tcp6 = 0x21;

/** The header in HAProxy's version 1 or 2. Where one end is of IPv6, both are written so. */
export function proxyHeader(version: 'v1' | 'v2', { source, target }: ConnectionEnds): Buffer {
  const from = plainAddress(source.address);
  const to = plainAddress(target.address);
  const isFour = isIPv4(from) && isIPv4(to);
  if (version === 'v1') {
    const [family, ...addresses] = isFour ? ['TCP4', from, to] : ['TCP6', inSix(from), inSix(to)];
    return Buffer.from(`PROXY ${[family, ...addresses, source.port, target.port].join(' ')}\r\n`, 'latin1');
  }
  const addresses = [from, to].map((address) =>
    isFour ? Buffer.from(address.split('.').map(Number)) : sixBytes(address),
  );
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(target.port, 2);
  const body = Buffer.concat([...addresses, ports]);
  const head = Buffer.from([proxyCommand, isFour ? tcp4 : tcp6, body.length >> 8, body.length & 255]);
  return Buffer.concat([signature, head, body]);
}

/** RFC 4291 §2.5.5.2. */
function inSix(address: string): string {
  return isIPv4(address) ? `::ffff:${address}` : address;
}

function sixBytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  for (const [index, group] of ipv6Groups(inSix(address)).entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}
