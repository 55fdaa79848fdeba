/** PROXY headers on a listener: whose the connection is from then on, over http and https, and who is cut. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { balancedVisitor } from '../support/scenes/balanced.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { httpsSite } from '../support/scenes/https-site.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { until } from '../support/tools/poll.ts';
import { binaryHeader } from '../support/tools/proxy-header.ts';
import { sendRaw } from '../support/tools/raw-http.ts';

const proxyProtocol = ['127.0.0.1'];
const line = 'PROXY TCP4 192.0.2.7 10.0.0.1 56236 80\r\n';
const binary = binaryHeader({ family: 0x11, body: Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2]) });
const local = binaryHeader({ command: 0, family: 0 });

function balancedSite(t: TestContext, server: Yaml = {}, config: Yaml = {}): Promise<Site> {
  return site(t, { config: { ...config, server: { proxyProtocol, drain: '1s', ...server } } });
}

function get(url: URL, ...lines: string[]): string {
  return [`GET /public HTTP/1.1`, `Host: ${url.host}`, 'Connection: close', ...lines, '', ''].join('\r\n');
}

const told: Readonly<Record<string, { header: string | Buffer; address: string }>> = {
  'version 1': { header: line, address: '192.0.2.7' },
  'version 2': { header: binary, address: '192.0.2.7' },
  LOCAL: { header: local, address: '127.0.0.1' },
  UNKNOWN: { header: 'PROXY UNKNOWN ffff:: ffff:: 1 2\r\n', address: '127.0.0.1' },
};
for (const [name, { header, address }] of Object.entries(told))
  test(`PROXY on http: ${name}, in one packet with the request and byte by byte`, async (t) => {
    const { url, upstream, audit } = await balancedSite(t);
    const bytes = Buffer.concat([Buffer.from(header), Buffer.from(get(url, 'X-Forwarded-For: 203.0.113.9'))]);
    assert.equal((await sendRaw(url, bytes)).status, 200);
    const socket = connect(Number(url.port), '127.0.0.1').setNoDelay();
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
    socket.resume();
    await until('the second request came', () => upstream.received.length === 2);
    for (const { values } of upstream.received) assert.deepEqual(values('x-forwarded-for'), [address]);
    const addresses = await until('both are recorded', () => {
      const found = audit('request').map((record) => record.address);
      return found.length === 2 && found;
    });
    assert.deepEqual(addresses, [address, address]);
  });

for (const protocol of ['h1', 'h2'] as const)
  test(`PROXY on https: the header stands before TLS, over ${protocol}`, async (t) => {
    const started = await httpsSite(t, { server: { proxyProtocol } });
    const browser = balancedVisitor(t, new URL(started.origin), binary, { ca: started.ca, protocol });
    await browser.mustSignIn('agent1', passwords.agent1);
    assert.equal((await browser.open('/desk')).status, 200);
    assert.deepEqual(started.upstream.only().values('x-forwarded-for'), ['192.0.2.7']);
    assert.deepEqual(
      started.audit('login').map((record) => record.address),
      ['192.0.2.7'],
    );
  });

test('PROXY: the told address is the peer that trustedProxies judges', async (t) => {
  const { url, upstream } = await balancedSite(t, { trustedProxies: ['192.0.2.7'] });
  await sendRaw(url, line + get(url, 'X-Forwarded-For: 203.0.113.9'));
  await sendRaw(url, line.replace('192.0.2.7', '192.0.2.8') + get(url, 'X-Forwarded-For: 203.0.113.9'));
  const [trusted, other] = upstream.received.map(({ values }) => values('x-forwarded-for').join());
  assert.match(trusted ?? '', /203\.0\.113\.9/);
  assert.equal(other, '192.0.2.8');
});

test('PROXY: wrong passwords count for the told address, and lock out no other', async (t) => {
  const { url } = await balancedSite(t, {}, { login: { lockout: { user: 100, address: 2, delay: '10m' } } });
  const guesser = balancedVisitor(t, url, line);
  for (const name of ['a', 'b', 'c']) await guesser.signIn(name, 'wrong-1');
  assert.equal((await guesser.signIn('agent1', passwords.agent1)).status, 429);
  // Of one network (a /64, or the address of IPv4) alone.
  const other = balancedVisitor(t, url, line.replace('192.0.2.7', '198.51.100.1'));
  assert.equal((await other.signIn('agent1', passwords.agent1)).status, 303);
});

test('PROXY: who must send a header and does not is cut, and a request gets no answer', async (t) => {
  const { url, upstream, lines } = await balancedSite(t);
  for (const bytes of [get(url), `PROXY TCP4 nonsense\r\n${get(url)}`, binary.subarray(0, 20)]) {
    const socket = connect(Number(url.port), '127.0.0.1');
    t.after(() => socket.destroy());
    socket.on('error', () => undefined).end(bytes);
    const answer: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => answer.push(chunk));
    await once(socket, 'close');
    assert.equal(Buffer.concat(answer).length, 0);
  }
  assert.equal(upstream.received.length, 0);
  assert.equal(lines.filter((text) => text.includes('no PROXY header')).length, 3);
});

test('PROXY: a header is read once, and is nothing that others may send', async (t) => {
  const { url, upstream, write, running } = await balancedSite(t);
  assert.equal((await sendRaw(url, line + line + get(url))).status, 400);
  const { routes, roles } = siteConfig(upstream.origin);
  await write({ routes, roles, server: { proxyProtocol: ['10.0.0.0/8'], drain: '1s' } });
  await running.reload({ actor: 'signal' });
  for (const header of [line, binary, local]) {
    const bytes = Buffer.concat([Buffer.from(header), Buffer.from(get(url))]);
    assert.ok([400, 0].includes((await sendRaw(url, bytes)).status));
  }
  assert.equal(upstream.received.length, 0);
  assert.equal((await sendRaw(url, get(url))).status, 200);
});

test('PROXY: a header that does not come is waited for no longer than headTimeout, and no drain waits for one', async (t) => {
  const { url, stop } = await balancedSite(t, { headTimeout: '300ms', drain: '60s' });
  const silent = connect(Number(url.port), '127.0.0.1').resume();
  silent.write(line.slice(0, 9));
  const began = performance.now();
  await once(silent, 'close');
  assert.ok(performance.now() - began >= 250);
  const slow = connect(Number(url.port), '127.0.0.1').on('error', () => undefined);
  await once(slow, 'connect');
  await stop();
  slow.destroy();
});
