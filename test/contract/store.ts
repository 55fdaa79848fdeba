/**
 * What holds for every store, a table of cases for each promise. Each store's own test file calls `storeContract` with a way
 * to open one.
 */
import assert from 'node:assert/strict';
import { type TestContext, type TestOptions, test } from 'node:test';
import * as fc from 'fast-check';
import type { Store } from '../../src/core/store.ts';
import { trials } from '../support/tools/properties.ts';

/** A store to test, empty, ended by `t.after`. */
export interface StoreUnderTest {
  readonly store: Store;
  /** A second way to the same contents, as another worker has it; absent where there is none. */
  readonly another?: Store;
  /** The time that expiry goes by. */
  now(): number;
  /** Lets time go by: a hand-moved clock, or a wait where the store is a server with a clock of its own. */
  advance(milliseconds: number): Promise<void>;
}

/** Opens a store for one test. */
export type StoreSetup = (t: TestContext) => Promise<StoreUnderTest>;

type Cases = Readonly<Record<string, (at: StoreUnderTest, t: TestContext) => Promise<void>>>;

/** Short, as a store with a clock of its own makes the test wait; long enough for a slow machine's round trips. */
const span = 400;

/** Declares the tests of the contract. */
export function storeContract(name: string, setup: StoreSetup, options: TestOptions = {}): void {
  const promises: readonly Cases[] = [values, comparing, expiry, oneTime, lists, counts, journal, sharing];
  for (const [title, run] of promises.flatMap((cases) => Object.entries(cases)))
    test(`${name}: ${title}`, options, async (t) => run(await setup(t), t));
}

const values: Cases = {
  'a value is what was put last': async ({ store }) => {
    assert.equal(await store.get('kind:a'), undefined);
    await store.put('kind:a', 'one');
    await store.put('kind:a', 'two');
    assert.equal((await store.get('kind:a'))?.value, 'two');
    assert.equal(await store.get('kind:A'), undefined);
  },
  'any text is a value and comes back as it was': async ({ store }) => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
    const key = text.map((name) => `kind:${name}`);
    await fc.assert(
      fc.asyncProperty(key, text, async (name, value) => {
        await store.put(name, value);
        assert.equal((await store.get(name))?.value, value);
        assert.equal(await store.take(name), value);
      }),
      trials(200),
    );
    const large = 'é'.repeat(500_000);
    await store.put('kind:large', large);
    assert.ok((await store.get('kind:large'))?.value === large);
  },
  'delete says whether there was a live value': async ({ store }) => {
    await store.put('kind:a', '');
    assert.equal(await store.delete('kind:a'), true);
    assert.equal(await store.delete('kind:a'), false);
    assert.equal(await store.get('kind:a'), undefined);
  },
  'a closed store refuses, and closes twice': async ({ store, now }) => {
    await store.put('kind:a', 'x');
    await store.close();
    await store.close();
    const uses: readonly (() => unknown)[] = [
      () => store.get('kind:a'),
      () => store.put('kind:a', 'y'),
      () => store.count('kind:', now()),
      () => store.changes(),
      () => keysOf(store, 'kind:'),
    ];
    for (const use of uses) await assert.rejects(async () => use(), { name: 'Failure' });
  },
};

const comparing: Cases = {
  'every write of a key changes its version': async ({ store }) => {
    const seen = new Set<string | undefined>();
    for (let write = 0; write < 5; write++) {
      await store.put('kind:a', 'same');
      seen.add((await store.get('kind:a'))?.version);
      await store.delete('kind:a');
    }
    await store.replace('kind:a', undefined, 'same');
    const version = (await store.get('kind:a'))?.version;
    seen.add(version);
    assert.ok(await store.replace('kind:a', version, 'same'));
    seen.add((await store.get('kind:a'))?.version);
    assert.equal(seen.size, 7);
  },
  'replace without a version writes only where there is no live value': async ({ store, now, advance }) => {
    assert.equal(await store.replace('kind:a', undefined, 'one', now() + span), true);
    assert.equal(await store.replace('kind:a', undefined, 'two'), false);
    assert.equal((await store.get('kind:a'))?.value, 'one');
    await advance(span + 50);
    assert.equal(await store.replace('kind:a', undefined, 'three'), true);
    assert.equal((await store.get('kind:a'))?.value, 'three');
  },
  'replace with a version writes only over that version, alive': async ({ store, now, advance }) => {
    await store.put('kind:a', 'one');
    const first = (await store.get('kind:a'))?.version;
    assert.equal(await store.replace('kind:a', first, 'two'), true);
    assert.equal(await store.replace('kind:a', first, 'three'), false);
    assert.equal(await store.replace('kind:b', first, 'three'), false);
    await store.put('kind:a', 'four', now() + span);
    const last = (await store.get('kind:a'))?.version;
    await advance(span + 50);
    assert.equal(await store.replace('kind:a', last, 'five'), false);
    assert.equal(await store.get('kind:a'), undefined);
  },
  'no step of a compare-and-set is lost between many writers': async ({ store, another }) => {
    const increment = async (through: Store): Promise<void> => {
      for (;;) {
        const stored = await through.get('kind:count');
        if (await through.replace('kind:count', stored?.version, String(Number(stored?.value ?? 0) + 1))) return;
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => increment(i % 2 && another ? another : store)));
    assert.equal((await store.get('kind:count'))?.value, '20');
  },
};

const expiry: Cases = {
  'an expired value is never given out': async ({ store, now, advance }) => {
    for (const key of ['get', 'take', 'delete', 'list']) await store.put(`kind:${key}`, 'x', now() + span);
    await store.put('kind:past', 'x', now() - 1);
    await store.put('kind:stays', 'x');
    assert.equal((await store.get('kind:get'))?.value, 'x');
    assert.equal(await store.get('kind:past'), undefined);
    await advance(span + 50);
    assert.equal(await store.get('kind:get'), undefined);
    assert.equal(await store.take('kind:take'), undefined);
    assert.equal(await store.delete('kind:delete'), false);
    assert.deepEqual(await keysOf(store, 'kind:'), ['kind:stays']);
  },
  'a write sets the expiry anew': async ({ store, now, advance }) => {
    for (const key of ['put', 'replace', 'longer']) await store.put(`kind:${key}`, 'x', now() + span);
    await store.put('kind:put', 'y');
    await store.replace('kind:replace', (await store.get('kind:replace'))?.version, 'y');
    await store.put('kind:longer', 'y', now() + 100 * span);
    await store.put('kind:shorter', 'x');
    await store.put('kind:shorter', 'y', now() + span);
    await advance(span + 50);
    assert.deepEqual(await keysOf(store, 'kind:'), ['kind:longer', 'kind:put', 'kind:replace']);
  },
};

const oneTime: Cases = {
  'of many who take one value one gets it': async ({ store, another }) => {
    for (let round = 0; round < 10; round++) {
      await store.put('kind:once', 'the value');
      const takers = Array.from({ length: 50 }, (_, taker) =>
        (taker % 2 && another ? another : store).take('kind:once'),
      );
      assert.deepEqual(
        (await Promise.all(takers)).filter((value) => value !== undefined),
        ['the value'],
      );
    }
  },
};

const lists: Cases = {
  'a list holds the live entries of a prefix, and nothing else': async ({ store }) => {
    const keys = ['list:a', 'list:b', 'list:b:c', 'list:é', 'list:\u{ff5e}', 'list:\u{1f600}'];
    for (const key of keys.toReversed()) await store.put(key, `value of ${key}`);
    for (const key of ['lis', 'list', 'list;', 'LIST:a', 'other:a']) await store.put(key, 'x');
    assert.deepEqual(await keysOf(store, 'list:'), keys.toSorted());
    assert.deepEqual(await keysOf(store, 'list:b'), ['list:b', 'list:b:c']);
    assert.deepEqual(await keysOf(store, 'none:'), []);
    assert.equal((await keysOf(store, '')).length, keys.length + 5);
    for await (const { key, value, version } of store.list('list:')) {
      assert.equal(value, `value of ${key}`);
      assert.equal(version, (await store.get(key))?.version);
    }
  },
  'signs that mean something to a pattern mean nothing in a prefix': async ({ store, now }) => {
    for (const sign of ['*', '?', '%', '_', '[a]', '\\', "'", '^']) {
      await store.put(`signs:${sign}:x`, sign);
      assert.deepEqual(await keysOf(store, `signs:${sign}`), [`signs:${sign}:x`]);
      await store.delete(`signs:${sign}:x`);
      await store.put('signs:a:x', 'plain');
      assert.deepEqual(await keysOf(store, `signs:${sign}`), []);
      assert.equal(await store.count(`signs:${sign}`, now()), 0);
    }
  },
  'a long list bears writes and deletes while it is read': async ({ store }) => {
    const keyOf = (i: number): string => `long:${String(i).padStart(4, '0')}`;
    for (let i = 0; i < 1000; i++) await store.put(keyOf(i), String(i));
    const seen: string[] = [];
    for await (const { key } of store.list('long:')) {
      seen.push(key);
      await store.delete(key);
      if (seen.length === 1) await store.put('longer', 'x');
    }
    assert.deepEqual(
      seen.toSorted(),
      Array.from({ length: 1000 }, (_, i) => keyOf(i)),
    );
    assert.deepEqual(await keysOf(store, 'long:'), []);
  },
};

const counts: Cases = {
  'a count is of the entries of a prefix that are live at a moment': async ({ store, now }) => {
    const at = now();
    await store.put('count:stays', 'x');
    for (const seconds of [10, 20, 30]) await store.put(`count:${seconds}`, 'x', at + seconds * 1000);
    for (const key of ['coun', 'count', 'count;', 'other:a']) await store.put(key, 'x', at + 60_000);
    const counted = [0, 10, 20, 30].map((seconds) => store.count('count:', at + seconds * 1000));
    assert.deepEqual(await Promise.all(counted), [4, 3, 2, 1]);
    await store.delete('count:stays');
    await store.put('count:30', 'x', at + 5000);
    assert.equal(await store.count('count:', at + 10_000), 1);
  },
};

const journal: Cases = {
  'what is announced is heard after the place it was asked from, in order, and by everybody': async ({
    store,
    another = store,
  }) => {
    await store.replace('kind:before', undefined, 'x', undefined, { announced: true });
    await hear(another);
    const { place } = await another.changes();
    assert.deepEqual(await another.changes(place), { keys: [], place, isWhole: true });
    for (const key of ['kind:a', 'kind:b']) await store.replace(key, undefined, 'x', undefined, { announced: true });
    await store.put('kind:quiet', 'x');
    await store.replace('kind:silent', undefined, 'x');
    const first = (await store.get('kind:a'))?.version;
    await another.replace('kind:a', first, 'y', undefined, { announced: true });
    for (const one of [store, another]) await hear(one);
    const heard = await another.changes(place);
    assert.deepEqual(heard.keys, ['kind:a', 'kind:b', 'kind:a']);
    assert.equal(heard.isWhole, true);
    assert.deepEqual(await store.changes(place), heard);
    assert.deepEqual(await another.changes(heard.place), { keys: [], place: heard.place, isWhole: true });
  },
  'a write that does not take place is not announced': async ({ store }) => {
    await store.put('kind:a', 'x');
    const { place } = await store.changes();
    assert.equal(await store.replace('kind:a', undefined, 'y', undefined, { announced: true }), false);
    assert.equal(await store.replace('kind:a', 'another', 'y', undefined, { announced: true }), false);
    assert.deepEqual((await store.changes(place)).keys, []);
  },
};

const sharing: Cases = {
  'what one writes another sees at once': async ({ store, another }, t) => {
    if (!another) return t.skip('only one process can use it');
    await store.put('kind:a', 'one');
    assert.equal((await another.get('kind:a'))?.value, 'one');
    assert.equal(await another.delete('kind:a'), true);
    assert.equal(await store.get('kind:a'), undefined);
  },
};

/** Whoever has been answered by the store has heard what was announced before that. */
async function hear(store: Store): Promise<void> {
  await store.get('kind:none');
}

/** In the order of code units; a store lists in any. */
async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const entries = await Array.fromAsync(store.list(prefix));
  return entries.map(({ key }) => key).toSorted();
}
