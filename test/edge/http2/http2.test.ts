/** What only HTTP/2 can send or do: pseudo-headers, streams that are reset, many at once on one connection. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { ask, type HttpsSite, httpsSite } from '../../support/scenes/https-site.ts';
import { passwords } from '../../support/scenes/site.ts';
import { FrameClient, frames } from '../../support/tools/http2-frames.ts';
import { until } from '../../support/tools/poll.ts';
import { endsWithin } from '../../support/tools/stopwatch.ts';

/** A site with a signed-in browser's cookie, for the paths on which the upstream misbehaves. */
async function signedIn(t: TestContext, server: Record<string, unknown> = {}): Promise<HttpsSite & { cookie: string }> {
  const started = await httpsSite(t, { server });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  return { ...started, cookie: browser.cookieHeader };
}

test('http2: what the client says of itself reaches no upstream, and the Host is its :authority', async (t) => {
  const { http2, upstream, port } = await httpsSite(t);
  const session = http2();
  const answer = await ask(session, [
    ...[':method', 'GET', ':path', '/public/x', ':scheme', 'https', ':authority', `localhost:${port}`],
    ...['x-remote-user', 'root', 'x_remote_user', 'root', 'x-forwarded-for', '1.2.3.4', 'x-gatehouse-assertion', 'x'],
    ...['cookie', 'a=1', 'cookie', '__Host-gatehouse=x', 'cookie', 'b=2', 'host', `LOCALHOST:${port}`],
  ]);
  assert.equal(answer.status, 200);
  const received = upstream.only();
  assert.deepEqual(received.values('x-remote-user'), []);
  assert.deepEqual(
    received.names.filter((name) => name.includes('remote') || name.startsWith(':')),
    [],
  );
  assert.deepEqual(received.values('x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(received.values('host'), [`localhost:${port}`]);
  assert.deepEqual(received.values('cookie'), ['a=1; b=2']);
  assert.deepEqual(received.values('transfer-encoding'), []);
});

const refused = {
  'a host that is not the :authority': { ':authority': 'localhost', host: 'other.example.com', ':path': '/public/x' },
  'a path with two readings': { ':authority': 'localhost', ':path': '/public/..%2fadmin' },
  'a host with a user name': { ':authority': 'a@localhost', ':path': '/public/x' },
  'an absolute path of another host': { ':authority': 'localhost', ':path': 'http://other.example.com/public/x' },
  'a scheme of plain http': { ':authority': 'localhost', ':path': '/public/x', ':scheme': 'http' },
} as const;

for (const [name, headers] of Object.entries(refused))
  test(`http2: ${name} is refused`, async (t) => {
    const { http2, upstream } = await httpsSite(t);
    const { status, code } = await ask(http2(), headers);
    assert.ok(status === 400 || (status === 0 && code !== 0), `answered with ${status} (${code})`);
    assert.equal(upstream.received.length, 0);
  });

test('http2: bodies with and without a length arrive whole, and a request without one has none', async (t) => {
  const { http2, upstream } = await httpsSite(t);
  const session = http2();
  const body = randomBytes(3_000_000);
  const digest = createHash('sha256').update(body).digest('hex');
  assert.equal((await ask(session, { ':method': 'POST', ':path': '/public/a' }, body)).status, 200);
  assert.equal(
    (await ask(session, { ':method': 'POST', ':path': '/public/b', 'content-length': body.length }, body)).status,
    200,
  );
  assert.equal((await ask(session, { ':path': '/public/c' })).status, 200);
  const [chunked, measured, none] = upstream.received;
  assert.equal(chunked?.body.sha256, digest);
  assert.deepEqual(chunked?.values('transfer-encoding'), ['chunked']);
  assert.equal(measured?.body.sha256, digest);
  assert.deepEqual(measured?.values('content-length'), [String(body.length)]);
  assert.deepEqual(none?.values('transfer-encoding'), []);
  assert.equal(none?.body.bytes, 0);
});

test('http2: a client that leaves in the middle of its body leaves no complete request behind', async (t) => {
  const { http2, upstream } = await httpsSite(t);
  const session = http2();
  const stream = session.request({ ':method': 'POST', ':path': '/public/cut' });
  stream.on('error', () => undefined);
  stream.write('only this');
  await until('the upstream has a connection', () => upstream.connections.size > 0);
  session.destroy();
  const received = await until('the upstream has seen the end', () => upstream.received.at(0));
  assert.equal(received.isComplete, false);
});

test('http2: Expect is answered here and goes no further', async (t) => {
  const { http2, upstream } = await httpsSite(t);
  const session = http2();
  const answer = await ask(session, { ':method': 'POST', ':path': '/public/x', expect: '100-continue' }, 'body');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.informational, [100]);
  assert.deepEqual(upstream.only().values('expect'), []);
  assert.equal((await ask(session, { ':method': 'POST', ':path': '/public/x', expect: 'cake' }, 'body')).status, 417);
});

test('http2: HEAD has the headers and no body, and errors of ours are JSON to programs', async (t) => {
  const { http2 } = await httpsSite(t);
  const session = http2();
  const head = await ask(session, { ':method': 'HEAD', ':path': '/public/x' });
  assert.deepEqual([head.status, head.text], [200, '']);
  assert.equal(head.headers['content-type'], 'application/json');
  const nothing = await ask(session, { ':path': '/closed/', accept: 'application/json' });
  assert.deepEqual([nothing.status, JSON.parse(nothing.text).error], [403, 'access-denied']);
  assert.equal((await ask(session, { ':path': '/_gate/nowhere' })).status, 404);
});

test('http2: a big answer arrives whole beside many small ones', async (t) => {
  const { http2, cookie } = await signedIn(t);
  const session = http2();
  const [big, ...small] = await Promise.all([
    ask(session, { ':path': '/bytes?n=20000000', cookie }),
    ...Array.from({ length: 90 }, (_, index) => ask(session, { ':path': `/echo/${index}`, cookie })),
  ]);
  assert.deepEqual([big?.status, big?.headers['content-length'], big?.code], [200, '20000000', 0]);
  assert.ok(small.every(({ status, code }) => status === 200 && code === 0));
});

test('http2: a client that takes nothing holds the upstream back instead of filling memory', async (t) => {
  const { http2, cookie } = await signedIn(t);
  const before = process.memoryUsage().rss;
  const stream = http2().request({ ':path': '/bytes?n=300000000', cookie });
  stream.on('error', () => undefined);
  await once(stream, 'response');
  stream.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const grown = (process.memoryUsage().rss - before) / 1_000_000;
  stream.close();
  assert.ok(grown < 100, `${Math.round(grown)} MB more`);
});

test('http2: headers of an upstream that stand several times reach the browser so, and those of its connection do not', async (t) => {
  const { http2, cookie } = await signedIn(t);
  const path = '/headers?set-cookie=a%3D1&set-cookie=b%3D2&connection=x-own&x-own=1&keep-alive=timeout%3D5&x-other=1';
  const { status, headers } = await ask(http2(), { ':path': path, cookie });
  assert.equal(status, 200);
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(headers['x-other'], '1');
  for (const name of ['connection', 'keep-alive', 'x-own', 'transfer-encoding'])
    assert.equal(headers[name], undefined, name);
});

test('http2: early hints are passed on, and trailers are left out', async (t) => {
  const { http2, cookie } = await signedIn(t);
  const session = http2();
  const hinted = await ask(session, { ':path': '/hints', cookie });
  assert.deepEqual([hinted.status, hinted.text, hinted.informational], [200, 'hinted', [103]]);
  const trailing = await ask(session, { ':path': '/trailers', cookie });
  assert.deepEqual([trailing.status, trailing.text, trailing.code], [200, 'body', 0]);
});

test('http2: an upstream that breaks off resets the one stream, and its neighbours go on', async (t) => {
  const { http2, cookie } = await signedIn(t);
  const session = http2();
  const slow = ask(session, { ':path': '/slow?ms=300', cookie });
  const cut = await ask(session, { ':path': '/truncate', cookie });
  assert.notEqual(cut.code, 0);
  assert.equal((await slow).text, 'slow');
  const dead = await ask(session, { ':path': '/die', ':method': 'POST', cookie });
  assert.equal(dead.status, 502);
});

test('http2: an answer that comes before the body is through arrives whole, and the client may stop', async (t) => {
  const { http2, cookie } = await signedIn(t);
  for (const path of ['/early', '/_gate/nowhere']) {
    const stream = http2().request({ ':method': 'POST', ':path': path, cookie });
    stream.on('error', () => undefined);
    stream.write('a beginning');
    const [headers] = await once(stream, 'response');
    stream.setEncoding('utf8');
    const text: string[] = await stream.toArray();
    assert.equal(headers[':status'], path === '/early' ? 403 : 404);
    assert.equal(Buffer.byteLength(text.join('')), Number(headers['content-length'] ?? 2));
    await until('the stream ends', () => stream.closed);
    assert.equal(stream.rstCode, 0);
  }
});

test('http2: a logout ends the event stream of the session, and no other request of the connection', async (t) => {
  const { http2, cookie, running } = await signedIn(t);
  const session = http2();
  const events = session.request({ ':path': '/sse', cookie });
  events.on('error', () => undefined);
  await once(events, 'data');
  const open = ask(session, { ':path': '/public/x' });
  const closed = once(events, 'close');
  assert.equal(await running.gateway.sessions.revokeUser('agent1', 'revoked'), 1);
  await endsWithin(2000, 'the event stream after the logout', closed);
  assert.equal((await open).status, 200);
  assert.equal((await ask(session, { ':path': '/public/y' })).status, 200);
});

test('http2: a client that goes away ends the request to the upstream', async (t) => {
  const { http2, cookie, upstream } = await signedIn(t);
  const stream = http2().request({ ':path': '/sse', cookie });
  stream.on('error', () => undefined);
  await once(stream, 'data');
  assert.equal(upstream.connections.size, 1);
  stream.close(8);
  await until('the upstream connection ends', () => upstream.connections.size === 0);
});

/** A connection whose client minds no rules. */
async function rude(site: HttpsSite): Promise<FrameClient> {
  const client = new FrameClient(await site.tls({ alpn: ['h2'] }));
  await until('the settings arrive', () => client.on(0).length > 0);
  return client;
}

const usual = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':authority', 'localhost'],
  [':path', '/public/x'],
] as const;

test('http2: a body whose stream is reset without an error is not taken for whole', async (t) => {
  const started = await httpsSite(t);
  const client = await rude(started);
  client.headers(1, usual, false);
  client.data(1, 'only this');
  await until('the upstream has a connection', () => started.upstream.connections.size > 0);
  client.reset(1, 0);
  const received = await until('the upstream has seen the end', () => started.upstream.received.at(0));
  assert.equal(received.isComplete, false);
});

const forbidden = {
  'transfer-encoding': ['transfer-encoding', 'chunked'],
  'a connection header': ['connection', 'x-remote-user'],
  'a name in upper case': ['X-Remote-User', 'root'],
  'a second path': [':path', '/admin'],
  'a pseudo-header that nobody knows': [':host', 'localhost'],
  'a length that is not that of the body': ['content-length', '5'],
} as const;

for (const [name, line] of Object.entries(forbidden))
  test(`http2: ${name} reaches no upstream`, async (t) => {
    const started = await httpsSite(t);
    const client = await rude(started);
    client.headers(1, [...usual, line], true);
    await until('the request is refused', () => client.isClosed || client.on(1).length > 0);
    assert.equal(started.upstream.received.length, 0);
  });

// nghttp2 leaves such a header out and lets the request go on.
const dropped = {
  'a line break in a value': ['x-a', 'b\r\nx-remote-user: root'],
  'a line break in a name': ['x-a\r\nx-remote-user', 'root'],
  'a NUL in a value': ['x-a', 'b\0c'],
  'a space in a name': ['x-remote-user ', 'root'],
} as const;

for (const [name, line] of Object.entries(dropped))
  test(`http2: a header with ${name} reaches no upstream`, async (t) => {
    const started = await httpsSite(t);
    const client = await rude(started);
    client.headers(1, [...usual, line], true);
    await until('the request is answered', () => client.isClosed || client.on(1).length > 0);
    const reached = started.upstream.received.flatMap(({ names }) => names);
    assert.deepEqual(
      reached.filter((header) => header.startsWith('x-a') || header.includes('remote')),
      [],
    );
  });

test('http2: a CONNECT opens no tunnel', async (t) => {
  const started = await httpsSite(t);
  const client = await rude(started);
  client.headers(
    1,
    [
      [':method', 'CONNECT'],
      [':authority', 'localhost:1'],
    ],
    false,
  );
  await until('it is answered', () => client.on(1).find(({ type }) => type === frames.headers));
  assert.equal(started.upstream.connections.size, 0);
  const record = await until('it is on record', () => started.audit('request').at(-1));
  assert.deepEqual([record.method, record.status, record.reason], ['CONNECT', 405, 'method-not-allowed']);
});

test('http2: requests that are reset as fast as they come end the connection', async (t) => {
  const started = await httpsSite(t);
  const client = await rude(started);
  for (let index = 0; index < 2000 && !client.isClosed; index += 1) {
    client.headers(index * 2 + 1, usual, true);
    client.reset(index * 2 + 1, 8);
  }
  await until('the connection ends', () => client.on(0).some(({ type }) => type === frames.goAway) || client.isClosed);
  assert.equal((await started.visitor().fetch('/public/x')).status, 200);
});

test('http2: a head larger than allowed is refused, one of a Kerberos ticket is not', async (t) => {
  const { http2, upstream } = await httpsSite(t);
  const big = await ask(http2(), { ':path': '/public/x', 'x-big': 'a'.repeat(70_000) });
  assert.equal(big.status, 0);
  const ticket = await ask(http2(), { ':path': '/_gate/login', 'x-big': 'a'.repeat(40_000) });
  assert.equal(ticket.status, 200);
  assert.equal(upstream.received.length, 0);
});

test('http2: a smaller limit for the head counts as well', async (t) => {
  const { http2, upstream } = await httpsSite(t, { server: { maxHeaderSize: '8kb' } });
  assert.equal((await ask(http2(), { ':path': '/public/x', 'x-big': 'a'.repeat(7_000) })).status, 200);
  assert.equal((await ask(http2(), { ':path': '/public/x', 'x-big': 'a'.repeat(9_000) })).status, 431);
  assert.equal(upstream.received.length, 1);
});

test('http2: a connection without requests ends after keepAlive, one with a request does not', async (t) => {
  const { http2, cookie } = await signedIn(t, { keepAlive: '1s' });
  const [idle, busy] = [http2(), http2()];
  const slow = ask(busy, { ':path': '/slow?ms=2000', cookie });
  await once(idle, 'close');
  assert.equal((await slow).text, 'slow');
});

test('http2: a drain lets requests under way finish and takes no new ones', async (t) => {
  const { http2, stop, cookie, upstream } = await signedIn(t);
  const session = http2();
  const slow = ask(session, { ':path': '/slow?ms=400', cookie });
  await until('the request is under way', () => upstream.connections.size > 0);
  const stopped = stop();
  await once(session, 'goaway');
  assert.equal((await slow).text, 'slow');
  await stopped;
  assert.equal(session.closed, true);
});

test('http2: a stop ends connections that nothing ends', async (t) => {
  const { http2, stop, cookie } = await signedIn(t, { drain: '300ms' });
  const session = http2();
  const stream = session.request({ ':path': '/sse', cookie });
  stream.on('error', () => undefined);
  await once(stream, 'data');
  await stop();
  await until('the connection ends', () => session.destroyed);
});

test('http2: a body that nobody reads keeps no stream open', async (t) => {
  const { http2, stop } = await httpsSite(t, { server: { drain: '20s' } });
  const session = http2();
  const nowhere = { ':method': 'POST', ':path': '/_gate/nowhere' };
  assert.equal((await ask(session, nowhere, 'body')).status, 404);
  assert.equal((await ask(session, nowhere, randomBytes(400_000))).status, 404);
  await endsWithin(5000, 'the drain waits for a stream that is done', stop());
});
