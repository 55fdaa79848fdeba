/** The lock-out: counting, growing locks, guesses in parallel, several workers, a store that fails. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { accountNamed } from '../../src/core/account.ts';
import type { Store } from '../../src/core/store.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { storeFailure } from '../../src/store/errors.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { Lockout, lockoutOptions } from '../../src/users/lockout.ts';
import { LockoutOverview } from '../../src/users/lockout-overview.ts';
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
    await lockout.fail({ username: user, address: address });
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
    await lockout.succeed({ username: 'alice', address: '192.0.2.1' });
  }
  await failTimes(lockout, 2);
  assert.equal((await lockout.check('bob', '192.0.2.1')).kind, 'locked');
  assert.equal((await lockout.check('alice', '192.0.2.2')).kind, 'open');
});

test('an attempt that nobody could decide counts neither way', async (t) => {
  const { lockout } = world(t);
  for (let i = 0; i < 20; i++) {
    assert.equal((await lockout.check('alice', '192.0.2.1')).kind, 'open');
    await lockout.release({ username: 'alice', address: '192.0.2.1' });
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
  await lockout.succeed({ username: 'alice', address: '192.0.2.1' });
  assert.deepEqual(await Array.fromAsync(store.list('')), []);
});

/** As the gateway does it: enter, ask, count. */
async function logIn(lockout: Lockout, guess: { user: string; address: string; isRight: boolean }, asked: string[]) {
  const permit = await lockout.check(guess.user, guess.address);
  if (permit.kind === 'locked') return 'locked';
  asked.push(guess.user);
  await delay(20);
  await (guess.isRight
    ? lockout.succeed({ username: guess.user, address: guess.address })
    : lockout.fail({ username: guess.user, address: guess.address }));
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
    waiting: () => 0,
    outage: () => undefined,
  };
  const broken: Store = { ...methods, list: (prefix) => store.list(prefix) };
  const lockout = new Lockout({ store: broken, clock, options: lockoutOptions.parse({}) });
  await assert.rejects(lockout.check('alice', '192.0.2.1'), { name: 'Failure' });
  await assert.rejects(lockout.fail({ username: 'alice', address: '192.0.2.1' }), { name: 'Failure' });
});

test('a counter that cannot be read lets nobody in and is left alone, as an outage', async (t) => {
  for (const broken of [
    '{"failures":"many"',
    '',
    '{}',
    '{"failures":0,"underWay":[],"lockedUntil":null,"countedAt":0}',
  ]) {
    const { lockout, store } = world(t);
    await failTimes(lockout, 5);
    const [entry] = await Array.fromAsync(store.list('lockout-user:'));
    const key = entry!.key;
    await store.put(key, broken);
    const attempted = { username: 'alice', address: '192.0.2.1' };
    await assert.rejects(lockout.check('alice', '192.0.2.1'), { code: 'UNAVAILABLE' }, broken);
    await assert.rejects(lockout.succeed(attempted), { code: 'UNAVAILABLE' }, broken);
    assert.equal((await store.get(key))?.value, broken);
    assert.equal((await lockout.check('bob', '192.0.2.1')).kind, 'open', 'nobody else is concerned');
  }
});

test('what counts nothing leaves nothing in the store: names tried at a locked address, and those who signed in', async (t) => {
  const { lockout, store } = world(t, { address: 10 });
  const rows = async () => (await Array.fromAsync(store.list('lockout-'))).length;
  for (let i = 0; i < 10; i++) await failTimes(lockout, 1, `user${i}`);
  const before = await rows();
  for (let i = 0; i < 50; i++) assert.equal((await lockout.check(`other${i}`, '192.0.2.1')).kind, 'locked');
  assert.equal(await rows(), before);
  assert.equal((await lockout.check('alice', '192.0.2.2')).kind, 'open');
  await lockout.succeed({ username: 'alice', address: '192.0.2.2' });
  assert.equal((await lockout.check('bob', '192.0.2.3')).kind, 'open');
  await lockout.release({ username: 'bob', address: '192.0.2.3' });
  assert.equal(await rows(), before);
});

test('names and addresses do not stand in the keys of the store', async (t) => {
  const { lockout, store } = world(t);
  await failTimes(lockout, 1, 'alice:bob*', '2001:db8::1');
  const keys = (await Array.fromAsync(store.list(''))).map(({ key }) => key);
  assert.equal(keys.length, 2);
  for (const key of keys) assert.match(key, /^lockout-(user|address):[A-Za-z0-9_-]{32}$/);
});

test('a counter from before accounts were counted goes on counting, and is locked as long', async (t) => {
  const { lockout, store, clock } = world(t);
  const key = `lockout-user:${createHash('sha256').update('alice').digest('base64url').slice(0, 32)}`;
  await store.put(key, `{"failures":4,"underWay":[],"lockedUntil":0,"countedAt":${clock.now()}}`);
  await failTimes(lockout, 1);
  assert.deepEqual(await lockout.check('alice', '192.0.2.1'), { kind: 'locked', retryAfter: 30 * second });
  await store.put(
    key,
    `{"failures":6,"underWay":[],"lockedUntil":${clock.now() + minute},"countedAt":${clock.now()},"newer":[1]}`,
  );
  assert.deepEqual(await lockout.check('alice', '192.0.2.1'), { kind: 'locked', retryAfter: minute });
  clock.advance(minute);
  assert.deepEqual(await lockout.check('alice', '192.0.2.1'), { kind: 'open' });
  assert.deepEqual(JSON.parse((await store.get(key))?.value ?? '').newer, [1], 'what a newer worker added stays');
});

const account = accountNamed('alice');
const names = ['alice', 'alice@example.com', '+33 1 23 45 67 89'];

/** A wrong or right guess by one of alice's names; what it came to. */
async function guess(lockout: Lockout, username: string, way: 'fail' | 'succeed' | 'release' = 'fail') {
  if ((await lockout.check(username, '192.0.2.1')).kind === 'locked') return 'not asked';
  return (await lockout[way]({ username, address: '192.0.2.1', account })).kind;
}

test('an account has its limit of guesses in all, by whatever names it is found', async (t) => {
  const { lockout, clock } = world(t);
  for (let i = 0; i < 5; i++) assert.equal(await guess(lockout, names[i % 3]!), 'open');
  for (const name of names) assert.equal(await guess(lockout, name, 'succeed'), 'not asked', name);
  assert.equal(await guess(lockout, 'another@example.com', 'succeed'), 'locked', 'a name that was not used yet');
  assert.equal(await guess(lockout, 'another@example.com', 'release'), 'not asked', 'and is known from there on');
  clock.advance(30 * second);
  assert.equal(await guess(lockout, names[1]!), 'open');
  assert.deepEqual(await lockout.check(names[0]!, '192.0.2.1'), { kind: 'locked', retryAfter: minute });
});

test('a right password, or one that must change, at a locked account counts like a wrong one under its name', async (t) => {
  for (const way of ['succeed', 'release', 'fail'] as const) {
    const { lockout, clock } = world(t);
    for (let i = 0; i < 5; i++) await guess(lockout, names[0]!);
    assert.equal(await guess(lockout, names[1]!, way), 'locked');
    clock.advance(30 * second);
    for (let i = 0; i < 3; i++) await lockout.check(names[1]!, '192.0.2.1');
    for (let i = 0; i < 3; i++) await lockout.fail({ username: names[1]!, address: '192.0.2.1' });
    assert.equal((await lockout.check(names[1]!, '192.0.2.1')).kind, 'open', way);
    await lockout.fail({ username: names[1]!, address: '192.0.2.1' });
    assert.equal((await lockout.check(names[1]!, '192.0.2.1')).kind, 'locked', way);
  }
});

test('of guesses by many names of an account at once five are told whether they were right', async (t) => {
  const { lockout } = world(t, { address: 0 });
  const tried = Array.from({ length: 12 }, (_, i) => `alice${i}@example.com`);
  const permits = await Promise.all(tried.map((name) => lockout.check(name, '192.0.2.1')));
  assert.ok(permits.every(({ kind }) => kind === 'open'));
  const told = await Promise.all(tried.map((username) => lockout.fail({ username, address: '192.0.2.1', account })));
  assert.equal(told.filter(({ kind }) => kind === 'open').length, 5);
});

test('a success by one name forgets the failures of the account', async (t) => {
  const { lockout } = world(t);
  for (let i = 0; i < 4; i++) await guess(lockout, names[0]!);
  assert.equal(await guess(lockout, names[1]!, 'succeed'), 'open');
  for (let i = 0; i < 4; i++) assert.equal(await guess(lockout, names[2]!), 'open');
});

test('namesakes of two tenants are two accounts', async (t) => {
  const { lockout } = world(t, { address: 0 });
  const tried = (tenant: string, username: string) =>
    lockout.fail({ username, address: '192.0.2.1', account: accountNamed('alice', tenant) });
  for (let i = 0; i < 5; i++) assert.equal((await tried('acme', `a${i}`)).kind, 'open');
  assert.equal((await tried('acme', 'a5')).kind, 'locked');
  assert.equal((await tried('globex', 'a6')).kind, 'open');
});

test('what locks a name is told without counting: its own lock, its account’s, its address’s', async (t) => {
  const { lockout, store } = world(t, { address: 6 });
  for (let i = 0; i < 5; i++) await guess(lockout, names[0]!);
  await guess(lockout, names[1]!);
  const before = JSON.stringify(await Array.fromAsync(store.list('')));
  const user = { of: 'user', retryAfter: 30 * second };
  const address = { of: 'address', retryAfter: 30 * second };
  assert.deepEqual(await lockout.locks(names[0]!, undefined), [user]);
  assert.deepEqual(await lockout.locks(names[1]!, '192.0.2.1'), [user, address]);
  assert.deepEqual(await lockout.locks('bob', '192.0.2.1'), [address]);
  assert.deepEqual(await lockout.locks('bob', undefined), []);
  assert.equal(JSON.stringify(await Array.fromAsync(store.list(''))), before);
});

function overviewOf({ store, clock }: Pick<ReturnType<typeof world>, 'store' | 'clock'>) {
  const overview = new LockoutOverview({ store, clock });
  return { overview, listed: async () => Array.fromAsync(overview.list()) };
}

test('an operator sees names, accounts and addresses, what they failed and until when they are locked', async (t) => {
  const { lockout, store, clock } = world(t);
  const { listed } = overviewOf({ store, clock });
  for (let i = 0; i < 5; i++) await guess(lockout, names[i % 2]!);
  assert.deepEqual(
    (await listed()).toSorted((a, b) => a.kind.localeCompare(b.kind) || b.failures - a.failures),
    [
      {
        kind: 'account',
        name: 'alice',
        tenant: 'default',
        failures: 5,
        lockedUntil: clock.now() + 30 * second,
        isUnreadable: false,
      },
      { kind: 'address', address: '192.0.2.1', failures: 5, isUnreadable: false },
      { kind: 'user', name: 'alice', failures: 3, isUnreadable: false },
      { kind: 'user', name: 'alice@example.com', failures: 2, isUnreadable: false },
    ],
  );
});

const releases: Record<string, string> = {
  'the account’s': 'Alice',
  'another that finds the account': ' ALICE@example.com',
};
for (const [which, name] of Object.entries(releases))
  test(`an operator opens a user by one name, ${which}: every name of the account is open`, async (t) => {
    const { lockout, store, clock } = world(t);
    const { overview, listed } = overviewOf({ store, clock });
    for (let i = 0; i < 5; i++) await guess(lockout, names[1]!);
    assert.equal(await guess(lockout, names[0]!), 'locked');
    assert.equal(await overview.releaseUser(name), 'locked');
    for (const one of names.slice(0, 2)) assert.equal((await lockout.check(one, '192.0.2.1')).kind, 'open', one);
    assert.ok((await listed()).every(({ lockedUntil }) => lockedUntil === undefined));
    assert.equal(await overview.releaseUser('bob'), 'nothing');
  });

test('an operator opens a name in every tenant, and one whose counter cannot be read', async (t) => {
  const { lockout, store, clock } = world(t);
  const { overview } = overviewOf({ store, clock });
  for (const tenant of ['default', 'acme'])
    for (let i = 0; i < 5; i++)
      await lockout.fail({ username: `x${i}`, address: '192.0.2.1', account: accountNamed('alice', tenant) });
  assert.equal(await overview.releaseUser('alice'), 'locked');
  assert.deepEqual(await Array.fromAsync(overview.list('account')), []);
  await failTimes(lockout, 1, 'bob');
  for await (const { key } of store.list('lockout-user:')) await store.put(key, '{');
  await assert.rejects(lockout.check('bob', '192.0.2.1'));
  assert.equal(await overview.releaseUser('bob'), 'locked');
  assert.equal((await lockout.check('bob', '192.0.2.1')).kind, 'open');
});

test('an operator opens an address, by any address that counts as one with it', async (t) => {
  const { lockout, store, clock } = world(t, { address: 2 });
  const { overview } = overviewOf({ store, clock });
  for (let i = 0; i < 2; i++) await failTimes(lockout, 1, `user${i}`, '2001:db8:1:2::7');
  assert.equal((await lockout.check('bob', '2001:db8:1:2::9')).kind, 'locked');
  assert.equal(await overview.releaseUser('bob'), 'nothing');
  assert.equal((await lockout.check('bob', '2001:db8:1:2::9')).kind, 'locked');
  assert.equal(await overview.releaseAddress('2001:db8:1:2::1'), 'locked');
  assert.equal((await lockout.check('bob', '2001:db8:1:2::9')).kind, 'open');
  assert.equal(await overview.releaseAddress('192.0.2.1'), 'nothing');
});
