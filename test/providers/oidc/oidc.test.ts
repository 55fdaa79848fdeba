/** Signing in by OpenID Connect against a real provider: what holds for every provider, and what must never get in. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeJwt, type JWK } from 'jose';
import type { Log } from '../../../src/core/log.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import { type ProviderUnderTest, providerContract } from '../../contract/provider.ts';
import { begin, comeBack, oidcProvider, signIn } from '../../support/scenes/oidc-login.ts';
import { startIdp } from '../../support/servers/oidc-provider.ts';
import { attemptOf } from '../../support/tools/attempt.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';
import { keptLog } from '../../support/tools/log-lines.ts';

const people = {
  alice: {
    preferred_username: 'Alice',
    name: 'Alice Agent',
    email: 'alice@example.com',
    email_verified: true,
    groups: ['agents'],
  },
  bob: { preferred_username: 'bob', name: 'Bob', groups: ['agents', 'supervisors'] },
};

function vouched(outcome: Outcome): Extract<Outcome, { kind: 'authenticated' }> {
  assert.ok(outcome.kind === 'authenticated', JSON.stringify(outcome));
  return outcome;
}

providerContract('oidc', async (t, log: Log): Promise<ProviderUnderTest> => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options, { log });
  const codes: string[] = [];
  const back = async (login: string) => {
    const parts = await comeBack(provider, idp.person(), login);
    codes.push(parts.url?.searchParams.get('code') ?? '');
    return parts;
  };
  const trip = async () => {
    const { url, state, flow } = await begin(provider);
    return { url, state, flow, callback: new URL(`http://gate.test/_gate/callback/under-test?state=${flow}`) };
  };
  const silent = createServer((socket: Socket) => void socket.on('error', () => undefined).resume()).listen(
    0,
    '127.0.0.1',
  );
  await once(silent, 'listening');
  t.after(() => silent.close());
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const broken = async (issuer: string) => ({
    provider: await oidcProvider(t, { ...idp.options, issuer, timeout: '300ms' }, { log }),
    timeout: 300,
    attempt: { stage: 'start' as const, flow: 'a-flow' },
  });
  const gone = await startIdp(t, { isDown: true });
  return {
    provider,
    subjects: ['alice', 'bob'],
    good: (user) => back(user === 0 ? 'alice' : 'bob'),
    bad: {
      'a code that nobody issued': {
        attempt: async () => {
          const { state, callback } = await trip();
          callback.searchParams.set('code', 'made-up');
          callback.searchParams.set('iss', idp.issuer);
          return { stage: 'callback', state, url: callback };
        },
        want: { kind: 'rejected', reason: 'token-rejected' },
      },
      'a state that was never kept': {
        attempt: async () => ({ ...(await back('alice')), state: { flow: 'x' } }),
        want: { kind: 'rejected', reason: 'flow-expired' },
      },
      'a refusal of the user': {
        attempt: async () => {
          const { state, callback } = await trip();
          callback.searchParams.set('error', 'access_denied');
          callback.searchParams.set('iss', idp.issuer);
          return { stage: 'callback', state, url: callback };
        },
        want: { kind: 'rejected', reason: 'login-denied' },
      },
    },
    secrets: [idp.clientSecret, ...codes],
    outages: {
      'nothing listens': () => broken(gone.issuer),
      'it accepts and says nothing': () => broken(`http://127.0.0.1:${port}`),
      'it is somebody else': () => broken(idp.issuer.replace('127.0.0.1', 'localhost')),
    },
  };
});

test('a login carries a state, a nonce and a code challenge, and asks for what is configured', async (t) => {
  const idp = await startIdp(t, { par: false });
  const provider = await oidcProvider(t, { ...idp.options, scopes: ['profile'], parameters: { kc_idp_hint: 'ldap' } });
  const { url, flow } = await begin(provider);
  const query = Object.fromEntries(url.searchParams);
  assert.partialDeepStrictEqual(query, {
    response_type: 'code',
    client_id: idp.clientId,
    redirect_uri: 'http://gate.test/_gate/callback/under-test',
    scope: 'openid profile',
    state: flow,
    code_challenge_method: 'S256',
    kc_idp_hint: 'ldap',
  });
  assert.match(query.nonce ?? '', /^[\w-]{43}$/);
  assert.match(query.code_challenge ?? '', /^[\w-]{43}$/);
  assert.equal('prompt' in query, false);
});

test('the request is pushed to the issuer where that is offered, unless it is switched off', async (t) => {
  const idp = await startIdp(t, { people });
  const pushed = await begin(await oidcProvider(t, idp.options));
  assert.deepEqual([...pushed.url.searchParams.keys()].sort(), ['client_id', 'request_uri']);
  const plain = await begin(await oidcProvider(t, { ...idp.options, par: false }));
  assert.ok(plain.url.searchParams.has('code_challenge'));
});

for (const clientAuth of ['client_secret_basic', 'client_secret_post', 'none'] as const) {
  test(`signs in with ${clientAuth}`, async (t) => {
    const idp = await startIdp(t, { people, clientAuth });
    assert.equal(vouched(await signIn(await oidcProvider(t, idp.options), idp, 'alice')).assertion.subject, 'alice');
  });
}

for (const [kind, make] of Object.entries({
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  Ed25519: () => generateKeyPairSync('ed25519'),
})) {
  test(`signs in with private_key_jwt and a key of kind ${kind}`, async (t) => {
    const { privateKey, publicKey } = make();
    const file = join(await temporaryFolder(t), 'client.key');
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const clientKey = { ...(publicKey.export({ format: 'jwk' }) as JWK), kid: 'client-key' };
    const idp = await startIdp(t, { people, clientAuth: 'private_key_jwt', clientKey });
    const provider = await oidcProvider(t, { ...idp.options, privateKey: file, keyId: 'client-key' });
    assert.equal(vouched(await signIn(provider, idp, 'bob')).assertion.subject, 'bob');
  });
}

test('a private CA is trusted when it is named, and no other', async (t) => {
  const idp = await startIdp(t, { people, https: true });
  assert.equal(vouched(await signIn(await oidcProvider(t, idp.options), idp, 'alice')).assertion.subject, 'alice');
  const { ca: _ca, ...withoutCa } = idp.options;
  for (const options of [withoutCa, { ...idp.options, ca: testCertificates().otherCa }]) {
    const outcome = await (await oidcProvider(t, options)).attempt(attemptOf({ stage: 'start', flow: 'f' }));
    assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'tls-failed' });
  }
});

/** A JWT with some claims changed and the signature left as it was. */
function forge(token: unknown, change: Record<string, unknown>): string {
  const [header, , signature] = String(token).split('.');
  const payload = Buffer.from(JSON.stringify({ ...decodeJwt(String(token)), ...change })).toString('base64url');
  return `${header}.${payload}.${signature}`;
}

/** What comes of a login whose ID token somebody changes on its way. */
async function withIdToken(t: TestContext, change: (token: string) => string) {
  const log = keptLog();
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options, { log });
  idp.tamper = (path, body) => (path === '/token' ? { ...body, id_token: change(String(body.id_token)) } : body);
  return { outcome: await signIn(provider, idp, 'alice'), log };
}

const rejected = { kind: 'rejected', reason: 'token-rejected' };

test('an ID token that was tampered with is refused: its signature is always checked', async (t) => {
  const { outcome, log } = await withIdToken(t, (token) => forge(token, { sub: 'bob', preferred_username: 'bob' }));
  assert.partialDeepStrictEqual(outcome, rejected);
  assert.match(log.text(), /JWT signature verification failed/);
});

for (const [what, header] of Object.entries({
  'without a signature': { alg: 'none' },
  'signed with a shared secret': { alg: 'HS256' },
})) {
  test(`an ID token ${what} is refused`, async (t) => {
    const { outcome } = await withIdToken(t, (token) => {
      const [, payload, signature] = token.split('.');
      const made = Buffer.from(JSON.stringify(header)).toString('base64url');
      return `${made}.${payload}.${header.alg === 'none' ? '' : signature}`;
    });
    assert.partialDeepStrictEqual(outcome, rejected);
  });
}

test('an ID token of another login is refused by its nonce', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options);
  const first = await begin(provider);
  const second = await begin(provider);
  const url = await idp.person().signIn(first.url, 'alice');
  // The code of the first trip with the second one's nonce: what an attacker's injected code looks like.
  const state = { ...(first.state as object), nonce: (second.state as { nonce: string }).nonce };
  assert.partialDeepStrictEqual(await provider.attempt(attemptOf({ stage: 'callback', state, url })), rejected);
});

test('a code is of no use without the verifier that its login was begun with', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options);
  const first = await begin(provider);
  const second = await begin(provider);
  const url = await idp.person().signIn(first.url, 'alice');
  const state = { ...(first.state as object), verifier: (second.state as { verifier: string }).verifier };
  assert.partialDeepStrictEqual(await provider.attempt(attemptOf({ stage: 'callback', state, url })), rejected);
});

for (const [what, change] of Object.entries({
  'the state of another login': (url: URL) => url.searchParams.set('state', 'another'),
  'no state': (url: URL) => url.searchParams.delete('state'),
  'another issuer (iss)': (url: URL) => url.searchParams.set('iss', 'https://evil.example'),
  'no issuer, although it is promised': (url: URL) => url.searchParams.delete('iss'),
  'a code too long to be one': (url: URL) => url.searchParams.set('code', 'a'.repeat(5000)),
})) {
  test(`an answer with ${what} is refused before the code is used`, async (t) => {
    const idp = await startIdp(t, { people });
    const provider = await oidcProvider(t, idp.options);
    const parts = await comeBack(provider, idp.person(), 'alice');
    change(parts.url as URL);
    assert.partialDeepStrictEqual(await provider.attempt(attemptOf(parts)), rejected);
    assert.equal(idp.requests.includes('POST /token'), false);
  });
}

for (const [what, claims] of Object.entries({
  'of another issuer': { iss: 'https://evil.example' },
  'for another audience': { aud: 'another' },
  'for several audiences and another party': { aud: ['gatehouse', 'another'], azp: 'another' },
  'that ends in the year 1e300 (O7)': { exp: 1e300 },
  'of the future': { iat: Math.floor(Date.now() / 1000) + 7200 },
})) {
  test(`an ID token ${what} is refused, although the issuer has signed it`, async (t) => {
    const idp = await startIdp(t, { people });
    const provider = await oidcProvider(t, idp.options);
    const trip = await begin(provider);
    const url = await idp.person().signIn(trip.url, 'alice');
    const now = Math.floor(Date.now() / 1000);
    const { nonce } = trip.state as { nonce: string };
    const standard = { iss: idp.issuer, aud: idp.clientId, sub: 'alice', nonce, iat: now, exp: now + 600 };
    const token = await idp.sign({ ...standard, preferred_username: 'alice', ...claims });
    idp.tamper = (path, body) => (path === '/token' ? { ...body, id_token: token } : body);
    assert.equal((await provider.attempt(attemptOf({ stage: 'callback', state: trip.state, url }))).kind, 'rejected');
  });
}

test('a callback that is sent twice signs in once', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options);
  const attempt = attemptOf(await comeBack(provider, idp.person(), 'alice'));
  vouched(await provider.attempt(attempt));
  assert.partialDeepStrictEqual(await provider.attempt(attempt), rejected);
});

test('an error that the browser brings is never an outage', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options);
  for (const [error, reason] of Object.entries({
    access_denied: 'login-denied',
    server_error: 'provider-broke',
    temporarily_unavailable: 'provider-broke',
    invalid_scope: 'misconfigured',
    '<script>': 'misconfigured',
  })) {
    const { state, flow } = await begin(provider);
    const url = new URL(
      `http://gate.test/_gate/callback/under-test?${new URLSearchParams({ state: flow, error, iss: idp.issuer })}`,
    );
    assert.deepEqual(
      await provider.attempt(attemptOf({ stage: 'callback', state, url })),
      { kind: 'rejected', reason },
      error,
    );
  }
});

test('a wrong secret is the operator’s to mend and signs nobody in', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, { ...idp.options, par: false, clientSecret: 'not-the-one-39f1' }, { log });
  assert.partialDeepStrictEqual(await signIn(provider, idp, 'alice'), { kind: 'rejected', reason: 'misconfigured' });
  assert.match(log.text(), /check clientId, clientSecret/);
  assert.doesNotMatch(log.text(), /not-the-one-39f1/);
});

test('A2: a pushed request that is refused without a word is said as such, and no outage', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options, { log });
  idp.instead = (path, response) => path === '/request' && Boolean(Object.assign(response, { statusCode: 403 }).end());
  const outcome = await provider.attempt(attemptOf({ stage: 'start', flow: 'any' }));
  assert.partialDeepStrictEqual(outcome, { kind: 'rejected', reason: 'misconfigured' });
  assert.match(log.text(), /\/request: the issuer answers 403 and does not say why/);
});

test('a fresh login asks the user again, and one that the issuer remembers does not do', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, { ...idp.options, par: false });
  const person = idp.person();
  await person.signIn((await begin(provider)).url, 'alice');
  const fresh = await begin(provider, { fresh: true });
  assert.equal(fresh.url.searchParams.get('prompt'), 'login');
  assert.equal(fresh.url.searchParams.get('max_age'), '0');
  const back = { stage: 'callback' as const, url: await person.signIn(fresh.url, 'alice'), state: fresh.state };
  vouched(await provider.attempt(attemptOf(back)));

  const forgetful = await begin(provider, { fresh: true });
  const late = { ...(forgetful.state as object), freshSince: Date.now() + 3_600_000 };
  const again = { stage: 'callback' as const, url: await person.signIn(forgetful.url, 'alice'), state: late };
  assert.deepEqual(await provider.attempt(attemptOf(again)), { kind: 'rejected', reason: 'too-old' });

  const plain = await begin(provider);
  const silent = { ...(plain.state as object), freshSince: Date.now() };
  const untold = { stage: 'callback' as const, url: await person.signIn(plain.url, 'alice'), state: silent };
  assert.deepEqual(await provider.attempt(attemptOf(untold)), { kind: 'rejected', reason: 'claim-missing' });
});

test('groups come from the ID token, from userinfo, or from an access token that verifies', async (t) => {
  const roles = { realm_access: { roles: ['agents'] } };
  const groupsClaim = 'realm_access.roles';
  const plain = await startIdp(t, { people: { alice: { ...people.alice, ...roles } } });
  const groupsOf = (outcome: Outcome) => vouched(outcome).assertion.attributes.groups;
  assert.deepEqual(groupsOf(await signIn(await oidcProvider(t, { ...plain.options, groupsClaim }), plain, 'alice')), [
    'agents',
  ]);

  plain.tamper = (path, body) =>
    path === '/me' ? { ...body, realm_access: { roles: ['from-userinfo'] }, teams: ['x'] } : body;
  const asking = await oidcProvider(t, { ...plain.options, groupsClaim: 'teams', userinfo: true });
  assert.deepEqual(groupsOf(await signIn(asking, plain, 'alice')), ['x']);

  const jwt = await startIdp(t, { people, audience: 'gatehouse', tokenClaims: () => roles });
  const reading = await oidcProvider(t, { ...jwt.options, groupsClaim });
  assert.deepEqual(groupsOf(await signIn(reading, jwt, 'alice')), ['agents']);
  jwt.tamper = (path, body) =>
    path === '/token'
      ? { ...body, access_token: forge(body.access_token, { realm_access: { roles: ['admins'] } }) }
      : body;
  assert.equal(groupsOf(await signIn(reading, jwt, 'alice')), undefined, 'a forged one says nothing');
});

test('A6: a user name that the ID token lacks is asked of userinfo once, unless there is none', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, { ...idp.options, usernameClaim: 'upn', requireClaims: { unit: 'cc' } });
  idp.tamper = (path, body) => (path === '/me' ? { ...body, upn: 'alice@corp', unit: 'cc' } : body);
  assert.equal(vouched(await signIn(provider, idp, 'alice')).assertion.subject, 'alice@corp');
  const asked = () => idp.requests.filter((request) => request.endsWith(' /me')).length;
  assert.equal(asked(), 1);
  idp.tamper = undefined;
  assert.partialDeepStrictEqual(await signIn(provider, idp, 'alice'), { kind: 'rejected' });
  assert.equal(asked(), 2);
  const content = await oidcProvider(t, idp.options);
  assert.equal(vouched(await signIn(content, idp, 'alice')).assertion.subject, 'alice');
  assert.equal(asked(), 2, 'nobody asks for what is there');
  idp.silent = (path) => path === '/me';
  const hasty = await oidcProvider(t, { ...idp.options, usernameClaim: 'upn', timeout: '500ms' });
  assert.partialDeepStrictEqual(await signIn(hasty, idp, 'alice'), { kind: 'unavailable', reason: 'timed-out' });
});

test('userinfo about somebody else is refused', async (t) => {
  const idp = await startIdp(t, { people });
  idp.tamper = (path, body) => (path === '/me' ? { ...body, sub: 'bob' } : body);
  assert.partialDeepStrictEqual(
    await signIn(await oidcProvider(t, { ...idp.options, userinfo: true }), idp, 'alice'),
    rejected,
  );
});

test('an audience that is asked for must stand in the access token', async (t) => {
  const idp = await startIdp(t, { people, audience: 'the-api' });
  const good = await oidcProvider(t, { ...idp.options, audience: ['other', 'the-api'] });
  assert.equal(vouched(await signIn(good, idp, 'alice')).assertion.subject, 'alice');
  const strict = await oidcProvider(t, { ...idp.options, audience: 'gatehouse' });
  assert.partialDeepStrictEqual(await signIn(strict, idp, 'alice'), rejected);
  const opaque = await startIdp(t, { people });
  assert.partialDeepStrictEqual(
    await signIn(await oidcProvider(t, { ...opaque.options, audience: 'gatehouse' }), opaque, 'alice'),
    rejected,
  );
});

test('a user name that is to be read in the access token is read nowhere else', async (t) => {
  const usernameFrom = 'access-token';
  const named: { value: Record<string, unknown> } = { value: { preferred_username: 'A.Miller' } };
  const idp = await startIdp(t, { people, audience: 'gatehouse', tokenClaims: () => named.value });
  const provider = await oidcProvider(t, { ...idp.options, usernameFrom });
  const { assertion } = vouched(await signIn(provider, idp, 'alice'));
  assert.deepEqual([assertion.subject, assertion.attributes.name], ['a.miller', ['Alice Agent']]);
  const usual = await oidcProvider(t, idp.options);
  assert.equal(vouched(await signIn(usual, idp, 'alice')).assertion.subject, 'alice', 'the ID token comes first');

  named.value = {};
  assert.deepEqual(await signIn(provider, idp, 'alice'), { kind: 'rejected', reason: 'claim-missing' });
  idp.tamper = (path, body) =>
    path === '/token' ? { ...body, access_token: forge(body.access_token, { preferred_username: 'root' }) } : body;
  assert.deepEqual(await signIn(provider, idp, 'alice'), rejected, 'a forged one names nobody');
  const opaque = await startIdp(t, { people });
  assert.deepEqual(await signIn(await oidcProvider(t, { ...opaque.options, usernameFrom }), opaque, 'alice'), rejected);
});

test('an address that names the user must be verified where it was read', async (t) => {
  const tokenClaims = (login: string) => ({ email: 'root@example.com', email_verified: login === 'bob' });
  const idp = await startIdp(t, { people, audience: 'gatehouse', tokenClaims });
  const provider = await oidcProvider(t, { ...idp.options, usernameClaim: 'email', usernameFrom: 'access-token' });
  assert.deepEqual(await signIn(provider, idp, 'alice'), { kind: 'rejected', reason: 'login-denied' });
  assert.equal(vouched(await signIn(provider, idp, 'bob')).assertion.subject, 'root@example.com');
});

test('a user without the claim that names users is refused, with a hint in the log', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people: { carol: { name: 'Carol' } } });
  assert.deepEqual(await signIn(await oidcProvider(t, idp.options, { log }), idp, 'carol'), {
    kind: 'rejected',
    reason: 'claim-missing',
  });
  assert.match(log.text(), /set usernameClaim to one of the claims that there are \(.*name/);
});

test('no token, code, verifier or nonce is logged, whatever goes wrong', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options, { log });
  const seen: string[] = [];
  idp.tamper = (path, body) => {
    if (path !== '/token' || !body.id_token) return body;
    seen.push(...[body.id_token, body.access_token, body.refresh_token].map(String));
    return { ...body, id_token: forge(body.id_token, { aud: 'another' }) };
  };
  const trip = await begin(provider);
  const url = await idp.person().signIn(trip.url, 'alice');
  seen.push(
    url.searchParams.get('code') ?? '',
    (trip.state as { verifier: string }).verifier,
    (trip.state as { nonce: string }).nonce,
  );
  assert.equal((await provider.attempt(attemptOf({ stage: 'callback', state: trip.state, url }))).kind, 'rejected');
  await provider.attempt(attemptOf({ stage: 'callback', state: trip.state, url }));
  assert.equal(seen.length, 6);
  for (const secret of seen) assert.equal(log.text().includes(secret), false);
});
