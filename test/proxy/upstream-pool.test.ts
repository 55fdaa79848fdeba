/** Balanced upstreams with passive health, and TLS towards upstreams. */

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import WebSocket from 'ws';
import { systemClock } from '../../src/core/clock.ts';
import { upstreamOf, upstreamOptions } from '../../src/proxy/upstream-options.ts';
import { UpstreamPools } from '../../src/proxy/upstream-pool.ts';
import { ask, startDataPlane, testRoute } from '../support/scenes/data-plane.ts';
import { startRawUpstream, startUpstream } from '../support/servers/upstream.ts';
import { issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { collectLog } from '../support/tools/log.ts';
import { stickyParts } from '../support/tools/sticky-parts.ts';

test('pools: requests go to the servers of a list in turn', async (t) => {
  const upstreams = await Promise.all([startUpstream(t), startUpstream(t), startUpstream(t)]);
  const plane = await startDataPlane(t, { route: testRoute(upstreams.map(({ origin }) => origin)) });
  for (let index = 0; index < 9; index += 1) await ask(plane.port, '/');
  assert.deepEqual(
    upstreams.map(({ received }) => received.length),
    [3, 3, 3],
  );
});

test('pools: a server that is down costs no request, not even one with a body, and is left alone for a while', async (t) => {
  const clock = { now: () => now };
  let now = 0;
  const port = await freePort();
  const alive = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([`http://127.0.0.1:${port}`, alive.origin]),
    clock,
  });
  for (let index = 0; index < 4; index += 1) {
    const answer = await ask(plane.port, '/', { method: 'POST', body: 'hello' });
    assert.equal(answer.status, 200);
  }
  assert.deepEqual(
    alive.received.map(({ body }) => body.bytes),
    [5, 5, 5, 5],
  );
  const health = () => plane.pools.health().find(({ origin }) => origin.endsWith(`:${port}`));
  assert.deepEqual(health(), { origin: `http://127.0.0.1:${port}`, isLive: false });
  assert.equal(plane.log.find('an upstream server cannot be connected to').length, 1);

  const back = await startUpstream(t, { port });
  await ask(plane.port, '/');
  assert.equal(back.received.length, 0);
  now += 10_000;
  for (let index = 0; index < 4; index += 1) await ask(plane.port, '/');
  assert.equal(back.received.length, 2);
  assert.equal(health()?.isLive, true);
});

test('pools: with every server down each is tried once, and the answer is unreachable', async (t) => {
  const origins = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const plane = await startDataPlane(t, { route: testRoute(origins) });
  for (let index = 0; index < 2; index += 1)
    assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UPSTREAM_UNREACHABLE');
  assert.deepEqual(
    plane.pools.health().map(({ isLive }) => isLive),
    [false, false],
  );
  assert.equal(plane.log.find('a request is tried again').length, 4);
});

test('pools: a request that has left for one server is not sent to another', async (t) => {
  const broken = await startRawUpstream(t, (socket) => socket.destroy());
  const alive = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([broken.origin, alive.origin]) });
  const codes = [];
  for (let index = 0; index < 2; index += 1)
    codes.push((await ask(plane.port, '/', { method: 'POST', body: 'x' })).headers['x-code']);
  assert.deepEqual(codes.sort(), ['UPSTREAM_BROKE', undefined]);
  assert.deepEqual([broken.requests.length, alive.received.length], [1, 1]);
});

test('pools: a single server is never left alone', async (t) => {
  const port = await freePort();
  const plane = await startDataPlane(t, { route: testRoute([`http://127.0.0.1:${port}`]) });
  for (let index = 0; index < 3; index += 1) await ask(plane.port, '/');
  await startUpstream(t, { port });
  assert.equal((await ask(plane.port, '/')).status, 200);
});

test('pools: routes that name the same server share its connections', () => {
  const pools = new UpstreamPools({ log: collectLog().log, clock: systemClock, ...stickyParts });
  const [one, two, other] = [
    testRoute(['http://127.0.0.1:1']),
    testRoute(['http://127.0.0.1:1']),
    testRoute(['http://127.0.0.1:1'], { timeouts: { connect: 1, response: 1, idle: 1 } }),
  ];
  const counts = [one, two, other].map((route) => {
    pools.of(route);
    return pools.health().length;
  });
  assert.deepEqual(counts, [1, 1, 2]);
});

test('pools: closing waits for what is under way', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const slow = ask(plane.port, '/slow?ms=200');
  await upstream.next();
  await Promise.all([plane.pools.close(), slow.then(({ status }) => assert.equal(status, 200))]);
  assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UNAVAILABLE');
});

const dataPlaneProcess = path.resolve(import.meta.dirname, '../support/scenes/data-plane-process.ts');
const pem = (file: string) => readFileSync(file, 'utf8');
const server = (name: 'good' | 'renewed' | 'wrongName' | 'expired' | 'selfSigned' | 'unchained') => {
  const { certificate, key } = testCertificates()[name];
  return { cert: pem(certificate), key: pem(key) };
};

test("pools: an https upstream is checked against its own name, whatever the client's Host says", async (t) => {
  const upstream = await startUpstream(t, { tls: server('good') });
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { tls: { ca: pem(testCertificates().ca) } }),
  });
  for (const host of ['cc.example.com', 'other.example.com', 'cc.example.com'])
    assert.equal((await ask(plane.port, '/', { headers: ['Host', host] })).status, 200);
  assert.deepEqual(
    upstream.received.map(({ connection }) => connection),
    [1, 1, 1],
  );
  assert.deepEqual(upstream.received[1]!.values('host'), ['other.example.com']);
});

test('pools: the name that a certificate must carry can be configured', async (t) => {
  const upstream = await startUpstream(t, { tls: server('wrongName') });
  const ca = pem(testCertificates().ca);
  const named = await startDataPlane(t, {
    route: testRoute([upstream.origin], { tls: { ca, servername: 'other.example.com' } }),
  });
  assert.equal((await ask(named.port, '/')).status, 200);
  const unnamed = await startDataPlane(t, { route: testRoute([upstream.origin], { tls: { ca } }) });
  assert.equal(
    (await ask(unnamed.port, '/', { headers: ['Host', 'other.example.com'] })).headers['x-code'],
    'UPSTREAM_UNREACHABLE',
  );
});

for (const name of ['wrongName', 'expired', 'selfSigned', 'unchained'] as const)
  test(`pools: an https upstream with a bad certificate (${name}) gets no request`, async (t) => {
    const upstream = await startUpstream(t, { tls: server(name) });
    const plane = await startDataPlane(t, {
      route: testRoute([upstream.origin], { tls: { ca: pem(testCertificates().ca) } }),
    });
    assert.equal(
      (await ask(plane.port, '/', { method: 'POST', body: 'secret' })).headers['x-code'],
      'UPSTREAM_UNREACHABLE',
    );
    assert.equal(upstream.received.length, 0);
  });

test('pools: an environment that turns checks off does not weaken them, for requests and for WebSockets', async (t) => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  const upstream = await startUpstream(t, { tls: server('selfSigned') });
  const route = testRoute([upstream.origin], { websocket: true });
  const plane = await startDataPlane(t, { route });
  assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UPSTREAM_UNREACHABLE');
  const socket = new WebSocket(`ws://127.0.0.1:${plane.port}/ws`);
  const [error] = await once(socket, 'error');
  assert.match(String(error), /response: 500/);
  assert.equal(upstream.received.length, 0);
});

test('pools: without a CA of its own an upstream is checked against those of the system', async (t) => {
  const upstream = await startUpstream(t, { tls: server('good') });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UPSTREAM_UNREACHABLE');
});

test('pools: a client certificate is shown to an upstream that asks for one', async (t) => {
  const client = issueCertificate('gateway', 'DNS:gateway');
  const ca = pem(testCertificates().ca);
  const upstream = await startUpstream(t, {
    tls: { ...server('good'), requestCert: true, rejectUnauthorized: true, ca },
  });
  const tls = { ca, certificate: pem(client.certificate), key: pem(client.key) };
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin], { tls }) });
  assert.equal((await ask(plane.port, '/')).status, 200);
  const without = await startDataPlane(t, { route: testRoute([upstream.origin], { tls: { ca } }) });
  assert.equal((await ask(without.port, '/')).status, 500);
});

test('pools: a CA that the machine knows is trusted for an upstream', { timeout: 10_000 }, async (t) => {
  const upstream = await startUpstream(t, { tls: server('good') });
  // OpenSSL's own variable: the machine's store is read from there, as from /etc/ssl/certs.
  const env = { ...process.env, SSL_CERT_FILE: testCertificates().ca };
  const plane = fork(dataPlaneProcess, [upstream.origin], { env });
  t.after(() => plane.kill());
  const [{ port }] = (await once(plane, 'message')) as [{ port: number }];
  assert.equal((await ask(port, '/')).status, 200);
});

test('pools: a server with another key than the pinned one is left alone, the next one is asked, and the reason is told', async (t) => {
  const [good, renewed] = await Promise.all([
    startUpstream(t, { tls: server('good') }),
    startUpstream(t, { tls: server('renewed') }),
  ]);
  const thumbprint = new X509Certificate(server('good').cert).fingerprint256;
  const tls = { ca: pem(testCertificates().ca) };
  const route = testRoute([], { tls });
  const pinned = upstreamOf(
    upstreamOptions().parse({
      servers: [
        { url: renewed.origin, thumbprints: [thumbprint] },
        { url: good.origin, thumbprints: [`\u200e${thumbprint}`] },
      ],
    }),
  );
  const plane = await startDataPlane(t, { route: { ...route, upstream: { ...pinned, tls } } });
  for (let index = 0; index < 3; index += 1) assert.equal((await ask(plane.port, '/')).status, 200);
  assert.deepEqual([renewed.received.length, good.received.length], [0, 3]);
  const alone = { ...pinned, servers: pinned.servers.slice(0, 1), tls };
  const other = await startDataPlane(t, { route: { ...route, upstream: alone } });
  const refused = await ask(other.port, '/', { method: 'POST', body: 'secret' });
  assert.deepEqual(
    [refused.headers['x-code'], refused.headers['x-reason']],
    ['UPSTREAM_UNREACHABLE', 'upstream-pin-mismatch'],
  );
  assert.equal(renewed.received.length, 0);
});

test('pools: a server whose certificate is a file of its own is believed by that alone', async (t) => {
  const upstream = await startUpstream(t, { tls: server('selfSigned') });
  const imported = (certificate: string) =>
    upstreamOf(upstreamOptions().parse({ servers: [{ url: upstream.origin, trust: 'certificate', certificate }] }));
  const { selfSigned, good } = testCertificates();
  const plane = await startDataPlane(t, {
    route: { ...testRoute([]), upstream: imported(selfSigned.certificate) },
  });
  assert.equal((await ask(plane.port, '/')).status, 200);
  const other = await startDataPlane(t, { route: { ...testRoute([]), upstream: imported(good.certificate) } });
  assert.equal((await ask(other.port, '/')).headers['x-code'], 'UPSTREAM_UNREACHABLE');
});

for (const [name, written, key] of [
  ['pins of a server without TLS', { url: 'http://app:80', thumbprints: ['a'.repeat(64)] }, 'url'],
  ['a SHA-1 thumbprint where no CA is asked', 'sha1', 'thumbprints'],
  ['an imported certificate that is missing', { url: 'https://app', trust: 'certificate' }, 'trust'],
  ['a thumbprint of 39 digits', { url: 'https://app', thumbprints: ['a'.repeat(39)] }, 'thumbprints'],
  ['a certificate file that is a key', 'key', 'certificate'],
] as const)
  test(`pools: ${name} is an error at its key`, () => {
    const { good } = testCertificates();
    const imported = { url: 'https://app', trust: 'certificate', certificate: good.certificate };
    const servers = {
      sha1: [{ ...imported, thumbprints: ['a'.repeat(40)] }],
      key: [{ ...imported, certificate: good.key }],
    };
    const wanted = typeof written === 'string' ? servers[written] : [written];
    const { error } = upstreamOptions().safeParse({ servers: wanted });
    assert.ok(JSON.stringify(error?.issues).includes(`"${key}"`), JSON.stringify(error?.issues));
  });
