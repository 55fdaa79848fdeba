/** A map with a bound in bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeptMap } from '../../src/core/kept-map.ts';

test('kept map: what is asked for stays, and what nobody asks for goes', () => {
  const kept = new KeptMap<number>(2000);
  kept.set('used', 1, 100);
  kept.set('unused', 2, 100);
  for (let count = 0; count < 100; count += 1) {
    kept.set(`filler ${count}`, count, 100);
    assert.equal(kept.get('used'), 1);
  }
  assert.equal(kept.get('unused'), undefined);
  assert.equal(kept.get('filler 99'), 99);
});

test('kept map: a value in the place of another counts once', () => {
  const kept = new KeptMap<number>(2000);
  kept.set('first', 0, 100);
  for (let count = 0; count < 100; count += 1) kept.set('same', count, 100);
  assert.deepEqual([kept.get('first'), kept.get('same')], [0, 99]);
});
