/** The one HTTP client: bounded whatever a server sends, and no redirect followed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Failure } from '../../src/core/failure.ts';
import { HttpClient } from '../../src/remote/http-client.ts';

async function clientOf(t: TestContext, answer: RequestListener, timeout = 2000) {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const http = new HttpClient({ ca: undefined, timeout, keepAlive: false });
  t.after(async () => {
    await http.close();
    server.closeAllConnections();
    server.close();
  });
  return { http, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/path?ticket=ST-secret` };
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Failure && error.reason === 'protocol-error' && /path: the answer is too large/.test(error.message);

const zeros = Buffer.alloc(50 * 1024 * 1024);
const bombs = { gzip: gzipSync(zeros), deflate: deflateSync(zeros), br: brotliCompressSync(zeros) };
for (const [encoding, bomb] of Object.entries(bombs))
  test(`http: a bomb in ${encoding} is refused by what it unpacks to`, async (t) => {
    assert.ok(bomb.length < 1024 * 1024, 'on the wire it is within the bound');
    const { http, url } = await clientOf(t, (_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(bomb),
    );
    await assert.rejects(http.request(url, {}), isTooLarge);
    await assert.rejects(http.fetch(url, {}), isTooLarge);
  });

test('http: an answer without end is refused, plain as it is', async (t) => {
  const { http, url } = await clientOf(t, (_request, response) => {
    const pour = (): void =>
      void (response.write(Buffer.alloc(65_536)) ? setImmediate(pour) : response.once('drain', pour));
    pour();
  });
  await assert.rejects(http.request(url, {}), isTooLarge);
});

test('http: what is packed unasked is unpacked, and what cannot be is refused without a word of the query', async (t) => {
  const { http, url } = await clientOf(t, (request, response) => {
    assert.equal(request.headers['accept-encoding'], 'identity');
    const encoding = request.headers['x-encoding'] as string;
    response.writeHead(200, { 'content-encoding': encoding }).end(encoding === 'gzip' ? gzipSync('hello') : 'hello');
  });
  const ask = (encoding: string) => http.request(url, { headers: { 'x-encoding': encoding } });
  assert.equal((await ask('gzip')).body.toString(), 'hello');
  for (const encoding of ['deflate', 'zstd', 'gzip, gzip', 'constructor'])
    await assert.rejects(ask(encoding), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.reason, 'protocol-error');
      assert.ok(!error.message.includes('secret'), error.message);
      return true;
    });
});

test('http: a redirect is an answer, and a server that does not end is left at the limit', async (t) => {
  const { http, url } = await clientOf(
    t,
    (request, response) => {
      if (request.url?.startsWith('/slow')) response.writeHead(200).write('begun');
      else response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    },
    500,
  );
  const answer = await http.fetch(url, { method: 'POST', body: new URLSearchParams({ a: 'b' }) });
  assert.deepEqual([answer.status, answer.headers.get('location')], [302, 'http://127.0.0.1:1/']);
  await assert.rejects(http.request(new URL('/slow', url), {}), { name: 'TimeoutError' });
});
