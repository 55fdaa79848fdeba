/** Records that are kept: not beyond a word of the journal, a turn of the loop, or a store that does not answer at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Changes } from '../../src/core/store.ts';
import { KeptRecords } from '../../src/sessions/kept-records.ts';

/** A journal that says what the test wants, and how often it was asked. */
function journal() {
  const state = {
    asked: 0,
    next: { keys: [] as string[], place: '1', isWhole: true } as Changes | Promise<Changes> | Error,
  };
  const changes = () => {
    state.asked += 1;
    if (state.next instanceof Error) throw state.next;
    return state.next;
  };
  return { state, kept: new KeptRecords<string>({ changes }, 'session:') };
}

test('kept records: the journal is asked once in a turn, and what it names is dropped', async () => {
  const { state, kept } = journal();
  assert.equal(kept.get('a'), undefined);
  kept.set('a', 'A');
  kept.set('b', 'B');
  state.next = { keys: ['session:a', 'other:b'], place: '2', isWhole: true };
  assert.deepEqual([kept.get('a'), kept.get('b'), state.asked], ['A', 'B', 1]);
  await nextTurn();
  assert.deepEqual([kept.get('a'), kept.get('b'), state.asked], [undefined, 'B', 2]);
});

test('kept records: a journal that does not reach back drops them all', async () => {
  const { state, kept } = journal();
  kept.get('a');
  kept.set('a', 'A');
  state.next = { keys: [], place: '9', isWhole: false };
  await nextTurn();
  assert.equal(kept.get('a'), undefined);
});

test('kept records: a store that fails is heard of, and nothing is kept on from before', async () => {
  const { state, kept } = journal();
  kept.get('a');
  kept.set('a', 'A');
  await nextTurn();
  state.next = new Error('away');
  assert.throws(() => kept.get('a'), /away/);
  state.next = { keys: [], place: '3', isWhole: true };
  assert.equal(kept.get('a'), undefined);
});

test('kept records: a store that has to be waited for keeps nothing', async () => {
  const { state, kept } = journal();
  state.next = Promise.resolve({ keys: [], place: '1', isWhole: true });
  assert.equal(kept.get('a'), undefined);
  kept.set('a', 'A');
  assert.equal(kept.get('a'), undefined);
});
