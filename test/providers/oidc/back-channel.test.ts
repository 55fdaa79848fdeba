/** An issuer under two names: browsers use one, the gateway another, and tokens name the public one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { oidcOptions } from '../../../src/providers/oidc/options.ts';
import { begin, oidcProvider, signIn } from '../../support/scenes/oidc-login.ts';
import { startIdp } from '../../support/servers/oidc-provider.ts';
import { attemptOf } from '../../support/tools/attempt.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { keptLog } from '../../support/tools/log-lines.ts';

const people = { alice: { preferred_username: 'alice', groups: ['agents'] } };
const wellKnown = '/.well-known/openid-configuration';

/** An issuer whose public door is https, with a certificate that the gateway does not trust: only the other one is open to it. */
async function twoNames(t: TestContext, more: object = {}) {
  const idp = await startIdp(t, { people, https: true, hasInternal: true });
  const { ca: _ca, ...options } = idp.options as { ca: string };
  return { idp, options: { ...options, internalUrl: idp.internalUrl, ...more } };
}

test('the gateway asks at internalUrl alone, and sends browsers to the public name', async (t) => {
  const { idp, options } = await twoNames(t, { userinfo: true, logout: true, bearer: { introspection: true } });
  const provider = await oidcProvider(t, options);
  const { url } = await begin(provider);
  assert.equal(url.origin, idp.issuer);
  const before = idp.requests.length - idp.internalRequests.length;
  const outcome = await signIn(provider, idp, 'alice');
  assert.equal(outcome.kind, 'authenticated');
  const asked = ['GET /.well-known/openid-configuration', 'GET /jwks', 'POST /request', 'POST /token', 'GET /me'];
  for (const line of asked) assert.ok(idp.internalRequests.includes(line), line);
  const atTheDoor = idp.requests.length - idp.internalRequests.length - before;
  assert.ok(
    atTheDoor > 0 && !idp.internalRequests.some((line) => /auth|interaction/.test(line)),
    'browsers do not go there',
  );
  await provider.attempt(attemptOf({ stage: 'ambient', headers: { authorization: 'Bearer opaque-token' } }));
  assert.ok(idp.internalRequests.includes('POST /token/introspection'));
  const state = outcome.kind === 'authenticated' ? outcome.grant?.state : undefined;
  const assertion = outcome.kind === 'authenticated' ? outcome.assertion : undefined;
  assert.ok(assertion);
  const out = await provider.logout(assertion, state, new URL('http://gate.test/'));
  assert.equal(out?.origin, idp.issuer);
  const again = await provider.refresh(assertion, state, AbortSignal.timeout(5000));
  assert.equal(again.kind, 'authenticated');
  assert.equal(idp.requests.filter((line) => line === 'POST /token').length, 2);
  assert.equal(idp.internalRequests.filter((line) => line === 'POST /token').length, 2);
});

test('the issuer in the metadata and in tokens stays the public one and is compared', async (t) => {
  const { idp, options } = await twoNames(t);
  idp.tamper = (path, body) => (path === wellKnown ? { ...body, issuer: idp.internalUrl } : body);
  const log = keptLog();
  const start = async () => (await oidcProvider(t, options, { log })).attempt(attemptOf({ stage: 'start', flow: 'f' }));
  assert.partialDeepStrictEqual(await start(), { kind: 'unavailable', reason: 'misconfigured' });
  assert.match(log.text(), new RegExp(`${idp.internalUrl}${wellKnown}: the metadata there is of the issuer`));
});

test('an issuer that names its internal address to whoever asks there is read as the public one', async (t) => {
  const { idp, options } = await twoNames(t, { logout: true });
  const provider = await oidcProvider(t, options);
  const seen: unknown[] = [];
  idp.tamper = (path, body) => {
    if (path === wellKnown) seen.push(body.authorization_endpoint, body.token_endpoint);
    return body;
  };
  const { url } = await begin(provider);
  assert.deepEqual(
    seen,
    [`${idp.internalUrl}/auth`, `${idp.internalUrl}/token`],
    'as Keycloak does without a fixed name',
  );
  assert.equal(url.origin, idp.issuer);
});

test('metadata is read at discoveryUrl, in full or by its folder, and no other request moves', async (t) => {
  const idp = await startIdp(t, { people, hasInternal: true });
  const { issuer } = idp;
  idp.tamper = (path, body) => {
    const moved = Object.entries(body).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.replace(idp.internalUrl, issuer) : value,
    ]);
    return path === wellKnown ? Object.fromEntries(moved) : body;
  };
  for (const discoveryUrl of [idp.internalUrl, `${idp.internalUrl}/`, idp.internalUrl + wellKnown]) {
    idp.internalRequests.length = 0;
    const provider = await oidcProvider(t, { ...idp.options, discoveryUrl });
    assert.equal((await signIn(provider, idp, 'alice')).kind, 'authenticated');
    assert.deepEqual(idp.internalRequests, [`GET ${wellKnown}`]);
    await provider.ping(AbortSignal.timeout(5000));
    assert.equal(idp.internalRequests.length, 2);
  }
});

test('check --connect goes the way that logins go', async (t) => {
  const { idp, options } = await twoNames(t, { logout: true });
  const provider = await oidcProvider(t, options);
  const steps = await Array.fromAsync(provider.probe(AbortSignal.timeout(60_000)));
  assert.deepEqual(
    steps.map(({ step, result }) => `${step} ${result}`),
    ['resolve ok', 'connect ok', 'discovery ok', 'jwks ok', 'client ok', 'redirect-uri ok', 'logout ok'],
  );
  assert.match(steps[2]?.detail ?? '', new RegExp(`asked at ${idp.internalUrl}`));
  assert.match(steps.at(-1)?.detail ?? '', new RegExp(idp.issuer));
});

test('what is in the clear is said, and what is no address of that kind is an error', async (t) => {
  const log = keptLog();
  await oidcProvider(
    t,
    { issuer: 'https://sso.example', clientId: 'x', internalUrl: 'http://keycloak.invalid:8080' },
    { log },
  );
  assert.match(log.text(), /cross the network unprotected/);
  const { ca } = testCertificates();
  const read = (more: object) =>
    oidcOptions.safeParse({ issuer: 'https://sso.example', clientId: 'x', ca, ...more }).success;
  assert.ok(read({ internalUrl: 'https://keycloak:8443' }));
  assert.ok(!read({ internalUrl: 'https://keycloak:8443/auth' }));
  assert.ok(!read({ internalUrl: 'keycloak:8443' }));
  assert.ok(!read({ discoveryUrl: 'https://user:word@keycloak/' }));
});
