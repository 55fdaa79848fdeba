/** One login for several hosts: the way there and back, what counts for all of them, and what nobody can make of it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { scan, takeStep } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const sso = 'http://sso.test';
const desk = 'http://desk.example';
const reports = 'http://reports.test';
const finesse = 'http://sso.test:8445';
const cookie = 'gatehouse';

/** A site whose people sign in at `sso.test`. */
async function hosts(
  t: TestContext,
  { config = {}, clock = manualClock() }: { config?: Yaml; clock?: ReturnType<typeof manualClock> } = {},
): Promise<Site & { readonly clock: typeof clock; browser(): Browser }> {
  const upstream = await startUpstream(t);
  const base = siteConfig(upstream.origin);
  const at = (host: string) => [
    {
      ...{ name: `${host} home`, host, location: '/', upstream: upstream.origin, websocket: true, replayPosts: true },
      ...{ label: `The home of ${host}`, start: false },
    },
    { name: `${host} fresh`, host, location: '/fresh/', upstream: upstream.origin, access: { maxAge: '5m' } },
    { name: `${host} admin`, host, location: '/admin', upstream: upstream.origin, access: { roles: ['supervisor'] } },
  ];
  const started = await site(t, {
    clock,
    config: {
      ...base,
      server: { publicUrl: sso },
      routes: [
        ...(base.routes as object[]),
        ...['desk.example', 'reports.test', 'sso.test:8445'].flatMap(at),
        { host: '*.wild.test', location: '/', upstream: upstream.origin },
      ],
      ...config,
    },
  });
  return { ...started, upstream, clock, browser: () => new Browser(t, Number(started.url.port)) };
}

const path = (address: string | undefined): string => new URL(address ?? '').pathname;

test('hand-over: who signs in for one host is signed in at all of them, and each has a token of its own', async (t) => {
  const { browser, upstream, audit } = await hosts(t);
  const one = browser();
  const { trail, answer } = await one.signIn(`${desk}/x?y=1`, 'agent1', passwords.agent1);
  assert.equal(answer.status, 200);
  assert.equal(trail.at(-1), `${desk}/x?y=1`);
  assert.deepEqual(
    trail.map((address) => new URL(address).origin),
    [sso, desk, desk],
  );
  assert.equal(upstream.received.at(-1)?.values('x-remote-user').join(), 'agent1');
  const elsewhere = await one.follow(`${reports}/r`);
  assert.equal(elsewhere.answer.status, 200);
  assert.deepEqual(elsewhere.trail.map(path), ['/r', '/_gate/login', '/_gate/handover', '/_gate/handover', '/r']);
  assert.equal((await one.open(`${sso}/home`)).status, 200);
  const tokens = [sso, desk, reports].map((origin) => one.at(origin).cookies.get(cookie));
  assert.equal(new Set(tokens).size, 3);
  assert.ok(tokens.every((token) => /^[\w-]{43}$/.test(token ?? '')));
  const sessions = new Set(audit('handover').map(({ session }) => session));
  assert.deepEqual(
    audit('handover').map(({ host, user }) => [host, user]),
    [
      ['desk.example', 'agent1'],
      ['reports.test', 'agent1'],
    ],
  );
  assert.equal(sessions.size, 1, 'one session');
  assert.equal(audit('login').length, 1, 'one login');
});

test('hand-over: the login page says the label of the application at the other host', async (t) => {
  const { browser } = await hosts(t);
  const { answer } = await browser().follow(`${desk}/x?y=1`);
  assert.match(answer.text, /to continue to The home of desk\.example</);
});

test('hand-over: a token of one host is nothing at another, and the session’s own at none but the public one', async (t) => {
  const { browser } = await hosts(t);
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  await one.follow(`${reports}/`);
  const origins = [sso, desk, reports];
  for (const from of origins)
    for (const to of origins) {
      const thief = browser();
      thief.at(to).cookies.set(cookie, one.at(from).cookies.get(cookie) ?? '');
      assert.equal((await thief.at(to).fetch('/x')).status, from === to ? 200 : 401, `${from} at ${to}`);
    }
});

test('hand-over: ports of the public host share its cookie, and get no token', async (t) => {
  const { browser, upstream } = await hosts(t);
  const one = browser();
  const { trail, answer } = await one.signIn(`${finesse}/desk`, 'agent1', passwords.agent1);
  assert.equal(answer.status, 200);
  assert.equal(trail.at(-1), `${finesse}/desk`);
  assert.equal(upstream.received.at(-1)?.values('x-forwarded-host').join(), 'sso.test:8445');
  const token = one.at(sso).cookies.get(cookie);
  assert.equal(one.at(finesse).cookies.get(cookie), token);
  assert.equal((await one.open(`${sso}/home`)).status, 200);
  const out = await one.at(finesse).post('/_gate/logout', {});
  assert.equal(out.status, 200);
  assert.equal((await one.at(sso).fetch('/x')).status, 401);
});

for (const from of [desk, sso] as const)
  test(`hand-over: a logout at ${from} ends the session everywhere, and clears the cookie there`, async (t) => {
    const { browser, audit } = await hosts(t);
    const one = browser();
    await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
    await one.follow(`${reports}/`);
    const page = await one.open(`${from}/_gate/logout`);
    assert.match(page.text, /agent1/);
    const fields = hiddenFields(page.text);
    const stranger = await one.at(from).post('/_gate/logout', {}, { origin: reports, 'sec-fetch-site': 'cross-site' });
    assert.equal(stranger.status, 403);
    assert.equal((await one.at(from).post('/_gate/logout', fields)).status, 200);
    assert.equal(one.at(from).cookies.has(cookie), false);
    for (const origin of [sso, desk, reports]) {
      const answer = await one.at(origin).fetch('/x');
      assert.equal(answer.status, 401, origin);
    }
    assert.deepEqual(
      audit('logout').map(({ user }) => user),
      ['agent1'],
    );
    const again = await one.follow(`${desk}/x`);
    assert.equal(path(again.trail.at(-1)), '/_gate/login');
  });

test('hand-over: a script and a WebSocket get 401 with the login address of their host', async (t) => {
  const { browser } = await hosts(t);
  const one = browser();
  const answer = await one.at(desk).fetch('/api?x=1');
  assert.equal(answer.status, 401);
  assert.equal(answer.headers['www-authenticate'], undefined);
  const { login } = JSON.parse(answer.text);
  assert.equal(login, '/_gate/login?return=%2Fapi%3Fx%3D1');
  const { answer: page } = await one.follow(desk + login);
  assert.match(page.text, /name="password"/);
});

test('hand-over: idleness, revocation and activity are the session’s', async (t) => {
  const clock = manualClock();
  const { browser, running } = await hosts(t, { clock });
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  clock.advance(20 * 60_000);
  assert.equal((await one.at(desk).fetch('/x')).status, 200);
  clock.advance(20 * 60_000);
  assert.equal((await one.at(sso).fetch('/x')).status, 200, 'seen at the other host');
  clock.advance(31 * 60_000);
  const idle = await one.open(`${desk}/x`);
  assert.equal(idle.headers.location, '/_gate/login?return=%2Fx&notice=session-idle');
  const { answer } = await one.follow(`${desk}/x`);
  assert.match(answer.text, /signed out|inactiv|idle/i);
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  assert.equal(await running.gateway.sessions.revokeUser('agent1', 'revoked'), 1);
  assert.equal((await one.at(desk).fetch('/x')).status, 401);
  assert.equal((await one.at(sso).fetch('/x')).status, 401);
});

test('hand-over: a step-up is proved at the public host, counts at all, and leaves the tokens of the others', async (t) => {
  const clock = manualClock();
  const { browser } = await hosts(t, { clock });
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  await one.follow(`${reports}/`);
  const before = [sso, desk, reports].map((origin) => one.at(origin).cookies.get(cookie));
  clock.advance(6 * 60_000);
  const { trail, answer } = await one.follow(`${desk}/fresh/a`);
  assert.equal(new URL(trail.at(-1) ?? '').searchParams.get('confirm'), '1', trail.join(' → '));
  clock.advance(1000);
  const sent = await one
    .at(sso)
    .post('/_gate/login', { ...hiddenFields(answer.text), username: 'agent1', password: passwords.agent1 });
  const back = await one.follow(new URL(String(sent.headers.location), sso).href);
  assert.equal(back.answer.status, 200, back.trail.join(' → '));
  assert.equal(back.trail.at(-1), `${desk}/fresh/a`);
  const after = [sso, desk, reports].map((origin) => one.at(origin).cookies.get(cookie));
  assert.notEqual(after[0], before[0], 'rotated');
  assert.deepEqual(after.slice(1), before.slice(1));
  assert.equal((await one.open(`${reports}/fresh/b`)).status, 200);
  clock.advance(16 * 60_000);
  assert.equal((await one.at(reports).fetch('/x')).status, 200, 'when the rotated session is forgotten, too');
});

test('hand-over: a location at a further host that asks for a level gets it by a factor at the public host', async (t) => {
  const clock = manualClock(Date.now());
  const upstream = await startUpstream(t);
  const { browser } = await hosts(t, {
    clock,
    config: {
      factors: { app: { type: 'totp' } },
      routes: [
        { location: '/', upstream: upstream.origin },
        { host: 'desk.example', location: '/', upstream: upstream.origin },
        { host: 'desk.example', location: '/vault/', upstream: upstream.origin, access: { level: 2 } },
        { host: 'reports.test', location: '/', upstream: upstream.origin, access: { level: 2 } },
      ],
    },
  });
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  const asked = await one.follow(`${desk}/vault/a?b=1`);
  assert.equal(new URL(asked.trail.at(-1) ?? '').origin, sso, asked.trail.join(' → '));
  assert.equal(
    upstream.received.some(({ url }) => url?.startsWith('/vault/')),
    false,
  );
  // The first factor is set up on the way.
  const choosing = /<svg class="qr"/.test(asked.answer.text)
    ? asked.answer
    : await one.at(sso).open(String((await takeStep(one.at(sso), asked.answer, {})).headers.location));
  const phone = scan(choosing);
  const done = await takeStep(one.at(sso), choosing, { code: phone.at(clock.now()) });
  const back = await one.follow(new URL(String(done.headers.location), sso).href);
  assert.equal(back.trail.at(-1), `${desk}/vault/a?b=1`, back.trail.join(' → '));
  assert.equal(back.answer.status, 200);
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-level'), ['2']);
  // What was proved counts at the other host too, and nobody is asked twice.
  const elsewhere = await one.follow(`${reports}/r`);
  assert.equal(elsewhere.answer.status, 200, elsewhere.trail.join(' → '));
  assert.equal(
    elsewhere.trail.some((address) => path(address) === '/_gate/factor'),
    false,
    elsewhere.trail.join(' → '),
  );
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-level'), ['2']);
});

test('hand-over: a form is kept and offered again at its host', async (t) => {
  const { browser, upstream } = await hosts(t);
  const one = browser();
  const kept = await one.at(desk).post('/save', { note: 'hello' });
  assert.equal(kept.status, 303);
  const { trail, answer } = await one.signIn(desk + String(kept.headers.location), 'agent1', passwords.agent1);
  assert.match(trail.at(-1) ?? '', /^http:\/\/desk\.example\/_gate\/replay\?id=/);
  assert.match(answer.text, /action="\/save"/);
  assert.equal(upstream.received.length, 0);
});

test('hand-over: another user at the public host leaves nothing of the first at the others', async (t) => {
  const { browser, upstream, clock } = await hosts(t);
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  clock.advance(1000);
  const old = one.at(desk).cookies.get(cookie) ?? '';
  const { trail, answer } = await one.follow(`${desk}/_gate/login?switch=1&return=/x`);
  assert.equal(new URL(trail.at(-1) ?? '').searchParams.get('switch'), '1');
  clock.advance(1000);
  const fields = { ...hiddenFields(answer.text), username: 'supervisor1', password: passwords.supervisor1 };
  const sent = await one.at(sso).post('/_gate/login', fields);
  const back = await one.follow(new URL(String(sent.headers.location), sso).href);
  assert.equal(back.trail.at(-1), `${desk}/x`);
  assert.equal(upstream.received.at(-1)?.values('x-remote-user').join(), 'supervisor1');
  const thief = browser();
  thief.at(desk).cookies.set(cookie, old);
  assert.equal((await thief.at(desk).fetch('/x')).status, 401);
});

test('hand-over: other pages live at the public host alone', async (t) => {
  const { browser } = await hosts(t);
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  assert.equal((await one.open(`${desk}/_gate/session?x=1`)).headers.location, `${sso}/_gate/session`);
  assert.equal(JSON.parse((await one.at(desk).fetch('/_gate/session')).text).user, 'agent1');
  assert.equal((await one.open(`${desk}/_gate/start/local?return=/x`)).headers.location, `${sso}/_gate/start/local`);
  assert.equal((await one.at(desk).post('/_gate/login', { username: 'agent1', password: 'x' })).status, 421);
  assert.equal((await one.at(desk).fetch('/_gate/jwks.json')).status, 200);
});

test('hand-over: check says at which hosts nobody can sign in', async (t) => {
  const { file } = await hosts(t);
  const { code, stderr } = await run(['check', '--config', file]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /gatehouse\.yaml:\d+:\d+.*host.*is a wildcard, and no session is handed over/);
  assert.match(stderr, /write each host out, such as desk\.wild\.test/);
});

test('hand-over: a circle ends with a page where the browser keeps no token of the host', async (t) => {
  const { browser } = await hosts(t);
  const one = browser();
  await one.signIn(`${desk}/`, 'agent1', passwords.agent1);
  let answer = await one.open(`${desk}/x`);
  for (let turn = 0; turn < 12 && answer.status !== 508; turn += 1) {
    one.at(desk).cookies.delete(cookie);
    const login = await one.open(`${desk}/_gate/login?return=/x`);
    if (login.status === 508) answer = login;
    else answer = await one.open(String((await one.open(String(login.headers.location))).headers.location));
  }
  assert.equal(answer.status, 508);
});
