/** Hosts in their one spelling, and the Host and other header lines of a request. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderLines } from '../../src/core/request-head.ts';
import { canonicalRouteHost, readAuthority } from '../../src/routing/host.ts';
import { canonicalTarget } from '../../src/routing/target.ts';
import { trials } from '../support/tools/properties.ts';

const read = (...rawHeaders: string[]) =>
  canonicalTarget({ target: '/', headers: new HeaderLines(rawHeaders), scheme: 'https' });
const reasonOf = (reading: ReturnType<typeof read>) =>
  reading.kind === 'refused' ? reading.reason : reading.target.host;

const hosts: Record<string, string | undefined> = {
  'cc.example.com': 'cc.example.com',
  'CC.Example.COM': 'cc.example.com',
  'cc.example.com.': 'cc.example.com',
  'cc.example.com:8443': 'cc.example.com',
  'cc.example.com.:443': 'cc.example.com',
  'BÜCHER.example': 'xn--bcher-kva.example',
  'XN--BCHER-KVA.example': 'xn--bcher-kva.example',
  'ｃｃ。example': 'cc.example',
  my_app: 'my_app',
  '127.0.0.1:80': '127.0.0.1',
  '[::1]': '[::1]',
  '[2001:DB8:0:0::1]:443': '[2001:db8::1]',
  '': undefined,
  '.': undefined,
  'a..b': undefined,
  '.a': undefined,
  'a..': undefined,
  'a:': undefined,
  'a:b': undefined,
  'a:99999': undefined,
  'a:80:80': undefined,
  'a b': undefined,
  'a/b': undefined,
  'a?b': undefined,
  'a#b': undefined,
  'a@b': undefined,
  'a\\b': undefined,
  'a%2eb': undefined,
  'a%62': undefined,
  'a,b': undefined,
  'xn---5ro.test': undefined,
  '*.a': undefined,
  '::1': undefined,
  '[::1': undefined,
  '[::1]x': undefined,
  '[1.2.3.4]': undefined,
  '[fe80::1%25eth0]': undefined,
  [`${'a'.repeat(64)}.b`]: undefined,
  [`${'a.'.repeat(127)}a`]: undefined,
};
for (const [host, want] of Object.entries(hosts))
  test(`host: ${JSON.stringify(host.slice(0, 30))} is ${want ?? 'none'}`, () =>
    assert.equal(readAuthority(host)?.host, want));

test('host: a route may have a wildcard before the host, and a port behind it', () => {
  assert.equal(canonicalRouteHost('*.Example.COM'), '*.example.com');
  assert.equal(canonicalRouteHost('*.bücher.example'), '*.xn--bcher-kva.example');
  assert.equal(canonicalRouteHost('CC.Example.com.:08445'), 'cc.example.com:8445');
  assert.equal(canonicalRouteHost('*.a:443'), '*.a:443');
  assert.equal(canonicalRouteHost('[0::1]:8445'), '[::1]:8445');
  const odd = ['*', '*.', '*example.com', 'a.*.com', '*.*.com', '*.[::1]', 'http://a', 'a:', 'a:0', 'a:99999', 'a:*'];
  for (const host of [...odd, '*.a:b', ':8445']) assert.equal(canonicalRouteHost(host), undefined, host);
});

test('property: a canonical host is its own canonical form', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.domain(),
        fc.string({ unit: 'grapheme' }),
        fc.ipV6().map((ip) => `[${ip}]`),
      ),
      (text) => {
        const host = readAuthority(text)?.host;
        if (host === undefined) return;
        assert.equal(readAuthority(host)?.host, host);
        assert.match(host, /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])$/);
        assert.equal(readAuthority(`${host}:8080`)?.host, host);
      },
    ),
    trials(3000),
  );
});

test('Host: there is exactly one, and it is a host', () => {
  assert.equal(reasonOf(read('host', 'GATE.test:8080')), 'gate.test');
  const refused = [
    [],
    ['Host', ''],
    ['Host', 'a', 'Host', 'a'],
    ['Host', 'a', 'hOST', 'b'],
    ['Host', 'u@a'],
    ['Host', 'a b'],
    ['Host', 'b\u00fccher'],
    ['Host', 'a/b'],
    ['X', 'y'],
  ];
  for (const rawHeaders of refused) assert.equal(reasonOf(read(...rawHeaders)), 'ambiguous-host', rawHeaders.join());
});

const lines: Record<string, string[]> = {
  'two Content-Length': ['Content-Length', '1', 'content-length', '1'],
  'Content-Length with Transfer-Encoding': ['Content-Length', '1', 'Transfer-Encoding', 'chunked'],
  'a list as Content-Length': ['Content-Length', '5, 5'],
  'a signed Content-Length': ['Content-Length', '+5'],
  'a transfer coding other than chunked': ['Transfer-Encoding', 'gzip, chunked'],
  'two Transfer-Encoding': ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
  Content_Length: ['Content_Length', '5'],
  'two Authorization': ['Authorization', 'Basic eDp4', 'authorization', 'Bearer x'],
  'two Origin': ['Origin', 'http://a', 'Origin', 'http://b'],
  'a space in a name': ['Content-Length ', '5'],
  'a leading space in a name': [' X', '5'],
  'an empty name': ['', 'x'],
  'a colon in a name': ['a:b', 'x'],
  'a line break in a value': ['X', 'a\r\nY: b'],
  'NUL in a value': ['X', 'a\0b'],
  'a name without a value': ['X'],
};
for (const [name, rawHeaders] of Object.entries(lines))
  test(`headers: ${name} is refused`, () =>
    assert.equal(reasonOf(read('Host', 'a', ...rawHeaders)), 'ambiguous-header'));

test('headers: several Cookie lines, tabs and octets beyond ASCII in values are usual', () => {
  assert.equal(
    reasonOf(read('Host', 'a', 'Cookie', 'a=1', 'Cookie', 'b=2', 'X', 'a\tb\u00e9', 'Content-Length', '0')),
    'a',
  );
});
