/** Locations for networks: who is kept out, who need not sign in, and who is told to applications. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Site, site, siteConfig } from '../support/scenes/site.ts';
import type { Visitor } from '../support/scenes/visitor.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

/** A machine of the network, and one that is not. */
const [desk, stranger] = ['127.0.0.7', '127.0.0.9'];
const networks = ['127.0.0.4/30'];

async function office(t: TestContext, more: object = {}): Promise<Site> {
  const started = await site(t);
  const { routes, ...rest } = siteConfig(started.upstream.origin) as { routes: readonly object[] };
  const upstream = started.upstream.origin;
  await started.write({
    ...rest,
    ...more,
    routes: [
      ...routes,
      { location: '/lan/', upstream, access: { public: true, networks } },
      { location: '/both/', upstream, access: { roles: ['agent'], networks } },
      {
        location: '/either/',
        upstream,
        websocket: true,
        access: { roles: ['supervisor'], maxAge: '0ms', networks, satisfy: 'any' },
      },
    ],
  });
  await started.running.reload({ actor: 'signal' });
  return started;
}

interface Asked {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
}

async function ask(url: URL, from: string, path: string, headers: Record<string, string> = {}): Promise<Asked> {
  const request = http.get(new URL(path, url), { localAddress: from, agent: false, headers });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  return { status: response.statusCode ?? 0, headers: response.headers };
}

const cookieOf = (visitor: Visitor): Record<string, string> => ({ cookie: visitor.cookieHeader });

test('networks: they narrow, before anybody is asked to sign in', async (t) => {
  const { url, upstream, visitor, audit } = await office(t);
  const agent = visitor();
  await agent.mustSignIn('agent1', 'right-4417-horse');
  assert.equal((await ask(url, desk, '/lan/x')).status, 200);
  assert.equal((await ask(url, stranger, '/lan/x')).status, 403);
  assert.equal((await ask(url, stranger, '/lan/x', cookieOf(agent))).status, 403, 'a session does not help');
  assert.equal((await ask(url, desk, '/both/x')).status, 401, 'who must sign in still must');
  assert.equal((await ask(url, desk, '/both/x', cookieOf(agent))).status, 200);
  assert.equal((await ask(url, stranger, '/both/x')).status, 403, 'and not 401: no login opens it from there');
  assert.equal((await ask(url, stranger, '/both/x', cookieOf(agent))).status, 403);
  assert.equal(upstream.received.length, 2);
  const { reason, detail } = audit('request').at(-1) ?? {};
  assert.deepEqual([reason, detail], ['network-not-admitted', 'the address is in no network of the location']);
});

test('networks: with any, who is in one passes without a login; elsewhere all else counts', async (t) => {
  const { url, upstream, visitor } = await office(t);
  const agent = visitor();
  await agent.mustSignIn('agent1', 'right-4417-horse');
  assert.equal((await ask(url, desk, '/either/x', { 'X-Remote-User': 'root' })).status, 200);
  const anonymous = upstream.received.at(-1);
  assert.deepEqual([anonymous?.values('x-remote-user'), anonymous?.values('x-gatehouse-assertion')], [[], []]);
  assert.equal((await ask(url, desk, '/either/x', cookieOf(agent))).status, 200, 'neither role nor age counts');
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
  assert.equal((await ask(url, desk, '/either/x', { cookie: 'gatehouse=forged' })).status, 200);
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), []);
  assert.equal((await ask(url, stranger, '/either/x')).status, 401);
  assert.equal((await ask(url, stranger, '/either/x', cookieOf(agent))).status, 403);
  assert.equal(upstream.received.length, 3);
});

test('networks: whoever says that it forwards for somebody is outside, unless it is trusted', async (t) => {
  const { url } = await office(t);
  for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP']) {
    assert.equal((await ask(url, desk, '/lan/x', { [name]: '127.0.0.6' })).status, 403, name);
    assert.equal((await ask(url, desk, '/either/x', { [name]: '127.0.0.6' })).status, 401, name);
    assert.equal((await ask(url, stranger, '/lan/x', { [name]: desk })).status, 403, name);
  }
  const { url: trusting } = await office(t, { server: { trustedProxies: [stranger] } });
  const through = (chain: string) => ask(trusting, stranger, '/lan/x', { 'X-Forwarded-For': chain });
  assert.equal((await through(desk)).status, 200);
  assert.equal((await through('192.0.2.1')).status, 403);
  assert.equal((await through(`${desk}, 192.0.2.1`)).status, 403, 'the client says it is within');
  assert.equal((await through(`192.0.2.1, ${desk}`)).status, 403, 'a machine within that forwards for others');
  assert.equal((await ask(trusting, desk, '/lan/x', { 'X-Forwarded-For': desk })).status, 403);
});

test('networks: a name that is none of the site opens nothing, on a site of which every name is taken too', async (t) => {
  const { url } = await office(t);
  const status = (host: string) =>
    sendRaw(url, requestOf(['GET /either/x HTTP/1.1', `Host: ${host}`, 'Connection: close'])).then(
      (answer) => answer.status,
    );
  assert.equal(await status('evil.example'), 421);
});

/** Opens a WebSocket and waits for its handshake. */
async function openSocket(t: TestContext, { url }: Site, from: string) {
  const socket = connect({ port: Number(url.port), host: url.hostname, localAddress: from });
  t.after(() => socket.destroy());
  const lines = ['GET /either/echo HTTP/1.1', `Host: ${url.host}`, 'Connection: Upgrade', 'Upgrade: websocket'];
  socket.write(requestOf([...lines, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']));
  const [head] = (await once(socket, 'data')) as [Buffer];
  return { socket, status: Number(/^HTTP\/1\.1 (\d+)/.exec(head.toString('latin1'))?.[1]) };
}

test('networks: what a network has opened goes on, and ends where a reload closes the location to it', async (t) => {
  const started = await office(t);
  const { socket, status } = await openSocket(t, started, desk);
  assert.equal(status, 101);
  assert.equal((await openSocket(t, started, stranger)).status, 401);
  const closed = once(socket, 'close');
  await started.running.reload({ actor: 'signal' });
  // Two sweeps of what is open.
  await new Promise((resolve) => setTimeout(resolve, 2200));
  assert.equal(socket.closed, false, 'the same configuration lets it go on');
  const { routes, ...rest } = siteConfig(started.upstream.origin) as { routes: readonly object[] };
  const upstream = started.upstream.origin;
  const elsewhere = { networks: ['192.0.2.0/24'], satisfy: 'any' };
  await started.write({
    ...rest,
    routes: [...routes, { location: '/either/', upstream, websocket: true, access: elsewhere }],
  });
  await started.running.reload({ actor: 'signal' });
  await closed;
  const end = await until('the end is on record', () => started.audit('websocket-end').at(-1));
  assert.equal(end.reason, 'login-required');
});
