/** Writes of one turn of the event loop: one transaction, and yet each with a result of its own. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { TurnWrites } from '../../src/store/turn-writes.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';

test('turn writes: those of a turn are done together, those of the next after them', async () => {
  const done: string[] = [];
  const writes = new TurnWrites<string[]>(
    async (work) => work(done),
    (work) => {
      done.push('begin');
      const result = work();
      done.push('commit');
      return result;
    },
  );
  const [one, two] = await Promise.all([writes.add((all) => all.push('a')), writes.add((all) => all.push('b'))]);
  assert.deepEqual([one, two], [2, 3]);
  await writes.add((all) => all.push('c'));
  assert.deepEqual(done, ['begin', 'a', 'b', 'commit', 'c']);
});

test('turn writes: one that cannot be written fails alone, and an end is announced with it or not at all', async (t) => {
  const folder = await temporaryFolder(t);
  const store = new EmbeddedStore(folder, { clock: { now: () => 1000 }, log: keptLog() });
  t.after(() => store.close());
  const other = new DatabaseSync(path.join(folder, 'gatehouse.db'));
  t.after(() => other.close());
  other.exec("CREATE TRIGGER bad BEFORE INSERT ON entries WHEN NEW.key = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END");
  other.exec("CREATE TRIGGER mute BEFORE INSERT ON changed WHEN NEW.key = 'mute' BEGIN SELECT RAISE(ABORT, 'no'); END");
  const results = await Promise.allSettled([
    store.replace('a', undefined, '1'),
    store.put('bad', '1'),
    store.replace('mute', undefined, '1', undefined, { announced: true }),
    store.replace('a', undefined, '2'),
    store.put('b', '1'),
    store.take('b'),
    store.take('b'),
    store.delete('a'),
  ]);
  const told = results.map((result) => (result.status === 'fulfilled' ? result.value : result.status));
  assert.deepEqual(told, [true, 'rejected', 'rejected', false, undefined, '1', undefined, true]);
  for (const key of ['a', 'b', 'bad', 'mute']) assert.equal(await store.get(key), undefined, key);
});

test('turn writes: what was begun before a close is written, what comes after it is not', async (t) => {
  const folder = await temporaryFolder(t);
  const store = new EmbeddedStore(folder, { clock: { now: () => 1000 }, log: keptLog() });
  const writes = ['a', 'b'].map((key) => store.put(key, '1'));
  await store.close();
  await Promise.all(writes);
  await assert.rejects(store.put('c', '1'));
  const again = new EmbeddedStore(folder, { clock: { now: () => 1000 }, log: keptLog() });
  t.after(() => again.close());
  for (const [key, wanted] of [
    ['a', '1'],
    ['b', '1'],
    ['c', undefined],
  ] as const)
    assert.equal((await again.get(key))?.value, wanted);
});
