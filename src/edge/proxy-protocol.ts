/**
 * The header by which a balancer tells whose connection it passes on, before the first byte of TLS or HTTP: HAProxy's PROXY
 * protocol, versions 1 and 2. Pure; `proxied-peers.ts` reads it off a socket.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** What the first bytes of a connection are. */
export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  /** `length` bytes are the header's. Without `peer` the connection is the balancer's own (LOCAL, UNKNOWN). */
  | { readonly kind: 'complete'; readonly length: number; readonly peer?: Peer }
  | { readonly kind: 'refused'; readonly detail: string };

/** The longest header that is read: HAProxy's own limit, enough for two socket paths and some TLVs. */
const maxLength = 536;
/** A line of version 1 with its line break: the longest that the protocol has. */
const maxLineLength = 107;

const lineStart = Buffer.from('PROXY ', 'latin1');
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family, length. */
const fixedLength = 16;

/** Reads the header at the beginning of a connection; bytes that can begin none are refused as soon as they show it. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (beginsLike(bytes, lineStart)) return bytes.length < lineStart.length ? { kind: 'incomplete' } : readLine(bytes);
  if (beginsLike(bytes, signature)) return bytes.length < fixedLength ? { kind: 'incomplete' } : readBinary(bytes);
  return refused('it does not begin with a PROXY header');
}

/** Whether bytes begin as a start does, as far as there are any. */
function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function readLine(bytes: Buffer): ProxyHeader {
  const line = bytes.toString('latin1', 0, maxLineLength);
  const end = line.indexOf('\r\n');
  if (end < 0)
    return bytes.length < maxLineLength ? { kind: 'incomplete' } : refused('its line is longer than 107 bytes');
  const length = end + 2;
  // What stands behind UNKNOWN is not for reading.
  if (/^PROXY UNKNOWN(?: |$)/.test(line.slice(0, end))) return { kind: 'complete', length };
  const [, family, source = '', target = '', sourcePort, targetPort] =
    /^PROXY (TCP4|TCP6) ([^ ]+) ([^ ]+) (\d{1,5}) (\d{1,5})$/.exec(line.slice(0, end)) ?? [];
  const isAddress = family === 'TCP4' ? isIPv4 : isPlainIPv6;
  const ports = [Number(sourcePort), Number(targetPort)];
  if (family === undefined || !isAddress(source) || !isAddress(target) || ports.some((port) => port > 65_535))
    return refused('its line names no two addresses of TCP4 or TCP6 with their ports');
  return { kind: 'complete', length, peer: peerOf(source, Number(sourcePort)) };
}

/** A zone (`fe80::1%eth0`) belongs to the machine that writes it. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function readBinary(bytes: Buffer): ProxyHeader {
  const length = fixedLength + bytes.readUInt16BE(14);
  if (length > maxLength) return refused(`it is longer than ${maxLength} bytes`);
  const version = bytes.readUInt8(12);
  if (version !== 0x20 && version !== 0x21) return refused('its version or command is none that there is');
  const family = bytes.readUInt8(13);
  const addressLength = { 0: 0, 17: 4, 33: 16 }[family];
  const isLocal = version === 0x20;
  if (!isLocal && addressLength === undefined) return refused('it tells of a connection that is neither TCP4 nor TCP6');
  if (bytes.length < length) return { kind: 'incomplete' };
  if (isLocal || addressLength === undefined || addressLength === 0) return { kind: 'complete', length };
  // Two addresses, two ports; TLVs follow.
  const end = fixedLength + 2 * addressLength + 4;
  if (length < end) return refused('it is too short for its addresses');
  const source = bytes.subarray(fixedLength, fixedLength + addressLength);
  const address = addressLength === 4 ? source.join('.') : (source.toString('hex').match(/.{4}/g) ?? []).join(':');
  return { kind: 'complete', length, peer: peerOf(address, bytes.readUInt16BE(end - 4)) };
}

/** In the one spelling that sockets have, too. */
function peerOf(address: string, port: number): Peer {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  return { address: new SocketAddress({ address, family }).address, port };
}

function refused(detail: string): ProxyHeader {
  return { kind: 'refused', detail };
}
