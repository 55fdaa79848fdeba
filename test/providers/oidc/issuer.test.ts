/** The issuer itself: away at the start, back again, with other keys, not who it should be; and what the probe says of it. */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { Provider } from '../../../src/core/provider.ts';
import { oidc } from '../../../src/providers/oidc/index.ts';
import { Issuer } from '../../../src/providers/oidc/issuer.ts';
import { oidcOptions } from '../../../src/providers/oidc/options.ts';
import { HttpClient } from '../../../src/remote/http-client.ts';
import { begin, comeBack, oidcProvider, signIn } from '../../support/scenes/oidc-login.ts';
import { startIdp } from '../../support/servers/oidc-provider.ts';
import { attemptOf } from '../../support/tools/attempt.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';
import { until } from '../../support/tools/poll.ts';

const people = { alice: { preferred_username: 'alice' } };
const start = (provider: Provider) => provider.attempt(attemptOf({ stage: 'start', flow: 'f' }));

test('an issuer that is down at the start is found as soon as somebody comes and it is up', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people, isDown: true });
  const provider = await oidcProvider(t, idp.options, { log });
  assert.equal((await provider.attempt(attemptOf({}))).kind, 'challenge', 'the login page keeps its button');
  assert.partialDeepStrictEqual(await start(provider), { kind: 'unavailable', reason: 'unreachable' });
  await idp.up();
  await until('the issuer is found', async () => (await start(provider)).kind === 'continue');
  assert.equal((await signIn(provider, idp, 'alice')).kind, 'authenticated');
  assert.equal(log.lines.filter(({ message }) => message.includes('cannot be found')).length, 1);
});

test('an issuer that is down is tried again in the background, without anybody asking', async (t) => {
  const idp = await startIdp(t, { people, isDown: true });
  await oidcProvider(t, idp.options);
  await idp.up();
  await until('it was asked', () => idp.requests.includes('GET /.well-known/openid-configuration'));
});

test('people at the door of a dead issuer do not make it a request each', async (t) => {
  const idp = await startIdp(t, { people });
  idp.silent = () => true;
  const provider = await oidcProvider(t, { ...idp.options, timeout: '200ms' });
  await Promise.all(Array.from({ length: 50 }, () => start(provider)));
  await Promise.all(Array.from({ length: 50 }, () => start(provider)));
  assert.ok(idp.requests.length <= 2, `${idp.requests.length} requests`);
});

test('metadata is kept, and looked up anew after an hour without anybody waiting for it', async (t) => {
  const idp = await startIdp(t, { people });
  const clock = manualClock(Date.now());
  const provider = await oidcProvider(t, { ...idp.options, par: false }, { clock });
  const asked = () => idp.requests.filter((request) => request.includes('.well-known')).length;
  for (let i = 0; i < 5; i++) await begin(provider);
  assert.equal(asked(), 1);
  clock.advance(3_600_001);
  idp.silent = (path) => path.includes('.well-known');
  await begin(provider);
  await until('it was asked again', () => asked() === 2);
  await begin(provider);
});

test('an issuer that changes its keys is believed at the very next login', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options);
  for (let i = 0; i < 3; i++) {
    assert.equal((await signIn(provider, idp, 'alice')).kind, 'authenticated');
    idp.rotateKeys();
  }
  assert.equal(idp.requests.filter((request) => request === 'GET /jwks').length, 3);
});

test('a token signed with a key that the issuer does not publish is refused', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, idp.options);
  const parts = await comeBack(provider, idp.person(), 'alice');
  let old: unknown;
  idp.tamper = (path, body) => {
    if (path === '/token') {
      old = body.id_token;
      idp.rotateKeys();
    }
    return body;
  };
  assert.deepEqual(await provider.attempt(attemptOf(parts)), { kind: 'rejected', reason: 'token-rejected' });
  assert.equal(typeof old, 'string');
});

test('keys that cannot be fetched are an outage, not a refusal', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, { ...idp.options, timeout: '2s' });
  const parts = await comeBack(provider, idp.person(), 'alice');
  idp.silent = (path) => path === '/jwks';
  assert.partialDeepStrictEqual(await provider.attempt(attemptOf(parts)), { kind: 'unavailable', reason: 'timed-out' });
});

test('an issuer that calls itself something else is not used, and the log says what it calls itself', async (t) => {
  const log = keptLog();
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(
    t,
    { ...idp.options, issuer: idp.issuer.replace('127.0.0.1', 'localhost') },
    { log },
  );
  assert.partialDeepStrictEqual(await start(provider), { kind: 'unavailable', reason: 'misconfigured' });
  await until('it is in the log', () => log.text().includes(`set issuer to ${idp.issuer}`));
});

test('an answer that is endless or no metadata ends the discovery', async (t) => {
  const idp = await startIdp(t, { people });
  idp.tamper = (_path, body) => ({ ...body, padding: 'x'.repeat(2_000_000) });
  assert.partialDeepStrictEqual(await start(await oidcProvider(t, idp.options)), {
    kind: 'unavailable',
    reason: 'protocol-error',
  });
  idp.tamper = () => ({});
  assert.partialDeepStrictEqual(await start(await oidcProvider(t, idp.options)), {
    kind: 'unavailable',
    reason: 'protocol-error',
  });
});

test('an https issuer whose keys lie at an http address is not used', async (t) => {
  const idp = await startIdp(t, { people, https: true });
  idp.tamper = (path, body) =>
    path.includes('.well-known') ? { ...body, jwks_uri: String(body.jwks_uri).replace('https:', 'http:') } : body;
  assert.partialDeepStrictEqual(await start(await oidcProvider(t, idp.options)), {
    kind: 'unavailable',
    reason: 'misconfigured',
  });
});

test('a closed provider asks nobody any more', async (t) => {
  const idp = await startIdp(t, { people, isDown: true });
  const provider = await oidcProvider(t, idp.options);
  await start(provider);
  await provider.close();
  await idp.up();
  assert.equal((await start(provider)).kind, 'unavailable');
  assert.deepEqual(idp.requests, []);
});

test('options that contradict each other, or let everybody in, are errors with a remedy', () => {
  const base = { issuer: 'https://idp.example.com', clientId: 'gatehouse' };
  const cases: readonly (readonly [key: string, more: object])[] = [
    ['issuer', { issuer: 'http://127.0.0.1:1' }],
    ['clientSecret', { clientAuth: 'client_secret_basic' }],
    ['privateKey', { clientAuth: 'private_key_jwt' }],
    ['clientAuth', { clientAuth: 'none', clientSecret: 'x' }],
    ['keyId', { keyId: 'x' }],
    ['attributes.groups', { groupsClaim: 'a', attributes: { groups: 'b' } }],
  ];
  for (const [key, more] of cases) {
    const problems = oidc.checkTogether?.(oidc.options.parse({ ...base, ...more }));
    assert.deepEqual(
      problems?.map((problem) => problem.key),
      [key],
    );
  }
  const messageOf = (more: object) => oidcOptions.safeParse({ ...base, ...more }).error?.issues[0]?.message ?? 'none';
  assert.match(messageOf({ issuer: 'https://login.microsoftonline.com/common/v2.0' }), /name your own tenant/);
  assert.match(messageOf({ issuer: 'https://idp.example.com/.well-known/openid-configuration' }), /the issuer itself/);
  assert.match(messageOf({ parameters: { state: 'mine' } }), /Invalid key|set by the gateway/);
  assert.match(messageOf({ privateKey: testCertificates().ca }), /no private key/);
});

async function probe(t: TestContext, options: Readonly<Record<string, unknown>>) {
  const steps = [];
  for await (const step of (await oidcProvider(t, options)).probe(AbortSignal.timeout(60_000))) steps.push(step);
  return steps;
}

test('the probe goes through all that a login needs', async (t) => {
  const idp = await startIdp(t, { people, https: true });
  const steps = await probe(t, { ...idp.options, logout: true });
  assert.deepEqual(
    steps.map(({ step, result }) => `${step} ${result}`),
    ['resolve ok', 'connect ok', 'tls ok', 'discovery ok', 'jwks ok', 'client ok', 'redirect-uri ok', 'logout ok'],
  );
});

test('the probe names the step that fails, and what to do', async (t) => {
  const idp = await startIdp(t, { people, https: true });
  const last = async (more: object) => (await probe(t, { ...idp.options, ...more })).at(-1);
  assert.partialDeepStrictEqual(await last({ ca: testCertificates().otherCa }), { step: 'tls', result: 'failed' });
  assert.partialDeepStrictEqual(await last({ issuer: `${idp.issuer}/realms/none` }), {
    step: 'discovery',
    result: 'failed',
  });
  assert.partialDeepStrictEqual(await last({ clientSecret: 'wrong' }), { step: 'client', result: 'failed' });
  assert.partialDeepStrictEqual(await last({ clientId: 'unknown', par: false }), { step: 'client', result: 'failed' });
  idp.register(new URL('https://other.example'), 'sso');
  for (const par of [true, false]) {
    const step = await last({ par });
    assert.partialDeepStrictEqual(step, { step: 'redirect-uri', result: 'failed' }, `par: ${par}`);
    assert.match(step?.hint ?? '', /register the redirect URI http:\/\/gate\.test/);
  }
});

test('a search that nobody waits for any more fails quietly', async (t) => {
  const idp = await startIdp(t, { isDown: true });
  const http = new HttpClient({ ca: undefined, timeout: 500, keepAlive: true });
  t.after(() => http.close());
  const issuer = new Issuer({
    addresses: { issuer: new URL(idp.issuer), discoveryUrl: undefined, internalUrl: undefined },
    isInsecure: true,
    fetch: http.fetch,
    timeout: 500,
    clock: { now: Date.now },
    log: keptLog(),
  });
  t.after(() => issuer.close());
  await assert.rejects(issuer.find(AbortSignal.abort()), { name: 'AbortError' });
});

/** An issuer that compares what stands in the header as it is, and takes the secret in a form, as LemonLDAP::NG and glewlwyd do. */
async function literalIssuer(t: TestContext, { clientId, clientSecret }: { clientId: string; clientSecret: string }) {
  const idp = await startIdp(t, { people });
  const seen: string[] = [];
  idp.instead = (path, response) => {
    if (path !== '/token') return false;
    const { req } = response;
    void text(req).then((body) => {
      const [, basic = ''] = /^Basic (.*)$/.exec(req.headers.authorization ?? '') ?? [];
      seen.push(basic);
      const read = Buffer.from(basic, 'base64').toString();
      const form = new URLSearchParams(body);
      const isKnown = read === `${clientId}:${clientSecret}` || form.get('client_secret') === clientSecret;
      response.statusCode = isKnown ? 400 : 401;
      response.setHeader('content-type', 'application/json').setHeader('www-authenticate', 'Basic realm="it"');
      response.end(JSON.stringify({ error: isKnown ? 'invalid_grant' : 'invalid_client' }));
    });
    return true;
  };
  const client = async (more: object = {}) =>
    (await probe(t, { ...idp.options, clientId, clientSecret, ...more })).find(({ step }) => step === 'client');
  return { client, seen };
}

test('A2: id and secret stand in a Basic header with `* - . _` as they are, and everything else escaped', async (t) => {
  const literal = await literalIssuer(t, { clientId: 'gate-house_1.x*', clientSecret: 'se-cr_e.t*' });
  assert.partialDeepStrictEqual(await literal.client(), { result: 'ok' });
  const odd = await literalIssuer(t, { clientId: 'gate', clientSecret: 'a b+c%d:~é' });
  await odd.client({ clientAuth: 'client_secret_basic' });
  assert.equal(Buffer.from(odd.seen[0] ?? '', 'base64').toString(), 'gate:a+b%2Bc%25d%3A%7E%C3%A9');
});

test('A2: where the issuer misreads the header the probe says so, and what to set', async (t) => {
  const { client } = await literalIssuer(t, { clientId: 'gate', clientSecret: 'pass+word/7~' });
  const step = await client();
  assert.partialDeepStrictEqual(step, { result: 'failed', hint: 'set clientAuth: client_secret_post' });
  assert.match(
    step?.detail ?? '',
    /client_secret_post, and refuses it by client_secret_basic, as it does not read the escapes/,
  );
  const wrong = await client({ clientSecret: 'another' });
  assert.match(wrong?.detail ?? '', /401 invalid_client/);
  assert.doesNotMatch(wrong?.hint ?? '', /escaped/);
  const odd = await client({ clientSecret: 'an~other' });
  assert.match(odd?.hint ?? '', /stand escaped in the header/);
});

test('A2: an issuer that has a word of its own for an unknown code knows the client', async (t) => {
  const idp = await startIdp(t, { people });
  idp.instead = (path, response) => {
    if (path !== '/token') return false;
    response.statusCode = 403;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ error: 'invalid_code' }));
    return true;
  };
  const client = (await probe(t, idp.options)).find(({ step }) => step === 'client');
  assert.partialDeepStrictEqual(client, { result: 'ok' });
});

test('an issuer is looked at by its metadata: well, away, and silent', async (t) => {
  const idp = await startIdp(t, { people });
  const provider = await oidcProvider(t, { ...idp.options, timeout: '500ms' });
  await provider.ping(AbortSignal.timeout(5000));
  idp.silent = () => true;
  await assert.rejects(provider.ping(AbortSignal.timeout(50)), { name: 'TimeoutError' });
  idp.silent = () => false;
  idp.instead = (_path, response) => Boolean(Object.assign(response, { statusCode: 503 }).end());
  await assert.rejects(provider.ping(AbortSignal.timeout(5000)), /answered with 503/);
  idp.instead = (_path, response) => Boolean(response.end('<html>back soon'));
  await assert.rejects(provider.ping(AbortSignal.timeout(5000)), 'a page in its place');
  idp.instead = (_path, response) => Boolean(response.end('{}'));
  await assert.rejects(provider.ping(AbortSignal.timeout(5000)), /no metadata/);
  await idp.down();
  await assert.rejects(provider.ping(AbortSignal.timeout(5000)));
});
