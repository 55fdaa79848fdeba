/** CAS from a browser's first click to single logout: a whole gateway against a real CAS server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { type CasServer, needsCas, type OwnCasServer, shareCas, startCas } from '../support/servers/cas-server.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { assertNoSecrets } from '../support/tools/log.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin, timed } from '../support/tools/stopwatch.ts';

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`cas: ${name}`, needsCas, run);

const users = [
  {
    name: 'alice',
    password: 'alices-4c81',
    attributes: {
      displayName: 'Alice Adams',
      mail: 'alice@example.com',
      memberOf: ['cn=agents,ou=groups,dc=example,dc=org', 'staff'],
      ou: 'support',
    },
  },
  { name: 'Bob', password: 'bobs-77d2', attributes: { memberOf: 'supervisors' } },
] as const;
const passwords = { alice: users[0].password, Bob: users[1].password };
const [alice] = users;

interface World {
  readonly cas: CasServer;
  readonly gate: TestGateway;
  readonly upstream: TestUpstream;
}

/**
 * A CAS server and a gateway in front of an application; `campus` adds to or replaces the options of the provider, `own` is a server
 * in place of the one that the run shares.
 */
async function world(t: TestContext, campus: Yaml = {}, config: Yaml = {}, own?: CasServer): Promise<World> {
  const cas = own ?? (await shareCas(t, { users }));
  const upstream = await startUpstream(t);
  const gate = await gateway(t, {
    users: [{ name: 'local1', password: 'right-horse-81' }],
    config: {
      login: { chain: ['campus', 'local'], timeout: '30s' },
      providers: { campus: { type: 'cas', url: cas.url, attributes: { department: 'ou' }, ...campus } },
      roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'] } },
      routes: [
        { location: '/', upstream: upstream.origin, websocket: true },
        { location: '/admin/', upstream: upstream.origin, access: { roles: ['supervisor'] } },
        { location: '/fresh/', upstream: upstream.origin, access: { maxAge: '1ms' } },
      ],
      ...config,
    },
  });
  return { cas, gate, upstream };
}

const pathOf = (url: URL): string => url.pathname + url.search;

/** Follows the button of the login page to CAS; where CAS is asked to send the browser afterwards stands in it. */
async function leave(visitor: Visitor, returnTo = '/app'): Promise<string> {
  const answer = await visitor.open(`/_gate/start/campus?${new URLSearchParams({ return: returnTo })}`);
  assert.equal(answer.status, 302);
  return String(answer.headers.location);
}

/** A browser with a session at CAS, and the address with a ticket to which CAS sends it. */
async function comeBack({ cas, gate }: World, name: keyof typeof passwords = 'alice', returnTo = '/app') {
  const visitor = new Visitor(gate.url);
  const browser = cas.browser();
  await browser.signIn(name, passwords[name]);
  const back = await browser.visit(await leave(visitor, returnTo));
  assert.ok(back, 'CAS issues a ticket');
  assert.match(back.searchParams.get('ticket') ?? '', /^ST-/);
  return { visitor, browser, back };
}

/** The whole login. */
async function signIn(at: World, name: keyof typeof passwords = 'alice') {
  const { visitor, browser, back } = await comeBack(at, name);
  const answer = await visitor.open(pathOf(back));
  assert.deepEqual([answer.status, answer.headers.location], [302, '/app']);
  return { visitor, browser, back };
}

const isSignedIn = async (visitor: Visitor): Promise<boolean> => (await visitor.fetch('/app')).status === 200;
const reasonsOf = (gate: TestGateway): unknown[] => gate.audit('login').map(({ outcome, reason }) => reason ?? outcome);

/** How the breaker stands, by the last line of the log that says so. */
function breakerOf({ lines }: TestGateway): string | undefined {
  const line = lines.findLast((text) => text.includes('the circuit breaker of a provider changed'));
  return line && (JSON.parse(line) as { state: string }).state;
}

function assertBackAtTheForm(answer: Answer, notice: string): void {
  assert.equal(answer.status, 302);
  const url = new URL(String(answer.headers.location), 'http://gate.invalid');
  assert.deepEqual([url.pathname, url.searchParams.get('notice')], ['/_gate/login', notice]);
}

story('a login leads to CAS and back, and the application receives name, e-mail, groups and roles', async (t) => {
  const at = await world(t);
  const { cas, gate, upstream } = at;
  const visitor = new Visitor(gate.url);
  const first = await visitor.open('/app?x=1');
  assert.equal(first.status, 302);
  const page = await visitor.open(String(first.headers.location));
  const start = /href="(\/_gate\/start\/campus[^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&');
  assert.ok(start, 'the login page has a button for CAS');
  const toCas = await visitor.open(start);
  const back = await cas.browser().visitWithPassword(String(toCas.headers.location), 'alice', alice.password);
  assert.ok(back);
  const answer = await visitor.open(pathOf(back));
  assert.deepEqual([answer.status, answer.headers.location], [302, '/app?x=1']);
  assert.equal((await visitor.open('/app?x=1')).status, 200);
  const received = upstream.received.at(-1);
  const identity = {
    user: 'alice',
    name: 'Alice Adams',
    email: 'alice@example.com',
    roles: 'agent',
    provider: 'campus',
  };
  for (const [name, value] of Object.entries(identity))
    assert.deepEqual(received?.values(`x-remote-${name}`).map(decodeURIComponent), [value]);
  assert.match(String(received?.values('x-remote-groups')[0]), /agents.*staff/);
  assertNoSecrets(gate.lines.join(''), [back.searchParams.get('ticket') ?? 'none', alice.password]);
});

/** Ways in which CAS gives no answer, and how it gives one again. */
const silences: Readonly<
  Record<
    string,
    {
      readonly reason: string;
      readonly begin: (cas: OwnCasServer) => Promise<void> | void;
      readonly end: (cas: OwnCasServer) => Promise<void> | void;
    }
  >
> = {
  closed: { reason: 'unreachable', begin: (cas) => cas.stop(), end: (cas) => cas.start() },
  frozen: { reason: 'timed-out', begin: (cas) => cas.pause(), end: (cas) => cas.resume() },
};

for (const [how, { reason, begin, end }] of Object.entries(silences))
  story(
    `A3: an open breaker finds out by itself that a ${how} CAS is back, within 5 s and at no login’s expense`,
    async (t) => {
      const cas = await startCas(t, { users });
      const at = await world(t, how === 'frozen' ? { timeout: '1s' } : {}, {}, cas);
      const victims = await Promise.all(['alice', 'Bob', 'alice'].map((name) => comeBack(at, name as 'alice' | 'Bob')));
      await begin(cas);
      for (const { visitor, back } of victims) assertBackAtTheForm(await visitor.open(pathOf(back)), 'unavailable');
      assertBackAtTheForm(await new Visitor(at.gate.url).open('/_gate/start/campus?return=/app'), 'unavailable');
      assert.deepEqual(reasonsOf(at.gate), [reason, reason, reason, 'breaker-open']);
      await end(cas);
      await endsWithin(
        5000,
        'the return',
        until('the breaker closes', () => breakerOf(at.gate) === 'closed'),
      );
      await signIn(at);
      assert.deepEqual(reasonsOf(at.gate).slice(4), ['succeeded'], 'nobody else has tried');
    },
  );

story('names are canonical, and roles decide as for any other provider', async (t) => {
  const at = await world(t);
  const [agent, supervisor] = [await signIn(at), await signIn(at, 'Bob')];
  assert.equal((await agent.visitor.open('/admin/')).status, 403);
  assert.equal((await supervisor.visitor.open('/admin/')).status, 200);
  assert.deepEqual(at.upstream.received.at(-1)?.values('x-remote-user'), ['bob']);
});

story('where CAS is the only way in, its login page follows at once', async (t) => {
  const at = await world(t, {}, { login: { chain: ['campus'] } });
  const visitor = new Visitor(at.gate.url);
  const page = await visitor.open(String((await visitor.open('/app')).headers.location));
  const start = await visitor.open(String(page.headers.location));
  assert.ok(String(start.headers.location).startsWith(`${at.cas.url}/login?service=`));
});

story('a ticket that was used signs nobody in again (C5)', async (t) => {
  const at = await world(t);
  const { visitor, back } = await signIn(at);
  const again = new Visitor(at.gate.url);
  for (const [name, value] of visitor.cookies) if (name.includes('flow')) again.cookies.set(name, value);
  const repeated = await again.open(pathOf(back));
  assert.equal(
    repeated.headers.location,
    '/_gate/start/campus?again=1&return=%2Fapp',
    'the flow is over: a login begins anew',
  );
  const service = new URL(new URL(await leave(again)).searchParams.get('service') ?? '');
  service.searchParams.set('ticket', back.searchParams.get('ticket') ?? '');
  assertBackAtTheForm(await again.open(pathOf(service)), 'method-failed');
  assert.equal(await isSignedIn(again), false);
  assert.deepEqual(reasonsOf(at.gate), ['succeeded', 'flow-expired', 'ticket-replayed']);
});

story('a used ticket is refused by CAS too, when another gateway of the same address asks', async (t) => {
  const at = await world(t);
  const { back } = await signIn(at);
  const port = at.gate.url.port;
  await at.gate.stop();
  const second = await gateway(t, {
    config: {
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
      login: { chain: ['campus', 'local'] },
      providers: { campus: { type: 'cas', url: at.cas.url } },
      routes: [{ location: '/', upstream: at.upstream.origin }],
    },
  });
  const visitor = new Visitor(second.url);
  const service = new URL(new URL(await leave(visitor)).searchParams.get('service') ?? '');
  service.searchParams.set('ticket', back.searchParams.get('ticket') ?? '');
  assertBackAtTheForm(await visitor.open(pathOf(service)), 'method-failed');
  assert.deepEqual(reasonsOf(second), ['ticket-rejected']);
});

for (const [what, headers] of Object.entries({
  'as it is': {},
  'with the other site’s Host': { host: 'b.example' },
  'with the other site’s X-Forwarded-Host': { 'x-forwarded-host': 'b.example', 'x-forwarded-proto': 'https' },
  'with the other site’s X-Proxied-Request-Uri': { 'x-proxied-host': 'b.example', 'x-proxied-request-uri': '/' },
}))
  story(`a ticket for another site signs nobody in here, ${what} (C1)`, async (t) => {
    const at = await world(t);
    const visitor = new Visitor(at.gate.url);
    const browser = at.cas.browser();
    await browser.signIn('alice', alice.password);
    const mine = new URL(new URL(await leave(visitor)).searchParams.get('service') ?? '');
    // The site of somebody else who is registered at the same CAS, with a path of our own.
    const other = new URL(mine);
    other.port = at.upstream.url.port;
    const stolen = await browser.visit(`${at.cas.url}/login?${new URLSearchParams({ service: other.href })}`);
    mine.searchParams.set('ticket', stolen?.searchParams.get('ticket') ?? '');
    const host = 'host' in headers ? { host: other.host } : {};
    const forged = 'x-forwarded-host' in headers ? { 'x-forwarded-host': other.host } : {};
    const answer = await visitor.open(pathOf(mine), { headers: { ...headers, ...host, ...forged } });
    assert.notEqual(answer.headers.location, '/app');
    assert.equal(await isSignedIn(visitor), false);
    assert.equal(at.upstream.received.length, 0);
    assert.deepEqual(reasonsOf(at.gate), ['ticket-rejected']);
  });

story('a service in the query does not change which service is validated (C2)', async (t) => {
  const at = await world(t);
  const { visitor, back } = await comeBack(at);
  const ticket = back.searchParams.get('ticket') ?? '';
  for (const query of [`ticket=${ticket}%26service%3Dhttps%3A%2F%2Fb`, `ticket=${ticket}%23`, `ticket=%20${ticket}`]) {
    const url = new URL(new URL(await leave(visitor)).searchParams.get('service') ?? '');
    assertBackAtTheForm(await visitor.open(`${url.pathname}${url.search}&${query}`), 'method-failed');
  }
  assert.equal(await isSignedIn(visitor), false);
  // Nothing of that has used the ticket up.
  assert.equal((await visitor.open(pathOf(back))).headers.location, '/app');
});

story('a good ticket makes no session in a browser that has not asked for it', async (t) => {
  const at = await world(t);
  const { back } = await comeBack(at);
  const victim = new Visitor(at.gate.url);
  assert.equal((await victim.open(pathOf(back))).headers.location, '/_gate/start/campus?again=1');
  await leave(victim);
  assert.equal((await victim.open(pathOf(back))).status, 400, 'a login is under way here, and it is not that one');
  assert.equal(await isSignedIn(victim), false);
});

story('two callbacks at once with one ticket make one session', async (t) => {
  const at = await world(t);
  const { visitor, back } = await comeBack(at);
  const answers = await Promise.all(Array.from({ length: 6 }, () => visitor.open(pathOf(back))));
  assert.equal(answers.filter(({ headers }) => headers.location === '/app').length, 1);
  assert.equal(reasonsOf(at.gate).filter((reason) => reason === 'succeeded').length, 1);
});

story('a CAS that hangs costs one deadline, is named in the audit, and keeps no local user out', async (t) => {
  const cas = await startCas(t, { users });
  const at = await world(t, { timeout: '1s' }, {}, cas);
  const { visitor, back } = await comeBack(at);
  cas.pause();
  const { value: answer, milliseconds, elapsed } = await timed(visitor.open(pathOf(back)));
  assertBackAtTheForm(answer, 'unavailable');
  assert.ok(elapsed > 800 && milliseconds < 1500, `${elapsed} ms`);
  assert.deepEqual(reasonsOf(at.gate), ['timed-out']);
  await visitor.mustSignIn('local1', 'right-horse-81', '/app');
  cas.resume();
});

story('a Host header decides nothing: the way to CAS and back is that of the configuration', async (t) => {
  const at = await world(t, {}, { server: { hosts: ['other.example'] } });
  const visitor = new Visitor(at.gate.url);
  const startAs = (host: string) => visitor.open('/_gate/start/campus?return=/app', { headers: { host } });
  const service = new URL(String((await startAs('other.example')).headers.location)).searchParams.get('service') ?? '';
  assert.equal(new URL(service).origin, at.gate.url.origin);
  assert.equal((await startAs('evil.example')).status, 421);
});

/** A WebSocket and an event stream of a browser, open, with what tells that they have ended. */
async function goLive(t: TestContext, { gate }: World, visitor: Visitor) {
  const headers = { cookie: visitor.cookieHeader, origin: gate.url.origin };
  const socket = new WebSocket(`ws://${gate.url.host}/live`, { headers });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const request = http.get(new URL('/sse', gate.url), { headers });
  t.after(() => request.destroy());
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.on('error', () => undefined);
  await once(response, 'data');
  const streamEnds = new Promise<void>((resolve) => response.once('close', resolve));
  return { socket, closed: once(socket, 'close'), streamEnds };
}

story('signing out of CAS ends the session here, its WebSocket and its event stream, within 2 s', async (t) => {
  const at = await world(t);
  const [mine, other] = [await signIn(at), await signIn(at, 'Bob')];
  const live = await goLive(t, at, mine.visitor);
  const bystander = await goLive(t, at, other.visitor);
  await mine.browser.signOut();
  // How long CAS takes to send its notice is its own affair.
  await until('the notice has come', () => at.gate.audit('session-end').length > 0);
  const [[code]] = await endsWithin(2000, 'the cut', Promise.all([live.closed, live.streamEnds]));
  assert.equal(code, 1008);
  assert.equal((await mine.visitor.fetch('/app')).status, 401);
  assert.equal(await isSignedIn(other.visitor), true);
  assert.equal(bystander.socket.readyState, WebSocket.OPEN);
});

story('every session of a user at CAS ends: one for each ticket', async (t) => {
  const at = await world(t);
  const first = await signIn(at);
  const second = new Visitor(at.gate.url);
  const back = await first.browser.visit(await leave(second));
  assert.ok(back);
  await second.open(pathOf(back));
  assert.deepEqual([await isSignedIn(first.visitor), await isSignedIn(second)], [true, true]);
  await first.browser.signOut();
  await until(
    'both sessions have ended',
    async () => !(await isSignedIn(first.visitor)) && !(await isSignedIn(second)),
  );
});

story('a forged logout request ends nothing (C3)', async (t) => {
  const at = await world(t);
  const { visitor, back } = await signIn(at);
  const ticket = back.searchParams.get('ticket') ?? '';
  const request = (index: string, before = '') =>
    `${before}<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><samlp:SessionIndex>${index}</samlp:SessionIndex></samlp:LogoutRequest>`;
  const post = async (document: string): Promise<number> => {
    const stranger = new Visitor(at.gate.url);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams({ logoutRequest: document }).toString();
    return (await stranger.fetch('/_gate/callback/campus', { method: 'POST', headers, body })).status;
  };
  const dtd = `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY t "${ticket}">]>`;
  assert.equal(await post(request('ST-0-somebody-elses')), 200);
  assert.equal(await post(request('&x;', dtd)), 400);
  assert.equal(await post(request('&t;', dtd)), 400);
  assert.equal(await post(request(`${ticket}</samlp:SessionIndex><samlp:SessionIndex>ST-2`)), 400);
  assert.equal(await post(request(ticket).replace('SAML:2.0', 'SAML:1.0')), 400);
  assert.equal(await post('x'), 400);
  assert.equal(await isSignedIn(visitor), true);
  assert.equal(await post(request(ticket)), 200);
  assert.equal(await isSignedIn(visitor), false);
});

story('signing out here leaves CAS alone, or leads there and back, as configured (R9)', async (t) => {
  const at = await world(t, { logout: true });
  const { visitor, browser } = await signIn(at);
  const page = await visitor.open('/_gate/logout?service=https://evil.example/&url=https://evil.example/');
  const answer = await visitor.post('/_gate/logout?service=https://evil.example/', {
    ...hiddenFields(page.text),
    service: 'https://evil.example/',
    return: 'https://evil.example/',
  });
  assert.equal(answer.status, 303);
  const leaving = new URL(String(answer.headers.location));
  assert.equal(leaving.origin + leaving.pathname, `${at.cas.url}/logout`);
  assert.deepEqual([...leaving.searchParams], [['service', at.gate.url.href]]);
  assert.equal(await browser.signOut(leaving.href), at.gate.url.href);
  assert.equal(await browser.visit(await leave(visitor)), undefined, 'CAS asks for the password again');
  assert.equal(await isSignedIn(visitor), false);
});

story('without logout: true the session at CAS goes on', async (t) => {
  const at = await world(t);
  const { visitor, browser } = await signIn(at);
  const page = await visitor.open('/_gate/logout');
  const answer = await visitor.post('/_gate/logout', hiddenFields(page.text));
  assert.equal(answer.status, 200);
  assert.equal(await isSignedIn(visitor), false);
  assert.ok(await browser.visit(await leave(visitor)), 'CAS issues a ticket without a question');
});

story(
  'a page that wants a recent proof has CAS ask for the password again, and takes no remembered login',
  async (t) => {
    const at = await world(t);
    const { visitor, browser } = await signIn(at);
    assert.equal((await visitor.open('/fresh/')).status, 302);
    const start = await visitor.open('/_gate/start/campus?confirm=1&return=/fresh/');
    const login = new URL(String(start.headers.location));
    assert.equal(login.searchParams.get('renew'), 'true');
    assert.equal(await browser.visit(login.href), undefined, 'CAS asks');
    // A ticket of the remembered login, for the same service.
    const lazy = new URL(login);
    lazy.searchParams.delete('renew');
    const cheap = await browser.visit(lazy.href);
    assert.ok(cheap);
    assertBackAtTheForm(await visitor.open(pathOf(cheap)), 'method-failed');
    const again = await visitor.open('/_gate/start/campus?confirm=1&return=/fresh/');
    const back = await browser.visitWithPassword(String(again.headers.location), 'alice', alice.password);
    assert.ok(back);
    assert.equal((await visitor.open(pathOf(back))).headers.location, '/fresh/');
    assert.deepEqual(
      at.gate.audit('step-up').map(({ outcome }) => outcome),
      ['succeeded'],
    );
  },
);

story('a silent login gets in who is signed in at CAS, and shows our page to everybody else, once', async (t) => {
  const at = await world(t, { gateway: true }, { login: { chain: ['campus', 'local'], default: 'campus' } });
  const visitor = new Visitor(at.gate.url);
  const toLogin = await visitor.open(String((await visitor.open('/app')).headers.location));
  const toCas = await visitor.open(String(toLogin.headers.location));
  const login = String(toCas.headers.location);
  assert.equal(new URL(login).searchParams.get('gateway'), 'true');
  const back = await at.cas.browser().visit(login);
  assert.ok(back, 'CAS asks nobody');
  assert.equal(back.searchParams.has('ticket'), false);
  const answer = await visitor.open(pathOf(back));
  assert.equal(answer.status, 302);
  const page = await visitor.open(String(answer.headers.location));
  assert.equal(page.status, 200, 'our own login page, without another round');
  assert.match(page.text, /name="password"/);
  assert.deepEqual(reasonsOf(at.gate), [], 'nobody has failed to sign in');
  const button = /href="(\/_gate\/start\/campus[^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const asked = new URL(String((await visitor.open(button)).headers.location));
  assert.equal(asked.searchParams.has('gateway'), false, 'who clicks is asked by CAS');
  const known = at.cas.browser();
  await known.signIn('alice', alice.password);
  const other = new Visitor(at.gate.url);
  const silent = await known.visit(await leave(other));
  assert.ok(silent);
  assert.equal((await other.open(pathOf(silent))).headers.location, '/app');
});

story('a CAS that is down is unavailable, and the others go on', async (t) => {
  const cas = await startCas(t, { users });
  const at = await world(t, {}, {}, cas);
  const { visitor, back } = await comeBack(at);
  await cas.stop();
  assertBackAtTheForm(await visitor.open(pathOf(back)), 'unavailable');
  assert.deepEqual(reasonsOf(at.gate), ['unreachable']);
  await visitor.mustSignIn('local1', 'right-horse-81', '/app');
});
