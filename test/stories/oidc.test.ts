/** OpenID Connect from a browser's first click to the logout at the issuer: a whole gateway against a real provider. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { request } from 'undici';
import { WebSocket } from 'ws';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { type Idp, type IdpOptions, type Person, startIdp } from '../support/servers/oidc-provider.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { assertNoSecrets } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`oidc: ${name}`, run);

const people = {
  alice: { preferred_username: 'Alice', name: 'Alice Agent', email: 'alice@example.com', groups: ['agents'] },
  bob: { preferred_username: 'bob', name: 'Bob', groups: ['supervisors'] },
};

interface World {
  readonly idp: Idp;
  readonly gate: TestGateway;
  readonly upstream: TestUpstream;
}

/** An identity provider and a gateway in front of an application; `sso` adds to the options of the provider. */
async function world(
  t: TestContext,
  {
    sso = {},
    config = {},
    idp: idpOptions = {},
    clock,
    moreRoutes = () => [],
  }: {
    moreRoutes?: (upstream: string) => readonly Yaml[];
    sso?: Yaml;
    config?: Yaml;
    idp?: IdpOptions;
    clock?: ReturnType<typeof manualClock>;
  } = {},
): Promise<World> {
  const idp = await startIdp(t, { people, ...idpOptions });
  const upstream = await startUpstream(t);
  const gate = await gateway(t, {
    users: [{ name: 'local1', password: 'right-horse-81' }],
    ...(clock && { clock }),
    config: {
      login: { chain: ['sso', 'local'], timeout: '30s' },
      providers: { sso: { type: 'oidc', ...idp.options, groupsClaim: 'groups', ...sso } },
      roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'] } },
      routes: [
        { location: '/', upstream: upstream.origin, websocket: true },
        { location: '/admin/', upstream: upstream.origin, access: { roles: ['supervisor'] } },
        { location: '/fresh/', upstream: upstream.origin, access: { maxAge: '1ms' } },
        { location: '/api/', upstream: upstream.origin, access: { bearer: true, roles: ['agent'] } },
        ...moreRoutes(upstream.origin),
      ],
      ...config,
    },
  });
  if (!idpOptions.isDown) idp.register(gate.url, 'sso');
  return { idp, gate, upstream };
}

const pathOf = (url: URL): string => url.pathname + url.search;

/** Follows the button of the login page; the address at the identity provider. */
async function leave(
  visitor: Visitor,
  query: Record<string, string> = { return: '/app' },
  name = 'sso',
): Promise<string> {
  const answer = await visitor.open(`/_gate/start/${name}?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 302);
  return String(answer.headers.location);
}

/** A browser, and the address with a code to which the identity provider sends it. */
async function comeBack({ idp, gate }: World, login = 'alice', visitor = new Visitor(gate.url), person = idp.person()) {
  const back = await person.signIn(await leave(visitor), login);
  assert.equal(back.origin, gate.url.origin);
  return { visitor, person, back };
}

async function signIn(at: World, login = 'alice'): Promise<{ visitor: Visitor; person: Person; back: URL }> {
  const begun = await comeBack(at, login);
  const answer = await begun.visitor.open(pathOf(begun.back));
  assert.equal(answer.headers.location, '/app', answer.text);
  return begun;
}

async function isSignedIn(visitor: Visitor): Promise<boolean> {
  return (await visitor.fetch('/app')).status === 200;
}

/** How the breaker stands, by the last line of the log that says so. */
function breakerOf({ lines }: TestGateway): string | undefined {
  const line = lines.findLast((text) => text.includes('the circuit breaker of a provider changed'));
  return line && (JSON.parse(line) as { state: string }).state;
}

function assertBackAtTheForm(answer: Answer, notice: string): void {
  assert.equal(answer.status, 302);
  assert.equal(new URL(String(answer.headers.location), 'http://gate').searchParams.get('notice'), notice);
}

const reasonsOf = (gate: TestGateway) => gate.audit('login').map(({ reason, outcome }) => reason ?? outcome);

story('a login leads to the issuer and back, and the application learns who it is', async (t) => {
  const at = await world(t);
  const { visitor } = await signIn(at);
  assert.equal((await visitor.fetch('/app')).status, 200);
  const seen = at.upstream.received.at(-1);
  const want = {
    user: 'alice',
    name: 'Alice Agent',
    email: 'alice@example.com',
    groups: 'agents',
    roles: 'agent',
    provider: 'sso',
  };
  for (const [name, value] of Object.entries(want)) assert.deepEqual(seen?.values(`x-remote-${name}`), [value], name);
  assert.equal((await visitor.fetch('/admin/')).status, 403);
  assert.deepEqual(reasonsOf(at.gate), ['succeeded']);
});

story('the login page has a button and a form, and one issuer alone is followed at once', async (t) => {
  const both = await world(t);
  const page = await new Visitor(both.gate.url).open('/_gate/login?return=/app');
  assert.match(page.text, /\/_gate\/start\/sso\?/);
  assert.match(page.text, /type="password"/);
  const alone = await world(t, { config: { login: { chain: ['sso'] } } });
  const answer = await new Visitor(alone.gate.url).open('/_gate/login?return=/app');
  assert.match(String(answer.headers.location), /^\/_gate\/start\/sso\?return=%2Fapp/);
});

story('O1: a code makes no session in a browser that has not asked for it', async (t) => {
  const at = await world(t);
  const { back, visitor: attacker } = await comeBack(at);
  const victim = new Visitor(at.gate.url);
  assert.equal((await victim.open(pathOf(back))).headers.location, '/_gate/start/sso?again=1');
  await leave(victim);
  assert.equal((await victim.open(pathOf(back))).status, 400, 'a login is under way here, and it is not that one');
  assert.equal(await isSignedIn(victim), false);
  assert.deepEqual(reasonsOf(at.gate), ['flow-foreign', 'flow-foreign']);
  assert.equal((await attacker.open(pathOf(back))).headers.location, '/app', 'it was not used up by that');
});

story('a state counts once', async (t) => {
  const at = await world(t);
  const { visitor, back } = await signIn(at);
  const again = new Visitor(at.gate.url);
  for (const [name, value] of visitor.cookies) again.cookies.set(name, value);
  assert.equal((await again.open(pathOf(back))).headers.location, '/_gate/start/sso?again=1&return=%2Fapp');
  assert.deepEqual(reasonsOf(at.gate), ['succeeded', 'flow-expired']);
  assert.equal(at.idp.requests.filter((line) => line === 'POST /token').length, 1);
});

story('O3: a parameter that stands twice is refused, in the callback and in a notice', async (t) => {
  const at = await world(t);
  const { visitor, back } = await comeBack(at);
  for (const twice of ['state', 'code', 'iss'])
    assert.equal((await visitor.open(`${pathOf(back)}&${twice}=other`)).status, 400, twice);
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const notice = { method: 'POST', headers, body: 'logout_token=a&logout_token=b' };
  assert.equal((await new Visitor(at.gate.url).fetch('/_gate/backchannel/sso', notice)).status, 400);
  assert.equal((await visitor.open(pathOf(back))).headers.location, '/app');
});

story('an ID token that somebody changes on its way signs nobody in', async (t) => {
  const at = await world(t);
  const { visitor, back } = await comeBack(at);
  at.idp.tamper = (path, body) => {
    if (path !== '/token') return body;
    const [header, payload = '', signature] = String(body.id_token).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, preferred_username: 'bob', groups: ['supervisors'] }));
    return { ...body, id_token: `${header}.${forged.toString('base64url')}.${signature}` };
  };
  assertBackAtTheForm(await visitor.open(pathOf(back)), 'method-failed');
  assert.equal(await isSignedIn(visitor), false);
  assert.equal(at.upstream.received.length, 0);
  assert.deepEqual(reasonsOf(at.gate), ['token-rejected']);
});

story('an ID token with the nonce of another login signs nobody in', async (t) => {
  const at = await world(t);
  const { visitor, back } = await comeBack(at);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: at.idp.issuer,
    aud: at.idp.clientId,
    sub: 'bob',
    preferred_username: 'bob',
    nonce: 'another',
    iat: now,
    exp: now + 60,
  };
  const token = await at.idp.sign(claims);
  at.idp.tamper = (path, body) => (path === '/token' ? { ...body, id_token: token } : body);
  assertBackAtTheForm(await visitor.open(pathOf(back)), 'method-failed');
  assert.deepEqual(reasonsOf(at.gate), ['token-rejected']);
});

story('an issuer that changes its keys loses nobody', async (t) => {
  const at = await world(t);
  const first = await signIn(at);
  at.idp.rotateKeys();
  const second = await signIn(at, 'bob');
  assert.deepEqual([await isSignedIn(first.visitor), await isSignedIn(second.visitor)], [true, true]);
});

story('an issuer that is down does not stop the start, is named in the audit, and comes back by itself', async (t) => {
  const at = await world(t, { idp: { isDown: true } });
  const visitor = new Visitor(at.gate.url);
  assertBackAtTheForm(await endsWithin(2500, 'the way', visitor.open('/_gate/start/sso?return=/app')), 'unavailable');
  assert.deepEqual(reasonsOf(at.gate), ['unreachable']);
  await visitor.mustSignIn('local1', 'right-horse-81', '/app');
  await at.idp.up();
  at.idp.register(at.gate.url, 'sso');
  const { visitor: later } = await until('a login by it works', () => signIn(at).catch(() => undefined));
  assert.equal(await isSignedIn(later), true);
});

/** Ways to be away, each with the way back. */
const absences = {
  closed: { reason: 'unreachable', leave: (idp: Idp) => idp.down(), comeBack: (idp: Idp) => idp.up() },
  frozen: {
    reason: 'timed-out',
    leave: async (idp: Idp) => void Object.assign(idp, { silent: () => true }),
    comeBack: async (idp: Idp) => void Object.assign(idp, { silent: () => false }),
  },
  lying: {
    reason: 'protocol-error',
    leave: async (idp: Idp) =>
      void Object.assign(idp, { instead: (_path: string, response: ServerResponse) => response.end('<html>hello') }),
    comeBack: async (idp: Idp) => void Object.assign(idp, { instead: () => false }),
  },
};
for (const [how, { reason, leave: goAway, comeBack: recover }] of Object.entries(absences))
  story(`A3: an open breaker finds out by itself that a ${how} issuer is back, within 5 s`, async (t) => {
    const at = await world(t, { sso: { timeout: '1s' } });
    const victims = await Promise.all(['alice', 'bob', 'alice'].map((name) => comeBack(at, name)));
    await goAway(at.idp);
    for (const { visitor, back } of victims) assertBackAtTheForm(await visitor.open(pathOf(back)), 'unavailable');
    assertBackAtTheForm(await new Visitor(at.gate.url).open('/_gate/start/sso?return=/app'), 'unavailable');
    assert.deepEqual(reasonsOf(at.gate), [reason, reason, reason, 'breaker-open']);
    await recover(at.idp);
    await endsWithin(
      5000,
      'the return',
      until('the breaker closes', () => breakerOf(at.gate) === 'closed'),
    );
    await signIn(at);
    assert.deepEqual(reasonsOf(at.gate).slice(4), ['succeeded'], 'nobody else has tried');
  });

story('a step-up asks for a fresh login at the issuer, and goes on as the same session’s', async (t) => {
  const at = await world(t);
  const { visitor, person } = await signIn(at);
  const address = await leave(visitor, { return: '/fresh/x', confirm: '1' });
  const back = await person.signIn(address, 'alice');
  assert.equal((await visitor.open(pathOf(back))).headers.location, '/fresh/x');
  const other = await leave(visitor, { return: '/fresh/x', confirm: '1' });
  const wrong = await at.idp.person().signIn(other, 'bob');
  assertBackAtTheForm(await visitor.open(pathOf(wrong)), 'method-failed');
});

story('a refresh gives the rights that the user has by now, and many requests make one call', async (t) => {
  const clock = manualClock(Date.now());
  const at = await world(t, { clock });
  const { visitor } = await signIn(at);
  assert.equal((await visitor.fetch('/admin/')).status, 403);
  at.idp.setPeople({ alice: { ...people.alice, groups: ['supervisors'] } });
  clock.advance(9 * 60_000);
  const calls = () => at.idp.requests.filter((line) => line === 'POST /token').length;
  const before = calls();
  await Promise.all(Array.from({ length: 10 }, () => visitor.fetch('/app')));
  assert.equal(calls(), before + 1);
  assert.equal((await visitor.fetch('/admin/')).status, 200);
});

story(
  'a refresh token that is revoked at the issuer ends the session; an issuer that is away, or ill, ends none',
  async (t) => {
    const clock = manualClock(Date.now());
    const at = await world(t, { clock });
    const { visitor } = await signIn(at);
    clock.advance(9 * 60_000);
    await at.idp.down();
    assert.equal(await isSignedIn(visitor), true, 'away');
    await at.idp.up();
    clock.advance(60_000);
    at.idp.tamper = (path, body) => (path === '/token' ? { sorry: 'try later' } : body);
    assert.equal(await isSignedIn(visitor), true, 'ill');
    const other = await world(t, { clock });
    const tokens: string[] = [];
    other.idp.tamper = (path, body) => {
      if (path === '/token') tokens.push(String(body.refresh_token));
      return body;
    };
    const mine = await signIn(other);
    const body = new URLSearchParams({ token: tokens.at(-1) ?? '', token_type_hint: 'refresh_token' }).toString();
    const authorization = `Basic ${btoa(`${other.idp.clientId}:${other.idp.clientSecret}`)}`;
    const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
    const { statusCode } = await request(`${other.idp.issuer}/token/revocation`, { method: 'POST', headers, body });
    assert.equal(statusCode, 200);
    clock.advance(9 * 60_000);
    assert.equal(await isSignedIn(mine.visitor), false);
    assert.deepEqual(
      other.gate.audit('session-end').map(({ reason }) => reason),
      ['revoked'],
    );
  },
);

/** A WebSocket and an event stream of a browser, open, with what tells that they have ended. */
async function goLive(t: TestContext, { gate }: World, visitor: Visitor) {
  const headers = { cookie: visitor.cookieHeader, origin: gate.url.origin };
  const socket = new WebSocket(`ws://${gate.url.host}/live`, { headers });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const stream = http.get(new URL('/sse', gate.url), { headers });
  t.after(() => stream.destroy());
  const [response] = (await once(stream, 'response')) as [http.IncomingMessage];
  response.on('error', () => undefined);
  await once(response, 'data');
  const streamEnds = new Promise<void>((resolve) => response.once('close', resolve));
  return { socket, closed: once(socket, 'close'), streamEnds };
}

story('signing out at the issuer ends the session here, its WebSocket and its event stream, within 2 s', async (t) => {
  const at = await world(t);
  const [mine, other] = [await signIn(at), await signIn(at, 'bob')];
  const live = await goLive(t, at, mine.visitor);
  const bystander = await goLive(t, at, other.visitor);
  await mine.person.signOut(`${at.idp.issuer}/session/end`);
  const [[code]] = await endsWithin(2000, 'the cut', Promise.all([live.closed, live.streamEnds]));
  assert.equal(code, 1008);
  assert.equal((await mine.visitor.fetch('/app')).status, 401);
  assert.equal(await isSignedIn(other.visitor), true);
  assert.equal(bystander.socket.readyState, WebSocket.OPEN);
});

story('the front channel ends the session that it names', async (t) => {
  const at = await world(t);
  const { visitor, person } = await signIn(at);
  let sid = '';
  at.idp.tamper = (path, body) => {
    if (path === '/token')
      sid = JSON.parse(Buffer.from(String(body.id_token).split('.')[1] ?? '', 'base64url').toString()).sid;
    return body;
  };
  const second = await comeBack(at, 'alice', visitor, person);
  await visitor.open(pathOf(second.back));
  assert.equal(await isSignedIn(visitor), true);
  const stranger = new Visitor(at.gate.url);
  const end = (query: Record<string, string>) =>
    stranger.fetch(`/_gate/frontchannel/sso?${new URLSearchParams(query)}`);
  assert.equal((await end({ sid })).status, 400);
  assert.equal((await end({ iss: 'https://evil.example', sid })).status, 400);
  const twice = new URLSearchParams([...Object.entries({ iss: at.idp.issuer, sid }), ['sid', 'another']]);
  assert.equal((await stranger.fetch(`/_gate/frontchannel/sso?${twice}`)).status, 400);
  assert.equal(await isSignedIn(visitor), true);
  assert.equal((await end({ iss: at.idp.issuer, sid })).status, 200);
  assert.equal(await isSignedIn(visitor), false);
});

story('signing out here leads to the issuer and back, where that is configured (R9)', async (t) => {
  const at = await world(t, { sso: { logout: true } });
  const { visitor, person } = await signIn(at);
  const page = await visitor.open('/_gate/logout?post_logout_redirect_uri=https://evil.example/');
  const answer = await visitor.post(
    '/_gate/logout?post_logout_redirect_uri=https://evil.example/',
    hiddenFields(page.text),
  );
  const there = new URL(String(answer.headers.location));
  assert.equal(there.origin, at.idp.issuer);
  const returnTo = new URL(there.searchParams.get('post_logout_redirect_uri') ?? '');
  assert.equal(returnTo.origin, at.gate.url.origin);
  assert.equal(await isSignedIn(visitor), false);
  assert.equal((await person.signOut(there)).href, returnTo.href);
});

story('API clients show a token where the location takes one, and nowhere else (O2)', async (t) => {
  const at = await world(t, { sso: { bearer: { audience: 'api' } } });
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: at.idp.issuer,
    aud: 'api',
    sub: 'alice',
    client_id: 'robot',
    preferred_username: 'alice',
    groups: ['agents'],
    iat: now,
    exp: now + 60,
  };
  const call = async (path: string, token: string) => {
    const { statusCode, headers, body } = await request(at.gate.url.origin + path, {
      headers: { authorization: `Bearer ${token}` },
    });
    await body.dump();
    return { status: statusCode, cookie: headers['set-cookie'], challenge: headers['www-authenticate'] };
  };
  const good = await at.idp.sign(claims, { typ: 'at+jwt' });
  assert.deepEqual(await call('/api/x', good), { status: 200, cookie: undefined, challenge: undefined });
  assert.deepEqual(at.upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
  assert.equal((await call('/app', good)).status, 401);
  const wrong = await call('/api/x', 'anything');
  assert.deepEqual(wrong, { status: 401, cookie: undefined, challenge: 'Bearer error="invalid_token"' });
  assert.equal((await call('/api/x', await at.idp.sign({ ...claims, aud: 'other' }, { typ: 'at+jwt' }))).status, 401);
  const stranger = await at.idp.sign({ ...claims, groups: [] }, { typ: 'at+jwt' });
  assert.equal((await call('/api/x', stranger)).status, 403);
});

story('2F10: a token is worth what its issuer is trusted for, and too little is 401 as RFC 9470 has it', async (t) => {
  const at = await world(t, {
    sso: { bearer: { audience: 'api' }, trust: { acr: { gold: 2 }, amr: { hwk: 3 } } },
    config: { factors: { app: { type: 'totp' } } },
    moreRoutes: (upstream) => [
      { location: '/vault/', upstream, access: { bearer: true, level: 2, maxAge: '10m' } },
      { location: '/safe/', upstream, access: { bearer: true, level: 3 } },
    ],
  });
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: at.idp.issuer, aud: 'api', sub: 'alice', preferred_username: 'alice', iat: now, exp: now + 60 };
  const call = async (path: string, more: object) => {
    const authorization = `Bearer ${await at.idp.sign({ ...claims, client_id: 'robot', ...more }, { typ: 'at+jwt' })}`;
    const { statusCode, headers, body } = await request(at.gate.url.origin + path, { headers: { authorization } });
    const text = await body.text();
    return { status: statusCode, challenge: headers['www-authenticate'], text };
  };
  const insufficient =
    'Bearer error="insufficient_user_authentication", acr_values="urn:gatehouse:level:2", max_age="600"';
  for (const more of [{}, { acr: 'silver' }, { acr: ['gold'] }, { amr: 'hwk' }, { amr: ['pwd', 'mfa'] }]) {
    const { status, challenge, text } = await call('/vault/x', more);
    assert.deepEqual([status, challenge], [401, insufficient], JSON.stringify(more));
    assert.partialDeepStrictEqual(JSON.parse(text), { reason: 'level-too-low', level: 2 });
  }
  assert.equal(at.upstream.received.length, 0);
  assert.equal((await call('/vault/x', { acr: 'gold' })).status, 200);
  assert.deepEqual(at.upstream.only().values('x-remote-level'), ['2']);
  assert.equal((await call('/safe/x', { acr: 'gold' })).status, 401);
  assert.equal((await call('/safe/x', { amr: ['hwk'] })).status, 200);
});

story('several issuers in one chain keep their users, their codes and their logouts apart', async (t) => {
  const [first, second] = [
    await startIdp(t, { people }),
    await startIdp(t, { people: { alice: { preferred_username: 'alice', groups: ['supervisors'] } } }),
  ];
  const config: Yaml = {
    login: { chain: ['sso', 'partner', 'local'], timeout: '30s' },
    providers: {
      sso: { type: 'oidc', ...first.options, groupsClaim: 'groups' },
      partner: { type: 'oidc', ...second.options, groupsClaim: 'groups' },
    },
  };
  const upstream = await startUpstream(t);
  const gate = await gateway(t, { config: { ...config, routes: [{ location: '/', upstream: upstream.origin }] } });
  first.register(gate.url, 'sso');
  second.register(gate.url, 'partner');
  const signInAt = async (idp: Idp, name: string) => {
    const visitor = new Visitor(gate.url);
    const back = await idp.person().signIn(await leave(visitor, { return: '/app' }, name), 'alice');
    assert.equal((await visitor.open(pathOf(back))).headers.location, '/app');
    return visitor;
  };
  const [one, two] = [await signInAt(first, 'sso'), await signInAt(second, 'partner')];
  await one.fetch('/app');
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-provider'), ['sso']);
  await two.fetch('/app');
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-groups'), ['supervisors']);

  // A code of one issuer at the callback of the other: mix-up (RFC 9207).
  const visitor = new Visitor(gate.url);
  const back = await second.person().signIn(await leave(visitor, { return: '/app' }, 'partner'), 'alice');
  back.pathname = '/_gate/callback/sso';
  assert.equal((await visitor.open(pathOf(back))).status, 400);
  assert.equal(await isSignedIn(visitor), false);

  // The word of one issuer ends no session of the other.
  const token = await second.sign(
    {
      iss: second.issuer,
      aud: 'gatehouse',
      iat: Math.floor(Date.now() / 1000),
      jti: 'j',
      sub: 'alice',
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    },
    { typ: 'logout+jwt' },
  );
  const post = (name: string) =>
    new Visitor(gate.url).fetch(`/_gate/backchannel/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `logout_token=${token}`,
    });
  assert.equal((await post('sso')).status, 400);
  assert.deepEqual([await isSignedIn(one), await isSignedIn(two)], [true, true]);
  const answer = await post('partner');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.deepEqual([await isSignedIn(one), await isSignedIn(two)], [true, false]);
});

story('neither tokens nor codes nor secrets are logged, at any level', async (t) => {
  const at = await world(t, { sso: { logout: true }, config: { log: { level: 'debug' } } });
  const secrets: string[] = [at.idp.clientSecret];
  at.idp.tamper = (path, body) => {
    if (path === '/token')
      secrets.push(...[body.id_token, body.access_token, body.refresh_token].filter(Boolean).map(String));
    return body;
  };
  const { visitor, back } = await signIn(at);
  secrets.push(back.searchParams.get('code') ?? '');
  await visitor.open(pathOf(back));
  const page = await visitor.open('/_gate/logout');
  await visitor.post('/_gate/logout', hiddenFields(page.text));
  assert.equal(secrets.length, 5);
  assertNoSecrets(at.gate.lines.join(''), secrets);
});

const inChromium = (name: string, run: (t: TestContext) => Promise<void>) =>
  test(`oidc: ${name}`, { skip: withoutChromium }, run);

/** Fills in the identity provider's own page. */
async function signInAtIdp(page: Page, login: string): Promise<void> {
  await page.fill('input[name=login]', login);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
}

inChromium('the whole way in Chromium: click, sign in there, work here, sign out in both places', async (t) => {
  const at = await world(t, { sso: { logout: true } });
  const page = await (await shareChromium(t)).newPage();
  await page.goto(new URL('/app?x=1', at.gate.url).href);
  await page.click('a[href*="/_gate/start/sso"]');
  await signInAtIdp(page, 'alice');
  await page.waitForURL(new URL('/app?x=1', at.gate.url).href);
  assert.deepEqual(at.upstream.received.find(({ url }) => url === '/app?x=1')?.values('x-remote-user'), ['alice']);

  // Signed in there: another visit needs no password.
  await page.context().clearCookies({ name: 'gatehouse' });
  await page.goto(new URL('/_gate/start/sso?return=/again', at.gate.url).href);
  await page.waitForURL(new URL('/again', at.gate.url).href);

  await page.goto(new URL('/_gate/logout', at.gate.url).href);
  await page.click('button[type=submit]');
  await page.waitForURL((url) => url.origin === at.idp.issuer && url.pathname === '/session/end');
  await page.click('button[value=yes]');
  await page.waitForURL((url) => url.origin === at.gate.url.origin);
  await page.goto(new URL('/_gate/start/sso?return=/app', at.gate.url).href);
  await page.waitForSelector('input[name=login]');
});

inChromium('a page that is open in Chromium loses its WebSocket when the user signs out at the issuer', async (t) => {
  const at = await world(t);
  const browser = await (await shareChromium(t)).newContext();
  const page = await browser.newPage();
  await page.goto(new URL('/_gate/start/sso?return=/headers?content-type=text/html', at.gate.url).href);
  await signInAtIdp(page, 'alice');
  await page.waitForURL((url) => url.pathname === '/headers');
  const closed = page.evaluate(
    "new Promise((resolve) => { new WebSocket('ws://' + location.host + '/live').onclose = ({ code }) => resolve(code); })",
  );
  await until('the WebSocket is open', () => at.upstream.sockets.size === 1);
  const other = await browser.newPage();
  await other.goto(`${at.idp.issuer}/session/end`);
  await other.click('button[value=yes]');
  assert.equal(await closed, 1008);
});
