/** Connections of the lane to one server: who waits for one is served as soon as there is room. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { UpstreamSockets } from '../../../src/proxy/lane/upstream-sockets.ts';

async function server(t: TestContext): Promise<{ url: URL; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => {
    listening.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: new URL(`http://127.0.0.1:${(listening.address() as AddressInfo).port}`), sockets };
}

test('upstream sockets: the one that was used last is given first, and a dead one never', async (t) => {
  const { url, sockets } = await server(t);
  const pool = new UpstreamSockets({ url, connectTimeout: 5000, max: 10 });
  const [one, two] = [await pool.open(), await pool.open()];
  pool.release(one);
  pool.release(two);
  assert.equal(pool.takeIdle(), two);
  const ended = once(one.socket, 'close');
  for (const socket of sockets) socket.destroy();
  await ended;
  assert.equal(pool.takeIdle(), undefined);
});

test('upstream sockets: who waits at the bound gets the next one that is free, or a new one where one has ended', async (t) => {
  const { url } = await server(t);
  const pool = new UpstreamSockets({ url, connectTimeout: 5000, max: 1 });
  const first = await pool.open();
  const second = pool.open();
  pool.release(first);
  assert.equal(await second, first);
  const third = pool.open();
  first.socket.destroy();
  const fresh = await third;
  assert.notEqual(fresh, first);
  const fourth = pool.open();
  fresh.socket.destroy();
  pool.release(fresh);
  assert.notEqual(await fourth, fresh, 'a dead one is given to nobody');
  pool.close();
  await assert.rejects(pool.open(), { code: 'UND_ERR_CLOSED' });
});

test('upstream sockets: a connection that cannot be made fails, and so does who waited behind it, each by itself', async (t) => {
  const { url } = await server(t);
  const closed = new URL(url);
  closed.port = '1';
  const pool = new UpstreamSockets({ url: closed, connectTimeout: 5000, max: 1 });
  const [one, two] = await Promise.allSettled([pool.open(), pool.open()]);
  assert.deepEqual([one.status, two.status], ['rejected', 'rejected']);
  assert.equal(two.status === 'rejected' && two.reason.code, 'ECONNREFUSED');
});

test('upstream sockets: bytes that nobody has asked for end a connection', async (t) => {
  const { url, sockets } = await server(t);
  const pool = new UpstreamSockets({ url, connectTimeout: 5000, max: 10 });
  const one = await pool.open();
  pool.release(one);
  const ended = once(one.socket, 'close');
  while (sockets.size === 0) await new Promise(setImmediate);
  for (const socket of sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  await ended;
  assert.equal(pool.takeIdle(), undefined);
});

test('upstream sockets: one that a slow client has paused brings the next request its answer', async (t) => {
  const { url, sockets } = await server(t);
  const pool = new UpstreamSockets({ url, connectTimeout: 5000, max: 10 });
  const one = await pool.open();
  one.socket.pause();
  pool.release(one);
  const next = pool.takeIdle();
  assert.equal(next, one);
  const answer = new Promise<string>((resolve) => {
    one.events = { onData: (chunk) => resolve(String(chunk)), onDrain() {}, onTimeout() {}, onEnd() {} };
  });
  while (sockets.size === 0) await new Promise(setImmediate);
  for (const socket of sockets) socket.write('an answer');
  assert.equal(await Promise.race([answer, delay(5000, 'silence', { ref: false })]), 'an answer');
});
