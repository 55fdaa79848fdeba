/** Who is at the other end: forwarded addresses are read from the right, and only as far as proxies are trusted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networks } from '../../src/config/values.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import { isInNetworks, readClient } from '../../src/routing/client-address.ts';

const isTrusted = (address: string): boolean => address.startsWith('10.');

function addressOf(peer: string, ...forwarded: string[]): string {
  const reading = readClient(
    {
      ...{ id: 'x', method: 'GET', target: '/', peer, encrypted: false, upgrade: false },
      headers: new HeaderLines(forwarded.flatMap((value) => ['X-Forwarded-For', value])),
      signal: new AbortController().signal,
    },
    isTrusted,
  );
  return reading.kind === 'ok' ? reading.client.address : reading.kind;
}

const cases = {
  'a stranger says what it likes': ['192.0.2.1', ['203.0.113.9'], '192.0.2.1'],
  'the last address before the trusted proxies counts, not the leftmost': [
    '10.0.0.1',
    ['203.0.113.9, 192.0.2.7'],
    '192.0.2.7',
  ],
  'over several lines too': ['10.0.0.1', ['203.0.113.9', '192.0.2.7, 10.0.0.2'], '192.0.2.7'],
  'where all are trusted the first is the client': ['10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
  'what is no address refuses the request': ['10.0.0.1', ['unknown, 192.0.2.7'], 'refused'],
} as const;
for (const [name, [peer, forwarded, address]] of Object.entries(cases))
  test(`client: ${name}`, () => assert.equal(addressOf(peer, ...forwarded), address));

const site = networks([{ address: '192.0.2.0', prefix: 24, family: 'ipv4' }]);
const inside = (peer: string, ...lines: string[]): boolean => {
  const reading = readClient(
    {
      ...{ id: 'x', method: 'GET', target: '/', peer, encrypted: false, upgrade: false },
      headers: new HeaderLines(lines),
      signal: new AbortController().signal,
    },
    isTrusted,
  );
  return reading.kind === 'ok' && isInNetworks(reading.client, site);
};

test('client: who speaks for somebody without being trusted is in no network, whatever is told', () => {
  assert.equal(inside('192.0.2.7'), true);
  assert.equal(inside('::ffff:192.0.2.7'), true);
  assert.equal(inside('203.0.113.9'), false);
  for (const name of ['X-Forwarded-For', 'x-forwarded-for', 'Forwarded', 'X-Real-IP'])
    assert.equal(inside('192.0.2.7', name, '192.0.2.8'), false, name);
  assert.equal(inside('10.0.0.1', 'X-Forwarded-For', '192.0.2.8'), true, 'a trusted proxy is believed');
  assert.equal(inside('10.0.0.1', 'X-Forwarded-For', '203.0.113.9, 10.0.0.2'), false);
});
