/** nginx's configuration as routes: what is translated, what is closed, and what is said of the rest. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: nginx and header templates write variables so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { loadConfig } from '../../../src/config/load.ts';
import { OperatorError } from '../../../src/core/errors.ts';
import { documentSchema } from '../../../src/gateway/document.ts';
import { directiveHandlings, handlingOf } from '../../../src/interop/nginx/directives.ts';
import type { FindingKind } from '../../../src/interop/nginx/findings.ts';
import { importNginx, type NginxOptions } from '../../../src/interop/nginx/import.ts';
import { parseNginx } from '../../../src/interop/nginx/parse.ts';
import type { RouteData } from '../../../src/interop/nginx/route-data.ts';
import { nginxYaml } from '../../../src/interop/nginx/yaml.ts';
import { milliseconds } from '../../support/tools/pace.ts';
import { trials } from '../../support/tools/properties.ts';

const schema = documentSchema;
const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };

/** What the configuration says of a route, as the command asks it. */
function faultOf(route: RouteData): string | undefined {
  const result = loadConfig({ schema, file: 'g.yaml', text: stringify({ ...base, routes: [route] }), env: {} });
  return result.kind === 'ok' ? undefined : result.issues.map(({ message }) => message).join('; ');
}

function imported(text: string, options: Partial<NginxOptions> = {}) {
  const source = parseNginx({ file: 'n', text }, () => undefined);
  const all: NginxOptions = {
    host: undefined,
    domains: [],
    keepsPublic: false,
    readable: () => undefined,
    faultOf,
    ...options,
  };
  const result = importNginx([source], all);
  const said = (kind: FindingKind) =>
    result.findings.filter((one) => one.kind === kind).map(({ what, why }) => `${what}: ${why}`);
  return { ...result, said, yaml: nginxYaml(result) };
}

/** The one route of a location within a server. */
function routeOf(location: string, around = ''): RouteData {
  const { routes } = imported(`${around} server { listen 80; ${location} }`);
  assert.equal(routes.length, 1, location);
  return (routes[0] as { data: RouteData }).data;
}

const pass = 'proxy_pass http://app:1; proxy_set_header Host $host;';

test('nginx import: every modifier is a location, its text spelt as ours', () => {
  const locations = {
    '/a': '/a',
    '= /a': '= /a',
    '=/a': '= /a',
    '^~ /a': '^~ /a',
    '~ \\.php$': '~ \\.php$',
    '~*\\.PHP$': '~* \\.PHP$',
    '"/a b"': '/a%20b',
    '/caf\u00e9': '/caf%C3%A9',
    '"~ ^/[0-9]{2}$"': '~ ^/[0-9]{2}$',
    '~ (?i)^/a': '~* ^/a',
  };
  for (const [written, location] of Object.entries(locations))
    assert.equal(routeOf(`location ${written} { ${pass} }`).location, location);
});

test('nginx import: proxy_pass with a path, without one, with fixed variables, with an upstream', () => {
  const upstream = (directives: string, around = '', location = '/a/') =>
    routeOf(`location ${location} { proxy_set_header Host $host; ${directives} }`, around).upstream;
  assert.equal(upstream('proxy_pass http://app:1;'), 'http://app:1');
  assert.equal(upstream('proxy_pass http://app:1/;'), 'http://app:1/');
  assert.equal(upstream('proxy_pass http://app:1/b/;'), 'http://app:1/b/');
  assert.equal(upstream('proxy_pass HTTP://App;'), 'HTTP://App');
  assert.equal(upstream('set $x app:1; proxy_pass http://$x;'), 'http://app:1');
  assert.equal(upstream('set $h app; set $u http://$h:1; proxy_pass $u$request_uri;'), 'http://app:1');
  assert.equal(upstream('proxy_pass http://${x}:1;', 'map $uri $x { default app; }'), 'http://app:1');
  assert.equal(upstream('rewrite ^/a/(.*)$ /$1 break; proxy_pass http://app:1;'), 'http://app:1/');
  assert.equal(upstream('rewrite ^/a/?(.*) /b/$1 break; proxy_pass http://app:1/ignored/;'), 'http://app:1/b/');
  const group =
    'upstream g { server one:1 weight=3; server two; server three:1 down; server four:1 backup; keepalive 4; }';
  const of = (scheme: string, two: string, path = '') => ({
    servers: [
      { url: `${scheme}://one:1${path}`, weight: 3 },
      `${scheme}://${two}${path}`,
      { url: `${scheme}://four:1${path}`, backup: true },
    ],
  });
  assert.deepEqual(upstream('proxy_pass http://g/x/;', group), of('http', 'two', '/x/'));
  assert.deepEqual(upstream('proxy_pass https://g;', group), of('https', 'two:80'));
  const twice = 'upstream g { server a:1; server a:1; server b:1; }';
  assert.deepEqual(upstream('proxy_pass http://g;', twice), {
    servers: [{ url: 'http://a:1', weight: 2 }, 'http://b:1'],
  });
  assert.equal(upstream('proxy_pass http://unix:/run/app.sock;'), 'http://unix:/run/app.sock');
  assert.equal(upstream('proxy_pass http://unix:/run/app.sock:/b/;'), 'http://unix:/run/app.sock:/b/');
  const socket = 'upstream g { server unix:/run/a.sock weight=2; server b:1; }';
  assert.deepEqual(upstream('proxy_pass http://g/x/;', socket), {
    servers: [{ url: 'http://unix:/run/a.sock:/x/', weight: 2 }, 'http://b:1/x/'],
  });
  assert.equal(upstream('proxy_pass http://g;', 'upstream g { server a:1 down; server b:1 backup; }'), 'http://b:1');
});

test('nginx import: where requests decide about the upstream, nothing is guessed', () => {
  const cases = {
    'proxy_pass http://$arg_x;': /\$arg_x says, which depends on the request/,
    'proxy_pass http://app$1;': /holds \$1/,
    'set $x a; if ($http_x) { set $x b; } proxy_pass http://$x;': /\$x says, which depends/,
    'set $x app; proxy_pass http://$x/fixed/;': /every request to the one path/,
    'proxy_pass http://app/a?b=c;': /adds a query/,
    'proxy_pass https://unix:/run/app.sock;': /https to a Unix socket/,
    'proxy_pass http://unix:run/app.sock;': /leads to no address/,
    'proxy_pass http://$host:1;': /\$host says, which depends/,
    'fastcgi_pass app:9000;': /speaks HTTP to upstreams/,
    'root /srv/www;': /serves no files \(root\)/,
    'return 200 $arg_x;': /answers with \$arg_x/,
  };
  for (const [directives, why] of Object.entries(cases)) {
    const { routes, said } = imported(`server { location / { ${pass} } location /a/ { ${directives} } }`);
    const closed = routes.find(({ data }) => data.location === '/a/');
    assert.deepEqual(closed?.data, { location: '/a/', upstream: 'http://127.0.0.1:9', access: 'deny' }, directives);
    assert.match(said('closed').join('\n'), why);
    assert.match(closed?.notes.join() ?? '', /^Closed: /);
  }
  const named = imported('server { server_name cc.example.com; location / { proxy_pass http://$host:1; } }');
  assert.equal(named.routes[0]?.data.upstream, 'http://cc.example.com:1');
});

test('nginx import: what nothing else would take is left out, and said', () => {
  const { routes, said } = imported(
    `server { location /a/ { ${pass} } location /b/ { root /srv; } location = /c { return 404; } }`,
  );
  assert.deepEqual(
    routes.map(({ data }) => data.location),
    ['/a/'],
  );
  assert.match(said('refused').join('\n'), /location \/b\/: .*nothing else takes its requests/);
  assert.deepEqual(said('closed'), []);
});

test('nginx import: an expression that JavaScript cannot read is closed with all that it could take', () => {
  const { routes, said } = imported(
    `server { location / { ${pass} } location ~ ^/adm(?>in) { deny all; ${pass} } location ~ a++ { ${pass} } location ~ b++ { ${pass} } }`,
  );
  assert.deepEqual(
    routes.map(({ data: { location, access } }) => [location, access]),
    [
      ['/', undefined],
      ['~ ^/adm', 'deny'],
      ['~ ^/', 'deny'],
    ],
  );
  assert.match(said('closed').join('\n'), /JavaScript knows no/);
});

test('nginx import: the answer to preflights becomes cors, as far as a route can say it', () => {
  const head = (name: string, value: string) => `add_header 'Access-Control-${name}' '${value}' always;`;
  const answer = (...lines: string[]) => `if ($request_method = 'OPTIONS') { ${lines.join(' ')} return 204; }`;
  const map = (entries: string) => `map $http_origin $from { ${entries} }`;
  const crm = 'https://crm.example';
  const all = [
    head('Allow-Origin', crm),
    head('Allow-Methods', 'GET, patch, OPTIONS'),
    head('Allow-Credentials', 'true'),
  ];
  const whole = { origins: [crm], methods: ['GET', 'PATCH'], credentials: true } as const;
  const cases: readonly (readonly [string, string, RouteData['cors']])[] = [
    [answer(...all), '', whole],
    [
      answer(
        ...all,
        head('Max-Age', '1728000'),
        head('Allow-Headers', 'DNT,Content-Type, X_A'),
        'add_header Content-Length 0;',
      ),
      '',
      { ...whole, headers: ['DNT', 'Content-Type', 'X_A'], maxAge: '1728000s' },
    ],
    [`${all.join(' ')} ${head('Expose-Headers', 'X-Total')} ${answer()}`, '', { ...whole, exposeHeaders: ['X-Total'] }],
    [
      `${answer(head('Allow-Origin', '*'))} if ($request_method = 'POST') { ${head('Allow-Origin', '*')} }`,
      '',
      { origins: ['*'] },
    ],
    [answer(head('Allow-Origin', '*'), head('Allow-Credentials', 'true')), '', { origins: ['*'] }],
    [answer(head('Allow-Origin', '$http_origin')), '', { origins: ['*'] }],
    [answer(head('Allow-Origin', '$http_origin'), head('Allow-Credentials', 'true')), '', undefined],
    [
      answer(head('Allow-Origin', '*'), head('Allow-Methods', '*')),
      '',
      { origins: ['*'], methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] },
    ],
    [answer(head('Allow-Origin', '$from')), map(`default ""; ${crm} $http_origin;`), { origins: [crm] }],
    [answer(head('Allow-Origin', '$from')), map(`${crm} ${crm};`), { origins: [crm] }],
    [answer(head('Allow-Origin', '$from')), map('~example $http_origin;'), undefined],
    [answer(head('Allow-Origin', '$from')), map(`default *; ${crm} $http_origin;`), undefined],
    [answer(head('Allow-Origin', 'crm.example')), '', undefined],
    [`${answer(head('Allow-Origin', crm))} ${head('Allow-Origin', '*')}`, '', undefined],
    [answer(...all, head('Allow-Headers', '*')), '', undefined],
    [answer(), '', undefined],
  ];
  for (const [location, http, want] of cases) {
    const { routes, said } = imported(`${http} server { location / { ${pass} ${location} } }`);
    assert.deepEqual(routes[0]?.data.cors, want, location);
    const isSaid = said('refused').some((line) => line.startsWith('if ($request_method'));
    assert.equal(isSaid, want === undefined, location);
    if (want) assert.ok(!said('refused').some((line) => line.includes('Access-Control')), location);
  }
  const outer = imported(`server { ${answer(...all)} location / { ${pass} } }`);
  assert.deepEqual(outer.routes[0]?.data.cors, whole);
});

test('nginx import: access is never wider than in nginx', () => {
  const access = (location: string, server = '') =>
    imported(`server { ${server} location / { ${location} ${pass} } }`, { keepsPublic: true }).routes.find(
      ({ data }) => data.location === '/',
    )?.data.access;
  const cases: readonly (readonly [string, string, RouteData['access']])[] = [
    ['', '', 'public'],
    ['deny all;', '', 'deny'],
    ['', 'deny all;', 'deny'],
    ['allow all;', 'deny all;', 'public'],
    ['allow 10.0.0.0/8; deny all;', '', { public: true, networks: ['10.0.0.0/8'] }],
    ['allow 10.0.0.0/8; deny all; auth_basic x;', '', { networks: ['10.0.0.0/8'] }],
    ['allow 10.0.0.0/8; deny all;', 'auth_basic x;', { networks: ['10.0.0.0/8'] }],
    ['allow 10.0.0.0/8; deny all;', 'location /other { auth_basic x; }', { networks: ['10.0.0.0/8'] }],
    ['', 'allow 10.0.0.1; allow fd00::/8; deny all;', { public: true, networks: ['10.0.0.1', 'fd00::/8'] }],
    ['satisfy any; allow 10.0.0.0/8; deny all; auth_basic x;', '', { networks: ['10.0.0.0/8'], satisfy: 'any' }],
    ['satisfy any; allow 10.0.0.0/8; auth_basic x;', '', { networks: ['10.0.0.0/8'], satisfy: 'any' }],
    ['satisfy any; allow 10.0.0.0/8; deny all;', '', { public: true, networks: ['10.0.0.0/8'] }],
    ['satisfy any; allow 10.0.0.0/8; deny all; auth_basic x; ssl_verify_client on;', '', undefined],
    ['satisfy any; allow all; auth_basic x;', '', undefined],
    [
      'allow 10.1.0.0/16; deny 10.0.0.0/8; allow 192.0.2.0/24; deny all;',
      '',
      { public: true, networks: ['10.1.0.0/16', '192.0.2.0/24'] },
    ],
    ['allow 10.0.0.0/8; deny 10.1.0.0/16; deny all;', '', { public: true, networks: ['10.0.0.0/8'] }],
    ['deny 192.0.2.1; allow 10.0.0.0/8; deny all;', '', { public: true, networks: ['10.0.0.0/8'] }],
    ['deny 10.0.0.1; allow 10.0.0.0/8; deny all;', '', 'deny'],
    ['deny 10.0.0.0/8; allow 10.0.0.1; deny all;', '', 'deny'],
    ['allow 10.0.0.0/8; allow unix:; deny all;', '', 'deny'],
    ['allow 10.0.0.0/8; deny all;', 'set_real_ip_from 10.0.0.1; real_ip_header CF-Connecting-IP;', 'deny'],
    ['satisfy any; deny 10.0.0.1; allow 10.0.0.0/8; auth_basic x;', '', undefined],
    ['satisfy any; deny all; auth_request /x;', '', undefined],
    ['satisfy any; deny all;', '', 'deny'],
    ['satisfy all; deny all; auth_basic x;', '', 'deny'],
    ['deny 10.0.0.1;', '', 'deny'],
    ['satisfy any; deny 10.0.0.1; auth_basic x;', '', undefined],
    ['auth_basic "Desk";', '', undefined],
    ['auth_basic off;', 'auth_basic Desk;', undefined],
    ['auth_request /check;', '', undefined],
    ['auth_request off;', 'auth_request /check;', undefined],
    ['', 'location /other { auth_basic x; }', undefined],
    ['', 'location /other { allow 10.0.0.1; deny all; }', undefined],
    ['', 'location /other { deny all; }', 'public'],
    ['', 'ssl_verify_client on;', undefined],
    ['', 'ssl_verify_client optional;', undefined],
    ['access_by_lua_block { deny() }', '', undefined],
    ['limit_except GET { deny all; }', '', 'deny'],
    ['if ($http_x_key != a) { return 403; }', '', 'deny'],
    ['if ($remote_addr = 10.0.0.1) { deny all; }', '', 'deny'],
    ['if ($request_method = POST) { return 405; }', '', 'deny'],
    ['', 'if ($request_method = TRACE) { return 405; }', 'public'],
    ['', 'if ($http_user_agent ~* bot) { return 403; }', 'public'],
    ['', 'if ($host != a.example.com) { return 444; }', 'public'],
    ['', 'if ($blocked) { return 403; }', 'deny'],
    ['if ($args) { set $a b; }', '', 'public'],
    ['if ($args) { rewrite ^ /x last; }', '', 'deny'],
    ['if ($http_cookie !~ session) { return 302 /login; }', '', 'deny'],
    ['if ($cookie_beta) { proxy_pass http://beta; }', '', 'deny'],
    ['', 'if ($ssl_client_verify != SUCCESS) { return 403; }', 'deny'],
    ['if ($request_method = OPTIONS) { return 204; }', '', 'public'],
    ['if ($request_method ~ ^(OPTIONS)$) { add_header A b; return 204; }', '', 'public'],
    ['if ($request_method = OPTIONS) { return 405; }', '', 'deny'],
    ['proxy_method GET;', '', 'deny'],
    ['proxy_pass_request_headers off;', '', 'deny'],
    ['proxy_pass_request_headers on;', '', 'public'],
    ['rewrite_by_lua_block { check() }', '', 'deny'],
    ['', 'auth_of_somebody on;', undefined],
  ];
  for (const [location, server, expected] of cases)
    assert.deepEqual(access(location, server), expected, `${server} / ${location}`);
  const [closedToAll] = imported(`server { location / { ${pass} } }`).routes;
  assert.equal(closedToAll?.data.access, undefined, 'without --public everything asks for a login');
  assert.deepEqual(closedToAll?.notes, ['Open in nginx.']);
  const [within] = imported(`server { location / { allow 10.0.0.0/8; deny all; ${pass} } }`).routes;
  assert.deepEqual([within?.data.access, within?.notes], [{ networks: ['10.0.0.0/8'] }, ['Open in nginx.']]);
  const bots = 'map $http_user_agent $bot { default 0; ~*bot 1; }';
  assert.equal(
    imported(`${bots} server { if ($bot) { return 403; } location / { ${pass} } }`).routes[0]?.data.access,
    undefined,
  );
});

test('nginx import: headers become preserveHost, websocket and templates; the gateway’s own are left to it', () => {
  const route = (headers: string, around = '') => routeOf(`location / { proxy_pass http://app:1; ${headers} }`, around);
  assert.equal(route('').preserveHost, false, 'nginx sends the name of the upstream when nothing is said');
  assert.equal(route('proxy_set_header Host $http_host;').preserveHost, undefined);
  assert.equal(route('proxy_set_header Host $host:$server_port;').preserveHost, undefined);
  assert.equal(route('proxy_set_header Host $proxy_host;').preserveHost, false);
  assert.equal(route('proxy_set_header Upgrade $http_upgrade;').websocket, true);
  assert.equal(route('proxy_set_header Upgrade "";').websocket, undefined);
  assert.equal(route('', 'proxy_set_header Upgrade $http_upgrade;').websocket, true, 'inherited');
  assert.equal(
    route('proxy_set_header X-A b;', 'proxy_set_header Upgrade $http_upgrade;').websocket,
    undefined,
    'all or none',
  );
  const { headers } = route(`
    auth_request_set $who $upstream_http_x_auth_request_user; auth_request_set $g $upstream_http_remote_groups;
    auth_request_set $claim $upstream_http_x_vouch_idp_claims_name; proxy_set_header X-Claim $claim;
    auth_request_set $mail $upstream_http_x_email; auth_request_set $etag $upstream_http_etag;
    proxy_set_header X-Mail $mail; proxy_set_header X-Etag $etag;
    proxy_set_header X-User $remote_user; proxy_set_header X-Who $who; proxy_set_header X-Groups "g:\${g}";
    proxy_set_header X-Remote-User $who; proxy_set_header X-Desk front; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Up $upstream_addr; proxy_set_header Accept-Encoding ""; proxy_set_header X_Odd a;
    proxy_set_header Authorization "Basic c2VjcmV0"; proxy_set_header X-Pay '\${attribute:x}';
    proxy_set_header X-Cert $ssl_client_cert; proxy_set_header X-Cleared ""; proxy_set_header X-Same $http_x_same;
    proxy_set_header X-Api-Key k3y; proxy_set_header Origin http://x; proxy_set_header X-Forwarded-Prefix /a;
    proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-Host $host; proxy_set_header Proxy "";
    proxy_set_header X-Scheme $scheme;`);
  assert.deepEqual(headers, {
    'X-Claim': '${name}',
    'X-Mail': '${email}',
    // What nginx overwrites and no template can say is closed to clients.
    'X-Etag': false,
    'X-User': '${subject}',
    'X-Who': '${subject}',
    'X-Groups': 'g:${groups}',
    'X-Desk': 'front',
    'X-Up': false,
    'X-Pay': false,
    'X-Cert': false,
    'X-Cleared': false,
    'X-Api-Key': false,
    'X-Forwarded-Prefix': '/a',
    'X-Scheme': 'http',
  });
});

test('nginx import: a secret of the file is neither printed nor reported', () => {
  const { yaml, findings } = imported(`server { location / { ${pass}
    proxy_set_header Authorization "Basic c3cret"; proxy_set_header X-Api-Key s3cret;
    if ($http_x_key != "s3cret") { return 403; } if ($arg_k = "s3cret") { set $a b; } auth_basic_user_file s3cret; } }`);
  assert.doesNotMatch(yaml + JSON.stringify(findings), /[cs]3cret/);
});

test('nginx import: limits, and what the gateway does by itself', () => {
  const { data } = imported(`client_max_body_size 20m; server { proxy_read_timeout 90; location /a/ { ${pass}
    proxy_connect_timeout 2s; proxy_redirect default; proxy_cookie_path / /a/; } }`).routes[0] as { data: RouteData };
  assert.deepEqual(data, {
    location: '/a/',
    upstream: 'http://app:1',
    timeout: '90s',
    connectTimeout: '2s',
    maxBody: '20mb',
  });
  const slash = imported(
    `server { location /a/ { ${pass} } location = /a { return 301 $scheme://$host$uri/; } location = /b { return 301 /b/; } location / { ${pass} } }`,
  );
  assert.deepEqual(
    slash.routes.map(({ data: { location, access } }) => [location, access]),
    [
      ['/a/', undefined],
      ['= /b', undefined],
      ['/', undefined],
    ],
  );
});

test('nginx import: hosts are told apart where there are several servers, and every host is one server’s', () => {
  const hosts = (text: string, options: Partial<NginxOptions> = {}) =>
    imported(text, options).routes.map(({ data: { host, upstream } }) => `${host} ${upstream}`);
  const server = (name: string, app: string, more = 'listen 80;') =>
    `server { ${more} ${name === '' ? '' : `server_name ${name};`} location / { proxy_pass http://${app}; } }`;
  assert.deepEqual(hosts(server('a.test', 'a')), ['undefined http://a']);
  assert.deepEqual(hosts(server('a.test .b.test', 'a') + server('C.test', 'c')), [
    'a.test http://a',
    'b.test http://a',
    '*.b.test http://a',
    'c.test http://c',
  ]);
  assert.deepEqual(hosts(server('a.test', 'plain') + server('a.test', 'tls', 'listen 443 ssl;')), [
    'a.test http://tls',
  ]);
  assert.deepEqual(hosts(server('', 'none') + server('b.test', 'b')), ['b.test http://b']);
  assert.deepEqual(hosts(server('', 'none') + server('b.test', 'b'), { host: 'a.test' }), [
    'a.test http://none',
    'b.test http://b',
  ]);
  assert.deepEqual(hosts(`server { listen 80 default_server; return 444; } ${server('a.test', 'a')}`), [
    'a.test http://a',
  ]);
  assert.deepEqual(
    hosts(`server { listen 80; return 301 https://$host$request_uri; } ${server('a.test', 'a', 'listen 443 ssl;')}`),
    ['undefined http://a'],
  );
  assert.deepEqual(hosts('location / { proxy_pass http://bare; }'), ['undefined http://bare']);
});

test('nginx import: listeners, the public address, and certificates that can be read', () => {
  const text = `server { listen 80; location / { return 301 https://$host$request_uri; } }
    server { listen 443 ssl default_server; listen [::]:443 ssl; server_name cc.test; ssl_certificate a.crt; ssl_certificate_key a.key; location / { ${pass} } }
    server { listen 443 ssl; server_name k.test; ssl_certificate k.crt; ssl_certificate_key k.key; location / { ${pass} } }`;
  const readable = (file: string) => `/c/${file}`;
  assert.deepEqual(imported(text, { readable }).server, {
    listen: ['https://0.0.0.0:443', 'http://0.0.0.0:80'],
    publicUrl: 'https://cc.test',
    tls: [
      { certificate: '/c/a.crt', key: '/c/a.key' },
      { certificate: '/c/k.crt', key: '/c/k.key' },
    ],
    redirectHttp: true,
  });
  const without = imported(text, { readable: (file) => (file.startsWith('k') ? undefined : file) });
  assert.deepEqual(without.server, { publicUrl: 'https://cc.test' }, 'nothing is served without TLS that had it');
  assert.match(without.yaml, /certificates of nginx cannot be read/);
  assert.deepEqual(imported(`server { listen 127.0.0.1:8080; location / { ${pass} } }`).server, {
    listen: ['http://127.0.0.1:8080'],
    publicUrl: 'http://localhost:8080',
  });
});

test('nginx import: a server that only leads elsewhere is a host that has moved; one that only refuses has no route', () => {
  const { routes, server } =
    imported(`server { server_name old.test www.old.test; return 301 https://cc.test$request_uri; }
    server { listen 80 default_server; server_name _; return 444; }
    server { server_name gone.test; return 410; }
    server { server_name cc.test; location / { ${pass} } }`);
  assert.deepEqual(
    routes.map(({ data: { host, location, redirect } }) => [host, location, redirect]),
    [
      ['cc.test', '/', undefined],
      ['old.test', '/', { to: 'https://cc.test${uri}', status: 301 }],
      ['www.old.test', '/', { to: 'https://cc.test${uri}', status: 301 }],
    ],
  );
  assert.match(String(server?.publicUrl), /cc\.test/);
});

test('nginx import: names of a location’s route go to one route each', () => {
  const location = `location /a { set $gatehouse_route "desk%20one"; ${pass} }`;
  const { routes } = imported(`server { server_name a.test; ${location} } server { server_name b.test; ${location} }`);
  assert.deepEqual(
    routes.map(({ data }) => data.name),
    ['desk one', undefined],
  );
});

test('nginx import: an expression that blows up keeps no import busy with a path of the same file', () => {
  const locations = `location = /${'a'.repeat(26)}! { ${pass} }`;
  const took = milliseconds(() => {
    const { routes } = imported(`server { listen 80; rewrite ^/(a+)+$ /x permanent; ${locations} }`);
    assert.deepEqual(
      routes.map(({ data }) => data.access),
      ['deny', undefined],
    );
  });
  assert.ok(took < 1000, `${took} ms`);
});

test('nginx import: every directive that is met is translated or said something of', () => {
  const { said } = imported(`user www; events {} stream { server { listen 1; } }
    http { gzip on; wholly_unknown 1; init_by_lua_block { x = { } }
      server { location / { ${pass} add_header X y; sub_filter a b; proxy_buffering off; } location @named { ${pass} } } }`);
  assert.match(
    said('refused').join('\n'),
    /stream: .*\ngzip: .*\nwholly_unknown: the import does not know it\ninit_by_lua_block: code is not read\nadd_header X: .*\nsub_filter: .*/,
  );
  assert.match(said('ignored').join('\n'), /user: .*\nevents: .*\nproxy_buffering: .*\nlocation @named: /);
});

test('nginx import: the documentation has the table of every directive, as the import goes by it', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/importing-nginx.md'), 'utf8');
  for (const { names, handling, why } of directiveHandlings) {
    const row = `| ${names.map((name) => `\`${name}\``).join(', ')} | ${handling === 'ignored' ? 'ignored on purpose' : handling} | ${why} |`;
    assert.ok(page.includes(row), `docs/importing-nginx.md has the row\n${row}`);
    for (const name of names.filter((one) => !one.includes('*')))
      assert.equal(handlingOf(name).why, why, `${name} stands in one row`);
  }
});

test('nginx import: whatever stands in the file, the result loads or there is none, and only typed errors are thrown', () => {
  const text = fc.constantFrom(
    ...[
      '/',
      '/a',
      '/a/',
      '= /a',
      '^~ /b',
      '~ ^/a',
      '~* b$',
      '~ a++',
      '@x',
      '"/a b"',
      '/%41',
      '//',
      'a',
      '/_gate/x',
      '/a;b',
      '~ (',
      '"~ ^/[0-9]{2}"',
    ],
    ...[
      'http://app:1',
      'http://app:1/',
      'http://$x/',
      'http://g',
      'https://g/x',
      'unix:/x',
      'http://a b',
      '$x',
      'http://[::1',
      'http://app/../x',
      'http://\u{1f600}/',
    ],
  );
  const value = fc.oneof(
    fc.constantFrom('$host', '$remote_user', '""', 'off', 'all', 'x', '301', '/a/', '1h', '0', '$x'),
    fc.string({ maxLength: 5 }).map((one) => JSON.stringify(one)),
  );
  const name = fc.constantFrom(
    ...[
      'proxy_pass',
      'return',
      'rewrite',
      'set',
      'auth_request',
      'allow',
      'deny',
      'satisfy',
      'internal',
      'proxy_set_header',
      'proxy_read_timeout',
    ],
    ...[
      'client_max_body_size',
      'proxy_cookie_path',
      'proxy_redirect',
      'listen',
      'server_name',
      'ssl_certificate',
      'proxy_ssl_name',
      'root',
      'auth_request_set',
    ],
  );
  const simple = fc
    .tuple(name, fc.array(fc.oneof(value, text), { maxLength: 3 }))
    .map(([one, words]) => `${one} ${words.join(' ')};`);
  const within = fc.letrec((tie) => ({
    body: fc
      .array(fc.oneof({ maxDepth: 3 }, simple, tie('location')), { maxLength: 5 })
      .map((lines) => lines.join('\n')),
    location: fc
      .tuple(
        fc.constantFrom('location', 'location', 'if', 'limit_except', 'server', 'upstream', 'map'),
        text,
        tie('body'),
      )
      .map(([kind, at, body]) => `${kind} ${at} {\n${body}\n}`),
  })).body;
  let loaded = 0;
  fc.assert(
    fc.property(within, within, fc.boolean(), (one, two, keepsPublic) => {
      let result: ReturnType<typeof imported>;
      try {
        result = imported(`server { ${one}\nlocation /k { ${pass} } }\nserver { server_name b.test; ${two} }`, {
          keepsPublic,
          readable: () => '/x',
        });
      } catch (error) {
        assert.ok(error instanceof OperatorError, String(error));
        return;
      }
      if (result.routes.length === 0) return;
      loaded += 1;
      const read = loadConfig({ schema, file: 'g.yaml', text: result.yaml, env: {} });
      assert.equal(read.kind, 'ok', `${result.yaml}\n${JSON.stringify(read.kind === 'invalid' ? read.issues : [])}`);
    }),
    trials(400),
  );
  assert.ok(loaded > 100, `${loaded} results were loaded`);
});
