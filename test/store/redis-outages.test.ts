/**
 * A store in Redis whose server hangs, is killed, starts empty, fails over, is full, is a replica, or lets nobody in. What has been
 * seen goes on for a while and no longer, what has ended stays ended, and nothing that is one-time counts twice.
 */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { OperatorError } from '../../src/core/errors.ts';
import { Failure } from '../../src/core/failure.ts';
import type { Store } from '../../src/core/store.ts';
import { RedisEntries } from '../../src/store/redis/entries.ts';
import { openRedisStore } from '../../src/store/redis/open.ts';
import { needsRedis, redisStoreOptions, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { until } from '../support/tools/poll.ts';

const end = { announced: true, held: true, isFinal: true } as const;
const ended = '{"kind":"ended"}';

interface Opening {
  readonly more?: Readonly<Record<string, unknown>>;
  readonly seed?: number;
  readonly forgetSealed?: boolean;
}

async function open(t: TestContext, url: string, { more = {}, seed = 1, forgetSealed = false }: Opening = {}) {
  const file = sealKeyFile(await temporaryFolder(t), seed);
  const log = keptLog();
  const options = redisStoreOptions(url, file, more);
  const store = await openRedisStore(options, { clock: systemClock, log, forgetSealed, patience: 0 });
  t.after(() => store.close());
  return { store, log };
}

const later = (): number => Date.now() + 600_000;

/** What a use of the store fails with. */
async function failureOf(use: () => unknown): Promise<Failure> {
  try {
    await use();
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  return assert.fail('it did not fail');
}

/** The monotonic clock, moved on by hand: grace and the age of copies go by it. */
function movableTime(t: TestContext): (milliseconds: number) => void {
  const real = performance.now.bind(performance);
  let shift = 0;
  t.mock.method(performance, 'now', () => real() + shift);
  return (milliseconds) => {
    shift += milliseconds;
  };
}

const isUp = (store: Store) => until('the store answers again', () => store.outage() === undefined);

test(
  'redis: a record that was just read is at hand, until anybody announces another or it is two seconds old',
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const move = movableTime(t);
    const [{ store }, { store: another }] = [await open(t, server.url), await open(t, server.url)];
    await store.put('session:a', 'one', later());
    assert.ok(another.get('session:a') instanceof Promise);
    assert.equal((await another.get('session:a'))?.value, 'one');
    const copy = another.get('session:a');
    assert.ok(copy && !(copy instanceof Promise), 'it is at hand');
    await store.replace('session:a', copy.version, ended, later(), end);
    await until('the end is heard', () => another.get('session:a') instanceof Promise);
    assert.equal((await another.get('session:a'))?.value, ended);
    // Activity is not announced.
    await store.put('session:b', 'one', later());
    await another.get('session:b');
    await store.put('session:b', 'two', later());
    assert.equal((await another.get('session:b'))?.value, 'one');
    move(2000);
    await until('the server is heard', async () => (await another.get('session:b'))?.value === 'two');
  },
);

test('redis: a compare-and-set that failed is followed by what the server has', needsRedis, async (t) => {
  const server = await startRedis(t);
  const [{ store }, { store: another }] = [await open(t, server.url), await open(t, server.url)];
  await store.put('session:a', 'one', later());
  const version = (await another.get('session:a'))?.version;
  await store.put('session:a', 'two', later());
  assert.equal(await another.replace('session:a', version, 'three', later()), false);
  assert.equal((await another.get('session:a'))?.value, 'two');
});

test(
  'redis: while the server hangs, sessions that were seen go on until grace is over, and nothing else does',
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const move = movableTime(t);
    const [{ store, log }, { store: another }] = [await open(t, server.url), await open(t, server.url)];
    for (const id of ['seen', 'ending', 'unseen']) await another.put(`session:${id}`, 'live', later());
    await another.put('flow:b.1', 'a login under way', later());
    const seen = await store.get('session:ending');
    await store.get('session:seen');
    const before = (await store.changes()).place;
    server.freeze();
    t.after(() => server.thaw());
    const started = Date.now();
    assert.equal((await failureOf(() => store.get('session:unseen'))).answer, 'unreachable');
    assert.ok(Date.now() - started < 3000, 'nobody waits long');
    const { message, goesOn = 0 } = store.outage() ?? {};
    assert.match(message ?? '', /redis:\/\/127\.0\.0\.1:\d+: it does not answer in time/);
    assert.ok(goesOn > 50_000 && goesOn <= 60_000);
    const copy = store.get('session:seen');
    assert.ok(copy && !(copy instanceof Promise) && copy.value === 'live');
    const again = Date.now();
    for (const use of [
      () => store.put('flow:b.2', 'x', later()),
      () => store.take('flow:b.1'),
      () => store.replace('session:new', undefined, 'live', later(), { announced: true }),
      () => store.get('flow:b.1'),
      () => store.count('session:', Date.now()),
      () => Array.fromAsync(store.list('session:')),
    ])
      assert.equal((await failureOf(use)).answer, 'unreachable');
    assert.ok(Date.now() - again < 1000, 'nobody waits for it twice');
    // An end is held, counts at once, and is final.
    assert.equal(await store.replace('session:ending', seen?.version, ended, later(), end), true);
    assert.equal((await store.get('session:ending'))?.value, ended);
    assert.deepEqual((await store.changes(before)).keys, ['session:ending']);
    assert.equal(await store.replace('session:ending', seen?.version, 'live', later()), false);
    assert.equal(store.waiting(), 1);
    move(60_000);
    assert.equal(store.outage()?.goesOn, 0);
    assert.equal((await failureOf(() => store.get('session:seen'))).answer, 'unreachable');
    assert.equal((await failureOf(() => store.changes(before))).answer, 'unreachable');
    server.thaw();
    await isUp(store);
    assert.equal(store.waiting(), 0);
    assert.equal((await store.get('session:seen'))?.value, 'live');
    assert.equal(await store.take('flow:b.1'), 'a login under way');
    await isUp(another);
    assert.equal((await another.get('session:ending'))?.value, ended);
    const said = log.lines.filter(({ level }) => level === 'warn' || level === 'info').map((line) => line.message);
    assert.equal(said.filter((line) => /does not answer; it is tried again/.test(line)).length, 1);
    assert.equal(said.filter((line) => /answers again/.test(line)).length, 1);
  },
);

test('redis: a slow server is waited for, and one that takes too long is not', needsRedis, async (t) => {
  const server = await startRedis(t);
  const { store } = await open(t, server.url);
  await store.put('session:a', 'live', later());
  await server.client.call('CLIENT', 'PAUSE', '300');
  const started = performance.now();
  assert.equal((await store.get('session:a'))?.value, 'live');
  assert.ok(performance.now() - started > 150, 'it was waited for');
  assert.equal(store.outage(), undefined);
  await server.client.call('CLIENT', 'PAUSE', '2500');
  assert.equal((await failureOf(() => store.put('session:b', 'live', later()))).answer, 'unreachable');
  assert.equal((await store.get('session:a'))?.value, 'live');
  await isUp(store);
  await store.put('session:b', 'live', later());
});

test('redis: with a grace of 0 nothing goes on without the server', needsRedis, async (t) => {
  const server = await startRedis(t);
  const { store } = await open(t, server.url, { more: { grace: 0 } });
  await store.put('session:a', 'live', later());
  await store.get('session:a');
  await server.kill();
  await until('it is noticed', () => store.outage());
  assert.equal(store.outage()?.goesOn, 0);
  assert.equal((await failureOf(() => store.get('session:a'))).answer, 'unreachable');
});

test(
  'redis: a server that was killed and starts empty gives back no session, no flow and no copy',
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const { store } = await open(t, server.url);
    await store.put('session:a', 'live', later());
    await store.put('flow:b.1', 'x', later());
    await store.get('session:a');
    const { place } = await store.changes();
    await server.kill();
    await until('it is noticed', () => store.outage());
    assert.match(store.outage()?.message ?? '', /nothing listens on that port|it hung up/);
    assert.equal((await store.get('session:a'))?.value, 'live');
    await server.start();
    await isUp(store);
    assert.equal(await store.get('session:a'), undefined);
    assert.equal(await store.take('flow:b.1'), undefined);
    assert.equal((await store.changes(place)).isWhole, false, 'anything may have changed');
  },
);

/** A way to one server or another, as an address has that moves with the master. */
async function relay(t: TestContext, first: number) {
  let target = first;
  const sockets = new Set<Socket>();
  const listener = createServer((from) => {
    const to = connect(target, '127.0.0.1');
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => void [from.destroy(), to.destroy(), sockets.delete(socket)]);
    }
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  const address = listener.address();
  assert.ok(address && typeof address === 'object');
  return {
    url: `redis://127.0.0.1:${address.port}`,
    lead: (port: number) => {
      target = port;
      for (const socket of sockets) socket.destroy();
    },
  };
}

test(
  'redis: after a failover that has lost the last writes, ends are written again and what is one-time is refused',
  needsRedis,
  async (t) => {
    const master = await startRedis(t, ['repl-diskless-sync-delay 0']);
    const replica = await startRedis(t, [`replicaof 127.0.0.1 ${master.port}`]);
    const way = await relay(t, master.port);
    const { store } = await open(t, way.url);
    for (const id of ['a', 'b']) await store.put(`session:${id}`, 'live', later());
    await store.put('flow:b.1', 'a login under way', later());
    await store.put('proved-password:b', 'x', later());
    await store.put('form-key:1', 'y');
    await store.put('recovery:a:s.d', '1');
    await until('it is replicated', async () => (await replica.client.dbsize()) === (await master.client.dbsize()));
    const [a, place] = [await store.get('session:a'), (await store.changes()).place];
    // From here on the replica hears nothing, and the master acknowledges all the same.
    await replica.client.call('REPLICAOF', 'NO', 'ONE');
    assert.equal(await store.replace('session:a', a?.version, ended, later(), end), true);
    assert.equal(await store.take('flow:b.1'), 'a login under way');
    way.lead(replica.port);
    await until('it is noticed', () => store.outage());
    await isUp(store);
    assert.equal((await store.get('session:a'))?.value, ended, 'an end that was lost is written again');
    assert.equal((await store.get('session:b'))?.value, 'live');
    assert.equal(await store.take('flow:b.1'), undefined, 'it may have been taken before');
    assert.equal(await store.get('proved-password:b'), undefined);
    assert.equal(await store.take('recovery:a:s.d'), '1', 'a code that was printed long ago');
    assert.equal(await store.take('recovery:a:s.d'), undefined);
    assert.equal((await store.get('form-key:1'))?.value, 'y', 'what is not one-time is there');
    assert.equal((await store.changes(place)).isWhole, false);
    await store.put('flow:b.2', 'begun since', later());
    assert.equal(await store.take('flow:b.2'), 'begun since');
  },
);

test(
  'redis: a full server takes no login, and an end all the same, which the others know at once',
  needsRedis,
  async (t) => {
    const server = await startRedis(t, ['maxmemory-policy noeviction']);
    const [{ store }, { store: another }] = [await open(t, server.url), await open(t, server.url)];
    await store.put('session:a', 'live', later());
    const [a] = [await store.get('session:a'), await another.get('session:a')];
    await server.client.config('SET', 'maxmemory', '1mb');
    const failure = await failureOf(() => store.put('session:b', 'live', later()));
    assert.equal(failure.answer, 'full');
    assert.match(failure.message, /memory is full/);
    assert.equal(store.outage(), undefined, 'it answers');
    assert.equal((await another.get('session:a'))?.value, 'live');
    assert.equal(await store.replace('session:a', a?.version, ended, later(), end), true);
    assert.equal(store.waiting(), 1);
    assert.equal((await store.get('session:a'))?.value, ended);
    await until('the other one knows', async () => (await another.get('session:a')) === undefined);
    // A connection that ends meanwhile comes back all the same.
    await server.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until('it is noticed', () => store.outage());
    await isUp(store);
    assert.equal(store.waiting(), 1);
    assert.equal((await store.get('session:a'))?.value, ended);
    await server.client.config('SET', 'maxmemory', '0');
    await until('it is written', () => store.waiting() === 0);
    await until('the other one reads it', async () => (await another.get('session:a'))?.value === ended);
  },
);

test('redis: a replica is no store, neither at the start nor when a master becomes one', needsRedis, async (t) => {
  const [master, server] = [await startRedis(t), await startRedis(t)];
  const { store } = await open(t, server.url);
  await store.put('session:a', 'live', later());
  await store.get('session:a');
  await server.client.call('REPLICAOF', '127.0.0.1', String(master.port));
  assert.equal((await failureOf(() => store.put('session:b', 'live', later()))).answer, 'read-only');
  assert.match(store.outage()?.message ?? '', /it is a replica/);
  assert.equal((await store.get('session:a'))?.value, 'live');
  await assert.rejects(open(t, server.url), (error: OperatorError) => {
    assert.ok(error instanceof OperatorError);
    assert.match(error.message, /it is a replica, which takes no writes/);
    assert.match(error.hint ?? '', /name the master/);
    return true;
  });
  await server.client.call('REPLICAOF', 'NO', 'ONE');
  await isUp(store);
  await store.put('session:b', 'live', later());
});

test(
  'redis: a wrong password, a missing one and missing rights are named at the start, and no secret with them',
  needsRedis,
  async (t) => {
    const acl = 'user weak on >weak-word ~gatehouse:* +@all -info';
    const server = await startRedis(t, ['requirepass right-word', acl], { password: 'right-word' });
    const refused = async (more: object): Promise<string> => {
      const error = await open(t, server.url, { more: { ...more } }).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof OperatorError, String(error));
      const text = `${error.message} ${error.hint} ${JSON.stringify(error)} ${error.stack}`;
      assert.doesNotMatch(text, /wrong-word|weak-word|right-word/);
      return error.message;
    };
    assert.match(await refused({ password: 'wrong-word' }), /does not take the user name and the password/);
    assert.match(await refused({}), /wants a password/);
    assert.match(await refused({ username: 'weak', password: 'weak-word' }), /does not let this user.*'info'/);
    const { store, log } = await open(t, server.url, { more: { password: 'right-word' } });
    await store.put('session:a', 'live', later());
    await store.get('session:a');
    // The password changes while gateways run.
    await server.client.config('SET', 'requirepass', 'another-word');
    await server.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until('it is noticed', () => /does not take/.test(store.outage()?.message ?? ''));
    assert.equal((await store.get('session:a'))?.value, 'live');
    assert.doesNotMatch(log.text(), /right-word|another-word/);
  },
);

test('redis: a store that another key seals is named, and nothing of it is changed', needsRedis, async (t) => {
  const server = await startRedis(t);
  const { store } = await open(t, server.url);
  await store.put('form-key:1', 'the-secret');
  await store.put('session:a', 'live', later());
  const raw = await server.client.get('gatehouse:e:form-key:1');
  assert.match(raw ?? '', /sealed:1:/);
  assert.doesNotMatch(raw ?? '', /the-secret/);
  await assert.rejects(open(t, server.url, { seed: 2 }), (error: OperatorError) => {
    assert.match(error.message, /is sealed by the key [\w-]{8}, which is not in .*seal-2\.key/);
    assert.match(error.hint ?? '', /from another machine/);
    return true;
  });
  assert.equal(await server.client.get('gatehouse:e:form-key:1'), raw);
  await open(t, server.url, { seed: 2, more: { prefix: 'another-site' } });
  const { store: anew } = await open(t, server.url, { seed: 2, forgetSealed: true });
  assert.equal(await anew.get('form-key:1'), undefined);
  assert.equal((await anew.get('session:a'))?.value, 'live');
});

test('redis: a server that drops entries when it is full is warned of', needsRedis, async (t) => {
  const server = await startRedis(t, ['maxmemory 100mb', 'maxmemory-policy allkeys-lru']);
  const { log } = await open(t, server.url);
  assert.match(log.text(), /maxmemory-policy noeviction/);
});

test('redis: over TLS the server is known by its CA and its name', needsRedis, async (t) => {
  const { ca, otherCa, good, wrongName } = testCertificates();
  const secure = (files: typeof good) => [
    `tls-cert-file ${files.certificate}`,
    `tls-key-file ${files.key}`,
    `tls-ca-cert-file ${ca}`,
    'tls-auth-clients no',
  ];
  const server = await startRedis(t, secure(good), { isSecure: true });
  const { store } = await open(t, server.url, { more: { tls: { ca } } });
  await store.put('session:a', 'live', later());
  assert.equal((await store.get('session:a'))?.value, 'live');
  await assert.rejects(open(t, server.url, { more: { tls: { ca: otherCa } } }), {
    message: /rediss:.*issue|CA|trust/i,
  });
  await assert.rejects(open(t, server.url.replace('rediss:', 'redis:')), { message: /hung up/ });
  const another = await startRedis(t, secure(wrongName), { isSecure: true });
  await assert.rejects(open(t, another.url, { more: { tls: { ca } } }), { message: /for another name/ });
  await open(t, another.url, { more: { tls: { ca, servername: 'other.example.com' } } });
});

test('redis: expired names leave the indexes', needsRedis, async (t) => {
  const { client } = await startRedis(t);
  const entries = new RedisEntries('gatehouse', { now: () => Date.now() });
  for (let index = 0; index < 600; index++)
    await entries.write(client, { key: `flow:${index}`, value: 'x', expiresAt: Date.now() + 50, how: 'put' });
  await entries.write(client, { key: 'flow:stays', value: 'x', expiresAt: later(), how: 'put' });
  await until('they have expired', async () => (await client.get('gatehouse:e:flow:599')) === null);
  const anHourOn = new RedisEntries('gatehouse', { now: () => Date.now() + 3_600_000 });
  assert.equal(await anHourOn.prune(client, 'one', 60_000), 600);
  assert.equal(await anHourOn.prune(client, 'another', 60_000), 0, 'one gateway does it');
  assert.deepEqual(await client.zrange('gatehouse:names', '0', '-1'), ['flow:stays']);
  assert.equal(await client.zcard('gatehouse:until:flow:'), 1);
});

test('redis: a process that had no turn for a while finds the answer that came meanwhile', needsRedis, async (t) => {
  const redis = await startRedis(t);
  const { store, log } = await open(t, redis.url);
  await store.put('note', 'kept');
  const asked = [store.get('note'), store.get('nothing'), store.take('note')] as const;
  // Nothing runs here meanwhile, neither timers nor sockets.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1300);
  const [note, nothing, taken] = await Promise.all(asked);
  assert.deepEqual([note?.value, nothing, taken], ['kept', undefined, 'kept']);
  assert.equal(store.outage?.(), undefined);
  assert.doesNotMatch(log.text(), /does not answer/);
});
