/** Which way a request goes out: by the environment as curl reads it, by an address, or directly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { withReadContext } from '../../src/config/context.ts';
import { wayTo } from '../../src/remote/outbound-proxy.ts';
import { outboundProxy } from '../../src/remote/proxy-options.ts';

const read = (value: unknown, env: Readonly<Record<string, string>> = {}) =>
  withReadContext({ directory: '/', env }, () => outboundProxy().safeParse(value));
const way = (target: string, value: unknown, env: Readonly<Record<string, string>> = {}) => {
  const setting = read(value, env);
  assert.ok(setting.success, inspect(setting.error));
  return wayTo(setting.data, new URL(target)).proxy?.origin;
};

const environments: Readonly<
  Record<string, readonly [env: Record<string, string>, https?: string | undefined, http?: string]>
> = {
  'nothing at all': [{}],
  'one for https': [{ HTTPS_PROXY: 'http://p:3128' }, 'http://p:3128'],
  'lower case first': [{ HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2' }, 'http://q:2'],
  'an empty one is none': [{ https_proxy: '', HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
  'without a scheme': [{ HTTPS_PROXY: 'p.example.com:3128' }, 'http://p.example.com:3128'],
  'one for http': [{ http_proxy: 'http://p:3128' }, undefined, 'http://p:3128'],
  'upper case for http': [{ HTTP_PROXY: 'http://p:3128' }, undefined, 'http://p:3128'],
  'a header of a CGI client': [{ HTTP_PROXY: 'http://p:3128', REQUEST_METHOD: 'GET' }],
  'one for all': [{ ALL_PROXY: 'https://p:443' }, 'https://p', 'https://p'],
};
for (const [what, [env, https, http]] of Object.entries(environments))
  test(`outbound: the environment with ${what}`, () => {
    assert.equal(way('https://idp.example.com/', 'env', env), https);
    assert.equal(way('http://idp.example.com/', 'env', env), http);
  });

const exempt: readonly (readonly [list: string, target: string, isExempt: boolean])[] = [
  ['*', 'https://idp.example.com/', true],
  ['example.com', 'https://idp.example.com/', true],
  ['.example.com', 'https://example.com/', true],
  ['EXAMPLE.com', 'https://idp.example.com./', true],
  ['ample.com', 'https://idp.example.com/', false],
  ['idp.example.com.evil', 'https://idp.example.com/', false],
  ['other, idp.example.com', 'https://idp.example.com/', true],
  ['other idp.example.com', 'https://idp.example.com/', true],
  ['idp.example.com:8443', 'https://idp.example.com/', false],
  ['idp.example.com:443', 'https://idp.example.com/', true],
  ['10.0.0.0/8', 'https://10.1.2.3/', true],
  ['10.0.0.0/8', 'https://11.1.2.3/', false],
  ['10.0.0.0/99', 'https://10.1.2.3/', false],
  ['127.0.0.1', 'https://127.0.0.1:8443/', true],
  ['1', 'https://127.0.0.1/', false],
  ['::1', 'https://[::1]/', true],
  ['[::1]:443', 'https://[::1]/', true],
  ['fd00::/8', 'https://[fd12::1]/', true],
  ['', 'https://idp.example.com/', false],
  [', ,.,', 'https://idp.example.com/', false],
];
for (const [list, target, isExempt] of exempt)
  test(`outbound: NO_PROXY "${list}" and ${target}`, () => {
    const env = { https_proxy: 'http://p:3128', NO_PROXY: list };
    assert.equal(way(target, 'env', env), isExempt ? undefined : 'http://p:3128');
    assert.equal(way(target, 'http://p:3128', env), 'http://p:3128', 'an address of its own heeds the environment not');
  });

test('outbound: what is no proxy is an error that shows no password', () => {
  const bad = [
    'socks5://p:1080',
    'http://p:3128/path',
    'p:3128',
    'none',
    true,
    3128,
    '',
    { env: 'NOT_SET' },
    'http://',
  ];
  for (const value of bad) assert.equal(read(value).success, false, inspect(value));
  const broken = read('env', { HTTPS_PROXY: 'socks5://user:hidden-81@p:1080' });
  assert.equal(broken.success, false);
  assert.match(inspect(broken.error), /HTTPS_PROXY must be/);
  assert.doesNotMatch(inspect(broken.error), /hidden-81/);
});

test('outbound: credentials are kept out of sight, and come from a secret too', () => {
  for (const value of ['http://user:p%40ss-7@p:3128', { env: 'PROXY' }]) {
    const setting = read(value, { PROXY: 'http://user:p%40ss-7@p:3128' });
    assert.ok(setting.success && setting.data);
    assert.doesNotMatch(inspect(setting.data, { depth: 9 }) + JSON.stringify(setting.data), /ss-7|dXNlcj/);
    assert.equal(setting.data.https?.authorization?.reveal(), `Basic ${btoa('user:p@ss-7')}`);
  }
});
