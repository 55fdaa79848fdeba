/** Counting guesses: in a row, in parallel, over the death of a process, and by what a count is set back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountKey, accountNamed } from '../../src/core/account.ts';
import { FactorLimits } from '../../src/factors/limits.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const alice = accountNamed('alice');
const rules = { count: 3, delay: 1000, max: 8000, hard: 9 };

function scene() {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  const limits = new FactorLimits({ store, clock, limits: rules });
  const wrong = async (): Promise<boolean> => {
    const permit = await limits.enter(alice);
    if (permit.kind === 'open') await limits.fail(alice);
    return permit.kind === 'open';
  };
  return { clock, store, limits, wrong };
}

test('limits: locks double up to the longest, and at the hard limit only an operator releases', async () => {
  const { clock, limits, wrong } = scene();
  const locks: (number | undefined)[] = [];
  for (let guess = 0; guess < rules.hard; guess++) {
    assert.ok(await wrong());
    const standing = await limits.standing(alice);
    locks.push(standing.kind === 'locked' ? standing.retryAfter : 0);
    clock.advance(rules.max);
  }
  assert.deepEqual(locks, [0, 0, 1000, 2000, 4000, 8000, 8000, 8000, undefined]);
  clock.advance(365 * 86_400_000);
  assert.deepEqual(await limits.enter(alice), { kind: 'locked' });
});

test('limits: the count is set back by a factor that was verified, and not by one that could not tell', async () => {
  const { limits, wrong } = scene();
  for (let round = 0; round < 5; round++) {
    await wrong();
    await wrong();
    await limits.enter(alice);
    await limits.release(alice);
    assert.equal((await limits.enter(alice)).kind, 'open');
    await limits.succeed(alice);
  }
  await wrong();
  await wrong();
  await limits.enter(alice);
  await limits.release(alice);
  await wrong();
  assert.equal((await limits.standing(alice)).kind, 'locked');
});

test('limits: so many attempts in parallel as there may be wrong ones, the others wait', async () => {
  const { limits } = scene();
  const results = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const permit = await limits.enter(alice);
      if (permit.kind === 'open') await limits.fail(alice);
      return permit.kind;
    }),
  );
  assert.equal(results.filter((kind) => kind === 'open').length, rules.count);
});

test('limits: an attempt whose process died was wrong, and a clock that was set back does not forgive it', async () => {
  for (const away of [61_000, -3_600_000]) {
    const { clock, store, limits, wrong } = scene();
    await wrong();
    await wrong();
    assert.equal((await limits.enter(alice)).kind, 'open');
    clock.advance(away);
    const another = new FactorLimits({ store, clock, limits: rules });
    assert.equal((await another.standing(alice)).kind, 'locked');
  }
});

test('limits: a count that cannot be read is an outage', async () => {
  const { store, limits } = scene();
  await store.put(`factor-state:${accountKey(alice)}`, '{"failures":-1}');
  await assert.rejects(limits.enter(alice), { name: 'Failure', reason: 'misconfigured' });
});
