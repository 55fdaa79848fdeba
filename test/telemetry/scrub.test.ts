/** Scrubbing: nothing that looks or is named like a secret stays, and what an operator needs does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { Secret } from '../../src/core/secret.ts';
import { isSecretName, scrub } from '../../src/telemetry/scrub.ts';
import { scrubText } from '../../src/telemetry/scrub-text.ts';
import { trials } from '../support/tools/properties.ts';
import { cpuTime } from '../support/tools/stopwatch.ts';

const jwt = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ';

/** The secret in each text, and the text around it. */
const leaks: readonly (readonly [secret: string, text: string])[] = [
  ['YWxpY2U6cmlnaHQ=', 'Authorization: Basic YWxpY2U6cmlnaHQ='],
  ['YWxpY2U6cmlnaHQ=', 'upstream said no to Basic YWxpY2U6cmlnaHQ= again'],
  ['opaquetoken', "headers: { authorization: 'Bearer opaquetoken' }"],
  ['opaquetoken', 'sent Bearer opaquetoken'],
  ['opaquetoken', 'bearer%20opaquetoken'],
  ['YIIGhgYJKoZIhvcSAQICAQBuggZ1', 'WWW-Authenticate: Negotiate YIIGhgYJKoZIhvcSAQICAQBuggZ1'],
  ['YIIGhgYJKoZIhvcSAQICAQBuggZ1MIIGcaADAgEF', 'token was YIIGhgYJKoZIhvcSAQICAQBuggZ1MIIGcaADAgEF.'],
  ['TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA', 'got TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA='],
  ['0mVfN3Qx', 'Cookie: lang=fr; __Host-gatehouse=0mVfN3Qx; a=b'],
  ['0mVfN3Qx', 'set-cookie: __Host-gatehouse=0mVfN3Qx; HttpOnly'],
  ['0mVfN3Qx', 'parsed gatehouse=0mVfN3Qx'],
  ['hunter2', 'username=alice&password=hunter2&return=%2F'],
  ['hunter2', 'password = hunter2'],
  ['hunter2', '{"password":"hunter2"}'],
  ['hunter2', '{"managerPassword": "hunter2"}'],
  ['hunter2', "{ password: 'hunter2' }"],
  ['hunter2', '"{\\"password\\":\\"hunter2\\"}"'],
  ['hunter2 with spaces', 'newPassword="hunter2 with spaces"'],
  ['hunter2', 'password: hunter2'],
  ['hunter2', 'return=%2Fapp%3Fpassword%3Dhunter2%26a%3Db'],
  ['hunter2', 'ldap://cn=reader:hunter2@ldap.example.com/'],
  ['hunter2', 'redis://default:hunter2@127.0.0.1:6379'],
  ['ST-1-9c4f2a', 'GET /_gate/callback/campus?ticket=ST-1-9c4f2a HTTP/1.1'],
  ['9c4f2adeadbeef', 'validated ST-1-9c4f2adeadbeef-cas'],
  ['9c4f2adeadbeef', 'service%3Dx%26ticket%3DST-9c4f2adeadbeef'],
  ['9c4f2adeadbeef', 'pgtId=PGT-9c4f2adeadbeef&pgtIou=PGTIOU-9c4f2adeadbeef'],
  ['SplxlOBeZQQYbYS6WxSbIA', '/_gate/callback/sso?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj'],
  ['af0ifjsldkj', '/_gate/callback/sso?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj'],
  ['2YotnFZFEjr1zCsicMWpAA', 'access_token=2YotnFZFEjr1zCsicMWpAA&token_type=bearer'],
  ['2YotnFZFEjr1zCsicMWpAA', '{"refresh_token":"2YotnFZFEjr1zCsicMWpAA"}'],
  ['dBjftJeZ4CVP', 'code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'],
  ['gX1fBat3bV', 'client_secret=gX1fBat3bV'],
  [jwt, `unexpected claim in ${jwt}`],
  ['eyJzdWIiOiJhbGljZSJ9', 'x-gatehouse-assertion: eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2ln'],
  ['MC4CAQAwBQYDK2Vw', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----'],
  ['MC4CAQAwBQYDK2Vw', '-----BEGIN EC PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw (cut off'],
  ['c29tZXNhbHQ$hash', 'users.yaml: $argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$hash'],
  ['5en6G6MezRroT3XKqkdPOmY', 'userPassword {SSHA}5en6G6MezRroT3XKqkdPOmY'],
];

for (const [secret, text] of leaks)
  test(`scrubbed: ${text.replaceAll('\n', ' ').slice(0, 70)}`, () => {
    const clean = scrubText(text);
    assert.ok(!clean.includes(secret), clean);
    assert.match(clean, /\[redacted\]/);
  });

const harmless = [
  'connect ECONNREFUSED 127.0.0.1:636',
  'the token has expired',
  'Basic authentication is off; Bearer tokens are on',
  'WWW-Authenticate is Bearer realm="gatehouse", error="invalid_token"',
  'reason=ticket-replayed outcome=rejected reason=bad-password',
  'exit code=1, code=ENOENT',
  'providers.directory.managerPassword: the environment variable LDAP_PASSWORD is not set; set it, or use { file: … }',
  'https://idp.example.com/realms/cc/.well-known/openid-configuration',
  'GET /ccagent?queue=3&view=all',
  'AcceptSecurityContext error, data 52e, v4563',
  'the password must change',
];

for (const text of harmless) test(`left alone: ${text.slice(0, 70)}`, () => assert.equal(scrubText(text), text));

test('fields are judged by name, however spelt', () => {
  for (const name of [
    'password',
    'newPassword',
    'Set-Cookie',
    'cookie',
    'AUTHORIZATION',
    'proxy-authorization',
    'access_token',
    'clientSecret',
    'ticket',
    'code_verifier',
    'x-api-key',
    'logout_token',
  ])
    assert.ok(isSecretName(name), name);
  for (const name of ['user', 'session', 'provider', 'reason', 'path', 'tokenType', 'passed', 'key', 'count'])
    assert.ok(!isSecretName(name), name);
});

test('a secret is found at every depth and in every kind of holder', () => {
  const holders = {
    nested: { a: { b: { c: { password: 's3cret-value' } } } },
    list: [{ token: 's3cret-value' }],
    map: new Map([['cookie', 's3cret-value']]),
    headers: new Headers({ authorization: 's3cret-value' }),
    rawHeaders: ['Host', 'a', 'Cookie', 's3cret-value'],
    url: new URL('http://u:s3cret-value@h/?ticket=s3cret-value'),
    form: new URLSearchParams({ password: 's3cret-value' }),
    secret: new Secret('s3cret-value'),
    bytes: Buffer.from('s3cret-value'),
    json: { toJSON: () => ({ password: 's3cret-value' }) },
    code: 's3cret-value',
  };
  assert.ok(!JSON.stringify(scrub(holders)).includes('s3cret-value'));
});

test('an error keeps its type, message, stack, code and causes, without the secrets in any of them', () => {
  const root = Object.assign(new Error('bind with password=s3cret-value'), { code: 'ECONNRESET' });
  const error = new TypeError('login ticket=s3cret-value failed', { cause: root });
  const both = new AggregateError([error], 'all of Bearer s3cret-value');
  const clean = JSON.stringify(scrub(both));
  assert.ok(!clean.includes('s3cret-value'), clean);
  assert.partialDeepStrictEqual(scrub(both), {
    type: 'AggregateError',
    errors: [{ type: 'TypeError', cause: { type: 'Error', code: 'ECONNRESET' } }],
  });
  assert.match(clean, /scrub\.test\.ts/);
});

test('an error code, a counter and a yes stay under names that hide secrets', () => {
  const fields = { code: 'UND_ERR_HEADERS_TIMEOUT', password: true, tokens: 3, ticket: undefined, errorCode: 49 };
  assert.deepEqual({ ...(scrub(fields) as object) }, fields);
});

test('cycles, depth, width, getters and odd values end in a line, not in an error', () => {
  const cyclic: Record<string, unknown> = { name: 'a' };
  cyclic.self = cyclic;
  let deep: unknown = 'end';
  for (let level = 0; level < 50; level += 1) deep = { deep };
  const odd = {
    cyclic,
    deep,
    wide: Array.from({ length: 5000 }, (_, index) => ({ index })),
    big: 10n,
    when: new Date(Number.NaN),
    what: Symbol('s'),
    how: () => 1,
    angry: {
      get value() {
        throw new Error('no');
      },
    },
    proxy: Proxy.revocable({}, {}),
    long: 'x'.repeat(100_000),
  };
  odd.proxy.revoke();
  const text = JSON.stringify(scrub(odd));
  assert.ok(text.length < 60_000, `${text.length} characters`);
  assert.match(text, /\[circular\]/);
  assert.match(text, /91808 more characters/);
});

test('what a field is called can neither break the record nor hide', () => {
  const clean = scrub(JSON.parse('{"__proto__": {"password": "s3cret-value"}, "password=s3cret-value": 1}'));
  assert.ok(!JSON.stringify(clean).includes('s3cret-value'), inspect(clean));
  assert.equal(Object.getPrototypeOf(clean), null);
});

test('no text takes long, however it is made', () => {
  const cost = (text: string): number => cpuTime(() => scrubText(text));
  const words = [
    'password',
    'authorization',
    'code',
    'Bearer ',
    'eyJ',
    'ST-',
    'gatehouse',
    '{SSHA}',
    '$6$',
    'YI',
    '-----BEGIN PRIVATE KEY-----',
  ];
  const pieces = [...words, '="', "='", '%3D', '%', '\\"', '\\', 'a', '://', ':', '@', '.', ' ', ',', '$'];
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.array(fc.constantFrom(...pieces), { maxLength: 3 }), (word, more) => {
      const text = [word, ...more].join('').repeat(4096);
      const took = Math.min(cost(text), cost(text), cost(text));
      assert.ok(took < 40, `${took} ms for ${[word, ...more].join('|')}`);
    }),
    { ...trials(300), examples: [['password', [':']]] },
  );
});
