/** Ends that hold although the store takes nothing: on a disk that is really full, for other processes, and after. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../src/core/failure.ts';
import type { Store } from '../../src/core/store.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { HoldingStore } from '../../src/store/held-writes.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { storeContract } from '../contract/store.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { smallDisk } from '../support/tools/small-disk.ts';

const minute = 60_000;

storeContract('holding', async (t) => {
  const [clock, folder, log] = [manualClock(), await temporaryFolder(t), keptLog()];
  const inner = new MemoryStore(clock);
  const [store, another] = [1, 2].map(() => new HoldingStore(inner, { folder, clock, log }));
  t.after(() => Promise.all([store!.close(), another!.close()]));
  return {
    store: store!,
    another: another!,
    now: clock.now,
    advance: async (milliseconds) => clock.advance(milliseconds),
  };
});

/** A worker on a folder. */
function worker(t: TestContext, folder: string, clock: ManualClock): Store {
  const log = keptLog();
  const store = new HoldingStore(new EmbeddedStore(folder, { clock, log }), { folder, clock, log });
  t.after(() => store.close());
  return store;
}

/** Takes the last block of a disk. */
function fillUp(folder: string): () => void {
  const file = join(folder, 'filling');
  const handle = openSync(file, 'w');
  for (const size of [64 * 1024, 4096, 1])
    for (;;) {
      try {
        if (writeSync(handle, Buffer.alloc(size)) < size) break;
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
        break;
      }
    }
  closeSync(handle);
  return () => rmSync(file);
}

async function endAll(store: Store, keys: readonly string[], until: number): Promise<void> {
  for (const key of keys) {
    const version = (await store.get(key))?.version;
    assert.equal(await store.replace(key, version, 'ended', until, { announced: true, held: true }), true, key);
  }
}

test('held: on a disk without a free block an end counts at once, in every process, after a restart, and is written when there is room', async (t) => {
  const folder = smallDisk(t, '6m');
  if (!folder) return;
  const clock = manualClock();
  const [store, another] = [worker(t, folder, clock), worker(t, folder, clock)];
  const keys = Array.from({ length: 200 }, (_, i) => `session:${i}`);
  for (const key of keys) await store.put(key, 'live', clock.now() + 60 * minute);
  const { place } = await another.changes();
  const makeRoom = fillUp(folder);
  const failure = await (async () => {
    for (let i = 0; ; i++) await store.put(`kind:${i}`, 'x'.repeat(2000));
  })().catch((error: unknown) => error);
  assert.ok(failure instanceof Failure && failure.answer === 'full', String(failure));

  await endAll(store, keys, clock.now() + 15 * minute);
  assert.equal((await store.get('session:7'))?.value, 'ended');
  assert.equal(store.waiting(), 200);
  const heard = await another.changes(place);
  assert.deepEqual(new Set(heard.keys), new Set(keys));
  assert.deepEqual((await another.changes(heard.place)).keys, []);
  assert.equal((await another.get('session:7'))?.value, 'ended');
  assert.deepEqual(
    new Set((await Array.fromAsync(another.list('session:'))).map(({ value }) => value)),
    new Set(['ended']),
  );
  assert.equal(
    await store.replace('session:7', (await store.get('session:7'))?.version, 'live'),
    false,
    'an end is final',
  );
  assert.equal(await store.count('session:', clock.now() + 15 * minute), 0, 'none is counted as live');

  // As after a kill -9: nobody has closed anything.
  const next = worker(t, folder, clock);
  assert.equal((await next.get('session:7'))?.value, 'ended');
  clock.advance(30 * minute);
  assert.equal((await next.get('session:7'))?.value, 'ended', 'it does not run out while it waits');

  makeRoom();
  await next.close();
  await store.changes();
  assert.equal(store.waiting(), 0, 'another process has written them');
  assert.equal((await store.get('session:7'))?.value, 'ended');
  clock.advance(15 * minute);
  assert.equal(await store.get('session:7'), undefined, 'and then they go with time');
});

test('held: only an end waits, a version that has changed is no end, and other writes fail as before', async (t) => {
  const [clock, folder] = [manualClock(), await temporaryFolder(t)];
  const store = worker(t, folder, clock);
  await store.put('session:a', 'live');
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  t.after(() => database.close());
  database.exec(
    "CREATE TRIGGER full BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
  );
  const version = (await store.get('session:a'))?.version;
  await assert.rejects(store.replace('session:a', version, 'seen', undefined, { announced: true }), {
    name: 'Failure',
  });
  assert.equal(await store.replace('session:a', 'another', 'ended', undefined, { held: true }), false);
  assert.equal((await store.get('session:a'))?.value, 'live');
  assert.equal(store.waiting(), 0);
  await endAll(store, ['session:a'], clock.now() + minute);
  assert.equal(statSync(join(folder, 'gatehouse-held.db')).mode & 0o777, 0o600);
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o077, 0, name);
});

test('held: what waits is written by itself once the store takes it, over whatever is there', async (t) => {
  const [clock, folder] = [manualClock(), await temporaryFolder(t)];
  const store = worker(t, folder, clock);
  const keys = ['session:a', 'session:b', 'session:c'];
  for (const key of keys) await store.put(key, 'live', clock.now() + 60 * minute);
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  t.after(() => database.close());
  const refuse = (when: string) =>
    database.exec(
      `CREATE TRIGGER full BEFORE UPDATE ON entries ${when} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
    );
  const ended = async () => (await Array.fromAsync(store.list('session:'))).filter(({ value }) => value === 'ended');
  const direct = new EmbeddedStore(folder, { clock, log: keptLog() });
  t.after(() => direct.close());
  refuse('');
  await endAll(store, keys, clock.now() + 15 * minute);
  assert.equal(store.waiting(), 3);
  const { place } = await direct.changes();
  database.exec('DROP TRIGGER full');
  // Another process that knows nothing of what is held has gone on with one.
  await direct.put('session:b', 'seen', clock.now() + 60 * minute);
  await until('all is written', () => store.waiting() === 0);
  assert.equal((await ended()).length, 3);
  for (const key of keys) assert.equal((await direct.get(key))?.value, 'ended', key);
  assert.deepEqual(new Set((await direct.changes(place)).keys), new Set(keys), 'every process hears of it');
  clock.advance(15 * minute);
  assert.equal(await direct.get('session:b'), undefined, 'kept as long as an end is');
});

test('held: where not even its own file has room, the write fails, and says so', async (t) => {
  const [clock, folder, log] = [manualClock(), await temporaryFolder(t), keptLog()];
  writeFileSync(join(folder, 'gatehouse-held.db'), 'no database');
  const inner = new EmbeddedStore(folder, { clock, log });
  const store = new HoldingStore(inner, { folder, clock, log });
  t.after(() => store.close());
  assert.ok(log.lines.some(({ level, message }) => level === 'warn' && message.includes('no room beside the store')));
  await store.put('session:a', 'live');
  await inner.close();
  await assert.rejects(store.replace('session:a', undefined, 'ended', undefined, { held: true }), { name: 'Failure' });
});
