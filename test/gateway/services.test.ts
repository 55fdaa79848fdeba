/** Services and the table of machines: who gets through over HTTP and WebSocket, what the application learns, and who is cut. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeJwt } from 'jose';
import { WebSocket } from 'ws';
import { stringify } from 'yaml';
import type { Clock } from '../../src/core/clock.ts';
import { spkiPin } from '../../src/tls/pins.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, siteConfig } from '../support/scenes/site.ts';
import { publicCa, type TwoListeners, twoListeners } from '../support/scenes/two-listeners.ts';
import { startIdp } from '../support/servers/oidc-provider.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const of = ({ certificate }: CertificateFiles): X509Certificate => new X509Certificate(readFileSync(certificate));
const machine = issueCertificate('recorder-1', 'DNS:recorder-1.test');
const selfMade = testCertificates().selfSigned;
const sha256 = of(machine).fingerprint256;

/** A site with a service for machines, one for every certificate, and one beside a login. */
async function site(t: TestContext, peers: Yaml, more: { server?: Yaml; clock?: Clock; machines?: Yaml } = {}) {
  const started = await twoListeners(t, { ...more, config: {} });
  const { upstream, listeners, port, running, write } = started;
  const route = (name: string, rest: object) => ({ location: `/${name}/`, name, upstream: upstream.origin, ...rest });
  const config = (rows: Yaml, over: Yaml = {}): Yaml => ({
    ...siteConfig(upstream.origin),
    server: { listen: undefined, publicUrl: `https://people.test:${port}`, drain: '1s', ...more.server },
    listeners,
    services: { data: { label: 'Data' }, open: { admit: 'any' } },
    peers: rows,
    routes: [
      route('data', { service: 'data', access: 'peers', websocket: true }),
      route('any', { service: 'open', access: 'peers', clientCertificate: 'forward' }),
      route('both', { service: 'data' }),
      route('free', { service: 'data', access: 'public' }),
      ...(siteConfig(upstream.origin).routes as object[]),
    ],
    ...over,
  });
  const use = async (rows: Yaml, over?: Yaml): Promise<void> => {
    await write(config(rows, over));
    const answer = await running.reload({ actor: 'signal' });
    assert.equal(answer.kind, 'reloaded', JSON.stringify(answer));
  };
  await use(peers);
  const ask = (target: string, client: CertificateFiles | undefined = machine, headers = {}) =>
    started.get('machines.test', { path: target, headers, ...(client && { client }) });
  return { ...started, use, ask };
}

test('services: a machine of a row gets through, with its name, its identity and the digest of its certificate', async (t) => {
  const { ask, upstream, audit } = await site(t, { 'recording-01': { thumbprints: [sha256], services: ['data'] } });
  const forged = {
    'x-gatehouse-peer': 'admin',
    'x-remote-user': 'root',
    'client-cert': ':AAAA:',
    authorization: 'Basic YTpi',
  };
  assert.equal((await ask('/data/x', machine, forged)).status, 200);
  const { values } = upstream.only();
  assert.deepEqual(values('x-gatehouse-peer'), ['recording-01']);
  assert.deepEqual(values('x-remote-user'), ['peer:recording-01']);
  assert.deepEqual(values('x-remote-provider'), ['peers']);
  assert.deepEqual(values('client-cert'), []);
  assert.deepEqual(values('authorization'), ['Basic YTpi'], 'its own is for the application');
  const claims = decodeJwt(values('x-gatehouse-assertion')[0] ?? '');
  const digest = Buffer.from(sha256.replaceAll(':', ''), 'hex').toString('base64url');
  assert.deepEqual([claims.sub, claims.amr, claims.cnf], ['peer:recording-01', ['swk'], { 'x5t#S256': digest }]);
  assert.partialDeepStrictEqual(audit('request')[0], { user: 'peer:recording-01', provider: 'peers', status: 200 });
});

test('services: each way to be refused has its reason, and nothing reaches the application', async (t) => {
  const { get, ask, upstream, audit, clients, use, admin } = await site(t, {
    other: { thumbprints: [sha256], services: ['open'], contact: 'telephony@example.com' },
  });
  assert.equal((await ask('/data/x')).status, 403);
  assert.equal((await ask('/data/x', issueCertificate('stranger', 'DNS:stranger.test'))).status, 403);
  assert.equal((await ask('/data/x', clients.serverOnly)).status, 403);
  assert.equal((await ask('/any/x', clients.foreign)).status, 403);
  assert.equal((await get('people.test', { path: '/data/x' })).status, 401);
  await use({ other: { thumbprints: [sha256], services: ['data'], until: '2020-01-31' } });
  assert.equal((await ask('/data/x')).status, 403);
  const reasons = audit('request').map(({ reason }) => reason);
  const first = ['peer-not-admitted', 'peer-unknown', 'peer-use', 'peer-unknown', 'peer-certificate-missing'];
  assert.deepEqual(reasons, [...first, 'peer-expired']);
  assert.match(String(audit('request')[0]?.detail), /telephony@example\.com/);
  assert.partialDeepStrictEqual(audit('request')[0], { peer: 'other', service: 'data' });
  const metrics = await (await fetch(new URL('/metrics', admin))).text();
  const counted = 'gatehouse_peer_requests_total{peer="other",service="data",reason="peer-not-admitted"} 1';
  assert.ok(metrics.includes(counted));
  assert.ok(metrics.includes('gatehouse_peer_requests_total{peer="",service="data",reason="peer-unknown"} 1'));
  assert.equal(upstream.received.length, 0);
});

test('services: rows know a machine by whatever Windows shows, a key, a name, or its own file', async (t) => {
  const pasted = `\u200e${of(machine).fingerprint.replaceAll(':', ' ').toLowerCase()}`;
  const rows: Readonly<Record<string, Yaml>> = {
    'SHA-1 with an invisible mark': { thumbprints: [pasted] },
    'SHA-256 without colons': { thumbprints: [sha256.replaceAll(':', '').toLowerCase()] },
    'a name': { names: ['*.test'] },
  };
  const { ask, use, upstream } = await site(t, {});
  for (const [name, row] of Object.entries(rows)) {
    await use({ row: { ...row, services: ['data'] } });
    assert.equal((await ask('/data/x')).status, 200, name);
  }
  assert.equal((await ask('/data/x', selfMade)).status, 403);
  await use({ row: { certificate: selfMade.certificate, services: ['data'] } });
  assert.equal((await ask('/data/x', selfMade)).status, 200, 'an imported certificate is its own anchor');
  assert.equal((await ask('/data/x')).status, 403);
  assert.equal(upstream.received.length, 4);
});

test('services: one for servers only is let in where its row says so, by its thumbprint', async (t) => {
  const { ask, use, clients } = await site(t, {});
  const thumbprints = [of(clients.serverOnly).fingerprint256];
  await use({ 'old-pbx': { thumbprints, services: ['data'] } });
  assert.equal((await ask('/data/x', clients.serverOnly)).status, 403);
  await use({ 'old-pbx': { thumbprints, purpose: 'any', services: ['data'] } });
  assert.equal((await ask('/data/x', clients.serverOnly)).status, 200);
});

test('services: without authorities only imported machines come in, and nobody whom a public CA vouches for', async (t) => {
  publicCa(t, testCertificates().ca);
  const row = { certificate: machine.certificate, services: ['data'] };
  const { ask, use, listeners } = await site(t, { row });
  const { machines, ...others } = listeners as Record<string, object>;
  await use({ row }, { listeners: { ...others, machines: { ...machines, clientCertificates: { ask: 'required' } } } });
  assert.equal((await ask('/data/x')).status, 200);
  assert.equal((await ask('/any/x', issueCertificate('unlisted', 'DNS:unlisted.test'))).status, 403);
});

test('services: beside access both must pass; with public the machine is enough; forward shows the certificate', async (t) => {
  const { ask, upstream } = await site(t, { row: { thumbprints: [sha256], services: ['data'] } });
  assert.equal((await ask('/both/x')).status, 401);
  assert.equal((await ask('/free/x')).status, 200);
  assert.deepEqual(upstream.only().values('x-gatehouse-peer'), ['row']);
  assert.deepEqual(upstream.only().values('x-remote-user'), []);
  assert.equal((await ask('/any/x', issueCertificate('unlisted', 'DNS:unlisted.test'))).status, 200);
  const last = upstream.received.at(-1);
  assert.match(last?.values('x-remote-user')[0] ?? '', /^peer:[0-9a-f]{64}$/);
  assert.deepEqual(last?.values('x-gatehouse-peer'), []);
  const [, shown = ''] = /^:(.*):$/.exec(last?.values('client-cert')[0] ?? '') ?? [];
  assert.match(new X509Certificate(Buffer.from(shown, 'base64')).subject, /CN=unlisted/);
});

test('services: every machine at every service gets what the table says, by HTTP and WebSocket', async (t) => {
  const files = ['one', 'two', 'three'].map((name) => issueCertificate(`cell-${name}`, `DNS:${name}.cells.test`));
  const [one, two, three] = files.map((pair) => of(pair));
  assert.ok(one && two && three);
  const [pins, thumbprints] = [[spkiPin(one)], [two.fingerprint256]];
  const started = await site(t, {});
  const names = ['data', 'durable', 'recording', 'media'];
  await started.use(
    {
      one: { pins, services: ['data', 'durable'] },
      two: { thumbprints, services: ['recording'] },
      all: { names: ['*.cells.test'], services: ['durable'] },
    },
    {
      services: { data: {}, durable: {}, recording: {}, media: { admit: 'any' } },
      routes: names.map((service) => ({
        ...{ location: `/${service}/`, upstream: started.upstream.origin, access: 'peers', service, websocket: true },
      })),
    },
  );
  const passes = [
    ['data', 'durable', 'media'],
    ['durable', 'recording', 'media'],
    ['durable', 'media'],
  ];
  for (const [index, client] of files.entries())
    for (const service of names) {
      const want = passes[index]?.includes(service) ? 'in' : 'out';
      const what = `${index} at ${service}`;
      assert.equal((await started.ask(`/${service}/x`, client)).status, want === 'in' ? 200 : 403, what);
      const opened = await live(started, client, `/${service}/live`).then(
        (socket) => {
          socket.terminate();
          return 'in';
        },
        () => 'out',
      );
      assert.equal(opened, want, what);
    }
});

test('services: what proxies call a client’s certificate reaches no application, with a certificate and without', async (t) => {
  const { ask, get, upstream } = await site(
    t,
    { row: { thumbprints: [sha256], services: ['data'] } },
    { server: { trustedProxies: ['127.0.0.1'] } },
  );
  const forged = Object.fromEntries(
    [
      ...['X-Forwarded-Client-Cert', 'Client-Cert', 'Client-Cert-Chain', 'SSL_CLIENT_CERT', 'Ssl-Client-Verify'],
      ...['X-ARR-ClientCert', 'X-Amzn-Mtls-Clientcert-Subject', 'X-Client-DN', 'X-Client-Verify', 'X-SSL-Client-Cert'],
    ].map((name) => [name, 'CN=admin']),
  );
  assert.equal((await ask('/data/x', machine, forged)).status, 200);
  assert.equal((await get('people.test', { headers: forged })).status, 200);
  const odd = /client-?_?cert|client-dn|client-verify|ssl/i;
  assert.deepEqual(
    upstream.received[0]?.names.filter((name) => odd.test(name)),
    [],
    'of a trusted proxy, too',
  );
  assert.deepEqual(
    upstream.received[1]?.names.filter((name) => odd.test(name) && /forwarded|_/.test(name)),
    [],
  );
});

/** A WebSocket of a machine, once the application has it. */
async function live(
  { port, ca, upstream, lines }: TwoListeners,
  client = machine,
  target = '/data/live',
): Promise<WebSocket> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${target}`, {
    ...{ ca, servername: 'machines.test', cert: readFileSync(client.certificate), key: readFileSync(client.key) },
    headers: { host: `machines.test:${port}` },
  });
  socket.on('error', () => undefined);
  await once(socket, 'open').catch((error) => assert.fail(`${error} ${lines.at(-1)}`));
  assert.ok(upstream.sockets.size > 0);
  return socket;
}

for (const [name, change] of Object.entries({
  'its row is gone': async ({ use }) => use({}),
  'its row names the service no more': async ({ use }) => use({ row: { thumbprints: [sha256] } }),
  'its time is over': async ({ clock }) => clock.advance(2 * 86_400_000),
  'its certificate has ended': async ({ clock }) => clock.advance(400 * 86_400_000),
} satisfies Record<
  string,
  (parts: {
    use: Awaited<ReturnType<typeof site>>['use'];
    clock: ReturnType<typeof manualClock>;
  }) => Promise<void> | void
>))
  test(`services: a WebSocket is cut within two seconds when ${name}`, async (t) => {
    const clock = manualClock(Date.now());
    const tomorrow = new Date(clock.now() + 86_400_000).toISOString();
    const row = { thumbprints: [sha256], services: ['data'], ...(name.includes('time') && { until: tomorrow }) };
    const started = await site(t, { row }, { clock });
    const socket = await live(started);
    const closed = once(socket, 'close');
    const since = performance.now();
    await change({ use: started.use, clock });
    const [code, reason] = await closed;
    assert.equal(code, 1008);
    assert.match(String(reason), /^peer-/);
    assert.ok(performance.now() - since < 2500);
    assert.equal((await started.ask('/data/x')).status, 403);
  });

test('services: an event stream ends with its row, over HTTP/1.1 and HTTP/2; other machines do not notice', async (t) => {
  const other = issueCertificate('recorder-2', 'DNS:recorder-2.test');
  const rows = { two: { thumbprints: [of(other).fingerprint256], services: ['data'] } };
  const { use, http2, ask, upstream } = await site(t, {
    ...rows,
    row: { thumbprints: [sha256], services: ['data'] },
  });
  await use(
    { ...rows, row: { thumbprints: [sha256], services: ['data'] } },
    {
      routes: [{ location: '/sse', upstream: upstream.origin, service: 'data', access: 'peers', timeout: '1h' }],
    },
  );
  const ended: string[] = [];
  const stream = (client: CertificateFiles, name: string): Promise<void> =>
    new Promise((resolve) => {
      const asked = http2('machines.test', client).request({ ':path': '/sse' });
      asked.on('error', () => undefined).once('close', () => ended.push(name));
      asked.once('data', () => resolve()).resume();
    });
  await Promise.all([stream(machine, 'one'), stream(other, 'two')]);
  const first = ask('/sse').then(() => ended.push('plain'));
  await until('three streams are open', () => upstream.connections.size >= 3);
  await use(rows, {
    routes: [{ location: '/sse', upstream: upstream.origin, service: 'data', access: 'peers', timeout: '1h' }],
  });
  await first;
  await until('the other, too', () => ended.length === 2);
  assert.deepEqual(ended.sort(), ['one', 'plain']);
});

test('services: a WebSocket of a machine that still passes goes on through a reload and another row’s end', async (t) => {
  const row = { thumbprints: [sha256], services: ['data'] };
  const started = await site(t, { row, other: { names: ['x.test'], services: ['data'] } });
  const socket = await live(started);
  await started.use({ row: { ...row, contact: 'x' } });
  await new Promise((resolve) => setTimeout(resolve, 1300));
  socket.send('still here');
  const [echo] = await once(socket, 'message');
  assert.equal(String(echo), 'still here');
});

test('services: what a front proxy asks about is never let in by the proxy’s own certificate', async (t) => {
  const { ask, upstream } = await site(
    t,
    { proxy: { thumbprints: [sha256], services: ['data'] } },
    { server: { trustedProxies: ['127.0.0.1'] } },
  );
  const got = await ask('/_gate/auth', machine, { 'x-original-uri': '/data/x', 'x-original-method': 'GET' });
  assert.notEqual(got.status, 200);
  assert.equal(upstream.received.length, 0);
});

test('services: a bearer token that is bound to a certificate counts on its connection alone (RFC 8705)', async (t) => {
  const { use, ask, get, upstream, audit } = await site(t, {});
  const idp = await startIdp(t, { people: { alice: { preferred_username: 'alice' } } });
  await use(
    {},
    {
      login: { chain: ['sso'] },
      providers: { sso: { type: 'oidc', ...idp.options, bearer: { audience: 'api' } } },
      roles: {},
      routes: [{ location: '/api/', upstream: upstream.origin, access: { bearer: true } }],
    },
  );
  const now = Math.floor(Date.now() / 1000);
  const cnf = { 'x5t#S256': Buffer.from(sha256.replaceAll(':', ''), 'hex').toString('base64url') };
  const claims = { iss: idp.issuer, aud: 'api', sub: 'alice', client_id: 'robot', preferred_username: 'alice' };
  const token = await idp.sign({ ...claims, cnf, iat: now, exp: now + 60 }, { typ: 'at+jwt' });
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await ask('/api/x', machine, headers)).status, 200);
  assert.equal((await ask('/api/x', issueCertificate('thief', 'DNS:thief.test'), headers)).status, 401);
  assert.equal((await get('people.test', { path: '/api/x', headers })).status, 401);
  assert.equal(upstream.received.length, 1);
  assert.equal(audit('request')[0]?.user, 'alice');
});

test('services: no user can be called like a machine', async (t) => {
  const { folder } = await site(t, {});
  const { code, stderr } = await run(['users', 'add', 'peer:row', '--config', path.join(folder, 'gatehouse.yaml')], {
    stdin: `${passwords.agent1}\n`,
  });
  assert.equal(code, 1);
  assert.match(stderr, /peer:/);
});

test('services: explain says row by row what a certificate or a row comes to', async (t) => {
  const { folder, use } = await site(t, {});
  await use({
    'recording-01': { thumbprints: [sha256], services: ['data'], contact: 'telephony@example.com' },
    agents: { names: ['*.test'], services: [] },
  });
  const config = path.join(folder, 'gatehouse.yaml');
  const asked = (peer: string, service: string) =>
    run(['explain', '--peer', peer, '--service', service, '--config', config]);
  const good = await asked(machine.certificate, 'data');
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.match(good.stdout, /recording-01 +thumbprint +names data/);
  assert.match(good.stdout, /agents +name +does not name data/);
  assert.match(good.stdout, /admitted as recording-01/);
  const other = await asked(testCertificates().good.certificate, 'data');
  assert.equal(other.code, 1);
  assert.match(other.stdout, /peer-unknown/);
  const named = await asked('agents', 'data');
  assert.equal(named.code, 1);
  assert.match(named.stdout, /peer-not-admitted/);
  assert.equal((await asked('recording-01', 'nothing')).code, 2);
});

test('services: check tells of marks that nobody sees, and of two rows that know one machine', async (t) => {
  const { folder, use } = await site(t, {});
  await use({
    a: { thumbprints: [`\u200e${sha256}`], services: ['data'] },
    b: { thumbprints: [sha256.toLowerCase()], services: ['data'] },
  });
  const { stdout, stderr, code } = await run(['check', '--config', path.join(folder, 'gatehouse.yaml')]);
  assert.equal(code, 0, stderr);
  assert.match(stdout + stderr, /peers\.a\.thumbprints.*U\+200E/);
  assert.match(stdout + stderr, /peers\.b.*knows the same machine as peers\.a/);
});

const misconfigured: Readonly<Record<string, [object, string, RegExp]>> = {
  'a thumbprint of 39 digits': [
    { peers: { a: { thumbprints: ['a'.repeat(39)] } } },
    'peers.a.thumbprints',
    /39 hex digits/,
  ],
  'SHA-1 as its own anchor': [
    { peers: { a: { thumbprints: ['a'.repeat(40)], trust: 'certificate' } } },
    'peers.a.thumbprints[0]',
    /is SHA-1/,
  ],
  'any purpose of a name': [
    { peers: { a: { names: ['x.test'], purpose: 'any' } } },
    'peers.a.names',
    /many certificates/,
  ],
  'a service that nobody has': [
    { peers: { a: { names: ['x.test'], services: ['dta'] } }, services: { data: {} } },
    'peers.a.services[0]',
    /dta/,
  ],
  'a machine without a way to know it': [
    { peers: { a: { services: [] } } },
    'peers.a',
    /by which the machine is known/,
  ],
  'peers without a service': [
    { routes: [{ location: '/', upstream: 'http://a', access: 'peers' }] },
    'routes[0].access',
    /names no service/,
  ],
  'a service without a listener that asks': [
    { services: { data: {} }, routes: [{ location: '/', upstream: 'http://a', access: 'peers', service: 'data' }] },
    'routes[0].service',
    /no listener asks/,
  ],
  'a file that is no certificate': [
    { peers: { a: { certificate: 'users.yaml' } } },
    'peers.a.certificate',
    /does not exist/,
  ],
};
for (const [name, [config, key, message]] of Object.entries(misconfigured))
  test(`services: ${name} is an error at ${key}`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
    const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
    await writeFile(file, stringify({ ...base, ...siteConfig('http://127.0.0.1:1'), ...config }));
    const { code, stderr } = await run(['check', '--config', file]);
    assert.equal(code, 1);
    const line = stderr.split('\n').find((one) => one.includes(` ${key}`) && message.test(one));
    assert.ok(line, stderr);
    assert.match(line, /:\d+:\d+ /);
  });
