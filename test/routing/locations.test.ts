/** nginx's order of locations, hosts, proxy_pass; `test/stories/routing-nginx.test.ts` compares them with nginx itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Route } from '../../src/core/route.ts';
import { locationProblems } from '../../src/routing/location-problems.ts';
import { parseLocation } from '../../src/routing/location-text.ts';
import { locationWarnings, siblingsAdmitted } from '../../src/routing/location-warnings.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { upstreamTarget } from '../../src/routing/upstream-target.ts';
import { routeAt, upstreamAt } from '../support/scenes/routes.ts';

const at = (path: string, host = 'h') => ({ host, port: '443', path });
const agents = { roles: ['agent'], providers: [] };
const names = (routes: readonly Route[], host = 'gate.test') => {
  const locations = compileLocations(routes);
  return (path: string) => locations.match({ host, port: '443', path })?.route.name;
};

test('locations: exact, then ^~, then the first regular expression, then the longest prefix', () => {
  const at = names(
    ['/', '/a', '/a/b', '^~ /a/static', '= /a', '~ \\.php$', '~* ^/A/B', '~ ^/a/b'].map((location) =>
      routeAt(location),
    ),
  );
  assert.equal(at('/a'), '= /a');
  assert.equal(at('/ax'), '/a');
  assert.equal(at('/a/static/x.php'), '^~ /a/static');
  assert.equal(at('/a/b/x.php'), '~ \\.php$');
  assert.equal(at('/a/b/x'), '~* ^/A/B');
  assert.equal(at('/other'), '/');
});

test('locations: a longer plain prefix takes the regular expressions back in', () => {
  const at = names([routeAt('^~ /a'), routeAt('/a/b'), routeAt('~ x$')]);
  assert.equal(at('/a/x'), '^~ /a');
  assert.equal(at('/a/b/x'), '~ x$');
});

test('locations: without a match there is none', () => {
  assert.equal(names([routeAt('/a'), routeAt('= /')])('/b'), undefined);
  assert.equal(names([])('/'), undefined);
});

test('locations: regular expressions and prefixes see escapes decoded, as in nginx, and escaped slashes as they are', () => {
  const at = names([
    routeAt('/a%20b'),
    routeAt('/caf\u00e9'),
    routeAt('/x,y'),
    routeAt('~ ^/r \\w+$'),
    routeAt('~ ^/s/[^/]+$'),
  ]);
  assert.equal(at('/a%20b/c'), '/a%20b');
  assert.equal(at('/caf%C3%A9'), '/caf\u00e9');
  assert.equal(at('/x%2Cy'), '/x,y');
  assert.equal(at('/r%20abc'), '~ ^/r \\w+$');
  assert.equal(at('/s/a%2Fb'), '~ ^/s/[^/]+$');
});

test('locations: parameters are left out of the match', () => {
  const at = names([routeAt('/'), routeAt('/admin/'), routeAt('= /in')]);
  assert.equal(at('/admin;x/users'), '/admin/');
  assert.equal(at('/in;jsessionid=1'), '= /in');
});

test('locations: a query is no part of the match', () => {
  const at = names([routeAt('/api/private'), routeAt('~ ^/api/.*/status')]);
  assert.equal(at('/api/private/sensitive'), '/api/private');
});

const onHost = (location: string, host: string) => routeAt(location, { name: `${host} ${location}`, host });

test('hosts: the exact one, else the longest wildcard, else none; their sets never mix', () => {
  const routes = [
    onHost('/', '*.example.com'),
    onHost('/', '*.b.example.com'),
    onHost('/x', 'a.b.example.com'),
    routeAt('/shared'),
    onHost('/', 'bücher.example'),
  ];
  const locations = compileLocations(routes);
  const at = (host: string, path = '/x') => locations.match({ host, port: '443', path })?.route.name;
  assert.equal(at('a.b.example.com'), 'a.b.example.com /x');
  assert.equal(at('a.b.example.com', '/y'), undefined);
  assert.equal(at('a.b.example.com', '/shared'), '/shared');
  assert.equal(at('c.b.example.com'), '*.b.example.com /');
  assert.equal(at('d.c.b.example.com'), '*.b.example.com /');
  assert.equal(at('b.example.com'), '*.example.com /');
  assert.equal(at('example.com'), undefined);
  assert.equal(at('evilexample.com'), undefined);
  assert.equal(at('c.b.example.com', '/shared'), '/shared');
  assert.equal(at('other', '/shared'), '/shared');
  assert.equal(at('xn--bcher-kva.example'), 'bücher.example /');
});

test('hosts: of a host with a port and without, the one with the request’s port comes first; their sets never mix', () => {
  const routes = [
    onHost('/', 'cc.example.com:8445'),
    onHost('/', 'cc.example.com'),
    onHost('/x', 'desk.example.com:443'),
    onHost('/', '*.example.com:8445'),
    onHost('/', '*.example.com'),
    routeAt('/shared'),
  ];
  const locations = compileLocations(routes);
  const served = (host: string, port: string, path = '/x') => locations.match({ host, port, path })?.route.name;
  assert.equal(served('cc.example.com', '8445'), 'cc.example.com:8445 /');
  assert.equal(served('cc.example.com', '443'), 'cc.example.com /');
  assert.equal(served('cc.example.com', '8444'), 'cc.example.com /');
  assert.equal(served('desk.example.com', '443'), 'desk.example.com:443 /x');
  assert.equal(served('desk.example.com', '443', '/y'), undefined, 'not the wildcard’s');
  assert.equal(served('desk.example.com', '8445'), '*.example.com:8445 /');
  assert.equal(served('desk.example.com', '80'), '*.example.com /');
  assert.equal(served('cc.example.com', '8445', '/shared'), '/shared');
  assert.equal(locationProblems(routes).length, 0);
  assert.equal(locationProblems([onHost('/', 'A:8445'), onHost('/', 'a:8445')])[0]?.key, 'location');
});

test('hosts: for the same location the host has its own, and regular expressions keep the order of the file', () => {
  const routes = [routeAt('/a'), onHost('/a', 'h'), routeAt('~ x$'), onHost('~ ^/b', 'h')];
  assert.equal(names(routes, 'h')('/a/1'), 'h /a');
  assert.equal(names(routes, 'h')('/b/x'), '~ x$');
  assert.equal(names(routes, 'h')('/b'), 'h ~ ^/b');
  assert.equal(names(routes, 'other')('/a/1'), '/a');
});

test('locations: a match says why, and what else was looked at', () => {
  const match = compileLocations([routeAt('/'), routeAt('/a'), routeAt('~ b$')]).match(at('/a/c'));
  assert.match(match?.why ?? '', /"\/a" is the longest prefix, and no regular expression matches/);
  assert.deepEqual(
    match?.considered.map(({ route, matches }) => [route.name, matches]),
    [
      ['/a', true],
      ['/', true],
      ['~ b$', false],
    ],
  );
  assert.match(
    compileLocations([onHost('= /a', '*.b')]).match(at('/a', 'a.b'))?.why ?? '',
    /^host \*\.b: "= \/a" is exactly/,
  );
  assert.equal(compileLocations([routeAt('/a')]).considered(at('/b'))[0]?.matches, false);
});

test('locations: a path that lacks only the closing slash is redirected to it, before anything else matches', () => {
  const locations = compileLocations(
    ['/', '/app/', '= /one/', '/both/', '= /both', '~ .'].map((location) => routeAt(location)),
  );
  assert.equal(locations.closingSlash(at('/app')), '/app/');
  assert.equal(locations.closingSlash(at('/one')), '/one/');
  assert.deepEqual(
    ['/both', '/app/', '/ap', '/app/x', '/', '/app;x'].map((path) => locations.closingSlash(at(path))),
    Array(6).fill(undefined),
  );
});

const passes: [location: string, base: string, path: string, sent: string | undefined][] = [
  ['/api/', '/', '/api/foo', '/foo'],
  ['/api/', '/v1/', '/api/foo/bar', '/v1/foo/bar'],
  ['/api/', '/v1', '/api/foo', '/v1foo'],
  ['/api', '/', '/api/foo', '/foo'],
  ['/api', '/v1', '/api/foo', '/v1/foo'],
  ['/api', '/v1/', '/api', '/v1/'],
  ['/api', '/', '/api../foo', undefined],
  ['/api', '/', '/api./foo', undefined],
  ['/api', '/', '/api..', undefined],
  ['/api', '/x', '/api../foo', '/x../foo'],
  ['/api', '/x/', '/api..%2Ffoo', undefined],
  ['/api', '/', '/api.%2Ffoo', undefined],
  ['= /api', '/v1/start', '/api', '/v1/start'],
  ['^~ /api/', '/', '/api/a%20b', '/a%20b'],
  ['/a,b/', '/v/', '/a%2Cb/c', '/v/c'],
  ['/caf\u00e9/', '/c/', '/caf%C3%A9/%C3%A9', '/c/%C3%A9'],
  ['/a%2Fb/', '/c/', '/a%2Fb/d', '/c/d'],
  ['/api/', '/v1/', '/api;x=1/foo', undefined],
  ['/api/', '/v1/', '/api/foo;x=1', '/v1/foo;x=1'],
];
for (const [location, base, path, sent] of passes)
  test(`proxy_pass: ${path} at ${location} with the upstream path ${base} is ${sent ?? 'refused'}`, () => {
    const outcome = upstreamTarget(routeAt(location, { upstream: upstreamAt(base) }), { path, query: '?q=/../%' });
    assert.equal(outcome.kind === 'ok' ? outcome.path : undefined, sent && `${sent}?q=/../%`);
  });

test('proxy_pass: without a path the canonical path goes on', () => {
  assert.deepEqual(upstreamTarget(routeAt('/a'), { path: '/a/b%2Fc', query: '' }), { kind: 'ok', path: '/a/b%2Fc' });
});

const texts: Record<string, [modifier: string, path: string] | RegExp> = {
  '/p': ['', '/p'],
  '= /p': ['=', '/p'],
  '=/p': ['=', '/p'],
  '^~ /p/': ['^~', '/p/'],
  '~ ^/p\\d+$': ['~', '^/p\\d+$'],
  '~* \\.(js|css)$': ['~*', '\\.(js|css)$'],
  '/a%20b': ['', '/a b'],
  '/caf\u00e9': ['', '/caf\u00e9'],
  '/caf%C3%A9': ['', '/caf\u00e9'],
  '': /empty/,
  '= ': /empty/,
  p: /must begin with a slash: write \/p/,
  '= p': /write = \/p/,
  '/a b': /%20/,
  '/a ^~': /%20/,
  '/a?b': /query/,
  '/a#b': /fragment/,
  '/a//b': /write \/a\/b/,
  '/a/../b': /write \/b/,
  '/a/./': /write \/a\//,
  '/../a': /would never match/,
  '/a;b': /semicolon/,
  '/a%2': /would never match/,
  '/a\\b': /backslash/,
  '/_gate/x': /gateway's own/,
  '= /_gate': /gateway's own/,
  '@named': /named location/,
  '"/a"': /quote/,
  '~': /empty/,
  '~ (': /JavaScript does not read/,
  '~ (?i)x': /JavaScript does not read/,
  '~ a++': /JavaScript does not read/,
  '~ [[:alpha:]]+': /JavaScript does not read/,
};
for (const [text, want] of Object.entries(texts))
  test(`parseLocation: ${JSON.stringify(text)} is ${want instanceof RegExp ? 'invalid' : 'read'}`, () => {
    const reading = parseLocation(text);
    if (want instanceof RegExp) assert.match(reading.kind === 'invalid' ? reading.message : 'was read', want);
    else assert.deepEqual(reading.kind === 'ok' && reading.location, { modifier: want[0], path: want[1] });
  });

test('problems: a regular expression that can take very long is refused, and a warning where the risk is taken', () => {
  for (const source of ['(a+)+$', '^/(.*)*x', '((a|b*)c?)+$', '(?:x{2,})*$', '.*a.*b.*c']) {
    const route = routeAt(`~ ${source}`);
    assert.partialDeepStrictEqual(locationProblems([route]), [{ index: 0, key: 'location' }], source);
    assert.throws(() => compileLocations([route]), { name: 'OperatorError' });
    const taken = { ...route, insecureRegex: true };
    assert.deepEqual(locationProblems([taken]), []);
    assert.equal(locationWarnings([taken]).length, 1);
  }
  for (const source of ['^/a/[^/]+/b$', '(ab)+', '(ab?){2}', '[(+]+', '\\(a+\\)+', '^/(?:a|b)+/.*$'])
    assert.deepEqual(locationProblems([routeAt(`~ ${source}`)]), [], source);
});

test('problems: one place taken twice, an impossible host, an upstream path where there can be none', () => {
  const keys = (...routes: Route[]) => locationProblems(routes).map(({ index, key }) => [index, key]);
  assert.deepEqual(keys(routeAt('/a'), routeAt('^~ /a')), [[1, 'location']]);
  assert.deepEqual(keys(routeAt('/a'), routeAt('= /a'), routeAt('/a/'), onHost('/a', 'h')), []);
  assert.deepEqual(keys(onHost('/a', 'H.'), onHost('/a', 'h')), [[1, 'location']]);
  assert.deepEqual(keys(routeAt('/a', { host: 'http://x' })), [[0, 'host']]);
  assert.deepEqual(keys(routeAt('~ /a', { upstream: upstreamAt('/') })), [[0, 'upstream']]);
  assert.deepEqual(keys(routeAt('= /a', { upstream: upstreamAt('/b') })), []);
  assert.deepEqual(keys(routeAt('/a', { upstream: upstreamAt('/b/../c') })), [[0, 'upstream']]);
  assert.throws(() => compileLocations([routeAt('/a'), routeAt('/a')]), { name: 'OperatorError' });
});

test('warnings: a prefix without a closing slash that admits siblings to other access', () => {
  const of = (...routes: Route[]) => siblingsAdmitted(routes).map(({ route }) => route.name);
  assert.deepEqual(of(routeAt('/ccagent', { access: agents })), ['/ccagent']);
  assert.deepEqual(of(routeAt('/ccagent', { access: agents }), routeAt('/', { access: 'public' })), ['/ccagent']);
  assert.deepEqual(of(routeAt('/ccagent', { access: agents }), routeAt('/', { access: agents })), []);
  assert.deepEqual(of(routeAt('/ccagent/', { access: agents }), routeAt('= /ccagent', { access: agents })), []);
  assert.deepEqual(of(routeAt('/old', { access: 'deny' })), []);
  assert.deepEqual(of(routeAt('~ ^/x', { access: agents }), routeAt('/', { access: agents })), []);
  const networks = { networks: [{ address: '10.0.0.0', prefix: 8, family: 'ipv4' }], satisfy: 'all' } as const;
  assert.deepEqual(of(routeAt('/', { access: agents }), routeAt('/lan', { access: agents, networks })), ['/lan']);
  assert.deepEqual(of(routeAt('/', { access: agents, networks }), routeAt('/lan', { access: agents, networks })), []);
  const [warning] = siblingsAdmitted([routeAt('/ccagent', { access: agents })]);
  assert.match(`${warning?.message} ${warning?.hint}`, /\/ccagentx.*"\/ccagent\/".*"= \/ccagent"/);
});

test('warnings: a location with a closing slash and an upstream path without', () => {
  const of = (location: string, base: string) =>
    locationWarnings([routeAt(location, { upstream: upstreamAt(base), access: 'deny' })]).map(({ key }) => key);
  assert.deepEqual(of('/api/', '/v1'), ['upstream']);
  assert.deepEqual(of('/api/', '/v1/'), []);
  assert.deepEqual(of('= /api/', '/v1'), []);
});

test('like Express: case and a closing slash lead nobody past the location of a handler', () => {
  const routes = ['/', '/Admin', '= /reports', '/desk/', '~ ^/calls/\\d+$', '~ ^/Archive$'].map((text) =>
    routeAt(text),
  );
  const lenient = compileLocations(routes, { likeExpress: true });
  const strict = compileLocations(routes);
  const chosen = (path: string) => [lenient, strict].map((locations) => locations.match(at(path))?.route.name);
  assert.deepEqual(chosen('/admin'), ['/Admin', '/']);
  assert.deepEqual(chosen('/ADMIN/users'), ['/Admin', '/']);
  assert.deepEqual(chosen('/reports/'), ['= /reports', '/']);
  assert.deepEqual(chosen('/Reports'), ['= /reports', '/']);
  assert.deepEqual(chosen('/calls/7/'), ['~ ^/calls/\\d+$', '/']);
  assert.deepEqual(chosen('/CALLS/7'), ['~ ^/calls/\\d+$', '/']);
  assert.deepEqual(chosen('/archive/'), ['~ ^/Archive$', '/']);
  assert.deepEqual(chosen('/reports/x'), ['/', '/'], 'an exact location covers nothing below it');
  assert.equal(lenient.closingSlash(at('/DESK')), '/DESK/');
  assert.equal(strict.closingSlash(at('/DESK')), undefined);
  assert.throws(() => compileLocations([routeAt('/a'), routeAt('/A')], { likeExpress: true }), {
    name: 'OperatorError',
  });
});

test('like Express: letters that only Unicode takes for those of ASCII lead nobody to a location that is another', () => {
  const routes = ['/', '/desk', '/info', '/été', '~ ^/static/', '~* ^/kiosk/'].map((text) => routeAt(text));
  const lenient = compileLocations(routes, { likeExpress: true });
  const strict = compileLocations(routes);
  const chosen = (path: string) =>
    [lenient, strict].map((locations) => locations.match(at(encodeURI(path)))?.route.name);
  for (const path of ['/des\u212a', '/\u0130nfo', '/\u017ftatic/x', '/\u212aiosk/x', '/ÉTÉ'])
    assert.deepEqual(chosen(path), ['/', '/'], path);
  assert.deepEqual(chosen('/STATIC/x'), ['~ ^/static/', '/']);
  assert.deepEqual(chosen('/KIOSK/x'), ['~* ^/kiosk/', '~* ^/kiosk/']);
  assert.deepEqual(chosen('/été'), ['/été', '/été']);
});

test('locations: a redirect into its own location is warned of', () => {
  const redirectAt = (location: string, to: string): Route => {
    const { upstream: _none, ...route } = routeAt(location);
    return { ...route, fixed: { kind: 'redirect', to, status: 302 } };
  };
  const warned = (...routes: Route[]) => locationWarnings(routes).filter(({ key }) => key === 'redirect').length;
  assert.equal(warned(redirectAt('/', '/')), 1);
  assert.equal(warned(redirectAt('/', '/app/?x=1')), 1);
  assert.equal(warned(redirectAt('/', '/app/?x=1'), routeAt('/app/')), 0);
  assert.equal(warned(redirectAt('= /', '/app/')), 0);
  assert.equal(warned(redirectAt('/', 'https://other.example/')), 0);
});
