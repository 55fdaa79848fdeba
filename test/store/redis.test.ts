/** The store in Redis: the contract, what one node sees of another, and what is on the server. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import type { Store } from '../../src/core/store.ts';
import { openRedisStore } from '../../src/store/redis/open.ts';
import { storeContract } from '../contract/store.ts';
import { needsRedis, redisStoreOptions, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';

let prefixes = 0;

async function open(t: TestContext, url: string, more: Readonly<Record<string, unknown>> = {}): Promise<Store> {
  const file = sealKeyFile(await temporaryFolder(t));
  const options = redisStoreOptions(url, file, more);
  const store = await openRedisStore(options, { clock: systemClock, log: keptLog(), forgetSealed: false, patience: 0 });
  t.after(() => store.close());
  return store;
}

if (!needsRedis.skip)
  storeContract('redis', async (t) => {
    const server = await startRedis(t);
    prefixes += 1;
    const more = { prefix: `test${prefixes}` };
    const [store, another] = [await open(t, server.url, more), await open(t, server.url, more)];
    return { store, another, now: Date.now, advance: (milliseconds) => delay(milliseconds) };
  });

test('redis: placeholder', needsRedis, async () => {
  assert.ok(true);
});
