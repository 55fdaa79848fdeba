/** The data plane over HTTP: what the upstream received, what the client got, and how every failure ends. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Connections } from '../../src/proxy/connections.ts';
import { discardRest } from '../../src/proxy/request-body.ts';
import { ask, eventually, rawClient, startDataPlane, testRoute } from '../support/scenes/data-plane.ts';
import { startRawUpstream, startUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const failed = (result: { kind: string }) => {
  assert.equal(result.kind, 'failed');
  const { code, reason, headersSent } = result as unknown as { code: string; reason: string; headersSent: boolean };
  return { code, reason, headersSent };
};

test('forward: method, path, query and body arrive as they were', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET']) {
    const answer = await ask(plane.port, '/a%20b;c/d?e=%2F&f', { method, body: 'hello' });
    assert.equal(answer.status, 200);
  }
  assert.equal(upstream.received.length, 5);
  for (const received of upstream.received) {
    assert.equal(received.url, '/a%20b;c/d?e=%2F&f');
    assert.equal(received.body.sha256, '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824');
    assert.deepEqual([received.values('content-length'), received.values('transfer-encoding')], [['5'], []]);
  }
  const answer = await ask(plane.port, '/bytes?n=70000');
  assert.deepEqual(await plane.result(5), { kind: 'sent', status: 200 });
  assert.equal(answer.body.length, 70_000);
});

test('forward: a body without a length goes on in chunks, and the connection is used again', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  for (let index = 0; index < 3; index += 1)
    await ask(plane.port, '/', { method: 'POST', headers: ['Transfer-Encoding', 'chunked'], body: 'hello' });
  assert.equal(upstream.received.length, 3);
  for (const received of upstream.received) {
    assert.deepEqual([received.values('content-length'), received.values('transfer-encoding')], [[], ['chunked']]);
    assert.equal(received.body.bytes, 5);
    assert.equal(received.connection, 1);
  }
});

test('forward: requests without a body have none upstream', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  await ask(plane.port, '/', { headers: ['Content-Length', '0'] });
  await ask(plane.port, '/', { method: 'POST', headers: ['Content-Length', '0'] });
  await ask(plane.port, '/', { method: 'DELETE' });
  assert.equal(upstream.received.length, 3);
  for (const received of upstream.received) {
    assert.equal(received.body.bytes, 0);
    assert.deepEqual(received.values('transfer-encoding'), []);
  }
  assert.deepEqual(upstream.received[1]!.values('content-length'), ['0']);
});

test('forward: status, phrase, length, ranges and duplicate headers come back as they were', async (t) => {
  const upstream = await startUpstream(t, {
    answer: (request, response) => {
      response.writeHead(206, 'Just A Part', [
        'Content-Range',
        'bytes 0-3/10',
        'Link',
        '<a>',
        'Link',
        '<b>',
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'Content-Length',
        '4',
        'X-Range',
        request.headers.range ?? '',
      ]);
      response.end('0123');
    },
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const answer = await ask(plane.port, '/', { headers: ['Range', 'bytes=0-3'] });
  assert.deepEqual([answer.status, answer.phrase, answer.body.toString()], [206, 'Just A Part', '0123']);
  assert.deepEqual(
    [answer.headers['x-range'], answer.headers['content-range'], answer.headers['content-length']],
    ['bytes=0-3', 'bytes 0-3/10', '4'],
  );
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(answer.headers.link, '<a>, <b>');
});

test('forward: answers without a body have none, whatever their headers say', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const head = await ask(plane.port, '/bytes?n=5000', { method: 'HEAD', agent });
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '5000', 0]);
  for (const status of [204, 304]) {
    const answer = await ask(plane.port, `/status/${status}?etag=x`, { agent });
    assert.deepEqual(
      [answer.status, answer.headers['transfer-encoding'], answer.body.length, answer.headers.etag],
      [status, undefined, 0, 'x'],
    );
  }
  assert.equal((await ask(plane.port, '/echo', { agent })).status, 200);
});

test('forward: early hints go on, other interim answers do not', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, 'GET /hints HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const text = await client.closed();
  assert.match(
    text,
    /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/style\.css>; rel=preload; as=style\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
  );
  assert.doesNotMatch(text, / 102 /);
});

test('forward: trailers are dropped, and announce themselves to nobody', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const answer = await ask(plane.port, '/trailers');
  assert.deepEqual([answer.body.toString(), answer.headers.trailer, { ...answer.trailers }], ['body', undefined, {}]);
});

test('forward: an HTTP/1.0 client and an upstream with trailers do not end the process', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, 'GET /trailers HTTP/1.0\r\nHost: a\r\n\r\n');
  const text = await client.closed();
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(text, /\r\n\r\nbody$/);
  assert.doesNotMatch(text, /transfer-encoding|trailer/i);
  assert.equal((await ask(plane.port, '/echo')).status, 200);
});

test("forward: the upstream's connection headers do not come back", async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const answer = await ask(
    plane.port,
    '/headers?connection=x-internal,keep-alive&x-internal=secret&proxy-authenticate=Basic&x-open=1',
  );
  assert.deepEqual(
    [answer.headers['x-internal'], answer.headers['proxy-authenticate'], answer.headers['x-open']],
    [undefined, undefined, '1'],
  );
});

test("forward: redirects and cookies of the upstream are the browser's, and the verdict's headers are added", async (t) => {
  const upstream = await startUpstream(t);
  const route = testRoute([upstream.origin], { path: '/app/', upstreamPath: '/inner/' });
  const plane = await startDataPlane(t, { route, reply: { 'set-cookie': ['gatehouse=rotated'] } });
  const location = encodeURIComponent(`${upstream.origin}/inner/next`);
  const answer = await ask(plane.port, `/app/status/302`, {});
  assert.equal(upstream.only().url, '/inner/status/302');
  assert.deepEqual(answer.headers['set-cookie'], ['gatehouse=rotated']);
  const redirected = await startDataPlane(t, {
    route: testRoute([upstream.origin], { path: '/app/', upstreamPath: '/headers' }),
  });
  const other = await ask(
    redirected.port,
    `/app/?location=${encodeURIComponent(`${upstream.origin}/headers/x`)}&set-cookie=${encodeURIComponent('gatehouse=evil')}&x=${location}`,
  );
  assert.deepEqual([other.headers.location, other.headers['set-cookie']], ['/app/x', undefined]);
});

test('forward: an event stream is flushed at once, and its upstream ends with the client', async (t) => {
  const started = Promise.withResolvers<ServerResponse>();
  const upstream = await startUpstream(t, {
    answer: (_request, response) =>
      started.resolve(response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })),
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, 'GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  const events = await started.promise;
  for (const number of [1, 2, 3]) {
    // What is kept for the next event never comes: there is none before this one has arrived.
    events.write(`data: ${number}\n\n`);
    await client.until(new RegExp(`data: ${number}`));
  }
  assert.equal(plane.connections.counts().stream, 1);
  client.socket.destroy();
  assert.deepEqual(await plane.result(), { kind: 'client-gone' });
  await eventually(() => upstream.connections.size === 0, 'the upstream sees the client go');
  assert.equal(plane.connections.counts().stream, 0);
});

test('forward: a head without a body yet reaches the client at once', async (t) => {
  const upstream = await startUpstream(t, {
    answer: (_request, response) => response.writeHead(200, { 'x-here': '1' }).flushHeaders(),
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until(/x-here: 1\r\n.*\r\n\r\n$/s);
});

test('forward: a client that leaves before the answer ends the request upstream', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, 'GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => upstream.received.length === 1, 'the request arrives');
  client.socket.destroy();
  assert.deepEqual(await plane.result(), { kind: 'client-gone' });
  await eventually(() => upstream.connections.size === 0, 'the upstream request ends');
});

test('forward: a client that leaves in the middle of its body ends the request upstream', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(
    t,
    plane.port,
    'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nonly this',
  );
  await eventually(() => upstream.connections.size === 1, 'the request arrives');
  const received = upstream.next();
  client.socket.destroy();
  assert.deepEqual(await plane.result(), { kind: 'client-gone' });
  assert.equal((await received).isComplete, false);
});

test('forward: an upstream that dies in the middle of a body cuts the client, who can tell', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  await assert.rejects(ask(plane.port, '/truncate'), { code: 'ECONNRESET' });
  assert.deepEqual(failed(await plane.result()), {
    code: 'UPSTREAM_BROKE',
    reason: 'upstream-broke',
    headersSent: true,
  });
});

const lies: Readonly<
  Record<
    string,
    {
      readonly bytes: string;
      readonly closeSocket?: boolean;
      readonly want: 'reset' | { code: string } | { body: string };
    }
  >
> = {
  'a length too long for its body': {
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
    closeSocket: true,
    want: 'reset',
  },
  'a length too short for its body': {
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
    want: { body: 'abc' },
  },
  'two lengths': {
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    closeSocket: true,
    want: { code: 'UPSTREAM_BROKE' },
  },
  'a length and chunks': {
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    closeSocket: true,
    want: { code: 'UPSTREAM_BROKE' },
  },
  'chunks that break off': {
    bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc',
    closeSocket: true,
    want: 'reset',
  },
  'a transfer coding of its own': {
    bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    closeSocket: true,
    want: { code: 'UPSTREAM_BROKE' },
  },
  'a body that ends with the connection': {
    bytes: 'HTTP/1.1 200 OK\r\n\r\nabc',
    closeSocket: true,
    want: { body: 'abc' },
  },
  'a head of 100 KB': {
    bytes: `HTTP/1.1 200 OK\r\nX-Big: ${'a'.repeat(100_000)}\r\n\r\n`,
    want: { code: 'UPSTREAM_BROKE' },
  },
  'a control character in a header': {
    bytes: 'HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n',
    want: { code: 'UPSTREAM_BROKE' },
  },
  'a zero byte in a header': {
    bytes: 'HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n',
    want: { code: 'UPSTREAM_BROKE' },
  },
  'a space in the name of a header': {
    bytes: 'HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n',
    want: { code: 'UPSTREAM_BROKE' },
  },
  'something that is no HTTP': { bytes: 'SSH-2.0-OpenSSH_9.2\r\n', want: { code: 'UPSTREAM_BROKE' } },
  'a switch of protocol that nobody asked for': {
    bytes: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    want: { code: 'UPSTREAM_BROKE' },
  },
  // RFC 9110 §15.2.1: who does not expect one drops it.
  'a 100 Continue that nobody asked for': {
    bytes: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    want: { body: '' },
  },
  'a status out of range': { bytes: 'HTTP/1.1 999 Odd\r\nContent-Length: 3\r\n\r\nabc', want: { body: 'abc' } },
  'nothing, and hangs up': { bytes: '', closeSocket: true, want: { code: 'UPSTREAM_BROKE' } },
};
for (const [name, { bytes, closeSocket, want }] of Object.entries(lies))
  test(`forward: an upstream that answers ${name} harms nobody`, async (t) => {
    const upstream = await startRawUpstream(t, (socket) => {
      socket.write(Buffer.from(bytes, 'latin1'));
      if (closeSocket) socket.end();
    });
    const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
    const answer = ask(plane.port, '/', { method: 'POST', body: 'x' });
    if (want === 'reset') await assert.rejects(answer, { code: 'ECONNRESET' });
    else if ('body' in want) assert.equal((await answer).body.toString(), want.body);
    else assert.deepEqual([(await answer).status, (await answer).headers['x-code']], [500, want.code]);
    await plane.result();
    assert.equal(plane.server.listening, true);
  });

test('forward: bytes after an answer never become the answer to the next request', async (t) => {
  const upstream = await startRawUpstream(t, (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
  );
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  for (let index = 0; index < 3; index += 1) assert.equal((await ask(plane.port, '/')).body.toString(), 'abc');
});

test('forward: nobody at the port is unreachable, with the status of a bad gateway', async (t) => {
  const plane = await startDataPlane(t, { route: testRoute([`http://127.0.0.1:${await freePort()}`]) });
  assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UPSTREAM_UNREACHABLE');
  assert.deepEqual(failed(await plane.result()), {
    code: 'UPSTREAM_UNREACHABLE',
    reason: 'upstream-unreachable',
    headersSent: false,
  });
});

test('forward: a name that does not resolve is unreachable', async (t) => {
  const plane = await startDataPlane(t, { route: testRoute(['http://no-such-host.invalid:80']) });
  assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UPSTREAM_UNREACHABLE');
});

test('forward: an upstream that says nothing times out at the configured time', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { timeouts: { connect: 30_000, response: 300, idle: 60_000 } }),
  });
  const answer = await endsWithin(2500, 'the time-out', ask(plane.port, '/slow?ms=10000'));
  assert.equal(answer.headers['x-code'], 'UPSTREAM_TIMEOUT');
  await eventually(() => upstream.connections.size === 0, 'the upstream request ends');
});

test('forward: a body that stands still is cut at the configured time', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { timeouts: { connect: 30_000, response: 60_000, idle: 300 } }),
  });
  await assert.rejects(ask(plane.port, '/stall'), { code: 'ECONNRESET' });
  assert.deepEqual(failed(await plane.result()), {
    code: 'UPSTREAM_TIMEOUT',
    reason: 'upstream-timed-out',
    headersSent: true,
  });
});

test('forward: a request that waits for others to free a connection gives up', async (t) => {
  const upstream = await startUpstream(t);
  const route = testRoute([upstream.origin], { timeouts: { connect: 500, response: 60_000, idle: 60_000 } });
  const plane = await startDataPlane(t, { route, maxConnections: 1 });
  const holder = await rawClient(t, plane.port, 'GET /sse HTTP/1.1\r\nHost: a\r\n\r\n');
  await holder.until(/data:/);
  assert.equal((await ask(plane.port, '/echo')).headers['x-code'], 'UPSTREAM_TIMEOUT');
  holder.socket.destroy();
  await eventually(() => plane.results.length === 2, 'the stream ends');
  assert.equal((await ask(plane.port, '/echo')).status, 200);
  assert.equal(upstream.received.filter(({ url }) => url === '/echo').length, 1);
});

test('forward: a body too large by its length never reaches the upstream', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin], { maxBody: 10 }) });
  assert.equal(
    (await ask(plane.port, '/', { method: 'POST', body: 'a'.repeat(11) })).headers['x-code'],
    'PAYLOAD_TOO_LARGE',
  );
  assert.equal((await ask(plane.port, '/', { method: 'POST', body: 'a'.repeat(10) })).status, 200);
  assert.equal(upstream.only().body.bytes, 10);
});

test('forward: a body that turns out too large is refused, and never complete upstream', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin], { maxBody: 100_000 }) });
  const answer = await ask(plane.port, '/', {
    method: 'POST',
    headers: ['Transfer-Encoding', 'chunked'],
    body: Buffer.alloc(1_000_000),
  });
  assert.equal(answer.headers['x-code'], 'PAYLOAD_TOO_LARGE');
  assert.deepEqual(failed(await plane.result()), {
    code: 'PAYLOAD_TOO_LARGE',
    reason: 'request-too-large',
    headersSent: false,
  });
  await eventually(() => upstream.received.length === 1, 'the upstream sees the request end');
  assert.equal(upstream.only().isComplete, false);
});

test('forward: a client that thinks for longer than the upstream may, in the middle of its body, is waited for', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { timeouts: { connect: 30_000, response: 200, idle: 30_000 } }),
  });
  const client = await rawClient(t, plane.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na');
  await setTimeout(1500);
  client.socket.write('b');
  await client.until(/^HTTP\/1\.1 200 /);
  assert.equal((await plane.result()).kind, 'sent');
});

test('forward: an upstream that takes a body slowly is not the fault of its client', async (t) => {
  const slow = createServer((request, response) => {
    void setTimeout(1500).then(() => request.resume());
    request.on('end', () => response.end('thanks'));
  }).listen(0, '127.0.0.1');
  t.after(() => slow.close());
  await once(slow, 'listening');
  const origin = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  const plane = await startDataPlane(t, {
    route: testRoute([origin], { timeouts: { connect: 30_000, response: 60_000, idle: 300 } }),
  });
  const body = Buffer.alloc(32 * 1024 * 1024);
  const client = await rawClient(t, plane.port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`);
  client.socket.write(body);
  await client.until(/thanks/);
  assert.equal((await plane.result()).kind, 'sent');
});

test('forward: a body that trickles to a stop is refused (slow loris)', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { timeouts: { connect: 30_000, response: 60_000, idle: 200 } }),
  });
  const client = await rawClient(t, plane.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na');
  await client.until(/x-code: REQUEST_TIMEOUT/);
  assert.deepEqual(failed(await plane.result()), {
    code: 'REQUEST_TIMEOUT',
    reason: 'request-too-slow',
    headersSent: false,
  });
});

test('forward: an answer before the body was read reaches the client, whose connection goes on', async (t) => {
  const upstream = await startUpstream(t, { answer: (_request, response) => void response.writeHead(403).end('no') });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(
    t,
    plane.port,
    'POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun',
  );
  await client.until(/^HTTP\/1\.1 403 .*no\r\n0\r\n\r\n$/s);
  client.socket.write(Buffer.alloc(1_000_000 - 'begun'.length, 'a'));
  client.socket.write('GET /two HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until(/(?:HTTP\/1\.1 403 .*){2}/s);
  assert.equal(upstream.received.at(-1)?.url, '/two');
});

test('forward: what is left of a refused body is taken in, so that the connection can go on', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin], { maxBody: 10 }) });
  const chunk = `100000\r\n${'a'.repeat(0x100000)}\r\n`;
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const client = await rawClient(t, plane.port, head + chunk);
  await client.until(/x-code: PAYLOAD_TOO_LARGE/);
  client.socket.write(`${chunk.repeat(8)}0\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n`);
  await client.until(/HTTP\/1\.1 200 OK/);
  assert.equal(upstream.received.at(-1)?.url, '/two');
});

test('forward: a client that goes on with a body nobody wants is cut', async (t) => {
  const server = createServer((request, response) => {
    request.on('error', () => undefined);
    response.end('no');
    discardRest(request, 200);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const client = await rawClient(
    t,
    (server.address() as AddressInfo).port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\na',
  );
  const trickle = setInterval(() => client.socket.write('a'), 20);
  t.after(() => clearInterval(trickle));
  assert.match(await client.closed(), /no$/);
});

test('forward: the body is asked for only when an upstream is there to take it', async (t) => {
  const plane = await startDataPlane(t, { route: testRoute([`http://127.0.0.1:${await freePort()}`]) });
  const client = await rawClient(
    t,
    plane.port,
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
  );
  assert.doesNotMatch(await client.until(/x-code: UPSTREAM_UNREACHABLE/), /100 Continue/);
});

test('forward: a transfer coding besides chunked is refused', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(
    t,
    plane.port,
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  );
  await client.until(/x-code: BAD_REQUEST/);
  assert.equal(upstream.received.length, 0);
});

test('forward: a kept connection that the upstream has closed costs no request', async (t) => {
  const upstream = await startRawUpstream(t, (socket, text) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok');
    // Closes without a word when the second request is on its way, as a server does whose idle time is over.
    socket.removeAllListeners('data');
    socket.once('data', () => socket.resetAndDestroy());
    assert.match(text, /^(GET|POST)/);
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  for (let index = 0; index < 6; index += 1) assert.equal((await ask(plane.port, '/')).status, 200);
});

test('forward: a request with a body, or one that changes things, is never sent twice', async (t) => {
  for (const method of ['POST', 'PATCH']) {
    const upstream = await startRawUpstream(t, (socket) => socket.destroy());
    const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
    assert.equal((await ask(plane.port, '/', { method })).headers['x-code'], 'UPSTREAM_BROKE');
    assert.equal((await ask(plane.port, '/', { method: 'PUT', body: 'x' })).headers['x-code'], 'UPSTREAM_BROKE');
    assert.equal(upstream.requests.length, 2);
  }
});

test('forward: a request is repeated once and no more', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => socket.destroy());
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  assert.equal((await ask(plane.port, '/')).headers['x-code'], 'UPSTREAM_BROKE');
  assert.equal(upstream.requests.length, 2);
});

test('forward: an upstream that restarts costs no request', async (t) => {
  const first = await startUpstream(t, { port: await freePort() });
  const plane = await startDataPlane(t, { route: testRoute([first.origin]) });
  await Promise.all(Array.from({ length: 8 }, () => ask(plane.port, '/echo')));
  await first.close();
  await startUpstream(t, { port: first.port });
  const answers = await Promise.all(Array.from({ length: 16 }, () => ask(plane.port, '/echo')));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

test("forward: a session's end cuts a stream at once, and lets a request that has only begun finish", async (t) => {
  const held = Promise.withResolvers<ServerResponse>();
  const upstream = await startUpstream(t, {
    answer: (request, response) => {
      if (request.url === '/held') held.resolve(response);
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    },
  });
  const connections = new Connections({ grace: 60_000 });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]), connections });
  const stream = await rawClient(t, plane.port, 'GET /sse HTTP/1.1\r\nHost: a\r\n\r\n');
  await stream.until(/data:/);
  const short = ask(plane.port, '/held');
  const answer = await held.promise;
  assert.deepEqual(connections.counts(), { websocket: 0, stream: 1, request: 1 });
  assert.deepEqual(connections.sessions(), ['session-1']);
  connections.end('session-1', 'signed-out');
  await stream.closed();
  assert.deepEqual(await plane.result(), { kind: 'client-gone', reason: 'signed-out' });
  answer.end('done');
  assert.equal((await short).status, 200);
});

test("forward: a session's end cuts a request that does not end in its grace", async (t) => {
  const upstream = await startUpstream(t);
  const connections = new Connections({ grace: 200 });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]), connections });
  const long = assert.rejects(ask(plane.port, '/slow?ms=60000'), { code: 'ECONNRESET' });
  await eventually(() => connections.counts().request === 1, 'the request is under way');
  connections.end('session-1', 'signed-out');
  await long;
  await eventually(() => upstream.connections.size === 0, 'the upstream request ends');
});

test('forward: many requests on one kept client connection leave no listeners behind', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (let index = 0; index < 40; index += 1)
    await ask(plane.port, '/echo', { agent, ...(index % 2 === 1 && { method: 'POST', body: 'x' }) });
  assert.deepEqual(warnings, []);
});

test('forward: a client that stops reading is cut in the end', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { timeouts: { connect: 30_000, response: 60_000, idle: 300 } }),
  });
  const request = httpRequest({ port: plane.port, host: '127.0.0.1', path: '/bytes?n=50000000' }).end();
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  assert.equal((await plane.result()).kind, 'client-gone');
  await eventually(() => upstream.connections.size === 0, 'the upstream request ends');
  response.destroy();
});
