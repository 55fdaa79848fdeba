/** Counts of sends: their limits, many at once, what failed, and the time that passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SendScope, Sends } from '../../src/factors/sends.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const hour = 3_600_000;
const account: SendScope = { kind: 'account', of: 'agent1', limit: { count: 3, per: hour } };

function setUp() {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  return { clock, store, sends: new Sends({ store, clock }) };
}

test('sends: as many as the limit says, and more when their span is over', async () => {
  const { clock, sends } = setUp();
  for (let times = 0; times < 3; times += 1) {
    assert.equal((await sends.take([account])).kind, 'granted');
    clock.advance(60_000);
  }
  const refused = await sends.take([account]);
  assert.equal(refused.kind, 'refused');
  const { retryAt } = refused as { retryAt: number };
  clock.advance(retryAt - clock.now() - 1);
  assert.equal((await sends.take([account])).kind, 'refused');
  clock.advance(1);
  assert.equal((await sends.take([account])).kind, 'granted');
});

test('sends: many at once get no more than one after the other', async () => {
  const { sends, store, clock } = setUp();
  const other = new Sends({ store, clock });
  const permits = await Promise.all(
    Array.from({ length: 50 }, (_, index) => (index % 2 ? sends : other).take([account])),
  );
  assert.equal(permits.filter(({ kind }) => kind === 'granted').length, 3);
});

test('sends: where one counter is full, nothing is taken of the others', async () => {
  const { sends } = setUp();
  const contact: SendScope = { kind: 'contact', of: 'agent1@example.com', limit: { count: 1, per: hour } };
  await sends.take([contact]);
  for (let times = 0; times < 5; times += 1) {
    const refused = await sends.take([account, contact]);
    assert.deepEqual([refused.kind, (refused as { scope: string }).scope], ['refused', 'contact']);
  }
  for (let times = 0; times < 3; times += 1) assert.equal((await sends.take([account])).kind, 'granted');
});

test('sends: one that failed is given back, also its wait, and once only', async () => {
  const { sends, clock } = setUp();
  const waiting = { ...account, wait: 30_000 };
  const first = await sends.take([waiting]);
  assert.equal((await sends.take([waiting])).kind, 'refused', 'too soon');
  assert.ok(first.kind === 'granted');
  await first.giveBack();
  await first.giveBack();
  for (let times = 0; times < 3; times += 1) {
    assert.equal((await sends.take([waiting])).kind, 'granted');
    clock.advance(30_000);
  }
  assert.equal((await sends.take([waiting])).kind, 'refused');
});

test('sends: names are not in the store, and a counter that cannot be read is no empty one', async () => {
  const { sends, store } = setUp();
  await sends.take([{ ...account, kind: 'contact', of: 'agent1@example.com' }]);
  const [entry] = await Array.fromAsync(store.list('sends:'));
  assert.doesNotMatch(`${entry?.key}${entry?.value}`, /agent1/);
  await store.put(entry?.key ?? '', '{"parts":"none"}');
  await assert.rejects(sends.take([{ ...account, kind: 'contact', of: 'agent1@example.com' }]), /cannot be read/);
});

test('sends: a clock that is set back lets nobody wait for ever', async () => {
  const { sends, clock } = setUp();
  await sends.take([{ ...account, wait: 30_000 }]);
  clock.advance(-2 * hour);
  assert.equal((await sends.take([{ ...account, wait: 30_000 }])).kind, 'granted');
});
