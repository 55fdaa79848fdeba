/** Which addresses count as one client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressGroup } from '../../src/users/address.ts';

const cases: Readonly<Record<string, string>> = {
  '192.0.2.1': '192.0.2.1',
  '::ffff:192.0.2.1': '192.0.2.1',
  '::FFFF:c000:0201': '192.0.2.1',
  '0:0:0:0:0:ffff:192.0.2.1': '192.0.2.1',
  '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
  '2001:DB8:1:2::1': '2001:db8:1:2::/64',
  '2001:0db8:0001:0002::ffff': '2001:db8:1:2::/64',
  '2001:db8::1': '2001:db8:0:0::/64',
  '::1': '0:0:0:0::/64',
  '::': '0:0:0:0::/64',
  'fe80::1%eth0': 'fe80:0:0:0::/64',
  '64:ff9b::192.0.2.1': '64:ff9b:0:0::/64',
  '': '',
  nonsense: 'nonsense',
};
for (const [address, want] of Object.entries(cases)) {
  test(`address ${address || '(none)'} counts as ${want || '(none)'}`, () => assert.equal(addressGroup(address), want));
}
