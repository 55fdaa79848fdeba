/** Work under way: what is closed after it waits for all of it, also for what breaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnderWay } from '../../src/gateway/under-way.ts';
import { keptLog } from '../support/tools/log-lines.ts';

test('under way: settling waits for all work, and work that breaks is logged and keeps nothing from being closed', async () => {
  const log = keptLog();
  const underWay = new UnderWay(log);
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  underWay.add(first.promise);
  underWay.add(second.promise);
  let settled = false;
  const all = underWay.whenDone().then(() => {
    settled = true;
  });
  first.reject(new Error('a pipe burst'));
  await assert.rejects(first.promise);
  await new Promise(setImmediate);
  assert.equal(settled, false);
  second.resolve();
  await all;
  assert.match(log.text(), /an answer broke/);
  assert.match(log.text(), /a pipe burst/);
});
