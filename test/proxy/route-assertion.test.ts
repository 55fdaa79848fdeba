/** The signed identity as one application wants it: its audience, its lifetime, its claims, under a header of its own. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of templates.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';
import { stringify } from 'yaml';
import { readConfiguration } from '../../src/cli/configuration.ts';
import { formatIssues } from '../../src/config/report.ts';
import { gateway, type TestGateway } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { assertNoSecrets } from '../support/tools/log.ts';

const anna = {
  name: 'anna',
  password: 'right-horse-81',
  fullName: 'Änna',
  email: 'anna@example.com',
  groups: ['agents', 'a,b'],
};
const roles = { agent: { groups: ['agents'] }, reader: { groups: ['agents'] } };

/** Verifies as an application does, with the keys that the gateway publishes. */
async function verified({ url }: TestGateway, token: string, audience: string) {
  const keys = JSON.parse((await new Visitor(url).fetch('/_gate/jwks.json')).text) as JSONWebKeySet;
  return (await jwtVerify(token, createLocalJWKSet(keys), { issuer: url.origin, audience })).payload;
}

test('route assertion: audience, lifetime, claims, and the header that an application reads', async (t) => {
  const upstream = await startUpstream(t);
  const headers = { Authorization: 'Bearer ${assertion}' };
  const claims = {
    login: '${subject}@cc',
    role: '${roles}',
    name: '${email}',
    'https://app.example/groups': '${groups}',
    mixed: 'x ${groups}',
    org: '1',
    none: '${attribute:department}',
  };
  const at = await gateway(t, {
    users: [anna],
    config: {
      log: { level: 'debug' },
      roles,
      routes: [
        {
          location: '/grafana/',
          upstream: upstream.origin,
          headers,
          assertion: { audience: 'grafana', lifetime: '5m', claims },
        },
        { location: '/open/', upstream: upstream.origin, headers, access: 'optional', assertion: { lifetime: '10s' } },
        { location: '/', upstream: upstream.origin },
      ],
    },
  });
  const visitor = new Visitor(at.url);
  await visitor.mustSignIn('anna', 'right-horse-81', '/');
  const mine = { headers: { authorization: 'Basic bWluZTptaW5l' } };
  const open = async (path: string, who = visitor) => {
    await who.fetch(path, mine);
    const request = upstream.received.at(-1);
    const value = (name: string) => [request?.values(name) ?? []].flat().join('|');
    return { authorization: value('authorization'), assertion: value('x-gatehouse-assertion') };
  };
  const grafana = await open('/grafana/x');
  assert.equal(grafana.authorization, `Bearer ${grafana.assertion}`, 'and not the client’s own');
  const {
    iat = 0,
    exp = 0,
    jti,
    iss,
    aud,
    sid,
    auth_time,
    amr,
    provider,
    tenant,
    ...said
  } = await verified(at, grafana.assertion, 'grafana');
  assert.equal(exp - iat, 300);
  assert.deepEqual(said, {
    sub: 'anna',
    name: 'anna@example.com',
    email: 'anna@example.com',
    groups: ['agents', 'a,b'],
    roles: ['agent', 'reader'],
    login: 'anna@cc',
    role: ['agent', 'reader'],
    'https://app.example/groups': ['agents', 'a,b'],
    mixed: 'x agents,a,b',
    org: '1',
  });
  const optional = await open('/open/');
  assert.equal(optional.authorization, `Bearer ${optional.assertion}`);
  const short = await verified(at, optional.assertion, upstream.origin);
  assert.equal((short.exp ?? 0) - (short.iat ?? 0), 10);
  assert.equal('login' in short, false, 'claims are those of the route');
  assert.equal(
    (await open('/open/', new Visitor(at.url))).authorization,
    '',
    'nobody is nobody, whatever the client says',
  );
  const other = await open('/');
  assert.equal(other.authorization, 'Basic bWluZTptaW5l', 'an application that has credentials of its own keeps them');
  assert.equal(decodeJwt(other.assertion).aud, upstream.origin);
  assertNoSecrets(at.lines.join(''), [grafana.assertion, optional.assertion]);
  const { stdout } = await run(['explain', '--config', at.file, '--user', 'anna', '--url', '/grafana/x']);
  assert.match(stdout, /authorization: Bearer a token for grafana, signed as a request goes/);
  assert.doesNotMatch(stdout, /eyJ/);
});

test('route assertion: a proxy in front is told the token, and elsewhere what is left of the client’s own credentials', async (t) => {
  const at = await gateway(t, {
    users: [anna],
    config: {
      server: { trustedProxies: ['127.0.0.1'] },
      routes: [
        { location: '/app/', upstream: 'http://127.0.0.1:9', headers: { Authorization: 'Bearer ${assertion}' } },
        { location: '/scripts/', upstream: 'http://127.0.0.1:9', access: { basic: true } },
        { location: '/', upstream: 'http://127.0.0.1:9', access: 'public' },
      ],
    },
  });
  const visitor = new Visitor(at.url);
  await visitor.mustSignIn('anna', 'right-horse-81', '/');
  const ask = (who: Visitor, uri: string, credentials: string) =>
    who.fetch('/_gate/auth', {
      headers: { 'x-original-uri': uri, 'x-original-method': 'GET', authorization: `Basic ${btoa(credentials)}` },
    });
  const told = await ask(visitor, '/app/', 'mine:mine');
  assert.match(String(told.headers.authorization), /^Bearer eyJ/);
  const others = await ask(new Visitor(at.url), '/', 'mine:mine');
  assert.deepEqual([others.status, others.headers.authorization], [200, `Basic ${btoa('mine:mine')}`]);
  const spent = await ask(new Visitor(at.url), '/scripts/', 'anna:right-horse-81');
  assert.deepEqual([spent.status, spent.headers.authorization], [200, undefined]);
});

const wrong: Readonly<Record<string, readonly [assertion: unknown, want: RegExp]>> = {
  'a claim of the gateway': [
    { claims: { sub: 'root' } },
    /assertion\.claims\.sub: the name is a claim that the gateway sets by itself/,
  ],
  'the session': [{ claims: { sid: '1' } }, /claims\.sid: the name is a claim that the gateway sets/],
  'a variable that is none': [
    { claims: { x: '${user}' } },
    /claims\.x: there is no variable \$\{user\}.*\$\{subject\}/,
  ],
  'the token in itself': [{ claims: { x: '${assertion}' } }, /claims\.x: there is no variable \$\{assertion\}/],
  'a claim beyond ASCII': [{ claims: { x: 'é' } }, /claims\.x: the template must be printable ASCII/],
  'a name that is none': [{ claims: { 'a b': 'x' } }, /claims.*must be the name of a claim/],
  'a number for a claim': [{ claims: { x: 1 } }, /claims\.x: must be text/],
  'a lifetime too short': [{ lifetime: '1s' }, /lifetime: must lie between 10s and 1h/],
  'a lifetime too long': [{ lifetime: '24h' }, /lifetime: must lie between 10s and 1h/],
  'two audiences': [{ audience: 'a b' }, /audience: must be a word of printable ASCII/],
  'an unknown key': [{ audiance: 'a' }, /audiance.*did you mean "audience"/],
};
for (const [what, [assertion, want]] of Object.entries(wrong))
  test(`route assertion: ${what} is an error at its key`, async (t) => {
    const file = join(await temporaryFolder(t), 'gatehouse.yaml');
    const config = {
      login: { chain: ['local'] },
      providers: { local: { type: 'local', users: 'users.yaml' } },
      routes: [{ location: '/', upstream: 'http://app:80', assertion }],
    };
    await writeFile(file, stringify(config));
    const reading = readConfiguration(file, {});
    assert.ok(reading.kind === 'invalid');
    assert.match(formatIssues(reading.issues).replaceAll('\n', ' '), want);
  });

test('route assertion: check warns where nobody is signed in, and of text that reads like a variable', async (t) => {
  const file = join(await temporaryFolder(t), 'gatehouse.yaml');
  const assertion = { claims: { login: '$remote_user' } };
  const config = {
    server: { publicUrl: 'https://cc.example.com' },
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    routes: [{ location: '/', upstream: 'http://127.0.0.1:9', access: 'public', assertion }],
  };
  await writeFile(file, stringify(config));
  const { code, stderr } = await run(['check', '--config', file]);
  assert.equal(code, 0);
  assert.match(stderr, /routes\[0\]\.assertion: is of no use/);
  assert.match(stderr, /claims\.login: \$remote_user is no variable here.*\$\{subject\}/);
});

test('route assertion: it is about an application', async (t) => {
  const file = join(await temporaryFolder(t), 'gatehouse.yaml');
  await writeFile(
    file,
    stringify({
      login: { chain: ['local'] },
      providers: { local: { type: 'local', users: 'users.yaml' } },
      routes: [{ location: '/', redirect: '/x', assertion: { audience: 'a' } }],
    }),
  );
  const reading = readConfiguration(file, {});
  assert.ok(reading.kind === 'invalid' && /assertion: is about an application/.test(formatIssues(reading.issues)));
});
