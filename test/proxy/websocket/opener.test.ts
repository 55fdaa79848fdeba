/** WebSockets through the data plane: what the upstream received, no tunnel without a true 101, and a proper end. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { type TestContext, test } from 'node:test';
import WebSocket from 'ws';
import { closeFrame } from '../../../src/proxy/websocket/frames.ts';
import { Tunnel } from '../../../src/proxy/websocket/tunnel.ts';
import { type DataPlane, eventually, rawClient, startDataPlane, testRoute } from '../../support/scenes/data-plane.ts';
import { startRawUpstream, startUpstream } from '../../support/servers/upstream.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { freePort } from '../../support/tools/free-port.ts';
import { endsWithin } from '../../support/tools/stopwatch.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const handshake = (more = '', path = '/socket') =>
  `GET ${path} HTTP/1.1\r\nHost: cc.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`;
const switching = (more = '', upgrade = 'websocket', key = accept) =>
  Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\nSec-WebSocket-Accept: ${key}\r\n${more}\r\n`,
    'latin1',
  );

async function open(
  t: TestContext,
  plane: DataPlane,
  path = '/socket',
  options: WebSocket.ClientOptions = {},
  protocols: string[] = [],
): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${plane.port}${path}`, protocols, options);
  socket.on('error', () => undefined);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

const failure = async (plane: DataPlane) => {
  const result = await plane.upgradeResult();
  assert.equal(result.kind, 'failed');
  return result.kind === 'failed' ? [result.code, result.reason] : [];
};

test('upgrade: messages of every size go both ways, with their subprotocol and extensions', async (t) => {
  const upstream = await startUpstream(t, { webSocket: { perMessageDeflate: true } });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const socket = await open(t, plane, '/socket?a=b', { perMessageDeflate: true }, ['xuc.v1', 'other']);
  assert.deepEqual([socket.protocol, socket.extensions], ['xuc.v1', 'permessage-deflate']);
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 3_000_000]) {
    const data = randomBytes(size);
    socket.send(data);
    const [back] = (await once(socket, 'message')) as [Buffer];
    assert.ok(data.equals(back));
  }
  socket.close(1000, 'done');
  assert.deepEqual(await once(socket, 'close').then(([code, text]) => [code, String(text)]), [1000, 'done']);
  const result = await plane.upgradeResult();
  assert.equal(result.kind, 'open');
  if (result.kind === 'open') assert.equal((await result.closed).reason, undefined);
  await eventually(() => upstream.connections.size === 0, 'the upstream socket closes');
});

test("upgrade: the identity arrives, the client's own does not, and hop-by-hop headers stay behind", async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]), assertion: 'signed.by.us' });
  const client = await rawClient(
    t,
    plane.port,
    handshake(
      'X-Remote-User: evil\r\nX_Remote_User: evil\r\nX-Forwarded-For: evil\r\nKeep-Alive: timeout=5\r\nCookie: gatehouse=token; app=1\r\nConnection: x-remote-user, x-hop\r\nX-Hop: hop\r\nOrigin: http://cc.example.com\r\n',
    ),
  );
  await client.until(/101 Switching Protocols/);
  const received = upstream.only();
  assert.equal(
    received.rawHeaders.some((line) => line.includes('evil') || line.includes('token')),
    false,
  );
  assert.deepEqual(
    [
      'x-remote-user',
      'x-gatehouse-assertion',
      'x-forwarded-for',
      'cookie',
      'host',
      'origin',
      'x-hop',
      'keep-alive',
    ].map(received.values),
    [['alice'], ['signed.by.us'], ['127.0.0.1'], ['app=1'], ['cc.example.com'], ['http://cc.example.com'], [], []],
  );
  assert.deepEqual(
    [received.values('connection'), received.values('upgrade'), received.values('sec-websocket-key')],
    [['Upgrade'], ['websocket'], [key]],
  );
});

test("upgrade: the upstream's 101 comes back clean, byte for byte, with the verdict's headers", async (t) => {
  const upstream = await startRawUpstream(t, (socket) =>
    socket.write(
      switching('X-Name: caf\xe9\r\nKeep-Alive: timeout=5\r\nSet-Cookie: gatehouse=evil\r\nSet-Cookie: app=1\r\n'),
    ),
  );
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin]),
    reply: { 'set-cookie': 'gatehouse=rotated' },
  });
  const text = await (await rawClient(t, plane.port, handshake())).until(/\r\n\r\n/);
  assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/);
  assert.match(text, /X-Name: caf\xe9\r\n/);
  assert.deepEqual(text.match(/set-cookie: .*/gi), ['Set-Cookie: app=1', 'set-cookie: gatehouse=rotated']);
  assert.doesNotMatch(text, /keep-alive/i);
});

test('upgrade: W4 an answer other than 101 is the answer, and nothing the client sends goes on', async (t) => {
  let after = '';
  const upstream = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      after += chunk.toString('latin1');
    });
    socket.write(
      'HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain\r\nConnection: keep-alive, X-Internal\r\nX-Internal: secret\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n',
    );
    setTimeout(() => socket.write('0\r\n\r\n'), 50);
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, handshake());
  await client.until(/no!/);
  client.socket.write('GET /admin HTTP/1.1\r\nHost: a\r\nX-Remote-User: evil\r\n\r\n');
  const text = await client.closed();
  assert.match(text, /^HTTP\/1\.1 426 Upgrade Required\r\nconnection: close\r\n/);
  assert.match(text, /\r\n\r\nno!$/);
  assert.doesNotMatch(text, /secret|transfer-encoding/i);
  assert.deepEqual(await plane.upgradeResult(), { kind: 'answered', status: 426 });
  assert.deepEqual([after, upstream.requests.length], ['', 1]);
});

const fakes: Readonly<Record<string, Buffer>> = {
  'to another protocol': switching('', 'h2c'),
  'without a protocol': Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  'for another key': switching('', 'websocket', createHash('sha1').update('other').digest('base64')),
};
for (const [name, bytes] of Object.entries(fakes))
  test(`upgrade: W4 a 101 ${name} opens no tunnel`, async (t) => {
    const upstream = await startRawUpstream(t, (socket) =>
      socket.write(Buffer.concat([bytes, Buffer.from('smuggled')])),
    );
    const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
    const text = await (await rawClient(t, plane.port, handshake())).closed();
    assert.match(text, /^HTTP\/1\.1 500 /);
    assert.doesNotMatch(text, /smuggled|101/);
    assert.deepEqual(await failure(plane), ['UPSTREAM_BROKE', 'upstream-broke']);
    await eventually(() => upstream.sockets.size === 0, 'the upstream socket closes');
  });

const refused: Readonly<Record<string, string>> = {
  'with a body': handshake('Content-Length: 5\r\n'),
  'with chunks': handshake('Transfer-Encoding: chunked\r\n'),
  'without a key': handshake().replace(/Sec-WebSocket-Key: .*\r\n/, ''),
  'with a bad key': handshake().replace(key, 'short'),
  'by POST': handshake().replace('GET', 'POST'),
};
for (const [name, bytes] of Object.entries(refused))
  test(`upgrade: a request ${name} is refused before any upstream is asked`, async (t) => {
    const upstream = await startUpstream(t);
    const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
    await (await rawClient(t, plane.port, bytes)).until(/^HTTP\/1\.1 (?:500|400)/);
    assert.equal(upstream.received.length, 0);
    if (plane.upgrades.length > 0) assert.deepEqual(await failure(plane), ['BAD_REQUEST', 'upgrade-refused']);
  });

test('upgrade: h2c is an ordinary request without its upgrade', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(
    t,
    plane.port,
    'GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  );
  await client.until(/^HTTP\/1\.1 200 OK/);
  assert.deepEqual(['upgrade', 'http2-settings', 'connection'].map(upstream.only().values), [[], [], ['keep-alive']]);
});

test('upgrade: an upstream that is not there, says nothing or hangs up is answered on the socket', async (t) => {
  const cases = [
    [`http://127.0.0.1:${await freePort()}`, 'UPSTREAM_UNREACHABLE'],
    [(await startRawUpstream(t, () => undefined)).origin, 'UPSTREAM_TIMEOUT'],
    [(await startRawUpstream(t, (socket) => socket.destroy())).origin, 'UPSTREAM_BROKE'],
    [(await startRawUpstream(t, (socket) => socket.write('garbage\r\n\r\n'))).origin, 'UPSTREAM_BROKE'],
  ] as const;
  for (const [origin, code] of cases) {
    const response = code === 'UPSTREAM_TIMEOUT' ? 300 : 60_000;
    const timeouts = { connect: 60_000, response, idle: 60_000 };
    const plane = await startDataPlane(t, { route: testRoute([origin], { timeouts }) });
    const text = await (await rawClient(t, plane.port, handshake())).closed();
    assert.match(text, new RegExp(`^HTTP/1\\.1 500 .*X-Code: ${code}`, 's'));
  }
});

test('upgrade: another server of the list is asked when the first is down', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin, `http://127.0.0.1:${await freePort()}`]),
  });
  for (let index = 0; index < 3; index += 1) await open(t, plane);
  assert.equal(upstream.received.length, 3);
});

test('upgrade: a handshake that has left for one server is not sent to another', async (t) => {
  const broken = await startRawUpstream(t, (socket) => socket.destroy());
  const alive = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([broken.origin, alive.origin]) });
  const heads = [];
  for (let index = 0; index < 2; index += 1)
    heads.push((await (await rawClient(t, plane.port, handshake())).until(/\r\n\r\n/)).slice(9, 12));
  assert.deepEqual([heads.sort(), broken.requests.length, alive.received.length], [['101', '500'], 1, 1]);
});

test('upgrade: bytes that come right behind the heads are not lost', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.write(Buffer.concat([switching(), Buffer.from([0x81, 2, 0x68, 0x69])]));
    socket.on('data', (chunk) => socket.write(chunk));
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(
    t,
    plane.port,
    Buffer.concat([Buffer.from(handshake()), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x79, 0x6f])]),
  );
  await client.until(/\x81\x02hi\x81\x82\0\0\0\0yo$/);
});

test('upgrade: a tunnel opens towards an https upstream under its own name', async (t) => {
  const { good, ca } = testCertificates();
  const upstream = await startUpstream(t, {
    tls: { cert: readFileSync(good.certificate), key: readFileSync(good.key) },
  });
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { tls: { ca: readFileSync(ca, 'utf8') } }),
  });
  const socket = await open(t, plane, '/socket', { headers: { host: 'cc.example.com' } });
  socket.send('hello');
  assert.equal(String((await once(socket, 'message'))[0]), 'hello');
  const distrusting = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  assert.match(await (await rawClient(t, distrusting.port, handshake())).closed(), /X-Code: UPSTREAM_UNREACHABLE/);
});

test("upgrade: W5 a session's end closes an idle WebSocket with 1008, on both sides", async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const socket = await open(t, plane);
  const there = once([...upstream.sockets][0]!, 'close');
  const here = once(socket, 'close');
  assert.deepEqual([plane.connections.counts().websocket, plane.connections.sessions()], [1, ['session-1']]);
  plane.connections.end('session-1', 'signed-out');
  const [[code, text], [codeThere]] = await endsWithin(2000, 'the end on both sides', Promise.all([here, there]));
  assert.deepEqual([code, String(text), codeThere], [1008, 'signed-out', 1008]);
  const result = await plane.upgradeResult();
  if (result.kind === 'open') assert.equal((await result.closed).reason, 'signed-out');
  assert.equal(plane.connections.counts().websocket, 0);
});

test('upgrade: a busy WebSocket is closed between two of its frames, never within one', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  for (const size of [100, 200_000]) {
    const socket = await open(t, plane, `/push?every=1&size=${size}`);
    const errors: Error[] = [];
    socket.on('error', (error) => errors.push(error));
    const lengths = new Set<number>();
    socket.on('message', (data: Buffer) => lengths.add(data.length));
    await once(socket, 'message');
    const closed = once(socket, 'close');
    plane.connections.end('session-1', 'revoked');
    assert.deepEqual(await closed.then(([code]) => code), 1008);
    assert.deepEqual([errors, [...lengths]], [[], [size]]);
  }
});

test('upgrade: an end that comes within a frame waits for the rest of it, and lets nothing after it through', async (t) => {
  const payload = Buffer.alloc(300, 'a');
  const frame = Buffer.concat([Buffer.from([0x82, 126, 1, 44]), payload]);
  const upstream = await startRawUpstream(t, (socket) =>
    socket.write(Buffer.concat([switching(), frame.subarray(0, 100)])),
  );
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, handshake());
  await client.until(/\r\n\r\n\x82.{99}$/s);
  plane.connections.end('session-1', 'revoked');
  await new Promise((resolve) => setTimeout(resolve, 50));
  [...upstream.sockets][0]!.write(Buffer.concat([frame.subarray(100), frame]));
  const [, frames = ''] = /^.*?\r\n\r\n(.*)$/s.exec(await client.closed()) ?? [];
  assert.ok(Buffer.from(frames, 'latin1').equals(Buffer.concat([frame, closeFrame(1008, 'revoked')])));
});

test('upgrade: a frame that never ends does not keep a WebSocket open', async (t) => {
  const upstream = await startRawUpstream(t, (socket) =>
    socket.write(Buffer.concat([switching(), Buffer.from([0x82, 126, 0xff, 0xff, 1, 2, 3])])),
  );
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, handshake());
  await client.until(/\x82\x7e\xff\xff\x01\x02\x03$/);
  plane.connections.end('session-1', 'revoked');
  await endsWithin(2000, 'the end', client.closed());
  await eventually(() => upstream.sockets.size === 0, 'the upstream socket closes');
});

test('upgrade: a client that ignores the Close is cut', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, handshake());
  await client.until(/\r\n\r\n/);
  client.socket.pause();
  plane.connections.end('session-1', 'idle');
  const ended = eventually(() => plane.connections.counts().websocket === 0, 'the tunnel ends');
  await endsWithin(2500, 'the end', ended);
});

test('upgrade: each side that vanishes takes the other with it', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => socket.write(switching()));
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  let here: Duplex | undefined;
  plane.server.on('upgrade', (_request, socket) => {
    here = socket;
  });
  const ways: Readonly<Record<string, (client: Socket, upstream: Socket) => void>> = {
    'the gateway drops the client': () => here?.destroy(),
    'the client ends': (client) => client.end(),
    'the client is reset': (client) => client.resetAndDestroy(),
    'the upstream ends': (_client, upstream) => upstream.end(),
    'the upstream is reset': (_client, upstream) => upstream.resetAndDestroy(),
  };
  for (const [name, vanish] of Object.entries(ways)) {
    const client = await rawClient(t, plane.port, handshake());
    await client.until(/\r\n\r\n/);
    vanish(client.socket, [...upstream.sockets][0]!);
    await client.closed();
    await eventually(() => upstream.sockets.size === 0 && plane.connections.counts().websocket === 0, name);
  }
});

test('upgrade: a slow reader slows the sender and costs no memory', async (t) => {
  const block = Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(65_536)]);
  let sent = 0;
  const upstream = await startRawUpstream(t, (socket) => {
    const push = (): void => {
      while (sent < 2000 && socket.write(block)) sent += 1;
      sent += 1;
    };
    socket.write(switching());
    socket.on('drain', push);
    push();
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, handshake());
  client.socket.pause();
  await eventually(() => sent > 1, 'the upstream sends');
  const settled = async (): Promise<number> => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 150));
    return sent === before ? sent : settled();
  };
  assert.ok((await settled()) < 400, `${sent} blocks of 64 KB went into a client that does not read`);
});

test("upgrade: data of the client's counts as activity, its pongs do not", async () => {
  const [client, clientEnd] = duplexPair();
  const [upstream, upstreamEnd] = duplexPair();
  let active = 0;
  let passed = 0;
  const tunnel = new Tunnel({
    client,
    upstream,
    onActivity: () => {
      active += 1;
    },
  });
  upstreamEnd.on('data', (chunk: Buffer) => {
    passed += chunk.length;
  });
  clientEnd.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
  await eventually(() => passed === 6, 'the pong passes');
  assert.equal(active, 0);
  for (let index = 0; index < 3; index += 1) clientEnd.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]));
  await eventually(() => passed === 27, 'the data pass');
  assert.equal(active, 1);
  for (const end of [client, upstream, clientEnd, upstreamEnd]) end.destroy();
  assert.deepEqual(await tunnel.closed, { endedBy: 'client', up: 27, down: 0 });
});

test('upgrade: many tunnels open and close without a trace', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const sockets = await Promise.all(Array.from({ length: 100 }, () => open(t, plane)));
  assert.equal(plane.connections.counts().websocket, 100);
  plane.connections.endAll('draining');
  const codes = await Promise.all(sockets.map((socket) => once(socket, 'close').then(([code]) => code)));
  assert.deepEqual(new Set(codes), new Set([1008]));
  await eventually(
    () => plane.connections.counts().websocket === 0 && upstream.connections.size === 0,
    'everything closes',
  );
});
