/** The health on the public listeners: who gets it, what it says, what it costs the store. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createPublicHealth } from '../../src/admin/health.ts';
import { OperatorError } from '../../src/core/errors.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { ask, httpsSite } from '../support/scenes/https-site.ts';
import { type Site, site } from '../support/scenes/site.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';
import { sendRaw } from '../support/tools/raw-http.ts';

function healthySite(t: TestContext, server: Yaml = {}): Promise<Site> {
  return site(t, { config: { server: { health: '/healthz', drain: '1s', ...server } } });
}

const request = (first: string, ...lines: string[]): string => [first, ...lines, '', ''].join('\r\n');

test('health: 200 and one word, before host, redirect and login, and nothing is recorded or reaches an application', async (t) => {
  const port = await freePort();
  const { url, upstream, audit } = await httpsSite(t, {
    server: {
      listen: [`http://127.0.0.1:${port}`, `https://127.0.0.1:${await freePort()}`],
      publicUrl: 'https://cc.example.com',
      redirectHttp: true,
      health: '/healthz',
    },
  });
  assert.equal(Number(url.port), port);
  for (const [method, body] of [
    ['GET', 'ok'],
    ['HEAD', ''],
  ]) {
    const { status, text } = await sendRaw(url, request(`${method} /healthz?a=1 HTTP/1.1`, 'Host: nowhere.invalid'));
    assert.equal(status, 200);
    assert.equal(text.split('\r\n\r\n')[1], body);
    assert.match(text, /cache-control: no-store/i);
  }
  assert.equal((await sendRaw(url, request('GET /healthz/ HTTP/1.1', 'Host: localhost'))).status, 301);
  assert.deepEqual(
    audit('request').map(({ path }) => path),
    ['/healthz/'],
  );
  assert.equal(upstream.received.length, 0);
});

test('health: over HTTP/2 it is the same', async (t) => {
  const { http2, port } = await httpsSite(t, { server: { health: '/healthz' } });
  const { status, text } = await ask(http2(), { ':path': '/healthz', ':authority': `10.0.0.1:${port}` });
  assert.deepEqual([status, text], [200, 'ok']);
});

const odd = {
  'OPTIONS with a Host': request('OPTIONS /healthz HTTP/1.1', 'Host: 10.0.0.1'),
  'OPTIONS by HTTP/1.0': request('OPTIONS /healthz HTTP/1.0'),
  'GET by HTTP/1.0': request('GET /healthz HTTP/1.0'),
};
for (const [name, bytes] of Object.entries(odd))
  test(`health: ${name} is answered to trusted peers, and to nobody else`, async (t) => {
    const trusting = await healthySite(t, { trustedProxies: ['127.0.0.1'] });
    const { status, text } = await sendRaw(trusting.url, bytes);
    assert.deepEqual([status, text.split('\r\n\r\n')[1]], [200, 'ok']);
    assert.equal(trusting.audit('request').length, 0);
    const { url, audit } = await healthySite(t);
    assert.notEqual((await sendRaw(url, bytes)).status, 200);
    await until('it is recorded as any request', () => audit('request').length === 1);
  });

test('health: a balancer of the PROXY protocol is trusted where it asks for itself', async (t) => {
  const { url } = await healthySite(t, { proxyProtocol: ['127.0.0.1'] });
  assert.equal((await sendRaw(url, `PROXY UNKNOWN\r\n${odd['OPTIONS by HTTP/1.0']}`)).status, 200);
  const other = `PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n${odd['OPTIONS by HTTP/1.0']}`;
  assert.notEqual((await sendRaw(url, other)).status, 200);
});

test('health: other methods and other spellings are for the routes; without the key so is all', async (t) => {
  const { url, write, running, audit } = await healthySite(t);
  const host = `Host: ${url.host}`;
  for (const line of ['POST /healthz', 'GET /%68ealthz', 'GET //healthz', 'GET /HEALTHZ'])
    assert.notEqual((await sendRaw(url, request(`${line} HTTP/1.1`, host, 'Content-Length: 0'))).status, 200, line);
  await until('they are recorded', () => audit('request').length === 4);
  await write({ server: { drain: '1s' }, routes: [{ location: '/', upstream: 'http://127.0.0.1:9' }] });
  await running.reload({ actor: 'signal' });
  assert.equal((await sendRaw(url, request('GET /healthz HTTP/1.1', host))).status, 401);
});

test('health: the store is read once in a second, never written, and 503 follows when it is away or the gateway drains', async () => {
  let reads = 0;
  let isDown = false;
  let isDraining = false;
  const store = {
    get: (): undefined => {
      reads += 1;
      if (isDown) throw new OperatorError('the store is away');
    },
    put: (): never => assert.fail('the store is written'),
    waiting: () => 0,
    outage: () => undefined,
  };
  const health = createPublicHealth({ store, isDraining: () => isDraining });
  const answers = await Promise.all(Array.from({ length: 50 }, () => health()));
  assert.deepEqual([...new Set(answers)], ['ok']);
  assert.equal(reads, 1);
  isDown = true;
  assert.equal(await health(), 'ok');
  assert.equal(reads, 1);
  await until('the store has been looked at again', async () => (await health()) === 'unavailable');
  assert.equal(reads, 2);
  isDown = false;
  await until('it is back', async () => (await health()) === 'ok');
  assert.equal(reads, 3);
  isDraining = true;
  assert.equal(await health(), 'unavailable');
});
