/** One spelling for one address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainAddress } from '../../src/core/address.ts';

test('addresses: an IPv4 address is the same one however it is mapped into IPv6', () => {
  for (const mapped of ['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:a00:1', '0:0:0:0:0:ffff:a00:1', '[::ffff:10.0.0.1]'])
    assert.equal(plainAddress(mapped), '10.0.0.1', mapped);
  for (const other of [
    '::1',
    'fe80::ffff:1',
    '2001:db8::ffff:a00:1',
    '::ffff:0:a00:1',
    'ffff:x',
    '::ffff:10.0.0.999',
    '',
  ])
    assert.equal(plainAddress(other), other);
  assert.equal(plainAddress('[::1]'), '::1');
});
