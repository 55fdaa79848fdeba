/** A site answers under its own names: others get 421, people with the way to the right one, and a wrong host is no endless login. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const page = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Connection: close'];

test('hosts: an unknown one gets 421 and no upstream hears it; known are publicUrl’s, the routes’ and server.hosts', async (t) => {
  const { url, audit, upstream, file, write } = await site(t, {
    config: { server: { hosts: ['www.example.com', '*.branch.example'] } },
  });
  const ask = async (host: string, path = '/public/x', ...lines: string[]) =>
    sendRaw(url, requestOf([`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]));
  for (const host of [url.host, '127.0.0.1', '127.0.0.1:1', 'WWW.example.com.', 'a.branch.example:80'])
    assert.equal((await ask(host)).status, 200, host);
  const heard = upstream.received.length;
  for (const host of ['evil.example', 'branch.example', 'localhost', 'xwww.example.com']) {
    const answer = await ask(host);
    assert.equal(answer.status, 421, host);
    assert.match(answer.text, /"error":"misdirected"/);
  }
  assert.equal(upstream.received.length, heard, 'nothing reached the application');
  const { reason, status } = audit('request').at(-1) ?? {};
  assert.deepEqual([reason, status], ['host-unknown', 421]);
  const shown = await sendRaw(url, requestOf(['GET /desk?q=1 HTTP/1.1', 'Host: evil.example', ...page]));
  assert.match(shown.text, new RegExp(`href="${url.origin}/desk\\?q=1"`));
  assert.equal((await ask('evil.example', '/_gate/login')).status, 421, 'the portal too');
  assert.doesNotMatch((await run(['check', '--config', file])).stderr, /any Host/);
  await write({ ...siteConfig(upstream.origin), server: { anyHost: true } });
  assert.match((await run(['check', '--config', file])).stderr, /anyHost.*lets any Host reach applications/);
});

test('hosts: applications are told apart by the port of one host; another port of a host that has none without is unknown', async (t) => {
  const finesse = await startUpstream(t);
  const reports = await startUpstream(t);
  const { url, upstream, audit } = await site(t, {
    config: {
      routes: [
        { location: '/', host: '127.0.0.1:8445', upstream: finesse.origin, access: 'public', websocket: true },
        { location: '/', host: 'cc.test:8444', upstream: reports.origin, access: 'public' },
        { location: '/folder/', host: 'cc.test:80', upstream: reports.origin, access: 'public' },
      ],
    },
  });
  const ask = (host: string, path = '/x', ...more: string[]) =>
    sendRaw(url, requestOf([`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...more]));
  assert.equal((await ask('127.0.0.1:8445')).status, 200);
  assert.deepEqual(finesse.received.at(-1)?.values('host'), ['127.0.0.1:8445']);
  assert.equal((await ask(url.host)).status, 404, 'the public host without routes');
  assert.equal((await ask('cc.test:8444')).status, 200);
  assert.equal((await ask('cc.test', '/folder/x')).status, 200, 'without a port it is the scheme’s');
  const slash = await ask('cc.test', '/folder?a=b');
  assert.match(slash.text, /^location: \/folder\/\?a=b\r$/im, 'a redirect stays at the port');
  assert.equal(reports.received.length, 2);
  for (const host of ['cc.test:8445', 'cc.test:443', 'x.cc.test:8444'])
    assert.equal((await ask(host)).status, 421, host);
  assert.equal(audit('request').at(-1)?.reason, 'host-unknown');
  const socket = (origin: string) =>
    ask(
      '127.0.0.1:8445',
      '/x',
      'Upgrade: websocket',
      `Origin: ${origin}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Connection: Upgrade',
    );
  assert.equal((await socket(url.origin)).status, 403, 'an application at another port is another origin');
  assert.notEqual((await socket('http://127.0.0.1:8445')).status, 403);
  assert.equal(upstream.received.length, 0);
});

test('hosts: with anyHost every name is taken, as it was', async (t) => {
  const { url } = await site(t, { config: { server: { anyHost: true } } });
  const answer = await sendRaw(url, requestOf(['GET /public/x HTTP/1.1', 'Host: any.example', 'Connection: close']));
  assert.equal(answer.status, 200);
});

test('hosts: a login without a cookie, or under another name, says what is wrong, on the page and in the audit', async (t) => {
  const { url, audit } = await site(t, { config: { server: { hosts: ['localhost'] } } });
  const blocked = new Visitor(url);
  const form = hiddenFields((await blocked.open('/_gate/login')).text);
  blocked.cookies.clear();
  const fields = { ...form, username: 'agent1', password: 'right-4417-horse' };
  const refused = await blocked.post('/_gate/login', fields);
  assert.equal(refused.status, 400);
  assert.match(refused.text, /Your browser sent no cookie/);
  assert.doesNotMatch(refused.text, /took too long/);
  const other = new Visitor(new URL(`http://localhost:${url.port}`));
  const elsewhere = hiddenFields((await other.open('/_gate/login')).text);
  assert.equal((await other.post('/_gate/login', { ...fields, ...elsewhere })).status, 400);
  const logins = audit('login').map(({ outcome, reason, user }) => ({ outcome, reason, user }));
  assert.deepEqual(logins, [
    { outcome: 'failed', reason: 'cookie-missing', user: 'agent1' },
    { outcome: 'failed', reason: 'host-unknown', user: 'agent1' },
  ]);
  assert.equal(audit('request').at(-1)?.reason, 'host-unknown');
});
