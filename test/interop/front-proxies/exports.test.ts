/** The exports as text: those whose program is not at hand, the order of routes, and what the command refuses. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { word } from '../../../src/interop/front-proxies/nginx-text.ts';
import { rankRoutes } from '../../../src/interop/front-proxies/site.ts';
import { compileNamespace, namesOfProxies } from '../../../src/proxy/header-names.ts';
import { routeAt } from '../../support/scenes/routes.ts';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const routes = [
  { name: 'home', location: '/', upstream: 'http://app:8070', websocket: true },
  { name: 'open', location: '^~ /open/', upstream: 'http://app:8070', access: 'public' },
  { name: 'in ner', location: '/open/inner/', upstream: 'http://app:8070' },
  { name: 'closed', location: '= /closed', upstream: 'http://app:8070', access: 'deny' },
  { name: 'reports', location: '~ ^/reports/\\d+$', upstream: 'http://app:8070', access: { roles: ['agent'] } },
  {
    name: 'stripped',
    location: '/api/',
    upstream: ['http://one:81/', 'http://two:82/'],
    preserveHost: false,
    headers: { 'X-Desk': 'desk' },
  },
  { name: 'kibana', host: 'kibana.example.com', location: '/', upstream: 'https://kibana:5601' },
];

/** Writes a configuration and exports it. */
async function exported(t: TestContext, kind: string, server: object = {}, ...options: readonly string[]) {
  return exportedOf(t, kind, { server }, ...options);
}

async function exportedOf(
  t: TestContext,
  kind: string,
  { server = {}, ...more }: { readonly server?: object; readonly routes?: readonly object[] },
  ...options: readonly string[]
) {
  const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
  const config = {
    server: { publicUrl: 'https://cc.example.com', trustedProxies: ['127.0.0.1'], ...server },
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    roles: { agent: { groups: ['agents'] } },
    routes,
    ...more,
  };
  writeFileSync(file, stringify(config));
  return run(['export', kind, '--config', file, ...options]);
}

const identity = [
  'x-remote-user',
  'x-remote-name',
  'x-remote-email',
  'x-remote-groups',
  'x-remote-roles',
  'x-remote-provider',
  ...['x-remote-level', 'x-remote-tenant', 'x-remote-company', 'x-remote-privileges'],
  'x-desk',
  'x-gatehouse-assertion',
];

/** What applications believe of proxies; a few of each kind, and of each family. */
const ofProxies = [
  ...['client-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip', 'x-cluster-client-ip', 'x-scheme', 'x-host'],
  ...['x-script-name', 'front-end-https', 'client-cert', 'client-cert-chain', 'ssl-client-verify', 'ssl-client-cert'],
  ...['x-ssl-client-verify', 'x-ssl-client-dn', 'x-client-cert', 'x-client-verify', 'x-amzn-mtls-clientcert'],
];

test('exports: each name that proxies tell applications is cleared by its name, and is closed to strangers', async (t) => {
  const { stdout: traefik } = await exported(t, 'traefik');
  const emptied = parse(traefik).http.middlewares['gatehouse-clear'].headers.customRequestHeaders;
  for (const name of [...ofProxies, ...namesOfProxies.names]) assert.equal(emptied[name], '', name);
  const strangers = compileNamespace([], { toStrangers: true });
  for (const name of Object.keys(emptied))
    if (!/^(?:http2-settings|proxy-.*|x-forwarded-.*)$/.test(name)) assert.equal(strangers.open(name), undefined, name);
  const { stdout: nginx } = await exported(t, 'nginx', {}, '--live');
  for (const name of ofProxies) assert.equal(nginx.split(`proxy_set_header ${name} "";`).length - 1, 3 * 2, name);
  const { stdout: haproxy } = await exported(t, 'haproxy');
  const { stdout: caddy } = await exported(t, 'caddy');
  for (const family of namesOfProxies.families) {
    assert.ok(haproxy.includes(`http-request del-header ${family} -m beg\n`), family);
    assert.ok(caddy.includes(`request_header -${family}*\n`), family);
  }
});

test('exports: routes in nginx’s order for proxies that take the first that matches', () => {
  const locations = ['/', '/firm/inner/', '^~ /firm/', '~ ^/x', '= /firm/'];
  const ranked = rankRoutes(locations.map((location) => routeAt(location)));
  assert.deepEqual(
    ranked.map(({ route, except }) => [route.name, except.map(({ name }) => name)]),
    [
      ['= /firm/', []],
      ['^~ /firm/', ['/firm/inner/']],
      ['~ ^/x', []],
      ['/firm/inner/', []],
      ['/', []],
    ],
  );
});

test('exports: words for nginx are quoted where they need to be', () => {
  assert.equal(word('/ccagent/'), '/ccagent/');
  assert.equal(word('/a b'), '"/a b"');
  assert.equal(word('^/n/\\d{2}"$'), '"^/n/\\\\d{2}\\"$"');
  assert.equal(word('#x'), '"#x"');
});

test('exports: Traefik asks for every route by its name, clears what it must, and keeps verdicts from clients', async (t) => {
  const { stdout, stderr } = await exported(t, 'traefik', {}, '--gateway', 'http://10.0.0.2:8080');
  const { routers, middlewares, services } = parse(stdout).http;
  const named = (name: string, host = '') => {
    const asks = (id: string) => middlewares[id]?.forwardAuth?.address.endsWith(`route=${name}`);
    const id = Object.keys(routers).find((key) => asks(key) && routers[key].rule.startsWith(host || 'Path')) ?? '';
    return { id, router: routers[id], asking: middlewares[id].forwardAuth };
  };
  const stripped = named('stripped');
  assert.equal(stripped.asking.address, 'http://10.0.0.2:8080/_gate/auth?route=stripped');
  assert.equal(stripped.asking.trustForwardHeader, false);
  assert.deepEqual(stripped.asking.authResponseHeaders, [
    ...identity,
    'cookie',
    'authorization',
    'x-request-id',
    'traceparent',
  ]);
  assert.deepEqual(stripped.asking.addAuthCookiesToResponse, ['__Host-gatehouse']);
  assert.deepEqual(
    stripped.router.middlewares,
    ['gatehouse-clear', stripped.id, `${stripped.id}-path`],
    'asked before the path is replaced',
  );
  assert.deepEqual(middlewares[`${stripped.id}-path`].replacePathRegex, { regex: '^/api/(.*)$', replacement: '/$1' });
  assert.deepEqual(services[stripped.id].loadBalancer.servers, [{ url: 'http://one:81' }, { url: 'http://two:82' }]);
  assert.equal(services[stripped.id].loadBalancer.passHostHeader, false);
  assert.equal(named('open').router.rule, 'PathPrefix(`/open/`) && !PathPrefix(`/open/inner/`)');
  assert.equal(named('kibana', 'Host').router.rule, 'Host(`kibana.example.com`) && PathPrefix(`/`)');
  assert.equal(named('reports', 'Host').router.rule, 'Host(`kibana.example.com`) && PathRegexp(`^/reports/\\d+$`)');
  const all = Object.entries<{ rule: string; priority: number; middlewares: string[]; service: string }>(routers);
  const verdicts = all.find(([, { rule }]) => rule === 'PathPrefix(`/_gate/auth`)')?.[1];
  assert.equal(verdicts?.priority, Math.max(...all.map(([, { priority }]) => priority)));
  assert.deepEqual(verdicts?.middlewares, ['gatehouse-page']);
  for (const [id, { middlewares: used, service }] of all)
    assert.ok(
      service === 'gatehouse' || used.some((name) => middlewares[name].forwardAuth),
      `${id} reaches an application unasked`,
    );
  assert.match(middlewares['gatehouse-page'].forwardAuth.address, /answer=page$/);
  for (const [, { rule, service }] of all.filter(([, { rule }]) => rule.includes('/closed')))
    assert.equal(service, 'gatehouse', rule);
  assert.match(stderr, /untested/);
});

test('exports: Envoy clears first, asks then, and refuses what it cannot ask about', async (t) => {
  const { stdout, stderr } = await exported(
    t,
    'envoy',
    {},
    '--listen',
    '0.0.0.0:8443',
    '--gateway',
    'http://gatehouse:8080',
  );
  const { listeners, clusters } = parse(stdout).static_resources;
  const [listener] = listeners;
  assert.deepEqual(listener.address.socket_address, { address: '0.0.0.0', port_value: 8443 });
  const manager = listener.filter_chains[0].filters[0].typed_config;
  assert.equal(manager.path_with_escaped_slashes_action, 'REJECT_REQUEST');
  assert.equal(manager.common_http_protocol_options.headers_with_underscores_action, 'REJECT_REQUEST');
  const names = manager.http_filters.map(({ name }: { name: string }) => name.split('.').at(-1));
  assert.deepEqual(names, ['header_mutation', 'ext_authz', 'router']);
  const cleared = manager.http_filters[0].typed_config.mutations.request_mutations.map(
    ({ remove }: { remove: string }) => remove,
  );
  for (const name of [...identity, 'forwarded', 'x-forwarded-user', 'x-original-url', ...ofProxies])
    assert.ok(cleared.includes(name), name);
  assert.ok(!cleared.some((name: string) => /^x-(?:forwarded-client-cert|envoy-)/.test(name)), 'Envoy’s own');
  const asking = manager.http_filters[1].typed_config;
  assert.equal(asking.failure_mode_allow, false);
  assert.equal(asking.http_service.path_prefix, '/_gate/auth');
  assert.equal(asking.http_service.server_uri.cluster, 'gatehouse');
  const upstream = asking.http_service.authorization_response.allowed_upstream_headers.patterns.map(
    ({ exact }: { exact: string }) => exact,
  );
  assert.deepEqual(upstream, [...identity, 'cookie', 'authorization', 'x-request-id', 'traceparent']);
  const [kibana, every] = manager.route_config.virtual_hosts;
  assert.deepEqual([kibana.domains, every.domains], [['kibana.example.com', 'kibana.example.com:*'], ['*']]);
  type Entry = {
    match: object;
    route?: { cluster: string };
    direct_response?: { status: number };
    typed_per_filter_config?: Record<string, { disabled?: boolean; mutations?: { request_mutations: object[] } }>;
  };
  for (const { routes: entries } of [kibana, every] as { routes: Entry[] }[]) {
    const unasked = entries.filter(
      (entry) => entry.typed_per_filter_config?.['envoy.filters.http.ext_authz']?.disabled,
    );
    assert.equal(unasked.length, 2);
    assert.ok(
      unasked.every(({ route, direct_response }) => route?.cluster === 'gatehouse' || direct_response?.status === 404),
    );
    assert.deepEqual(entries[0]?.match, { path_separated_prefix: '/_gate/auth' });
    for (const { route } of entries)
      assert.ok(!route || clusters.some(({ name }: { name: string }) => name === route.cluster));
  }
  const named = (every.routes as Entry[]).map(
    ({ typed_per_filter_config: own }) => own?.['envoy.filters.http.header_mutation']?.mutations?.request_mutations,
  );
  assert.deepEqual(
    named.flatMap((mutations) => mutations ?? []),
    ['closed', 'open', 'reports', 'in%%20ner', 'stripped', 'home'].map((value) => ({
      append: { header: { key: 'x-original-route', value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
    })),
    'a verdict about another route than the one that Envoy has matched is a refusal',
  );
  assert.deepEqual(manager.route_config.request_headers_to_remove, ['x-original-route']);
  const silence = (every.routes as { route?: { idle_timeout?: string; timeout?: string } }[]).map(({ route }) => route);
  assert.equal(silence.at(-2)?.idle_timeout, '3600s', 'a silent WebSocket stays');
  assert.equal(silence.at(-1)?.timeout, '20s', 'a login may take its time');
  const secure = clusters.find((cluster: { transport_socket?: unknown }) => cluster.transport_socket);
  assert.equal(secure.transport_socket.typed_config.sni, 'kibana');
  assert.match(stderr, /look at the order of open/);
});

test('exports: HAProxy keeps verdicts and our names from clients, and sends everything to the gateway', async (t) => {
  const { stdout, stderr } = await exported(t, 'haproxy', {}, '--certificate', '/etc/haproxy/site.crt');
  assert.match(stdout, /bind :443 ssl crt \/etc\/haproxy\/site\.pem/);
  assert.match(stdout, /http-request deny deny_status 404 if \{ path,url_dec -m beg \/_gate\/auth \}/);
  assert.deepEqual(stdout.match(/^ +server .*$/gm), ['  server gatehouse 127.0.0.1:8080 check']);
  assert.match(stderr, /site\.pem/);
});

test('exports: nginx is told its files, and the operator what is missing', async (t) => {
  const { stdout, stderr } = await exported(t, 'nginx', { trustedProxies: [] });
  assert.match(stdout, /ssl_certificate \/etc\/ssl\/gatehouse\/cc\.example\.com\.crt;/);
  assert.match(stdout, /return 308 https:\/\/\$host\$request_uri;/);
  assert.doesNotMatch(stdout, /proxy_cache/);
  assert.match(stderr, /server\.trustedProxies is empty/);
  const cached = await exported(t, 'nginx', {}, '--cache', '5s');
  assert.match(cached.stdout, /proxy_cache_valid 200 5s;/);
  assert.match(cached.stdout, /# A permission is kept for 5s: for that long after a logout/);
});

test('exports: with --live every open location of nginx has its turn to the gateway, and none of the gateway’s own', async (t) => {
  const { stdout } = await exported(t, 'nginx', {}, '--live');
  const bodies = stdout.split(/^ {2}(?=location )/m).slice(1);
  const turned = bodies.filter((body) => body.includes('if ($gatehouse_live)'));
  const asking = bodies.filter((body) => body.includes('auth_request /_gate/auth;'));
  assert.equal(asking.length, 10);
  assert.deepEqual(turned, asking);
  assert.match(stdout, /location @gatehouse_live \{\n +proxy_pass http:\/\/gatehouse\$request_uri;/);
  assert.doesNotMatch((await exported(t, 'nginx')).stdout, /gatehouse_live/);
});

test('exports: hosts that are told apart by their port have listeners of their own, and routes for that port alone', async (t) => {
  const at = (host: string) => ({ host, location: '/', upstream: `http://${host.replaceAll(/[:.*]+/g, '-')}` });
  const config = {
    routes: ['cc.example.com:8445', '*.example.com:8444', 'cc.example.com', 'desk.example.com:443'].map(at),
  };
  const written = async (kind: string) => exportedOf(t, kind, config, '--listen', '127.0.0.1:9443');
  const nginx = (await written('nginx')).stdout;
  assert.deepEqual(
    [...nginx.matchAll(/^ {2}(?:listen|server_name) (.*);$/gm)].map(([, words]) => words),
    [
      ...['127.0.0.1:9443 ssl', 'desk.example.com', '127.0.0.1:8445 ssl', 'cc.example.com', '127.0.0.1:9443 ssl'],
      ...['cc.example.com', '127.0.0.1:8444 ssl', '*.example.com', '127.0.0.1:9443 ssl default_server', '_'],
    ],
  );
  assert.match(nginx, /location = \/_gate\/handover \{\n +access_log off;/, 'a code stands in no log');
  const caddy = (await written('caddy')).stdout;
  assert.match(
    caddy,
    /^https:\/\/cc\.example\.com:9443, https:\/\/cc\.example\.com:8445, https:\/\/\*\.example\.com:8444, /m,
  );
  assert.match(caddy, /header_regexp Host "?`?\(\?i\)\^cc\\\.example\\\.com:8445\$/);
  assert.match(caddy, /header_regexp Host .*desk\\\.example\\\.com\(:443\)\?\$/);
  const haproxy = (await written('haproxy')).stdout;
  assert.deepEqual(
    [...haproxy.matchAll(/^ {2}bind (\S+) ssl/gm)].map(([, where]) => where),
    ['127.0.0.1:9443', '127.0.0.1:8445', '127.0.0.1:8444'],
  );
  const traefik = await written('traefik');
  const rules = Object.values<{ rule: string; entryPoints: string[] }>(parse(traefik.stdout).http.routers);
  const entries = (rule: string) => rules.filter((one) => one.rule === rule).map(({ entryPoints }) => entryPoints);
  assert.deepEqual(entries('Host(`cc.example.com`) && PathPrefix(`/`)'), [
    ['port-8445'],
    ['websecure', 'port-8445', 'port-8444'],
  ]);
  assert.deepEqual(entries('PathPrefix(`/_gate/`)'), [['websecure', 'port-8445', 'port-8444']]);
  assert.match(traefik.stderr, /define an entry point port-8445/);
  const { listeners } = parse((await written('envoy')).stdout).static_resources;
  const ports = listeners.map(
    (one: { address: { socket_address: { port_value: number } } }) => one.address.socket_address.port_value,
  );
  assert.deepEqual(ports, [9443, 8445, 8444]);
  const manager = listeners[1].filter_chains[0].filters[0].typed_config;
  assert.deepEqual(
    manager.route_config.virtual_hosts.map(({ domains }: { domains: string[] }) => domains.join(' ')),
    [
      'desk.example.com desk.example.com:443',
      'cc.example.com:8445',
      'cc.example.com cc.example.com:*',
      '*.example.com:8444',
    ],
  );
});

test('exports: what a proxy that sends answers by itself cannot say in them is told', async (t) => {
  const upstream = 'http://app:8070';
  const some = [
    { name: 'crm', location: '/crm/', upstream, cors: { origins: ['https://crm.example'] } },
    { name: 'status', location: '/status/', upstream, access: 'optional' },
    { name: 'lan', location: '/lan/', upstream, access: { networks: ['10.0.0.0/8'], satisfy: 'any' } },
    { name: 'plain', location: '/', upstream },
  ];
  const told = async (kind: string) => (await exportedOf(t, kind, { routes: some })).stderr;
  const ofNginx = await told('nginx');
  assert.match(ofNginx, /crm: answers of the application bear its own CORS lines, not those of cors\n/);
  assert.match(
    ofNginx,
    /status: the application has to say Vary: Cookie.*\n.*lan: the application has to say Vary: Cookie/,
  );
  assert.match(await told('traefik'), /crm: .*; traefik has to answer preflights too/);
  assert.doesNotMatch(await told('haproxy'), /CORS|Vary/);
});

test('exports: what cannot be meant is an error', async (t) => {
  const slips = [['apache'], ['nginx', 'caddy']];
  const wrong = [
    ['caddy', '--cache', '5s'],
    ['haproxy', '--live'],
    ['envoy', '--live'],
    ['nginx', '--cache', '5m'],
    ['nginx', '--cache', 'long'],
    ['nginx', '--listen', 'somewhere'],
    ['nginx', '--gateway', 'https://gatehouse'],
    ['nginx', '--certificate', '/etc/a b; include x'],
  ];
  for (const words of [...slips, ...wrong]) {
    const [kind = '', ...options] = words;
    const { code, stdout, stderr } = await exported(t, kind, {}, ...options);
    assert.equal(code, slips.includes(words) ? 2 : 1, words.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /^gatehouse: .+\n {2}.+\n$/);
  }
});

test('exports: the example for nginx is what the command writes', async () => {
  const folder = path.resolve(import.meta.dirname, '../../../config/examples/nginx');
  const { stdout } = await run(['export', 'nginx', '--config', path.join(folder, 'gatehouse.yaml')]);
  assert.equal(stdout, readFileSync(path.join(folder, 'gatehouse.conf'), 'utf8'));
});

test('exports: a header for API tokens takes its value from the answer, and so is none where a token came in it', async (t) => {
  const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
  const route = {
    location: '/',
    upstream: 'http://app:80',
    access: { apiTokens: true },
    apiTokenHeader: 'X-Auth-Token',
  };
  const local = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
  const server = { publicUrl: 'https://cc.example.com', trustedProxies: ['127.0.0.1'] };
  writeFileSync(file, stringify({ server, ...local, routes: [route] }));
  const exports = await Promise.all(
    ['nginx', 'caddy', 'traefik', 'envoy'].map((kind) => run(['export', kind, '--config', file])),
  );
  const [nginx = '', caddy = '', traefik = '', envoy = ''] = exports.map(({ stdout }) => stdout);
  assert.match(nginx, /auth_request_set \$gatehouse_h_x_auth_token \$upstream_http_x_auth_token;/);
  assert.match(nginx, /proxy_set_header x-auth-token \$gatehouse_h_x_auth_token;/);
  for (const text of [caddy, traefik, envoy]) assert.match(text, /x-auth-token/i);
});

const balanced = [
  {
    name: 'weighed',
    location: '/w/',
    upstream: {
      servers: [
        { url: 'http://one:81', weight: 5 },
        'http://unix:/run/app.sock',
        { url: 'http://spare:83', backup: true },
      ],
    },
  },
  { name: 'by-cookie', location: '/c/', upstream: { servers: ['http://one:81', 'http://two:82'], sticky: 'cookie' } },
  {
    name: 'by-address',
    location: '/a/',
    upstream: {
      servers: ['http://one:81', 'http://two:82', { url: 'http://spare:83', backup: true }],
      sticky: 'address',
      keepAlive: '9s',
    },
  },
];

test('exports: servers are balanced as far as the proxy can, and what it cannot is said (9 B5)', async (t) => {
  const of = async (kind: string) => exportedOf(t, kind, { routes: balanced });
  const nginx = await of('nginx');
  assert.match(nginx.stdout, /server one:81 weight=5;\n\s*server unix:\/run\/app\.sock;\n\s*server spare:83 backup;/);
  assert.match(nginx.stdout, /hash \$remote_addr consistent;\n\s*server one:81;\n\s*server two:82;\n\s*keepalive/);
  assert.match(nginx.stderr, /by-cookie: nginx keeps no visitor at one server by cookie$/m);
  assert.match(
    nginx.stderr,
    /by-address: nginx is told of no backup server, keeps connections for a time of its own$/m,
  );
  assert.doesNotMatch(nginx.stderr, /weighed/);
  const caddy = await of('caddy');
  assert.match(caddy.stdout, /reverse_proxy one:81 unix\/\/run\/app\.sock \{\n\s*lb_policy round_robin/);
  assert.match(caddy.stdout, /lb_policy cookie gatehouse_lb/);
  assert.match(caddy.stdout, /lb_policy ip_hash/);
  assert.match(caddy.stderr, /weighed: caddy is told of no backup server, gives each server the same share$/m);
  const traefik = await of('traefik');
  const { services } = parse(traefik.stdout).http;
  const all = JSON.stringify(services);
  assert.doesNotMatch(all, /unix|spare/);
  assert.match(all, /"sticky":\{"cookie":\{"name":"gatehouse_lb","httpOnly":true\}\}/);
  assert.match(
    traefik.stderr,
    /weighed: traefik is told of no Unix socket: name a port of the application, is told of no backup/,
  );
  const envoy = await of('envoy');
  assert.match(envoy.stdout, /load_balancing_weight: 5/);
  assert.doesNotMatch(envoy.stdout, /spare/);
  assert.match(envoy.stderr, /by-cookie: envoy keeps no visitor at one server by cookie$/m);
  assert.doesNotMatch((await of('haproxy')).stderr, /weighed|by-cookie/);
});
