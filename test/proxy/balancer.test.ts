/** Which server of an upstream a request goes to: weights, backups, visitors that stay at one, and Unix sockets. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import type { Upstream, UpstreamServer } from '../../src/core/route.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { Balancer, Place } from '../../src/proxy/balancer.ts';
import type { Visitor } from '../../src/proxy/sticky.ts';
import { UpstreamPools } from '../../src/proxy/upstream-pool.ts';
import { ask, startDataPlane, testRoute } from '../support/scenes/data-plane.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { collectLog } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const server = (name: string, more: Partial<UpstreamServer> = {}): UpstreamServer => {
  const url = new URL(`http://${name}:8080`);
  return { origin: url.origin, url, ...more };
};

const publicUrl = new URL('https://cc.example.com');
const key = new SealKey(randomBytes(32));

/** A balancer of servers that are only named, and a way to see where requests go. */
function balanced(upstream: Upstream, sealer = new Sealer([key])) {
  const clock = manualClock();
  const parts = { log: collectLog().log, clock, sealer, publicUrl };
  const balancer: Balancer = new UpstreamPools(parts).of({ ...testRoute([]), upstream });
  const down = new Set<string>();
  /** Where a request ends, and the cookie that its answer brings. */
  const go = async (visitor: Partial<Visitor> = {}): Promise<{ name: string; cookie: string | undefined }> => {
    const done = await balancer.attempt({ cookies: [], address: '192.0.2.1', ...visitor }, async (place: Place) => {
      const name = place.pool.server.url.hostname;
      if (down.has(name)) return { kind: 'again', fresh: false, error: new Error('down') };
      place.pool.connected();
      return { kind: 'done', name, cookie: place.cookie } as const;
    });
    return done?.kind === 'done' ? done : { name: 'none', cookie: undefined };
  };
  const names = async (count: number, visitor: Partial<Visitor> = {}): Promise<string[]> => {
    const found: string[] = [];
    for (let index = 0; index < count; index += 1) found.push((await go(visitor)).name);
    return found;
  };
  return { go, names, down, clock };
}

const pairOf = (line: string | undefined): string => (line ?? '').split(';', 1)[0] ?? '';

test('balancer: weights share requests smoothly, as in nginx (9 B5)', async () => {
  const { names } = balanced({ servers: [server('a', { weight: 5 }), server('b'), server('c')] });
  assert.equal((await names(14)).join(''), 'aabacaaaabacaa');
});

test('balancer: a backup is asked only while no other server is there (9 B5)', async () => {
  const { names, down, clock } = balanced({ servers: [server('a'), server('b'), server('z', { isBackup: true })] });
  assert.equal((await names(4)).join(''), 'abab');
  down.add('a');
  assert.equal((await names(3)).join(''), 'bbb');
  down.add('b');
  assert.equal((await names(3)).join(''), 'zzz');
  down.clear();
  clock.advance(10_000);
  assert.deepEqual(new Set(await names(4)), new Set(['a', 'b']));
});

test('balancer: a cookie leads to the server that it names, is set once, and tells nothing of it (9 B5)', async () => {
  const { go, names } = balanced({ servers: [server('a'), server('b'), server('c')], sticky: 'cookie' });
  const first = await go();
  assert.match(first.cookie ?? '', /^gatehouse-server-[\w-]{8}=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
  const cookies = [`x=1; ${pairOf(first.cookie)}`];
  assert.deepEqual(new Set(await names(9, { cookies })), new Set([first.name]));
  assert.equal((await go({ cookies })).cookie, undefined);
  const strangers = await Promise.all([go(), go(), go()]);
  assert.equal(new Set(strangers.map(({ cookie }) => pairOf(cookie))).size, 3);
  assert.equal(new Set(strangers.map(({ cookie }) => pairOf(cookie).split('=')[0])).size, 1);
});

test('balancer: a cookie counts on another worker, after a reload in another order or with more servers, and by earlier keys (9 B5)', async () => {
  const servers = [server('a'), server('b'), server('c')];
  const first = await balanced({ servers, sticky: 'cookie' }).go();
  const cookies = [pairOf(first.cookie)];
  const reordered = balanced({ servers: servers.toReversed(), sticky: 'cookie' });
  assert.deepEqual(await reordered.go({ cookies }), { kind: 'done', name: first.name, cookie: undefined });
  const rotated = balanced({ servers, sticky: 'cookie' }, new Sealer([new SealKey(randomBytes(32)), key]));
  const moved = await rotated.go({ cookies });
  assert.equal(moved.name, first.name);
  const larger = balanced({ servers: [server('new'), ...servers], sticky: 'cookie' });
  const grown = await larger.go({ cookies });
  assert.equal(grown.name, first.name);
  assert.ok(grown.cookie, 'the list has another cookie, which is set');
  const both = [`${pairOf(first.cookie)}; ${pairOf(grown.cookie)}`];
  assert.deepEqual(await larger.go({ cookies: both }), { kind: 'done', name: first.name, cookie: undefined });
});

test('balancer: a forged cookie is chosen anew (9 B5)', async () => {
  const { go } = balanced({ servers: [server('a'), server('b')], sticky: 'cookie' });
  const name = pairOf((await go()).cookie).split('=')[0];
  const forged = [
    `${name}=${'A'.repeat(22)}`,
    `${name}=`,
    `${name}=http://a:8080`,
    'gatehouse-server-=x',
    `${name}=../../a`,
  ];
  const found = await Promise.all(forged.map((cookie) => go({ cookies: [cookie] })));
  assert.ok(found.every(({ cookie }) => cookie !== undefined));
  assert.deepEqual(new Set(found.map(({ name: where }) => where)), new Set(['a', 'b']));
});

test('balancer: a server that is down moves its visitors once (9 B5)', async () => {
  const { go, down, clock } = balanced({ servers: [server('a'), server('b')], sticky: 'cookie' });
  const first = await go();
  down.add(first.name);
  const moved = await go({ cookies: [pairOf(first.cookie)] });
  assert.notEqual(moved.name, first.name);
  assert.ok(moved.cookie);
  down.clear();
  clock.advance(60_000);
  const after = await go({ cookies: [pairOf(moved.cookie)] });
  assert.deepEqual(after, { kind: 'done', name: moved.name, cookie: undefined });
});

test('balancer: by address everybody stays, and a server that goes or comes moves nobody but its own (9 B5)', async () => {
  const servers = [server('a', { weight: 2 }), server('b'), server('c')];
  const addresses = Array.from({ length: 600 }, (_, index) => `192.0.${index >> 8}.${index & 255}`);
  const of = async (upstream: Upstream, down: readonly string[] = []): Promise<string[]> => {
    const scene = balanced(upstream);
    for (const name of down) scene.down.add(name);
    return Promise.all(addresses.map(async (address) => (await scene.go({ address })).name));
  };
  const at = await of({ servers, sticky: 'address' });
  assert.deepEqual(await of({ servers: servers.toReversed(), sticky: 'address' }), at);
  const counts = ['a', 'b', 'c'].map((name) => at.filter((one) => one === name).length);
  for (const [index, share] of [300, 150, 150].entries())
    assert.ok(Math.abs((counts[index] ?? 0) - share) < 60, `${counts}`);
  const without = await of({ servers, sticky: 'address' }, ['b']);
  for (const [index, name] of without.entries()) if (at[index] !== 'b') assert.equal(name, at[index]);
  const larger = await of({ servers: [...servers, server('d')], sticky: 'address' });
  for (const [index, name] of larger.entries()) if (name !== 'd') assert.equal(name, at[index]);
  const { go } = balanced({ servers, sticky: 'address' });
  const near = await Promise.all(
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '::ffff:192.0.2.7', '192.0.2.7'].map((address) => go({ address })),
  );
  assert.equal(near[0]?.name, near[1]?.name, 'one household of IPv6');
  assert.equal(near[2]?.name, near[3]?.name);
});

/** An application on a Unix socket. */
async function socketServer(
  t: TestContext,
): Promise<{ path: string; asked: { url: string; host: string; cookie: string }[] }> {
  const path = join(await temporaryFolder(t), 'app.sock');
  const asked: { url: string; host: string; cookie: string }[] = [];
  const http = createServer((request, response) => {
    asked.push({ url: request.url ?? '', host: request.headers.host ?? '', cookie: request.headers.cookie ?? '' });
    response.end('by socket');
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await new Promise<void>((resolve) => http.listen(path, resolve));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  });
  return { path, asked };
}

test('balancer: a Unix socket carries requests and WebSockets, and counts as down where nobody listens (9 B5)', async (t) => {
  const { path, asked } = await socketServer(t);
  const at = (socketPath: string): UpstreamServer => ({
    origin: `http://unix:${socketPath}`,
    url: new URL('http://localhost'),
    socketPath,
  });
  const route = testRoute([], { preserveHost: false });
  const plane = await startDataPlane(t, {
    route: { ...route, upstream: { servers: [at(`${path}.gone`), at(path)], path: '/app/' } },
  });
  const answer = await ask(plane.port, '/x?y=1');
  assert.equal(answer.body.toString(), 'by socket');
  assert.deepEqual(asked[0], { url: '/app/x?y=1', host: 'localhost', cookie: '' });
  const socket = new WebSocket(`ws://127.0.0.1:${plane.port}/live`);
  const heard = new Promise((resolve, reject) =>
    socket.on('message', (data) => resolve(String(data))).once('error', reject),
  );
  socket.once('open', () => socket.send('hello'));
  assert.equal(await heard, 'hello');
  socket.terminate();
  assert.deepEqual(
    plane.pools.health().map(({ origin, isLive }) => [origin.slice(-5), isLive]),
    [
      ['.gone', false],
      ['.sock', true],
    ],
  );
});

test('balancer: over HTTP the cookie is set once, before the application’s own (9 B5)', async (t) => {
  const upstreams = await Promise.all([startUpstream(t), startUpstream(t)]);
  const route = testRoute(upstreams.map(({ origin }) => origin));
  const plane = await startDataPlane(t, { route: { ...route, upstream: { ...route.upstream, sticky: 'cookie' } } });
  const first = await ask(plane.port, '/headers?set-cookie=a=1&cache-control=public');
  const [sticky = '', own] = [first.headers['set-cookie'] ?? []].flat();
  assert.match(sticky, /^gatehouse-server-/);
  assert.equal(own, 'a=1');
  assert.equal(first.headers['cache-control'], 'no-store');
  const cookie = `a=1; ${pairOf(sticky)}`;
  for (let index = 0; index < 4; index += 1) {
    const answer = await ask(plane.port, '/x', { headers: ['Cookie', cookie] });
    assert.equal(answer.headers['set-cookie'], undefined);
  }
  const counts = upstreams.map(({ received }) => received.length);
  assert.deepEqual(counts.toSorted(), [0, 5]);
});

test('balancer: keepAlive says how long a connection is kept; 0 keeps none (9 B5)', async (t) => {
  const upstream = await startUpstream(t);
  const route = testRoute([upstream.origin]);
  const connections = async (keepAlive: number): Promise<number> => {
    const plane = await startDataPlane(t, { route: { ...route, upstream: { ...route.upstream, keepAlive } } });
    await ask(plane.port, '/a');
    await ask(plane.port, '/b');
    return new Set(upstream.received.slice(-2).map(({ connection }) => connection)).size;
  };
  assert.equal(await connections(30_000), 1);
  assert.equal(await connections(0), 2);
});
