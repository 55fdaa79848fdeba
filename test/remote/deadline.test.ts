/** Limits that end the work, work that is shared, and turns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../src/core/failure.ts';
import { abortable, DeadlineError, withDeadline } from '../../src/remote/deadline.ts';
import { Semaphore } from '../../src/remote/semaphore.ts';

const never = (): Promise<never> => new Promise(() => undefined);

test('deadline: work that pays no heed is left at the limit, and told so', async () => {
  let seen: AbortSignal | undefined;
  const late = withDeadline(undefined, 20, ({ signal, remaining }) => {
    seen = signal;
    assert.ok(remaining() <= 20);
    return never();
  });
  await assert.rejects(late, (error) => error instanceof DeadlineError && error.name === 'TimeoutError');
  assert.equal(seen?.aborted, true);
});

test('deadline: whoever asks ends it too, and an infinite limit is none', async () => {
  const asker = new AbortController();
  const work = withDeadline(asker.signal, Number.POSITIVE_INFINITY, never);
  asker.abort(new Error('gone'));
  await assert.rejects(work, /gone/);
  await assert.rejects(withDeadline(AbortSignal.abort(new Error('before')), 1000, never), /before/);
  assert.equal(await withDeadline(undefined, Number.POSITIVE_INFINITY, async () => 1), 1);
});

test('deadline: who leaves shared work leaves it to the others', async () => {
  const { promise, reject } = Promise.withResolvers<string>();
  const leaver = new AbortController();
  const left = abortable(leaver.signal, () => promise);
  const stays = abortable(new AbortController().signal, () => promise);
  leaver.abort(new Error('left'));
  await assert.rejects(left, /left/);
  reject(new Error('it failed'));
  await assert.rejects(stays, /it failed/);
});

test('semaphore: so many at once, the rest in order; the queue has an end, and who leaves gives up the place', async () => {
  const turns = new Semaphore(1, 2, { message: 'full', hint: 'wait' });
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const run = (name: string, signal?: AbortSignal) => turns.run(signal, async () => void order.push(name));
  const first = turns.run(undefined, () => gate.promise);
  assert.equal(turns.isFree, false);
  const leaver = new AbortController();
  const second = run('second', leaver.signal);
  const third = run('third');
  await assert.rejects(run('fourth'), (error) => error instanceof Failure && error.reason === 'overloaded');
  leaver.abort(new Error('left'));
  await assert.rejects(second, /left/);
  const fifth = run('fifth');
  gate.resolve();
  await Promise.all([first, third, fifth]);
  assert.deepEqual(order, ['third', 'fifth']);
  assert.equal(turns.isFree, true);
});
