/** `gatehouse import nginx`: files, includes and options; what comes out loads, and an export comes back. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { readConfiguration } from '../../../src/cli/configuration.ts';
import { routesOf } from '../../../src/gateway/routes.ts';
import { compileLocations } from '../../../src/routing/locations.ts';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const fixtures = path.join(import.meta.dirname, '../../fixtures/nginx');
const fixture = (name: string): string => path.join(fixtures, name);

/** Writes files into a folder of the test; yields a function that gives their paths. */
async function files(t: TestContext, texts: Readonly<Record<string, string>>) {
  const folder = await temporaryFolder(t);
  const at = (name: string): string => path.join(folder, name);
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), text);
  }
  return at;
}

const cases = readdirSync(fixture('cases')).map((name) => `cases/${name}`);
for (const name of ['xivo/nginx.conf', 'nested.conf', 'rewrites.conf', 'hosts.conf', 'guarded.conf', ...cases])
  test(`import nginx: ${name} becomes a configuration that check calls good`, async (t) => {
    const { code, stdout, stderr } = await run(['import', 'nginx', fixture(name)]);
    assert.equal(code, 0, stderr);
    const at = await files(t, { 'gatehouse.yaml': stdout });
    const checked = await run(['check', '--config', at('gatehouse.yaml')]);
    assert.equal(checked.code, 0, checked.stderr);
    for (const line of stderr
      .trim()
      .split('\n')
      .filter((one) => one.startsWith(' ')))
      assert.match(line, /^ {2}\S+:\d+:\d+ {2}\S.*: \S/, 'each line has a place, what it is about, and why');
  });

test('import nginx: the contact center with its includes, each route with the place it came from', async () => {
  const { stdout, stderr } = await run(['import', 'nginx', fixture('xivo/nginx.conf')]);
  const { server, routes } = parse(stdout);
  assert.equal(server.publicUrl, 'https://cc.example.com');
  const led = routes.filter(({ access }: { access?: string }) => access === undefined);
  const pool = (path: string) => ({
    servers: [
      { url: `http://xuc-1.internal:8070${path}`, weight: 2 },
      { url: `http://xuc-3.internal:8070${path}`, backup: true },
    ],
  });
  assert.deepEqual(
    led.map(({ location, upstream, websocket }: Record<string, unknown>) => [location, upstream, websocket ?? false]),
    [
      ['/fingerboard', 'http://fingerboard.internal:80/', false],
      ['/', 'http://assistant.internal:80', true],
      ['/ccagent', pool('/ccagent'), true],
      ['/ccmanager', pool('/ccmanager'), true],
      ['/configmgt/', 'http://xivo.internal:9100', false],
      ['^~ /kibana/', 'http://kibana.internal:5601/', false],
      ['/recording/', 'http://recording.internal:9400/recording/', false],
      ['/SpagoBI', 'http://reporting.internal:9500/SpagoBI', false],
      ['~ ^/xuc/api/[\\w\\-]+/history$', 'http://xuc-1.internal:8070', false],
    ],
  );
  assert.match(stdout, /# \S*conf\.d\/xivo\.conf:20 {2}location \/ccagent\n/);
  assert.match(stdout, /# nginx does not say how users sign in\./);
  assert.match(stderr, /not translated:\n(?: .*\n)*.*nginx\.conf:27:9 {2}least_conn: /);
  assert.match(stderr, /closed until you decide:\n(?: .*\n)*.*xivo\.conf:60:5 {2}location = \/favicon\.ico: /);
  assert.match(stderr, /ignored on purpose:\n(?: .*\n)*.*nginx\.conf:13:5 {2}default_type, sendfile, types: /);
});

test('import nginx: --public leaves open what a server asks nobody for, and nothing else', async () => {
  const access = async (name: string, ...options: string[]) => {
    const { stdout } = await run(['import', 'nginx', fixture(name), ...options]);
    return new Set(parse(stdout).routes.map((route: { access?: unknown }) => route.access));
  };
  assert.deepEqual(await access('hosts.conf'), new Set([undefined]));
  assert.deepEqual(await access('hosts.conf', '--public'), new Set(['public']));
  const networks = ['10.0.0.0/8'];
  assert.deepEqual(
    await access('guarded.conf', '--public'),
    new Set(['deny', undefined, { networks, satisfy: 'any' }, { networks }]),
  );
});

test('import nginx: relative includes begin at the folder of the file, or at --prefix, which stands for /etc/nginx too', async (t) => {
  const at = await files(t, {
    'etc/sites/one.conf':
      'server { include snippets/a.conf; include /etc/nginx/snippets/b.conf; include none/*.conf; }',
    'etc/snippets/a.conf': 'location /a { proxy_pass http://a; }',
    'etc/snippets/b.conf': 'location /b { proxy_pass http://b; }',
    'etc/snippets/.hidden.conf': 'location /hidden { proxy_pass http://hidden; }',
    'etc/nginx.conf': 'http { server { include snippets/*.conf; } }',
  });
  const locations = async (...words: string[]) => {
    const { code, stdout, stderr } = await run(['import', 'nginx', ...words]);
    assert.equal(code, 0, stderr);
    return { stderr, found: parse(stdout).routes.map((route: { location: string }) => route.location) };
  };
  assert.deepEqual((await locations(at('etc/nginx.conf'))).found, ['/a', '/b']);
  assert.deepEqual((await locations(at('etc/sites/one.conf'), '--prefix', at('etc'))).found, ['/a', '/b']);
  const alone = await run(['import', 'nginx', at('etc/sites/one.conf')]);
  assert.equal(alone.code, 1);
  assert.match(alone.stderr, /one\.conf:1:10 {2}include snippets\/a\.conf: the file is not here/);
});

test('import nginx: certificates that can be read are listened with; several files are one configuration', async (t) => {
  const at = await files(t, {
    'a.conf':
      'server { listen 443 ssl; server_name a.test; ssl_certificate tls/a.crt; ssl_certificate_key tls/a.key; location / { proxy_pass http://pool; } }',
    'b.conf': 'upstream pool { server one:1; server two:2; }',
    'tls/a.crt': 'x',
    'tls/a.key': 'x',
  });
  const { stdout } = await run(['import', 'nginx', at('a.conf'), at('b.conf')]);
  const { server, routes } = parse(stdout);
  assert.deepEqual(server.tls, { certificate: at('tls/a.crt'), key: at('tls/a.key') });
  assert.deepEqual(server.listen, ['https://0.0.0.0:443']);
  assert.deepEqual(routes[0].upstream, ['http://one:1', 'http://two:2']);
});

test('import nginx: what is wrong is said, with the place and the exit code', async (t) => {
  const at = await files(t, {
    'broken.conf': 'server {\n  location / {\n',
    'empty.conf': '',
    'files.conf': 'server { location / { root /srv; } }',
  });
  assert.partialDeepStrictEqual(await run(['import', 'nginx']), { code: 2, stdout: '' });
  assert.partialDeepStrictEqual(await run(['import', 'nginx', at('empty.conf'), '--env', 'x']), {
    code: 2,
    stdout: '',
  });
  const broken = await run(['import', 'nginx', at('broken.conf')]);
  assert.partialDeepStrictEqual(broken, { code: 1, stdout: '' });
  assert.match(broken.stderr, /broken\.conf:2:3 {2}the block that begins here has no end/);
  for (const name of ['none.conf', 'empty.conf', 'files.conf'])
    assert.partialDeepStrictEqual(await run(['import', 'nginx', at(name)]), { code: 1, stdout: '' }, name);
  assert.match(
    (await run(['import', 'nginx', at('files.conf')])).stderr,
    /files\.conf:1:10 {2}location \/: the gateway serves no files/,
  );
  assert.match(
    (await run(['import', 'nginx', fixture('nested.conf'), '--host', 'a b'])).stderr,
    /--host: a b is no host name/,
  );
});

/** Routes as far as nginx's file has them: not who may pass, nor templates. */
function comparable(file: string): unknown[] {
  const reading = readConfiguration(file, {});
  assert.ok(reading.kind === 'ok');
  return routesOf(reading.document).map(
    ({ name, host, modifier, path: at, upstream, websocket, timeouts, maxBody, preserveHost }) => ({
      ...{ name, host, modifier, at, websocket, timeouts, maxBody, preserveHost },
      servers: upstream?.servers.map(({ url }) => url.host),
      // Where the path of the upstream is that of the location, it is the same to leave it out.
      path: upstream?.path === at ? undefined : upstream?.path,
    }),
  );
}

test('import nginx: what export nginx writes comes back as the same routes', async (t) => {
  const routes = [
    { name: 'home', location: '/', upstream: 'http://app:8070', websocket: true },
    { location: '^~ /open/', upstream: 'http://app:8070/', access: 'public' },
    { location: '/open/inner/', upstream: 'http://app:8070/deep/er/', timeout: '5m', connectTimeout: '1s', maxBody: 0 },
    {
      name: 'reports & more',
      location: '~ ^/reports/\\d{2,}"$',
      upstream: ['http://one:81', 'http://two:82'],
      access: { roles: ['agent'] },
    },
    { location: '~* \\.PHP$', upstream: 'http://app:8070', maxBody: '20mb' },
    { location: '= /exact', upstream: 'http://app:8070/other' },
    { location: '/same/', upstream: 'http://app:8070/same/', preserveHost: false },
    { location: '/a%20b/caf%C3%A9/', upstream: 'http://app:8070/x%20y/', websocket: true, timeout: '90s' },
    { location: '/tls/', upstream: 'https://app.example.com', idleActivity: false },
  ];
  const base = {
    server: { publicUrl: 'https://cc.example.com', trustedProxies: ['127.0.0.1'] },
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    roles: { agent: { groups: ['agents'] } },
  };
  const at = await files(t, { 'gatehouse.yaml': stringify({ ...base, routes }) });
  const exported = await run(['export', 'nginx', '--config', at('gatehouse.yaml')]);
  assert.equal(exported.code, 0, exported.stderr);
  writeFileSync(at('nginx.conf'), exported.stdout);
  const imported = await run(['import', 'nginx', at('nginx.conf')]);
  assert.equal(imported.code, 0, imported.stderr);
  writeFileSync(at('again.yaml'), imported.stdout);
  assert.deepEqual(comparable(at('again.yaml')), comparable(at('gatehouse.yaml')));
  assert.equal(parse(imported.stdout).server.publicUrl, 'https://cc.example.com');

  writeFileSync(at('nginx.conf'), (await run(['export', 'nginx', '--live', '--config', at('gatehouse.yaml')])).stdout);
  const live = await run(['import', 'nginx', at('nginx.conf')]);
  writeFileSync(at('live.yaml'), live.stdout);
  assert.deepEqual(comparable(at('live.yaml')), comparable(at('gatehouse.yaml')));
  assert.doesNotMatch(live.stderr, /closed until you decide/);
});

test('import nginx: an export with hosts and closed routes comes back with both', async (t) => {
  const routes = [
    { location: '/', upstream: 'http://app:1' },
    { location: '/shut/', upstream: 'http://app:1', access: 'deny' },
    { location: '/', host: 'kibana.example.com', upstream: 'http://kibana:2' },
  ];
  const base = {
    server: { publicUrl: 'https://cc.example.com' },
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'u.yaml' } },
  };
  const at = await files(t, { 'gatehouse.yaml': stringify({ ...base, routes }) });
  writeFileSync(at('nginx.conf'), (await run(['export', 'nginx', '--config', at('gatehouse.yaml')])).stdout);
  const { stdout } = await run(['import', 'nginx', at('nginx.conf')]);
  assert.deepEqual(
    parse(stdout)
      .routes.map(({ host, location, upstream, access }: Record<string, unknown>) =>
        [host, location, access === 'deny' ? 'shut' : upstream].join(' '),
      )
      .sort(),
    [
      'cc.example.com / http://app:1',
      'cc.example.com /shut/ shut',
      'kibana.example.com / http://kibana:2',
      'kibana.example.com /shut/ shut',
    ],
  );
});

test('import nginx: servers on other ports of one host keep their port, and the gateway tells them apart', async (t) => {
  const { stdout } = await run(['import', 'nginx', fixture('cases/18-ports-of-one-host.conf')]);
  const at = await files(t, { 'gatehouse.yaml': stdout });
  const reading = readConfiguration(at('gatehouse.yaml'), {});
  assert.equal(reading.kind, 'ok');
  if (reading.kind !== 'ok') return;
  assert.equal(reading.document.server.publicUrl.origin, 'https://cc.example.com:8445');
  const locations = compileLocations(routesOf(reading.document));
  const upstreamAt = (port: string) =>
    locations.match({ host: 'cc.example.com', port, path: '/x' })?.route.upstream?.servers[0]?.origin;
  assert.deepEqual(['8445', '8444', '8553', '443'].map(upstreamAt), [
    'https://finesse1.example.com:8445',
    'https://cuic1.example.com:8444',
    'https://ids1.example.com:8553',
    undefined,
  ]);
});

test('import nginx: a name of a file with signs of a terminal is printed without them', async (t) => {
  const at = await files(t, { 'x.conf': '' });
  const odd = path.join(path.dirname(at('x.conf')), 'a\u001b[31mb.conf');
  cpSync(fixture('hosts.conf'), odd);
  const { code, stdout, stderr } = await run(['import', 'nginx', odd]);
  assert.equal(code, 0);
  assert.doesNotMatch(stdout + stderr, /\u001b/);
  assert.ok(readFileSync(odd, 'utf8').length > 0);
});

test('import nginx: --prefix never falls back to the machine’s own folder, and other folders are mapped', async (t) => {
  const at = await files(t, {
    'copy/nginx.conf':
      'http { include /etc/nginx/mime.types; include /opt/proxy/*.conf; include /etc/nginx/none.conf; }',
    'opt/a.conf': 'server { location /a { proxy_pass http://a; } include /opt/proxy/sub/b.conf; }',
    'opt/sub/b.conf': 'location /b { proxy_pass http://b; }',
  });
  const { stdout, stderr } = await run([
    ...['import', 'nginx', at('copy/nginx.conf'), '--prefix', at('copy'), '--prefix', `/opt/proxy=${at('opt')}`],
  ]);
  assert.deepEqual(
    parse(stdout).routes.map(({ location }: { location: string }) => location),
    ['/a', '/b'],
    stderr,
  );
  // A Debian with nginx has a mime.types of its own.
  assert.match(stderr, /include \/etc\/nginx\/mime\.types: the file is not here/);
  assert.match(stdout, /# - Not translated: include \/etc\/nginx\/none\.conf /);
});

test('import nginx: what nginx -T prints is the files that it names, whatever stands in front', async (t) => {
  const dump = readFileSync(fixture('cases/17-dump-of-nginx-T.conf'), 'utf8')
    .replace('location = /auth', 'include conf.d/*.conf;\nlocation = /auth')
    .concat('# configuration file /etc/nginx/conf.d/x.conf:\nlocation /x/ { proxy_pass http://x; }\n');
  const at = await files(t, {
    'dump.txt': `nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: test is successful\n${dump}`,
    'broken.txt': dump.replace('client_max_body_size 5m;', 'client_max_body_size 5m'),
  });
  const { code, stdout, stderr } = await run(['import', 'nginx', at('dump.txt')]);
  assert.equal(code, 0, stderr);
  assert.partialDeepStrictEqual(parse(stdout).routes, [
    // biome-ignore lint/suspicious/noTemplateCurlyInString: header templates write variables so.
    { location: '/', headers: { 'X-User': '${subject}' } },
    { location: '/open/', upstream: 'http://127.0.0.1:21011/', maxBody: '5mb' },
    { location: '/x/', upstream: 'http://x' },
    { location: '= /auth', access: 'deny' },
  ]);
  assert.doesNotMatch(stderr, /is not here/);
  assert.match(
    (await run(['import', 'nginx', at('broken.txt')])).stderr,
    /\/etc\/nginx\/snippets\/proxy\.conf:\d+:\d+ {2}/,
  );
});

test('import nginx: letters of another encoding are an error with its place, but in comments', async (t) => {
  const at = await files(t, { 'x.conf': '' });
  const write = (text: string): void => writeFileSync(at('x.conf'), Buffer.from(text, 'latin1'));
  write('server {\r\n  # d\u00e9j\u00e0 vu\r\n  location / { proxy_pass http://a; } # \u00e9\r\n}\r\n');
  assert.equal((await run(['import', 'nginx', at('x.conf')])).code, 0);
  write('server {\n  location /caf\u00e9/ { proxy_pass http://a; }\n}\n');
  const { code, stderr } = await run(['import', 'nginx', at('x.conf')]);
  assert.equal(code, 1);
  assert.match(stderr, /x\.conf:2:16 {2}the byte here is not UTF-8/);
  write('log_format x "a\nb \u00e9";');
  assert.match((await run(['import', 'nginx', at('x.conf')])).stderr, /x\.conf:2:3 {2}the byte here is not UTF-8/);
});

test('import nginx: what does not matter is one line for each reason, and the same of many places one line', async (t) => {
  const location = (name: string): string =>
    `location /${name} { proxy_pass http://a; gzip on; proxy_buffering off; }\n`;
  const at = await files(t, { 'x.conf': `server {\n${['a', 'b', 'c'].map(location).join('')}}` });
  const { stderr } = await run(['import', 'nginx', at('x.conf')]);
  assert.match(stderr, /x\.conf:2:\d+ {2}gzip: .* \(3 places\)\n/);
  assert.match(stderr, /x\.conf:2:\d+ {2}proxy_buffering: .* \(3 places\)\n/);
  assert.equal(stderr.match(/gzip/g)?.length, 1);
});
