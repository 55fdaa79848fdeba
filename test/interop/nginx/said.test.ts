/** What the import of nginx does not translate stands in the YAML, where it is missing, and opens nothing. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: nginx writes variables so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importNginx, type NginxOptions } from '../../../src/interop/nginx/import.ts';
import { parseNginx } from '../../../src/interop/nginx/parse.ts';
import { nginxYaml } from '../../../src/interop/nginx/yaml.ts';

const pass = 'proxy_pass http://app:1; proxy_set_header Host $host;';

function imported(text: string, options: Partial<NginxOptions> = {}) {
  const all: NginxOptions = {
    host: undefined,
    domains: [],
    keepsPublic: false,
    readable: () => undefined,
    faultOf: ({ host }) => (host?.includes(':') ? 'must be a host name' : undefined),
    ...options,
  };
  const result = importNginx([parseNginx({ file: 'n.conf', text }, () => undefined)], all);
  const notes = new Map(result.routes.map(({ data, notes: said }) => [data.location, said.join('\n')]));
  return { ...result, notes, yaml: nginxYaml(result) };
}

test('nginx import: what a location has beyond its route is said at the route', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    'add_header X-Frame-Options DENY;': /Not translated: add_header X-Frame-Options \(n\.conf:1\): /,
    'limit_req zone=a;': /Not translated: limit_req /,
    'gzip on;': /Not translated: gzip /,
    'sub_filter a b;': /Not translated: sub_filter /,
    'expires 1h;': /Not translated: expires /,
    'proxy_hide_header X-Powered-By;': /Not translated: proxy_hide_header X-Powered-By /,
    'some_module on;': /Not translated: some_module .*does not know it/,
    'if ($http_user_agent ~ bot) { return 403; }': /Not translated: if \(\$http_user_agent …\)/,
    'if ($args) { set $x 1; }': /Not translated: if \(\$args …\)/,
    'proxy_set_header X-Up $upstream_addr;': /Not translated: proxy_set_header X-Up /,
    'proxy_redirect http://a/ http://b/;': /Not translated: proxy_redirect /,
    'access_by_lua_block { check() }': /Not translated: access_by_lua_block .*a login stands in its place/,
    'satisfy any; deny 10.0.0.1; allow 10.0.0.0/8; deny all; auth_basic x;':
      /Not translated: deny 10\.0\.0\.1 .*everybody has to log in/,
    'proxy_buffering off; proxy_http_version 1.1;': /Left out on purpose: proxy_buffering, proxy_http_version\./,
    'deny 10.0.0.1; allow 10.0.0.0/8; deny all;': /Closed: deny 10\.0\.0\.1 .*choose its access/,
    'limit_except GET { deny all; }': /Closed: limit_except GET /,
    'set_real_ip_from 10.0.0.1;': /Not translated: set_real_ip_from /,
  };
  for (const [directives, said] of Object.entries(cases))
    assert.match(imported(`server { location / { ${pass} ${directives} } }`).notes.get('/') ?? '', said, directives);
});

test('nginx import: what is inherited is said where it holds, and what a location replaces is not', () => {
  const { notes } = imported(`server { location /a/ { add_header X-A 1; gzip on; ${pass}
    location /a/b/ { add_header X-B 1; ${pass} } } }`);
  assert.match(notes.get('/a/') ?? '', /add_header X-A/);
  assert.match(notes.get('/a/b/') ?? '', /add_header X-B/);
  assert.match(notes.get('/a/b/') ?? '', /gzip/);
  assert.doesNotMatch(notes.get('/a/b/') ?? '', /X-A/);
});

test('nginx import: how servers are balanced is said at each of their routes, where there is more than one', () => {
  const route = (group: string) =>
    imported(`upstream g { ${group} } server { location / { proxy_pass http://g; } }`).notes.get('/') ?? '';
  const two = 'server a:1; server b:1;';
  for (const [balancing, sticky] of [
    ['ip_hash', 'address'],
    ['hash $binary_remote_addr consistent', 'address'],
    ['hash $cookie_route', 'cookie'],
    ['sticky cookie srv expires=1h', 'cookie'],
  ] as const) {
    const conf = `upstream g { ${balancing}; ${two} } server { location / { proxy_pass http://g; } }`;
    const { upstream } = imported(conf).routes[0]?.data ?? {};
    assert.deepEqual(upstream, { servers: ['http://a:1', 'http://b:1'], sticky }, balancing);
    assert.match(route(`${balancing}; ${two}`), new RegExp(`sticky: ${sticky} `), balancing);
  }
  assert.ok(route(`hash $request_uri consistent; ${two}`).includes('Not translated: hash $request_uri consistent ('));
  assert.match(route(`hash $request_uri; ${two}`), /who began at one does not stay there/);
  assert.match(route(`least_conn; ${two}`), /Not translated: least_conn/);
  assert.doesNotMatch(route('server a:1 weight=5; server b:1 backup; server c:1;'), /Not translated/);
  assert.match(route('server a:1 max_fails=3; server b:1;'), /a:1 max_fails=3/);
  assert.doesNotMatch(route('ip_hash; server a:1 max_fails=3;'), /Not translated/);
});

test('nginx import: a location that cannot be said is closed where an application is behind it, else said above the routes', () => {
  const { routes, notes, yaml } = imported(
    'server { location /s/ { proxy_pass https://unix:/run/x.sock; } location /f/ { root /srv; } }',
  );
  assert.deepEqual(
    routes.map(({ data: { location, access } }) => [location, access]),
    [['/s/', 'deny']],
  );
  assert.match(notes.get('/s/') ?? '', /^Closed: it speaks https to a Unix socket/);
  assert.match(yaml, /# - Not translated: location \/f\/ \(n\.conf:1\): the gateway serves no files \(root\)/);
});

test('nginx import: what holds for a whole server or for all of them stands above the routes', () => {
  const { yaml } = imported(`gzip on; limit_req_zone $binary_remote_addr zone=a:1m rate=1r/s;
    server { add_header X-Frame-Options DENY; location / { ${pass} } }`);
  assert.match(yaml, /# - Not translated: gzip \(n\.conf:1\)/);
  assert.match(yaml, /# - Not translated: limit_req_zone /);
  assert.match(yaml, /# - Not translated: add_header X-Frame-Options \(n\.conf:2\)/);
});

test('nginx import: rewrites become a path, a part of their location, or a closed one', () => {
  const routes = (rules: string, location = '/a/') =>
    imported(`server { location ${location} { ${rules} ${pass} } location / { ${pass} } }`).routes.flatMap(
      ({ data }) => (data.location === '/' ? [] : [`${data.location} ${data.access ?? data.upstream}`]),
    );
  const cases: readonly (readonly [rules: string, location: string, expected: readonly string[]])[] = [
    ['rewrite ^/g/(.*) /$1 break;', '/g/api/', ['/g/api/ http://app:1/api/']],
    ['rewrite ^/g(/.*)$ $1 break;', '/g/api/', ['/g/api/ http://app:1/api/']],
    ['rewrite ^(.*)$ /x$1 break;', '/g/', ['/g/ http://app:1/x/g/']],
    ['rewrite ^/a/(.*)$ /$1; break;', '/a/', ['/a/ http://app:1/']],
    ['set $p /v2; rewrite ^/a/(.*)$ $p/$1 break;', '/a/', ['/a/ http://app:1/v2/']],
    ['rewrite ^/other/(.*)$ /$1 break;', '/a/', ['/a/ http://app:1']],
    ['rewrite ^/a/(.*)$ /$1 last;', '/a/', ['/a/ deny']],
    ['rewrite ^/a/(.*)$ https://b.test/$1;', '/a/', ['/a/ deny']],
    ['rewrite ^/a/(.*)$ /x?y=$1 break;', '/a/', ['/a/ deny']],
    ['rewrite ^/a/(.*)$ /$arg_x/$1 break;', '/a/', ['/a/ deny']],
    ['rewrite ^/a/b/(.*)$ /c/$1 break;', '/a/', ['/a/b/ http://app:1/c/', '/a/ http://app:1']],
    ['rewrite ^/a/b$ /c break;', '/a/', ['= /a/b http://app:1/c', '/a/ http://app:1']],
    ['rewrite ^/a/(\\d+)$ /n/$1 break;', '/a/', ['/a/ http://app:1', '~ ^(?=/a/).*?(?:^/a/(\\d+)$) deny']],
    ['rewrite ^/a/(?>x)$ /n break;', '/a/', ['/a/ deny']],
    ['rewrite ^/a/(\\d+)$ /n/$1 break;', '^~ /a/', ['^~ /a/ deny']],
    ['rewrite ^ /status break;', '= /a', ['= /a http://app:1/status']],
    ['if ($uri ~ ^/a/x) { return 403; }', '/a/', ['/a/x deny', '/a/ http://app:1']],
  ];
  for (const [rules, location, expected] of cases) assert.deepEqual(routes(rules, location), expected, rules);
});

test('nginx import: rules of a whole server close what they take before any location is chosen', () => {
  const { routes } = imported(`server { rewrite ^/old/(.*)$ /new/$1 permanent; if ($request_uri = /x) { return 404; }
    location = /old/a { ${pass} } location ^~ /old/ { ${pass} } location ^~ /on/ { ${pass} } location / { ${pass} } }`);
  assert.deepEqual(
    routes.map(({ data: { location, access } }) => `${location} ${access ?? 'open'}`),
    ['~ ^/old/ deny', '= /x deny', '= /old/a deny', '^~ /old/ deny', '^~ /on/ open', '/ open'],
  );
});

test('nginx import: whom nginx believes by a header is trusted, or said at server', () => {
  const server = (http: string, listen = '80') =>
    imported(`${http} server { listen ${listen}; server_name a.test; location / { ${pass} } }`);
  const forwarded = server('set_real_ip_from 10.0.0.0/8; set_real_ip_from 192.0.2.1; real_ip_header X-Forwarded-For;');
  assert.deepEqual(forwarded.server.trustedProxies, ['10.0.0.0/8', '192.0.2.1']);
  assert.match(forwarded.serverNotes.join('\n'), /keep \/_gate\/auth from clients/);
  for (const rules of [
    'set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;',
    'set_real_ip_from 0.0.0.0/00; real_ip_header X-Forwarded-For;',
    'set_real_ip_from unix:; real_ip_header X-Forwarded-For;',
    'set_real_ip_from 10.0.0.1; real_ip_header CF-Connecting-IP;',
    'set_real_ip_from 10.0.0.1;',
  ]) {
    assert.equal(server(rules).server.trustedProxies, undefined, rules);
    assert.match(server(rules).serverNotes.join('\n'), /set_real_ip_from/, rules);
  }
});

const tell = 'set_real_ip_from 10.0.0.0/8; set_real_ip_from fd00::1; real_ip_header proxy_protocol;';

test('nginx import: the peers of a PROXY header become server.proxyProtocol (8 I2)', () => {
  const server = (body: string, http = '') => imported(`${http} server { ${body} location / { ${pass} } }`);
  const named = ['10.0.0.0/8', 'fd00::1'];
  for (const one of [
    server(`listen 80 proxy_protocol; server_name a.test; ${tell}`),
    server('listen 80 proxy_protocol; server_name a.test;', tell),
    // What is said of a socket by one server is so for all that share it.
    server(
      `listen 80; server_name a.test; ${tell}`,
      `server { listen 80 proxy_protocol; server_name b.test; ${tell} location / { ${pass} } }`,
    ),
  ]) {
    assert.deepEqual(one.server.proxyProtocol, named);
    assert.equal(one.server.trustedProxies, undefined);
    assert.doesNotMatch(one.serverNotes.join('\n'), /PROXY|real_ip/);
    assert.match(one.yaml, /proxyProtocol: \[ 10\.0\.0\.0\/8, fd00::1 \]/);
  }
  const mixed = server(`listen 80 proxy_protocol; listen 81; server_name a.test; ${tell}`);
  assert.deepEqual(mixed.server.proxyProtocol, named);
  assert.match(mixed.serverNotes.join('\n'), /listen 0\.0\.0\.0:81 .*fd00::1 must send one here, too/);
});

test('nginx import: without peers, or with everybody, server says what proxyProtocol must name (8 I2)', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    '': /0:80 proxy_protocol .*names no balancer.*400: add proxyProtocol: \[ … \] under server with the addresses/,
    'real_ip_header proxy_protocol;': /names no balancer/,
    'set_real_ip_from 10.0.0.1; real_ip_header X-Forwarded-For;': /proxyProtocol: \[ … \] .*perhaps 10\.0\.0\.1/,
    'set_real_ip_from 0.0.0.0/0; real_ip_header proxy_protocol;':
      /set_real_ip_from 0\.0\.0\.0\/0 .*not all of them.*400/,
    'set_real_ip_from 0.0.0.0/000; real_ip_header proxy_protocol;': /server\.proxyProtocol takes addresses/,
    'set_real_ip_from 10.0.0.1; set_real_ip_from ::/0; real_ip_header proxy_protocol;': /set_real_ip_from ::\/0 /,
    'set_real_ip_from lb.internal; real_ip_header proxy_protocol;': /set_real_ip_from lb\.internal .*addresses/,
  };
  for (const [rules, said] of Object.entries(cases)) {
    const one = imported(`server { listen 80 proxy_protocol; server_name a.test; ${rules} location / { ${pass} } }`);
    assert.equal(one.server.proxyProtocol, undefined, rules);
    assert.match(one.serverNotes.join('\n'), said, rules);
  }
  const server = (name: string, peer: string) =>
    `server { listen 80 proxy_protocol; server_name ${name}; set_real_ip_from ${peer}; real_ip_header proxy_protocol; location / { ${pass} } }`;
  const two = imported(server('a.test', '10.0.0.1') + server('b.test', '10.0.0.2'));
  assert.equal(two.server.proxyProtocol, undefined);
  assert.match(two.serverNotes.join('\n'), /servers believe others: write server\.proxyProtocol yourself/);
});

test('nginx import: names with a star at the end become hosts with --domain; --host is for servers without a name', () => {
  const server = (name: string, app: string, listen = 'listen 80;') =>
    `server { ${listen} ${name === '' ? '' : `server_name ${name};`} location / { proxy_pass http://${app}; } }`;
  const hosts = (text: string, options: Partial<NginxOptions> = {}) =>
    imported(text, options).routes.map(({ data: { host, upstream } }) => `${host} ${upstream}`);
  const two = server('.example.com', 'dot') + server('grafana.*', 'star');
  assert.deepEqual(hosts(two, { host: 'cc.example.com' }), ['example.com http://dot', '*.example.com http://dot']);
  assert.match(imported(two).notes.get('/') ?? '', /^Open in nginx\.$/);
  assert.match(
    imported(two).yaml,
    /server_name grafana\.\* .*--domain example\.com, or write host: grafana\.example\.com/,
  );
  assert.deepEqual(hosts(two, { domains: ['a.test', 'b.test'] }).slice(2), [
    'grafana.a.test http://star',
    'grafana.b.test http://star',
  ]);
  assert.match(
    imported(two, { domains: ['example.com'] }).yaml,
    /server grafana\.example\.com .*whose star stands in front/,
  );
  assert.match(imported(two + server('~^x\\d+$', 'x')).yaml, /server_name ~\^x\\d\+\$ .*write host: with each name/);
  assert.deepEqual(hosts(server('_', 'none') + server('b.test', 'b'), { host: 'a.test' }), [
    'a.test http://none',
    'b.test http://b',
  ]);

  const ports =
    [8445, 8444].map((port) => server('cc.test', `app${port}`, `listen ${port} ssl;`)).join('') +
    server('cc.test', 'plain');
  assert.deepEqual(hosts(ports, { faultOf: () => undefined }), [
    'cc.test:8445 http://app8445',
    'cc.test:8444 http://app8444',
    'cc.test http://plain',
  ]);
  assert.deepEqual(hosts(ports), ['cc.test http://app8445'], 'where routes can have no ports');
  assert.match(imported(ports).yaml, /server cc\.test .*another server has the host.*port 8444 leads somewhere else/);
});
