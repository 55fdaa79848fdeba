/** Circles: somebody who is sent to sign in again and again ends on a page that says why, before the browser gives up. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { type Answer, Visitor } from '../support/scenes/visitor.ts';
import { type Idp, startIdp } from '../support/servers/oidc-provider.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const password = 'right-4417-horse';
/** Safari gives up first, after 16; Chromium and Firefox follow 20. */
const maxRedirects = 20;

interface World {
  readonly idp: Idp;
  readonly gate: TestGateway;
  readonly clock: ManualClock;
}

/** A gateway before an application that answers each page with the redirect that `bounce` names. */
async function world(t: TestContext, bounce: (page: string) => string, login: Yaml = {}): Promise<World> {
  const clock = manualClock(Date.now());
  const idp = await startIdp(t, { people: { alice: { preferred_username: 'alice' } } });
  const app = await startUpstream(t, {
    answer: (request, response) => {
      response.writeHead(302, { location: bounce(request.url ?? '/') }).end();
    },
  });
  const gate = await gateway(t, {
    clock,
    users: [{ name: 'dora', password }],
    config: {
      login: { chain: ['local', 'sso'], ...login },
      providers: { sso: { type: 'oidc', ...idp.options } },
      routes: [{ location: '/', upstream: app.origin }],
    },
  });
  idp.register(gate.url, 'sso');
  return { idp, gate, clock };
}

const toLogin = (page: string): string => `/_gate/login?${new URLSearchParams({ return: page })}`;
const reasonsOf = ({ gate }: World) => gate.audit('login').map(({ outcome, reason }) => reason ?? outcome);

/** Follows redirects as a browser does, by way of the issuer too; the last answer, and how many there were. */
async function follow(
  { gate, idp }: World,
  visitor: Visitor,
  from: string,
): Promise<{ end: Answer; redirects: number }> {
  const person = idp.person();
  let next = from;
  for (let redirects = 0; redirects < 60; redirects++) {
    const end = await visitor.open(next);
    if (end.status !== 302 && end.status !== 303) return { end, redirects };
    const to = new URL(String(end.headers.location), gate.url);
    const back = to.origin === gate.url.origin ? to : await person.signIn(to, 'alice');
    if (to.origin !== gate.url.origin) redirects += 1;
    next = back.pathname + back.search;
  }
  throw new Error('nothing ends it');
}

test('circles: an application that sends somebody signed in back to the login is named as what it is', async (t) => {
  const at = await world(t, toLogin);
  const visitor = new Visitor(at.gate.url);
  await visitor.mustSignIn('dora', password, '/app?a=1');
  const { end, redirects } = await follow(at, visitor, '/app?a=1');
  assert.equal(end.status, 508);
  assert.ok(redirects < maxRedirects, String(redirects));
  assert.match(end.text, /You are signed in, but the page that you opened sends you back/);
  assert.match(end.text, /dora/);
  const ways = [...end.text.matchAll(/href="(\/_gate\/login[^"]*)"/g)].map(([, href = '']) =>
    href.replaceAll('&amp;', '&'),
  );
  assert.deepEqual(ways, ['/_gate/login?return=%2Fapp%3Fa%3D1', '/_gate/login?switch=1&return=%2Fapp%3Fa%3D1']);
  assert.partialDeepStrictEqual(at.gate.audit('login').at(-1), { reason: 'flow-loop', user: 'dora' });
  assert.equal((await visitor.fetch('/_gate/session')).status, 200, 'the session goes on');
  assert.equal((await visitor.open(ways[0] ?? '')).headers.location, '/app?a=1', 'the next try begins afresh');
});

test('circles: an application that leads straight to the issuer is stopped too', async (t) => {
  const at = await world(t, (page) => `/_gate/start/sso?${new URLSearchParams({ return: page })}`);
  const { end, redirects } = await follow(at, new Visitor(at.gate.url), '/_gate/start/sso?return=/app');
  assert.equal(end.status, 508);
  assert.ok(redirects < maxRedirects, String(redirects));
  assert.match(end.text, /You are signed in/);
  assert.equal(reasonsOf(at).at(-1), 'flow-loop');
});

test('circles: a session that never stays ends on the page, though every login works', async (t) => {
  const at = await world(t, toLogin, { chain: ['sso'] });
  const visitor = new Visitor(at.gate.url);
  const keep = visitor.cookies.set.bind(visitor.cookies);
  visitor.cookies.set = (name, value) => (name === 'gatehouse' ? visitor.cookies : keep(name, value));
  const { end, redirects } = await follow(at, visitor, '/app');
  assert.equal(end.status, 508);
  assert.ok(redirects < maxRedirects + 2, String(redirects));
  assert.match(end.text, /without success/);
  assert.doesNotMatch(end.text, /method=form/, 'nobody here asks for a password');
  assert.equal(reasonsOf(at).at(-1), 'flow-loop');
});

test('circles: the pictures of a page that go round beside it do not hide its circle', async (t) => {
  const at = await world(t, toLogin);
  const visitor = new Visitor(at.gate.url);
  await visitor.mustSignIn('dora', password, '/app');
  const turns: number[] = [];
  while (turns.at(-1) !== 508 && turns.length < maxRedirects / 2) {
    await visitor.fetch(toLogin('/favicon.ico'), { headers: { 'sec-fetch-mode': 'no-cors' } });
    turns.push((await visitor.open(toLogin('/app'))).status);
  }
  assert.equal(turns.at(-1), 508, turns.join());
});

test('circles: tabs that open together, and visits with time between them, are none', async (t) => {
  const at = await world(t, () => '/elsewhere');
  const visitor = new Visitor(at.gate.url);
  await visitor.mustSignIn('dora', password, '/app');
  const tabs = await Promise.all(Array.from({ length: 30 }, () => visitor.open(toLogin('/app'))));
  assert.deepEqual([...new Set(tabs.map(({ headers }) => headers.location))], ['/app']);
  for (let visit = 0; visit < 10; visit++) {
    at.clock.advance(16_000);
    assert.equal((await visitor.open(toLogin('/app'))).headers.location, '/app');
  }
});

test('circles: a browser that opens its tabs anew comes to each page, while the issuer remembers who it is', async (t) => {
  const at = await world(t, () => '/elsewhere', { chain: ['sso'] });
  const visitor = new Visitor(at.gate.url);
  const person = at.idp.person();
  for (let tab = 0; tab < 12; tab++) {
    // On its way to the issuer when the tab before has just come back.
    const start = await visitor.open(`/_gate/start/sso?return=/tab${tab}`);
    assert.equal(start.status, 302, start.text);
    const to = new URL(String(start.headers.location), at.gate.url);
    const back = to.origin === at.gate.url.origin ? to : await person.signIn(to, 'alice');
    const end = to === back ? start : await visitor.open(back.pathname + back.search);
    assert.equal(end.headers.location, `/tab${tab}`);
  }
});

test('circles: somebody signed in who comes to each of many tabs in turn is in none', async (t) => {
  const at = await world(t, () => '/elsewhere');
  const visitor = new Visitor(at.gate.url);
  await visitor.mustSignIn('dora', password, '/app');
  for (let tab = 0; tab < 12; tab++)
    assert.equal((await visitor.open(toLogin(`/tab${tab}`))).headers.location, `/tab${tab}`);
});

test('circles: what a cookie claims is read with care', async (t) => {
  const at = await world(t, () => '/elsewhere');
  const visitor = new Visitor(at.gate.url);
  await visitor.mustSignIn('dora', password, '/app');
  for (const value of [
    '',
    'x',
    '99999-1',
    '-1--1',
    '5-99999999999999',
    `5-${Math.floor(at.clock.now() / 1000) - 60}`,
  ]) {
    visitor.cookies.set('gatehouse-turns', value);
    assert.equal((await visitor.open(toLogin('/app'))).headers.location, '/app', value);
  }
});
