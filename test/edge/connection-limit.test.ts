/** A listener with as many connections as it can have: whoever asks for something is served all the same. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually, rawClient } from '../support/scenes/data-plane.ts';
import { ask, httpsSite } from '../support/scenes/https-site.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { FrameClient } from '../support/tools/http2-frames.ts';

const server = { maxConnections: 20, headTimeout: '60s' };

/** A site whose listener takes twenty connections. */
async function smallSite(t: TestContext): Promise<Site> {
  return site(t, { config: { server: { ...server, drain: '1s' } } });
}

/** Connections that say so much and then nothing, each open before the next. */
async function openSilently(t: TestContext, port: number, count: number, said = ''): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.write(said);
    socket.resume();
    sockets.push(socket);
  }
  return sockets;
}

const silences: Readonly<Record<string, string>> = {
  'say nothing': '',
  'send half a head': 'GET /public HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ',
};
for (const [name, said] of Object.entries(silences))
  test(`crowd: connections that ${name} make way for requests, the longest-waiting first`, async (t) => {
    const { url, visitor, upstream, lines } = await smallSite(t);
    const browser = visitor();
    await browser.mustSignIn('agent1', passwords.agent1);
    const port = Number(url.port);
    const upload = await rawClient(
      t,
      port,
      `POST /upload HTTP/1.1\r\nHost: ${url.host}\r\nCookie: ${browser.cookieHeader}\r\nContent-Length: 9\r\n\r\nhalf `,
    );
    const crowd = await openSilently(t, port, 60, said);
    for (let visit = 0; visit < 5; visit++)
      assert.equal((await browser.fetch('/desk', { headers: { connection: 'close' } })).status, 200);
    await eventually(() => crowd.filter(({ destroyed }) => !destroyed).length < server.maxConnections, 'room');
    assert.equal(crowd[0]?.destroyed, true);
    assert.equal(crowd.at(-1)?.destroyed, false);
    upload.socket.write('done');
    assert.match(await upload.until(/^HTTP\/1\.1 \d+/), / 200 /);
    assert.equal(upstream.received.find(({ url: path }) => path === '/upload')?.body.bytes, 9);
    assert.equal(lines.filter((line) => line.includes('a listener is nearly full')).length, 1);
  });

test('crowd: connections that wait for a next request make way when nobody else can', async (t) => {
  const { url, lines } = await smallSite(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 18 });
  t.after(() => agent.destroy());
  const statuses = await Promise.all(
    Array.from({ length: 18 }, async () => {
      const request = httpRequest(new URL('/public', url), { agent }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      return response.statusCode;
    }),
  );
  assert.deepEqual([...new Set(statuses)], [200]);
  const open = () => Object.values(agent.freeSockets).flat().length;
  assert.equal(open(), 18);
  const client = await rawClient(t, Number(url.port), `GET /public HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
  await client.until(/ 200 /);
  await eventually(() => open() === 0, 'the idle connections end');
  assert.ok(lines.some((line) => line.includes('a listener is nearly full')));
});

test('crowd: over TLS, before and after the handshake, silent connections make way, too', async (t) => {
  const { port, tls, http2, visitor } = await httpsSite(t, { server });
  await openSilently(t, port, 10);
  for (let index = 0; index < 10; index++) await tls();
  for (let index = 0; index < 10; index++) new FrameClient(await tls({ alpn: ['h2'] }));
  const session = http2();
  assert.equal((await ask(session, { ':path': '/public' })).status, 200);
  assert.equal((await visitor('h1').fetch('/public')).status, 200);
  for (let index = 0; index < 20; index++) await tls();
  assert.equal((await ask(session, { ':path': '/public' })).status, 200, 'a connection that has asked stays');
});

test('crowd: where most have something under way, those who come together do not push one another out', async (t) => {
  const { url } = await site(t, { config: { server: { ...server, maxConnections: 40, drain: '1s' } } });
  const port = Number(url.port);
  const upload = `POST /public HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n`;
  for (let index = 0; index < 36; index++) await (await rawClient(t, port, upload)).until(/^HTTP\/1\.1 100 /);
  const fresh = await openSilently(t, port, 3);
  const closed = fresh.map((socket) => once(socket, 'close'));
  const answers = fresh.map((socket) => once(socket, 'data'));
  for (const socket of fresh) if (socket.writable) socket.write(`GET /public HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
  const first = await Promise.all(fresh.map((_, index) => Promise.race([answers[index], closed[index]])));
  const texts = first.map((event) => String(event?.[0]).split('\r\n', 1).join());
  assert.deepEqual(texts, Array(3).fill('HTTP/1.1 200 OK'));
});
