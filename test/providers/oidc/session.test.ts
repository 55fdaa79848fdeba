/** What follows a login by OpenID Connect: its tokens refreshed, and its end, by us and by the issuer. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Outcome, SessionGrant } from '../../../src/core/outcome.ts';
import type { Assertion } from '../../../src/core/principal.ts';
import type { LogoutRequest, Provider } from '../../../src/core/provider.ts';
import { createStore } from '../../../src/store/index.ts';
import { oidcProvider, signIn } from '../../support/scenes/oidc-login.ts';
import { type Idp, type IdpOptions, startIdp } from '../../support/servers/oidc-provider.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';
import { until } from '../../support/tools/poll.ts';

const people = { alice: { preferred_username: 'alice', name: 'Alice', groups: ['agents'] } };
const soon = () => AbortSignal.timeout(60_000);
const returnTo = new URL('http://gate.test/');

interface Begun {
  readonly idp: Idp;
  readonly provider: Required<Provider>;
  readonly assertion: Assertion;
  readonly grant: SessionGrant;
  readonly state: { readonly refreshToken: string; readonly idToken: string; readonly sid: string };
}

async function begun(t: TestContext, more: object = {}, idpOptions: IdpOptions = {}): Promise<Begun> {
  const idp = await startIdp(t, { people, ...idpOptions });
  const provider = await oidcProvider(t, { ...idp.options, groupsClaim: 'groups', ...more });
  return { idp, provider, ...sessionOf(await signIn(provider, idp, 'alice')) };
}

function sessionOf(outcome: Outcome): Pick<Begun, 'assertion' | 'grant' | 'state'> {
  assert.ok(outcome.kind === 'authenticated', JSON.stringify(outcome));
  const { assertion, grant } = outcome;
  assert.ok(grant);
  return { assertion, grant, state: grant.state as Begun['state'] };
}

const tokenRequests = (idp: Idp) => idp.requests.filter((request) => request === 'POST /token').length;

test('a refresh is due when most of the access token’s life is over', async (t) => {
  const before = Date.now();
  const { grant } = await begun(t, {}, { accessTokenSeconds: 100 });
  const due = (grant.refreshAt ?? 0) - before;
  assert.ok(due >= 80_000 && due < 90_000, `due after ${due} ms`);
});

test('a refresh reads the user anew and keeps the tokens that come', async (t) => {
  const { idp, provider, assertion, state } = await begun(t);
  idp.setPeople({ alice: { preferred_username: 'alice', name: 'Alice', groups: ['supervisors'] } });
  const next = sessionOf(await provider.refresh(assertion, state, soon()));
  assert.deepEqual(next.assertion.attributes.groups, ['supervisors']);
  assert.notEqual(next.state.refreshToken, state.refreshToken);
  assert.equal(next.state.sid, state.sid);
  assert.deepEqual(next.grant.handles, [`sid:${state.sid}`, 'sub:alice']);
  sessionOf(await provider.refresh(next.assertion, next.state, soon()));
});

test('O13: refreshes at once, and a late one with the same token, make one call', async (t) => {
  const { idp, provider, assertion, state } = await begun(t);
  const before = tokenRequests(idp);
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => provider.refresh(assertion, state, soon())));
  outcomes.push(await provider.refresh(assertion, state, soon()));
  assert.equal(tokenRequests(idp), before + 1);
  assert.equal(new Set(outcomes.map((outcome) => sessionOf(outcome).state.refreshToken)).size, 1);
});

test('a refresh whose caller leaves goes on: the token that it brings is not lost', async (t) => {
  const { idp, provider, assertion, state } = await begun(t);
  const before = tokenRequests(idp);
  const left = await provider.refresh(assertion, state, AbortSignal.timeout(1));
  assert.equal(left.kind, 'unavailable');
  sessionOf(await provider.refresh(assertion, state, soon()));
  assert.equal(tokenRequests(idp), before + 1);
});

test('a refresh token that the issuer takes no more ends the session', async (t) => {
  const { provider, assertion, state } = await begun(t);
  const outcome = await provider.refresh(assertion, { ...state, refreshToken: 'made-up' }, soon());
  assert.deepEqual(outcome, { kind: 'rejected', reason: 'revoked' });
});

test('an issuer that is away, or ill, or has forgotten the client, ends no session', async (t) => {
  const { idp, provider, assertion, state } = await begun(t);
  await idp.down();
  assert.equal((await provider.refresh(assertion, state, soon())).kind, 'unavailable');
  await idp.up();
  idp.silent = (path) => path === '/token';
  const hasty = await oidcProvider(t, { ...idp.options, timeout: '500ms' });
  assert.partialDeepStrictEqual(await hasty.refresh(assertion, state, soon()), {
    kind: 'unavailable',
    reason: 'timed-out',
  });
  idp.silent = () => false;
  const wrong = await oidcProvider(t, { ...idp.options, clientSecret: 'wrong' });
  assert.partialDeepStrictEqual(await wrong.refresh(assertion, state, soon()), {
    kind: 'unavailable',
    reason: 'misconfigured',
  });
  sessionOf(await provider.refresh(assertion, state, soon()));
});

const refusals: Readonly<
  Record<string, readonly [status: number, code: string | undefined, answered: string | undefined]>
> = {
  'an odd token': [400, 'invalid_request', 'of-the-user'],
  'a token that is none': [400, 'invalid_token', 'of-the-user'],
  'a user who must act': [400, 'interaction_required', 'of-the-user'],
  'a user without consent': [403, 'access_denied', 'of-the-user'],
  'a bare challenge': [401, undefined, 'of-the-user'],
  'reasons that it keeps to itself': [400, '', 'of-the-user'],
  'reasons that it keeps to itself (403)': [403, '', 'of-the-user'],
  'an address that is not there': [404, '', undefined],
  'a client that is not known': [401, 'invalid_client', 'of-the-gateway'],
  'a client that may not refresh': [400, 'unauthorized_client', 'of-the-gateway'],
  'a server that is ill': [500, 'server_error', undefined],
  'a server that is busy': [503, 'temporarily_unavailable', undefined],
};
for (const [what, [status, code, answered]] of Object.entries(refusals))
  test(`a refresh that is refused for ${what} ends nothing by itself, and says whom it is about`, async (t) => {
    const { idp, provider, assertion, state } = await begun(t);
    idp.instead = (path, response) => {
      if (path !== '/token') return false;
      response.statusCode = status;
      if (code) response.setHeader('content-type', 'application/json').end(JSON.stringify({ error: code }));
      else if (code === '') response.end();
      else response.setHeader('www-authenticate', 'Bearer error="invalid_token"').end();
      return true;
    };
    const outcome = await provider.refresh(assertion, state, soon());
    assert.equal(outcome.kind, 'unavailable');
    assert.equal('answered' in outcome ? outcome.answered : undefined, answered);
    if (answered === 'of-the-gateway') assert.partialDeepStrictEqual(outcome, { reason: 'misconfigured' });
  });

test('a refresh that is suddenly about somebody else ends the session', async (t) => {
  const { idp, provider, assertion, state } = await begun(t);
  const now = Math.floor(Date.now() / 1000);
  const other = await idp.sign({
    iss: idp.issuer,
    aud: idp.clientId,
    sub: 'bob',
    iat: now,
    exp: now + 60,
    preferred_username: 'alice',
  });
  idp.tamper = (path, body) => (path === '/token' ? { ...body, id_token: other } : body);
  assert.equal((await provider.refresh(assertion, state, soon())).kind, 'rejected');

  const again = await begun(t);
  again.idp.setPeople({ alice: { preferred_username: 'mallory' } });
  assert.deepEqual(await again.provider.refresh(again.assertion, again.state, soon()), {
    kind: 'rejected',
    reason: 'revoked',
  });
});

test('a refresh without an ID token keeps what was known and takes what userinfo says', async (t) => {
  const { idp, provider, assertion, state } = await begun(t, { userinfo: true });
  idp.tamper = (path, { id_token: _idToken, ...body }) =>
    path === '/me' ? { sub: 'alice', groups: ['promoted'] } : body;
  const next = sessionOf(await provider.refresh(assertion, state, soon()));
  assert.deepEqual(next.assertion, { ...assertion, attributes: { ...assertion.attributes, groups: ['promoted'] } });
  assert.equal(next.state.idToken, state.idToken);
});

test('userinfo that fails at a refresh loses neither the session nor its token', async (t) => {
  const { idp, provider, assertion, state } = await begun(t, { userinfo: true, timeout: '2s' });
  idp.silent = (path) => path === '/me';
  const next = sessionOf(await provider.refresh(assertion, state, soon()));
  assert.deepEqual(next.assertion, assertion);
  assert.notEqual(next.state.refreshToken, state.refreshToken);
});

test('signing out leads to the issuer where that is wanted, in the form that it knows', async (t) => {
  const { idp, provider, assertion, state } = await begun(t, { logout: true });
  const url = await provider.logout(assertion, state, returnTo);
  assert.equal(url?.origin, idp.issuer);
  assert.deepEqual(Object.fromEntries(url?.searchParams ?? []), {
    post_logout_redirect_uri: returnTo.href,
    client_id: idp.clientId,
    id_token_hint: state.idToken,
  });
  assert.equal((await idp.person().signOut(url ?? '')).href, returnTo.href);

  const long = await provider.logout(assertion, { ...state, idToken: `${state.idToken}${'x'.repeat(7000)}` }, returnTo);
  assert.equal(long?.searchParams.has('id_token_hint'), false, 'an address that is too long goes without its hint');

  const older = await oidcProvider(t, { ...idp.options, logout: 'redirect_uri' });
  await signIn(older, idp, 'alice');
  const form = await older.logout(assertion, state, returnTo);
  assert.deepEqual(Object.fromEntries(form?.searchParams ?? []), { redirect_uri: returnTo.href });

  const staying = await oidcProvider(t, idp.options);
  await signIn(staying, idp, 'alice');
  assert.equal(await staying.logout(assertion, state, returnTo), undefined);
});

function notice(fields: Record<string, string>): LogoutRequest {
  const url = new URL('http://gate.test/_gate/backchannel/under-test');
  return { channel: 'back-channel', url, form: new URLSearchParams(fields), signal: soon() };
}

const logoutEvent = { 'http://schemas.openid.net/event/backchannel-logout': {} };

/** A logout token as it should be; a claim that is undefined is left out. */
function logoutToken(
  idp: Idp,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = { typ: 'logout+jwt' },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    iss: idp.issuer,
    aud: idp.clientId,
    iat: now,
    exp: now + 120,
    jti: randomUUID(),
    events: logoutEvent,
    sid: 'one',
    sub: 'alice',
    ...claims,
  };
  return idp.sign(JSON.parse(JSON.stringify(all)), header);
}

test('a logout token ends its session, or all of its user’s when it names no session', async (t) => {
  const { idp, provider } = await begun(t);
  const read = async (token: Promise<string>) => provider.readLogout(notice({ logout_token: await token }));
  assert.deepEqual(await read(logoutToken(idp)), {
    kind: 'end',
    handles: ['sid:one', 'sub-without-sid:alice'],
    reason: 'back-channel',
  });
  assert.deepEqual(await read(logoutToken(idp, { sid: undefined })), {
    kind: 'end',
    handles: ['sub:alice'],
    reason: 'back-channel',
  });
  assert.equal((await read(logoutToken(idp, { sub: undefined }))).kind, 'end');
  assert.equal((await read(logoutToken(idp, {}, {}))).kind, 'end', 'without typ');
  assert.equal((await read(logoutToken(idp, {}, { typ: 'JWT' }))).kind, 'end', 'Keycloak before 26');
});

test('a logout token that is anything else than it must be ends nothing', async (t) => {
  const { idp, provider, state } = await begun(t);
  const past = Math.floor(Date.now() / 1000) - 3600;
  const bad: Record<string, Promise<string> | string> = {
    'of another issuer': logoutToken(idp, { iss: 'https://evil.example' }),
    'for another audience': logoutToken(idp, { aud: 'another' }),
    'of an hour ago': logoutToken(idp, { iat: past }),
    'of the future': logoutToken(idp, { iat: past + 7200 }),
    'that has ended': logoutToken(idp, { exp: past }),
    'that ends in the year 1e300': logoutToken(idp, { exp: 1e300 }),
    'without jti': logoutToken(idp, { jti: undefined }),
    'with a jti that is no text': logoutToken(idp, { jti: 7 }),
    'without events': logoutToken(idp, { events: undefined }),
    'with another event': logoutToken(idp, { events: { other: {} } }),
    'with an event that is no object': logoutToken(idp, { events: { [Object.keys(logoutEvent)[0] ?? '']: true } }),
    'with a nonce': logoutToken(idp, { nonce: 'n' }),
    'about nobody': logoutToken(idp, { sid: undefined, sub: undefined }),
    'with another typ': logoutToken(idp, {}, { typ: 'at+jwt' }),
    'that is an ID token': state.idToken,
    'with a forged signature': logoutToken(idp).then((token) => `${token.slice(0, -10)}AAAAAAAAAA`),
    'that is no token': 'x.y.z',
    'that is far too long': 'a'.repeat(20_000),
  };
  for (const [what, token] of Object.entries(bad)) {
    const answer = await provider.readLogout(notice({ logout_token: await token }));
    assert.equal(answer.kind, 'rejected', what);
  }
  assert.equal((await provider.readLogout(notice({}))).kind, 'rejected');
});

test('a session to which the issuer gave no name is ended by a logout that names one of its user’s', async (t) => {
  const { idp, provider, assertion, state, grant } = await begun(t);
  assert.deepEqual(grant.handles, [`sid:${state.sid}`, 'sub:alice'], 'one that has a name is ended by that');
  const { sid: _, ...nameless } = state;
  const { grant: without } = sessionOf(await provider.refresh(assertion, nameless, soon()));
  assert.deepEqual(without.handles, ['sub-without-sid:alice', 'sub:alice']);
  const answer = await provider.readLogout(notice({ logout_token: await logoutToken(idp, { sub: undefined }) }));
  assert.deepEqual(answer, { kind: 'end', handles: ['sid:one'], reason: 'back-channel' });
});

test('a logout token counts once, on whichever worker it arrives', async (t) => {
  const log = keptLog();
  const clock = manualClock(Date.now());
  const store = await createStore({ type: 'memory' }, { clock, log });
  const idp = await startIdp(t, { people });
  const workers = await Promise.all([1, 2].map(() => oidcProvider(t, idp.options, { clock, log, store })));
  const token = await logoutToken(idp);
  const answers = await Promise.all(
    [...workers, ...workers].map((worker) => worker.readLogout(notice({ logout_token: token }))),
  );
  assert.deepEqual(answers.map(({ kind }) => kind).sort(), ['end', 'rejected', 'rejected', 'rejected']);
});

test('the real provider’s own logout token is taken', async (t) => {
  const { provider, idp } = await begun(t);
  const { createServer } = await import('node:http');
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (chunk: string) => void bodies.push(chunk));
    request.on('end', () => response.end());
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await until('it listens', () => server.listening);
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  idp.register(new URL(`http://127.0.0.1:${port}`), 'under-test');
  await idp.sendLogout('alice', 'its-session');
  const fields = Object.fromEntries(new URLSearchParams(bodies.join('')));
  assert.deepEqual(await provider.readLogout(notice(fields)), {
    kind: 'end',
    handles: ['sid:its-session', 'sub-without-sid:alice'],
    reason: 'back-channel',
  });
});

test('front-channel logout names the issuer and the session, or ends nothing', async (t) => {
  const { idp, provider } = await begun(t);
  const read = (query: Record<string, string>) => {
    const url = new URL(`http://gate.test/_gate/frontchannel/under-test?${new URLSearchParams(query)}`);
    return provider.readLogout({ channel: 'front-channel', url, signal: soon() });
  };
  assert.deepEqual(await read({ iss: idp.issuer, sid: 'one' }), {
    kind: 'end',
    handles: ['sid:one'],
    reason: 'back-channel',
  });
  for (const query of [
    {},
    { sid: 'one' },
    { iss: idp.issuer },
    { iss: 'https://evil.example', sid: 'one' },
    { iss: idp.issuer, sid: '' },
  ])
    assert.equal((await read(query as Record<string, string>)).kind, 'rejected', JSON.stringify(query));
  const callback = { channel: 'callback' as const, url: returnTo, signal: soon() };
  assert.deepEqual(await provider.readLogout(callback), { kind: 'not-a-notice' });
});
