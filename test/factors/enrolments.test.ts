/** Enrolments in the store: what is lost is an outage, what is written meanwhile is not written over, and nothing is in clear. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { accountKey, accountNamed } from '../../src/core/account.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { Store } from '../../src/core/store.ts';
import { Enrolments } from '../../src/factors/enrolments.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { SealedStore } from '../../src/store/sealed.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const alice = accountNamed('alice');
const bob = accountNamed('bob');

function scene() {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  const sealed = (keys = [new SealKey(randomBytes(32))]): Store =>
    new SealedStore(store, { sealer: new Sealer(keys), log: keptLog() });
  return { clock, store, sealed, enrolments: new Enrolments({ store: sealed(), clock }) };
}

const app = { factor: 'app', name: 'my phone', data: { secret: 'JBSWY3DPEHPK3PXP' } };

test('enrolments: what was added is there, for its account alone, and nothing of it is in clear', async () => {
  const { store, enrolments, clock } = scene();
  const after = await enrolments.of(alice);
  assert.deepEqual(after, { all: [], version: undefined });
  const added = await enrolments.add(alice, { ...app, after });
  assert.partialDeepStrictEqual(added, { ...app, createdAt: clock.now() });
  assert.deepEqual((await enrolments.of(alice)).all, [added]);
  assert.deepEqual((await enrolments.of(bob)).all, []);
  for await (const { value } of store.list('')) assert.doesNotMatch(value, /JBSWY3|phone|app/);
});

test('enrolments: of two who enrol after the same look, one does', async () => {
  const { enrolments } = scene();
  const after = await enrolments.of(alice);
  const added = await Promise.all([1, 2, 3].map(() => enrolments.add(alice, { ...app, after })));
  assert.equal(added.filter((one) => one !== undefined).length, 1);
  assert.equal((await enrolments.of(alice)).all.length, 1);
});

test('enrolments: one is written only over what was read', async () => {
  const { enrolments } = scene();
  const added = await enrolments.add(alice, { ...app, after: await enrolments.of(alice) });
  assert.ok(added);
  assert.equal(await enrolments.replace(alice, { ...added, data: { step: 1 }, lastUsedAt: 5 }), true);
  assert.equal(await enrolments.replace(alice, { ...added, data: { step: 2 } }), false);
  const [found] = (await enrolments.of(alice)).all;
  assert.partialDeepStrictEqual(found, { id: added.id, data: { step: 1 }, lastUsedAt: 5, name: 'my phone' });
  assert.equal(await enrolments.replace(bob, { ...added, data: {} }), false);
});

test('enrolments: one that is listed and lost, changed, another’s or sealed by another key is an outage, never an absence', async () => {
  const { clock, store, sealed, enrolments } = scene();
  const added = await enrolments.add(alice, { ...app, after: await enrolments.of(alice) });
  assert.ok(added);
  const key = `factor:${accountKey(alice)}:${added.id}`;
  const other = `factor:${accountKey(bob)}:${added.id}`;
  const kept = (await store.get(key))?.value ?? '';
  const fails = (account = alice, by = enrolments) => assert.rejects(by.of(account), { name: 'Failure' });
  await store.put(key, `${kept.slice(0, -2)}AA`);
  await fails();
  await store.put(key, '{"kind":"enrolment"}');
  await fails();
  await store.delete(key);
  await fails();
  await store.put(key, kept);
  assert.equal((await enrolments.of(alice)).all.length, 1);
  await fails(alice, new Enrolments({ store: sealed(), clock }));
  // Moved to another account it opens nowhere.
  await enrolments.add(bob, { ...app, after: await enrolments.of(bob) });
  const [{ id } = { id: '' }] = (await enrolments.of(bob)).all;
  await store.put(other.replace(added.id, id), kept);
  await fails(bob);
  await store.put(`factor:${accountKey(alice)}:list`, '{"kind":"list"}');
  await fails();
});

test('enrolments: a setup that was allowed before a reset ends up nowhere, also of an account that never had one', async () => {
  const { enrolments } = scene();
  const never = await enrolments.of(alice);
  assert.equal(await enrolments.clear(alice), 0);
  assert.equal(await enrolments.add(alice, { ...app, after: never }), undefined);
  const after = await enrolments.of(alice);
  assert.deepEqual(after.all, []);
  assert.ok(await enrolments.add(alice, { ...app, after }));
  assert.equal(await enrolments.clear(alice), 1);
  assert.equal(await enrolments.add(alice, { ...app, after: never }), undefined);
  assert.deepEqual((await enrolments.of(alice)).all, []);
});
