/** What front proxies are told at /_gate/auth: whom they may believe us about, and what they must not send on. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Yaml } from '../../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../../support/scenes/site.ts';
import type { Answer } from '../../support/scenes/visitor.ts';
import { run } from '../../support/tools/command.ts';
import { requestOf, sendRaw } from '../../support/tools/raw-http.ts';

const trusting = { server: { trustedProxies: ['127.0.0.1'] } };

/** A site whose gateway believes 127.0.0.1, and the cookies of the agent. */
async function asked(t: TestContext, config: Yaml = {}): Promise<{ started: Site; cookie: string }> {
  const started = await site(t, { config: { ...trusting, ...config } });
  const visitor = started.visitor();
  await visitor.mustSignIn('agent1', passwords.agent1);
  return { started, cookie: visitor.cookieHeader };
}

/** As nginx asks. */
function check(started: Site, uri: string, headers: Record<string, string> = {}, query = ''): Promise<Answer> {
  return started
    .visitor()
    .fetch(`/_gate/auth${query}`, { headers: { 'x-original-uri': uri, 'x-original-method': 'GET', ...headers } });
}

/** As Traefik and Caddy ask. */
function pass(started: Site, uri: string, headers: Record<string, string> = {}): Promise<Answer> {
  const forwarded = {
    'x-forwarded-uri': uri,
    'x-forwarded-method': 'GET',
    'x-forwarded-host': started.url.host,
    'x-forwarded-proto': 'http',
  };
  return started.visitor().fetch('/_gate/auth', { headers: { ...forwarded, ...headers } });
}

const navigation = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };

test('forward-auth: a peer that is not in trustedProxies gets 401, whatever it says (H7)', async (t) => {
  const started = await site(t);
  const visitor = started.visitor();
  await visitor.mustSignIn('agent1', passwords.agent1);
  for (const uri of ['/public/x', '/', '/admin']) {
    const answer = await pass(started, uri, { cookie: visitor.cookieHeader });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['x-remote-user'], undefined);
    assert.equal((await check(started, uri, { cookie: visitor.cookieHeader })).status, 401);
  }
  assert.ok(started.audit('request').some(({ reason, via }) => reason === 'untrusted-peer' && via === 'forward-auth'));
});

test('forward-auth: a session is told as headers, with the path to send and the cookies that are not ours', async (t) => {
  const { started, cookie } = await asked(t);
  const answer = await check(started, '/some/%70age?x=1', { cookie: `${cookie}; theirs=1`, 'x-remote-user': 'evil' });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, '');
  assert.equal(answer.headers['x-remote-user'], 'agent1');
  assert.equal(answer.headers['x-remote-email'], 'agent1@example.com');
  assert.equal(answer.headers['x-remote-roles'], 'agent');
  assert.match(String(answer.headers['x-gatehouse-assertion']), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.equal(answer.headers['x-gatehouse-path'], '/some/page?x=1');
  assert.equal(answer.headers.cookie, 'theirs=1');
  assert.equal((await pass(started, '/some/page', { cookie })).headers.cookie, undefined);
});

test('forward-auth: nobody is 401 with the login address to nginx, and a redirect there to a browser behind Traefik', async (t) => {
  const { started } = await asked(t);
  const login = `${started.url.origin}/_gate/login?return=%2Fpage%3Fx%3D1`;
  const told = await check(started, '/page?x=1', navigation);
  assert.equal(told.status, 401);
  assert.equal(told.headers.location, undefined);
  assert.equal(told.headers['x-gatehouse-login'], login);
  assert.equal(JSON.parse(told.text).error, 'login-required');
  const sent = await pass(started, '/page?x=1', navigation);
  assert.equal(sent.status, 302);
  assert.equal(sent.headers.location, login);
  const fetched = await pass(started, '/page?x=1');
  assert.equal(fetched.status, 401);
  assert.equal(JSON.parse(fetched.text).login, '/_gate/login?return=%2Fpage%3Fx%3D1');
});

test('forward-auth: a garbled session cookie is no session, and never a 200 without identity (S3)', async (t) => {
  const { started } = await asked(t);
  for (const cookie of ['gatehouse=', 'gatehouse=garbage', 'gatehouse=a; gatehouse=b', 'gatehouse="%00"']) {
    assert.equal((await check(started, '/', { cookie })).status, 401, cookie);
    assert.equal((await pass(started, '/', { cookie })).status, 401, cookie);
  }
});

test('forward-auth: roles, closed locations, unknown ones and our own addresses', async (t) => {
  const { started, cookie } = await asked(t);
  assert.equal((await check(started, '/admin/x', { cookie })).status, 403);
  assert.equal((await check(started, '/closed/x', { cookie })).status, 403);
  assert.equal((await check(started, '/_gate/session', { cookie })).status, 404);
  assert.equal((await check(started, '/_gate/auth', { cookie })).status, 404);
  assert.equal((await check(started, '/closed', { cookie })).status, 301);
  assert.equal((await check(started, '/public/x')).status, 200);
  const page = await pass(started, '/admin/x', { cookie, ...navigation });
  assert.equal(page.status, 403);
  assert.match(page.text, /the front desk/);
});

test('forward-auth: what is asked about must be said, once, and by one proxy (H17)', async (t) => {
  const { started, cookie } = await asked(t);
  const host = started.url.host;
  const lines = (...more: string[]) =>
    sendRaw(
      started.url,
      requestOf(['GET /_gate/auth HTTP/1.1', 'Host: gatehouse', `Cookie: ${cookie}`, 'Connection: close', ...more]),
    );
  const refused = [
    [],
    ['X-Original-URI:'],
    ['X-Original-URI: public/x'],
    ['X-Original-URI: *'],
    ['X-Original-URI: /public/x', 'X-Original-URI: /public/x'],
    ['X-Original-URI: /public/x', 'X-Forwarded-Uri: /admin'],
    ['X-Original-URI: /public/x', 'X-Original-Host:'],
    ['X-Original-URI: /public/x', 'X-Original-Host: a b'],
    ['X-Original-URI: /public/x', 'X-Original-Host: cc.example.com', 'X-Forwarded-Host: other.example.com'],
    ['X-Original-URI: /public/x', 'X-Original-Method: GET POST'],
    ['X-Original-URI: /public/x', 'X-Original-Method: GET', 'X-Forwarded-Method: POST'],
    ['X-Original-URI: /public/x', 'X-Original-Method:'],
    ['X-Forwarded-Uri: /public/x'],
    ['X-Forwarded-Uri: /public/x', 'X-Forwarded-Host:'],
    ['X-Forwarded-Uri: /public/x', `X-Forwarded-Host: ${host}, evil.example`],
    ['X-Forwarded-Uri:', `X-Forwarded-Host: ${host}`],
    [`X-Forwarded-Host: ${host}`, 'X-Forwarded-Method: GET'],
    ['X-Forwarded-Uri: /public/x', `X-Forwarded-Host: ${host}`, 'X-Forwarded-For: not-an-address'],
    ['X-Forwarded-Uri: /public/x', `X-Forwarded-Host: ${host}`, 'X-Forwarded-Proto: ftp'],
  ];
  for (const more of refused) assert.equal((await lines(...more)).status, 400, more.join(' | '));
  assert.equal((await lines('X-Original-URI: /public/x')).status, 200);
  assert.equal((await lines('X-Original-URI: /public/x', 'X-Original-Method: TRACE')).status, 405);
  for (const query of ['route', 'route=', 'route=a&route=b', 'answer=maybe', 'path=mine', 'other=1'])
    assert.equal((await check(started, '/public/x', {}, `?${query}`)).status, 400, query);
});

test('forward-auth: where routes have hosts, the name of a proxy’s upstream does not stand for one', async (t) => {
  const routes = [
    { location: '/', upstream: 'http://127.0.0.1:9', access: 'public' },
    { location: '/', host: 'secret.example.com', upstream: 'http://127.0.0.1:9', name: 'secret' },
  ];
  const { started } = await asked(t, { routes });
  assert.equal((await check(started, '/x', { host: 'gatehouse' })).status, 400);
  assert.equal((await check(started, '/x', { host: 'secret.example.com' })).status, 401);
  assert.equal(
    (await check(started, '/x', { host: 'gatehouse', 'x-original-host': 'Secret.Example.com:443' })).status,
    401,
  );
  assert.equal((await check(started, '/x', { host: started.url.host })).status, 200);
});

test('forward-auth: a path that the proxy would send with its dots and slashes is refused, unless it sends ours (P2)', async (t) => {
  const { started, cookie } = await asked(t);
  const rebuilt = ['//admin', '/public/../admin', '/%2e/admin', '/public/%2e%2e/admin', '/./public/x', '/public//x'];
  for (const uri of rebuilt) {
    assert.equal((await check(started, uri, { cookie })).status, 400, uri);
    assert.equal((await pass(started, uri, { cookie })).status, 400, uri);
  }
  for (const uri of [
    '/admin%2F..%2Fadmin',
    '/public/%252e%252e/admin',
    '/public/..%2fadmin',
    '/admin%00.css',
    '/..\\admin',
  ])
    assert.equal((await check(started, uri, { cookie }, '?path=canonical')).status, 400, uri);
  assert.equal((await check(started, '/public/../admin', { cookie }, '?path=canonical')).status, 403);
  const sent = await check(started, '/a/../public//x?q=/../y', { cookie }, '?path=canonical');
  assert.equal(sent.headers['x-gatehouse-path'], '/public/x?q=/../y');
  assert.equal((await check(started, '/%61dmin', { cookie })).status, 403);
});

test('forward-auth: a proxy that has matched another location than we gets no permission', async (t) => {
  const { started, cookie } = await asked(t);
  assert.equal((await check(started, '/public/x', { cookie }, '?route=public')).status, 200);
  assert.equal((await check(started, '/admin', { cookie }, '?route=public')).status, 400);
  assert.equal((await check(started, '/public/x', { cookie }, '?route=home')).status, 400);
});

test('forward-auth: a name of ours that the proxy would send on as the client wrote it is refused', async (t) => {
  const { started, cookie } = await asked(t);
  for (const name of [
    'x_remote_user',
    'X-Remote_User',
    'x.remote.user',
    'x_forwarded_proto',
    'x-original-url',
    'x-remote-admin',
    'x-forwarded-user',
    'x-gatehouse-role',
    'proxy',
  ])
    assert.equal((await check(started, '/page', { cookie, [name]: 'evil' })).status, 400, name);
  // The answer has no value for it on an open route, so that nothing would replace the client's.
  assert.equal((await check(started, '/public/x', { 'x-remote-user': 'evil' })).status, 400);
  assert.equal((await check(started, '/page', { cookie, my_header: 'fine', 'x-forwarded-port': '80' })).status, 200);
});

test('forward-auth: what only proxies may tell is refused where no list of a proxy’s configuration can hold it', async (t) => {
  const { started, cookie } = await asked(t);
  for (const name of [
    ...['x-ssl-client-unheard-of', 'ssl-client-verify', 'client-cert-anything', 'x-amzn-mtls-clientcert-new'],
    ...['true_client_ip', 'x.client.ip', 'x_script_name', 'X_SSL_Cert'],
  ])
    assert.equal((await check(started, '/page', { cookie, [name]: 'evil' })).status, 400, name);
  // These the exported configurations clear by their names; a network in front of the proxy may set them.
  for (const name of ['true-client-ip', 'cf-connecting-ip', 'x-scheme', 'x-client-version'])
    assert.equal((await check(started, '/page', { cookie, [name]: 'said' })).status, 200, name);
});

test('forward-auth: Envoy asks with the path behind the address, in the client’s method and under its host', async (t) => {
  const { started, cookie } = await asked(t);
  const ask = (line: string, ...more: string[]) =>
    sendRaw(
      started.url,
      requestOf([line, `Host: ${started.url.host}`, 'Content-Length: 0', 'Connection: close', ...more]),
    );
  const permitted = await ask('POST /_gate/auth/some/page?x=1 HTTP/1.1', `Cookie: ${cookie}`);
  assert.equal(permitted.status, 200);
  assert.match(permitted.text, /x-gatehouse-path: \/some\/page\?x=1\r\n/);
  assert.match(
    permitted.text,
    /x-envoy-auth-headers-to-remove: x-remote-level,x-remote-tenant,x-remote-company,x-remote-privileges,cookie,authorization\r\n/,
  );
  const open = await ask('GET /_gate/auth/public HTTP/1.1');
  assert.match(open.text, /x-envoy-auth-headers-to-remove: x-remote-user,/);
  assert.equal((await ask('GET /_gate/auth/admin HTTP/1.1', `Cookie: ${cookie}`)).status, 403);
  assert.equal((await ask('GET /_gate/auth/public/../admin HTTP/1.1', `Cookie: ${cookie}`)).status, 400);
  assert.equal((await ask('GET /_gate/auth//admin HTTP/1.1', `Cookie: ${cookie}`)).status, 400);
  assert.equal(
    (await ask('GET /_gate/auth/admin HTTP/1.1', `Cookie: ${cookie}`, 'X-Forwarded-Uri: /public')).status,
    400,
  );
  const named = async (...names: string[]) =>
    (
      await ask(
        'GET /_gate/auth/page HTTP/1.1',
        `Cookie: ${cookie}`,
        ...names.map((name) => `X-Original-Route: ${name}`),
      )
    ).status;
  assert.equal(await named('home'), 200);
  for (const names of [['admin'], ['home', 'home'], [''], ['%'], ['public']])
    assert.equal(await named(...names), 400, `Envoy has matched ${names}`);
  const sent = await ask('GET /_gate/auth/page HTTP/1.1', 'Accept: text/html');
  assert.equal(sent.status, 302);
  assert.match(sent.text, new RegExp(`location: ${started.url.origin}/_gate/login\\?return=%2Fpage\\r\n`, 'i'));
});

test('forward-auth: a WebSocket is judged by its origin and its location, however the proxy says that it is one', async (t) => {
  const { started, cookie } = await asked(t);
  const ways: Record<string, string>[] = [
    { 'x-original-upgrade': 'websocket' },
    { 'x-forwarded-upgrade': 'WebSocket' },
    { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
  ];
  for (const way of ways) {
    assert.equal((await check(started, '/ws', { cookie, ...way, origin: started.url.origin })).status, 200);
    assert.equal((await check(started, '/ws', { cookie, ...way, origin: 'https://evil.example' })).status, 403);
    assert.equal((await check(started, '/plain/ws', { cookie, ...way, origin: started.url.origin })).status, 400);
  }
  // Caddy passes the whole handshake on.
  const handshake = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const forwarded = ['X-Forwarded-Uri: /ws', 'X-Forwarded-Method: GET', `X-Forwarded-Host: ${started.url.host}`];
  const answer = (...more: string[]) =>
    sendRaw(
      started.url,
      requestOf(['GET /_gate/auth HTTP/1.1', 'Host: gatehouse', ...handshake, ...forwarded, ...more]),
    );
  assert.equal((await answer(`Cookie: ${cookie}`)).status, 200);
  assert.equal((await answer()).status, 401);
});

test('forward-auth: an old proof is asked for again, and activity counts where the route says so', async (t) => {
  let now = Date.now();
  const started = await site(t, { config: { ...trusting, session: { idle: '10m' } }, clock: { now: () => now } });
  const visitor = started.visitor();
  await visitor.mustSignIn('agent1', passwords.agent1);
  const cookie = visitor.cookieHeader;
  now += 6 * 60_000;
  const old = await check(started, '/fresh/x', { cookie });
  assert.equal(old.status, 401);
  assert.match(String(old.headers['x-gatehouse-login']), /return=%2Ffresh%2Fx&confirm=1$/);
  assert.match(String((await pass(started, '/fresh/x', { cookie, ...navigation })).headers.location), /confirm=1$/);
  assert.equal((await check(started, '/poll/x', { cookie })).status, 200);
  now += 5 * 60_000;
  assert.equal((await check(started, '/poll/x', { cookie })).status, 401, 'polling has not kept the session alive');
});

test('forward-auth: the answer that nginx fetches for the client is never a permission, and stands on record once', async (t) => {
  const { started, cookie } = await asked(t);
  const page = (query: string, headers: Record<string, string> = {}) =>
    started.visitor().fetch(`/_gate/auth?${query}`, {
      headers: { 'x-forwarded-uri': '/page', 'x-forwarded-host': started.url.host, ...headers },
    });
  const before = started.audit('request').length;
  assert.equal((await check(started, '/page', navigation, '?answer=later')).status, 401);
  assert.equal((await page('answer=again', navigation)).status, 302);
  assert.equal(started.audit('request').length, before + 1);
  for (const query of ['answer=again', 'answer=page']) assert.equal((await page(query, { cookie })).status, 503, query);
});

test('forward-auth: a form that meets an ended session is kept where its body has come along', async (t) => {
  const { started } = await asked(t);
  const form = { origin: started.url.origin, 'content-type': 'application/x-www-form-urlencoded', ...navigation };
  const forwarded = { 'x-forwarded-uri': '/form', 'x-forwarded-method': 'POST', 'x-forwarded-host': started.url.host };
  const kept = await started
    .visitor()
    .fetch('/_gate/auth?answer=again', { method: 'POST', headers: { ...forwarded, ...form }, body: 'a=1' });
  assert.equal(kept.status, 303);
  assert.match(String(kept.headers.location), /return=%2F_gate%2Freplay/);
  const lost = await started.visitor().fetch('/_gate/auth', { headers: { ...forwarded, ...form } });
  assert.equal(lost.status, 401);
});

test('forward-auth: every question is one record, with the client that stands behind the proxy', async (t) => {
  const { started, cookie } = await asked(t);
  const before = started.audit('request').length;
  await check(started, '/page', { cookie, 'x-forwarded-for': '192.0.2.7' });
  await check(started, '/admin', { cookie, 'x-forwarded-for': '192.0.2.7' });
  const records = started.audit('request').slice(before);
  assert.deepEqual(
    records.map(({ via, route, status, user, address, path }) => ({ via, route, status, user, address, path })),
    [
      { via: 'forward-auth', route: 'home', status: 200, user: 'agent1', address: '192.0.2.7', path: '/page' },
      { via: 'forward-auth', route: 'admin', status: 403, user: 'agent1', address: '192.0.2.7', path: '/admin' },
    ],
  );
});

test('forward-auth: an API token lets in what it lets in here, and the answer has none of it', async (t) => {
  const started = await site(t, { config: trusting });
  const access = { apiTokens: true };
  const api = { location: '/api/', upstream: started.upstream.origin, access, apiTokenHeader: 'X-Auth-Token' };
  const home = { location: '/', upstream: started.upstream.origin, access: 'public' };
  await started.write({ ...trusting, routes: [api, home] });
  assert.equal((await started.running.reload({ actor: 'test' })).kind, 'reloaded');
  const token = (await run(['api-tokens', 'add', 'wallboard', '--config', started.file])).stdout.trim();
  const shown = { 'x-auth-token': token, authorization: 'Basic YXBwOmFwcA==' };
  const answer = await check(started, '/api/x', shown);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-remote-user'], 'api:wallboard');
  assert.equal(answer.headers['x-auth-token'], undefined);
  assert.equal(answer.headers.authorization, 'Basic YXBwOmFwcA==');
  const elsewhere = await check(started, '/x', { 'x-auth-token': 'of-the-application' });
  assert.equal(elsewhere.headers['x-auth-token'], 'of-the-application', 'on other routes the header is theirs');
  assert.equal((await check(started, '/api/x', { 'x-auth-token': 'wrong' })).status, 401);
});
