/** The embedded store: the contract, sudden ends, several processes, and every way in which its file can be unusable. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import { OperatorError } from '../../src/core/errors.ts';
import { Failure } from '../../src/core/failure.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { Journal } from '../../src/store/journal.ts';
import { storeContract } from '../contract/store.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { smallDisk } from '../support/tools/small-disk.ts';

const log = keptLog();
const writer = new URL('embedded-writer.ts', import.meta.url).pathname;

function open(t: TestContext, folder: string, clock = systemClock): EmbeddedStore {
  const store = new EmbeddedStore(folder, { clock, log });
  t.after(() => store.close());
  return store;
}

function start(t: TestContext, folder: string, task: string, options: { uid?: number } = {}): ChildProcess {
  const child = spawn(process.execPath, [writer, folder, task], { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function refusal(run: () => unknown): Promise<OperatorError> {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.ok(error.hint);
    return error;
  }
  return assert.fail('it opened');
}

storeContract('embedded', async (t) => {
  const clock = manualClock();
  const folder = await temporaryFolder(t);
  return {
    store: open(t, folder, clock),
    another: open(t, folder, clock),
    now: clock.now,
    advance: async (milliseconds) => clock.advance(milliseconds),
  };
});

test('embedded: the folder is made, and only the owner may read its files', async (t) => {
  const folder = join(await temporaryFolder(t), 'a', 'b');
  await open(t, folder).put('kind:a', 'x');
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  const files = readdirSync(folder);
  assert.deepEqual(files.toSorted(), ['gatehouse.db', 'gatehouse.db-shm', 'gatehouse.db-wal']);
  for (const file of files) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file);
});

test('embedded: a file that others may read is closed to them', async (t) => {
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'gatehouse.db'), '', { mode: 0o644 });
  open(t, folder);
  assert.equal(statSync(join(folder, 'gatehouse.db')).mode & 0o777, 0o600);
});

test('embedded: a value and a count are at hand without a promise, also while another process writes', async (t) => {
  const folder = await temporaryFolder(t);
  const store = open(t, folder);
  await store.put('kind:a', 'x');
  const other = new DatabaseSync(join(folder, 'gatehouse.db'));
  t.after(() => other.isOpen && other.close());
  other.exec('BEGIN IMMEDIATE');
  const stored = store.get('kind:a');
  assert.ok(stored && 'value' in stored && stored.value === 'x');
  assert.equal(store.count('kind:', Date.now()), 1);
});

test('embedded: a file of the first tables is brought up to date, with what is in it', async (t) => {
  const folder = await temporaryFolder(t);
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  database.exec(`CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL);
    CREATE TABLE entries (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, version TEXT NOT NULL, exp INTEGER);
    CREATE INDEX entries_exp ON entries (exp) WHERE exp IS NOT NULL;
    INSERT INTO migrations VALUES (1, 0);
    INSERT INTO entries VALUES ('kind:a', 'kept', '00', NULL)`);
  database.close();
  const store = open(t, folder);
  assert.equal((await store.get('kind:a'))?.value, 'kept');
  assert.equal(await store.count('kind:', Date.now()), 1);
});

test('embedded: contents survive a restart', async (t) => {
  const folder = await temporaryFolder(t);
  const first = open(t, folder);
  await first.put('kind:a', 'kept');
  await first.close();
  assert.equal((await open(t, folder).get('kind:a'))?.value, 'kept');
});

test('embedded: what was acknowledged before a kill -9 is there afterwards', async (t) => {
  const folder = await temporaryFolder(t);
  const acknowledged: string[] = [];
  for (let round = 0; round < 3; round++) {
    const children = [start(t, folder, 'write'), start(t, folder, 'write')];
    const said = children.map(() => '');
    for (const [index, child] of children.entries())
      child.stdout!.setEncoding('utf8').on('data', (lines: string) => {
        said[index] += lines;
      });
    const isBusy = () => said.every((lines) => lines.split('\n').length > 60);
    await until('both have written much', isBusy, 60_000);
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map((child) => once(child, 'close')));
    for (const lines of said) acknowledged.push(...lines.split('\n').slice(0, -1));
  }
  const store = open(t, folder);
  assert.ok(acknowledged.length > 300, `${acknowledged.length} acknowledged`);
  for (const number of acknowledged) assert.ok(await store.get(`written:${number}`), `${number} is lost`);
});

test('embedded: two processes that race for one-time values never both get one', async (t) => {
  const folder = await temporaryFolder(t);
  const store = open(t, folder);
  for (let number = 0; number < 200; number++) await store.put(`once:${number}`, 'x');
  const children = [start(t, folder, 'take'), start(t, folder, 'take')];
  for (const child of children) await once(child.stdout!, 'data');
  const outputs = children.map((child) => text(child.stdout!));
  for (const child of children) child.stdin!.write('go\n');
  const taken = (await Promise.all(outputs)).flatMap((output) => output.split('\n').slice(0, -1).map(Number));
  assert.deepEqual(
    taken.toSorted((a, b) => a - b),
    Array.from({ length: 200 }, (_, number) => number),
  );
});

test('embedded: processes that open an empty folder at once all succeed', async (t) => {
  const folder = await temporaryFolder(t);
  const ends = Array.from({ length: 4 }, () => {
    const child = start(t, folder, 'open');
    return Promise.all([once(child, 'exit'), text(child.stderr!)]);
  });
  for (const [[code], errors] of await Promise.all(ends)) assert.equal(code, 0, errors);
});

test('embedded: while another process holds the file, a write waits and everything else goes on', async (t) => {
  const folder = await temporaryFolder(t);
  const store = open(t, folder);
  await store.put('test:before', 'there');
  const other = new DatabaseSync(join(folder, 'gatehouse.db'));
  t.after(() => other.isOpen && other.close());
  other.exec('BEGIN IMMEDIATE');
  let isWritten = false;
  const writing = store.put('test:after', 'there').then(() => {
    isWritten = true;
  });
  const startedAt = performance.now();
  for (let turn = 0; turn < 5; turn++) {
    await delay(20);
    assert.equal((await store.get('test:before'))?.value, 'there');
  }
  const took = performance.now() - startedAt;
  assert.ok(took < 4000, `the process stood still: ${Math.round(took)} ms`);
  assert.equal(isWritten, false);
  other.exec('ROLLBACK');
  await writing;
  assert.equal((await store.get('test:after'))?.value, 'there');
});

test('embedded: expired entries leave the file, in batches, by one holder', async (t) => {
  const clock = manualClock();
  const folder = await temporaryFolder(t);
  const [first, second] = [open(t, folder, clock), open(t, folder, clock)];
  for (let i = 0; i < 1200; i++) await first.put(`kind:${i}`, 'x', clock.now() + 1000 + i);
  await first.put('kind:stays', 'x');
  clock.advance(2100);
  assert.equal(await first.prune(), 1101);
  assert.equal((await Array.fromAsync(first.list('kind:'))).length, 100);

  assert.equal(await first.holdsLease(), true);
  assert.equal(await second.holdsLease(), false);
  assert.equal(await first.holdsLease(), true);
  clock.advance(10 * 60_000);
  assert.equal(await second.holdsLease(), true, 'a holder that is gone is followed');
  assert.equal(await first.holdsLease(), false);
});

test('embedded: what another process announces is heard at once', async (t) => {
  const folder = await temporaryFolder(t);
  const store = open(t, folder);
  const heard: (readonly string[] | undefined)[] = [];
  const journal = new Journal({ store, log, onChange: (keys) => heard.push(keys) });
  t.after(() => journal.close());
  const child = start(t, folder, 'announce');
  const [errors, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
  assert.equal(code, 0, errors);
  await until('the journal was asked once more', () => heard.length > 0, 5000);
  assert.deepEqual(heard, [['kind:a']]);
});

test('embedded: the journal forgets what is old, and says so to whoever was away', async (t) => {
  const clock = manualClock();
  const store = open(t, await temporaryFolder(t), clock);
  const { place } = await store.changes();
  for (let i = 0; i < 3; i++) await store.replace(`kind:${i}`, undefined, 'x', undefined, { announced: true });
  clock.advance(5 * 60_000);
  await store.prune();
  assert.partialDeepStrictEqual(await store.changes(place), { keys: ['kind:0', 'kind:1', 'kind:2'], isWhole: true });
  clock.advance(5 * 60_000);
  await store.prune();
  const late = await store.changes(place);
  assert.equal(late.isWhole, false);
  await store.replace('kind:3', undefined, 'x', undefined, { announced: true });
  assert.partialDeepStrictEqual(await store.changes(late.place), { keys: ['kind:3'], isWhole: true });
});

test('embedded: a full disk is a clear error, nothing is lost, and it goes on when there is room', async (t) => {
  const folder = smallDisk(t);
  if (!folder) return;
  const store = open(t, folder);
  const filling = join(folder, 'filling');
  writeFileSync(filling, Buffer.alloc(200_000));
  let written = 0;
  const failure = await (async () => {
    for (; written < 10_000; written++) await store.put(`kind:${written}`, 'x'.repeat(1000));
  })().catch((error: unknown) => error);
  assert.ok(failure instanceof Failure && failure.answer === 'full', String(failure));
  assert.ok(failure.message.includes(folder) && failure.message.includes('free space'));
  assert.ok(written > 10);
  for (let i = 0; i < written; i++) assert.ok(await store.get(`kind:${i}`), `${i} is lost`);
  writeFileSync(filling, '');
  await store.put('kind:after', 'x');
  assert.ok(await store.get('kind:after'));
});

test('embedded: a disk that is full at the start is named', async (t) => {
  const folder = smallDisk(t);
  if (!folder) return;
  assert.throws(() => writeFileSync(join(folder, 'filling'), Buffer.alloc(4_000_000)), { code: 'ENOSPC' });
  const error = await refusal(() => new EmbeddedStore(folder, { clock: systemClock, log }));
  assert.match(error.message, /disk is full/);
  assert.ok(error.message.includes(folder));
});

test('embedded: a disk that is read-only is named, and the file serves again when it is not', async (t) => {
  const folder = smallDisk(t);
  if (!folder) return;
  const before = open(t, folder);
  await before.put('kind:a', 'x');
  await before.close();
  execFileSync('mount', ['-o', 'remount,ro', folder]);
  const error = await refusal(() => new EmbeddedStore(folder, { clock: systemClock, log }));
  assert.match(error.message, /may not be written/);
  execFileSync('mount', ['-o', 'remount,rw', folder]);
  assert.equal((await open(t, folder).get('kind:a'))?.value, 'x');
});

test('embedded: a folder that this user may not write to is named', async (t) => {
  const folder = await temporaryFolder(t);
  chmodSync(folder, 0o755);
  if (process.getuid?.() !== 0) {
    chmodSync(folder, 0o555);
    t.after(() => chmodSync(folder, 0o755));
  }
  const child = start(t, folder, 'open', process.getuid?.() === 0 ? { uid: 65_534 } : {});
  const [errors, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
  assert.equal(code, 1, errors);
  assert.ok(errors.includes(folder) && errors.includes('may not be written') && errors.includes('session.store.path'));
});

test('embedded: a path that is a file, or a folder in the place of the file, is named', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'below')]) {
    const error = await refusal(() => new EmbeddedStore(path, { clock: systemClock, log }));
    assert.ok(error.message.includes(path) && /is a file/.test(error.message));
  }
  mkdirSync(join(folder, 'gatehouse.db'));
  const error = await refusal(() => new EmbeddedStore(folder, { clock: systemClock, log }));
  assert.ok(error.message.includes(join(folder, 'gatehouse.db')) && /is a folder/.test(error.message));
});

test('embedded: a file that is no database, or a damaged one, is named and left as it is', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'gatehouse.db');
  writeFileSync(path, 'not a database '.repeat(100));
  assert.match((await refusal(() => new EmbeddedStore(folder, { clock: systemClock, log }))).message, /damaged/);
  assert.ok(readFileSync(path, 'utf8').startsWith('not a database'));

  const other = await temporaryFolder(t);
  const store = open(t, other);
  for (let i = 0; i < 500; i++) await store.put(`kind:${i}`, 'x'.repeat(500));
  await store.close();
  const bytes = readFileSync(join(other, 'gatehouse.db'));
  writeFileSync(join(other, 'gatehouse.db'), bytes.fill(0xa5, 8192, 60_000));
  const error = await refusal(() => new EmbeddedStore(other, { clock: systemClock, log }));
  assert.match(error.message, /damaged/);
  assert.match(error.hint ?? '', /move the file/);
});

test('embedded: a file of a later version is refused, not changed', async (t) => {
  const folder = await temporaryFolder(t);
  await open(t, folder).close();
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  database.exec('INSERT INTO migrations (version, applied) VALUES (99, 0)');
  database.close();
  assert.match((await refusal(() => new EmbeddedStore(folder, { clock: systemClock, log }))).message, /later version/);
});
