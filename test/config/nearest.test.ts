/** Which slips are recognised, and which words are too far apart to be named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest, slipsBetween } from '../../src/config/nearest.ts';
import { trials } from '../support/tools/properties.ts';

const known = ['publicUrl', 'listen', 'timeout', 'trustedProxies', 'env', 'certificate', 'on', 'ca', 'key'];

const cases: Readonly<Record<string, string | undefined>> = {
  timeuot: 'timeout',
  timout: 'timeout',
  timeoutt: 'timeout',
  public_url: 'publicUrl',
  'public-URL': 'publicUrl',
  environment: 'env',
  cert: 'certificate',
  Ca: 'ca',
  trustedProxy: 'trustedProxies',
  no: undefined,
  password: undefined,
  '': undefined,
};

for (const [word, want] of Object.entries(cases))
  test(`nearest: "${word}" ${want ? `is a slip of "${want}"` : 'is near to nothing'}`, () => {
    assert.equal(nearest(word, known), want);
  });

test('nearest: a swap of neighbours is one slip, as is a letter more, less or other', () => {
  assert.equal(slipsBetween('chian', 'chain'), 1);
  assert.equal(slipsBetween('chan', 'chain'), 1);
  assert.equal(slipsBetween('chainn', 'chain'), 1);
  assert.equal(slipsBetween('cha1n', 'chain'), 1);
  assert.equal(slipsBetween('', 'abc'), 3);
});

test('nearest: the distance is the same both ways, and nothing only for equal words', () => {
  const word = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(word, word, (left, right) => {
      const slips = slipsBetween(left, right);
      assert.equal(slips, slipsBetween(right, left));
      assert.equal(slips === 0, left === right);
      assert.ok(slips <= Math.max(left.length, right.length));
      assert.ok(slips >= Math.abs(left.length - right.length));
    }),
    trials(),
  );
});
