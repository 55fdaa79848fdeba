/** Two gateways on one Redis, one of them a process of its own, as behind a balancer that sends each request anywhere. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { parse, stringify } from 'yaml';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startIdp } from '../support/servers/oidc-provider.ts';
import { needsRedis, type RedisServer, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { start } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

interface Pair {
  readonly here: Site;
  readonly redis: RedisServer;
  /** A browser whose requests go to the other gateway; with the cookies of one here, where it is given. */
  there(browser?: Visitor): Visitor;
  /** A WebSocket of a browser by way of the other gateway. */
  socketThere(browser: Visitor): Promise<WebSocket>;
  readonly adminThere: URL;
}

/** Both have one public address, that of the one here. */
async function pair(t: TestContext, config: Record<string, unknown> = {}): Promise<Pair> {
  const redis = await startRedis(t);
  const file = sealKeyFile(await temporaryFolder(t));
  const store = { type: 'redis', url: redis.url, sealKey: { file } };
  const here = await site(t, { config: { session: { store }, ...config } });
  const [port, adminPort] = [await freePort(), await freePort()];
  const document = parse(readFileSync(here.file, 'utf8'));
  document.server.listen = `http://127.0.0.1:${port}`;
  document.admin = { listen: `http://127.0.0.1:${adminPort}`, socket: 'there.sock' };
  const other = path.join(here.folder, 'there.yaml');
  writeFileSync(other, stringify(document));
  await start(t, ['serve', '--config', other]).said('the gateway is ready');
  const origin = here.url.origin;
  return {
    here,
    redis,
    there: (browser) => {
      const visitor = new Browser(t, port).at(origin);
      for (const [name, value] of browser?.cookies ?? []) visitor.cookies.set(name, value);
      return visitor;
    },
    socketThere: async (browser) => {
      const headers = { cookie: browser.cookieHeader, origin, host: here.url.host };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/live`, { headers });
      t.after(() => socket.terminate());
      await once(socket, 'open');
      return socket;
    },
    adminThere: new URL(`http://127.0.0.1:${adminPort}`),
  };
}

async function signOut(browser: Visitor): Promise<number> {
  const page = await browser.open('/_gate/logout');
  return (await browser.post('/_gate/logout', hiddenFields(page.text))).status;
}

async function readiness(admin: URL): Promise<Record<string, unknown>> {
  return (await (await fetch(new URL('/health/ready', admin))).json()) as Record<string, unknown>;
}

test(
  'redis: a login on one gateway counts on the other, and its logout ends what is open there',
  needsRedis,
  async (t) => {
    const { here, there, socketThere, redis } = await pair(t);
    const browser = here.visitor();
    await browser.mustSignIn('agent1', passwords.agent1);
    const elsewhere = there(browser);
    for (let request = 0; request < 3; request++) assert.equal((await elsewhere.fetch('/x')).status, 200);
    assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
    await redis.client.config('RESETSTAT');
    for (let request = 0; request < 200; request++) assert.equal((await browser.fetch('/x')).status, 200);
    const reads = Number(/cmdstat_get:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0);
    assert.ok(reads < 100, `a busy session is at hand: ${reads} reads, those of the journal included`);
    const socket = await socketThere(browser);
    const closed = once(socket, 'close');
    assert.equal(await signOut(browser), 200);
    await until('the other gateway knows', async () => (await elsewhere.fetch('/x')).status === 401, 2000);
    await endsWithin(2000, 'the WebSocket on the other gateway', closed);
  },
);

test('redis: failures on one gateway lock out on the other', needsRedis, async (t) => {
  const { here, there } = await pair(t, { login: { chain: ['local'], lockout: { user: 3, address: 50 } } });
  for (let failure = 0; failure < 3; failure++) await here.visitor().signIn('agent1', `wrong-${failure}`);
  assert.equal((await there().signIn('agent1', passwords.agent1)).status, 429);
  assert.equal((await there().signIn('supervisor1', passwords.supervisor1)).status, 303);
});

test('redis: a trip to an issuer begins on one gateway and ends on the other, once', needsRedis, async (t) => {
  const idp = await startIdp(t, { people: { alice: { preferred_username: 'alice', groups: ['agents'] } } });
  const { here, there } = await pair(t, {
    login: { chain: ['sso'], timeout: '30s' },
    providers: { sso: { type: 'oidc', ...idp.options, groupsClaim: 'groups' } },
  });
  idp.register(here.url, 'sso');
  const browser = here.visitor();
  const left = await browser.open('/_gate/start/sso?return=/x');
  const back = await idp.person().signIn(String(left.headers.location), 'alice');
  const elsewhere = there(browser);
  const answer = await elsewhere.open(back.pathname + back.search);
  assert.equal(answer.headers.location, '/x', answer.text);
  assert.equal((await elsewhere.fetch('/x')).status, 200);
  const again = new Visitor(here.url, undefined, new Map(browser.cookies));
  assert.notEqual((await again.open(back.pathname + back.search)).headers.location, '/x', 'the state was used');
  assert.equal((await again.fetch('/x')).status, 401);
});

test(
  'redis: while the server hangs the signed-in go on, a login is told to wait, and a logout holds',
  needsRedis,
  async (t) => {
    const { here, there, redis, adminThere } = await pair(t);
    const [browser, bystander] = [here.visitor(), here.visitor()];
    await browser.mustSignIn('agent1', passwords.agent1);
    await bystander.mustSignIn('supervisor1', passwords.supervisor1);
    const unseen = there(bystander);
    for (const visitor of [browser, bystander]) assert.equal((await visitor.fetch('/x')).status, 200);
    redis.freeze();
    t.after(() => redis.thaw());
    await until('it is noticed', async () => (await readiness(here.admin)).store === 'away', 5000);
    assert.equal((await bystander.fetch('/x')).status, 200);
    assert.equal((await unseen.fetch('/x')).status, 503, 'a session that a gateway has not seen');
    const refused = await here.visitor().signIn('agent1', passwords.agent1);
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    const thief = new Visitor(here.url, undefined, new Map(browser.cookies));
    assert.equal(await signOut(browser), 200);
    assert.equal((await thief.fetch('/x')).status, 401, 'the old cookie is dead at once');
    const health = await readiness(here.admin);
    assert.partialDeepStrictEqual(health, { status: 'degraded', store: 'away', waiting: 1 });
    assert.match(String(health.storeProblem), /does not answer in time/);
    const figures = await (await fetch(new URL('/metrics', here.admin))).text();
    assert.match(figures, /^gatehouse_store_up 0$/m);
    assert.match(figures, /^gatehouse_store_held_ends 1$/m);
    redis.thaw();
    for (const admin of [here.admin, adminThere])
      await until('it is ready again', async () => (await readiness(admin)).status === 'ready', 10_000);
    assert.equal((await there(thief).fetch('/x')).status, 401, 'and on the other gateway');
    assert.equal((await unseen.fetch('/x')).status, 200);
    await here.visitor().mustSignIn('agent1', passwords.agent1);
  },
);

test(
  'redis: once the grace is over requests are 503 and what is open is cut, until the server is back',
  needsRedis,
  async (t) => {
    const redis = await startRedis(t);
    const file = sealKeyFile(await temporaryFolder(t));
    const store = { type: 'redis', url: redis.url, sealKey: { file }, grace: '3s' };
    const here = await site(t, { config: { session: { store }, server: { health: '/healthz' } } });
    const browser = here.visitor();
    await browser.mustSignIn('agent1', passwords.agent1);
    const headers = { cookie: browser.cookieHeader, origin: here.url.origin };
    const socket = new WebSocket(`ws://${here.url.host}/live`, { headers });
    t.after(() => socket.terminate());
    await once(socket, 'open');
    const closed = once(socket, 'close');
    assert.equal((await browser.fetch('/x')).status, 200);
    await redis.kill();
    await until('it is noticed', async () => (await readiness(here.admin)).store === 'away', 5000);
    assert.equal((await browser.fetch('/x')).status, 200);
    assert.equal((await browser.fetch('/healthz')).status, 200);
    await endsWithin(10_000, 'the WebSocket', closed);
    const refused = await browser.fetch('/x');
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(here.audit('request').at(-1)?.reason, 'store-away');
    assert.equal((await here.visitor().fetch('/public')).status, 200, 'who needs no session goes on');
    assert.partialDeepStrictEqual(await readiness(here.admin), { status: 'unavailable', store: 'down' });
    await until('balancers turn away', async () => (await browser.fetch('/healthz')).status === 503, 5000);
    await redis.start();
    await until('it is ready again', async () => (await readiness(here.admin)).status === 'ready', 10_000);
    assert.equal((await browser.fetch('/x')).status, 401, 'the server came back empty');
    await browser.mustSignIn('agent1', passwords.agent1);
  },
);
