/** Signing in at an identity provider and out again, as the gateway carries it: pages, flows, notices, refusals. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { type Idp, startIdp } from '../support/servers/oidc-provider.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const people = {
  alice: { preferred_username: 'alice' },
  bob: { preferred_username: 'bob' },
  xuc: { preferred_username: 'XUC' },
};
const password = 'right-4417-horse';

interface World {
  readonly idp: Idp;
  readonly gate: TestGateway;
  readonly upstream: TestUpstream;
  visitor(): Visitor;
}

interface WorldOptions {
  readonly login?: Yaml;
  /** More options of the provider `sso`. */
  readonly sso?: Yaml;
  readonly providers?: Yaml;
  readonly config?: Yaml;
  readonly clock?: ManualClock;
}

/** An identity provider `sso` and local accounts, alice among them, at a gateway in front of an application. */
async function world(t: TestContext, { login, sso, providers, config, clock }: WorldOptions = {}): Promise<World> {
  const [idp, upstream] = await Promise.all([startIdp(t, { people }), startUpstream(t)]);
  const gate = await gateway(t, {
    users: ['alice', 'dora'].map((name) => ({ name, password })),
    ...(clock && { clock }),
    config: {
      login: { chain: ['sso', 'local'], timeout: '2s', ...login },
      providers: { sso: { type: 'oidc', ...idp.options, ...sso }, ...providers },
      routes: [
        { location: '/', upstream: upstream.origin, websocket: true },
        { location: '/fresh/', upstream: upstream.origin, access: { maxAge: '5m' } },
      ],
      ...config,
    },
  });
  idp.register(gate.url, 'sso');
  return { idp, gate, upstream, visitor: () => new Visitor(gate.url) };
}

const pathOf = (url: URL): string => url.pathname + url.search;
const locationOf = ({ headers }: Answer): string => String(headers.location);
const queryOf = (answer: Answer): Record<string, string> =>
  Object.fromEntries(new URL(locationOf(answer), 'http://gate.invalid').searchParams);
const reasonsOf = ({ gate }: World) => gate.audit('login').map(({ outcome, reason }) => reason ?? outcome);
const isSignedIn = async (visitor: Visitor): Promise<boolean> => (await visitor.fetch('/app')).status === 200;
const links = (page: string): string[] =>
  [...page.matchAll(/<a [^>]*href="(\/_gate\/start\/[^"]*)"/g)].map(([, href = '']) => href.replaceAll('&amp;', '&'));

/** Leaves for the identity provider; the address there. */
async function leave(visitor: Visitor, query: Record<string, string> = { return: '/app' }): Promise<string> {
  const answer = await visitor.open(`/_gate/start/sso?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 302, `${answer.status} ${answer.text.slice(0, 300)}`);
  return locationOf(answer);
}

/** Signs in at the identity provider and comes back; the gateway's answer. */
async function signIn(at: World, visitor: Visitor, login = 'alice', query?: Record<string, string>): Promise<Answer> {
  return visitor.open(pathOf(await at.idp.person().signIn(await leave(visitor, query), login)));
}

async function mustSignIn(at: World, login = 'alice'): Promise<Visitor> {
  const visitor = at.visitor();
  assert.equal(locationOf(await signIn(at, visitor, login)), '/app');
  return visitor;
}

async function openSocket(t: TestContext, { gate }: World, visitor: Visitor): Promise<WebSocket> {
  const headers = { cookie: visitor.cookieHeader, origin: gate.url.origin };
  const socket = new WebSocket(`ws://${gate.url.host}/live`, { headers });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

async function assertCut(socket: WebSocket): Promise<void> {
  const [code] = await endsWithin(2000, 'the cut', once(socket, 'close'));
  assert.equal(code, 1008);
}

test('federated: buttons and form stand in the order of the chain, under the names that the operator gave', async (t) => {
  const at = await world(t, {
    login: { chain: ['sso', 'local', 'partner'] },
    sso: { label: 'Company & Co' },
    providers: { partner: { type: 'oidc', issuer: 'http://127.0.0.1:9', insecureIssuer: true, clientId: 'x' } },
  });
  const { status, text } = await at.visitor().open('/_gate/login?return=/app%3Fa=1');
  assert.equal(status, 200);
  const order = [...text.matchAll(/<form |\/_gate\/start\/(\w+)/g)].map(([, name]) => name ?? 'form');
  assert.deepEqual(order, ['sso', 'form', 'partner']);
  assert.match(text, /Continue with Company &amp; Co/);
  assert.match(text, /Continue with partner/);
  assert.equal(new URL(links(text)[0] ?? '', at.gate.url).searchParams.get('return'), '/app?a=1');
});

test('federated: the page tells which button this browser used last, and what a cookie says decides nothing', async (t) => {
  const at = await world(t);
  const visitor = await mustSignIn(at);
  assert.equal(visitor.cookies.get('gatehouse-last'), 'sso');
  visitor.cookies.delete('gatehouse');
  assert.match((await visitor.open('/_gate/login')).text, /Last used/);
  assert.doesNotMatch((await at.visitor().open('/_gate/login')).text, /Last used/);
  visitor.cookies.set('gatehouse-last', '"><script>');
  const { status, text } = await visitor.open('/_gate/login');
  assert.equal(status, 200);
  assert.doesNotMatch(text, /Last used/);
});

test('federated: the default is followed at once, ?method=form is the way out, and local users come in by it', async (t) => {
  const at = await world(t, { login: { default: 'sso' } });
  const visitor = at.visitor();
  const page = await visitor.open('/app?x=1');
  assert.deepEqual([page.status, locationOf(page)], [302, '/_gate/login?return=%2Fapp%3Fx%3D1']);
  assert.equal(locationOf(await visitor.open(locationOf(page))), '/_gate/start/sso?return=%2Fapp%3Fx%3D1');
  const form = await visitor.open('/_gate/login?method=form&return=/app');
  assert.equal(form.status, 200);
  const answer = await visitor.post('/_gate/login', { ...hiddenFields(form.text), username: 'dora', password });
  assert.deepEqual([answer.status, locationOf(answer)], [303, '/app']);
});

test('federated: a default that nobody can be led to is a mistake in the configuration', async (t) => {
  await assert.rejects(world(t, { login: { default: 'local' } }), /login\.default.* type cas or oidc/s);
});

test('federated: one that is the only way in is followed at once', async (t) => {
  const at = await world(t, { login: { chain: ['sso'] } });
  assert.equal(locationOf(await at.visitor().open('/_gate/login?return=/app')), '/_gate/start/sso?return=%2Fapp');
  const form = await at.visitor().open('/_gate/login?return=/app&method=form');
  assert.equal(form.status, 200);
  assert.equal(links(form.text).length, 1);
});

test('federated: of many tabs the oldest begins anew, and the last five sign in', async (t) => {
  const at = await world(t);
  const visitor = at.visitor();
  const backs: URL[] = [];
  for (let tab = 0; tab < 8; tab++)
    backs.push(await at.idp.person().signIn(await leave(visitor, { return: `/tab${tab}` }), 'alice'));
  const ends: string[] = [];
  for (const back of backs) ends.push(locationOf(await visitor.open(pathOf(back))));
  const anew = (tab: number) => `/_gate/start/sso?again=1&return=%2Ftab${tab}`;
  assert.deepEqual(ends, [anew(0), anew(1), anew(2), '/tab3', '/tab4', '/tab5', '/tab6', '/tab7']);
  assert.equal(await isSignedIn(visitor), true);
  const asked = at.idp.requests.length;
  assert.equal(locationOf(await visitor.open(anew(0))), '/tab0', 'the others have signed in');
  assert.equal(at.idp.requests.length, asked, 'nobody is asked again');
});

test('federated: tabs that open at the same moment have no more than five flows either', async (t) => {
  const at = await world(t);
  const visitor = at.visitor();
  await visitor.open('/_gate/login?method=form');
  const states = await Promise.all(Array.from({ length: 15 }, () => leave(visitor)));
  const person = at.idp.person();
  const ends: string[] = [];
  for (const address of states) {
    const back = await person.signIn(address, 'alice');
    ends.push(locationOf(await visitor.open(pathOf(back))));
  }
  assert.equal(ends.filter((end) => end === '/app').length, 5, ends.join('\n'));
});

test('federated: a logout ends what tabs that signed in together have begun, live connections too', async (t) => {
  const at = await world(t);
  const visitor = at.visitor();
  const bystander = await mustSignIn(at);
  const tabs: { tab: Visitor; back: URL }[] = [];
  for (let count = 0; count < 2; count++)
    tabs.push({ tab: at.visitor(), back: await at.idp.person().signIn(await leave(visitor), 'alice') });
  // Both answers are under way before the browser has the cookie of either.
  for (const { tab, back } of tabs) {
    for (const [name, value] of visitor.cookies) tab.cookies.set(name, value);
    assert.equal(locationOf(await tab.open(pathOf(back))), '/app');
  }
  const [first, last] = tabs.map(({ tab }) => tab);
  assert.ok(first && last);
  const cut = assertCut(await openSocket(t, at, first));
  const page = await last.open('/_gate/logout');
  assert.equal((await last.post('/_gate/logout', hiddenFields(page.text))).status, 200);
  await cut;
  assert.deepEqual(
    [await isSignedIn(first), await isSignedIn(last), await isSignedIn(bystander)],
    [false, false, true],
  );
});

test('federated: a flow that is too old begins anew, towards the page that it was for', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock });
  const visitor = at.visitor();
  const back = await at.idp.person().signIn(await leave(visitor, { return: '/app?case=17&x=%2F' }), 'alice');
  clock.advance(11 * 60_000);
  const late = await visitor.open(pathOf(back));
  assert.equal(late.status, 302);
  assert.deepEqual(queryOf(late), { again: '1', return: '/app?case=17&x=%2F' });
  assert.equal(visitor.cookies.has('gatehouse'), false);
  const anew = await at.idp.person().signIn(locationOf(await visitor.open(locationOf(late))), 'alice');
  assert.equal(locationOf(await visitor.open(pathOf(anew))), '/app?case=17&x=%2F');
  assert.deepEqual(reasonsOf(at), ['flow-expired', 'succeeded']);
});

test('federated: what a state leads to is for its browser alone, and cannot be read or changed under way', async (t) => {
  const at = await world(t, { sso: { par: false } });
  const visitor = at.visitor();
  const back = await at.idp.person().signIn(await leave(visitor, { return: '/secret-case' }), 'alice');
  const state = back.searchParams.get('state') ?? '';
  const [head = '', sealed = ''] = state.split('.');
  assert.doesNotMatch(Buffer.from(sealed, 'base64url').toString('latin1'), /secret/);
  assert.equal(locationOf(await at.visitor().open(pathOf(back))), '/_gate/start/sso?again=1');
  const other = await leave(visitor, { return: '/elsewhere' });
  const mixed = `${head}.${new URL(other).searchParams.get('state')?.split('.')[1]}`;
  const answer = await visitor.open(`/_gate/callback/sso?code=x&state=${mixed}`);
  assert.equal(locationOf(answer), '/_gate/start/sso?again=1');
  assert.equal(locationOf(await visitor.open(pathOf(back))), '/secret-case', 'its own browser may still use it');
});

test('federated: the name of a flow stays short, whatever page the login is for', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock, sso: { par: false } });
  const visitor = at.visitor();
  const away = new URL(await leave(visitor, { return: `/app?${'long-'.repeat(700)}` }));
  const { length } = away.searchParams.get('state') ?? '';
  assert.ok(length > 60 && length < 200, String(length));
  const back = await at.idp.person().signIn(away.href, 'alice');
  clock.advance(11 * 60_000);
  assert.equal(locationOf(await visitor.open(pathOf(back))), '/_gate/start/sso?again=1');
});

test('federated: a callback without a login of this browser makes no session: planted 400, misshapen 400, else anew', async (t) => {
  const at = await world(t);
  const attacker = at.visitor();
  const back = await at.idp.person().signIn(await leave(attacker), 'alice');
  const victim = at.visitor();
  const open = async (query: string) => {
    const { status, headers } = await victim.open(`/_gate/callback/sso${query}`);
    return headers.location ?? status;
  };
  const anew = '/_gate/start/sso?again=1';
  assert.equal(await open(back.search), anew, 'this browser has never been here');
  await leave(victim);
  assert.equal(await open(back.search), 400, 'it has, and another browser began that login');
  const unknown = `${'a'.repeat(22)}0.${'b'.repeat(60)}`;
  assert.deepEqual([await open(''), await open('?code=x'), await open(`?code=x&state=${unknown}`)], [anew, anew, anew]);
  for (const state of ['', 'a'.repeat(23), '../x', `${unknown}%00`, `${unknown}"><script>`, 'a'.repeat(5000)])
    assert.equal(await open(`?code=x&state=${state}`), 400, state);
  assert.equal(victim.cookies.has('gatehouse'), false);
  assert.equal(at.upstream.received.length, 0);
  assert.equal(at.idp.requests.includes('POST /token'), false, 'no code is tried');
  assert.deepEqual([...new Set(reasonsOf(at))], ['flow-foreign', 'flow-expired']);
  assert.equal(locationOf(await attacker.open(pathOf(back))), '/app', 'who began it may still end it');
});

test('federated: a callback counts once: sent again, also by its own browser, it asks nobody and makes no session', async (t) => {
  const at = await world(t);
  const visitor = at.visitor();
  const back = await at.idp.person().signIn(await leave(visitor), 'alice');
  const attacker = at.visitor();
  for (const [name, value] of visitor.cookies) attacker.cookies.set(name, value);
  const all = await Promise.all([visitor, attacker, attacker].map((browser) => browser.open(pathOf(back))));
  all.push(await attacker.open(pathOf(back)));
  const ends = all.map((answer) => `${answer.status} ${locationOf(answer)}`).sort();
  const anew = '302 /_gate/start/sso?again=1&return=%2Fapp';
  assert.deepEqual(ends, [...Array(3).fill(anew), '302 /app']);
  assert.equal(at.idp.requests.filter((asked) => asked === 'POST /token').length, 1, 'the code is tried once');
  assert.deepEqual(reasonsOf(at).sort(), ['flow-expired', 'flow-expired', 'flow-expired', 'succeeded']);
});

test('federated: the answer to a login that was begun at another provider is refused, and its code tried nowhere', async (t) => {
  const at = await world(t);
  const partner = await startIdp(t, { people });
  await at.gate.write({
    login: { chain: ['sso', 'partner', 'local'], timeout: '2s' },
    providers: { sso: { type: 'oidc', ...at.idp.options }, partner: { type: 'oidc', ...partner.options } },
    routes: [{ location: '/', upstream: at.upstream.origin }],
  });
  assert.equal((await at.gate.running.reload({ actor: 'signal' })).kind, 'reloaded');
  partner.register(at.gate.url, 'partner');
  const visitor = at.visitor();
  for (const keepsIssuer of [true, false]) {
    const start = await visitor.open('/_gate/start/partner?return=/app');
    const back = await partner.person().signIn(locationOf(start), 'alice');
    back.pathname = '/_gate/callback/sso';
    // Whoever mixes them up writes the issuer that is expected there.
    if (!keepsIssuer) back.searchParams.set('iss', at.idp.issuer);
    assert.equal((await visitor.open(pathOf(back))).status, 400);
  }
  assert.equal(visitor.cookies.has('gatehouse'), false);
  assert.deepEqual(reasonsOf(at), ['flow-foreign', 'flow-foreign']);
  assert.deepEqual(
    [at.idp, partner].map(({ requests }) => requests.includes('POST /token')),
    [false, false],
  );
});

test('federated: a token of a program counts where the location takes one, and elsewhere nobody is asked about it', async (t) => {
  const at = await world(t, {
    sso: { bearer: { audience: 'api' } },
    config: {
      routes: [
        { location: '/', upstream: 'http://127.0.0.1:9' },
        { location: '/api/', upstream: 'http://127.0.0.1:9', access: { bearer: true } },
        { location: '/open/', upstream: 'http://127.0.0.1:9', access: 'public' },
      ],
    },
  });
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: at.idp.issuer, aud: 'api', sub: 'alice', client_id: 'robot', preferred_username: 'alice' };
  const token = await at.idp.sign({ ...claims, iat: now, exp: now + 60 }, { typ: 'at+jwt' });
  const ask = async (path: string, scheme: string) =>
    (await at.visitor().fetch(path, { headers: { authorization: `${scheme} ${token}` } })).status;
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
    assert.equal(await ask('/app', scheme), 401, scheme);
    assert.equal(await ask('/api/x', scheme), 502, 'let through to the application, which is away');
  }
  const users = at.gate.audit('request').map(({ path, user }) => [path, user]);
  assert.ok(
    users.every(([path, user]) => (path === '/api/x') === (user === 'alice')),
    JSON.stringify(users),
  );
});

test('federated: a browser that keeps no cookies is told so before it gives up by itself', async (t) => {
  const at = await world(t, { login: { default: 'sso' } });
  const visitor = at.visitor();
  const person = at.idp.person();
  let next = '/_gate/login?return=/app';
  let redirects = 0;
  for (;;) {
    visitor.cookies.clear();
    const answer = await visitor.open(next);
    if (answer.status !== 302) {
      assert.equal(answer.status, 508);
      assert.match(answer.text, /Signing in goes round in circles/);
      assert.match(answer.text, /accepts cookies/);
      break;
    }
    redirects += 1;
    const to = new URL(locationOf(answer), at.gate.url);
    next = to.origin === at.gate.url.origin ? pathOf(to) : pathOf(await person.signIn(to, 'alice'));
    if (to.origin !== at.gate.url.origin) redirects += 2;
    assert.ok(redirects < 20, 'Chromium and Firefox give up after 20 redirects');
  }
  assert.equal(reasonsOf(at).at(-1), 'flow-loop');
  assert.equal(at.upstream.received.length, 0);
});

test('federated: turns without end are stopped, and a login that works makes them count for nothing', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock });
  const visitor = at.visitor();
  const turn = () => visitor.open('/_gate/start/sso?return=/app');
  const untilStopped = async (): Promise<number> => {
    for (let count = 1; count < 100; count++) if ((await turn()).status === 508) return count;
    throw new Error('nothing stops it');
  };
  const most = await untilStopped();
  assert.ok(most > 12, 'more than the tabs of a busy desktop');
  const page = await turn();
  const ways = [...page.text.matchAll(/href="(\/_gate\/login[^"]*)"/g)].map(([, href = '']) =>
    href.replaceAll('&amp;', '&'),
  );
  assert.deepEqual(ways, ['/_gate/login?return=%2Fapp', '/_gate/login?method=form&return=%2Fapp']);
  clock.advance(61_000);
  for (let count = 2; count < most; count++) assert.equal((await turn()).status, 302);
  assert.equal(locationOf(await signIn(at, visitor)), '/app');
  assert.equal((await turn()).status, 302, 'the count began anew');
});

test('federated: an issuer that is away sends to the form, which says so, also where it is the default', async (t) => {
  const at = await world(t, { login: { default: 'sso' } });
  await at.idp.down();
  const visitor = at.visitor();
  const answer = await visitor.open('/_gate/start/sso?return=/app');
  assert.deepEqual(queryOf(answer), { method: 'form', return: '/app', notice: 'unavailable' });
  const page = await visitor.open(locationOf(answer));
  assert.deepEqual([page.status, page.headers['retry-after']], [503, '10']);
  assert.match(page.text, /that way is not possible at the moment/);
  assert.doesNotMatch(page.text, /was not checked/, 'nobody was asked for a password');
  assert.match(page.text, /type="password"/);
});

test('federated: who is known to the issuer alone is refused where another provider must know them too', async (t) => {
  const at = await world(t, { sso: { mustExistIn: 'local' } });
  await mustSignIn(at, 'alice');
  const bob = at.visitor();
  const answer = await signIn(at, bob, 'bob');
  assert.equal(queryOf(answer).notice, 'not-admitted');
  assert.equal(bob.cookies.has('gatehouse'), false);
  assert.match((await bob.open(locationOf(answer))).text, /it may not be used here/);
  assert.deepEqual(reasonsOf(at), ['succeeded', 'not-in-directory']);
});

test('federated: a directory that cannot be asked lets nobody in, and is not taken for a refusal', async (t) => {
  const url = `ldap://127.0.0.1:${await freePort()}`;
  const providers = { directory: { type: 'ldap', url, searchBase: 'dc=example,dc=com' } };
  const at = await world(t, { sso: { mustExistIn: 'directory' }, providers });
  const visitor = at.visitor();
  const answer = await signIn(at, visitor);
  assert.equal(queryOf(answer).notice, 'unavailable');
  assert.equal(visitor.cookies.has('gatehouse'), false);
  assert.deepEqual(reasonsOf(at), ['unreachable']);
});

test('federated: a token of a program is not called wrong while the directory of its user is away', async (t) => {
  const url = `ldap://127.0.0.1:${await freePort()}`;
  const at = await world(t, {
    sso: { mustExistIn: 'directory', bearer: { audience: 'api' } },
    providers: { directory: { type: 'ldap', url, searchBase: 'dc=example,dc=com' } },
    config: { routes: [{ location: '/', upstream: 'http://127.0.0.1:9', access: { bearer: true } }] },
  });
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: at.idp.issuer, aud: 'api', sub: 'alice', client_id: 'robot', preferred_username: 'alice' };
  const token = await at.idp.sign({ ...claims, iat: now, exp: now + 60 }, { typ: 'at+jwt' });
  const answer = await at.visitor().fetch('/api', { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['www-authenticate'], undefined);
});

test('federated: mustExistIn must name a provider that can look users up', async (t) => {
  const providers = { partner: { type: 'cas', url: 'http://127.0.0.1:9/cas', mustExistIn: 'sso' } };
  await assert.rejects(world(t, { providers }), /providers\.partner\.mustExistIn.* type ldap or local/s);
});

test('federated: a reserved user is refused, whoever vouches and however the name is written', async (t) => {
  const at = await world(t);
  const visitor = at.visitor();
  assert.equal(queryOf(await signIn(at, visitor, 'xuc')).notice, 'not-admitted');
  assert.equal(visitor.cookies.has('gatehouse'), false);
  assert.deepEqual(reasonsOf(at), ['user-reserved']);
});

test('federated: a login carries on under a new session, and the one that the browser came with is dead', async (t) => {
  const at = await world(t);
  const visitor = await mustSignIn(at, 'bob');
  const planted = at.visitor();
  planted.cookies.set('gatehouse', visitor.cookies.get('gatehouse') ?? '');
  assert.equal(locationOf(await signIn(at, visitor, 'alice')), '/app');
  assert.equal(await isSignedIn(planted), false);
  assert.equal(await isSignedIn(visitor), true);
});

test('federated: a step-up asks the issuer for a fresh proof of the same user, and tells what went wrong', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock, login: { default: 'sso' } });
  const visitor = await mustSignIn(at);
  assert.equal((await visitor.open('/fresh/x')).status, 200);
  clock.advance(6 * 60_000);
  const asked = locationOf(await visitor.open('/fresh/x'));
  assert.equal(asked, '/_gate/login?return=%2Ffresh%2Fx&confirm=1');
  const start = locationOf(await visitor.open(asked));
  assert.equal(start, '/_gate/start/sso?return=%2Ffresh%2Fx&confirm=1');

  const wrong = await signIn(at, visitor, 'bob', { return: '/fresh/x', confirm: '1' });
  assert.deepEqual(queryOf(wrong), { method: 'form', return: '/fresh/x', confirm: '1', notice: 'method-failed' });
  const page = await visitor.open(locationOf(wrong));
  assert.match(page.text, /did not work/);
  assert.match(links(page.text)[0] ?? '', /confirm=1/);
  assert.equal(await isSignedIn(visitor), true, 'alice is still alice');
});

test('federated: a local user confirms by password, also where another method is followed at once', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock, login: { default: 'sso' } });
  const visitor = at.visitor();
  const form = await visitor.open('/_gate/login?method=form&return=/fresh/x');
  await visitor.post('/_gate/login', { ...hiddenFields(form.text), username: 'dora', password });
  assert.equal((await visitor.open('/fresh/x')).status, 200);
  clock.advance(6 * 60_000);
  const page = await visitor.open(locationOf(await visitor.open('/fresh/x')));
  assert.equal(page.status, 200, 'not led away to an issuer that does not know them');
  const answer = await visitor.post('/_gate/login', { ...hiddenFields(page.text), username: 'dora', password });
  assert.deepEqual([answer.status, locationOf(answer)], [303, '/fresh/x']);
  assert.equal((await visitor.open('/fresh/x')).status, 200);
});

test('federated: who wants to be somebody else chooses how, and is not led back as themselves', async (t) => {
  const at = await world(t, { login: { default: 'sso' } });
  const visitor = await mustSignIn(at);
  const page = await visitor.open('/_gate/login?switch=1&return=/app');
  assert.equal(page.status, 200);
  assert.match(page.text, /type="password"/);
});

const callbacks: Readonly<Record<string, readonly [path: string, body: string | undefined, status: number]>> = {
  'a callback with a parameter twice': ['/_gate/callback/sso?state=a&code=b&state=c', undefined, 400],
  'a callback of no provider': ['/_gate/callback/nobody?state=a&code=b', undefined, 404],
  'a start of no provider': ['/_gate/start/nobody', undefined, 404],
  'a start of a provider that nobody is led to': ['/_gate/start/local', undefined, 302],
  'a post to the callback that is no notice': ['/_gate/callback/sso', 'code=a&state=b', 400],
  'a post to the callback that has a field twice': ['/_gate/callback/sso', 'code=a&code=b', 400],
  'a back-channel notice without a token': ['/_gate/backchannel/sso', 'x=y', 400],
  'a back-channel notice to no provider': ['/_gate/backchannel/nobody', 'logout_token=x', 404],
  'a front-channel notice that names nobody': ['/_gate/frontchannel/sso', undefined, 400],
  'a front-channel notice with a parameter twice': ['/_gate/frontchannel/sso?iss=a&sid=b&sid=c', undefined, 400],
  'a back-channel notice whose address has a parameter twice': ['/_gate/backchannel/sso?a=1&a=2', 'x=y', 400],
};
for (const [name, [path, body, status]] of Object.entries(callbacks))
  test(`federated: ${name} is ${status} and ends or makes no session`, async (t) => {
    const at = await world(t);
    const visitor = await mustSignIn(at);
    const stranger = at.visitor();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await stranger.open(path, body === undefined ? {} : { method: 'POST', headers, body });
    assert.equal(answer.status, status);
    assert.equal(stranger.cookies.has('gatehouse'), false);
    assert.equal(await isSignedIn(visitor), true);
  });

test('federated: a link to the logout asks first, and the form leads on to the issuer and back to this site only', async (t) => {
  const at = await world(t, { sso: { logout: true } });
  const visitor = await mustSignIn(at);
  const evil = '/_gate/logout?return=https://evil.example/&service=https://evil.example/';
  const page = await visitor.open(evil);
  assert.equal(page.status, 200);
  assert.equal(await isSignedIn(visitor), true);
  const answer = await visitor.post(evil, hiddenFields(page.text));
  assert.equal(answer.status, 303);
  const there = new URL(locationOf(answer));
  assert.equal(there.origin, at.idp.issuer);
  assert.ok(there.searchParams.get('id_token_hint'));
  assert.equal(new URL(there.searchParams.get('post_logout_redirect_uri') ?? '').origin, at.gate.url.origin);
  assert.equal(visitor.cookies.has('gatehouse'), false);
  assert.equal(await isSignedIn(visitor), false);
});

test('federated: an issuer that is away does not keep anybody signed in here', async (t) => {
  const at = await world(t, { sso: { logout: true } });
  const visitor = await mustSignIn(at);
  await at.idp.down();
  const page = await visitor.open('/_gate/logout');
  assert.ok((await visitor.post('/_gate/logout', hiddenFields(page.text))).status < 400);
  assert.equal(await isSignedIn(visitor), false);
});

test('federated: a notice of the issuer cuts the WebSocket of its session within 2 s, and no other', async (t) => {
  const at = await world(t);
  let sid = '';
  at.idp.tamper = (path, body) => {
    if (path === '/token')
      sid = JSON.parse(Buffer.from(String(body.id_token).split('.')[1] ?? '', 'base64url').toString()).sid;
    return body;
  };
  const mine = await mustSignIn(at);
  const named = sid;
  const other = await mustSignIn(at);
  const [socket, bystander] = [await openSocket(t, at, mine), await openSocket(t, at, other)];
  const cut = assertCut(socket);
  await at.idp.sendLogout('alice', named);
  await cut;
  assert.deepEqual([await isSignedIn(mine), await isSignedIn(other)], [false, true]);
  assert.equal(bystander.readyState, WebSocket.OPEN);
  const { reason, user, provider } = at.gate.audit('session-end').at(-1) ?? {};
  assert.deepEqual({ reason, user, provider }, { reason: 'back-channel', user: 'alice', provider: 'sso' });
});

test('federated: the end of its lifetime cuts a WebSocket within 2 s, however busy it is', async (t) => {
  const clock = manualClock(Date.now());
  const config = { session: { idle: '2m', lifetime: '5m', store: { type: 'memory' } } };
  const at = await world(t, { clock, config });
  const visitor = await mustSignIn(at);
  const socket = await openSocket(t, at, visitor);
  for (let minute = 0; minute < 4; minute++) {
    clock.advance(60_000);
    assert.equal(await isSignedIn(visitor), true);
    socket.send('busy');
    await once(socket, 'message');
  }
  const cut = assertCut(socket);
  clock.advance(61_000);
  await cut;
  assert.match(locationOf(await visitor.open('/app')), /notice=session-ended/);
});

test('federated: a session with only a WebSocket is refreshed at its issuer, and cut where that takes its role', async (t) => {
  const clock = manualClock(Date.now());
  const roles = { supervisor: { groups: ['supervisors'] } };
  const at = await world(t, {
    clock,
    sso: { groupsClaim: 'groups' },
    config: { roles, session: { idle: '10h', store: { type: 'memory' } } },
  });
  await at.gate.write({
    // A refresh that a busy machine cuts off is due again only by the clock, which stands still.
    login: { chain: ['sso', 'local'], timeout: '20s' },
    providers: { sso: { type: 'oidc', ...at.idp.options, groupsClaim: 'groups' } },
    session: { idle: '10h', store: { type: 'memory' } },
    roles,
    routes: [
      { location: '/', upstream: at.upstream.origin, websocket: true },
      { location: '/live', upstream: at.upstream.origin, websocket: true, access: { roles: ['supervisor'] } },
    ],
  });
  assert.equal((await at.gate.running.reload({ actor: 'signal' })).kind, 'reloaded');
  at.idp.setPeople({ alice: { preferred_username: 'alice', groups: ['supervisors'] } });
  const visitor = await mustSignIn(at);
  const socket = await openSocket(t, at, visitor);
  const asked = () => at.idp.requests.filter((request) => request === 'POST /token').length;
  const before = asked();
  at.idp.setPeople({ alice: { preferred_username: 'alice', groups: [] } });
  const cut = assertCut(socket);
  clock.advance(2 * 3_600_000);
  await cut;
  assert.equal(asked(), before + 1);
  const old = visitor.cookieHeader;
  assert.equal(await isSignedIn(visitor), true, 'the session goes on, under another cookie');
  assert.notEqual(visitor.cookieHeader, old);
  assert.equal(await isSignedIn(visitor), true);
});

test('federated: a refresh signs nobody out where its request is refused, or meets an application that is down', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock, sso: { groupsClaim: 'groups' } });
  const session = { idle: '10h', store: { type: 'memory' } };
  await at.gate.write({
    login: { chain: ['sso', 'local'], timeout: '20s' },
    providers: { sso: { type: 'oidc', ...at.idp.options, groupsClaim: 'groups' } },
    session,
    roles: { supervisor: { groups: ['supervisors'] } },
    routes: [
      { location: '/', upstream: at.upstream.origin },
      { location: '/live', upstream: at.upstream.origin, access: { roles: ['supervisor'] } },
      { location: '/dead', upstream: 'http://127.0.0.1:1' },
      { location: '/small', upstream: at.upstream.origin, maxBody: '1kb' },
    ],
  });
  assert.equal((await at.gate.running.reload({ actor: 'signal' })).kind, 'reloaded');
  at.idp.setPeople({ alice: { preferred_username: 'alice', groups: ['supervisors'] } });
  const visitor = await mustSignIn(at);
  const refused = [
    ['/live', { method: 'GET' }, 403],
    ['/dead', { method: 'GET' }, 502],
    ['/small', { method: 'POST', body: 'x'.repeat(2000) }, 413],
  ] as const;
  for (const [index, [path, ask, status]] of refused.entries()) {
    at.idp.setPeople({ alice: { preferred_username: 'alice', groups: [`turn-${index}`] } });
    clock.advance(2 * 3_600_000);
    const old = visitor.cookieHeader;
    assert.equal((await visitor.fetch(path, ask)).status, status);
    assert.notEqual(visitor.cookieHeader, old, `${path}: the session goes on under another cookie`);
    assert.equal(await isSignedIn(visitor), true, path);
  }
});

test('federated: a namesake in another realm confirms nothing for somebody signed in, and ends nothing', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock });
  const visitor = await mustSignIn(at, 'alice');
  clock.advance(6 * 60_000);
  const form = await visitor.open('/_gate/login?method=form&confirm=1&return=/fresh/x');
  const answer = await visitor.post('/_gate/login', { ...hiddenFields(form.text), username: 'alice', password });
  assert.equal(answer.status, 401);
  assert.equal(reasonsOf(at).at(-1), 'login-denied');
  assert.equal(await isSignedIn(visitor), true);
  assert.match(locationOf(await visitor.open('/fresh/x')), /confirm=1/);
});

test('federated: users see the sessions of all their browsers, by method and device, and end one', async (t) => {
  const at = await world(t, { sso: { label: 'Company' } });
  const [here, there] = [await mustSignIn(at), await mustSignIn(at)];
  const bob = await mustSignIn(at, 'bob');
  const who = JSON.parse((await here.fetch('/_gate/session')).text);
  assert.partialDeepStrictEqual(who, { user: 'alice', provider: 'sso', amr: ['oidc'] });
  assert.equal(who.sessions.length, 2);
  for (const one of who.sessions)
    assert.deepEqual(
      ['id', 'provider', 'address', 'createdAt', 'lastSeenAt', 'expiresAt', 'current'].filter((key) => !(key in one)),
      [],
    );
  const other = who.sessions.find(({ current }: { current: boolean }) => !current).id;
  const strange = JSON.parse((await bob.fetch('/_gate/session')).text).session.id;
  const page = await here.open('/_gate/session');
  assert.match(page.text, /Company/);
  const socket = await openSocket(t, at, there);
  const cut = assertCut(socket);
  const end = (id: string) => here.post('/_gate/session', { ...hiddenFields(page.text), end: id });
  assert.equal(locationOf(await end(other)), '/_gate/session?ended=1');
  await cut;
  assert.equal(locationOf(await end(strange)), '/_gate/session?ended=0');
  assert.deepEqual([await isSignedIn(here), await isSignedIn(there), await isSignedIn(bob)], [true, false, true]);
});
