/** The circuit breakers of several workers stand as one: each tells, one leads. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BreakerStanding, Breakers } from '../../src/remote/breakers.ts';
import type { BreakerNews } from '../../src/remote/circuit-breaker.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const identity = 'directory';

/** One that leads and some that follow, with messages that arrive when they are delivered. */
function machine(count: number) {
  const clock = manualClock();
  const settings = { failures: 3, cooldown: 10_000, clock };
  const sent: (() => void)[] = [];
  const heard = new Map<number, number>();
  const said = new Map<number, number>();
  const changes: string[] = [];
  const tellAll = (standing: BreakerStanding): void => {
    for (const [worker, follower] of followers.entries()) {
      const upTo = heard.get(worker) ?? 0;
      sent.push(() => {
        if (upTo === (said.get(worker) ?? 0)) follower.adopt(standing);
      });
    }
  };
  const leader: Breakers = new Breakers({ onNews: () => tellAll(leader.standing(identity)!) });
  const follow = (worker: number, led: readonly BreakerStanding[]) =>
    new Breakers({
      led,
      onNews: (_, news: BreakerNews) => {
        const number = (said.get(worker) ?? 0) + 1;
        said.set(worker, number);
        sent.push(() => {
          heard.set(worker, number);
          tellAll(leader.hear(identity, news)!);
        });
      },
    });
  leader.of(identity, settings);
  const followers = Array.from({ length: count }, (_, worker) => follow(worker, []));
  const of = (breakers: Breakers) =>
    breakers.of(identity, {
      ...settings,
      onChange: (state, _, isHeard) => changes.push(`${state}${isHeard ? ', heard' : ''}`),
    });
  return {
    clock,
    changes,
    leader: leader.of(identity, settings),
    workers: followers.map(of),
    another: () => of(follow(count, leader.standings())),
    deliver: () => {
      for (let next = sent.shift(); next; next = sent.shift()) next();
    },
  };
}

test('failures of several workers open the breaker of all; one that begins later finds it open', () => {
  const { workers, leader, deliver, changes, another } = machine(3);
  for (const worker of workers) worker.enter()?.fail('unreachable');
  deliver();
  for (const breaker of [...workers, leader])
    assert.partialDeepStrictEqual(breaker.snapshot(), { state: 'open', failures: 3, reason: 'unreachable' });
  assert.deepEqual(
    workers.map((worker) => worker.enter()),
    [undefined, undefined, undefined],
  );
  assert.equal(changes.filter((change) => change === 'open').length, 0, 'the sum was known to the leader first');
  assert.equal(another().enter(), undefined);
});

test('an answer at one closes it for all, and an answer that all are used to is no news', () => {
  const { workers, leader, deliver, clock } = machine(2);
  for (let failure = 0; failure < 3; failure++) workers[0]?.enter()?.fail('timed-out');
  deliver();
  assert.equal(workers[1]?.enter(), undefined);
  clock.advance(10_000);
  workers[1]?.enter()?.succeed();
  deliver();
  for (const breaker of [...workers, leader])
    assert.partialDeepStrictEqual(breaker.snapshot(), { state: 'closed', failures: 0 });
});

test('a trial that fails keeps the provider out for twice as long, wherever', () => {
  const { workers, deliver, clock } = machine(2);
  for (let failure = 0; failure < 3; failure++) workers[0]?.enter()?.fail('timed-out');
  deliver();
  clock.advance(10_000);
  workers[1]?.enter()?.fail('timed-out');
  deliver();
  clock.advance(10_000);
  assert.deepEqual([workers[0]?.enter(), workers[1]?.enter()], [undefined, undefined]);
});

test('whatever crosses on the way, all stand alike in the end', () => {
  const { workers, leader, deliver } = machine(2);
  const [first, second] = workers.map((worker) => [worker.enter(), worker.enter(), worker.enter(), worker.enter()]);
  // The first opens by itself while the second hears an answer, and neither knows of the other.
  for (const permit of (first ?? []).slice(0, 3)) permit?.fail('unreachable');
  second?.[0]?.fail('unreachable');
  second?.[1]?.succeed();
  deliver();
  const states = [...workers, leader].map((breaker) => breaker.snapshot().state);
  assert.equal(new Set(states).size, 1, states.join());
});

test('only the one that leads looks whether the provider is back', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { workers, leader, deliver } = machine(2);
  const looks: string[] = [];
  const probe = (name: string) => ({ every: 2000, look: async () => void looks.push(name) });
  leader.watch(probe('leader'));
  for (const [index, worker] of workers.entries()) worker.watch(probe(`worker ${index}`));
  for (let failure = 0; failure < 3; failure++) workers[0]?.enter()?.fail('unreachable');
  deliver();
  t.mock.timers.tick(2000);
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  deliver();
  assert.deepEqual(looks, ['leader']);
  for (const breaker of [...workers, leader])
    assert.partialDeepStrictEqual(breaker.snapshot(), { state: 'closed', failures: 2 });
});
