/** The gateway over https: the same logins, headers and bodies over HTTP/1.1 and HTTP/2, and what only HTTP/2 can send. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { issueCertificate, testCertificates } from '../support/certificates.ts';
import { freePort } from '../support/gateway.ts';
import { ask, httpsSite } from '../support/https-site.ts';
import { until } from '../support/poll.ts';
import { passwords } from '../support/site.ts';

for (const protocol of ['h1', 'h2'] as const) {
  test(`https: signing in over ${protocol} sets a __Host- cookie that is Secure, and the upstream learns who it is`, async (t) => {
    const { upstream, visitor } = await httpsSite(t);
    const browser = visitor(protocol);
    const page = await browser.open('/_gate/login?return=%2Fdesk');
    assert.equal(page.status, 200);
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
    const answer = await browser.signIn('agent1', passwords.agent1, '/desk');
    assert.equal(answer.status, 303);
    const cookie = [answer.headers['set-cookie'] ?? []].flat().find((line) => line.startsWith('__Host-gatehouse='));
    assert.match(cookie ?? '', /; Secure/);
    assert.equal((await browser.open('/desk')).status, 200);
    assert.deepEqual(upstream.only().values('x-remote-user'), ['agent1']);
    assert.deepEqual(upstream.only().values('x-forwarded-proto'), ['https']);
    assert.deepEqual(upstream.only().values('cookie'), []);
  });

  test(`https: answers over ${protocol} tell browsers to stay on https, unless an upstream says it itself`, async (t) => {
    const { visitor } = await httpsSite(t);
    const browser = visitor(protocol);
    const own = await browser.open('/_gate/login');
    assert.equal(own.headers['strict-transport-security'], 'max-age=31536000');
    const proxied = await browser.open('/public/bytes');
    assert.equal(proxied.headers['strict-transport-security'], 'max-age=31536000');
    const spoken = await browser.open('/public/x');
    assert.equal(spoken.status, 200);
    const others = await browser.fetch('/headers/?strict-transport-security=max-age%3D7');
    assert.equal(others.status, 401);
  });
}

test('https: a server name gets the certificate that is good for it, any other the first', async (t) => {
  const certificates = testCertificates();
  const wildcard = issueCertificate('sni-wildcard', 'DNS:*.apps.example.com');
  const { tls } = await httpsSite(t, { server: { tls: [certificates.good, certificates.wrongName, wildcard] } });
  const shown = async (servername: string): Promise<string> =>
    (await tls({ servername })).getPeerX509Certificate()?.subject ?? '';
  assert.match(await shown('localhost'), /CN=good/);
  assert.match(await shown('OTHER.example.com'), /CN=wrong-name/);
  assert.match(await shown('a.apps.example.com'), /CN=sni-wildcard/);
  assert.match(await shown('a.b.apps.example.com'), /CN=good/);
  assert.match(await shown('unknown.example.com'), /CN=good/);
});

test('https: TLS 1.1 and ciphers without forward secrecy are refused', async (t) => {
  const { port } = await httpsSite(t);
  const { connect } = await import('node:tls');
  const attempt = (options: object): Promise<string> =>
    new Promise((resolve) => {
      const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
      socket
        .once('secureConnect', () => resolve(socket.getProtocol() ?? ''))
        .once('error', (error: NodeJS.ErrnoException) => resolve(`${error.code}`));
      t.after(() => socket.destroy());
    });
  assert.match(
    await attempt({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    /ERR_SSL|EPROTO|ECONNRESET/,
  );
  assert.match(
    await attempt({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES256-GCM-SHA384' }),
    /ERR_SSL|EPROTO|ECONNRESET/,
  );
  assert.equal(await attempt({ maxVersion: 'TLSv1.2' }), 'TLSv1.2');
  assert.equal(await attempt({}), 'TLSv1.3');
});

test('https: plain http only sends browsers to the public address, with the path that was asked for', async (t) => {
  const [plain, secure] = [await freePort(), await freePort()];
  const { upstream, audit } = await httpsSite(t, {
    server: {
      listen: [`https://127.0.0.1:${secure}`, `http://127.0.0.1:${plain}`],
      publicUrl: 'https://cc.example.com',
      redirectHttp: true,
    },
  });
  const go = async (method: string, path: string, host: string, more: Record<string, string> = {}) => {
    const request = httpRequest({ port: plain, host: '127.0.0.1', method, path, headers: { host, ...more } }).end();
    const [answer] = await once(request, 'response');
    answer.resume();
    return {
      status: answer.statusCode,
      location: answer.headers.location,
      hsts: answer.headers['strict-transport-security'],
    };
  };
  assert.deepEqual(await go('GET', '/public/a?b=c', 'evil.example'), {
    status: 301,
    location: 'https://cc.example.com/public/a?b=c',
    hsts: undefined,
  });
  assert.deepEqual(await go('POST', '/public/', 'x'), {
    status: 308,
    location: 'https://cc.example.com/public/',
    hsts: undefined,
  });
  assert.equal((await go('GET', '//evil.example/..', 'x')).location, 'https://cc.example.com/');
  assert.equal((await go('GET', '/a%00b', 'x')).status, 400);
  assert.equal((await go('GET', '/ws', 'x', { upgrade: 'websocket', connection: 'Upgrade' })).status, 301);
  assert.equal(upstream.received.length, 0);
  assert.equal(audit('request').filter(({ verdict }) => verdict === 'redirect').length, 4);
});

test('https over HTTP/2: what the client says of itself reaches no upstream, and the Host is its :authority', async (t) => {
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
  test(`https over HTTP/2: ${name} is refused`, async (t) => {
    const { http2, upstream } = await httpsSite(t);
    const { status, code } = await ask(http2(), headers);
    assert.ok(status === 400 || (status === 0 && code !== 0), `answered with ${status} (${code})`);
    assert.equal(upstream.received.length, 0);
  });

test('https over HTTP/2: bodies with and without a length arrive whole, and a request without one has none', async (t) => {
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

test('https over HTTP/2: a big answer arrives whole while others are answered beside it', async (t) => {
  const { http2 } = await httpsSite(t);
  const session = http2();
  const [big, ...small] = await Promise.all([
    ask(session, { ':path': '/public/../public/bytes?n=0' }),
    ...Array.from({ length: 50 }, (_, index) => ask(session, { ':path': `/public/${index}` })),
  ]);
  assert.equal(big?.status, 200);
  assert.ok(small.every(({ status }) => status === 200));
});

test('https over HTTP/2: a client that leaves in the middle of its body leaves no complete request behind', async (t) => {
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

test('https over HTTP/2: an answer that comes before the body is through arrives whole, and the client may stop', async (t) => {
  const { http2 } = await httpsSite(t, { config: { routes: [] } }).catch(() => httpsSite(t));
  const session = http2();
  const stream = session.request({ ':method': 'POST', ':path': '/_gate/nowhere' });
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 404);
  stream.resume();
  await once(stream, 'close');
  assert.equal(stream.rstCode, 0);
});

test('https over HTTP/2: Expect is answered here and goes no further', async (t) => {
  const { http2, upstream } = await httpsSite(t);
  const session = http2();
  const answer = await ask(session, { ':method': 'POST', ':path': '/public/x', expect: '100-continue' }, 'body');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.informational, [100]);
  assert.deepEqual(upstream.only().values('expect'), []);
  assert.equal((await ask(session, { ':method': 'POST', ':path': '/public/x', expect: 'cake' }, 'body')).status, 417);
});

test('https over HTTP/2: HEAD has the headers and no body, and errors of ours are JSON to programs', async (t) => {
  const { http2 } = await httpsSite(t);
  const session = http2();
  const head = await ask(session, { ':method': 'HEAD', ':path': '/public/x' });
  assert.deepEqual([head.status, head.text], [200, '']);
  assert.equal(head.headers['content-type'], 'application/json');
  const nothing = await ask(session, { ':path': '/closed/', accept: 'application/json' });
  assert.deepEqual([nothing.status, JSON.parse(nothing.text).error], [403, 'access-denied']);
  assert.equal((await ask(session, { ':path': '/_gate/nowhere' })).status, 404);
});

test('https over HTTP/2: a drain lets requests under way finish and takes no new ones', async (t) => {
  const { http2, running, stop, upstream } = await httpsSite(t);
  const session = http2();
  await once(session, 'remoteSettings');
  const slow = ask(session, { ':path': '/public/slow' });
  await until('the request is under way', () => upstream.connections.size > 0);
  const stopped = stop();
  assert.equal((await slow).status, 200);
  await stopped;
  assert.equal(running.addresses.length, 1);
  assert.equal(session.closed, true);
});
