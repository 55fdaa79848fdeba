/** Waiting for attempts of others to end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LockoutQueue } from '../../src/users/lockout-queue.ts';

test('who waits is woken in order, one by each attempt that ends, and by nobody else’s', async () => {
  const queue = new LockoutQueue();
  const woken: string[] = [];
  const wait = (name: string, key: string) => queue.wait(key, 60_000, undefined).then(() => woken.push(name));
  const waits = [wait('first', 'a'), wait('second', 'a'), wait('other', 'b')];
  assert.equal(queue.size, 3);
  queue.wake('a');
  await waits[0];
  assert.deepEqual([woken, queue.size], [['first'], 2]);
  queue.wake('nobody');
  queue.wake('b');
  queue.wake('a');
  await Promise.all(waits);
  assert.deepEqual(woken.toSorted(), ['first', 'other', 'second']);
  assert.equal(queue.size, 0);
});

test('who waits looks again by itself, and leaves when nobody waits for the answer any more', async () => {
  const queue = new LockoutQueue();
  await queue.wait('a', 5, undefined);
  await queue.wait('a', 60_000, AbortSignal.abort());
  assert.equal(queue.size, 0);
});
