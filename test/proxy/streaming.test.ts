/** Big bodies: streamed, never held, as fast as the slower side takes them. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually, startDataPlane, testRoute } from '../support/scenes/data-plane.ts';
import { startUpstream } from '../support/servers/upstream.ts';

const megabyte = 1024 * 1024;
const size = 160 * megabyte;
/** Brings the process to the size that it keeps, whatever comes after. */
const warmUp = 96 * megabyte;
/** What garbage collection leaves lying about; a held body would be far more than that. */
const allowance = 64 * megabyte;

/** The data plane in a process of its own, so that its memory can be told from the test's. */
async function startChild(t: TestContext, origin: string): Promise<{ port: number; rss: () => Promise<number> }> {
  const child = fork(new URL('../support/scenes/data-plane-process.ts', import.meta.url), [origin], {
    stdio: 'inherit',
  });
  t.after(() => child.kill());
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const rss = async (): Promise<number> => {
    child.send('rss');
    const [answer] = (await once(child, 'message')) as [{ rss: number }];
    return answer.rss;
  };
  return { port, rss };
}

for (const framing of ['with its length', 'in chunks'] as const)
  test(`streaming: an upload of 160 MB ${framing} passes whole and is not held`, async (t) => {
    const upstream = await startUpstream(t);
    const plane = await startChild(t, upstream.origin);
    const block = randomBytes(megabyte);
    const upload = async (length: number): Promise<{ peak: number; sha256: string }> => {
      const hash = createHash('sha256');
      const headers = framing === 'in chunks' ? {} : { 'content-length': length };
      const request = httpRequest({ host: '127.0.0.1', port: plane.port, path: '/sink', method: 'PUT', headers });
      const answered = once(request, 'response') as Promise<[IncomingMessage]>;
      let peak = 0;
      for (let sent = 0; sent < length; sent += block.length) {
        hash.update(block);
        if (!request.write(block)) await once(request, 'drain');
        if (sent % (16 * megabyte) === 0) peak = Math.max(peak, await plane.rss());
      }
      request.end();
      const [response] = await answered;
      response.resume();
      assert.equal(response.statusCode, 200);
      return { peak, sha256: hash.digest('hex') };
    };
    await upload(warmUp);
    const before = await plane.rss();
    const { peak, sha256 } = await upload(size);
    assert.deepEqual(upstream.received.at(-1)?.body, { bytes: size, sha256 });
    assert.ok(peak - before < allowance, `memory grew by ${Math.round((peak - before) / megabyte)} MB`);
  });

test('streaming: a download of 160 MB passes whole and is not held', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startChild(t, upstream.origin);
  const download = async (length: number): Promise<number> => {
    const request = httpRequest({ host: '127.0.0.1', port: plane.port, path: `/bytes?n=${length}` }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let bytes = 0;
    let peak = 0;
    let asked = 0;
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes - asked <= 16 * megabyte) continue;
      asked = bytes;
      peak = Math.max(peak, await plane.rss());
    }
    assert.equal(bytes, length);
    assert.equal(response.headers['content-length'], String(length));
    return peak;
  };
  await download(warmUp);
  const before = await plane.rss();
  const peak = await download(size);
  assert.ok(peak - before < allowance, `memory grew by ${Math.round((peak - before) / megabyte)} MB`);
});

test('streaming: a client that does not read slows the upstream down', async (t) => {
  let written = 0;
  const upstream = await startUpstream(t, {
    answer: (_request, response) => {
      const block = Buffer.alloc(megabyte);
      const push = (): void => {
        while (written < size && !response.destroyed) {
          written += block.length;
          if (!response.write(block)) return;
        }
      };
      response.on('drain', push);
      push();
    },
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const socket = connect(plane.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined).pause();
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => written > 0, 'the upstream writes');
  const settled = async (): Promise<void> => {
    const before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (written !== before) await settled();
  };
  await settled();
  assert.ok(written < 32 * megabyte, `${written / megabyte} MB went into a client that does not read`);
});

test('streaming: an upstream that does not read slows the client down', async (t) => {
  const upstream = await startUpstream(t, { answer: (request) => void setImmediate(() => request.pause()) });
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { timeouts: { connect: 30_000, response: 60_000, idle: 60_000 } }),
  });
  const request = httpRequest({ host: '127.0.0.1', port: plane.port, method: 'POST' });
  t.after(() => request.destroy());
  request.on('error', () => undefined);
  const block = Buffer.alloc(megabyte);
  let sent = 0;
  let isBlocked = false;
  while (sent < size && !isBlocked) {
    sent += block.length;
    if (!request.write(block))
      isBlocked = await Promise.race([
        once(request, 'drain').then(() => false),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 400)),
      ]);
  }
  assert.ok(isBlocked && sent < 32 * megabyte, `${sent / megabyte} MB went into an upstream that does not read`);
});
