/** What the lane takes, what it leaves to `node:http`, and how connections go back and forth between the two. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { HeadReader } from '../../../src/edge/lane/head.ts';
import { Lane } from '../../../src/edge/lane/lane.ts';
import { rawClient } from '../../support/scenes/data-plane.ts';
import { passwords, site } from '../../support/scenes/site.ts';
import { requestOf } from '../../support/tools/raw-http.ts';

const audited = { audit: { requests: 'all' } } as const;

test('lane: a connection whose first request was a refusal is on the lane again with its second', async (t) => {
  const { url, visitor, audit } = await site(t, { config: audited });
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const host = `Host: ${url.host}`;
  const client = await rawClient(t, Number(url.port), requestOf(['GET /desk HTTP/1.1', host]));
  await client.until(/^HTTP\/1\.1 401 [\s\S]*\r\n\r\n\{.*\}/);
  client.socket.write(requestOf(['GET /desk HTTP/1.1', host, `Cookie: ${browser.cookieHeader}`]));
  await client.until(/^HTTP\/1\.1 200 /m);
  client.socket.write(requestOf(['POST /closed/x HTTP/1.1', host, 'Content-Length: 3'], 'abc'));
  await client.until(/^HTTP\/1\.1 403 /m);
  assert.deepEqual(
    audit('request')
      .slice(-3)
      .map(({ status, lane }) => [status, lane]),
    [
      [401, undefined],
      [200, true],
      [403, undefined],
    ],
  );
});

test('lane: with server.lane: false no request goes by it', async (t) => {
  const { url, audit } = await site(t, { config: { ...audited, server: { lane: false } } });
  const client = await rawClient(t, Number(url.port), requestOf(['GET /public HTTP/1.1', `Host: ${url.host}`]));
  await client.until(/^HTTP\/1\.1 200 /);
  assert.deepEqual(
    audit('request').map(({ lane }) => lane),
    [undefined],
  );
});

test('lane: half a head is answered with 408, and an idle connection ends without a word', async (t) => {
  const { url } = await site(t, { config: { server: { headTimeout: '500ms', keepAlive: '500ms' } } });
  const host = `Host: ${url.host}`;
  const half = await rawClient(t, Number(url.port), `GET /public HTTP/1.1\r\n${host}\r\nX-Half: `);
  assert.match(await half.closed(), /^HTTP\/1\.1 408 /);
  const idle = await rawClient(t, Number(url.port), requestOf(['GET /public HTTP/1.1', host]));
  const text = await idle.closed();
  assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1);
});

test('lane: a WebSocket opens on a connection that has had requests of the lane', async (t) => {
  const { url, visitor, audit } = await site(t, { config: audited });
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const lines = [`Host: ${url.host}`, `Cookie: ${browser.cookieHeader}`];
  const client = await rawClient(t, Number(url.port), requestOf(['GET /desk HTTP/1.1', ...lines]));
  await client.until(/^HTTP\/1\.1 200 /);
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  client.socket.write(
    requestOf(['GET /live HTTP/1.1', ...lines, ...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']),
  );
  await client.until(/^HTTP\/1\.1 101 /m);
  assert.equal(audit('request').find(({ path }) => path === '/desk')?.lane, true);
});

test('lane: readings are kept for heads that a session vouched for, and for no others', () => {
  const reader = new HeadReader(65_536);
  const read = (line: string) => {
    const head = reader.read(Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`));
    assert.ok(typeof head === 'object');
    return head;
  };
  const isKept = (line: string): boolean => {
    const { headers } = read(line);
    return headers === read(line).headers;
  };
  assert.equal(isKept('Cookie: a=1'), false);
  assert.equal(reader.keep(read('Cookie: a=1'), true), false, 'it may never come again');
  assert.equal(isKept('Cookie: a=1'), false);
  assert.equal(reader.keep(read('Cookie: a=1'), true), true);
  assert.equal(isKept('Cookie: a=1'), true);
  for (const line of ['Authorization: Basic x', `X-Long: ${'x'.repeat(4096)}`]) {
    for (let turn = 0; turn < 3; turn += 1) reader.keep(read(line), true);
    assert.equal(isKept(line), false, line.slice(0, 20));
  }
});

test('lane: kept readings are bounded in bytes, and those that come again stay', () => {
  const reader = new HeadReader(65_536);
  const keep = (line: string) => {
    const head = reader.read(Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`));
    assert.ok(typeof head === 'object');
    for (let turn = 0; turn < 2; turn += 1) reader.keep(head, true);
    return head.headers;
  };
  const first = keep('X-First: 1');
  assert.equal(keep('X-First: 1'), first);
  for (let count = 0; count < 6000; count += 1) keep(`X-Filler: ${String(count).padStart(4000, '0')}`);
  assert.notEqual(keep('X-First: 1'), first);
});

test('lane: a flood of strangers’ heads displaces no kept reading of a session, and is bounded itself', () => {
  const reader = new HeadReader(65_536);
  const read = (line: string) => {
    const head = reader.read(Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`));
    assert.ok(typeof head === 'object');
    return head;
  };
  const vouched = read('Cookie: a=1');
  for (let turn = 0; turn < 2; turn += 1) reader.keep(vouched, true);
  const flood = Array.from({ length: 3000 }, (_, count) => `X-Filler: ${String(count).padStart(1000, '0')}`);
  const lines = flood.map((line) => {
    const head = read(line);
    for (let turn = 0; turn < 2; turn += 1) reader.keep(head, false);
    return head.lines;
  });
  assert.equal(read('Cookie: a=1').lines, vouched.lines);
  const isKept = flood.map((line, index) => read(line).lines === lines[index]);
  assert.ok(isKept.filter(Boolean).length < 1200, 'their memory is bounded');
  assert.equal(isKept.at(-1), true);
});

test('lane: while a listener closes, half a head still has its time and no more', async (t) => {
  const server = createServer();
  const limits = { maxHeaderSize: 16_384, headTimeout: 300, keepAlive: 0 };
  const lane = new Lane({ limits, isOn: () => true, take: () => false, onFlood: () => undefined });
  lane.standBefore(server, 'connection');
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  t.after(() => server.closeAllConnections());
  const { port } = await new Promise<AddressInfo>((resolve) =>
    server.once('listening', () => resolve(server.address() as AddressInfo)),
  );
  const half = await rawClient(t, port, 'GET / HTTP/1.1\r\n');
  server.close();
  lane.close();
  assert.equal(await half.closed(), '');
});
