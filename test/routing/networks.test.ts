/** Which clients are in a list of networks: by the address after trusted proxies, and nobody who comes by a stranger's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlap } from '../../src/config/values.ts';
import type { Network } from '../../src/core/address.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import { readClient } from '../../src/routing/client-address.ts';
import { isInAny } from '../../src/routing/networks.ts';

const network = (text: string): Network => {
  const [address = '', prefix] = text.split('/');
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return { address, prefix: Number(prefix), family };
};
const office = ['10.1.0.0/16', 'fd00:1::/32'].map(network);
const isTrusted = (address: string): boolean => address === '192.0.2.10' || address === '192.0.2.11';

function isWithin(peer: string, headers: readonly string[]): boolean | string {
  const reading = readClient(
    {
      ...{ id: 'x', method: 'GET', target: '/', peer, encrypted: false, upgrade: false },
      ...{ headers: new HeaderLines(headers), signal: new AbortController().signal },
    },
    isTrusted,
  );
  return reading.kind === 'ok' ? isInAny(reading.client, office) : reading.kind;
}

const cases: Readonly<Record<string, readonly [peer: string, headers: readonly string[], want: boolean | string]>> = {
  'a peer within': ['10.1.2.3', [], true],
  'a peer within, mapped into IPv6': ['::ffff:10.1.2.3', [], true],
  'a peer of IPv6 within': ['fd00:1::7', [], true],
  'a peer beside': ['10.2.0.1', [], false],
  'a peer within that forwards for somebody': ['10.1.2.3', ['X-Forwarded-For', '10.1.2.4'], false],
  'an empty header says so too': ['10.1.2.3', ['X-Forwarded-For', ''], false],
  'the same by RFC 7239': ['10.1.2.3', ['Forwarded', 'for=10.1.2.4'], false],
  'the same by X-Real-IP': ['10.1.2.3', ['x-real-ip', '10.1.2.4'], false],
  'a stranger that says it is within': ['203.0.113.9', ['X-Forwarded-For', '10.1.2.3'], false],
  'a trusted proxy of a client within': ['192.0.2.10', ['X-Forwarded-For', '10.1.2.3'], true],
  'two trusted proxies': ['192.0.2.10', ['X-Forwarded-For', '10.1.2.3, 192.0.2.11'], true],
  'a trusted proxy that tells X-Real-IP besides': [
    '192.0.2.10',
    ['X-Forwarded-For', '10.1.2.3', 'X-Real-IP', '10.1.2.3'],
    true,
  ],
  'a trusted proxy of a stranger that claims to be within': [
    '192.0.2.10',
    ['X-Forwarded-For', '10.1.2.3, 203.0.113.9'],
    false,
  ],
  'a proxy within, not trusted, behind a trusted one': [
    '192.0.2.10',
    ['X-Forwarded-For', '203.0.113.9, 10.1.2.3'],
    false,
  ],
  'a trusted proxy that tells nothing is its own client': ['192.0.2.10', [], false],
  'what is no address': ['192.0.2.10', ['X-Forwarded-For', 'unknown'], 'refused'],
};
for (const [name, [peer, headers, want]] of Object.entries(cases))
  test(`networks: ${name}`, () => assert.equal(isWithin(peer, headers), want));

test('networks: two overlap where one holds the other, of one family', () => {
  const pairs: readonly (readonly [string, string, boolean])[] = [
    ['10.0.0.0/8', '10.1.2.3/32', true],
    ['10.1.2.3/32', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.1.2.9/24', '10.1.2.0/25', true],
    ['10.0.0.0/16', '10.1.0.0/16', false],
    ['fd00::/8', 'fd12::1/128', true],
  ];
  for (const [a, b, want] of pairs) assert.equal(overlap(network(a), network(b)), want, `${a} ${b}`);
});
