/** Routes that the gateway answers by itself: who may hear the answer, over what, and what is written down of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { formatIssues } from '../../src/config/report.ts';
import { documentSchema } from '../../src/gateway/document.ts';
import { httpsSite } from '../support/scenes/https-site.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';

const uri = `\${uri}`;
const routes = [
  { name: 'root', location: '= /', redirect: '/ccagent/' },
  { name: 'moved', location: '/old/', redirect: { to: `https://new.example${uri}`, status: 308 }, access: 'public' },
  { name: 'ping', location: '= /ping', respond: { body: 'pöng' }, access: 'public' },
  { name: 'empty', location: '= /empty', respond: { status: 204 }, access: 'public' },
  { name: 'admin', location: '= /admin', respond: { body: 'admins' }, access: { roles: ['supervisor'] } },
  { name: 'gone', location: '= /gone', respond: { status: 410, body: 'gone' }, access: 'public' },
  { name: 'shut', location: '= /shut', redirect: '/elsewhere', access: 'deny' },
];

function answering(t: TestContext): Promise<Site> {
  return site(t, { config: { routes, server: { trustedProxies: ['127.0.0.1'] } } });
}

test('fixed answers: access comes first, as on any route, and each is in audit and metrics (9 B6)', async (t) => {
  const started = await answering(t);
  const visitor = started.visitor();
  const page = { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } };
  assert.match(String((await visitor.fetch('/', page)).headers.location), /^\/_gate\/login\?return=%2F/);
  assert.equal((await visitor.fetch('/admin')).status, 401);
  assert.equal((await visitor.fetch('/shut')).status, 403);
  const moved = await visitor.fetch('/old/%61?x=1', { method: 'POST', body: 'a=b' });
  assert.deepEqual([moved.status, moved.headers.location], [308, 'https://new.example/old/a?x=1']);
  const ping = await visitor.fetch('/ping');
  assert.deepEqual([ping.status, ping.text, ping.headers['content-type']], [200, 'pöng', 'text/plain; charset=utf-8']);
  const head = await visitor.fetch('/ping', { method: 'HEAD' });
  assert.deepEqual([head.text, head.headers['content-length']], ['', '5']);
  const empty = await visitor.fetch('/empty');
  assert.deepEqual([empty.status, empty.headers['content-length']], [204, undefined]);

  await visitor.mustSignIn('agent1', passwords.agent1);
  const root = await visitor.fetch('/');
  assert.deepEqual([root.status, root.headers.location], [302, '/ccagent/']);
  assert.equal((await visitor.fetch('/admin')).status, 403);
  assert.equal(started.upstream.received.length, 0);
  const [record] = started.audit('request').filter(({ route, user }) => route === 'root' && user === 'agent1');
  assert.deepEqual([record?.verdict, record?.status], ['answer', 302]);
  const metrics = await (await fetch(new URL('/metrics', started.admin))).text();
  assert.match(metrics, /^gatehouse_requests_total\{[^}]*route="moved",verdict="answer"[^}]*\} 1$/m);
});

test('fixed answers: the same over HTTP/2, and a WebSocket finds none (9 B6)', async (t) => {
  const started = await httpsSite(t, { config: { routes } });
  const stream = started.http2().request({ ':path': '/old/x' });
  const [headers] = await once(stream, 'response');
  assert.deepEqual([headers[':status'], headers.location], [308, 'https://new.example/old/x']);
  const socket = await started.tls();
  const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13';
  socket.write(
    `GET /ping HTTP/1.1\r\nHost: localhost:${started.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`,
  );
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 400 /);
});

test('fixed answers: a front proxy is never given one that it would take for a permission (9 B6)', async (t) => {
  const started = await answering(t);
  const visitor = started.visitor();
  const check = (uri: string, query = '') =>
    visitor.fetch(`/_gate/auth${query}`, { headers: { 'x-original-uri': uri, 'x-original-method': 'GET' } });
  const pass = (uri: string) =>
    visitor.fetch('/_gate/auth', {
      headers: { 'x-forwarded-uri': uri, 'x-forwarded-method': 'GET', 'x-forwarded-host': started.url.host },
    });
  for (const path of ['/ping', '/empty', '/old/x', '/gone']) assert.equal((await check(path)).status, 403, path);
  for (const path of ['/ping', '/empty']) assert.equal((await pass(path)).status, 403, path);
  assert.equal((await pass('/gone')).status, 410);
  assert.equal((await pass('/old/x')).headers.location, 'https://new.example/old/x');
  const page = (path: string) =>
    visitor.fetch('/_gate/auth?answer=again', {
      headers: { 'x-forwarded-uri': path, 'x-forwarded-method': 'GET', 'x-forwarded-host': started.url.host },
    });
  assert.equal((await page('/ping')).text, 'pöng');
  assert.equal((await page('/')).status, 401);
  await visitor.mustSignIn('agent1', passwords.agent1);
  assert.equal((await page('/')).headers.location, `${started.url.origin}/ccagent/`);
});

test('fixed answers: explain says what is answered, and to whom (9 B6)', async (t) => {
  const started = await answering(t);
  const explain = (...words: string[]) => run(['explain', '--config', started.file, ...words]);
  const root = await explain('--user', 'agent1', '--url', '/');
  assert.equal(root.code, 0);
  assert.match(root.stdout, /^redirect +302 to \/ccagent\/$/m);
  assert.match(root.stdout, /^decision +permit: 302 to \/ccagent\/$/m);
  assert.match((await explain('--user', 'agent1', '--url', '/admin')).stdout, /^decision +403: role-missing$/m);
});

const written: readonly (readonly [route: string, said: RegExp])[] = [
  ['location: /', /routes\[0\]\.upstream.*is missing[\s\S]*or redirect:, or respond:/],
  ['location: /, upstream: "http://a", redirect: /x', /routes\[0\]\.redirect.*stands beside upstream/],
  ['location: /, upstream: "http://a", respond: {}', /routes\[0\]\.respond.*stands beside upstream/],
  ['location: /, redirect: /x, respond: {}', /routes\[0\]\.respond.*stands beside redirect/],
  ['location: /, redirect: /x, websocket: true', /routes\[0\]\.websocket.*is about an application/],
  ['location: /, respond: {}, headers: { X-A: b }', /routes\[0\]\.headers.*is about an application/],
  ['location: /, respond: {}, preserveHost: false', /routes\[0\]\.preserveHost.*is about an application/],
  ['location: "= /a", redirect: /a', /routes\[0\]\.redirect.*leads to its own location/],
  ['location: /, redirect: [/a]', /routes\[0\]\.redirect.*must be a path/],
  ['location: /, redirect: { to: /a, status: 200 }', /routes\[0\]\.redirect.*302/],
  ['location: /, respond: ok', /routes\[0\]\.respond.*must be a mapping/],
];

for (const [route, said] of written)
  test(`fixed answers: { ${route} } is an error at its place (9 B6)`, () => {
    const text = `login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes:\n  - { ${route} }\n`;
    const result = loadConfig({ schema: documentSchema, file: 'gatehouse.yaml', text, env: {} });
    assert.equal(result.kind, 'invalid');
    const issues = result.kind === 'invalid' ? result.issues : [];
    assert.match(formatIssues(issues), said);
    assert.match(formatIssues(issues), /gatehouse\.yaml:4/);
  });
