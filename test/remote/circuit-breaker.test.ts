/** The circuit breaker: when it opens, whom it lets through, when it closes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BreakerSettings, type BreakerState, CircuitBreaker } from '../../src/remote/circuit-breaker.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

function breakerUnderTest(settings: Partial<BreakerSettings> = {}) {
  const clock = manualClock();
  const changes: BreakerState[] = [];
  const breaker = new CircuitBreaker({ clock, onChange: (state) => changes.push(state), ...settings });
  const fail = (times = 1) => {
    for (let time = 0; time < times; time += 1) breaker.enter()?.fail('timed-out');
  };
  return { breaker, clock, changes, fail };
}

test('three failures in a row open it, and nobody is let through', () => {
  const { breaker, changes, fail } = breakerUnderTest();
  fail(2);
  assert.equal(breaker.snapshot().state, 'closed');
  fail();
  assert.equal(breaker.snapshot().state, 'open');
  assert.equal(breaker.enter(), undefined);
  assert.deepEqual(changes, ['open']);
});

test('a success between failures begins the count anew', () => {
  const { breaker, fail } = breakerUnderTest();
  fail(2);
  breaker.enter()?.succeed();
  fail(2);
  assert.equal(breaker.snapshot().state, 'closed');
});

test('an attempt that says nothing neither counts nor forgives', () => {
  const { breaker, fail } = breakerUnderTest();
  fail(2);
  breaker.enter()?.release();
  fail();
  assert.equal(breaker.snapshot().state, 'open');
});

test('after the cooldown exactly one attempt goes through, and its success closes', () => {
  const { breaker, clock, changes, fail } = breakerUnderTest();
  fail(3);
  clock.advance(9_999);
  assert.equal(breaker.enter(), undefined);
  clock.advance(1);
  const probe = breaker.enter();
  assert.ok(probe);
  assert.equal(breaker.enter(), undefined);
  assert.equal(breaker.snapshot().state, 'half-open');
  probe.succeed();
  assert.equal(breaker.snapshot().state, 'closed');
  assert.ok(breaker.enter());
  assert.deepEqual(changes, ['open', 'half-open', 'closed']);
});

test('each failed probe doubles the cooldown up to a minute, and a success resets it', () => {
  const { breaker, clock, fail } = breakerUnderTest();
  fail(3);
  for (const cooldown of [10_000, 20_000, 40_000, 60_000, 60_000]) {
    assert.equal(breaker.snapshot().retryAt, clock.now() + cooldown);
    clock.advance(cooldown - 1);
    assert.equal(breaker.enter(), undefined, `let through before ${cooldown} ms`);
    clock.advance(1);
    breaker.enter()?.fail('unreachable');
  }
  clock.advance(60_000);
  breaker.enter()?.succeed();
  fail(3);
  assert.equal(breaker.snapshot().retryAt, clock.now() + 10_000);
});

test('a probe that says nothing leaves the way free for the next one', () => {
  const { breaker, clock, fail } = breakerUnderTest();
  fail(3);
  clock.advance(10_000);
  breaker.enter()?.release();
  assert.equal(breaker.snapshot().state, 'half-open');
  const probe = breaker.enter();
  assert.ok(probe);
  assert.equal(breaker.enter(), undefined);
});

test('attempts begun before it opened have nothing to say about the probe', () => {
  const { breaker, clock, fail } = breakerUnderTest();
  const [early, late] = [breaker.enter(), breaker.enter()];
  fail(3);
  early?.succeed();
  assert.equal(breaker.snapshot().state, 'open');
  clock.advance(10_000);
  const probe = breaker.enter();
  late?.fail('timed-out');
  assert.equal(breaker.snapshot().state, 'half-open');
  probe?.succeed();
  assert.equal(breaker.snapshot().state, 'closed');
});

test('a permit is spent once', () => {
  const { breaker } = breakerUnderTest({ failures: 2 });
  const permit = breaker.enter();
  permit?.fail('timed-out');
  permit?.fail('timed-out');
  assert.equal(breaker.snapshot().state, 'closed');
});

test('a clock that was set back does not keep a provider out', () => {
  const { breaker, clock, fail } = breakerUnderTest();
  fail(3);
  clock.advance(-3_600_000);
  assert.ok(breaker.enter());
});

test('the snapshot says how it stands and why', () => {
  const { breaker, fail } = breakerUnderTest();
  assert.deepEqual(breaker.snapshot(), { state: 'closed', failures: 0, isUntried: true });
  fail();
  assert.deepEqual(breaker.snapshot(), { state: 'closed', failures: 1, reason: 'timed-out' });
});

test('an open breaker looks by itself, lets nobody through meanwhile, and closes when a look finds the provider well', async () => {
  const { breaker, clock, fail } = breakerUnderTest();
  let isWell = false;
  let looks = 0;
  const look = async (): Promise<void> => {
    looks += 1;
    if (!isWell) throw new Error('still away');
  };
  breaker.watch({ every: 5, look });
  fail(3);
  clock.advance(120_000);
  assert.equal(breaker.enter(), undefined, 'no login is spent on finding out');
  await until('two looks have failed', () => looks >= 2);
  assert.equal(breaker.snapshot().state, 'open');
  isWell = true;
  await until('it is closed', () => breaker.snapshot().state === 'closed');
  fail();
  assert.equal(breaker.snapshot().state, 'open', 'the first failure after a look opens it again');
  await until('it is closed again', () => breaker.snapshot().state === 'closed');
  breaker.enter()?.succeed();
  fail(2);
  assert.equal(breaker.snapshot().state, 'closed');
});

test('a look that hangs ends, another provider’s takes its place, and none goes on after its end', async () => {
  const { breaker, fail } = breakerUnderTest();
  const hung: AbortSignal[] = [];
  const deaf = { every: 5, look: (signal: AbortSignal) => new Promise<void>(() => void hung.push(signal)) };
  breaker.watch(deaf);
  fail(3);
  await until('it has been left', () => hung.length >= 2 && hung[0]?.aborted === true);
  const next = { every: 5, look: async () => undefined };
  breaker.watch(next);
  breaker.unwatch(deaf);
  await until('the other look counts', () => breaker.snapshot().state === 'closed');
  breaker.unwatch(next);
  fail();
  assert.equal(breaker.snapshot().state, 'open');
});
