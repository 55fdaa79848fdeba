/** Requests by way of a forward proxy: a real one, and ones that are dead, frozen and lying. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Failure } from '../../src/core/failure.ts';
import { HttpClient } from '../../src/remote/http-client.ts';
import { networkFailure } from '../../src/remote/network-error.ts';
import { outboundProxy } from '../../src/remote/proxy-options.ts';
import { readAuthorities } from '../../src/tls/authorities.ts';
import { needsTinyproxy, startTinyproxy } from '../support/servers/tinyproxy.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';

/** A server in clear and one over TLS; what they were asked for. */
async function servers(t: TestContext, certificate = testCertificates().good) {
  const seen: string[] = [];
  const answer: Parameters<typeof createServer>[1] = (request, response) => {
    seen.push(
      `${request.method} ${request.url} host ${request.headers.host} proxy ${request.headers['proxy-authorization']}`,
    );
    response.setHeader('content-encoding', 'gzip').end(gzipSync('hello'));
  };
  const files = { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) };
  const [plain, secure] = [createServer(answer), createHttpsServer(files, answer)];
  for (const server of [plain, secure]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
  }
  const portOf = (server: typeof plain) => (server.address() as AddressInfo).port;
  return { http: `http://127.0.0.1:${portOf(plain)}`, https: `https://127.0.0.1:${portOf(secure)}`, seen };
}

function clientOf(
  t: TestContext,
  proxy: unknown,
  { timeout = 4000, keepAlive = false, ca = testCertificates().ca } = {},
) {
  const setting = outboundProxy().parse(proxy);
  const http = new HttpClient({ ca: readAuthorities(ca), timeout, keepAlive, outboundProxy: setting });
  t.after(() => http.close());
  return http;
}

/** A proxy that does with each connection what it is told. */
async function fakeProxy(t: TestContext, meet: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    meet(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error: unknown = await work.then(
    () => assert.fail('it went through'),
    (reason: unknown) => reason,
  );
  const failure = error instanceof Failure ? error : networkFailure(error, 'the server');
  assert.ok(failure, String(error));
  return failure;
}

test(
  'proxy: https goes through a tunnel and http in absolute form, on kept connections too',
  needsTinyproxy,
  async (t) => {
    const { http, https, seen } = await servers(t);
    const proxy = await startTinyproxy(t);
    const client = clientOf(t, proxy.url, { keepAlive: true });
    for (const url of [`${http}/a?b=c`, `${https}/a?b=c`, `${https}/again`]) {
      const { status, body } = await client.request(url, {});
      assert.deepEqual([status, body.toString()], [200, 'hello'], url);
    }
    const hosts = [http, https].map((origin) => new URL(origin).host);
    assert.deepEqual(seen, [
      `GET /a?b=c host ${hosts[0]} proxy undefined`,
      `GET /a?b=c host ${hosts[1]} proxy undefined`,
      `GET /again host ${hosts[1]} proxy undefined`,
    ]);
    assert.deepEqual(proxy.requests(), [`GET ${http}/a?b=c`, `CONNECT ${hosts[1]}`]);
  },
);

test('proxy: its credentials go to it alone, and what it refuses is said to be its own', needsTinyproxy, async (t) => {
  const { http, https, seen } = await servers(t);
  const proxy = await startTinyproxy(t, { user: 'gate', password: 'pw4b1c' });
  for (const url of [http, https]) assert.equal((await clientOf(t, proxy.url).request(url, {})).status, 200);
  assert.deepEqual(
    seen.map((line) => line.replace(/.* proxy /, '')),
    ['undefined', 'undefined'],
  );
  // Of a request that it passes on, tinyproxy refuses wrong credentials as a server would.
  for (const wrong of [proxy.origin, proxy.url.replace('pw4b1', 'another')])
    for (const url of wrong === proxy.origin ? [http, https] : [https]) {
      const { reason, message, hint } = await failureOf(clientOf(t, wrong).request(`${url}/x?code=secret`, {}));
      assert.equal(reason, 'misconfigured');
      assert.match(
        message,
        new RegExp(`^the proxy ${proxy.origin}: (?:CONNECT|GET) .*credentials \\(40[17]\\) \\(after \\d+ ms\\)$`),
      );
      assert.doesNotMatch(message + hint, /secret|pw4b1|another/);
    }
});

test('proxy: a certificate is judged through a tunnel as without one', needsTinyproxy, async (t) => {
  const proxy = await startTinyproxy(t);
  const { other, expired } = { other: testCertificates().otherCa, expired: testCertificates().expired };
  const good = await servers(t);
  assert.equal((await failureOf(clientOf(t, proxy.url, { ca: other }).request(good.https, {}))).reason, 'tls-failed');
  const late = await servers(t, expired);
  const failure = await failureOf(clientOf(t, proxy.url).request(late.https, {}));
  assert.equal(failure.reason, 'tls-failed');
  assert.match(failure.message, new RegExp(`^127.0.0.1:\\d+ through the proxy ${proxy.origin}: TLS: `));
  assert.equal(late.seen.length + good.seen.length, 0);
});

test(
  'proxy: one that may not, or cannot, reach the server is told from one that is dead',
  needsTinyproxy,
  async (t) => {
    const proxy = await startTinyproxy(t, { ports: [443] });
    const { https } = await servers(t);
    const refused = await failureOf(clientOf(t, proxy.url).request(https, {}));
    assert.equal(refused.reason, 'misconfigured');
    assert.match(refused.message, /it answers 403/);
    const open = await startTinyproxy(t);
    const nobody = `https://127.0.0.1:${await freePort()}`;
    const far = await failureOf(clientOf(t, open.url).request(nobody, {}));
    assert.equal(far.reason, 'unreachable');
    assert.match(far.message, new RegExp(`^the proxy ${open.origin}: CONNECT 127.0.0.1`));
    const dead = `http://127.0.0.1:${await freePort()}`;
    for (const url of [https, 'http://127.0.0.1:1/']) {
      const { reason, message, hint } = await failureOf(clientOf(t, dead).request(url, {}));
      assert.equal(reason, 'unreachable');
      assert.match(
        message,
        new RegExp(`^the proxy ${dead}: connect: nothing listens on that port \\(after \\d+ ms\\)$`),
      );
      assert.match(hint ?? '', /the proxy is that of outboundProxy/);
    }
  },
);

const liars: Readonly<Record<string, readonly [meet: (socket: Socket) => void, reason: string, says: RegExp]>> = {
  'is silent': [(socket) => void socket.resume(), 'timed-out', /(?:CONNECT|GET) .*: no answer within \d+ ms/],
  'hangs up': [(socket) => void socket.end(), 'unreachable', /(?:CONNECT|GET) /],
  'speaks something else': [(socket) => void socket.write('220 smtp ready\r\n'), 'protocol-error', /is not HTTP/],
  'never ends its head': [
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const pour = setInterval(() => socket.write(`x-line: ${'y'.repeat(4000)}\r\n`), 2);
      socket.once('close', () => clearInterval(pour));
    },
    'protocol-error',
    /too large|more than the head/,
  ],
  'answers for the server': [
    (socket) => void socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n\u0015\u0003\u0001 you are in')),
    'protocol-error',
    /more than the head/,
  ],
  'opens a tunnel to nowhere': [
    (socket) => void socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n')),
    'timed-out',
    /through the proxy .*: TLS: no answer/,
  ],
};
for (const [what, [meet, reason, says]] of Object.entries(liars))
  test(`proxy: one that ${what} is named, with its step`, async (t) => {
    const origin = await fakeProxy(t, meet);
    const isForTunnels = /tunnel|server/.test(what);
    for (const url of ['https://127.0.0.1:9/', ...(isForTunnels ? [] : ['http://127.0.0.1:9/path'])]) {
      const failure = await failureOf(clientOf(t, origin, { timeout: 1000 }).request(url, {}));
      assert.match(failure.message, new RegExp(`the proxy ${origin}`));
      assert.match(failure.message, says);
      assert.equal(failure.reason, reason, failure.message);
    }
  });

test('proxy: one over https must have a certificate that this machine trusts', async (t) => {
  const { https } = await servers(t);
  const origin = https.replace('127.0.0.1', 'localhost');
  const { reason, message, hint } = await failureOf(clientOf(t, origin).request(https, {}));
  assert.equal(reason, 'tls-failed');
  assert.match(message, new RegExp(`^the proxy ${origin}: connect: `));
  assert.match(hint ?? '', /judged by the CAs of this machine, not by ca/);
});

test('proxy: a client that is closed leaves no connection under way', async (t) => {
  const gone = Promise.withResolvers<void>();
  const met = Promise.withResolvers<void>();
  const origin = await fakeProxy(t, (socket) => {
    socket.resume().once('close', () => gone.resolve());
    met.resolve();
  });
  const client = clientOf(t, origin, { timeout: 60_000 });
  const lost = client.request('https://127.0.0.1:9/', {}).catch(() => 'lost');
  await met.promise;
  await client.close();
  assert.equal(await lost, 'lost');
  await gone.promise;
});
