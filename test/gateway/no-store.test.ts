/** No cache keeps what the gateway itself answers: redirects, JSON, pages, refusals of what is no request, over every connection. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { ask, httpsSite } from '../support/scenes/https-site.ts';
import { passwords, site } from '../support/scenes/site.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const nowhere = 'http://127.0.0.1:1';
const page = ['Accept: text/html', 'Sec-Fetch-Mode: navigate'];
const socket = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

/** What is sent, with the agent's session where `isKnown`, and the status of the answer. */
interface Case {
  readonly line: string;
  readonly lines?: readonly string[];
  readonly isKnown?: boolean;
  readonly host?: string;
  readonly status: number;
}

const cases: Readonly<Record<string, Case>> = {
  'the way to the login': { line: 'GET /desk', lines: page, status: 302 },
  'a form that is not kept': { line: 'POST /desk', lines: [...page, 'Content-Length: 0'], status: 401 },
  'the login page': { line: 'GET /_gate/login', lines: page, status: 200 },
  'a script without a session': { line: 'GET /api', status: 401 },
  'a WebSocket without a session': { line: 'GET /live', lines: socket, status: 401 },
  'a script that may not': { line: 'GET /admin', isKnown: true, status: 403 },
  'a person who may not': { line: 'GET /admin', lines: page, isKnown: true, status: 403 },
  'who the user is': { line: 'GET /_gate/session', isKnown: true, status: 200 },
  'the page that signs out': { line: 'GET /_gate/logout', lines: page, isKnown: true, status: 200 },
  'an application that is away': { line: 'GET /desk', isKnown: true, status: 502 },
  'a path with two readings': { line: 'GET /a%2f..', status: 400 },
  'an address of ours that there is not': { line: 'GET /_gate/nowhere', status: 404 },
  'a method that an address does not have': { line: 'PUT /_gate/login', status: 405 },
  'a host that is not ours, to a script': { line: 'GET /api', host: 'evil.example', status: 421 },
  'a host that is not ours, to a person': { line: 'GET /desk', lines: page, host: 'evil.example', status: 421 },
  'what is no request': { line: 'GET /a b', status: 400 },
  'a head too large': { line: 'GET /', lines: [`X: ${'x'.repeat(300_000)}`], status: 431 },
  'a front proxy, of nobody': { line: 'GET /_gate/auth', lines: ['X-Original-URI: /desk'], status: 401 },
  'a front proxy, of somebody': {
    line: 'GET /_gate/auth',
    lines: ['X-Original-URI: /desk', 'X-Original-Method: GET'],
    isKnown: true,
    status: 200,
  },
};

const cacheRules = (head: string): string[] =>
  [...head.matchAll(/^cache-control: *(.*)\r$/gim)].map(([, rule = '']) => rule);

test('no-store: stands in each answer of ours', async (t) => {
  const routes = [
    { location: '/', upstream: nowhere, websocket: true },
    { location: '/admin', upstream: nowhere, access: { roles: ['supervisor'] } },
  ];
  const { url, visitor } = await site(t, { config: { routes, server: { trustedProxies: ['127.0.0.1'] } } });
  const known = visitor();
  await known.mustSignIn('agent1', passwords.agent1);
  const told = await Promise.all(
    Object.entries(cases).map(async ([name, { line, lines = [], isKnown, host = url.host }]) => {
      const connection = lines === socket ? 'Connection: Upgrade' : 'Connection: close';
      const cookie = isKnown ? [`Cookie: ${known.cookieHeader}`] : [];
      const head = [`${line} HTTP/1.1`, `Host: ${host}`, connection, ...cookie, ...lines];
      const { status, text } = await sendRaw(url, requestOf(head), { silence: 2000 });
      return [name, status, cacheRules(text.split('\r\n\r\n', 1)[0] + '\r\n')];
    }),
  );
  assert.deepEqual(
    told,
    Object.entries(cases).map(([name, { status }]) => [name, status, ['no-store']]),
  );
});

test('no-store: stands in the answer to a login, and to a form that counts for nothing', async (t) => {
  const { visitor } = await site(t, { config: { routes: [{ location: '/', upstream: nowhere }] } });
  const answers = [
    await visitor().post('/_gate/login', { username: 'agent1', password: 'x' }),
    await visitor().signIn('agent1', 'wrong'),
    await visitor().signIn('agent1', passwords.agent1),
    await visitor().post('/_gate/logout', {}),
  ];
  assert.deepEqual(
    answers.map(({ status, headers }) => [status, headers['cache-control']]),
    [400, 401, 303, 200].map((status) => [status, 'no-store']),
  );
});

test('no-store: stands in the way from http to https, and in what HTTP/2 answers before there is a request', async (t) => {
  const [plain, secure] = [await freePort(), await freePort()];
  await httpsSite(t, {
    server: {
      listen: [`https://127.0.0.1:${secure}`, `http://127.0.0.1:${plain}`],
      publicUrl: `https://localhost:${secure}`,
      redirectHttp: true,
    },
  });
  const moved = { 'GET /a': 301, 'POST /a': 308, 'GET /a%00b': 400 };
  for (const [line, status] of Object.entries(moved)) {
    const head = [`${line} HTTP/1.1`, 'Host: x', 'Connection: close'];
    const answer = await sendRaw(new URL(`http://127.0.0.1:${plain}`), requestOf(head));
    assert.deepEqual([answer.status, cacheRules(answer.text)], [status, ['no-store']], line);
  }
  const session = connect(`https://localhost:${secure}`, { ca: readFileSync(testCertificates().ca, 'utf8') });
  t.after(() => session.destroy());
  const head = { ':path': '/public/x', ':authority': 'localhost', ':scheme': 'http' };
  const { status, headers } = await ask(session, head);
  assert.deepEqual([status, headers['cache-control']], [400, 'no-store']);
});
