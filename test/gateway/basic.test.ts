/** Scripts with a name and a password in each request, through a whole gateway: the chain with its lock-outs, and no session. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import WebSocket from 'ws';
import type { Clock } from '../../src/core/clock.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { fillStore } from '../support/tools/full-store.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const agent = basic('agent1', passwords.agent1);

async function scriptSite(t: TestContext, config: Yaml = {}, clock?: Clock): Promise<Site> {
  const started = await site(t, { config, ...(clock && { clock }) });
  const upstream = started.upstream.origin;
  const routes = [
    { name: 'api', location: '/api/', upstream, access: { roles: ['agent'], basic: true }, websocket: true },
    {
      name: 'sister',
      location: '/sister/',
      upstream,
      access: { basic: true },
      allowedOrigins: ['https://sister.test'],
    },
    { name: 'home', location: '/', upstream },
  ];
  await started.write({ ...config, roles: { agent: { groups: ['agents'] } }, routes });
  assert.equal((await started.running.reload({ actor: 'test' })).kind, 'reloaded');
  return started;
}

test('basic: a script comes in by name and password, without a session, and the application sees no password', async (t) => {
  const started = await scriptSite(t);
  const script = started.visitor();
  const next = started.upstream.next();
  const answer = await script.fetch('/api/x', { headers: basic('AGENT1', passwords.agent1) });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['set-cookie'], undefined);
  const received = await next;
  assert.deepEqual(received.values('x-remote-user'), ['agent1']);
  assert.deepEqual(received.values('authorization'), []);
  assert.partialDeepStrictEqual(started.audit('request').at(-1), { user: 'agent1', shown: 'basic' });
  assert.partialDeepStrictEqual(started.audit('login'), [{ outcome: 'succeeded', user: 'agent1', provider: 'local' }]);
  assert.equal((await started.visitor().fetch('/x', { headers: agent })).status, 401, 'not where it is not taken');
  const text = started.lines.join('\n');
  for (const secret of [passwords.agent1, agent.authorization.slice(6)]) assert.equal(text.includes(secret), false);
});

test('basic: a revocation counts on another worker although the disk is full, a second one too', async (t) => {
  const folder = await temporaryFolder(t);
  const config = { session: { store: { type: 'embedded', path: folder } } };
  const [here, there] = [await scriptSite(t, config), await scriptSite(t, config)];
  const ask = async (headers = agent) => (await there.visitor().fetch('/api/x', { headers })).status;
  const revoke = () => fetch(new URL('/sessions?user=agent1', here.admin), { method: 'DELETE' });
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.equal(there.audit('login').length, 1, 'the right answer is kept');
  const makeRoom = fillStore(t, folder);
  assert.equal(await ask(), 200, 'and goes on counting');
  assert.equal((await revoke()).status, 200);
  await until('the kept answer counts no more', async () => (await ask()) === 503, 3000);
  makeRoom();
  await until('the user proves anew who it is', async () => (await ask()) === 200, 10_000);
  assert.equal(there.audit('login').length, 2);
  fillStore(t, folder);
  assert.equal((await revoke()).status, 200);
  await until('the second revocation counts', async () => (await ask()) === 503, 3000);
});

test('basic: a challenge is for what no browser sends', async (t) => {
  const started = await scriptSite(t);
  const challenge = async (headers: Record<string, string>, path = '/api/') =>
    (await started.visitor().fetch(path, { headers })).headers['www-authenticate'];
  assert.equal(await challenge({}), 'Basic realm="gatehouse", charset="UTF-8"');
  assert.equal(await challenge({ accept: '*/*' }), 'Basic realm="gatehouse", charset="UTF-8"');
  assert.equal(await challenge(basic('agent1', 'wrong')), 'Basic realm="gatehouse", charset="UTF-8"');
  for (const browser of [
    { accept: 'text/html,*/*' },
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-mode': 'cors', accept: '*/*' },
    { origin: started.url.origin },
    { ...basic('agent1', 'wrong'), 'sec-fetch-site': 'none' },
  ])
    assert.equal(await challenge(browser), undefined, JSON.stringify(browser));
  assert.equal(await challenge({}, '/x'), undefined, 'elsewhere');
  const page = await started.visitor().open('/api/');
  assert.equal(page.status, 302);
});

test('basic: what a browser knows counts only with requests that no other site can send', async (t) => {
  const started = await scriptSite(t);
  const status = async (headers: Record<string, string>, path = '/api/') =>
    (await started.visitor().fetch(path, { headers: { ...agent, ...headers } })).status;
  assert.equal(await status({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 401);
  assert.equal(
    await status({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', origin: 'https://evil.test' }),
    401,
  );
  assert.equal(await status({ origin: 'https://evil.test' }), 401);
  assert.equal(
    await status({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }),
    302,
  );
  assert.equal(await status({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }), 200);
  assert.equal(
    await status({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }),
    200,
  );
  assert.equal(await status({ 'sec-fetch-site': 'cross-site', origin: 'https://sister.test' }, '/sister/'), 200);
});

test('basic: over plain http it is taken from this machine only, and by a trusted proxy that was spoken to over https', async (t) => {
  const started = await scriptSite(t, { server: { trustedProxies: ['127.0.0.1'] } });
  const status = async (headers: Record<string, string>) =>
    (await started.visitor().fetch('/api/', { headers: { ...agent, ...headers } })).status;
  assert.equal(await status({ 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'http' }), 403);
  assert.equal(started.audit('request').at(-1)?.reason, 'insecure-transport');
  assert.equal(started.audit('login').length, 0, 'nobody was asked');
  assert.equal(await status({ 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' }), 200);
  const untrusted = await scriptSite(t);
  const relayed = { headers: { ...agent, 'x-forwarded-for': '127.0.0.1' } };
  assert.equal((await untrusted.visitor().fetch('/api/', relayed)).status, 403, 'a proxy that is not told of');
});

test('basic: a right answer is kept for a minute, and ends with a revocation or another password', async (t) => {
  const clock = manualClock(Date.now());
  const started = await scriptSite(t, {}, clock);
  const status = async (headers = agent) => (await started.visitor().fetch('/api/', { headers })).status;
  const logins = () => started.audit('login').filter(({ outcome }) => outcome === 'succeeded').length;
  assert.deepEqual(await Promise.all(Array.from({ length: 8 }, () => status())), Array(8).fill(200));
  assert.equal(logins(), 1, 'eight at once are one');
  clock.advance(59_000);
  assert.equal(await status(), 200);
  assert.equal(logins(), 1);
  clock.advance(2000);
  assert.equal(await status(), 200);
  assert.equal(logins(), 2, 'after a minute the chain is asked again');
  await fetch(new URL('/sessions?user=agent1', started.admin), { method: 'DELETE' });
  assert.equal(await status(), 200);
  assert.equal(logins(), 3, 'a revocation has it asked again');
  clock.advance(10_000);
  assert.equal(await status(), 200);
  const before = logins();
  assert.equal(await status(), 200);
  assert.equal(logins(), before);
  const changed = await run(['users', 'passwd', 'agent1', '--config', started.file], { stdin: 'right-again-9911\n' });
  assert.equal(changed.code, 0, changed.stderr);
  assert.equal(await status(), 401, 'the old password is over at once');
  assert.equal(await status(basic('agent1', 'right-again-9911')), 200);
  assert.equal((await run(['users', 'disable', 'agent1', '--config', started.file])).code, 0);
  assert.equal(await status(basic('agent1', 'right-again-9911')), 401);
});

test('basic: the same wrong password counts once in a while, others lock the name, and the form with it', async (t) => {
  const clock = manualClock(Date.now());
  const started = await scriptSite(t, { login: { chain: ['local'], lockout: { user: 3, delay: '30s' } } }, clock);
  const attempt = async (password: string) =>
    (await started.visitor().fetch('/api/', { headers: basic('agent1', password) })).status;
  await Promise.all(Array.from({ length: 4 }, () => attempt('of-yesterday')));
  for (let count = 0; count < 4; count++) assert.equal(await attempt('of-yesterday'), 401);
  assert.equal(started.audit('login').length, 1);
  assert.equal(await attempt(passwords.agent1), 200, 'one failure does not lock');
  clock.advance(31_000);
  assert.equal(await attempt('of-yesterday'), 401);
  assert.equal(
    started.audit('login').filter(({ outcome }) => outcome === 'failed').length,
    2,
    'after the delay once more',
  );
  for (const other of ['guess-1', 'guess-2']) assert.equal(await attempt(other), 401);
  const locked = await started.visitor().fetch('/api/', { headers: basic('agent1', 'guess-3') });
  assert.equal(locked.status, 429);
  assert.ok(Number(locked.headers['retry-after']) > 0);
  assert.equal((await started.visitor().signIn('agent1', passwords.agent1)).status, 429);
});

test('basic: odd headers are wrong passwords, and never more', async (t) => {
  const started = await scriptSite(t);
  const encode = (text: string | Buffer) => `Basic ${Buffer.from(text).toString('base64')}`;
  for (const authorization of [
    ...['Basic', 'Basic ', 'Basic %%%', 'Basic YWdlbnQx', encode('agent1:'), encode(':x'), encode('agent1:   ')],
    ...[encode(Buffer.from([0xff, 0x3a, 0x61])), encode('agent1\0:x'), encode(`agent1:${'x'.repeat(3000)}`)],
    ...[encode('xuc:right-xuc-internal'), encode('nobody:nothing')],
  ]) {
    const answer = await started.visitor().fetch('/api/', { headers: { authorization } });
    assert.equal(answer.status, 401, authorization.slice(0, 40));
  }
  const umlauts = basic('agent1', `${passwords.agent1}ü`);
  assert.equal((await started.visitor().fetch('/api/', { headers: umlauts })).status, 401);
});

test('basic: a session comes first, and the password goes no further', async (t) => {
  const started = await scriptSite(t);
  const browser = started.visitor();
  await browser.mustSignIn('supervisor1', passwords.supervisor1);
  const next = started.upstream.next();
  assert.equal((await browser.fetch('/api/', { headers: agent })).status, 200);
  const received = await next;
  assert.deepEqual(received.values('x-remote-user'), ['supervisor1']);
  assert.deepEqual(received.values('authorization'), []);
  const elsewhere = started.upstream.next();
  assert.equal((await browser.fetch('/x', { headers: agent })).status, 200);
  assert.deepEqual(
    (await elsewhere).values('authorization'),
    [agent.authorization],
    'elsewhere it is the application’s',
  );
});

test('basic: what is open by a password is cut with a revocation of its user', async (t) => {
  const started = await scriptSite(t);
  const socket = new WebSocket(new URL('/api/live', started.url.href.replace('http', 'ws')), { headers: agent });
  await once(socket, 'open');
  const closed = once(socket, 'close');
  await fetch(new URL('/sessions?user=agent1', started.admin), { method: 'DELETE' });
  const [code] = await closed;
  assert.equal(code, 1008);
  const end = await until('the end is on record', () => started.audit('websocket-end').at(-1));
  assert.partialDeepStrictEqual(end, { endedBy: 'gateway', reason: 'revoked', user: 'agent1', shown: 'basic' });
});

test('basic: beside public it is an error, and check warns where no password can come', async (t) => {
  const started = await site(t);
  const route = { location: '/', upstream: started.upstream.origin };
  await started.write({ routes: [{ ...route, access: { public: true, networks: ['10.0.0.0/8'], basic: true } }] });
  const wrong = await run(['check', '--config', started.file]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout + wrong.stderr, /basic: is about who signs in/);
  await started.write({
    server: { publicUrl: 'http://cc.example.com' },
    routes: [{ ...route, access: { basic: true } }],
  });
  const warned = await run(['check', '--config', started.file]);
  assert.match(warned.stdout + warned.stderr, /basic: takes passwords over https or from this machine only/);
});
