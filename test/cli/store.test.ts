/** A store in Redis from the command line: tried by `check`, copied from a file and back, seen by `explain`, refused with a reason. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { createStore } from '../../src/store/index.ts';
import { needsRedis, redisStoreOptions, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { keptLog } from '../support/tools/log-lines.ts';

/** A configuration file with a store. */
async function configured(t: TestContext, store: string, folder?: string) {
  const place = folder ?? (await temporaryFolder(t));
  const file = join(place, `${store.length}-${Math.random()}.yaml`);
  const origin = `http://127.0.0.1:${await freePort()}`;
  const lines = [
    `server: { listen: ${origin}, publicUrl: ${origin} }`,
    'session:',
    `  store: ${store}`,
    'login: { chain: [local] }',
    'providers: { local: { type: local, users: users.yaml } }',
    'routes: [{ location: /, upstream: http://127.0.0.1:1 }]',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  writeFileSync(join(place, 'users.yaml'), 'users: {}\n', { mode: 0o600 });
  return { file, folder: place };
}

const parts = { clock: systemClock, log: keptLog() };

test('check: what is wrong with a store in Redis is said at its line', async (t) => {
  const cases: readonly (readonly [store: string, says: RegExp])[] = [
    ['{ type: redis, url: redis://127.0.0.1 }', /yaml:3:\d+.*session\.store\.sealKey/s],
    ['{ type: redis, url: http://127.0.0.1, sealKey: { file: k } }', /yaml:3:\d+.*redis:\/\/ or rediss:\/\//s],
    [
      '{ type: redis, url: "redis://u:secret-word@h", sealKey: { file: k } }',
      /yaml:3:\d+.*must not hold a user name or a password/s,
    ],
    ['{ type: redis, url: "redis://h/x", sealKey: { file: k } }', /yaml:3:\d+.*names the database/s],
    ['{ type: redis, url: "redis://h", prefix: "a b", sealKey: { file: k } }', /yaml:3:\d+.*session\.store\.prefix/s],
    [
      '{ type: redis, url: "redis://h", sentinels: { master: cc, servers: ["a b"] }, sealKey: { file: k } }',
      /yaml:3:\d+.*a host and a port/s,
    ],
    ['{ type: redis, url: "redis://h", tls: { ca: missing.pem }, sealKey: { file: k } }', /yaml:3:\d+.*missing\.pem/s],
  ];
  for (const [store, says] of cases) {
    const { file } = await configured(t, store);
    const { code, stderr } = await run(['check', '--config', file]);
    assert.equal(code, 1, store);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /secret-word/);
  }
});

test('check: a way in clear to another machine is warned of, and one on this machine is not', async (t) => {
  const at = async (store: string) => run(['check', '--config', (await configured(t, store)).file]);
  const far = await at('{ type: redis, url: redis://redis.example.com, sealKey: { file: k } }');
  assert.equal(far.code, 0);
  assert.match(far.stderr, /yaml:3:\d+.*go to redis\.example\.com:6379 in clear.*rediss:\/\//s);
  const watched = await at(
    '{ type: redis, url: redis://h, sentinels: { master: cc, servers: ["10.0.0.1:26379"] }, sealKey: { file: k } }',
  );
  assert.match(watched.stderr, /10\.0\.0\.1:26379 in clear/);
  for (const url of ['redis://127.0.0.1', 'redis://localhost:1', '"redis://[::1]:1"', 'rediss://redis.example.com'])
    assert.doesNotMatch((await at(`{ type: redis, url: ${url}, sealKey: { file: k } }`)).stderr, /in clear/, url);
});

test('check --connect: the store is tried step by step, and the step that fails says why', needsRedis, async (t) => {
  const server = await startRedis(t, ['requirepass right-word'], { password: 'right-word' });
  const folder = await temporaryFolder(t);
  const key = sealKeyFile(folder);
  const tried = async (more = '', url = server.url) => {
    const store = `{ type: redis, url: ${url}, password: right-word, sealKey: { file: ${key} }${more} }`;
    return run(['check', '--connect', '--config', (await configured(t, store, folder)).file]);
  };
  const good = await tried();
  assert.equal(good.code, 0, good.stdout);
  for (const step of ['resolve', 'connect', 'auth', 'role', 'policy', 'disk', 'seal'])
    assert.match(good.stdout, new RegExp(`(?:ok|warning) +${step} +\\d+ ms`), step);
  assert.match(good.stdout, /noeviction, no maxmemory/);
  assert.match(good.stdout, /nothing is saved[\s\S]*appendonly yes/);
  await (await createStore(redisStoreOptions(server.url, key, { password: 'right-word' }), parts)).close();
  assert.match((await tried()).stdout, /sealed by the key [\w-]{8}, which is at hand/);
  writeFileSync(key, `${Buffer.alloc(32, 9).toString('base64url')}\n`);
  const other = await tried();
  assert.equal(other.code, 1);
  assert.match(other.stdout, /FAILED +seal.*is sealed by the key/);
  await server.client.config('SET', 'maxmemory', '100mb');
  await server.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const evicting = await tried();
  assert.equal(evicting.code, 1);
  assert.match(evicting.stdout, /FAILED +policy.*allkeys-lru drops entries[\s\S]*noeviction/);
  const wrong = await run([
    'check',
    '--connect',
    '--config',
    (
      await configured(
        t,
        `{ type: redis, url: ${server.url}, password: wrong-word, sealKey: { file: ${key} } }`,
        folder,
      )
    ).file,
  ]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout, /FAILED +auth.*does not take the user name and the password/);
  assert.doesNotMatch(wrong.stdout + wrong.stderr, /wrong-word/);
  await server.kill();
  const away = await tried();
  assert.equal(away.code, 1);
  assert.match(away.stdout, /FAILED +connect.*nothing listens on that port/);
});

test('store copy: all that is live goes from a file to Redis and back, sealed anew', needsRedis, async (t) => {
  const server = await startRedis(t);
  const folder = await temporaryFolder(t);
  const key = sealKeyFile(folder, 5);
  const options = redisStoreOptions(server.url, key);
  const embedded = (name: string) => ({ type: 'embedded', path: join(folder, name) }) as const;
  const first = await createStore(embedded('one'), parts);
  const until = Date.now() + 600_000;
  await first.put('session:a', '{"kind":"live","grant":{"state":{"refreshToken":"the-secret"}}}', until);
  await first.put('session:gone', 'x', Date.now() - 1);
  await first.put('form-key:1', 'the-secret');
  await first.put('lockout-user:x', '{}', until);
  await first.put('health:probe', 'x', until);
  const [here, there, back] = [
    await configured(t, '{ type: embedded, path: one }', folder),
    await configured(t, `{ type: redis, url: ${server.url}, sealKey: { file: ${key} } }`, folder),
    await configured(t, '{ type: embedded, path: two }', folder),
  ];
  const busy = await run(['store', 'copy', '--config', here.file, '--to', there.file]);
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, /is open in another process/);
  await first.close();
  const copied = await run(['store', 'copy', '--config', here.file, '--to', there.file]);
  assert.equal(copied.code, 0, copied.stderr);
  assert.match(copied.stdout, /1 sessions/);
  assert.match(copied.stdout, /1 form keys/);
  const inRedis = await createStore(options, parts);
  assert.equal((await inRedis.get('form-key:1'))?.value, 'the-secret');
  assert.match((await inRedis.get('session:a'))?.value ?? '', /"refreshToken":"the-secret"/);
  assert.equal(await inRedis.get('session:gone'), undefined);
  assert.equal(await inRedis.get('health:probe'), undefined);
  assert.equal(await inRedis.count('lockout-user:', until - 1000), 1);
  const used = await run(['store', 'copy', '--config', there.file, '--to', back.file]);
  assert.match(used.stderr, /1 gateway is connected/);
  await inRedis.close();
  const again = await run(['store', 'copy', '--config', here.file, '--to', there.file]);
  assert.match(again.stderr, /is not empty/);
  const returned = await run(['store', 'copy', '--config', there.file, '--to', back.file]);
  assert.equal(returned.code, 0, returned.stderr);
  const last = await createStore(embedded('two'), parts);
  t.after(() => last.close());
  assert.match((await last.get('session:a'))?.value ?? '', /"refreshToken":"the-secret"/);
  assert.equal(await last.count('lockout-user:', until - 1000), 1);
  assert.equal(await last.count('lockout-user:', until + 1), 0);
  const memory = await configured(t, '{ type: memory }', folder);
  assert.match(
    (await run(['store', 'copy', '--config', here.file, '--to', memory.file])).stderr,
    /in memory cannot be copied/,
  );
});

test(
  'seal rotate: what is in Redis is sealed by the first key of the file, and gateways that run go on',
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const folder = await temporaryFolder(t);
    const key = sealKeyFile(folder, 5);
    const running = await createStore(redisStoreOptions(server.url, key), parts);
    t.after(() => running.close());
    const until = Date.now() + 600_000;
    await running.put('form-key:1', 'the-secret');
    await running.put('session:a', '{"kind":"live","grant":{"state":{"refreshToken":"x"}}}', until);
    await running.put('session:b', '{"kind":"live"}', until);
    const version = (await running.get('session:a'))?.version;
    const { file } = await configured(t, `{ type: redis, url: ${server.url}, sealKey: { file: ${key} } }`, folder);
    const none = await run(['seal', 'rotate', '--config', file]);
    assert.match(none.stdout, /^0 entries/);
    writeFileSync(key, `${Buffer.alloc(32, 6).toString('base64url')}\n${Buffer.alloc(32, 5).toString('base64url')}\n`);
    const rotated = await run(['seal', 'rotate', '--config', file]);
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.match(rotated.stdout, /^2 entries/);
    assert.equal((await running.get('form-key:1'))?.value, 'the-secret');
    assert.equal((await running.get('session:a'))?.version, version);
    assert.ok((await server.client.pttl('gatehouse:e:session:a')) > 500_000, 'it ends as before');
    writeFileSync(key, `${Buffer.alloc(32, 6).toString('base64url')}\n`);
    const anew = await createStore(redisStoreOptions(server.url, key), parts);
    t.after(() => anew.close());
    assert.equal((await anew.get('form-key:1'))?.value, 'the-secret');
    writeFileSync(key, `${Buffer.alloc(32, 7).toString('base64url')}\n`);
    assert.match((await run(['seal', 'rotate', '--config', file])).stderr, /is sealed by the key/);
  },
);
