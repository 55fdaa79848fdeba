/** The mark by which a gateway sees that the store is not the one in which second factors were set up. */
import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EnrolmentMark } from '../../src/factors/enrolment-mark.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

async function machine(t: TestContext) {
  const file = join(await temporaryFolder(t), 'seal.key.enrolments');
  const markOn = (store: MemoryStore) => new EnrolmentMark({ store, file, log: keptLog() });
  return { file, markOn };
}

const emptyStore = () => new MemoryStore(manualClock());

test('the mark: the first gateway makes it, workers agree on it, and another machine takes it over', async (t) => {
  const [one, other] = [await machine(t), await machine(t)];
  const store = emptyStore();
  const workers = await Promise.all(Array.from({ length: 4 }, () => one.markOn(store).isLost()));
  assert.deepEqual(workers, [false, false, false, false]);
  assert.equal((await stat(one.file)).mode & 0o077, 0);
  assert.equal(await other.markOn(store).isLost(), false);
  assert.equal(await readFile(one.file, 'utf8'), await readFile(other.file, 'utf8'));
  assert.equal(await one.markOn(store).accept(), false, 'nothing was lost');
});

test('the mark: an emptied store and another one are a loss, until an operator has accepted it on each machine', async (t) => {
  const [one, other] = [await machine(t), await machine(t)];
  const before = emptyStore();
  for (const { markOn } of [one, other]) await markOn(before).prepare();
  const after = emptyStore();
  for (const { markOn } of [one, other]) assert.equal(await markOn(after).isLost(), true);
  assert.equal(await one.markOn(after).isLost(), true, 'looking makes no mark');
  assert.equal(await one.markOn(after).accept(), true);
  assert.equal(await one.markOn(after).isLost(), false);
  assert.equal(await other.markOn(after).isLost(), false, 'it bears the mark that both know');

  const strange = emptyStore();
  await (await machine(t)).markOn(strange).prepare();
  const mark = one.markOn(strange);
  assert.equal(await mark.isLost(), true);
  assert.equal(mark.glance(), true);
  assert.equal(await mark.accept(), true);
  assert.equal(mark.glance(), false);
  assert.equal(await other.markOn(strange).isLost(), true);
  assert.equal(await other.markOn(strange).accept(), true);
  assert.equal(await one.markOn(strange).isLost(), false, 'whoever accepts later takes what is there');
});

test('the mark: a file that is damaged or cannot be read is said, and is no new beginning', async (t) => {
  const { file, markOn } = await machine(t);
  const store = emptyStore();
  await markOn(store).prepare();
  await writeFile(file, 'half');
  await assert.rejects(markOn(store).prepare(), /the mark of the enrolments .*it holds something else/);
  await writeFile(file, '');
  await chmod(file, 0o000);
  if (process.getuid?.() !== 0) await assert.rejects(markOn(store).isLost(), /cannot be used/);
});

test('the mark: where nothing can be written beside the key, the gateway goes on and says what it will not see', async (t) => {
  const log = keptLog();
  // Too long a name to be written beside.
  const file = join(await temporaryFolder(t), 'k'.repeat(250));
  const mark = new EnrolmentMark({ store: emptyStore(), file, log });
  await mark.prepare();
  assert.equal(await mark.isLost(), false);
  assert.equal(log.text().match(/a loss of second factors would not be seen/g)?.length, 1);
});

test('the mark: a store in memory is meant to end, and a store that takes nothing keeps nobody from starting', async (t) => {
  assert.equal(await new EnrolmentMark({ store: emptyStore(), file: undefined, log: keptLog() }).isLost(), false);
  const { markOn } = await machine(t);
  const store = emptyStore();
  store.replace = async () => {
    throw new Error('the disk is full');
  };
  const mark = markOn(store);
  await mark.prepare();
  await assert.rejects(mark.isLost(), /full/);
});
