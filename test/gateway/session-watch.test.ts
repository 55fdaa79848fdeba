/** What is live on a session: WebSockets and event streams, and how they end with it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const limit = 2000;

/** A WebSocket of a signed-in browser; resolves when it is open. */
async function openSocket(
  t: TestContext,
  { url }: Site,
  browser: Visitor,
  path = '/live',
  headers: Record<string, string> = {},
): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${url.host}${path}`, {
    headers: { cookie: browser.cookieHeader, origin: url.origin, ...headers },
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** An event stream; `ended` resolves with the time it took from the call on. */
async function openStream(
  t: TestContext,
  { url }: Site,
  browser: Visitor,
  path = '/sse',
): Promise<{ ended: Promise<unknown> }> {
  const request = http.get(`${url.origin}${path}`, { headers: { cookie: browser.cookieHeader } });
  t.after(() => request.destroy());
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  assert.equal(response.statusCode, 200);
  const ended = new Promise((resolve) => response.once('close', resolve).on('error', () => undefined));
  await once(response, 'data');
  return { ended };
}

test('live: a WebSocket of a signed-in browser works both ways and the upstream sees who it is', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = await openSocket(t, started, browser, '/live', { 'x-remote-user': 'admin', X_Remote_User: 'admin' });
  socket.send('hello');
  const [data] = await once(socket, 'message');
  assert.equal(String(data), 'hello');
  const received = started.upstream.received.find(({ url }) => url === '/live');
  assert.deepEqual(received?.values('x-remote-user'), ['agent1']);
  assert.equal(
    received?.names.some((name) => name.includes('_')),
    false,
  );
  assert.deepEqual(received?.values('cookie'), []);
});

const refusals = {
  'without a session': { path: '/live', signedIn: false, headers: {}, status: 401 },
  'from another origin': { path: '/live', signedIn: true, headers: { origin: 'https://evil.example' }, status: 403 },
  'from a sandboxed page': { path: '/live', signedIn: true, headers: { origin: 'null' }, status: 403 },
  'where the route takes none': { path: '/plain/live', signedIn: true, headers: {}, status: 400 },
  'where nothing but the portal is': { path: '/_gate/session', signedIn: true, headers: {}, status: 404 },
} as const;
for (const [name, { path, signedIn, headers, status }] of Object.entries(refusals))
  test(`live: a WebSocket ${name} is refused with ${status}`, async (t) => {
    const started = await site(t);
    const browser = started.visitor();
    if (signedIn) await browser.mustSignIn('agent1', passwords.agent1);
    const before = started.upstream.received.length;
    const socket = new WebSocket(`ws://${started.url.host}${path}`, {
      headers: { cookie: browser.cookieHeader, origin: started.url.origin, ...headers },
    });
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, http.IncomingMessage];
    assert.equal(response.statusCode, status);
    response.destroy();
    assert.equal(started.upstream.received.length, before, 'the upstream heard nothing');
  });

const ends = {
  'the user’s logout': async (_started: Site, browser: Visitor) => {
    const page = await browser.open('/_gate/logout');
    await browser.post('/_gate/logout', hiddenFields(page.text));
  },
  'an operator’s revocation of the session': async ({ admin }: Site, browser: Visitor) => {
    const { session } = JSON.parse((await browser.fetch('/_gate/session')).text);
    assert.equal((await fetch(new URL(`/sessions/${session.id}`, admin), { method: 'DELETE' })).ok, true);
  },
  'an operator’s revocation of the user': async ({ admin }: Site) => {
    assert.equal((await fetch(new URL('/sessions?user=agent1', admin), { method: 'DELETE' })).ok, true);
  },
};
for (const [name, end] of Object.entries(ends))
  test(`live: ${name} cuts WebSockets with 1008 and event streams, both within 2 s`, async (t) => {
    const started = await site(t);
    const browser = started.visitor();
    await browser.mustSignIn('agent1', passwords.agent1);
    const other = started.visitor();
    await other.mustSignIn('supervisor1', passwords.supervisor1);
    const socket = await openSocket(t, started, browser);
    const stream = await openStream(t, started, browser);
    const bystander = await openSocket(t, started, other);
    const closed = once(socket, 'close');
    await end(started, browser);
    await endsWithin(limit, 'the WebSocket', closed);
    assert.equal((await closed)[0], 1008);
    await endsWithin(limit, 'the event stream', stream.ended);
    assert.equal(bystander.readyState, WebSocket.OPEN, 'somebody else’s goes on');
  });

test('live: idle time ends a session and its WebSocket where the route’s requests do not count, frames or not', async (t) => {
  const clock = manualClock(Date.now());
  const started = await site(t, { clock, config: { session: { idle: '10m', store: { type: 'memory' } } } });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = await openSocket(t, started, browser, '/poll/live');
  clock.advance(6 * 60_000);
  assert.equal((await browser.fetch('/poll/state')).status, 200, 'still signed in');
  socket.send('ping');
  clock.advance(5 * 60_000);
  const closed = once(socket, 'close');
  await endsWithin(limit, 'the WebSocket', closed);
  assert.equal((await closed)[0], 1008);
  assert.equal((await browser.fetch('/poll/state')).status, 401);
  const page = await browser.open('/x');
  assert.match(String(page.headers.location), /notice=session-idle/);
});

test('live: requests that count keep a session past its idle time, never past its lifetime', async (t) => {
  const clock = manualClock(Date.now());
  const { visitor } = await site(t, {
    clock,
    config: { session: { idle: '10m', lifetime: '25m', store: { type: 'memory' } } },
  });
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  for (const _ of [1, 2, 3]) {
    clock.advance(8 * 60_000);
    assert.equal((await browser.fetch('/x')).status, 200);
  }
  clock.advance(2 * 60_000);
  assert.equal((await browser.fetch('/x')).status, 401);
});

test('live: a location with maxAge asks for the password again, goes on under a new id, and keeps what is live', async (t) => {
  const clock = manualClock(Date.now());
  const started = await site(t, { clock });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  assert.equal((await browser.fetch('/fresh/x')).status, 200);
  const socket = await openSocket(t, started, browser);
  clock.advance(6 * 60_000);
  assert.equal((await browser.fetch('/x')).status, 200, 'other places do not ask');
  const script = await browser.fetch('/fresh/x');
  assert.equal(script.status, 401);
  const { location } = (await browser.open('/fresh/x')).headers;
  assert.equal(location, '/_gate/login?return=%2Ffresh%2Fx&confirm=1');
  const page = await browser.open(String(location));
  const before = browser.cookies.get('gatehouse');
  const wrong = await browser.post('/_gate/login', {
    ...hiddenFields(page.text),
    username: 'supervisor1',
    password: passwords.supervisor1,
  });
  assert.equal(wrong.status, 401, 'somebody else’s password does not confirm this session');
  const answer = await browser.post('/_gate/login', {
    ...hiddenFields(page.text),
    username: 'agent1',
    password: passwords.agent1,
  });
  assert.equal(answer.status, 303);
  assert.notEqual(browser.cookies.get('gatehouse'), before);
  assert.equal((await browser.fetch('/fresh/x')).status, 200);
  assert.equal(socket.readyState, WebSocket.OPEN);
  const closed = once(socket, 'close');
  await fetch(new URL('/sessions?user=agent1', started.admin), { method: 'DELETE' });
  await endsWithin(limit, 'the WebSocket after the step-up', closed);
});

test('live: who signs in once more in another tab keeps what is live in the first, under a new id', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  const page = await browser.open('/_gate/login');
  await browser.mustSignIn('agent1', passwords.agent1);
  const old = browser.cookies.get('gatehouse') ?? '';
  const socket = await openSocket(t, started, browser);
  const again = { ...hiddenFields(page.text), username: 'AGENT1', password: passwords.agent1 };
  assert.equal((await browser.post('/_gate/login', again)).status, 303);
  assert.notEqual(browser.cookies.get('gatehouse'), old);
  const before = started.visitor();
  before.cookies.set('gatehouse', old);
  assert.equal((await before.fetch('/app')).status, 401, 'the old id is dead');
  socket.send('still here');
  const [data] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
  assert.equal(String(data), 'still here');
  const closed = once(socket, 'close');
  const leaving = await browser.open('/_gate/logout');
  await browser.post('/_gate/logout', hiddenFields(leaving.text));
  const [code] = await endsWithin(limit, 'the WebSocket of the first tab', closed);
  assert.equal(code, 1008);
});

test('live: another user’s login in the same browser ends what the one before had live', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = await openSocket(t, started, browser);
  const closed = once(socket, 'close');
  const page = await browser.open('/_gate/login?switch=1');
  const other = { ...hiddenFields(page.text), username: 'supervisor1', password: passwords.supervisor1 };
  assert.equal((await browser.post('/_gate/login', other)).status, 303);
  const [code] = await endsWithin(limit, 'the WebSocket of the other user', closed);
  assert.equal(code, 1008);
});

test('live: a confirmation that is sent twice is right both times, and the last answer is good', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const page = await browser.open('/_gate/login?confirm=1&return=/fresh/x');
  const form = { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 };
  const answers = await Promise.all([1, 2, 3].map(() => browser.post('/_gate/login', form)));
  assert.deepEqual(
    answers.map(({ status, headers }) => [status, headers.location]),
    Array(3).fill([303, '/fresh/x']),
  );
  assert.equal((await browser.fetch('/fresh/x')).status, 200);
  const { sessions } = (await (await fetch(new URL('/sessions', started.admin))).json()) as { sessions: object[] };
  assert.equal(sessions.length, 1);
});

test('live: a login form that is sent twice leaves nothing live after the logout', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = await openSocket(t, started, browser);
  const page = await browser.open('/_gate/login?switch=1');
  const form = { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 };
  const old = browser.cookies.get('gatehouse') ?? '';
  for (let time = 0; time < 2; time++) {
    browser.cookies.set('gatehouse', old);
    assert.equal((await browser.post('/_gate/login', form)).status, 303);
  }
  const closed = once(socket, 'close');
  const leaving = await browser.open('/_gate/logout');
  await browser.post('/_gate/logout', hiddenFields(leaving.text));
  const [code] = await endsWithin(limit, 'the WebSocket of before', closed);
  assert.equal(code, 1008);
  const { sessions } = (await (await fetch(new URL('/sessions', started.admin))).json()) as { sessions: object[] };
  assert.deepEqual(sessions, []);
});

test('live: frames keep a session alive where the route’s requests count', async (t) => {
  const clock = manualClock(Date.now());
  const started = await site(t, { clock, config: { session: { idle: '10m', store: { type: 'memory' } } } });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = await openSocket(t, started, browser);
  clock.advance(6 * 60_000);
  socket.send('still here');
  await once(socket, 'message');
  clock.advance(6 * 60_000);
  assert.equal((await browser.fetch('/x')).status, 200);
});

test('live: frames keep a session alive long after it has gone on under a new id', async (t) => {
  const clock = manualClock(Date.now());
  const started = await site(t, { clock, config: { session: { idle: '30m', store: { type: 'memory' } } } });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = await openSocket(t, started, browser);
  const page = await browser.open('/_gate/login?switch=1');
  await browser.post('/_gate/login', { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 });
  // What is left of a session that ended is forgotten by then.
  clock.advance(20 * 60_000);
  socket.send('still here');
  await once(socket, 'message');
  clock.advance(20 * 60_000);
  assert.equal((await browser.fetch('/_gate/session')).status, 200);
});

test('live: a logout on one worker cuts what is live on another within 2 s, by the store that they share', async (t) => {
  const store = { session: { store: { type: 'embedded', path: await temporaryFolder(t) } } };
  const [here, there] = [await site(t, { config: store }), await site(t, { config: store })];
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const elsewhere = there.visitor();
  elsewhere.cookies.set('gatehouse', browser.cookies.get('gatehouse') ?? '');
  const socket = await openSocket(t, there, elsewhere);
  const stream = await openStream(t, there, elsewhere);
  // The registry looks after connections that have lasted for a moment.
  await until('the other worker counts the socket', async () => (await elsewhere.fetch('/x')).status === 200);
  const closed = once(socket, 'close');
  const page = await browser.open('/_gate/logout');
  await browser.post('/_gate/logout', hiddenFields(page.text));
  await endsWithin(limit, 'the WebSocket on the other worker', closed);
  assert.equal((await closed)[0], 1008);
  await endsWithin(limit, 'the event stream on the other worker', stream.ended);
  assert.equal((await elsewhere.fetch('/x')).status, 401);
});

/** What is open at a place, and a configuration by which it would not be opened. */
const losses: Record<string, { path: string; signsIn?: boolean; change: (config: Yaml) => Yaml }> = {
  'a role that the route asks for': {
    path: '/admin/live',
    change: (config) => ({ ...config, roles: { supervisor: { groups: ['nobody'] }, agent: { groups: ['agents'] } } }),
  },
  'a route that is closed': { path: '/live', change: (config) => closing(config, '/') },
  'a public route that is closed': {
    path: '/public/live',
    signsIn: false,
    change: (config) => closing(config, '/public'),
  },
  'a provider that leaves the chain': {
    path: '/live',
    change: (config) => ({
      ...config,
      login: { chain: ['other'] },
      providers: { other: { type: 'local', users: 'users.yaml' } },
    }),
  },
};

function closing(config: Yaml, location: string): Yaml {
  const routes = config.routes as { location: string }[];
  return { ...config, routes: routes.map((one) => (one.location === location ? { ...one, access: 'deny' } : one)) };
}

/** The site's configuration, with WebSockets everywhere. */
function openConfig(origin: string): Yaml {
  const config = siteConfig(origin);
  return { ...config, routes: (config.routes as object[]).map((route) => ({ ...route, websocket: true })) };
}

for (const [what, { path, signsIn = true, change }] of Object.entries(losses))
  test(`live: after a reload, ${what} ends what is open there within 2 s, and nothing else`, async (t) => {
    const started = await site(t);
    const config = openConfig(started.upstream.origin);
    await started.write(config);
    assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
    const browser = started.visitor();
    if (signsIn) await browser.mustSignIn('supervisor1', passwords.supervisor1);
    const socket = await openSocket(t, started, browser, path);
    const stream = await openStream(t, started, browser, path.replace('/live', '/sse'));
    const elsewhere = signsIn && path !== '/live' ? await openSocket(t, started, browser, '/plain/live') : undefined;
    const closed = once(socket, 'close');
    await started.write(change(config));
    assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
    await endsWithin(limit, 'the WebSocket', closed);
    await endsWithin(limit, 'the event stream', stream.ended);
    if (elsewhere) assert.equal(elsewhere.readyState, WebSocket.OPEN);
  });

test('live: a reload that takes nothing away ends nothing, and the age of a proof closes nothing that is open', async (t) => {
  const clock = manualClock(Date.now());
  const started = await site(t, { clock });
  const config = openConfig(started.upstream.origin);
  await started.write(config);
  await started.running.reload({ actor: 'signal' });
  const browser = started.visitor();
  await browser.mustSignIn('supervisor1', passwords.supervisor1);
  const sockets = await Promise.all(
    ['/fresh/live', '/admin/live', '/live'].map((path) => openSocket(t, started, browser, path)),
  );
  clock.advance(6 * 60_000);
  const judged = once(await openSocket(t, started, browser, '/plain/live'), 'close');
  await started.write(closing(config, '/plain/'));
  await started.running.reload({ actor: 'signal' });
  await endsWithin(limit, 'what was closed', judged);
  for (const socket of sockets) assert.equal(socket.readyState, WebSocket.OPEN);
  assert.equal((await browser.fetch('/fresh/x')).status, 401, 'the next opening is asked for a fresh proof');
});

test('sessions: one whose provider has left the chain ends at its next request, and is said to have ended', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const providers = { other: { type: 'local', users: 'users.yaml' } };
  await started.write({ ...siteConfig(started.upstream.origin), login: { chain: ['other'] }, providers });
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const before = started.upstream.received.length;
  const page = await browser.open('/x');
  assert.match(String(page.headers.location), /notice=session-ended/);
  assert.equal(started.upstream.received.length, before);
  assert.equal(started.audit('session-end').at(-1)?.reason, 'provider-gone');
});
