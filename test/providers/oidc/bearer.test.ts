/** Bearer tokens of API clients: which of them speak for whom, and all those that speak for nobody. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Provider } from '../../../src/core/provider.ts';
import { oidcProvider, signIn } from '../../support/scenes/oidc-login.ts';
import { type Idp, type IdpOptions, startIdp } from '../../support/servers/oidc-provider.ts';
import { attemptOf } from '../../support/tools/attempt.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';
import { endsWithin } from '../../support/tools/stopwatch.ts';

const people = { alice: { preferred_username: 'alice' } };
const audience = 'gatehouse-api';

function call(provider: Provider, token: string, scheme = 'Bearer'): Promise<Outcome> {
  return provider.attempt(attemptOf({ headers: { authorization: `${scheme} ${token}` } }));
}

function claimsOf(idp: Idp): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: idp.issuer,
    aud: audience,
    sub: 'alice',
    client_id: 'robot',
    preferred_username: 'Alice',
    iat: now,
    exp: now + 60,
    jti: 'x',
    groups: ['agents'],
  };
}

const accessToken = (idp: Idp, claims: object = {}, header: object = { typ: 'at+jwt' }) =>
  idp.sign(JSON.parse(JSON.stringify({ ...claimsOf(idp), ...claims })), { ...header });

async function listening(t: TestContext, bearer: object = {}, idpOptions: IdpOptions = {}, more: object = {}) {
  const idp = await startIdp(t, { people, ...idpOptions });
  const log = keptLog();
  const provider = await oidcProvider(
    t,
    { ...idp.options, groupsClaim: 'groups', bearer: { audience, ...bearer }, ...more },
    { log },
  );
  return { idp, provider, log };
}

test('an access token of the issuer speaks for its user, and makes no session', async (t) => {
  const { idp, provider } = await listening(t);
  const outcome = await call(provider, await accessToken(idp));
  assert.deepEqual(outcome, {
    kind: 'authenticated',
    assertion: { realm: 'under-test', subject: 'alice', amr: ['oidc'], attributes: { groups: ['agents'] } },
    sessionless: true,
  });
  assert.equal((await call(provider, await accessToken(idp), 'bEARER ')).kind, 'authenticated');
  assert.equal((await call(provider, await accessToken(idp, {}, { typ: 'application/AT+JWT' }))).kind, 'authenticated');
});

test('an access token that the real provider has issued at a login is taken', async (t) => {
  const { idp, provider } = await listening(t, {}, { audience, tokenClaims: () => ({ preferred_username: 'alice' }) });
  const login = await signIn(provider, idp, 'alice');
  assert.ok(login.kind === 'authenticated');
  const { accessToken: token, idToken } = login.grant!.state as { accessToken: string; idToken: string };
  assert.equal((await call(provider, token)).kind, 'authenticated');
  assert.equal((await call(provider, idToken)).kind, 'rejected');
});

test('O6, O7: a token that is anything else than it must be is refused', async (t) => {
  const { idp, provider } = await listening(t);
  const now = Math.floor(Date.now() / 1000);
  const claims = claimsOf(idp);
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const [, payload = ''] = (await accessToken(idp)).split('.');
  const made = (header: object, signature = 'AAAA') =>
    `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
  const bad: Record<string, Promise<string> | string> = {
    'for another audience': accessToken(idp, { aud: 'another' }),
    'without an audience': accessToken(idp, { aud: undefined }),
    'without an end': accessToken(idp, { exp: undefined }),
    'that has ended': accessToken(idp, { exp: now - 60 }),
    'that ends in the year 1e300': accessToken(idp, { exp: 1e300 }),
    'whose end is a text': accessToken(idp, { exp: String(now + 60) }),
    'without a beginning': accessToken(idp, { iat: undefined }),
    'of the future': accessToken(idp, { iat: now + 3600 }),
    'that is not valid yet': accessToken(idp, { nbf: now + 3600 }),
    'without a subject': accessToken(idp, { sub: undefined }),
    'without a name': accessToken(idp, { preferred_username: undefined }),
    'that is an ID token by its nonce': accessToken(idp, { nonce: 'n' }),
    'that is bound to a key': accessToken(idp, { cnf: { jkt: 'x' } }),
    'that is a logout token': accessToken(idp, { events: {} }),
    'of typ JWT, when only at+jwt is accepted': accessToken(idp, {}, { typ: 'JWT' }),
    'without typ': accessToken(idp, {}, {}),
    'with an extension that nobody here knows': made({ alg: 'RS256', typ: 'at+jwt', crit: ['x'], x: 1 }),
    'of a key that nobody publishes': new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'strange' })
      .sign(stranger),
    'signed by another under a good name': new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' })
      .sign(stranger),
    'without a signature': made({ alg: 'none', typ: 'at+jwt' }, ''),
    'signed with the public key as a secret': made({ alg: 'HS256', typ: 'at+jwt' }),
    'signed with SHA-1': made({ alg: 'RS1', typ: 'at+jwt' }),
    'of five parts': 'a.b.c.d.e',
    'of odd signs': 'to"ken',
    'that is empty': '',
    'that is huge': 'a'.repeat(20_000),
  };
  for (const [what, token] of Object.entries(bad)) {
    const outcome = await call(provider, await token);
    // What does not even say that it is of this issuer may be another provider's.
    if (what === 'of five parts') assert.equal(outcome.kind, 'challenge', what);
    else assert.equal(outcome.kind, 'rejected', `${what}: ${JSON.stringify(outcome)}`);
  }
});

test('a token that is bound to a certificate counts on the connection that has shown it (RFC 8705)', async (t) => {
  const { idp, provider } = await listening(t);
  const digest = Buffer.alloc(32, 7).toString('base64url');
  const of = async (cnf: unknown, certificate?: string): Promise<string> => {
    const headers = { authorization: `Bearer ${await accessToken(idp, { cnf })}` };
    return (await provider.attempt(attemptOf({ headers, ...(certificate && { certificate }) }))).kind;
  };
  assert.equal(await of({ 'x5t#S256': digest }, digest), 'authenticated');
  assert.equal(await of({ 'x5t#S256': digest }), 'rejected');
  assert.equal(await of({ 'x5t#S256': digest }, Buffer.alloc(32, 8).toString('base64url')), 'rejected');
  for (const odd of [{ 'x5t#S256': digest, jkt: 'x' }, { x5t: digest }, {}, [], null, 'x', { 'x5t#S256': [digest] }])
    assert.equal(await of(odd, digest), 'rejected', JSON.stringify(odd));
});

test('a token of another issuer is left to another provider, and so is another scheme', async (t) => {
  const { idp, provider } = await listening(t);
  assert.equal((await call(provider, await accessToken(idp, { iss: 'https://other.example' }))).kind, 'challenge');
  assert.equal((await call(provider, 'opaque')).kind, 'challenge');
  assert.equal((await call(provider, await accessToken(idp), 'Basic')).kind, 'challenge');
  assert.deepEqual(
    idp.requests.filter((request) => !request.includes('.well-known')),
    [],
  );
});

test('tokens count for nothing where they are not configured', async (t) => {
  const { idp, provider } = await listening(t, {}, {}, { bearer: undefined });
  assert.equal((await call(provider, await accessToken(idp))).kind, 'challenge');
});

test('a token of typ JWT must have been issued to an application that may call', async (t) => {
  const { idp, provider } = await listening(t, { types: ['JWT', 'at+jwt'], clients: ['robot'] });
  const typed = (claims: object) => accessToken(idp, claims, { typ: 'JWT' });
  assert.equal((await call(provider, await typed({}))).kind, 'authenticated');
  assert.equal((await call(provider, await typed({ azp: 'robot', client_id: undefined }))).kind, 'authenticated');
  for (const claims of [
    { client_id: 'other' },
    { client_id: undefined },
    { azp: 'other' },
    { typ: 'ID' },
    { typ: 'Refresh' },
  ])
    assert.deepEqual(
      await call(provider, await typed(claims)),
      { kind: 'rejected', reason: 'token-rejected' },
      JSON.stringify(claims),
    );
});

test('without an audience of its own, tokens must be for the client id', async (t) => {
  const { idp, provider } = await listening(t, { audience: undefined }, {}, { clientId: ['gatehouse', 'second'] });
  assert.equal((await call(provider, await accessToken(idp, { aud: ['x', 'second'] }))).kind, 'authenticated');
  assert.equal((await call(provider, await accessToken(idp))).kind, 'rejected');
});

test('O12: tokens with unknown keys do not make a request each, up or down', async (t) => {
  const { idp, provider } = await listening(t);
  assert.equal((await call(provider, await accessToken(idp))).kind, 'authenticated');
  const strange = await accessToken(idp, {}, { typ: 'at+jwt', kid: 'strange' });
  const asked = () => idp.requests.filter((request) => request === 'GET /jwks').length;
  for (let i = 0; i < 50; i++) assert.equal((await call(provider, strange)).kind, 'rejected');
  assert.equal(asked(), 1);

  const other = await listening(t, {}, {}, { timeout: '300ms' });
  other.idp.silent = (path) => path === '/jwks';
  const token = await accessToken(other.idp);
  const silentlyAsked = () => other.idp.requests.filter((request) => request === 'GET /jwks').length;
  for (const _round of [1, 2]) {
    const calls = Array.from({ length: 100 }, () => call(other.provider, token));
    const outcomes = await endsWithin(1000, 'the calls', Promise.all(calls));
    assert.ok(outcomes.every(({ kind }) => kind === 'unavailable'));
  }
  assert.ok(silentlyAsked() <= 2, `${silentlyAsked()} requests`);
});

test('opaque tokens are asked about, once in a while', async (t) => {
  const clock = manualClock(Date.now());
  const idp = await startIdp(t, { people });
  const options = { ...idp.options, bearer: { introspection: true, usernameClaim: 'sub', cache: '5s' } };
  const provider = await oidcProvider(t, options, { clock });
  const login = await signIn(provider, idp, 'alice');
  assert.ok(login.kind === 'authenticated');
  const { accessToken: token } = login.grant!.state as { accessToken: string };
  const asked = () => idp.requests.filter((request) => request === 'POST /token/introspection').length;
  for (let i = 0; i < 5; i++)
    assert.partialDeepStrictEqual(await call(provider, token), { kind: 'authenticated', sessionless: true });
  assert.equal(asked(), 1);
  clock.advance(5001);
  await call(provider, token);
  assert.equal(asked(), 2);
  for (let i = 0; i < 5; i++)
    assert.deepEqual(await call(provider, 'never-issued'), { kind: 'rejected', reason: 'token-rejected' });
  assert.equal(asked(), 3);
});

test('what the introspection says is judged like a token', async (t) => {
  const idp = await startIdp(t, { people });
  const now = Math.floor(Date.now() / 1000);
  const good = { active: true, sub: 'alice', username: 'alice', client_id: 'gatehouse', exp: now + 60 };
  const judge = async (answer: Record<string, unknown>): Promise<string> => {
    const provider = await oidcProvider(t, {
      ...idp.options,
      bearer: { introspection: true, usernameClaim: 'username' },
    });
    idp.tamper = (path, body) => (path === '/token/introspection' ? answer : body);
    return (await call(provider, 'opaque-token')).kind;
  };
  assert.equal(await judge(good), 'authenticated');
  assert.equal(await judge({ ...good, client_id: 'other', aud: ['x', 'gatehouse'] }), 'authenticated');
  for (const more of [
    { active: false },
    { exp: now - 60 },
    { exp: 1e300 },
    { iss: 'https://evil.example' },
    { aud: 'another' },
    { client_id: 'other' },
    { username: undefined },
    { cnf: { jkt: 'x' } },
    { cnf: { 'x5t#S256': 'x' } },
  ])
    assert.equal(await judge({ ...good, ...more }), 'rejected', JSON.stringify(more));
  assert.equal(await judge({ ...good, active: 'true' }), 'unavailable', 'an answer that is none');
});

test('an introspection that cannot be asked is an outage, and no token is logged', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people });
  const options = { ...idp.options, bearer: { introspection: true } };
  const provider = await oidcProvider(t, { ...options, timeout: '300ms' }, { log });
  idp.silent = (path) => path === '/token/introspection';
  assert.partialDeepStrictEqual(await call(provider, 'opaque-secret-1'), { kind: 'unavailable', reason: 'timed-out' });
  idp.silent = () => false;
  const wrong = await oidcProvider(t, { ...options, clientSecret: 'wrong' }, { log });
  assert.partialDeepStrictEqual(await call(wrong, 'opaque-secret-1'), { kind: 'unavailable', reason: 'misconfigured' });
  const jwt = await accessToken(idp, { aud: 'another' });
  await call(provider, jwt);
  for (const secret of ['opaque-secret-1', jwt]) assert.equal(log.text().includes(secret), false);
});
