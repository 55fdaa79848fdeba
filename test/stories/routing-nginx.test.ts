/** The same locations in nginx and in the gateway: they choose alike, and send the upstream the same path. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { HeaderLines } from '../../src/core/request-head.ts';
import type { Route } from '../../src/core/route.ts';
import { locationProblems } from '../../src/routing/location-problems.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { matchedText, readPath } from '../../src/routing/path.ts';
import { canonicalTarget } from '../../src/routing/target.ts';
import { upstreamTarget } from '../../src/routing/upstream-target.ts';
import { routeAt, upstreamAt } from '../support/scenes/routes.ts';
import { needsNginx, startNginx, testNginx } from '../support/servers/nginx.ts';
import { freePort } from '../support/tools/free-port.ts';

const seed = 20_261_122;

/** What nginx did: the location and the path that its upstream saw, or the status it answered with itself. */
interface Seen {
  readonly status: number;
  readonly location?: string;
  readonly url?: string;
  readonly redirect?: string;
}

/** An upstream that says what it was sent. */
async function startEcho(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => {
    response.end(
      JSON.stringify({ location: decodeURIComponent(String(request.headers['x-location'])), url: request.url }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

function locationBlock(route: Route, echo: number): string {
  const name = encodeURIComponent(route.name);
  return `location ${route.modifier} "${route.path}" { proxy_set_header X-Location "${name}"; proxy_pass http://127.0.0.1:${echo}${route.upstream?.path ?? ''}; }`;
}

async function ask(port: number, host: string, path: string): Promise<Seen> {
  const request = http.get({ host: '127.0.0.1', port, path, headers: { host }, agent: new http.Agent() });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const status = response.statusCode ?? 0;
  if (status === 301) return { status, redirect: new URL(response.headers.location ?? '', 'http://x').pathname };
  return status === 200 ? { status, ...JSON.parse(Buffer.concat(chunks).toString()) } : { status };
}

const prefixes = [
  '/',
  '/a',
  '/a/',
  '/a/b',
  '/a/b/',
  '/ab',
  '/b',
  '/b/',
  '/a%20b/',
  '/caf\u00e9',
  '/x,y/',
  '/c.php',
  '/A/',
  '/a/b/c',
  '/a..',
];
const patterns = [
  '~ \\.php$',
  '~* \\.PHP$',
  '~ ^/a/',
  '~* ^/A',
  '~ b',
  '~ ^/[ab]+$',
  '~ /b/?$',
  '~ ^/a b',
  '~ ^/(a|caf\u00e9)/?',
  '~ c{1}',
];
const upstreamPaths = [undefined, undefined, '/', '/v1', '/v1/', '/v1/x%20y/'];
const segments = [
  'a',
  'b',
  'ab',
  'A',
  'c.php',
  'C.PHP',
  'a%20b',
  'x,y',
  'x%2Cy',
  'caf%c3%a9',
  '%61',
  '%41b',
  '..',
  '.',
  '',
  'a..',
  '..foo',
  '%2e%2e',
  'a|b',
  'b%25',
];

const location = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.constantFrom('', '', '= ', '^~ '), fc.constantFrom(...prefixes))
      .map((parts) => parts.join('')),
  },
  { weight: 2, arbitrary: fc.constantFrom(...patterns) },
);
const routeSet = fc
  .array(fc.tuple(location, fc.constantFrom(...upstreamPaths)), { minLength: 3, maxLength: 12 })
  .map((entries) =>
    entries.map(([at, base]) =>
      routeAt(at, base === undefined || at.startsWith('~') ? {} : { upstream: upstreamAt(base) }),
    ),
  )
  .map((routes) => {
    const faulty = new Set(locationProblems(routes).map(({ index }) => index));
    return routes.filter((_, index) => !faulty.has(index));
  });
const requestPath = fc
  .tuple(fc.array(fc.constantFrom(...segments), { minLength: 0, maxLength: 4 }), fc.constantFrom('', '/', '?q=/../a'))
  .map(([parts, end]) => `/${parts.join('/')}${end}`);

/** What must hold between nginx's answer and ours; returns whether there was anything to compare. */
function compare(routes: readonly Route[], host: string, target: string, seen: Seen): boolean {
  const where = `${host} ${target} in ${routes.map(({ name }) => name).join(' | ')}`;
  const reading = canonicalTarget({ target, headers: new HeaderLines(['Host', host]), scheme: 'http' });
  if (reading.kind === 'refused') return false;
  const locations = compileLocations(routes);
  const redirect = locations.closingSlash(reading.target);
  if (redirect !== undefined) {
    assert.equal(seen.redirect && matchedText(readOk(seen.redirect)), matchedText(redirect), where);
    return true;
  }
  const match = locations.match(reading.target);
  if (!match) assert.equal(seen.status, 404, where);
  else {
    assert.equal(seen.location, match.route.name, where);
    comparePath(match.route, reading.target, seen.url ?? '', where);
  }
  return true;
}

function comparePath(route: Route, target: { path: string; query: string }, url: string, where: string): void {
  const ours = upstreamTarget(route, target);
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  assert.equal(mark === -1 ? '' : url.slice(mark), target.query, where);
  if (ours.kind === 'refused') {
    // nginx sends such a path; what it names is for the upstream to guess.
    assert.ok((path.includes('/.') && readPath(path).kind !== 'ok') || readOk(path) !== path, `${where}: ${path}`);
    return;
  }
  const sent = ours.path.slice(0, ours.path.length - target.query.length);
  // nginx sends the client's spelling, or its own of the decoded path, and leaves a slash doubled where the two parts meet.
  assert.equal(decodeURIComponent(sent), decodeURIComponent(readOk(path)), where);
}

function readOk(path: string): string {
  const reading = readPath(path);
  return reading.kind === 'ok' ? reading.path : 'refused';
}

test(
  'nginx: the same location is chosen and the same path is sent, in forty sets of locations',
  needsNginx,
  async (t) => {
    const echo = await startEcho(t);
    const sets = fc.sample(routeSet, { seed, numRuns: 40 });
    const paths = fc.sample(requestPath, { seed, numRuns: 1200 });
    const nginx = await startNginx(t, (port) =>
      [
        `server { listen 127.0.0.1:${port} default_server; return 421; }`,
        ...sets.map(
          (routes, index) =>
            `server { listen 127.0.0.1:${port}; server_name set${index}.test;\n${routes.map((route) => locationBlock(route, echo)).join('\n')}\n}`,
        ),
      ].join('\n'),
    );
    let compared = 0;
    const fates = new Map<string, number>();
    for (const [index, path] of paths.entries()) {
      const number = index % sets.length;
      const host = `set${number}.test`;
      const seen = await ask(nginx.port, host, path);
      if (compare(sets[number] ?? [], host, path, seen)) {
        compared += 1;
        fates.set(String(seen.status), (fates.get(String(seen.status)) ?? 0) + 1);
      }
    }
    t.diagnostic(`${compared} of ${paths.length} compared: ${JSON.stringify(Object.fromEntries(fates))}`);
    assert.ok(compared > 800);
    for (const status of ['200', '301', '404']) assert.ok((fates.get(status) ?? 0) > 10, status);
  },
);

test('nginx: the same server is chosen by the Host', needsNginx, async (t) => {
  const echo = await startEcho(t);
  const hosts = [
    'example.com',
    '*.example.com',
    'a.example.com',
    '*.b.example.com',
    'c.b.example.com',
    '*.com',
    'other',
  ];
  const routes = hosts.map((host) => routeAt('/', { name: host, host }));
  const nginx = await startNginx(t, (port) =>
    [
      `server { listen 127.0.0.1:${port} default_server; location / { return 404; } }`,
      ...routes.map(
        (route) => `server { listen 127.0.0.1:${port}; server_name ${route.host}; ${locationBlock(route, echo)} }`,
      ),
    ].join('\n'),
  );
  const names = [
    'example.com',
    'a.example.com',
    'A.Example.COM',
    'b.example.com',
    'x.b.example.com',
    'y.x.b.example.com',
    'c.b.example.com',
    'd.c.b.example.com',
    'evilexample.com',
    'x.com',
    'com',
    'other',
    'x.other',
    'example.com.',
    'a.example.com:8080',
    'none',
  ];
  for (const name of names) {
    const seen = await ask(nginx.port, name, '/');
    assert.equal(compare(routes, name, '/', seen), true, name);
  }
});

test('nginx: what it refuses to load is a problem here too, and what it loads is none', needsNginx, async () => {
  const sets: Route[][] = [
    [routeAt('/a'), routeAt('/a')],
    [routeAt('/a'), routeAt('^~ /a')],
    [routeAt('= /a'), routeAt('= /a')],
    [routeAt('/a'), routeAt('= /a'), routeAt('/a/')],
    [routeAt('~ a'), routeAt('~* a')],
    [routeAt('~ ^/a', { upstream: upstreamAt('/b') })],
    [routeAt('= /a', { upstream: upstreamAt('/b') })],
    [routeAt('^~ /a', { upstream: upstreamAt('/b') })],
  ];
  const port = await freePort();
  for (const routes of sets) {
    const { ok, output } = testNginx(
      `server { listen 127.0.0.1:${port}; ${routes.map((route) => locationBlock(route, 1)).join('\n')} }`,
    );
    assert.equal(locationProblems(routes).length === 0, ok, `${routes.map(({ name }) => name).join(' | ')}: ${output}`);
  }
});

test('nginx: every hostile target that both take is taken to the same location', needsNginx, async (t) => {
  const echo = await startEcho(t);
  const routes = ['/admin', '/public', '/'].map((at) => routeAt(at));
  const nginx = await startNginx(
    t,
    (port) => `server { listen 127.0.0.1:${port}; ${routes.map((route) => locationBlock(route, echo)).join('\n')} }`,
  );
  const pieces = ['/', '//', '..', '.', 'admin', 'public', '%61dmin', '%2e%2e', '%2e', 'x', '/../', '%5f'];
  const targets = fc.sample(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 }), {
    seed,
    numRuns: 400,
  });
  let compared = 0;
  for (const parts of targets)
    if (compare(routes, 'gate.test', `/${parts.join('')}`, await ask(nginx.port, 'gate.test', `/${parts.join('')}`)))
      compared += 1;
  assert.ok(compared > 200, `${compared}`);
});
