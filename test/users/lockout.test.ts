/** The lock-out: counting, growing locks, guesses in parallel, several workers, a store that fails. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Store } from '../../src/core/store.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { storeFailure } from '../../src/store/errors.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { Lockout, lockoutOptions } from '../../src/users/lockout.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const second = 1000;
const minute = 60 * second;

function world(t: TestContext, options: Record<string, unknown> = {}) {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  return { clock, store, lockout: new Lockout({ store, clock, options: lockoutOptions.parse(options) }) };
}

async function failTimes(lockout: Lockout, times: number, user = 'alice', address = '192.0.2.1'): Promise<void> {
  for (let i = 0; i < times; i++) {
    assert.deepEqual(await lockout.check(user, address), { kind: 'open' }, `attempt ${i + 1}`);
    await lockout.fail(user, address);
  }
}

test('the options have the defaults of the design', () => {
  assert.deepEqual(lockoutOptions.parse({}), { user: 5, address: 50, delay: 30 * second, max: 15 * minute });
  assert.equal(lockoutOptions.safeParse({ users: 5 }).success, false);
});

test('five failures lock a user, and each further one for twice as long, up to a quarter of an hour', async (t) => {
  const { lockout, clock } = world(t);
  await failTimes(lockout, 5);
  for (const lock of [30, 60, 120, 240, 480, 900, 900]) {
    assert.deepEqual(await lockout.check('alice', '192.0.2.1'), { kind: 'locked', retryAfter: lock * second });
    clock.advance(lock * second - 1);
    assert.deepEqual(await lockout.check('alice', '192.0.2.1'), { kind: 'locked', retryAfter: 1 });
    clock.advance(1);
    await failTimes(lockout, 1);
  }
});

test('L5: a locked user is locked in every spelling, from every address, and nobody else is', async (t) => {
  const { lockout } = world(t);
  await failTimes(lockout, 5, 'john');
  for (const spelling of ['JOHN', ' john ', 'Jo\uff48n', 'john']) {
    assert.equal((await lockout.check(spelling, '198.51.100.7')).kind, 'locked', spelling);
  }
  assert.equal((await lockout.check('johnny', '192.0.2.1')).kind, 'open');
});

test('a success forgets the failures of the user, not those of the address', async (t) => {
  const { lockout } = world(t, { user: 3, address: 6 });
  for (let round = 0; round < 2; round++) {
    await failTimes(lockout, 2);
    assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
    await lockout.succeed('alice', '192.0.2.1');
  }
  await failTimes(lockout, 2);
  assert.equal((await lockout.check('bob', '192.0.2.1')).kind, 'locked');
  assert.equal((await lockout.check('alice', '192.0.2.2')).kind, 'open');
});

test('an attempt that nobody could decide counts neither way', async (t) => {
  const { lockout } = world(t);
  for (let i = 0; i < 20; i++) {
    assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
    await lockout.release('alice', '192.0.2.1');
  }
  await failTimes(lockout, 4);
  assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
});

test('an address is locked for guessing many users, and only that address', async (t) => {
  const { lockout } = world(t, { address: 10 });
  for (let i = 0; i < 10; i++) await failTimes(lockout, 1, `user${i}`);
  assert.deepEqual(await lockout.check('somebody', '192.0.2.1'), { kind: 'locked', retryAfter: 30 * second });
  assert.equal((await lockout.check('somebody', '192.0.2.2')).kind, 'open');
});

test('addresses of one IPv6 /64 count together', async (t) => {
  const { lockout } = world(t, { address: 4 });
  for (let i = 0; i < 4; i++) await failTimes(lockout, 1, `user${i}`, `2001:db8:1:2::${i}`);
  assert.equal((await lockout.check('somebody', '2001:db8:1:2:ffff::1')).kind, 'locked');
  assert.equal((await lockout.check('somebody', '2001:db8:1:3::1')).kind, 'open');
});

test('a site where somebody mistypes now and then is never locked', async (t) => {
  const { lockout, clock } = world(t);
  for (let i = 0; i < 200; i++) {
    await failTimes(lockout, 1, `user${i}`);
    clock.advance(20 * second);
  }
});

test('an hour of quiet forgets a user', async (t) => {
  const { lockout, clock } = world(t);
  await failTimes(lockout, 4);
  clock.advance(61 * minute);
  await failTimes(lockout, 4);
});

test('a limit of nought is none', async (t) => {
  const { lockout, store } = world(t, { user: 0, address: 0 });
  await failTimes(lockout, 100);
  await lockout.succeed('alice', '192.0.2.1');
  assert.deepEqual(await Array.fromAsync(store.list('')), []);
});

test('an operator can open a locked user', async (t) => {
  const { lockout } = world(t);
  await failTimes(lockout, 5);
  await lockout.clear('Alice');
  assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
});

/** As the gateway does it: enter, ask, count. */
async function logIn(lockout: Lockout, guess: { user: string; address: string; isRight: boolean }, asked: string[]) {
  const permit = await lockout.check(guess.user, guess.address);
  if (permit.kind === 'locked') return 'locked';
  asked.push(guess.user);
  await delay(20);
  await (guess.isRight ? lockout.succeed(guess.user, guess.address) : lockout.fail(guess.user, guess.address));
  return guess.isRight ? 'in' : 'wrong';
}

test('of fifty wrong guesses at once the provider sees five', async (t) => {
  const { lockout } = world(t);
  const asked: string[] = [];
  const guess = (i: number) => ({ user: i % 2 ? 'alice' : 'ALICE', address: `192.0.2.${i}`, isRight: false });
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => logIn(lockout, guess(i), asked)));
  assert.equal(asked.length, 5);
  assert.equal(results.filter((result) => result === 'locked').length, 45);
});

test('of fifty wrong guesses at once through two workers of one file the provider sees five', async (t) => {
  const folder = await temporaryFolder(t);
  const clock = manualClock();
  const workers = [0, 1].map(() => {
    const store = new EmbeddedStore(folder, { clock, log: keptLog() });
    t.after(() => store.close());
    return new Lockout({ store, clock, options: lockoutOptions.parse({}) });
  });
  const asked: string[] = [];
  const guess = { user: 'alice', address: '192.0.2.1', isRight: false };
  await Promise.all(Array.from({ length: 50 }, (_, i) => logIn(workers[i % 2]!, guess, asked)));
  assert.equal(asked.length, 5);
});

test('a spray of many users at once from one address is bounded too', async (t) => {
  const { lockout } = world(t, { address: 10 });
  const asked: string[] = [];
  const guess = (i: number) => ({ user: `user${i}`, address: '192.0.2.1', isRight: false });
  await Promise.all(Array.from({ length: 60 }, (_, i) => logIn(lockout, guess(i), asked)));
  assert.equal(asked.length, 10);
});

test('a right password while the user is locked is refused', async (t) => {
  const { lockout } = world(t);
  await failTimes(lockout, 5);
  const asked: string[] = [];
  assert.equal(await logIn(lockout, { user: 'alice', address: '192.0.2.9', isRight: true }, asked), 'locked');
  assert.deepEqual(asked, []);
});

test('a whole shift behind one address signs in at once', async (t) => {
  const { lockout } = world(t);
  const asked: string[] = [];
  const results = await Promise.all(
    Array.from({ length: 150 }, (_, i) =>
      logIn(lockout, { user: `agent${i}`, address: '192.0.2.1', isRight: true }, asked),
    ),
  );
  assert.deepEqual(new Set(results), new Set(['in']));
});

test('an attempt whose process has died stops counting', async (t) => {
  const { lockout, clock } = world(t, { user: 1 });
  assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
  assert.equal((await lockout.check('alice', '192.0.2.1', AbortSignal.abort())).kind, 'locked');
  clock.advance(61 * second);
  assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
});

test('a store out of reach lets nobody in', async (t) => {
  const { store, clock } = world(t);
  const down = (): Promise<never> => Promise.reject(storeFailure('unreachable', 'down'));
  const methods = {
    get: down,
    replace: down,
    put: down,
    take: down,
    delete: down,
    count: down,
    changes: down,
    close: down,
  };
  const broken: Store = { ...methods, list: (prefix) => store.list(prefix) };
  const lockout = new Lockout({ store: broken, clock, options: lockoutOptions.parse({}) });
  await assert.rejects(lockout.check('alice', '192.0.2.1'), { name: 'Failure' });
  await assert.rejects(lockout.fail('alice', '192.0.2.1'), { name: 'Failure' });
});

test('a counter that cannot be read is written anew', async (t) => {
  const { lockout, store } = world(t);
  await failTimes(lockout, 5);
  for await (const { key } of store.list('lockout-')) await store.put(key, '{"failures":"many"');
  await failTimes(lockout, 5);
  assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'locked');
});

test('what counts nothing leaves nothing in the store: names tried at a locked address, and those who signed in', async (t) => {
  const { lockout, store } = world(t, { address: 10 });
  const rows = async () => (await Array.fromAsync(store.list('lockout-'))).length;
  for (let i = 0; i < 10; i++) await failTimes(lockout, 1, `user${i}`);
  const before = await rows();
  for (let i = 0; i < 50; i++) assert.equal((await lockout.check(`other${i}`, '192.0.2.1')).kind, 'locked');
  assert.equal(await rows(), before);
  assert.equal((await lockout.check('alice', '192.0.2.2')).kind, 'open');
  await lockout.succeed('alice', '192.0.2.2');
  assert.equal((await lockout.check('bob', '192.0.2.3')).kind, 'open');
  await lockout.release('bob', '192.0.2.3');
  assert.equal(await rows(), before);
});

test('names and addresses do not stand in the store', async (t) => {
  const { lockout, store } = world(t);
  await failTimes(lockout, 1, 'alice:bob*', '2001:db8::1');
  const keys = (await Array.fromAsync(store.list(''))).map(({ key }) => key);
  assert.equal(keys.length, 2);
  for (const key of keys) assert.match(key, /^lockout-(user|address):[A-Za-z0-9_-]{32}$/);
});
