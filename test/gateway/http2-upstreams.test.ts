/** Servers of HTTP/2 that are silent, refuse or say odd things, and clients whose lines Node's HTTP/2 would not send. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { constants, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { httpsSite } from '../support/scenes/https-site.ts';
import { until } from '../support/tools/poll.ts';

type Answer = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

async function server(t: TestContext, answer: Answer): Promise<string> {
  const one = http2.createServer({ strictSingleValueFields: false } as http2.ServerOptions);
  one.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    answer(stream, headers);
  });
  one.on('session', (session) => t.after(() => session.destroy()));
  one.listen(0, '127.0.0.1');
  await once(one, 'listening');
  t.after(() => one.close());
  return `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
}

function siteOf(t: TestContext, servers: readonly string[], route: object = {}) {
  const upstream = { servers, protocol: 'h2c' };
  return httpsSite(t, { config: { routes: [{ location: '/', access: 'public', upstream, ...route }] } });
}

test('HTTP/2 upstreams: headers that stand twice go through, and never make a server look gone', async (t) => {
  const url = await server(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('here');
  });
  const site = await siteOf(t, [url]);
  for (const name of ['user-agent', 'range', 'content-type', 'if-match', 'referer']) {
    const socket = await site.tls({ alpn: ['http/1.1'] });
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.write(
      `GET / HTTP/1.1\r\nHost: localhost:${site.port}\r\n${name}: a\r\n${name}: b\r\nConnection: close\r\n\r\n`,
    );
    await once(socket, 'close');
    assert.doesNotMatch(text, /^HTTP\/1.1 50/, name);
    assert.equal((await site.visitor('h1').fetch('/')).status, 200, `after two ${name}`);
  }
});

for (const protocol of ['h1', 'h2'] as const)
  test(`HTTP/2 upstreams: one that is silent is waited for as long as the route says, to a client of ${protocol}`, async (t) => {
    const url = await server(t, (stream, headers) => {
      if (headers[':path'] === '/never') return;
      stream.respond({ ':status': 200 });
      stream.write('first');
    });
    const site = await siteOf(t, [url], { timeout: '300ms' });
    const bounded = AbortSignal.timeout(4000);
    const answer = await Promise.race([site.visitor(protocol).fetch('/never'), once(bounded, 'abort')]);
    assert.ok('status' in answer, 'it is answered');
    assert.equal(answer.status, 504);
    const stalled = await Promise.race([
      site
        .visitor(protocol)
        .fetch('/stalls')
        .then(
          () => 'whole',
          () => 'broken',
        ),
      once(AbortSignal.timeout(4000), 'abort').then(() => 'hangs'),
    ]);
    assert.equal(stalled, 'broken');
  });

test('HTTP/2 upstreams: a request that a server refuses goes to another, where it has no body', async (t) => {
  const counts = { refused: 0, posts: 0 };
  const refusing = await server(t, (stream, headers) => {
    counts.refused += 1;
    if (headers[':method'] === 'POST') counts.posts += 1;
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
  });
  const serving = await server(t, (stream, headers) => {
    if (headers[':method'] === 'POST') counts.posts += 1;
    stream.respond({ ':status': 200 });
    stream.end('here');
  });
  const site = await siteOf(t, [refusing, serving]);
  const visitor = site.visitor('h1');
  for (let index = 0; index < 2; index += 1) assert.equal((await visitor.fetch('/')).status, 200);
  assert.ok(counts.refused > 0);
  await visitor.post('/', { a: 'b' });
  assert.equal(counts.posts, 1);
});

test('HTTP/2 upstreams: an answer that is whole before its request ends the request there, too', async (t) => {
  const closed: boolean[] = [];
  const url = await server(t, (stream) => {
    closed.push(false);
    const index = closed.length - 1;
    stream.once('close', () => {
      closed[index] = true;
    });
    stream.respond({ ':status': 403 });
    stream.end('no');
  });
  const site = await siteOf(t, [url]);
  const stream = site.http2().request({ ':path': '/', ':method': 'POST' });
  stream.on('error', () => undefined);
  stream.write('a');
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 403);
  stream.resume();
  await until('the server is rid of it', () => closed.length === 1 && closed[0] === true, 3000);
});
