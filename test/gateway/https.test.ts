/** The gateway over https: logins and headers over HTTP/1.1 and HTTP/2, server names, the redirect from http, the checks. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { stringify } from 'yaml';
import { httpsSite } from '../support/scenes/https-site.ts';
import { passwords, siteConfig } from '../support/scenes/site.ts';
import { issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';

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
    await browser.mustSignIn('agent1', passwords.agent1);
    const proxied = await browser.fetch('/bytes?n=10');
    assert.equal(proxied.headers['strict-transport-security'], 'max-age=31536000');
    // HTTP/2 has no such header: the connection is known by its absence.
    assert.equal(proxied.headers.connection, protocol === 'h2' ? undefined : 'keep-alive');
    const others = await browser.fetch('/headers?strict-transport-security=max-age%3D7');
    assert.equal(others.headers['strict-transport-security'], 'max-age=7');
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

test('https: browsers are not told to stay where the configuration says so', async (t) => {
  const { visitor } = await httpsSite(t, { server: { hsts: false } });
  const browser = visitor();
  assert.equal((await browser.open('/_gate/login')).headers['strict-transport-security'], undefined);
  assert.equal((await browser.open('/public/x')).headers['strict-transport-security'], undefined);
});

test('https: a WebSocket opens over HTTP/1.1 beside HTTP/2, and the upstream sees who it is', async (t) => {
  const { visitor, origin, port, ca, upstream } = await httpsSite(t);
  const browser = visitor('h2');
  await browser.mustSignIn('agent1', passwords.agent1);
  const socket = new WebSocket(`wss://localhost:${port}/live`, {
    ca,
    headers: { cookie: browser.cookieHeader, origin },
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  socket.send('hello');
  const [message] = await once(socket, 'message');
  assert.equal(String(message), 'hello');
  assert.deepEqual(upstream.only().values('x-remote-user'), ['agent1']);
  assert.deepEqual(upstream.only().values('x-forwarded-proto'), ['https']);
});

test('https: a reload puts other certificates in place, and refuses those that cannot serve', async (t) => {
  const certificates = testCertificates();
  const { tls, write, running, upstream, port, origin } = await httpsSite(t);
  const configured = (pair: object) => ({
    ...siteConfig(upstream.origin),
    server: { listen: `https://127.0.0.1:${port}`, publicUrl: origin, tls: pair },
  });
  const shown = async (): Promise<string> => (await tls()).getPeerX509Certificate()?.subject ?? '';
  assert.match(await shown(), /CN=good/);
  await write(configured({ ...certificates.good, key: certificates.renewed.key }));
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'failed');
  assert.match(await shown(), /CN=good/);
  await write(configured(certificates.renewed));
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
  assert.match(await shown(), /CN=renewed/);
});

test('https: the end of each certificate is a metric', async (t) => {
  const certificates = testCertificates();
  const { admin } = await httpsSite(t, { server: { tls: [certificates.good, certificates.wrongName] } });
  const text = await (await fetch(new URL('/metrics', admin))).text();
  const found = [...text.matchAll(/^gatehouse_certificate_expiry_seconds\{certificate="([^"]+)"\} (\S+)$/gm)];
  assert.deepEqual(
    found.map(([, name]) => name),
    ['good.pem', 'wrong-name.pem'],
  );
  const days = (Number(found[0]?.[2]) * 1000 - Date.now()) / 86_400_000;
  assert.ok(days > 300 && days < 400, `${days} days`);
});

const misconfigured = {
  'an https address without tls': [{ listen: 'https://127.0.0.1:8443' }, 'server.listen'],
  'tls without an https address': [{ tls: { certificate: 'a.crt', key: 'a.key' } }, 'server.tls'],
  'a certificate without its key': [
    { listen: 'https://127.0.0.1:8443', tls: { certificate: 'a.crt' } },
    'server.tls.key',
  ],
  'a bundle beside a key': [
    { listen: 'https://127.0.0.1:8443', tls: { pkcs12: 'a.p12', key: 'a.key' } },
    'server.tls.pkcs12',
  ],
  'a redirect with nowhere to go': [{ redirectHttp: true }, 'server.redirectHttp'],
} as const;

for (const [name, [server, key]] of Object.entries(misconfigured))
  test(`https: ${name} is an error at ${key}`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
    const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
    await writeFile(file, stringify({ ...base, ...siteConfig('http://127.0.0.1:1'), server }));
    const { code, stderr } = await run(['check', '--config', file]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`:\\d+:\\d+ +${key.replaceAll('.', '\\.')}(?:\\[0\\])?: `));
    assert.match(stderr, /\n1 error\n/);
  });

test('https: check names a certificate that cannot serve, and warns of one for another host', async (t) => {
  const certificates = testCertificates();
  const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
  const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
  const checked = async (tls: object) => {
    const server = { listen: 'https://127.0.0.1:8443', publicUrl: 'https://cc.example.com', tls };
    const config = siteConfig('http://127.0.0.1:1');
    const further = { location: '/', host: 'desk.example:8445', upstream: 'http://127.0.0.1:1' };
    const routes = [...(config.routes as object[]), further];
    await writeFile(file, stringify({ ...base, ...config, routes, server }));
    return run(['check', '--config', file]);
  };
  const odd = await checked({ ...certificates.good, key: certificates.renewed.key });
  assert.equal(odd.code, 1);
  assert.match(odd.stderr, /server\.tls\.key: the key in .*renewed\.key is not the key/);
  const expired = await checked(certificates.expired);
  assert.equal(expired.code, 1);
  assert.match(expired.stderr, /server\.tls: .*expired on/);
  const other = await checked(certificates.unchained);
  assert.equal(other.code, 0);
  assert.match(other.stderr, /server\.tls: no certificate is for cc\.example\.com, the host of publicUrl/);
  assert.match(other.stderr, /routes\[\d\]\.host: no certificate is for desk\.example;/);
  assert.match(other.stderr, /the chain is not complete: the certificate of "CN=intermediate/);
});
