/** One login for several hosts, in a real browser over https, by each kind of provider, and behind a real nginx. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { gateway, type Yaml } from '../support/scenes/gateway.ts';
import { exported } from '../support/scenes/placements.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { needsCas, shareCas } from '../support/servers/cas-server.ts';
import { startChromiumProfile, withoutChromium } from '../support/servers/chromium.ts';
import { needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { startIdp } from '../support/servers/oidc-provider.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

/** Names that lead to this machine, with certificates of other names. */
const names = ['--host-resolver-rules=MAP *.test 127.0.0.1, MAP *.example 127.0.0.1', '--ignore-certificate-errors'];

const script = `<script>
  const socket = new WebSocket('wss://' + location.host + '/live');
  socket.onmessage = ({ data }) => { window.heard = data; };
  socket.onopen = () => socket.send('hello');
  socket.onclose = ({ code }) => { window.ended = code; };
</script>`;

/** An application that says who is there and under which name, with a WebSocket. */
async function startDesk(t: TestContext): Promise<{ readonly upstream: string; live(): number }> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { 'x-remote-user': user, 'x-forwarded-host': host } = request.headers;
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!doctype html><title>Desk</title><h1>${user} at ${host}${request.url}</h1>${script}`);
  }).listen(0, '127.0.0.1');
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('error', () => {}).on('message', (data) => socket.send(`${data}`)));
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { upstream, live: () => sockets.clients.size };
}

test('several hosts: Chromium over https: one login at two domains and two ports, and a logout that ends all', {
  skip: withoutChromium,
}, async (t) => {
  const { upstream, live } = await startDesk(t);
  const [port, finessePort] = [await freePort(), await freePort()];
  const hosts = [`sso.test:${port}`, `desk.example:${port}`, `sso.test:${finessePort}`] as const;
  const [sso, desk, finesse] = hosts.map((host) => `https://${host}`) as [string, string, string];
  const { audit, lines } = await gateway(t, {
    users: staff,
    config: {
      server: {
        listen: [`https://127.0.0.1:${port}`, `https://127.0.0.1:${finessePort}`],
        publicUrl: sso,
        tls: testCertificates().good,
      },
      routes: ['desk.example', `sso.test:${finessePort}`, 'sso.test'].map((host) => ({
        host,
        location: '/',
        upstream,
        websocket: true,
      })),
    },
  });
  const context = await startChromiumProfile(t, names);
  const page = await context.newPage();
  await page.goto(`${desk}/a?b=c#d`);
  assert.equal(new URL(page.url()).host, hosts[0], 'the form is at the public host');
  await page.fill('input[name=username]', 'agent1');
  await page.fill('input[name=password]', passwords.agent1);
  await page.click('button[type=submit]');
  await page.waitForSelector(`text=agent1 at ${hosts[1]}/a?b=c`);
  assert.equal(new URL(page.url()).search, '?b=c');
  await page.waitForFunction("window.heard === 'hello'");

  const second = await context.newPage();
  await second.goto(`${finesse}/x`);
  await second.waitForSelector(`text=agent1 at ${hosts[2]}/x`);
  await second.waitForFunction("window.heard === 'hello'");
  const third = await context.newPage();
  await third.goto(`${sso}/home`);
  await third.waitForSelector(`text=agent1 at ${hosts[0]}/home`);
  assert.deepEqual(
    audit('login').map(({ outcome }) => outcome),
    ['succeeded'],
    'one login',
  );

  for (const one of [page, second, third])
    assert.doesNotMatch(String(await one.evaluate('document.referrer')), /code|nonce/, 'no page is told how one came');
  const cookies = (await context.cookies()).filter(({ name }) => name === '__Host-gatehouse');
  assert.deepEqual(
    cookies.map(({ domain, httpOnly, secure, sameSite }) => [domain, httpOnly, secure, sameSite]).sort(),
    [
      ['desk.example', true, true, 'Lax'],
      ['sso.test', true, true, 'Lax'],
    ],
  );
  assert.equal(new Set(cookies.map(({ value }) => value)).size, 2);
  assert.deepEqual(
    (await context.cookies()).filter(({ name }) => name.includes('handover')),
    [],
    'spent',
  );

  const leaving = await context.newPage();
  await leaving.goto(`${desk}/_gate/logout`);
  await leaving.click('button[type=submit]');
  await leaving.waitForSelector('text=/signed out/i');
  await until('the sockets of all hosts are cut', () => live() === 0);
  const endings = () => Promise.all([page, second, third].map((one) => one.evaluate('window.ended')));
  await until('each page knows', async () => (await endings()).every((code) => code === 1008));
  const [status, body] = (await third.evaluate(
    `fetch('/api').then(async (answer) => [answer.status, await answer.json()])`,
  )) as [number, { login: string }];
  assert.deepEqual([status, body.login], [401, '/_gate/login?return=%2Fhome']);
  await page.reload();
  await page.waitForSelector('input[name=password]');
  assert.equal(new URL(page.url()).host, hosts[0]);
  for (const { value } of cookies) assert.ok(!lines.some((line) => line.includes(value)));
});

test('several hosts: Chromium: tabs that open together at a host all arrive, each at its own page', {
  skip: withoutChromium,
}, async (t) => {
  const { upstream } = await startDesk(t);
  const port = await freePort();
  const { audit } = await gateway(t, {
    users: staff,
    config: {
      server: {
        listen: `https://127.0.0.1:${port}`,
        publicUrl: `https://sso.test:${port}`,
        tls: testCertificates().good,
      },
      routes: ['desk.example', 'sso.test'].map((host) => ({ host, location: '/', upstream, websocket: true })),
    },
  });
  const context = await startChromiumProfile(t, names);
  const first = await context.newPage();
  await first.goto(`https://sso.test:${port}/`);
  await first.fill('input[name=username]', 'agent1');
  await first.fill('input[name=password]', passwords.agent1);
  await first.click('button[type=submit]');
  await first.waitForSelector('text=agent1 at');
  const tabs = await Promise.all(Array.from({ length: 5 }, () => context.newPage()));
  await Promise.all(tabs.map((tab, index) => tab.goto(`https://desk.example:${port}/tab${index}`)));
  for (const [index, tab] of tabs.entries())
    await tab.waitForSelector(`text=agent1 at desk.example:${port}/tab${index}`);
  for (const tab of tabs) assert.equal((await tab.reload())?.status(), 200, 'whichever token stayed');
  assert.equal(audit('login').length, 1);
});

/** A gateway of two hosts whose people come by some provider. */
async function twoHosts(
  t: TestContext,
  {
    chain,
    providers,
    server = {},
    host = 'desk.example',
  }: { chain: readonly string[]; providers: Yaml; server?: Yaml; host?: string },
) {
  const upstream = await startUpstream(t);
  const started = await gateway(t, {
    users: staff,
    config: {
      server: { publicUrl: 'http://sso.test', ...server },
      login: { chain, timeout: '30s' },
      providers,
      routes: [
        { location: '/', upstream: upstream.origin },
        { host, location: '/', upstream: upstream.origin },
      ],
    },
  });
  const browser = new Browser(t, Number(started.url.port));
  return { ...started, upstream, browser };
}

test('several hosts: an OpenID Connect visitor of a second host goes to the issuer once, and arrives', async (t) => {
  const idp = await startIdp(t, { people: { alice: { preferred_username: 'alice' } } });
  const { browser, upstream, audit } = await twoHosts(t, {
    chain: ['sso'],
    providers: { sso: { type: 'oidc', ...idp.options } },
  });
  idp.register(new URL('http://sso.test'), 'sso');
  const { trail } = await browser.follow('http://desk.example/x?y', idp.issuer);
  assert.equal(trail.filter((address) => address.startsWith(idp.issuer)).length, 1, trail.join('\n'));
  const back = await idp.person().signIn(trail.at(-1) ?? '', 'alice');
  assert.equal(back.origin, 'http://sso.test');
  const arrived = await browser.follow(back.href, idp.issuer);
  assert.equal(arrived.trail.at(-1), 'http://desk.example/x?y', arrived.trail.join('\n'));
  assert.equal(arrived.answer.status, 200);
  assert.deepEqual(
    upstream.received.map((one) => one.values('x-remote-user').join()),
    ['alice'],
  );
  assert.deepEqual(
    audit('login').map(({ outcome }) => outcome),
    ['succeeded'],
  );
});

test(
  'several hosts: a CAS visitor of a second host arrives, and single logout ends it there too',
  needsCas,
  async (t) => {
    const cas = await shareCas(t, { users: [{ name: 'alice', password: 'alices-4c81' }] });
    const port = await freePort();
    // CAS posts its logout to the address of the service, which it has to reach.
    const publicUrl = `http://127.0.0.1:${port}`;
    const desk = `http://desk.example:${port}`;
    const { browser, upstream } = await twoHosts(t, {
      chain: ['campus'],
      server: { listen: publicUrl, publicUrl },
      providers: { campus: { type: 'cas', url: cas.url } },
    });
    const origin = new URL(cas.url).origin;
    const { trail } = await browser.follow(`${desk}/x`, origin);
    const person = cas.browser();
    await person.signIn('alice', 'alices-4c81');
    const back = await person.visit(trail.at(-1) ?? '');
    const arrived = await browser.follow(back?.href ?? '', origin);
    assert.equal(arrived.trail.at(-1), `${desk}/x`, arrived.trail.join('\n'));
    assert.equal(upstream.received.at(-1)?.values('x-remote-user').join(), 'alice');
    await person.signOut();
    await until('the second host is signed out', async () => (await browser.at(desk).fetch('/x')).status === 401);
  },
);

test('several hosts: Chromium with a ticket for the public host alone is signed in at a second host', {
  skip: needsKdc.skip || withoutChromium,
}, async (t) => {
  const kdc = await shareKdc(t);
  const port = await freePort();
  const [sso, desk] = [`http://localhost:${port}`, `http://desk.localhost:${port}`];
  const { upstream, audit } = await twoHosts(t, {
    chain: ['kerberos', 'local'],
    host: 'desk.localhost',
    server: { listen: `http://127.0.0.1:${port}`, publicUrl: sso },
    providers: {
      local: { type: 'local', users: 'users.yaml' },
      kerberos: {
        type: 'kerberos',
        principal: 'HTTP/localhost@EXAMPLE.TEST',
        keytab: await kdc.keytab(['HTTP/localhost']),
        krb5Config: kdc.krb5Config,
        replayCache: path.join(kdc.folder, 'seen'),
      },
    },
  });
  const browser = await startChromiumProfile(t, ['--auth-server-allowlist=localhost'], await kdc.signIn('alice'));
  const page = await browser.newPage();
  // The list of allowed servers reaches Chromium's network a moment after its start.
  await until('Chromium uses its ticket', async () => {
    await browser.clearCookies();
    await page.goto(`${desk}/ccagent?x=1`);
    return page.url() === `${desk}/ccagent?x=1`;
  });
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
  assert.equal(audit('login').at(-1)?.outcome, 'succeeded');
  assert.equal(audit('handover').at(-1)?.host, 'desk.localhost');

  await page.goto(`${desk}/_gate/logout`);
  await page.click('button[type=submit]');
  await page.waitForSelector('text=/signed out/i');
  await page.goto(`${desk}/ccagent`);
  assert.equal(new URL(page.url()).origin, sso, 'the ticket does not undo the logout');
  await page.waitForSelector('input[name=password]');
});

test(
  'several hosts: behind a real nginx that asks, a second host and a port of the first are handed the session',
  needsNginx,
  async (t) => {
    const upstream = await startUpstream(t);
    const [port, finessePort] = [await freePort(), await freePort()];
    const [sso, desk, finesse] = [
      `http://sso.test:${port}`,
      `http://desk.example:${port}`,
      `http://sso.test:${finessePort}`,
    ];
    const { file, audit } = await gateway(t, {
      users: staff,
      config: {
        server: { publicUrl: sso, trustedProxies: ['127.0.0.1'] },
        routes: [
          { location: '/', upstream: upstream.origin, websocket: true },
          { host: 'desk.example', location: '/app/', upstream: upstream.origin },
          { host: `sso.test:${finessePort}`, location: '/', upstream: upstream.origin },
        ],
      },
    });
    const nginx = await exported('nginx', file, '--listen', `127.0.0.1:${port}`);
    await startNginx(t, () => nginx, port);
    const browser = new Browser(t);
    const slash = await browser.open(`${desk}/app`);
    assert.equal(new URL(String(slash.headers.location), `${desk}/app`).href, `${desk}/app/`);
    const { trail, answer } = await browser.signIn(`${desk}/app/x?y`, 'agent1', passwords.agent1);
    assert.equal(answer.status, 200, trail.join('\n'));
    assert.equal(trail.at(-1), `${desk}/app/x?y`);
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
    assert.equal(upstream.received.at(-1)?.values('cookie').length, 0);
    const elsewhere = await browser.follow(`${finesse}/f`);
    assert.equal(elsewhere.answer.status, 200, elsewhere.trail.join('\n'));
    assert.equal(elsewhere.trail.at(-1), `${finesse}/f`);
    assert.deepEqual(
      audit('handover').map(({ host }) => host),
      ['desk.example'],
      'a port of the public host has its cookie',
    );
    const fresh = new Browser(t);
    const there = await fresh.signIn(`${finesse}/g`, 'agent1', passwords.agent1);
    assert.equal(there.trail.at(-1), `${finesse}/g`, there.trail.join('\n'));
    const asked = await new Browser(t).at(desk).fetch('/app/api');
    assert.equal(asked.status, 401);
    assert.equal(JSON.parse(asked.text).login, '/_gate/login?return=%2Fapp%2Fapi');
    assert.equal((await browser.at(desk).post('/_gate/logout', {})).status, 200);
    for (const origin of [sso, desk, finesse])
      assert.equal((await browser.at(origin).fetch('/app/x')).status, 401, origin);
  },
);
