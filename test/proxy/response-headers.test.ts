/** What a client receives as headers: redirects and cookies as the browser must see them, nothing of the upstream's connection. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderLines } from '../../src/core/request-head.ts';
import { ownCookies } from '../../src/proxy/cookies.ts';
import { responseHeaders } from '../../src/proxy/response-headers.ts';
import { alice, testRoute } from '../support/scenes/data-plane.ts';
import { bounded } from '../support/tools/bounded.ts';

const isOwn = ownCookies(['__Host-gatehouse', 'gatehouse', 'gatehouse-flow-*']);

const client = { address: '192.0.2.1', scheme: 'https', userAgent: '' } as const;

interface Case {
  readonly path?: string;
  readonly upstreamPath?: string;
  readonly origins?: readonly string[];
  readonly host?: string;
  readonly reply?: Record<string, string | string[]>;
  readonly status?: number;
}

function headersFor(
  upstream: Readonly<Record<string, string | readonly string[]>>,
  {
    path = '/one/',
    upstreamPath,
    origins = ['http://up:8000'],
    host = 'cc.example.com',
    reply = {},
    status = 200,
  }: Case = {},
) {
  const route = testRoute(origins, { path, ...(upstreamPath !== undefined && { upstreamPath }) });
  const forward = {
    ...{ route, client },
    target: { path, query: '', host, port: '443' },
    upstreamPath: '/',
    headers: new Map([['host', host]]),
    reply,
  };
  const raw = Object.entries(upstream).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]));
  const lines = responseHeaders(new HeaderLines(raw), forward, { isOwnCookie: isOwn }, status);
  return (name: string) => lines.filter((_, index) => index % 2 === 1 && lines[index - 1]?.toLowerCase() === name);
}

// What nginx 1.22 does with `proxy_redirect default`, and what follows from giving the upstream the public Host.
const redirects: readonly (readonly [string, string, string, Case])[] = [
  ['a replaced prefix', 'http://up:8000/two/some?a=b#c', '/one/some?a=b#c', { upstreamPath: '/two/' }],
  ['another path of the upstream', 'http://up:8000/three/', 'http://up:8000/three/', { upstreamPath: '/two/' }],
  ['no replaced prefix', 'http://up:8000/anything', '/anything', {}],
  ['the bare origin', 'http://up:8000', '/', {}],
  ['another case of scheme and host', 'HTTP://Up:8000/two/x', '/one/x', { upstreamPath: '/two/' }],
  ['another case of the path', 'http://up:8000/TWO/x', 'http://up:8000/TWO/x', { upstreamPath: '/two/' }],
  [
    'the second of several servers',
    'http://up2:8000/two/x',
    '/one/x',
    { upstreamPath: '/two/', origins: ['http://up:8000', 'http://up2:8000'] },
  ],
  ['a default port', 'http://up/two/x', '/one/x', { upstreamPath: '/two/', origins: ['http://up:80'] }],
  ['a foreign site', 'https://idp.example.com/login', 'https://idp.example.com/login', {}],
  ['a host that only begins so', 'http://up:8000.evil.example/', 'http://up:8000.evil.example/', {}],
  [
    'the public host with the scheme of the upstream',
    'http://cc.example.com/two/x',
    '/one/x',
    { upstreamPath: '/two/' },
  ],
  ['the public host, nothing replaced', 'http://cc.example.com/x', '/x', {}],
  ['a path that would be a host', 'http://up:8000//evil.example/x', '/.//evil.example/x', {}],
  ['a path that browsers take for a host', 'http://up:8000/\\evil.example', '/./\\evil.example', {}],
  ['a path with a tab that browsers drop', 'http://up:8000/\t/evil.example', '/./\t/evil.example', {}],
  [
    'a host below a prefix that a slash stands for',
    'http://up:8000/two//evil.example',
    '/.//evil.example',
    { path: '/', upstreamPath: '/two/' },
  ],
  ['doubled slashes below a prefix', 'http://up:8000/two//x', '/one//x', { upstreamPath: '/two/' }],
  [
    'the public host below a replaced slash',
    'http://cc.example.com/other/x',
    'http://cc.example.com/other/x',
    { upstreamPath: '/' },
  ],
  // 8 T1: an application that knows the folder under which it is seen.
  ['the folder, by the upstream’s own origin', 'http://up:8000/one/login', '/one/login', { upstreamPath: '/' }],
  ['the folder itself, without its slash', 'http://up:8000/one', '/one', { upstreamPath: '/' }],
  [
    'the folder, by the public host',
    'http://cc.example.com/one/login?x=/two/',
    '/one/login?x=/two/',
    { upstreamPath: '/' },
  ],
  ['a path that only begins like the folder', 'http://up:8000/oneself', '/one/oneself', { upstreamPath: '/' }],
  ['a longer path of the upstream', 'http://up:8000/one/two/x', '/one/x', { upstreamPath: '/one/two/' }],
  [
    'the folder below a shorter path of the upstream',
    'http://up:8000/a/b/x',
    '/a/b/x',
    { path: '/a/b/', upstreamPath: '/a/' },
  ],
  ['a path beside the folder', 'http://up:8000/a/c', '/a/b/c', { path: '/a/b/', upstreamPath: '/a/' }],
  // Paths alone follow the same rule where the upstream has a path that tells them.
  ['a path of the upstream', '/two/x?a=/two/#c', '/one/x?a=/two/#c', { upstreamPath: '/two/' }],
  ['the path of the upstream, without its slash', '/two', '/one', { upstreamPath: '/two/' }],
  ['the path of the upstream, with a query', '/two?x', '/one?x', { upstreamPath: '/two' }],
  ['a path in the folder', '/one/x', '/one/x', { upstreamPath: '/two/' }],
  ['a path that is nobody’s', '/three/x', '/three/x', { upstreamPath: '/two/' }],
  ['a path that only begins like the upstream’s', '/twofold', '/twofold', { upstreamPath: '/two/' }],
  ['a path of the upstream that is longer than the folder', '/one/two/x', '/one/x', { upstreamPath: '/one/two/' }],
  ['a path in a folder that is longer than the upstream’s', '/a/b/x', '/a/b/x', { path: '/a/b/', upstreamPath: '/a/' }],
  ['a path beside a longer folder', '/a/c', '/a/b/c', { path: '/a/b/', upstreamPath: '/a/' }],
  ['a path where a slash is replaced', '/login', '/login', { upstreamPath: '/' }],
  ['a path where nothing is replaced', '/two/x', '/two/x', {}],
  ['a path at the root', '/two/x', '/x', { path: '/', upstreamPath: '/two/' }],
  ['a path that would become a host', '/two//evil.example', '/.//evil.example', { path: '/', upstreamPath: '/two/' }],
  ['a path without its slash', 'two/x', 'two/x', { upstreamPath: '/two/' }],
  ['a query alone', '?a=1', '?a=1', { upstreamPath: '/two/' }],
  ['the origin without its scheme', '//up:8000/two/x', '/one/x', { upstreamPath: '/two/' }],
  ['the origin without its scheme, in another case', '//UP:8000/login', '/login', {}],
  ['the origin without its scheme, below a replaced slash', '//up:8000/login', '/one/login', { upstreamPath: '/' }],
  ['the origin without its scheme, in the folder', '//up:8000/one/x', '/one/x', { upstreamPath: '/' }],
  ['the bare origin without its scheme', '//up:8000', '/', {}],
  ['another port without its scheme', '//up:8001/x', '//up:8001/x', {}],
  ['a foreign host without its scheme', '//evil.example/two/x', '//evil.example/two/x', { upstreamPath: '/two/' }],
  ['a foreign host that browsers read', '/\\evil.example/two/', '/\\evil.example/two/', { upstreamPath: '/two/' }],
  ['the public host without its scheme', '//cc.example.com/two/x', '/one/x', { upstreamPath: '/two/' }],
  ['a default port that is written', 'http://up:80/two/x', '/one/x', { upstreamPath: '/two/', origins: ['http://up'] }],
  ['a default port without its scheme', '//up:443/x', '/x', { origins: ['https://up'] }],
  ['the default port of another scheme', '//up:443/x', '//up:443/x', { origins: ['http://up'] }],
  ['another scheme', 'https://up:8000/x', 'https://up:8000/x', {}],
  ['somebody at the host', 'http://me@up:8000/x', 'http://me@up:8000/x', {}],
];
for (const [name, from, to, options] of redirects)
  test(`response headers: a redirect to ${name}`, () => {
    assert.deepEqual(headersFor({ location: from }, options)('location'), [to]);
    assert.deepEqual(headersFor({ refresh: `5; url=${from}` }, options)('refresh'), [`5; url=${to}`]);
  });

const pages: readonly (readonly [string, Record<string, string>, boolean, boolean, string[]])[] = [
  ['HTML without a rule', { 'content-type': 'text/html; charset=utf-8' }, true, false, ['private, no-cache']],
  [
    'HTML with a rule of its own',
    { 'content-type': 'text/html', 'cache-control': 'max-age=60' },
    true,
    false,
    ['max-age=60'],
  ],
  ['HTML with an end', { 'content-type': 'text/html', expires: '0' }, true, false, []],
  ['HTML for nobody in particular', { 'content-type': 'text/html' }, false, false, []],
  ['HTML of a route that keeps its cache', { 'content-type': 'text/html' }, true, true, []],
  ['a script', { 'content-type': 'text/javascript' }, true, false, []],
];
for (const [name, upstream, isIdentified, keepsCache, want] of pages)
  test(`response headers: the cache rule of ${name} (8 T5)`, () => {
    const route = testRoute(['http://up:8000'], { keepsCache });
    const forward = {
      route,
      target: { path: '/', query: '', host: 'cc.example.com', port: '443' },
      client,
      upstreamPath: '/',
      headers: new Map<string, string>(),
      reply: {},
      ...(isIdentified && { principal: alice }),
    };
    const lines = responseHeaders(
      new HeaderLines(Object.entries(upstream).flat()),
      forward,
      { isOwnCookie: isOwn },
      200,
    );
    assert.deepEqual(new HeaderLines(lines).all('cache-control'), want);
  });

test('response headers: a refresh in each of its spellings', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['30', '30'],
    ['5; url="/two"', '5; url="/one"'],
    ["0,URL = '/two/x'", "0,URL = '/one/x'"],
    ['1.5;//up:8000/two/x', '1.5;/one/x'],
    ['5; other', '5; other'],
  ];
  for (const [from, to] of cases)
    assert.deepEqual(headersFor({ refresh: from }, { upstreamPath: '/two/' })('refresh'), [to], from);
});

const cookies: readonly (readonly [string, string, string | undefined, Case])[] = [
  [
    'its path below the replaced prefix',
    'a=1; Path=/two/x; HttpOnly',
    'a=1; Path=/one/x; HttpOnly',
    { upstreamPath: '/two/' },
  ],
  ['the prefix itself', 'a=1; path=/two/', 'a=1; Path=/one/', { upstreamPath: '/two/' }],
  ['the prefix without its slash', 'a=1; Path=/two', 'a=1; Path=/one', { upstreamPath: '/two/' }],
  ['the root as prefix', 'a=1; Path=/', 'a=1; Path=/one/', { upstreamPath: '/' }],
  ['a path that only begins so', 'a=1; Path=/twofold', 'a=1; Path=/twofold', { upstreamPath: '/two' }],
  ['the folder that the application knows (8 T1)', 's=1; Path=/one', 's=1; Path=/one', { upstreamPath: '/' }],
  ['a path in that folder', 's=1; Path=/one/x', 's=1; Path=/one/x', { upstreamPath: '/' }],
  ['a path that only begins like it', 's=1; Path=/oneself', 's=1; Path=/one/oneself', { upstreamPath: '/' }],
  ['a longer path of the upstream', 's=1; Path=/one/two', 's=1; Path=/one', { upstreamPath: '/one/two/' }],
  ['nothing replaced', 'a=1; Path=/two', 'a=1; Path=/two', {}],
  ['the domain of the upstream', 'a=1; Domain=up; Secure', 'a=1; Secure', {}],
  ['a domain that fits the public host', 'a=1; Domain=.example.com', 'a=1; Domain=.example.com', {}],
  ['a domain that only ends so', 'a=1; Domain=ample.com', 'a=1', {}],
  ['our name', '__Host-gatehouse=evil; Path=/; Secure', undefined, {}],
  ['our name in another case', 'GATEHOUSE=evil', undefined, {}],
  ['our name with spaces', '  gatehouse =evil', undefined, {}],
  ['a name below our prefix', 'gatehouse-flow-x=evil', undefined, {}],
  ['our name as the value of a nameless cookie', '=gatehouse=evil', undefined, {}],
  ['our name without a value', 'gatehouse', undefined, {}],
  ['our name as the value of another', 'a=gatehouse', 'a=gatehouse', {}],
];
for (const [name, from, to, options] of cookies)
  test(`response headers: a cookie with ${name}`, () => {
    assert.deepEqual(
      headersFor({ 'set-cookie': [from, 'other=1'] }, options)('set-cookie'),
      to === undefined ? ['other=1'] : [to, 'other=1'],
    );
  });

test('response headers: a cookie whose attributes are made of spaces takes no long time', () => {
  const spaces = ' '.repeat(60_000);
  for (const from of [`a=1; x${spaces}y`, `a=1; Path=/two${spaces}/x${spaces}`, `a=1;${spaces}Secure`])
    assert.equal(
      bounded(() => headersFor({ 'set-cookie': from })('set-cookie').length),
      1,
    );
});

test('response headers: what belongs to the connection, or Connection names, stays behind', () => {
  const headers = headersFor({
    connection: 'X-Internal, keep-alive',
    'x-internal': 'secret',
    'keep-alive': 'timeout=5',
    'proxy-authenticate': 'Basic',
    trailer: 'X-T',
    upgrade: 'h2c',
    'transfer-encoding': 'chunked',
    'content-length': '5',
    etag: '"a"',
  });
  for (const name of [
    'connection',
    'x-internal',
    'keep-alive',
    'proxy-authenticate',
    'trailer',
    'upgrade',
    'transfer-encoding',
    'content-length',
  ])
    assert.deepEqual(headers(name), [], name);
  assert.deepEqual(headers('etag'), ['"a"']);
});

test("response headers: the verdict's own replace the upstream's, and stand beside its cookies and challenges", () => {
  const headers = headersFor(
    { 'set-cookie': ['a=1'], 'www-authenticate': 'Basic', 'cache-control': 'public' },
    { reply: { 'Set-Cookie': 'gatehouse=new', 'WWW-Authenticate': 'Negotiate abc', 'Cache-Control': 'no-store' } },
  );
  assert.deepEqual(
    [headers('set-cookie'), headers('www-authenticate'), headers('cache-control')],
    [['a=1', 'gatehouse=new'], ['Basic', 'Negotiate abc'], ['no-store']],
  );
});

test('response headers: no redirect that is rewritten leads a browser to another host', () => {
  for (const [name, from, , options] of redirects) {
    const [to = ''] = headersFor({ location: from }, options)('location');
    const isRewritten = to.startsWith('/') && to !== from;
    if (isRewritten) assert.equal(new URL(to, 'https://cc.example.com').host, 'cc.example.com', name);
  }
});

test('response headers: an answer that brings our cookie is kept by no cache, whatever the upstream says', () => {
  const upstream = { 'cache-control': 'public, max-age=3600', expires: 'Thu, 01 Jan 2099 00:00:00 GMT', etag: '"a"' };
  const headers = headersFor(upstream, { reply: { 'set-cookie': 'gatehouse=new' } });
  assert.deepEqual([headers('cache-control'), headers('expires'), headers('etag')], [['no-store'], [], ['"a"']]);
  assert.deepEqual(headersFor(upstream)('cache-control'), ['public, max-age=3600']);
});

test('response headers: an application neither moves this origin nor clears its cookies', () => {
  const upstream = { 'alt-svc': 'h2="elsewhere.example:443"', 'clear-site-data': '"cache", "cookies"' };
  assert.deepEqual(headersFor(upstream)('alt-svc'), []);
  assert.deepEqual(headersFor(upstream)('clear-site-data'), ['"cache"']);
  assert.deepEqual(headersFor({ 'clear-site-data': '"cookies"' })('clear-site-data'), []);
  assert.deepEqual(headersFor({ 'clear-site-data': '"*"' })('clear-site-data'), [
    '"cache", "clientHints", "executionContexts", "storage"',
  ]);
});

test('response headers: lengths stay with the body they measure', () => {
  assert.deepEqual(headersFor({ 'content-length': '12' }, { status: 304 })('content-length'), ['12']);
  assert.deepEqual(headersFor({ 'content-length': '0' }, { status: 204 })('content-length'), []);
});

test('response headers: what cannot be passed on is an error, not a guess', () => {
  assert.throws(() => headersFor({ 'x-a': 'a\u0000b' }));
  assert.throws(() => headersFor({ 'x-a': 'a\r\nb' }));
  assert.throws(() => headersFor({ 'transfer-encoding': 'gzip, chunked' }));
});
