/** A store that keeps second factors: nobody else reads its keys, and its server drops and forgets nothing. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createStore, type StoreOptions, storeOptions } from '../../src/store/index.ts';
import { probeRedis } from '../../src/store/redis/probe.ts';
import { needsRedis, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const clock = manualClock(Date.now());

async function opens(options: StoreOptions, keepsEnrolments: boolean): Promise<string> {
  try {
    const store = await createStore(options, { clock, log: keptLog(), keepsEnrolments });
    await store.close();
    return 'open';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test('a sealing key that everybody can read stops the start of a store with second factors, and no other', async (t) => {
  const folder = await temporaryFolder(t);
  const options: StoreOptions = { type: 'embedded', path: join(folder, 'store') };
  assert.equal(await opens(options, true), 'open');
  const file = join(folder, 'store', 'seal.key');
  for (const [mode, want] of [
    [0o640, /^open$/],
    [0o644, /everybody on this machine can read or change the sealing key .*seal\.key/],
    [0o602, /everybody on this machine/],
  ] as const) {
    chmodSync(file, mode);
    assert.match(await opens(options, true), want);
    assert.equal(await opens(options, false), 'open');
  }
});

test('a server that drops entries, or saves nothing, keeps no second factors', needsRedis, async (t) => {
  const server = await startRedis(t, ['appendonly yes']);
  const file = sealKeyFile(await temporaryFolder(t));
  const options = storeOptions.parse({ type: 'redis', url: server.url, sealKey: { file } });
  assert.ok(options.type === 'redis');
  const failed = async (): Promise<readonly string[]> => {
    const names: string[] = [];
    const terms = { clock, signal: AbortSignal.timeout(20_000), keepsEnrolments: true };
    for await (const { step, result } of probeRedis(options, terms)) if (result === 'failed') names.push(step);
    return names;
  };
  assert.equal(await opens(options, true), 'open');
  assert.deepEqual(await failed(), []);
  await server.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  assert.match(await opens(options, true), /allkeys-lru may drop second factors/);
  assert.deepEqual(await failed(), ['policy']);
  assert.equal(await opens(options, false), 'open');
  await server.client.config('SET', 'maxmemory-policy', 'noeviction');
  await server.client.config('SET', 'appendonly', 'no');
  assert.match(await opens(options, true), /nothing is saved/);
  assert.deepEqual(await failed(), ['disk']);
  await server.client.config('SET', 'save', '900 1');
  assert.equal(await opens(options, true), 'open');
});
