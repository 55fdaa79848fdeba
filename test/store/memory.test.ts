/** The store in memory keeps the contract, and no longer a journal than it must. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../src/store/memory.ts';
import { storeContract } from '../contract/store.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

storeContract('memory', async (t) => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  return { store, another: store, now: clock.now, advance: async (milliseconds) => clock.advance(milliseconds) };
});

test('memory: the journal forgets what is old, and says so to whoever was away', async (t) => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const { place } = store.changes();
  await store.replace('kind:a', undefined, 'x', undefined, { announced: true });
  store.prune();
  assert.partialDeepStrictEqual(store.changes(place), { keys: ['kind:a'], isWhole: true });
  clock.advance(10 * 60_000);
  store.prune();
  assert.partialDeepStrictEqual(store.changes(place), { keys: [], isWhole: false });
  await store.replace('kind:b', undefined, 'x', undefined, { announced: true });
  assert.partialDeepStrictEqual(store.changes('1'), { keys: ['kind:b'], isWhole: true });
});
