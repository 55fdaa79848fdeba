/** PROXY headers as bytes: both versions, split at every place, and what no balancer sends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProxyHeader, readProxyHeader } from '../../src/edge/proxy-protocol.ts';
import { binaryHeader } from '../support/tools/proxy-header.ts';

const after = 'GET / HTTP/1.1\r\n\r\n';
const v4 = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0xdb, 0xac, 0x01, 0xbb]);
const v6 = Buffer.from('20010db80000000000000000000000070000000000000000000000000000000104d201bb', 'hex');
const tlvs = Buffer.from([0x03, 0, 4, 1, 2, 3, 4, 0x04, 0xff, 0xff]);
const v4Peer = { address: '192.0.2.7', port: 56_236 };
const v6Peer = { address: '2001:db8::7', port: 1234 };

const good: Readonly<Record<string, { bytes: Buffer; peer?: { address: string; port: number } }>> = {
  'version 1, TCP4': { bytes: Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 56236 443\r\n'), peer: v4Peer },
  'version 1, TCP6, another spelling': {
    bytes: Buffer.from('PROXY TCP6 2001:0DB8:0::7 ::1 1234 443\r\n'),
    peer: v6Peer,
  },
  'version 1, the longest line': {
    bytes: Buffer.from(`PROXY UNKNOWN ${'f'.repeat(107 - 16)}\r\n`),
  },
  'version 1, UNKNOWN': { bytes: Buffer.from('PROXY UNKNOWN\r\n') },
  'version 2, TCP4': { bytes: binaryHeader({ family: 0x11, body: v4 }), peer: v4Peer },
  'version 2, TCP6': { bytes: binaryHeader({ family: 0x21, body: v6 }), peer: v6Peer },
  'version 2, TLVs, well-formed or not': {
    bytes: binaryHeader({ family: 0x11, body: Buffer.concat([v4, tlvs]) }),
    peer: v4Peer,
  },
  'version 2, 536 bytes': {
    bytes: binaryHeader({ family: 0x11, body: Buffer.concat([v4, Buffer.alloc(508)]) }),
    peer: v4Peer,
  },
  'version 2, LOCAL with an address': { bytes: binaryHeader({ command: 0, family: 0x11, body: v4 }) },
  'version 2, LOCAL of no family': { bytes: binaryHeader({ command: 0, family: 0 }) },
  'version 2, PROXY of no family': { bytes: binaryHeader({ family: 0, body: tlvs }) },
};
for (const [name, { bytes, peer }] of Object.entries(good))
  test(`PROXY header: ${name}, split at every place`, () => {
    const want: ProxyHeader = { kind: 'complete', length: bytes.length, ...(peer && { peer }) };
    for (let length = 0; length < bytes.length; length += 1)
      assert.deepEqual(readProxyHeader(bytes.subarray(0, length)), { kind: 'incomplete' }, `${length} bytes`);
    assert.deepEqual(readProxyHeader(bytes), want);
    assert.deepEqual(readProxyHeader(Buffer.concat([bytes, Buffer.from(after)])), want);
    assert.deepEqual(readProxyHeader(Buffer.concat([bytes, bytes])), want, 'it is read once');
  });

/** Each is refused with these bytes, and before them nothing is taken for a header. */
const bad: Readonly<Record<string, string | Buffer>> = {
  'a request': after,
  'a ClientHello': Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
  'small letters': 'proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n',
  'a bare line feed': `PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n${after}${' '.repeat(100)}`,
  'a line that does not end': `PROXY TCP4 ${'1'.repeat(200)}`,
  'a line of 108 bytes': `PROXY UNKNOWN ${'f'.repeat(107 - 15)}\r\n`,
  'two spaces': 'PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n',
  'a space at the end': 'PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n',
  'one address': 'PROXY TCP4 192.0.2.7 1\r\n',
  'an address of the other family': 'PROXY TCP4 ::1 ::1 1 2\r\n',
  'IPv4 said to be IPv6': 'PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n',
  'an address with a leading zero': 'PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n',
  'an address with a zone': 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
  'a name': 'PROXY TCP4 localhost 10.0.0.1 1 2\r\n',
  'a port beyond the last': 'PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n',
  'a negative port': 'PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n',
  'another family': 'PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n',
  UNKNOWNS: 'PROXY UNKNOWNS\r\n',
  'a NUL in the address': 'PROXY TCP4 192.0.2.7\0 10.0.0.1 1 2\r\n',
  'version 2, no LOCAL and no PROXY': binaryHeader({ command: 2, family: 0x11, body: v4 }),
  'version 3': binaryHeader({ version: 3, family: 0x11, body: v4 }),
  'version 1 in binary': binaryHeader({ version: 1, family: 0x11, body: v4 }),
  'version 2, UDP': binaryHeader({ family: 0x12, body: v4 }),
  'version 2, a socket of the machine': binaryHeader({ family: 0x31, body: Buffer.alloc(216) }),
  'version 2, a family that there is not': binaryHeader({ family: 0x41, body: v4 }),
  'version 2, no room for its addresses': binaryHeader({ family: 0x11, body: v4.subarray(0, 11) }),
  'version 2, IPv6 in the room of IPv4': binaryHeader({ family: 0x21, body: v4 }),
  'version 2, 537 bytes': binaryHeader({ family: 0x11, body: Buffer.alloc(521) }).subarray(0, 16),
  'version 2, 537 bytes of LOCAL': binaryHeader({ command: 0, family: 0, body: Buffer.alloc(521) }).subarray(0, 16),
};
for (const [name, text] of Object.entries(bad))
  test(`PROXY header: ${name} is refused, split at every place`, () => {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
    for (let length = 0; length < bytes.length; length += 1)
      assert.notEqual(readProxyHeader(bytes.subarray(0, length)).kind, 'complete', `${length} bytes`);
    assert.equal(readProxyHeader(bytes).kind, 'refused');
  });
