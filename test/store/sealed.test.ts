/** Secrets in a store: sealed on the disk, clear to whoever may read them, and what happens when keys and store do not fit. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '../../src/core/errors.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { Store } from '../../src/core/store.ts';
import { createStore } from '../../src/store/index.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { rotateSealKey } from '../../src/store/rotation.ts';
import { SealedStore } from '../../src/store/sealed.ts';
import { storeContract } from '../contract/store.ts';
import { earlier, secretsIn, writeEarlierStore } from '../support/scenes/earlier-store.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const log = keptLog();
const sealer = new Sealer([new SealKey(Buffer.alloc(32, 7))]);

storeContract('sealed', async (t) => {
  const clock = manualClock();
  const inner = new MemoryStore(clock);
  const store = new SealedStore(inner, { sealer, log });
  t.after(() => store.close());
  const another = new SealedStore(inner, { sealer, log });
  return { store, another, now: clock.now, advance: async (milliseconds) => clock.advance(milliseconds) };
});

/** Opens a store in a file, closed with the test. */
async function open(
  t: TestContext,
  path: string,
  more: { forgetSealed?: boolean; file?: string } = {},
): Promise<Store> {
  const { file, forgetSealed = false } = more;
  const store = await createStore(
    { type: 'embedded', path, ...(file !== undefined && { sealKey: { file } }) },
    { clock: manualClock(), log, forgetSealed },
  );
  t.after(() => store.close());
  return store;
}

const record = (state: unknown): string => JSON.stringify({ kind: 'live', grant: { handles: ['h'], state }, more: 1 });

/** A secret of each kind, as its owner writes it. */
const secretEntries: Readonly<Record<string, string>> = {
  'assertion-key:ring': '[{"kid":"k","private":{"d":"the-secret"}}]',
  'form-key:1': 'the-secret',
  'flow:browser.id': '{"state":"the-secret"}',
  'kept-post:browser.id': '{"fields":[["a","the-secret"]]}',
  'session:id': record({ refreshToken: 'the-secret' }),
};

test('sealed: what is secret lies sealed in the store below, and comes back as it was by every way', async (t) => {
  const inner = new MemoryStore(manualClock());
  const store = new SealedStore(inner, { sealer, log });
  t.after(() => store.close());
  for (const [key, value] of Object.entries(secretEntries)) {
    await store.put(key, value);
    for (let time = 0; time < 2; time++) assert.equal((await store.get(key))?.value, value);
    assert.ok(!inner.get(key)?.value.includes('the-secret'), key);
    const [listed] = await Array.fromAsync(store.list(key));
    assert.equal(listed?.value, value);
    assert.ok(await store.replace(key, (await store.get(key))?.version, value));
    assert.ok(!inner.get(key)?.value.includes('the-secret'), key);
    assert.equal(await store.take(key), value);
  }
  for (const value of [record(undefined), record('text'), record(null), 'no record', '{"state":1}', '']) {
    await store.put('session:other', value);
    assert.equal((await store.get('session:other'))?.value, value);
  }
});

test('sealed: of a session only what its provider keeps is sealed, so that the rest can be listed', async () => {
  const inner = new MemoryStore(manualClock());
  await new SealedStore(inner, { sealer, log }).put('session:id', record({ refreshToken: 'the-secret' }));
  const stored = JSON.parse(inner.get('session:id')?.value ?? '');
  assert.partialDeepStrictEqual(stored, { kind: 'live', grant: { handles: ['h'] }, more: 1 });
  assert.match(stored.grant.state, /^sealed:1:/);
  await inner.close();
});

test('sealed: an entry moved to another place, changed, or of an unknown key is an outage, and is left out of a list', async (t) => {
  const inner = new MemoryStore(manualClock());
  const store = new SealedStore(inner, { sealer, log });
  t.after(() => store.close());
  for (const key of ['session:alice', 'session:bob']) await store.put(key, record({ refreshToken: key }));
  const bob = inner.get('session:bob')?.value ?? '';
  await inner.put('session:alice', bob);
  const other = new SealedStore(inner, { sealer: new Sealer([new SealKey(Buffer.alloc(32, 8))]), log });
  for (const read of [
    () => store.get('session:alice'),
    () => store.take('session:alice'),
    () => other.get('session:bob'),
  ])
    await assert.rejects(async () => read(), { name: 'Failure', answer: 'sealed' });
  await store.put('session:carol', record({ refreshToken: 'c' }));
  const carol = JSON.parse(inner.get('session:carol')?.value ?? '');
  carol.grant.state = `${carol.grant.state.slice(0, -2)}AA`;
  await inner.put('session:carol', JSON.stringify(carol));
  await assert.rejects(async () => store.get('session:carol'), { answer: 'sealed' });
  const keys = (await Array.fromAsync(store.list('session:'))).map(({ key }) => key);
  assert.deepEqual(keys, ['session:bob']);
  const said = () => log.lines.filter(({ message }) => message.includes('left out')).length;
  const before = said();
  await Array.fromAsync(store.list('session:'));
  assert.equal(said(), before, 'each is said once');
  assert.ok(before > 0);
});

test('sealed: what an earlier version kept in clear is sealed at the first start, in pages and log, freed ones too', async (t) => {
  const [written, folder] = [await temporaryFolder(t), await temporaryFolder(t)];
  const database = writeEarlierStore(written);
  const freed = 'secret-of-a-page-that-is-free';
  const insert = database.prepare("INSERT INTO entries (key, value, version) VALUES (?, ?, '00')");
  for (let i = 0; i < 50; i++) insert.run(`kept-post:gone.${i}`, freed.repeat(300));
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.exec("DELETE FROM entries WHERE key LIKE 'kept-post:gone.%'; UPDATE entries SET exp = exp + 1");
  // As a crash leaves it: pages that are free, and a log that nobody has emptied.
  for (const name of readdirSync(written)) copyFileSync(join(written, name), join(folder, name));
  database.close();
  const secrets = [...earlier.secrets, freed];
  assert.deepEqual(secretsIn(folder, secrets), secrets, 'they are there before');
  const store = await open(t, folder);
  assert.deepEqual(secretsIn(folder, secrets), [], 'while it is open');
  assert.match((await store.get('assertion-key:ring'))?.value ?? '', new RegExp(earlier.secrets[0]));
  assert.equal((await store.get('form-key:1'))?.value, earlier.secrets[1]);
  assert.equal((await store.list('session:')[Symbol.asyncIterator]().next()).done, false);
  assert.match((await store.take(`flow:${earlier.flow}`)) ?? '', /secret-code-verifier/);
  await store.put('session:new', record({ refreshToken: 'secret-of-a-new-session' }));
  assert.deepEqual(secretsIn(folder, [...secrets, 'secret-of-a-new-session']), []);
  await store.close();
  assert.deepEqual(secretsIn(folder, [...secrets, 'secret-of-a-new-session']), []);
  assert.equal(statSync(join(folder, 'seal.key')).mode & 0o777, 0o600);
  assert.match(readFileSync(join(folder, 'seal.key'), 'utf8'), /^[\w-]{43}\n$/);
});

test('sealed: a start that was killed before the compaction is followed by one that compacts', async (t) => {
  const folder = await temporaryFolder(t);
  await (await open(t, folder)).close();
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  database
    .prepare("INSERT INTO entries (key, value, version) VALUES ('kept-post:x', ?, '00')")
    .run('a-freed-secret'.repeat(2000));
  database.exec("DELETE FROM entries WHERE key = 'kept-post:x'");
  database.exec("INSERT INTO entries (key, value, version) VALUES ('store-seal:compaction-due', 'due', '')");
  database.close();
  assert.deepEqual(secretsIn(folder, ['a-freed-secret']), ['a-freed-secret']);
  await open(t, folder);
  assert.deepEqual(secretsIn(folder, ['a-freed-secret']), []);
});

/** The id of the key that seals in a file. */
function idIn(file: string): string {
  return new SealKey(Buffer.from(readFileSync(file, 'utf8').split('\n')[0] ?? '', 'base64url')).id;
}

test('sealed: a key file that is missing or another stops the start, which says the id; nothing is changed by it', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'seal.key');
  const store = await open(t, folder);
  await store.put('form-key:1', 'the-secret');
  await store.close();
  const kept = readFileSync(file);
  const id = idIn(file);
  const refused = async (): Promise<OperatorError> => {
    const error = await open(t, folder).then(
      () => 'it opened',
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof OperatorError, String(error));
    return error;
  };
  rmSync(file);
  const missing = await refused();
  assert.ok(missing.message.includes(id) && missing.message.includes(file), missing.message);
  assert.match(missing.hint ?? '', /--forget-sealed/);
  assert.equal(existsSync(file), false, 'no key is made beside a store that wants another');
  writeFileSync(file, `${Buffer.alloc(32, 9).toString('base64url')}\n`);
  assert.ok((await refused()).message.includes(id));
  writeFileSync(file, '# mine\n\nnot a key\n');
  const bad = await refused();
  assert.ok(bad.message.includes(`${file}:3`) && !bad.message.includes('not a key'), bad.message);
  writeFileSync(file, '# nothing\n');
  assert.match((await refused()).message, /holds none/);
  writeFileSync(file, kept);
  assert.equal((await (await open(t, folder)).get('form-key:1'))?.value, 'the-secret');
});

test('sealed: --forget-sealed begins anew with what no key opens, and keeps the rest', async (t) => {
  const folder = await temporaryFolder(t);
  const store = await open(t, folder);
  await store.put('form-key:1', 'the-secret');
  await store.put('session:with', record({ refreshToken: 'x' }));
  await store.put('session:without', record(undefined));
  await store.close();
  rmSync(join(folder, 'seal.key'));
  const anew = await open(t, folder, { forgetSealed: true });
  assert.equal(await anew.get('form-key:1'), undefined);
  assert.equal(await anew.get('session:with'), undefined);
  assert.equal((await anew.get('session:without'))?.value, record(undefined));
  await anew.put('form-key:1', 'another');
  await anew.close();
  assert.equal((await (await open(t, folder)).get('form-key:1'))?.value, 'another');
});

test('sealed: an entry that was changed is an outage until --forget-sealed drops it', async (t) => {
  const folder = await temporaryFolder(t);
  const store = await open(t, folder);
  await store.put('form-key:1', 'the-secret');
  await store.close();
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  database.exec("UPDATE entries SET value = substr(value, 1, length(value) - 4) || 'AAAA' WHERE key = 'form-key:1'");
  database.close();
  const again = await open(t, folder);
  await assert.rejects(async () => again.get('form-key:1'), { name: 'Failure', answer: 'sealed' });
  await again.close();
  assert.equal(await (await open(t, folder, { forgetSealed: true })).get('form-key:1'), undefined);
});

test('sealed: a rotation seals all anew beside a running gateway, and every key of the file opens', async (t) => {
  const [folder, elsewhere] = [await temporaryFolder(t), await temporaryFolder(t)];
  const file = join(elsewhere, 'keys', 'mine');
  const options = { type: 'embedded', path: folder, sealKey: { file } } as const;
  const running = await open(t, folder, { file });
  assert.equal(existsSync(join(folder, 'seal.key')), false);
  await running.put('form-key:1', 'the-secret');
  await running.put('session:a', record({ refreshToken: 'x' }));
  const version = (await running.get('session:a'))?.version;
  const before = idIn(file);
  const rotated = await rotateSealKey(options, { clock: manualClock(), log });
  assert.equal(rotated.id, idIn(file));
  assert.notEqual(rotated.id, before);
  assert.equal(rotated.entries, 2);
  assert.equal(readFileSync(file, 'utf8').split('\n').length, 3, 'two keys, a line each');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await running.get('form-key:1'))?.value, 'the-secret', 'the running one reads the file again');
  assert.equal((await running.get('session:a'))?.version, version);
  await running.put('flow:b.1', 'late');
  await running.close();
  writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(0, 1).join('\n'));
  const after = await open(t, folder, { file });
  assert.equal(await after.take('flow:b.1'), 'late');
  assert.equal((await after.get('session:a'))?.value, record({ refreshToken: 'x' }));
});
