/** `Expect: 100-continue`: a body is asked for when its request has been judged and somebody takes it, and not before. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { rawClient } from '../support/scenes/data-plane.ts';
import { ask, httpsSite } from '../support/scenes/https-site.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';

const body = 'GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** The head of a request that waits to be asked for its body. */
function head(
  { url }: Site,
  line: string,
  lines: readonly string[] = [],
  length: string = `Content-Length: ${body.length}`,
): string {
  return [`${line} HTTP/1.1`, `Host: ${url.host}`, 'Expect: 100-continue', length, ...lines, '', ''].join('\r\n');
}

/** A site one of whose upstreams is away, and one of whose routes takes small bodies only. */
async function sites(t: TestContext): Promise<Site> {
  const away = `http://127.0.0.1:${await freePort()}`;
  const upstream = await startUpstream(t);
  const { routes, ...rest } = siteConfig(upstream.origin) as { routes: object[] };
  const more = [
    { name: 'away', location: '/away/', upstream: away, access: 'public' },
    { name: 'small', location: '/small/', upstream: upstream.origin, access: 'public', maxBody: '10b' },
  ];
  return { ...(await site(t, { config: { ...rest, routes: [...routes, ...more] } })), upstream };
}

const refused: Readonly<Record<string, { line: string; status: number; lines?: readonly string[]; length?: string }>> =
  {
    'nobody signed in': { line: 'POST /desk', status: 401 },
    'a location that is shut': { line: 'POST /closed/x', status: 403 },
    'a path with two readings': { line: 'POST /public/%2e%2e%2fadmin', status: 400 },
    'a body that is too large': { line: 'POST /small/x', status: 413 },
    'a method that is never forwarded': { line: 'TRACE /public/x', status: 405 },
    'an upstream that is away': { line: 'POST /away/x', status: 502 },
    'an address that the portal does not have': { line: 'POST /_gate/nowhere', status: 404 },
    'a form of the portal in another type': { line: 'POST /_gate/login', status: 400 },
    'a body in chunks for a location that is shut': {
      line: 'POST /closed/x',
      status: 403,
      length: 'Transfer-Encoding: chunked',
    },
  };
test('expect: a request that is refused gets its answer without being asked for its body, which nobody takes for a request', async (t) => {
  const started = await sites(t);
  for (const [name, { line, status, lines, length }] of Object.entries(refused)) {
    const client = await rawClient(t, Number(started.url.port), head(started, line, lines, length));
    await client.until(/^HTTP\/1\.1 \d+ /);
    client.socket.write(length ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n${body}` : body + body);
    const text = await client.closed();
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), name);
    assert.match(text, /^connection: close\r$/im, name);
    assert.equal(text.match(/^HTTP\/1\.1 /gm)?.length, 1, name);
    assert.deepEqual(started.upstream.received, [], name);
  }
});

test('expect: a body that an upstream takes is asked for, once, and arrives whole', async (t) => {
  const started = await sites(t);
  const client = await rawClient(t, Number(started.url.port), head(started, 'POST /public/x'));
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  client.socket.write(body);
  const text = await client.until(/^HTTP\/1\.1 200 /m);
  assert.equal(text.match(/100 Continue/g)?.length, 1);
  const received = started.upstream.only();
  assert.equal(received.url, '/public/x');
  assert.equal(received.body.bytes, body.length);
  assert.deepEqual(received.values('expect'), []);
});

test('expect: the form of the login is asked for, and a form of an application that is kept', async (t) => {
  const started = await sites(t);
  const browser = started.visitor();
  const page = await browser.open('/_gate/login');
  const form = { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 };
  for (const [path, fields] of [
    ['/desk/save', { note: 'keep me' }],
    ['/_gate/login', form],
  ] as const) {
    const text = new URLSearchParams(fields).toString();
    const lines = [
      `Cookie: ${browser.cookieHeader}`,
      'Content-Type: application/x-www-form-urlencoded',
      `Origin: ${started.url.origin}`,
      'Accept: text/html',
    ];
    const length = `Content-Length: ${text.length}`;
    const client = await rawClient(t, Number(started.url.port), head(started, `POST ${path}`, lines, length));
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    client.socket.write(text);
    const answer = await client.until(/^HTTP\/1\.1 303 /m);
    assert.match(answer, path === '/_gate/login' ? /^set-cookie: gatehouse=/im : /^location: .*replay/im, path);
  }
});

test('expect: a client of HTTP/1.0 is not asked, and a request without a body is answered', async (t) => {
  const started = await sites(t);
  const old = head(started, 'POST /public/x').replace('HTTP/1.1', 'HTTP/1.0') + body;
  const client = await rawClient(t, Number(started.url.port), old);
  assert.match(await client.closed(), /^HTTP\/1\.1 200 /);
  const empty = await rawClient(t, Number(started.url.port), head(started, 'GET /public/y', [], 'X-None: 1'));
  assert.match(await empty.until(/ 200 /), /^HTTP\/1\.1 200 /m);
  assert.deepEqual(
    started.upstream.received.map((received) => received.body.bytes),
    [body.length, 0],
  );
});

test('expect: over HTTP/2, too, a refusal comes without being asked, and what is taken is asked for', async (t) => {
  const { http2, upstream } = await httpsSite(t);
  const session = http2();
  const expecting = { ':method': 'POST', expect: '100-continue' };
  for (const [path, status] of [
    ['/desk', 401],
    ['/closed/x', 403],
    ['/_gate/nowhere', 404],
  ] as const) {
    const answer = await ask(session, { ...expecting, ':path': path }, body);
    assert.deepEqual([answer.status, answer.informational], [status, []], path);
  }
  assert.deepEqual(upstream.received, []);
  const taken = await ask(session, { ...expecting, ':path': '/public/x' }, body);
  assert.deepEqual([taken.status, taken.informational], [200, [100]]);
  assert.equal(upstream.only().body.bytes, body.length);
});
