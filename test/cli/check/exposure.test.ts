/** What `gatehouse check` warns of though it works: doors that a setting or the mode of a file leaves open. */
import assert from 'node:assert/strict';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { Yaml } from '../../support/scenes/gateway.ts';
import { siteConfig } from '../../support/scenes/site.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const local = { type: 'local', users: 'users.yaml' };
const ldap = { type: 'ldap', searchBase: 'dc=example,dc=com', managerDn: 'cn=r,dc=example,dc=com' };
const withProvider = (extra: Yaml): Yaml => ({ providers: { local, extra } });

const withNetworks = (access: Yaml, more: Yaml = {}): Yaml => ({
  server: { publicUrl: 'https://cc.example.com', trustedProxies: ['10.1.0.1'] },
  routes: [{ location: '/lan/', upstream: 'http://127.0.0.1:1', access, ...more }],
});

type Case = readonly [over: Yaml, key: RegExp, isWarned: boolean];
const reader = { managerPassword: { env: 'SECRET' } };
const cases: Readonly<Record<string, Case>> = {
  'a recheck that asks nobody': [
    {
      session: { recheck: '5m' },
      login: { chain: ['campus'] },
      providers: { local, campus: { type: 'cas', url: 'https://cas.example.org/cas' } },
    },
    /session\.recheck: asks nobody/,
    true,
  ],
  'a recheck of local accounts': [{ session: { recheck: '5m' } }, /session\.recheck:/, false],
  'offline logins in a store that ends with the process': [
    {
      login: { chain: ['extra'], offline: { roles: [], providers: ['extra'] } },
      session: { store: { type: 'memory' } },
      providers: { local, extra: { ...ldap, ...reader, url: 'ldap://127.0.0.1' } },
    },
    /login\.offline: ends with the process/,
    true,
  ],
  'remote LDAP in clear': [
    withProvider({ ...ldap, ...reader, url: 'ldap://ldap.example.com' }),
    /extra\.url: sends/,
    true,
  ],
  'LDAP with StartTLS': [
    withProvider({ ...ldap, ...reader, url: 'ldap://ldap.example.com', startTls: true }),
    /extra\.url:/,
    false,
  ],
  'LDAP on this machine': [withProvider({ ...ldap, ...reader, url: 'ldap://127.0.0.1' }), /extra\.url:/, false],
  'OpenID Connect in clear behind a public name': [
    withProvider({
      type: 'oidc',
      issuer: 'https://sso.example.org',
      clientId: 'gate',
      internalUrl: 'http://keycloak.example.org:8080',
    }),
    /extra\.internalUrl: is plain http/,
    true,
  ],
  'CAS in clear': [withProvider({ type: 'cas', url: 'http://cas.example.org/cas' }), /extra\.url: is plain http/, true],
  'CAS over https': [withProvider({ type: 'cas', url: 'https://cas.example.org/cas' }), /extra\.url:/, false],
  'everybody a trusted proxy': [
    { server: { trustedProxies: ['10.0.0.1', '0.0.0.0/0'] } },
    /trustedProxies\[1\]: believes everybody/,
    true,
  ],
  'everybody a balancer': [
    { server: { proxyProtocol: ['::/0'] } },
    /proxyProtocol\[0\]: believes everybody: .* PROXY header/,
    true,
  ],
  'no lock-out of users': [{ login: { chain: ['local'], lockout: { user: 0 } } }, /lockout\.user: 0 switches/, true],
  'no lock-out of addresses': [
    { login: { chain: ['local'], lockout: { address: 0 } } },
    /lockout\.address: 0 switches/,
    true,
  ],
  'plain http on all addresses': [
    { server: { listen: 'http://0.0.0.0:8080', publicUrl: 'http://cc.example.com' } },
    /publicUrl: is plain http/,
    true,
  ],
  'plain http on this machine': [
    { server: { listen: 'http://127.0.0.1:8080', publicUrl: 'http://localhost:8080' } },
    /publicUrl:/,
    false,
  ],
  'a network that holds a trusted proxy': [
    withNetworks({ networks: ['192.0.2.0/24', '10.0.0.0/8'] }),
    /routes\[0\]\.access\.networks\[1\]: overlaps with 10\.1\.0\.1\/32 of server\.trustedProxies/,
    true,
  ],
  'a network of an offline login that holds a trusted proxy': [
    {
      server: { publicUrl: 'https://cc.example.com', trustedProxies: ['10.1.0.1'] },
      providers: { local, extra: { ...ldap, ...reader, url: 'ldaps://x.example' } },
      login: {
        chain: ['local', 'extra'],
        offline: { roles: [], providers: ['extra'], networks: ['192.0.2.0/24', '10.0.0.0/8'] },
      },
    },
    /login\.offline\.networks\[1\]: overlaps with 10\.1\.0\.1\/32 of server\.trustedProxies/,
    true,
  ],
  'a network of tickets that holds a trusted proxy': [
    {
      server: { publicUrl: 'https://cc.example.com', trustedProxies: ['10.1.0.1'] },
      providers: {
        local,
        extra: { type: 'kerberos', principal: 'HTTP/cc.example.com@X', keytab: 'none', networks: ['10.0.0.0/8'] },
      },
    },
    /providers\.extra\.networks\[0\]: overlaps with 10\.1\.0\.1\/32 of server\.trustedProxies/,
    true,
  ],
  'a network beside the trusted proxies': [withNetworks({ networks: ['10.2.0.0/16'] }), /access/, false],
  'a network that frees from roles and age': [
    withNetworks({ networks: ['10.2.0.0/16'], satisfy: 'any', roles: ['agent'], maxAge: '5m' }),
    /access\.satisfy: is any, so that from these networks roles and maxAge count for nobody/,
    true,
  ],
  'a network that frees from a login alone': [
    withNetworks({ networks: ['10.2.0.0/16'], satisfy: 'any' }),
    /access/,
    false,
  ],
  'a network by one of its addresses': [
    withNetworks({ networks: ['10.2.0.0/16', '10.3.7.9/16'] }),
    /routes\[0\]\.access\.networks\[1\]: is the whole network 10\.3\.0\.0\/16/,
    true,
  ],
  'an IPv6 network by one of its addresses': [
    { server: { trustedProxies: ['FD00:0:0::/8', 'fd00:1::7/32', '::1'] } },
    /trustedProxies\[1\]: is the whole network fd00:1::\/32/,
    true,
  ],
  'networks by their first addresses': [
    { server: { trustedProxies: ['FD00:0:0::/8', '10.0.0.0/8', '192.0.2.7', '::ffff:192.0.2.0/120'] } },
    /is the whole network/,
    false,
  ],
  'a contact in a language that no page is in': [
    withNetworks({}, { contact: { en: 'x', de: 'y' } }),
    /routes\[0\]\.contact\.de: is shown to nobody/,
    true,
  ],
  'a cookie of ours that is to be bound': [
    withNetworks({}, { cookies: { bind: ['JSESSIONID', 'gatehouse'] } }),
    /routes\[0\]\.cookies\.bind\[1\]: is the gateway's own cookie/,
    true,
  ],
  'a server twice': [
    withNetworks({}, { upstream: ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:1'] }),
    /routes\[0\]\.upstream: names http:\/\/127\.0\.0\.1:1 twice/,
    true,
  ],
  'a page for forgotten passwords behind a login': [
    { pages: { forgotPassword: '/lan/reset?x=1' }, ...withNetworks({}) },
    /pages\.forgotPassword: leads to the location .*, which asks for a login/,
    true,
  ],
  'a page for forgotten passwords nowhere': [
    { pages: { forgotPassword: '/reset' }, ...withNetworks({}) },
    /pages\.forgotPassword: leads to no location/,
    true,
  ],
  'a page for forgotten passwords for everybody': [
    { pages: { forgotPassword: '/lan/reset' }, ...withNetworks({ networks: ['10.0.0.0/8'], public: true }) },
    /forgotPassword/,
    false,
  ],
  'a network of everybody': [withNetworks({ networks: ['0.0.0.0/0'], satisfy: 'any' }), /holds every address/, true],
  'a secret in clear': [
    withProvider({ ...ldap, url: 'ldaps://x.example', managerPassword: 'hunter2' }),
    /managerPassword: is a secret in clear/,
    true,
  ],
  'a secret of the environment': [
    withProvider({ ...ldap, ...reader, url: 'ldaps://x.example' }),
    /managerPassword:/,
    false,
  ],
};

async function checked(folder: string, over: Yaml): Promise<string> {
  const file = path.join(folder, 'gatehouse.yaml');
  const config = { login: { chain: ['local'] }, providers: { local }, ...siteConfig('http://127.0.0.1:1'), ...over };
  await writeFile(file, stringify(config));
  const { code, stderr } = await run(['check', '--config', file], { env: { SECRET: 'hunter2' } });
  assert.equal(code, 0, stderr);
  assert.ok(!stderr.includes('hunter2'), stderr);
  return stderr;
}

for (const [name, [over, key, isWarned]] of Object.entries(cases))
  test(`exposure: ${name} is ${isWarned ? 'warned of' : 'fine'}`, async (t) => {
    const stderr = await checked(await temporaryFolder(t), over);
    assert.equal(key.test(stderr), isWarned, stderr);
  });

for (const [mode, words] of [
  [0o644, 'every user of this machine may read'],
  [0o660, 'the group of the file may change'],
  [0o666, 'every user of this machine may read and change'],
  [0o640, undefined],
  [0o600, undefined],
] as const)
  test(`exposure: users and secrets in files of mode ${mode.toString(8)} are ${words ? 'warned of' : 'fine'}`, async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(path.join(folder, 'users.yaml'), 'users: {}\n');
    await writeFile(path.join(folder, 'secret.txt'), 'hunter2\n');
    for (const file of ['users.yaml', 'secret.txt']) await chmod(path.join(folder, file), mode);
    const extra = { ...ldap, url: 'ldaps://x.example', managerPassword: { file: 'secret.txt' } };
    const stderr = await checked(folder, withProvider(extra));
    for (const [key, file] of [
      ['local.users', 'users.yaml'],
      ['extra.managerPassword', 'secret.txt'],
    ])
      assert.equal(
        stderr.includes(`providers.${key}: ${words} ${path.join(folder, file!)}`),
        words !== undefined,
        stderr,
      );
  });

test('exposure: a secret of a header and a key for an upstream in files that others may read are warned of', async (t) => {
  const folder = await temporaryFolder(t);
  const { ca, good } = testCertificates();
  await writeFile(path.join(folder, 'secret.txt'), 'hunter2\n');
  await copyFile(good.key, path.join(folder, 'key.pem'));
  for (const mode of [0o644, 0o600]) {
    for (const file of ['secret.txt', 'key.pem']) await chmod(path.join(folder, file), mode);
    const stderr = await checked(folder, {
      routes: [
        {
          location: '/',
          access: 'public',
          upstream: { servers: 'https://127.0.0.1:1', key: 'key.pem', certificate: good.certificate, ca },
          headers: { 'X-Key': { file: 'secret.txt' } },
        },
      ],
    });
    const words = mode === 0o644 ? 'every user of this machine may read' : '';
    for (const [at, file] of [
      ['headers.X-Key', 'secret.txt'],
      ['upstream.key', 'key.pem'],
    ] as const)
      assert.equal(stderr.includes(`routes[0].${at}: ${words} ${path.join(folder, file)}`), words !== '', stderr);
  }
});

test('exposure: accounts that the demo made are warned of by name', async (t) => {
  const folder = await temporaryFolder(t);
  const users = (...names: string[]) =>
    Object.fromEntries(names.map((name) => [name, { email: `${name}@example.com` }]));
  await writeFile(path.join(folder, 'users.yaml'), stringify({ users: users('agent1', 'admin1', 'carl') }), {
    mode: 0o600,
  });
  assert.match(
    await checked(folder, {}),
    /providers\.local\.users: users\.yaml has accounts of the demo: agent1, admin1 —/,
  );
});
