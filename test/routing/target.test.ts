/** The one reading of a request target: tables, hostile lines, and properties that hold for anything. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderLines } from '../../src/core/request-head.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { matchedText, maxPath, readPath } from '../../src/routing/path.ts';
import { admits, canonicalTarget, maxTarget } from '../../src/routing/target.ts';
import { upstreamTarget } from '../../src/routing/upstream-target.ts';
import { routeAt } from '../support/scenes/routes.ts';
import { hostileLines } from '../support/tools/hostile-lines.ts';
import { trials } from '../support/tools/properties.ts';

const gate = ['Host', 'gate.test'];
const read = (target: string, rawHeaders: string[] = gate) =>
  canonicalTarget({ target, headers: new HeaderLines(rawHeaders), scheme: 'https' });
const locations = compileLocations([
  routeAt('/admin'),
  routeAt('/public', { access: 'public' }),
  routeAt('/', { access: 'public' }),
]);

/** What becomes of a target: the location it lands on, or `refused`. */
function fate(target: string): string {
  const reading = read(target);
  if (reading.kind === 'refused') return 'refused';
  const match = locations.match(reading.target);
  if (!match) return 'no route';
  return admits(match.route, reading.target) ? 'refused' : match.route.name;
}

const readings: Record<string, string> = {
  '/': '/',
  '/a/b/': '/a/b/',
  '/%61dmin': '/admin',
  '/%7euser/%2D%5f%2e%41': '/~user/-_.A',
  '//a///b': '/a/b',
  '/a/./b/.': '/a/b/',
  '/a/b/../c': '/a/c',
  '/a/b/..': '/a/',
  '/a/%2e%2E/b': '/b',
  '/a/..': '/',
  '/caf%c3%a9': '/caf%C3%A9',
  '/a%20b': '/a%20b',
  '/a%2cb,c': '/a%2Cb,c',
  '/a%2fb': '/a%2Fb',
  '/a;x=1/b': '/a;x=1/b',
  '/app/;jsessionid=1': '/app/;jsessionid=1',
  '/a%3bb': '/a%3Bb',
  '/a|b{c}^d`e"f<g>[h]': '/a%7Cb%7Bc%7D%5Ed%60e%22f%3Cg%3E%5Bh%5D',
  "/a!$&'()*+,=:@b": "/a!$&'()*+,=:@b",
  '/100%25': '/100%25',
  '/50%25%20off': '/50%25%20off',
  '/.well-known/x': '/.well-known/x',
  '/a..b/..c/d..': '/a..b/..c/d..',
  '/%F0%9F%93%9E': '/%F0%9F%93%9E',
  'http://gate.test/a': '/a',
  'HTTP://GATE.test:80/a/../b': '/b',
  'http://gate.test': '/',
};
for (const [target, path] of Object.entries(readings))
  test(`target: ${target} is read as ${path}`, () => {
    const reading = read(target);
    assert.deepEqual(reading.kind === 'ok' && { path: reading.target.path, host: reading.target.host }, {
      path,
      host: 'gate.test',
    });
  });

test('target: the query stays as it was written, from its first question mark', () => {
  for (const query of ['', '?', '??', '?a=%2f..%2f&b=%', '?x=/../admin', '?<>"\'`{|}[]^\\']) {
    const reading = read(`/a/../b${query}`);
    assert.deepEqual(reading.kind === 'ok' && reading.target, { path: '/b', query, host: 'gate.test', port: '443' });
  }
  assert.equal(read('http://gate.test?x=1').kind, 'ok');
});

const refusals: Record<string, string> = {
  '/a b': 'ambiguous-target',
  '/a%00': 'ambiguous-target',
  '/..': 'ambiguous-target',
  '/a//../b': 'ambiguous-target',
  '/a%252e': 'ambiguous-target',
  '*': 'ambiguous-target',
  'gate.test:443': 'ambiguous-target',
  'http://evil.test/': 'ambiguous-host',
  'http://a@gate.test/': 'ambiguous-host',
  [`/${'a'.repeat(maxPath)}`]: 'ambiguous-target',
  [`/?${'a'.repeat(maxTarget)}`]: 'ambiguous-target',
};
for (const [target, reason] of Object.entries(refusals))
  test(`target: ${target.slice(0, 40)} is refused as ${reason}`, () => {
    const reading = read(target);
    assert.equal(reading.kind === 'refused' && reading.reason, reason);
  });

test('target: an https address fits a Host with the port of https', () => {
  assert.equal(read('https://gate.test/', ['Host', 'gate.test:443']).kind, 'ok');
  assert.equal(read('https://gate.test:8443/', ['Host', 'gate.test:8443']).kind, 'ok');
  assert.equal(read('https://gate.test:8443/', ['Host', 'gate.test']).kind, 'refused');
});

test('target: it says when dot segments or doubled slashes were taken out', () => {
  const rebuilt = (target: string) => {
    const reading = read(target);
    return reading.kind === 'ok' && reading.rebuilt;
  };
  assert.deepEqual(['/a/../b', '//a', '/./a', '/%61/%c3%a9', '/a|b'].map(rebuilt), [true, true, true, false, false]);
});

test('target: an escaped slash and a semicolon need a location that allows them', () => {
  const slash = { path: '/a%2Fb' };
  const parameter = { path: '/a;x/b' };
  assert.equal(admits(routeAt('/'), slash)?.reason, 'ambiguous-target');
  assert.equal(admits(routeAt('/', { encodedSlashes: true }), slash), undefined);
  assert.equal(admits(routeAt('/', { encodedSlashes: true }), parameter)?.reason, 'ambiguous-target');
  assert.equal(admits(routeAt('/', { pathParameters: true }), parameter), undefined);
  assert.equal(admits(routeAt('/'), { path: '/a%3Bx' })?.reason, 'ambiguous-target');
  assert.equal(admits(routeAt('/'), { path: '/a/b' }), undefined);
});

test('target: where slashes and parameters are allowed, none of them makes a dot segment or an empty name', () => {
  const hostile = [
    '/x/..%2fadmin',
    '/x%2f..%2fadmin',
    '/x%2F.',
    '/x/..;/admin',
    '/x/.;a/admin',
    '/;x/admin',
    '/x;a=%2f..%2fadmin',
  ];
  for (const target of [...hostile, '/x/%2e%2e%3bx/admin']) assert.equal(read(target).kind, 'refused', target);
});

test('paths.txt: every hostile target is refused or lands on the rule of /admin', () => {
  const lines = hostileLines('paths.txt');
  assert.ok(lines.length > 500, `${lines.length} lines`);
  const passed = lines.filter((line) => !['refused', '/admin'].includes(fate(line)));
  assert.deepEqual(passed, []);
});

test('paths.txt: both fates are met, so that neither check is blind', () => {
  const fates = hostileLines('paths.txt').map(fate);
  assert.ok(fates.filter((one) => one === '/admin').length > 100);
  assert.ok(fates.filter((one) => one === 'refused').length > 300);
  assert.equal(fate('/public/x'), '/public');
});

/** Targets out of the pieces that attacks are made of. */
const pieces = fc.constantFrom(
  ...[
    '/',
    '//',
    '.',
    '..',
    '/../',
    '/./',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%25',
    '%252e',
    '%00',
    '%0a',
    ';',
    '%3b',
    ';x=1',
    '\\',
  ],
  ...[
    'a',
    'admin',
    '%61',
    '%c3%a9',
    '%c0%ae',
    '%ef%bc%8f',
    '%',
    '|',
    '{',
    '%7c',
    '%7e',
    '?',
    '#',
    ' ',
    '%20',
    '\t',
    '\u00e9',
    '@',
    ',',
    '%2c',
  ],
);
const hostileTarget = fc.oneof(
  fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join('')}`),
  fc.string({ unit: 'binary-ascii' }).map((text) => `/${text}`),
  fc.webPath().map((path) => path || '/'),
);

test('property: what was read is its own reading, and holds nothing that another reader could take apart', () => {
  fc.assert(
    fc.property(hostileTarget, (target) => {
      const reading = read(target);
      if (reading.kind === 'refused') return;
      const { path, query } = reading.target;
      assert.deepEqual(read(path + query), { ...reading, rebuilt: false });
      assert.match(path, /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*$/);
      assert.doesNotMatch(path, /\/\/|\/\.{1,2}(?:\/|$)|%00|%5C|%25[0-9A-F]{2}/);
      // A browser's reading of the address leaves it as it is: no dot segment, tab or backslash is left to act on.
      const url = new URL(`http://gate.test${path}`);
      assert.deepEqual([url.host, decodeURIComponent(url.pathname)], ['gate.test', decodeURIComponent(path)]);
    }),
    trials(20_000),
  );
});

test('property: a target and the path it is read as decode to the same, but for what was taken out', () => {
  fc.assert(
    fc.property(hostileTarget, (target) => {
      const reading = readPath(target.split('?', 1)[0] ?? '');
      if (reading.kind === 'refused' || reading.rebuilt) return;
      assert.equal(decodeURIComponent(reading.path), decodeURIComponent(target.split('?', 1)[0] ?? ''));
    }),
    trials(5_000),
  );
});

test('property: what was matched is what is sent', () => {
  fc.assert(
    fc.property(hostileTarget, (target) => {
      const reading = read(target);
      if (reading.kind === 'refused') return;
      const match = locations.match(reading.target);
      if (!match || admits(match.route, reading.target)) return;
      const sent = upstreamTarget(match.route, reading.target);
      assert.deepEqual(sent, { kind: 'ok', path: reading.target.path + reading.target.query });
      const again = read(sent.kind === 'ok' ? sent.path : '');
      assert.equal(again.kind === 'ok' && locations.match(again.target)?.route, match.route);
    }),
    trials(5_000),
  );
});

test('property: an upstream that decodes once never sees /admin from another location', () => {
  fc.assert(
    fc.property(hostileTarget, (target) => {
      if (fate(target) === 'refused') return;
      const reading = read(target);
      const path = reading.kind === 'ok' ? decodeURIComponent(reading.target.path) : '';
      // The same, read the way of upstreams that resolve, merge and drop parameters after they have decoded.
      const late = path
        .replace(/;[^/]*/g, '')
        .replaceAll('\\', '/')
        .replace(/\/+/g, '/');
      for (const seen of [path, late, new URL(`http://x${late}`).pathname])
        if (seen.startsWith('/admin')) assert.equal(fate(target), '/admin');
    }),
    trials(20_000),
  );
});

test('matched text: escapes are decoded once, escaped slashes stay, parameters are left out', () => {
  const texts = {
    '/a%20b': '/a b',
    '/caf%C3%A9': '/café',
    '/a%2Fb': '/a%2Fb',
    '/a;x=1/b;y': '/a/b',
    '/a%3Bx/%2C': '/a/,',
    '/app/;s=1': '/app/',
  };
  for (const [path, text] of Object.entries(texts)) assert.equal(matchedText(path), text);
});
