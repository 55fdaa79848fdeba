/**
 * Configurations of nginx and what `gatehouse import nginx` makes of them, side by side: a real nginx and a gateway with the
 * imported file choose the same application and send it the same path. What is different is closed, and listed here.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { flattenLocations } from '../../src/interop/nginx/flatten.ts';
import { parseNginx } from '../../src/interop/nginx/parse.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { routeAt } from '../support/scenes/routes.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const fixtures = path.join(import.meta.dirname, '../fixtures/nginx');

/** One answer, from whichever of the two. */
interface Seen {
  readonly status: number;
  /** The address that the application was asked at, and its own. */
  readonly app?: string;
  readonly url?: string;
  readonly redirect?: string;
}

/** Applications on addresses of the loopback network, all on one port, each of which says what it was sent. */
async function startApplications(t: TestContext, count: number): Promise<number> {
  let port = 0;
  for (let index = 0; index < count; index += 1) {
    const server = http.createServer((request, response) => {
      const app = request.socket.localAddress;
      response.end(JSON.stringify({ app, url: request.url }));
    });
    server.listen(port, `127.0.1.${index + 1}`);
    await once(server, 'listening');
    t.after(() => server.close().closeAllConnections());
    const address = server.address();
    port = typeof address === 'object' && address ? address.port : 0;
  }
  return port;
}

/** A fixture in a folder of the test: hosts that exist on this machine, a free port to listen on, no certificates. */
async function prepareFixture(t: TestContext, name: string) {
  const folder = await temporaryFolder(t);
  cpSync(path.join(fixtures, name), path.join(folder, name), { recursive: true });
  const files = statSync(path.join(folder, name)).isDirectory()
    ? readdirSync(path.join(folder, name), { recursive: true, encoding: 'utf8' })
        .map((file) => path.join(name, file))
        .filter((file) => statSync(path.join(folder, file)).isFile())
    : [name];
  const apps = new Map<string, string>();
  const texts = new Map(files.map((file) => [file, readFileSync(path.join(folder, file), 'utf8')]));
  for (const text of texts.values())
    for (const [host] of text.matchAll(/[a-z0-9-]+\.internal/g))
      if (!apps.has(host)) apps.set(host, `127.0.1.${apps.size + 1}`);
  const port = await startApplications(t, apps.size);
  const write = (listen: number): void => {
    for (const [file, text] of texts) {
      const settled = text
        .replace(/[a-z0-9-]+\.internal/g, (host) => apps.get(host) ?? host)
        .replace(/:(?:80|8070|9100|5601|9400|9500)\b/g, `:${port}`)
        .replace(/^.*\bssl_.*;$/gm, '')
        .replace(/listen (?:80|443 ssl)\b/g, `listen 127.0.0.1:${listen}`)
        .replace(/ default_server/g, '')
        .replace(/include\s+(?=[a-z])/g, `include ${path.join(folder, name)}/`);
      writeFileSync(path.join(folder, file), settled);
    }
  };
  return { folder, write };
}

async function ask(port: number, host: string, target: string): Promise<Seen> {
  const request = http.get({ host: '127.0.0.1', port, path: target, headers: { host }, agent: new http.Agent() });
  // nginx's 444 is no answer at all.
  const [response] = (await once(request, 'response').catch(() => [])) as [http.IncomingMessage?];
  if (!response) return { status: 0 };
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const status = response.statusCode ?? 0;
  if (status === 301 || status === 308)
    return { status: 301, redirect: new URL(response.headers.location ?? '', 'http://x').pathname };
  if (status !== 200) return { status };
  const { app, url } = JSON.parse(Buffer.concat(chunks).toString());
  // Where a location's path and that of its upstream meet, nginx may double the slash.
  return { status, app, url: url.replace(/^[^?]*/, (sent: string) => sent.replace(/\/{2,}/g, '/')) };
}

/** What a story asks, and which of it the import has closed or nginx alone answers. */
interface Story {
  readonly name: string;
  readonly file: string;
  readonly hosts?: readonly string[];
  readonly paths: readonly string[];
  /** Answered by nginx with an application, and closed by the import: each says why in its report. */
  readonly closed?: readonly string[];
  /** Let through by the login of nginx: the gateway has its own, and nobody is signed in. */
  readonly asked?: readonly string[];
}

/** The names of the site that was imported: it is tried under an address of the test. */
const hostsOf = ({ publicUrl, hosts = [] }: { publicUrl: string; hosts?: readonly string[] }): string[] => [
  new URL(publicUrl).hostname,
  ...hosts,
];

/** Runs both and yields how many answers came from an application. */
async function compare(
  t: TestContext,
  { name, file, hosts = ['apps.example.com'], paths, closed = [], asked = [] }: Story,
) {
  const { folder, write } = await prepareFixture(t, name);
  const main = path.join(folder, file);
  const nginx = await startNginx(t, (port) => {
    write(port);
    const text = readFileSync(main, 'utf8');
    // startNginx writes its own main part.
    return text.includes('http {')
      ? text.slice(text.indexOf('http {') + 6, text.lastIndexOf('}')).replace(/access_log .*;/, '')
      : text;
  });
  const imported = await run(['import', 'nginx', main]);
  assert.equal(imported.code, 0, imported.stderr);
  const { routes, server } = parse(imported.stdout);
  const open = routes.map((route: object) => ({ access: 'public', ...route }));
  const started = await gateway(t, { config: { server: { hosts: hostsOf(server) }, routes: open } });
  let answered = 0;
  for (const host of hosts)
    for (const target of paths) {
      const [theirs, ours] = [await ask(nginx.port, host, target), await ask(Number(started.url.port), host, target)];
      const where = `${host}${target}: nginx ${JSON.stringify(theirs)}, gateway ${JSON.stringify(ours)}`;
      if (theirs.status === 200 && closed.includes(target)) assert.equal(ours.status, 403, where);
      else if (theirs.status === 200 && asked.includes(target)) assert.equal(ours.status, 401, where);
      else if (theirs.status === 200) {
        answered += 1;
        assert.deepEqual(ours, theirs, where);
      } else if (theirs.status === 301) assert.deepEqual(ours, theirs, where);
      else assert.ok(ours.status === 403 || ours.status === 404 || ours.status === 421, where);
    }
  return answered;
}

const stories: readonly (Story & { readonly least: number })[] = [
  {
    name: 'xivo',
    file: 'xivo/nginx.conf',
    least: 22,
    hosts: ['cc.example.com'],
    paths: [
      '/',
      '/index.html?q=1',
      '/fingerboard',
      '/fingerboard/',
      '/fingerboard/a/b?c=d',
      '/fingerboards',
      '/ccagent',
      '/ccagent/x?y',
      '/ccagentx',
      '/ccmanager/',
      '/configmgt',
      '/configmgt/',
      '/configmgt/users/7?x=%20',
      '/kibana',
      '/kibana/',
      '/kibana/app/home',
      '/kibana/logo.png',
      '/recording/',
      '/recording/search?from=1',
      '/recording/admin/',
      '/recording/admin/x',
      '/SpagoBI',
      '/SpagoBI/servlet/x',
      '/spagobi',
      '/logo.PNG',
      '/a/favicon.ico',
      '/favicon.ico',
      '/xuc/api/1-2/history',
      '/xuc/api/1-2/history/',
      '/xuc/api/1.2/history',
      '/.git/config',
      '/a/.well-known/x',
      '/50x.html',
      '/caf%C3%A9',
    ],
  },
  {
    name: 'nested.conf',
    file: 'nested.conf',
    least: 30,
    paths: [
      '/',
      '/x.php',
      '/portal',
      '/portalx',
      '/portal/',
      '/portal/a.php',
      '/portal/exact.php',
      '/portal/static/',
      '/portal/static/a',
      '/portal/static/a.php',
      '/portal/static',
      '/portal/other',
      '/portal/other/a',
      '/portal/other/a.php',
      '/shop/',
      '/shop',
      '/shop/a',
      '/shop/a.gif',
      '/shop/a.JPEG',
      '/shop/firm/a.gif',
      '/shop/firm/',
      '/shop/firm',
      '/shop/firm/a.php',
      '/shop/a.php',
      '/a.gif',
      '/api/v1/',
      '/api/v12/x.json',
      '/api/v123/x.json',
      '/api/v1/private',
      '/api/v1/private.json',
      '/api/v1/x.php',
      '/api/vx/',
      '/api/v1/a/b.json',
      '/case-LESS/x',
      '/portal/case-less',
      '/case-less.php',
    ],
  },
  {
    name: 'rewrites.conf',
    file: 'rewrites.conf',
    least: 22,
    closed: ['/h/', '/h/x', '/o/', '/o/x?y', '/j/x', '/q/xxz', '/q/xy'],
    paths: [
      '/a/',
      '/a',
      '/a/b/c?d=e',
      '/b/',
      '/b/x/y?z',
      '/c/',
      '/c/x',
      '/c/x%20y?z=1',
      '/d',
      '/d/e/f?g',
      '/dx',
      '/e/',
      '/e/x?y=%2F',
      '/f/x?y=z',
      '/f/',
      '/g',
      '/g/',
      '/h/',
      '/h/x',
      '/i/x',
      '/j/x',
      '/l%20m/x',
      '/l%20m',
      '/o/',
      '/o/x?y',
      '/p/123',
      '/p/1234',
      '/q/xxz',
      '/q/xy',
      '/q',
      '/',
      '/z',
    ],
  },
  {
    name: 'hosts.conf',
    file: 'hosts.conf',
    least: 14,
    hosts: [
      'cc.example.com',
      'WWW.cc.example.com',
      'kibana.example.com',
      'a.b.kibana.example.com',
      'other.example.com',
      'example.com',
      'unknown.test',
    ],
    paths: ['/', '/api/', '/api/x', '/api/x1', '/only/', '/only/y?z', '/only', '/x'],
  },
  {
    name: 'guarded.conf',
    file: 'guarded.conf',
    least: 4,
    closed: ['/read/', '/read/x'],
    // nginx asks its own login there; the gateway asks for its own.
    asked: ['/lan/', '/lan/x'],
    hosts: ['desk.example.com'],
    paths: [
      '/',
      '/x/y?z',
      '/health',
      '/lan/',
      '/lan',
      '/lan/x',
      '/office/',
      '/read/',
      '/read/x',
      '/key/',
      '/check',
      '/checks',
    ],
  },
];

for (const story of stories)
  test(`nginx import: ${story.name} leads where nginx leads`, needsNginx, async (t) => {
    const answered = await compare(t, story);
    t.diagnostic(`${answered} answers of applications are the same`);
    assert.ok(answered >= story.least, `only ${answered} answers came from an application`);
  });

/** A tree of locations, as nginx takes it. */
interface Tree {
  readonly modifier: string;
  readonly path: string;
  readonly inner: readonly Tree[];
}

const names = ['a', 'b', 'ab', 'c'];
const expressions = ['b', '^/a', 'c$', '/b/', '^/a/b', '(a|b)c', 'B$', '[ab]b', '^/(?:b|a)/c', '\\-'];

const isPattern = ({ modifier }: Tree): boolean => modifier.startsWith('~');

/** Locations of one level: prefixes go on from the one around, and none stands twice. */
function level(around: string, depth: number): fc.Arbitrary<Tree[]> {
  const inner = (path: string) => (depth === 0 ? fc.constant([]) : level(path, depth - 1));
  const prefix = fc
    .tuple(fc.constantFrom('', '', '^~'), fc.array(fc.constantFrom(...names, '/'), { minLength: 1, maxLength: 2 }))
    .map(([modifier, parts]) => ({ modifier, path: `${around}${parts.join('')}`.replace(/\/{2,}/g, '/') }))
    .chain(({ modifier, path: at }) => inner(at).map((within) => ({ modifier, path: at, inner: within })));
  const exact = fc.constantFrom(...names).map((name) => ({ modifier: '=', path: `${around}${name}`, inner: [] }));
  const pattern = fc.tuple(fc.constantFrom('~', '~*'), fc.constantFrom(...expressions)).chain(([modifier, source]) =>
    // Within an expression nginx takes prefixes only that begin with its text.
    (source.startsWith('/') ? inner(source) : inner('/').map((trees) => trees.filter(isPattern))).map((within) => ({
      modifier,
      path: source,
      inner: within,
    })),
  );
  return fc
    .array(
      fc.oneof({ weight: 4, arbitrary: prefix }, { weight: 1, arbitrary: exact }, { weight: 3, arbitrary: pattern }),
      {
        maxLength: 4,
      },
    )
    .map((trees) => {
      const seen = new Set<string>();
      const place = ({ modifier, path: at }: Tree): string =>
        (modifier.startsWith('~') ? `~${modifier}` : modifier.replace('^~', '')) + at;
      return trees.filter((tree) => !seen.has(place(tree)) && seen.add(place(tree)));
    });
}

function write(trees: readonly Tree[], port: number, path = 'r'): string {
  return trees
    .map(
      (tree, index) =>
        `location ${tree.modifier} "${tree.path.replaceAll('\\', '\\\\')}" {\nproxy_set_header X-Id ${path}${index};\nproxy_pass http://127.0.0.1:${port};\n${write(tree.inner, port, `${path}${index}.`)}}\n`,
    )
    .join('');
}

test('nginx import: nested locations, made flat, choose as nginx does in sixty trees', needsNginx, async (t) => {
  const echo = http.createServer((request, response) => response.end(String(request.headers['x-id'])));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close().closeAllConnections());
  const address = echo.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const trees = fc.sample(level('/', 2), { seed: 20_261_123, numRuns: 60 }).filter((tree) => tree.length > 0);
  const texts = trees.map((tree) => write(tree, port));
  const nginx = await startNginx(t, (listen) =>
    texts
      .map(
        (text, index) => `server { listen 127.0.0.1:${listen}; server_name tree${index}.test; root /nowhere;\n${text}}`,
      )
      .join('\n'),
  );
  const paths = fc.sample(
    fc
      .array(fc.constantFrom(...names, '/', '-', 'C', 'B'), { minLength: 0, maxLength: 7 })
      .map((parts) => `/${parts.join('')}`.replace(/\/{2,}/g, '/')),
    { seed: 20_261_124, numRuns: 120 },
  );
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  let compared = 0;
  for (const [index, text] of texts.entries()) {
    const { directives } = parseNginx({ file: 'tree', text }, () => undefined);
    const { locations } = flattenLocations(directives);
    const ids = locations.map(({ directive }) => directive.body?.[0]?.args[1] ?? '');
    const compiled = compileLocations(
      locations.map(({ modifier, path: at, unreadable }, place) => {
        assert.equal(unreadable, undefined, at);
        return routeAt(`${modifier} ${at}`, { name: `${ids[place]}` });
      }),
    );
    for (const target of paths) {
      const request = http.get({
        host: '127.0.0.1',
        port: nginx.port,
        path: target,
        headers: { host: `tree${index}.test` },
        agent,
      });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const where = `${target} in\n${text}\n${locations.map(({ modifier, path: at }) => `${modifier} ${at}`).join('\n')}`;
      // A location of the path with a closing slash sends there, and so does the gateway before it looks further.
      if (response.statusCode === 301) continue;
      const theirs = response.statusCode === 200 ? Buffer.concat(chunks).toString() : undefined;
      assert.equal(compiled.match({ host: 'tree.test', port: '80', path: target })?.route.name, theirs, where);
      compared += 1;
    }
  }
  t.diagnostic(`${compared} choices are the same`);
  assert.ok(compared > 4000);
});
