/** Cookies of applications belong to a person: what is marked, what comes back without its mark, and what never reaches an upstream. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { accountNamed } from '../../src/core/account.ts';
import type { ForwardingRoute } from '../../src/core/route.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { boundCookies } from '../support/scenes/bound-cookies.ts';
import { alice } from '../support/scenes/data-plane.ts';
import { routeAt } from '../support/scenes/routes.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { trials } from '../support/tools/properties.ts';

const host = 'cc.example.com';

type Binding = ReturnType<typeof boundCookies>;

/** What a browser keeps of a Set-Cookie line. */
const pairOf = (line: string): string => line.split(';', 1)[0] ?? '';

function set(
  scene: Binding,
  line: string,
  more: { route?: ForwardingRoute; principal?: typeof alice; at?: string } = {},
) {
  const { route = routeAt('/'), principal = alice, at = host } = more;
  return scene.cookies.mark(line, { route, principal, target: { path: '/app/page', query: '', host: at, port: '80' } });
}

function ask(
  scene: Binding,
  cookies: string,
  more: { user?: string; route?: ForwardingRoute; takesUnmarked?: boolean; isIdentified?: boolean; at?: string } = {},
) {
  const { user = 'alice', route = routeAt('/'), takesUnmarked = false, isIdentified = true, at = host } = more;
  const account = user === '' ? undefined : accountNamed(user, alice.tenant);
  return scene.cookies.admit(cookies, { route, host: at, account, takesUnmarked, isIdentified });
}

test('bound cookies: a marked cookie goes back to its owner as the application set it, and to nobody else (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  const line = set(scene, 'sid=s3cret; Path=/app; HttpOnly; SameSite=Lax');
  assert.match(line, /^sid=s3cret~[\w-]{16}; Path=\/app; HttpOnly; SameSite=Lax$/);
  const cookie = pairOf(line);
  assert.deepEqual(ask(scene, `a=1; ${cookie}; b="2 3"`), { cookies: 'a=1; sid=s3cret; b="2 3"', expires: [] });
  const another = ask(scene, `a=1; ${cookie}`, { user: 'bob' });
  assert.deepEqual(another, { cookies: 'a=1', expires: ['sid=; Path=/app; Max-Age=0'] });
  assert.deepEqual(ask(scene, cookie, { user: 'bob' }), { expires: ['sid=; Path=/app; Max-Age=0'] });
});

test('bound cookies: a mark is for one host, one name and one value (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  const mark = pairOf(set(scene, 'sid=s3cret; HttpOnly')).slice('sid=s3cret'.length);
  const changed = [
    `sid=other${mark}`,
    `SID=s3cret${mark}`,
    `sid=s3cret${mark.slice(0, -1)}`,
    `sid=s3cret~${'A'.repeat(16)}`,
  ];
  for (const cookie of changed) assert.deepEqual(ask(scene, cookie), { expires: [] }, cookie);
  assert.deepEqual(ask(scene, `sid=s3cret${mark}`, { at: 'other.example.com' }), { expires: [] });
  assert.deepEqual(
    ask(scene, `sid=s3cret${mark.slice(0, 5)}${'A'.repeat(12)}`).expires.length,
    1,
    'ours, and nobody’s',
  );
});

test('bound cookies: taking the mark off by hand opens nothing, however the name is spelt or hidden (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  set(scene, 'my_sid=s3cret; HttpOnly');
  const tricks = [
    'my_sid=s3cret',
    ' my_sid = s3cret',
    'MY_SID=s3cret',
    'my.sid=s3cret',
    'my%5fsid=s3cret',
    'my[sid=s3cret',
    'x=1, my_sid=s3cret',
    'x="; my_sid=s3cret; "',
    'x=a my_sid=s3cret',
    `x=${'a'.repeat(5000)},my_sid=s3cret`,
    `my_sid=s3cret.${'a'.repeat(5000)}`,
  ];
  for (const trick of tricks) assert.doesNotMatch(ask(scene, trick).cookies ?? '', /s3cret/, trick);
  assert.equal(ask(scene, 'theirs=1; x=y').cookies, 'theirs=1; x=y', 'what nobody bound passes');
});

test('bound cookies: what one route of an application has bound is missed at its others, and at no other application (9 B17)', () => {
  const other = { servers: [{ origin: 'http://other:1', url: new URL('http://other:1') }] };
  const [home, api, elsewhere] = [routeAt('/'), routeAt('/api/'), routeAt('/o/', { upstream: other })];
  const scene = boundCookies([home, api, elsewhere]);
  set(scene, 'sid=s3cret; HttpOnly', { route: home });
  assert.equal(ask(scene, 'sid=s3cret', { route: api }).cookies, undefined);
  assert.equal(ask(scene, 'sid=theirs', { route: elsewhere }).cookies, 'sid=theirs');
  set(scene, 'sid=open', { route: api });
  for (const route of [api, home])
    assert.equal(ask(scene, 'sid=open', { route }).cookies, 'sid=open', 'unless it sets one that cannot be bound');
});

test('bound cookies: a session from before the feature, and a front proxy’s answer, let unmarked cookies through (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  const cookie = pairOf(set(scene, 'sid=s3cret; HttpOnly'));
  assert.equal(ask(scene, 'sid=old', { takesUnmarked: true }).cookies, 'sid=old');
  assert.equal(ask(scene, cookie, { takesUnmarked: true, user: 'bob' }).cookies, undefined, 'not another’s');
});

test('bound cookies: a route without an identity takes the mark off for its owner, and the cookie out for all others (9 B17)', () => {
  const scene = boundCookies([routeAt('/'), routeAt('/public', { access: 'public', bind: 'off' })]);
  const cookie = pairOf(set(scene, 'sid=s3cret; HttpOnly'));
  const route = routeAt('/public', { access: 'public', bind: 'off' });
  const open = (user: string) => ask(scene, `${cookie}; sid2=1`, { user, route, isIdentified: false });
  assert.deepEqual(open('alice'), { cookies: 'sid=s3cret; sid2=1', expires: [] });
  assert.deepEqual(open('bob'), { cookies: 'sid2=1', expires: [] });
  assert.deepEqual(open(''), { cookies: 'sid2=1', expires: [] });
});

test('bound cookies: which are bound is the route’s to say (9 B17)', () => {
  const routes = {
    httpOnly: routeAt('/a'),
    all: routeAt('/b', { bind: 'all' }),
    named: routeAt('/c', { bind: ['sid'] }),
    off: routeAt('/d', { bind: 'off' }),
  };
  const scene = boundCookies(Object.values(routes));
  const isBound = (route: ForwardingRoute, line: string): boolean => set(scene, line, { route }) !== line;
  const table = Object.entries(routes).map(([name, route]) => [
    name,
    ...['sid=1', 'sid=1; HttpOnly', 'x=1', 'x=1; httponly', 'x=1; HTTPONLY=yes'].map((line) => isBound(route, line)),
  ]);
  assert.deepEqual(table, [
    ['httpOnly', false, true, false, true, true],
    ['all', true, true, true, true, true],
    ['named', true, true, false, false, false],
    ['off', false, false, false, false, false],
  ]);
  assert.equal(ask(scene, 'sid=1', { route: routes.off }).cookies, 'sid=1');
  const before = boundCookies([routes.named]);
  assert.equal(
    ask(before, 'sid=1; x=1', { route: routes.named }).cookies,
    'x=1',
    'a name that is written is known at once',
  );
});

test('bound cookies: deletions pass, and teach nothing (9 B17)', () => {
  const clock = manualClock();
  const scene = boundCookies([routeAt('/')], { clock });
  const past = new Date(clock.now() - 1000).toUTCString();
  const later = new Date(clock.now() + 60_000).toUTCString();
  for (const line of [
    'sid=; HttpOnly; Max-Age=0',
    'sid=gone; HttpOnly; Max-Age=-1',
    `sid=gone; HttpOnly; Expires=${past}`,
    'sid=gone; HttpOnly; expires=Thu, 01-Jan-1970 00:00:01 GMT',
    `sid=; HttpOnly; Expires=${later}; Max-Age=0`,
  ])
    assert.equal(set(scene, line), line);
  assert.equal(ask(scene, 'sid=1').cookies, 'sid=1');
  for (const line of [
    `sid=1; HttpOnly; Expires=${later}`,
    `sid=1; HttpOnly; Max-Age=5; Expires=${past}`,
    'sid=; HttpOnly',
  ])
    assert.notEqual(set(scene, line), line);
});

test('bound cookies: a wider Domain and a cookie without room are left alone, said once, and pass (9 B17)', () => {
  const log = keptLog();
  const scene = boundCookies([routeAt('/')], { log, hosts: ['cc.example.com', 'example.com', 'a.sub.example.org'] });
  const wide = 'sid=1; HttpOnly; Domain=.example.com';
  const long = `big=${'x'.repeat(4096 - 3 - 16)}; HttpOnly`;
  const fits = `fit=${'x'.repeat(4096 - 3 - 17)}; HttpOnly`;
  for (let turn = 0; turn < 3; turn += 1) {
    assert.equal(set(scene, wide), wide);
    assert.equal(set(scene, 'up=1; HttpOnly; Domain=sub.example.org', { at: 'sub.example.org' }).includes('~'), false);
    assert.equal(set(scene, long), long);
  }
  assert.notEqual(set(scene, fits), fits);
  assert.match(set(scene, 'own=1; HttpOnly; Domain=CC.example.com'), /^own=1~[\w-]{16}; HttpOnly; Domain=CC/);
  assert.deepEqual(
    log.lines.map(({ level, fields }) => [level, (fields as { cookie: string }).cookie]),
    [
      ['warn', 'sid'],
      ['warn', 'up'],
      ['warn', 'big'],
    ],
  );
  assert.equal(ask(scene, `sid=1; ${pairOf(long)}`).cookies, `sid=1; ${pairOf(long)}`);
  assert.deepEqual(ask(scene, pairOf(set(scene, 'own=1; HttpOnly; Domain=cc.example.com')), { user: 'bob' }).expires, [
    'own=; Path=/app; Max-Age=0',
    'own=; Path=/app; Domain=cc.example.com; Max-Age=0',
  ]);
});

test('bound cookies: a name that is also set where it cannot be bound is no longer missed without its mark (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  const cookie = pairOf(set(scene, 'sid=1; HttpOnly'));
  set(scene, 'sid=2');
  assert.equal(ask(scene, 'sid=2').cookies, 'sid=2');
  assert.equal(ask(scene, cookie, { user: 'bob' }).cookies, undefined, 'a mark still counts');
});

test('bound cookies: cookies of the gateway, without a name, and answers to nobody stay as they are (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  for (const line of ['gatehouse=x; HttpOnly', '=x; HttpOnly', 'x; HttpOnly', '']) assert.equal(set(scene, line), line);
  const target = { path: '/', query: '', host, port: '80' };
  assert.equal(scene.cookies.mark('sid=1; HttpOnly', { route: routeAt('/'), target }), 'sid=1; HttpOnly');
});

test('bound cookies: an application’s own text that looks like a mark passes as it is (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  const own = `_abck=0123~abcdefghijklmnop; x=~${'Z'.repeat(16)}`;
  assert.deepEqual(ask(scene, own), { cookies: own, expires: [] });
  const line = set(scene, `sid=a~${'Z'.repeat(16)}; HttpOnly`);
  assert.equal(ask(scene, pairOf(line)).cookies, `sid=a~${'Z'.repeat(16)}`, 'one mark is taken off');
});

test('bound cookies: earlier keys of the ring verify, a ring of another site does not (9 B17)', () => {
  const [one, two] = [new SealKey(randomBytes(32)), new SealKey(randomBytes(32))];
  const before = boundCookies([routeAt('/')], { sealer: new Sealer([one]) });
  const cookie = pairOf(set(before, 'sid=1; HttpOnly'));
  const rotated = boundCookies([routeAt('/')], { sealer: new Sealer([two, one]), store: before.store });
  assert.equal(ask(rotated, cookie).cookies, 'sid=1');
  assert.equal(ask(rotated, cookie, { user: 'bob' }).expires.length, 1);
  const read = new Sealer([one], () => [two, one]);
  const worker = boundCookies([routeAt('/')], { sealer: read });
  assert.equal(
    ask(worker, pairOf(set(rotated, 'sid=2; HttpOnly'))).cookies,
    'sid=2',
    'a key that another worker has made',
  );
});

test('bound cookies: names are known after a restart and on another worker, 32 a route (9 B17)', async () => {
  const store = new MemoryStore({ now: Date.now });
  const log = keptLog();
  const first = boundCookies([routeAt('/')], { store, log });
  const worker = boundCookies([routeAt('/')], { store });
  await Promise.all([first.names.open(), worker.names.open()]);
  for (let index = 0; index < 40; index += 1) set(first, `c${index}=1; HttpOnly; Path=/`);
  await until('the other worker knows', () => ask(worker, 'c31=1').cookies === undefined);
  assert.equal(ask(worker, 'c32=1').cookies, 'c32=1');
  set(worker, 'c0=1; HttpOnly; Path=/deep');
  await Promise.all([first.names.close(), worker.names.close()]);
  const restarted = boundCookies([routeAt('/')], { store });
  await restarted.names.open();
  assert.equal(ask(restarted, 'c0=1; c31=1; c32=1').cookies, 'c32=1');
  assert.deepEqual(restarted.cookies.expirations(host).slice(0, 2), [
    'c0=; Path=/; Max-Age=0',
    'c0=; Path=/deep; Max-Age=0',
  ]);
  await restarted.names.close();
  assert.equal(log.lines.filter(({ message }) => /more bound cookies than are remembered/.test(message)).length, 8);
});

test('bound cookies: a store that takes nothing loses no answer, and what it holds of others is read as none (9 B17)', async () => {
  const store = new MemoryStore({ now: Date.now });
  const log = keptLog();
  const scene = boundCookies([routeAt('/')], {
    log,
    store: Object.assign(Object.create(store), { replace: () => Promise.reject(new Error('full')) }),
  });
  set(scene, 'sid=1; HttpOnly');
  assert.equal(ask(scene, 'sid=1').cookies, undefined);
  await scene.names.close();
  assert.match(log.text(), /could not be stored/);
  assert.doesNotMatch(log.text(), /sid=1/);
});

test('bound cookies: a sign-out expires what is bound at its host, within a small head (9 B17)', () => {
  const routes = [
    routeAt('/a', { bind: ['sid', '__Host-x'] }),
    routeAt('/b', { name: 'b' }),
    routeAt('/', { name: 'other', host: 'other.example.com' }),
    routeAt('/d', { name: 'd', bind: 'off' }),
  ];
  const [, b, other] = routes;
  const scene = boundCookies(routes);
  set(scene, 'b=1; HttpOnly; Path=/b; Secure; Partitioned', { route: b! });
  set(scene, 'o=1; HttpOnly; Path=/', { route: other!, at: 'other.example.com' });
  assert.deepEqual(scene.cookies.expirations(host), [
    'sid=; Path=/; Max-Age=0',
    'sid=; Path=/a; Max-Age=0',
    '__Host-x=; Path=/; Max-Age=0',
    '__Host-x=; Path=/a; Max-Age=0',
    'b=; Path=/b; Max-Age=0; Secure; SameSite=None; Partitioned',
  ]);
  for (let index = 0; index < 32; index += 1)
    set(scene, `name-of-some-length-${index}=1; HttpOnly; Path=/a/path/of/some/length`, { route: b! });
  assert.ok(scene.cookies.expirations(host).join('').length <= 2048);
});

test('bound cookies: whatever an application sets comes back to it as it was, and never to another account (9 B17)', () => {
  const octets = fc.stringMatching(/^[!#-+\--:<-~\x80-\xff]*$/);
  const name = fc
    .stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/)
    .filter((text) => !/^(?:__host-)?gatehouse/i.test(text));
  fc.assert(
    fc.property(name, octets, (key, value) => {
      const scene = boundCookies([routeAt('/')]);
      const cookie = pairOf(set(scene, `${key}=${value}; HttpOnly`));
      fc.pre(key.length + value.length < 4000);
      assert.equal(ask(scene, cookie).cookies, `${key}=${value}`);
      assert.equal(ask(scene, cookie, { user: 'bob' }).cookies, undefined);
      assert.equal(ask(scene, `${key}=${value}`).cookies, undefined);
    }),
    trials(),
  );
});

test('bound cookies: hostile cookies take no time (9 B17)', () => {
  const scene = boundCookies([routeAt('/')]);
  set(scene, 'sid=1; HttpOnly');
  const bytes = 60_000;
  const hostile = [
    ' '.repeat(bytes),
    `x=${' a'.repeat(bytes / 2)}`,
    '~'.repeat(bytes),
    `x=${','.repeat(bytes)}`,
    ';'.repeat(bytes),
  ];
  hostile.push(`x=a${' '.repeat(bytes)}b`, `x=${`~${'a'.repeat(16)} `.repeat(bytes / 18)}`, `x=,${'a'.repeat(bytes)}`);
  // Where one of them were read in quadratic time, the test would not end.
  for (const cookie of hostile) assert.ok(ask(scene, cookie));
});
