/** Signing in and out through a whole gateway, as a browser without a window does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

test('login: a page without a session leads to the login page and back, and the upstream learns who it is', async (t) => {
  const { upstream, visitor } = await site(t);
  const browser = visitor();
  const first = await browser.open('/desk?queue=1');
  assert.equal(first.status, 302);
  assert.equal(first.headers.location, '/_gate/login?return=%2Fdesk%3Fqueue%3D1');
  const answer = await browser.signIn('agent1', passwords.agent1, '/desk?queue=1');
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, '/desk?queue=1');
  assert.equal((await browser.open('/desk?queue=1')).status, 200);
  const received = upstream.only();
  assert.equal(received.url, '/desk?queue=1');
  assert.deepEqual(received.values('x-remote-user'), ['agent1']);
  assert.deepEqual(received.values('x-remote-name'), ['Agent One']);
  assert.deepEqual(received.values('x-remote-email'), ['agent1@example.com']);
  assert.deepEqual(received.values('x-remote-groups'), ['agents']);
  assert.deepEqual(received.values('x-remote-roles'), ['agent']);
  assert.deepEqual(received.values('x-remote-provider'), ['local']);
  assert.deepEqual(received.values('cookie'), [], 'our cookies never go upstream');
});

test('login: while a directory behind the local accounts is away, a wrong password looks like an unknown name, and counts', async (t) => {
  const directory = {
    type: 'ldap',
    url: `ldap://127.0.0.1:${await freePort()}`,
    searchBase: 'dc=example,dc=com',
    userSearchFilter: 'uid=%s',
  };
  const config = { login: { chain: ['local', 'directory'] }, providers: { directory } };
  const { visitor, audit } = await site(t, { config: { ...siteConfig('http://127.0.0.1:1'), ...config } });
  const pages = new Set<string>();
  for (const name of ['agent1', 'nobody']) {
    const { status, headers, text } = await visitor().signIn(name, 'wrong');
    const page = text.replace(/value="[^"]*"/g, '').replace(/<code>[^<]*<\/code>/g, '');
    pages.add(`${status} ${headers['retry-after']} ${page}`);
  }
  assert.deepEqual(
    [...pages].map((page) => page.slice(0, 6)),
    ['503 10'],
  );
  assert.deepEqual(
    audit('login').map(({ user, reason }) => [user, reason]),
    [
      ['agent1', 'unreachable'],
      ['nobody', 'unreachable'],
    ],
  );
  for (let guess = 0; guess < 4; guess++) await visitor().signIn('agent1', 'wrong');
  assert.equal((await visitor().signIn('agent1', 'wrong')).status, 429);
  assert.equal((await visitor().signIn('supervisor1', passwords.supervisor1)).status, 303);
});

test('login: the longest password that an account may have signs in', async (t) => {
  const password = 'p'.repeat(1024);
  const { url } = await gateway(t, {
    users: [{ name: 'dora', password }],
    config: { routes: [{ location: '/', upstream: 'http://127.0.0.1:1' }] },
  });
  assert.equal((await new Visitor(url).signIn('dora', password)).status, 303);
});

test('login: a script gets 401 with JSON that names the login page', async (t) => {
  const { upstream, visitor } = await site(t);
  const answer = await visitor().fetch('/api/calls', { headers: { accept: 'application/json' } });
  assert.equal(answer.status, 401);
  assert.deepEqual(JSON.parse(answer.text), { error: 'login-required', login: '/_gate/login?return=%2Fapi%2Fcalls' });
  assert.equal(upstream.received.length, 0);
});

test('login: a wrong password, an unknown user, an empty password and a reserved user get the same answer', async (t) => {
  const { visitor, audit } = await site(t);
  const cases = [
    ['agent1', 'wrong', 'bad-password'],
    ['nobody', 'wrong', 'unknown-user'],
    ['agent1', '   ', 'bad-password'],
    ['agent1', 'right\0wrong', 'bad-password'],
    ['xuc', 'right-xuc-internal', 'user-reserved'],
    ['XUC ', 'right-xuc-internal', 'user-reserved'],
  ] as const;
  const pages = new Set<string>();
  for (const [username, password] of cases) {
    const answer = await visitor().signIn(username, password);
    assert.equal(answer.status, 401, username);
    assert.equal(answer.headers['set-cookie']?.includes('gatehouse='), undefined);
    pages.add(answer.text.replace(/value="[^"]*"/g, '').replace(/<code>[^<]*<\/code>/g, ''));
  }
  assert.equal(pages.size, 1, 'the pages differ');
  assert.deepEqual(
    audit('login').map(({ reason }) => reason),
    cases.map(([, , reason]) => reason),
  );
});

test('login: an empty field is asked for before anybody is', async (t) => {
  const { visitor, audit } = await site(t);
  assert.equal((await visitor().signIn('agent1', '')).status, 400);
  assert.equal((await visitor().signIn('', 'something')).status, 400);
  assert.deepEqual(audit('login'), []);
});

test('login: failures lock a user whatever the spelling, with a time to wait, also for the right password', async (t) => {
  const { visitor, admin, audit } = await site(t, { config: { login: { chain: ['local'], lockout: { user: 2 } } } });
  assert.equal((await visitor().signIn('agent1', 'wrong')).status, 401);
  assert.equal((await visitor().signIn('AGENT1', 'wrong')).status, 401);
  const locked = await visitor().signIn(' Agent1 ', passwords.agent1);
  assert.equal(locked.status, 429);
  assert.ok(Number(locked.headers['retry-after']) > 0);
  assert.equal((await visitor().signIn('supervisor1', passwords.supervisor1)).status, 303);
  assert.equal((await fetch(new URL('/lockouts', admin), { method: 'DELETE' })).status, 400);
  assert.equal((await fetch(new URL('/lockouts?user=AGENT1', admin), { method: 'DELETE' })).status, 200);
  assert.equal((await visitor().signIn('agent1', passwords.agent1)).status, 303);
  assert.equal(audit('unlock')[0]?.user, 'agent1');
});

test('login: guesses whose sender hangs up count like any other', async (t) => {
  const { url, visitor, audit } = await site(t);
  const browser = visitor();
  const fields = hiddenFields((await browser.open('/_gate/login')).text);
  for (let guess = 1; guess <= 5; guess++) {
    const body = new URLSearchParams({ ...fields, username: 'agent1', password: `wrong ${guess}` }).toString();
    const form = ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`];
    const head = ['POST /_gate/login HTTP/1.1', `Host: ${url.host}`, `Cookie: ${browser.cookieHeader}`, ...form];
    await sendRaw(url, requestOf(head, body), { most: 10 });
    await until('the attempt is on record', () => audit('login').length === guess);
  }
  assert.equal((await browser.signIn('agent1', passwords.agent1)).status, 429);
});

test('login: a session gets a new id, and the one that the browser came with is dead (fixation)', async (t) => {
  const { visitor } = await site(t);
  const attacker = visitor();
  await attacker.mustSignIn('agent1', passwords.agent1);
  const planted = attacker.cookies.get('gatehouse');
  assert.ok(planted);
  const victim = visitor();
  victim.cookies.set('gatehouse', planted);
  const page = await victim.open('/_gate/login?switch=1');
  const answer = await victim.post('/_gate/login', {
    ...hiddenFields(page.text),
    username: 'supervisor1',
    password: passwords.supervisor1,
  });
  assert.equal(answer.status, 303);
  assert.notEqual(victim.cookies.get('gatehouse'), planted);
  assert.equal((await attacker.fetch('/x')).status, 401, 'the old id is dead');
});

test('login: a form that no page of ours gave to this browser is shown again, and nobody is asked', async (t) => {
  const { visitor, audit } = await site(t);
  const browser = visitor();
  const forged = await browser.post('/_gate/login', { username: 'agent1', password: passwords.agent1, return: '/' });
  assert.equal(forged.status, 400);
  assert.match(forged.text, /value="agent1"/, 'what was typed is kept');
  assert.ok(!forged.text.includes(passwords.agent1), 'but never the password');
  const elsewhere = visitor();
  const page = await elsewhere.open('/_gate/login');
  const cross = await elsewhere.post(
    '/_gate/login',
    { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 },
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  );
  assert.equal(cross.status, 400);
  const logins = audit('login').map(({ outcome, reason }) => ({ outcome, reason }));
  assert.deepEqual(logins, [{ outcome: 'failed', reason: 'cookie-missing' }], 'of another site’s form there is none');
});

test('login: the page leads back to this site only', async (t) => {
  const { visitor } = await site(t);
  for (const evil of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example/',
    '/%09/evil.example',
    '/%5cevil.example',
    'javascript:alert(1)',
  ]) {
    const browser = visitor();
    const page = await browser.open(`/_gate/login?return=${encodeURIComponent(evil)}`);
    const answer = await browser.post('/_gate/login', {
      ...hiddenFields(page.text),
      return: evil,
      username: 'agent1',
      password: passwords.agent1,
    });
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.location, '/', evil);
  }
});

test('login: what a link says in its address is not said by the page', async (t) => {
  const { visitor } = await site(t);
  const page = await visitor().open('/_gate/login?notice=account-blocked&return="><script>alert(1)</script>');
  assert.equal(page.status, 200);
  assert.ok(!page.text.includes('<script>alert'));
  assert.ok(!page.text.includes('cannot be used at the moment'));
});

test('logout: a link asks first, another site is refused, a form ends the session', async (t) => {
  const { visitor } = await site(t);
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const page = await browser.open('/_gate/logout');
  assert.equal(page.status, 200);
  assert.equal((await browser.fetch('/x')).status, 200, 'a GET has not signed out');
  const cross = await browser.post(
    '/_gate/logout',
    {},
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  );
  assert.equal(cross.status, 403);
  assert.equal((await browser.fetch('/x')).status, 200);
  const kept = browser.cookies.get('gatehouse') ?? '';
  assert.equal((await browser.post('/_gate/logout', hiddenFields(page.text))).status, 200);
  assert.equal(browser.cookies.has('gatehouse'), false);
  const ghost = visitor();
  ghost.cookies.set('gatehouse', kept);
  assert.equal((await ghost.fetch('/x')).status, 401);
});

test('sessions: a user sees the own ones as JSON and ends another, never somebody else’s', async (t) => {
  const { visitor } = await site(t);
  const [phone, desk, other] = [visitor(), visitor(), visitor()];
  await phone.mustSignIn('agent1', passwords.agent1);
  await desk.mustSignIn('agent1', passwords.agent1);
  await other.mustSignIn('supervisor1', passwords.supervisor1);
  const me = JSON.parse((await desk.fetch('/_gate/session')).text);
  assert.equal(me.user, 'agent1');
  assert.equal(me.sessions.length, 2);
  const others = JSON.parse((await other.fetch('/_gate/session')).text);
  const page = await desk.open('/_gate/session');
  await desk.post('/_gate/session', { ...hiddenFields(page.text), end: others.session.id });
  assert.equal((await other.fetch('/x')).status, 200, 'somebody else’s session goes on');
  const answer = await desk.post('/_gate/session', { ...hiddenFields(page.text), end: 'others' });
  assert.equal(answer.headers.location, '/_gate/session?ended=1');
  assert.equal((await phone.fetch('/x')).status, 401);
  assert.equal((await desk.fetch('/x')).status, 200);
});

test('policy: a role that is missing is 403 with words for the user and nothing internal', async (t) => {
  const { visitor, upstream } = await site(t);
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const answer = await browser.open('/admin/users');
  assert.equal(answer.status, 403);
  assert.match(answer.text, /Supervisors/);
  assert.match(answer.text, /the front desk/);
  assert.ok(!/role-missing|127\.0\.0\.1|routes\[/.test(answer.text));
  assert.equal(upstream.received.length, 0);
  const supervisor = visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  assert.equal((await supervisor.open('/admin/users')).status, 200);
  assert.deepEqual(upstream.only().values('x-remote-name'), ['Zo%C3%AB M%C3%BCller']);
  assert.equal((await supervisor.open('/closed/x')).status, 403);
});

test('policy: who signed in another way than a location admits is told the ways, not the roles', async (t) => {
  const { visitor, running, write, upstream, file } = await site(t);
  const config = siteConfig(upstream.origin);
  const vault = {
    location: '/vault/',
    upstream: upstream.origin,
    access: { roles: ['supervisor'], providers: ['second'] },
  };
  await write({
    ...config,
    login: { chain: ['local', 'second'] },
    providers: {
      second: { type: 'local', users: file.replace('gatehouse.yaml', 'others.yaml'), label: 'The key card' },
    },
    routes: [...(config.routes as object[]), vault],
  });
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
  const browser = visitor();
  await browser.mustSignIn('supervisor1', passwords.supervisor1);
  const { status, text } = await browser.open('/vault/x');
  assert.equal(status, 403);
  assert.match(text, /The key card/);
  assert.doesNotMatch(text, /Supervisors/);
});

test('forms: a small one that meets an ended session is kept, and sent on by its user after the login', async (t) => {
  const { visitor, upstream } = await site(t);
  const browser = visitor();
  const lost = await browser.post('/desk/note', { text: 'call <back> & soon', tag: 'a' });
  assert.equal(lost.status, 303);
  assert.match(String(lost.headers.location), /^\/_gate\/login\?return=%2F_gate%2Freplay/);
  assert.match((await browser.open(String(lost.headers.location))).text, /Your form is kept/);
  const returnTo = new URL(String(lost.headers.location), 'http://x').searchParams.get('return') ?? '';
  await browser.mustSignIn('agent1', passwords.agent1, returnTo);
  const page = await browser.open(returnTo);
  assert.equal(page.status, 200);
  assert.match(page.text, /action="\/desk\/note"/);
  assert.deepEqual(hiddenFields(page.text), { text: 'call <back> & soon', tag: 'a' });
  assert.equal(upstream.received.length, 0, 'nothing is sent by itself');
  assert.equal((await browser.open(returnTo)).status, 410, 'it is there once');
});

test('forms: one from another site, one too large and one where the route says no are told to be not sent', async (t) => {
  const { visitor } = await site(t);
  const cross = await visitor().post(
    '/desk',
    { a: '1' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  );
  const large = await visitor().post('/desk', { a: 'x'.repeat(70_000) });
  const refused = await visitor().post('/plain/form', { a: '1' });
  for (const answer of [cross, large, refused]) {
    assert.equal(answer.status, 401);
    assert.match(answer.text, /was not sent/);
  }
});

test('forms: those that wait have bounds, so that who is not signed in cannot fill the store', async (t) => {
  const clock = manualClock();
  const { visitor } = await site(t, { clock });
  // Six bytes of JSON for three of the form.
  const post = () => visitor().post('/desk', { a: '\0'.repeat(20_000) });
  const statuses: number[] = [];
  for (let index = 0; index < 12; index++) statuses.push((await post()).status);
  assert.deepEqual(statuses, [...Array(8).fill(303), ...Array(4).fill(401)]);
  assert.match((await post()).text, /was not sent/);
  clock.advance(11 * 60_000);
  assert.equal((await post()).status, 303);
});

test('cookies: two different ones of our name are none, and garbage is a login', async (t) => {
  const { visitor } = await site(t);
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const cookie = `gatehouse=${browser.cookies.get('gatehouse')}; gatehouse=${'A'.repeat(43)}`;
  assert.equal((await new Visitor(new URL(browser.origin)).fetch('/x', { headers: { cookie } })).status, 401);
  for (const garbage of ['gatehouse=', 'gatehouse=%00', `gatehouse=${'A'.repeat(4000)}`, 'gatehouse=../../x'])
    assert.equal((await visitor().fetch('/x', { headers: { cookie: garbage } })).status, 401, garbage);
});

test('secrets: a whole login leaves no password, cookie or form token in any line', async (t) => {
  const { visitor, lines } = await site(t, { config: { log: { level: 'debug' } } });
  const browser = visitor();
  await browser.signIn('agent1', 'wrong-secret-5521');
  await browser.mustSignIn('agent1', passwords.agent1);
  await browser.open('/desk?password=query-secret-1');
  const text = lines.join('\n');
  for (const secret of [
    'wrong-secret-5521',
    passwords.agent1,
    browser.cookies.get('gatehouse') ?? '-',
    browser.cookies.get('gatehouse-flow') ?? '-',
    'query-secret-1',
  ])
    assert.ok(!text.includes(secret), `${secret} stands in the log`);
});
