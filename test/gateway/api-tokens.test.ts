/** API tokens of programs, through a whole gateway: where they count, what applications see of them, and how they end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import WebSocket from 'ws';
import { createApiToken } from '../../src/core/api-token.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const routesTo = (origin: string) => [
  {
    name: 'api',
    location: '/api/',
    upstream: origin,
    access: { roles: ['agent'], apiTokens: true },
    websocket: true,
    apiTokenHeader: 'X-Auth-Token',
  },
  { name: 'other', location: '/other/', upstream: origin, access: { apiTokens: true } },
  { name: 'public', location: '/public', upstream: origin, access: 'public' },
  { name: 'home', location: '/', upstream: origin },
];

async function tokenSite(
  t: TestContext,
  config: Yaml = {},
  clock?: Clock,
): Promise<Site & { add(...more: string[]): Promise<string> }> {
  const first = await site(t, { config, ...(clock && { clock }) });
  await first.write({
    ...config,
    roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'] } },
    routes: routesTo(first.upstream.origin),
  });
  assert.equal((await first.running.reload({ actor: 'test' })).kind, 'reloaded');
  const add = async (...more: string[]): Promise<string> => {
    const made = await run(['api-tokens', 'add', ...more, '--config', first.file]);
    assert.equal(made.code, 0, made.stderr);
    return made.stdout.trim();
  };
  return { ...first, add };
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

test('api tokens: a program comes in by its token as api:NAME, and no application sees the token', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard', '--roles', 'agent');
  assert.match(token, /^gha_[0-9A-Za-z]{59}$/);
  const program = started.visitor();
  for (const headers of [
    { authorization: `Bearer ${token}` },
    { authorization: `bearer  ${token}` },
    { 'x-auth-token': token },
    { 'X-AUTH-TOKEN': token, authorization: `Bearer ${token}` },
  ]) {
    const next = started.upstream.next();
    const answer = await program.fetch('/api/queues', { headers });
    assert.equal(answer.status, 200, JSON.stringify(headers));
    assert.equal(answer.headers['set-cookie'], undefined, 'no session begins');
    const received = await next;
    assert.deepEqual(received.values('x-remote-user'), ['api:wallboard']);
    assert.deepEqual(received.values('x-remote-roles'), ['agent']);
    assert.equal(received.rawHeaders.join('\n').includes(token), false);
  }
  const [record] = started.audit('request').slice(-1);
  assert.partialDeepStrictEqual(record, { user: 'api:wallboard', shown: 'api:wallboard', verdict: 'forward' });
  assert.equal(started.lines.join('\n').includes(token), false, 'it is in no log');
  const listed = await run(['api-tokens', 'list', '--config', started.file]);
  assert.match(
    listed.stdout,
    /^wallboard {2}gha_\w{10}… {2}as api:wallboard; roles agent; for good; last used .* from 127\.0\.0\.1$/m,
  );
  assert.equal(listed.stdout.includes(token), false);
});

test('api tokens: beside one in a header of its own, Authorization is for the application', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard', '--roles', 'agent');
  const next = started.upstream.next();
  const headers = { 'x-auth-token': token, authorization: 'Basic YXBwOmFwcA==' };
  assert.equal((await started.visitor().fetch('/api/', { headers })).status, 200);
  assert.deepEqual((await next).values('authorization'), ['Basic YXBwOmFwcA==']);
});

test('api tokens: they count on routes that take them, under the names that these say, and never in an address', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard', '--roles', 'agent');
  const program = started.visitor();
  assert.equal((await program.fetch('/x', bearer(token))).status, 401);
  assert.equal((await program.fetch('/other/x', { headers: { 'x-auth-token': token } })).status, 401, 'not its header');
  assert.equal((await program.fetch('/other/x', bearer(token))).status, 200);
  const before = started.upstream.received.length;
  for (const address of [`/api/?access_token=${token}`, `/public?t=${token.replace('_', '%5F')}`, `/public/${token}`]) {
    const answer = await program.fetch(address);
    assert.equal(answer.status, 400, address);
    assert.equal(answer.text.includes(token), false);
  }
  assert.equal(started.upstream.received.length, before);
  const next = started.upstream.next();
  assert.equal(
    (await program.fetch('/public', { headers: { 'x-secret': token, authorization: `Bearer ${token}` } })).status,
    200,
  );
  const received = await next;
  assert.equal(received.rawHeaders.join('\n').includes(token), false, 'a public route gets none either');
  assert.equal(started.lines.join('\n').includes(token.slice(4)), false, 'it is in no log');
});

test('api tokens: beside the cookie of a session the token counts, right or wrong', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard', '--roles', 'agent');
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const next = started.upstream.next();
  assert.equal((await agent.fetch('/api/', bearer(token))).status, 200);
  assert.deepEqual((await next).values('x-remote-user'), ['api:wallboard']);
  assert.equal((await agent.fetch('/api/', { headers: { 'x-auth-token': 'another' } })).status, 401);
  const two = {
    headers: { 'x-auth-token': await started.add('second', '--roles', 'agent'), authorization: `Bearer ${token}` },
  };
  assert.equal((await agent.fetch('/api/', two)).status, 401, 'two that differ');
  assert.equal((await agent.fetch('/api/')).status, 200, 'the session is there');
});

test('api tokens: a wrong one is 401 for a program, with the challenge, also where a page was asked for', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard');
  const slip = token.slice(0, -1) + (token.endsWith('a') ? 'b' : 'a');
  for (const wrong of [slip, createApiToken().text.reveal(), 'gha_short']) {
    const answer = await started
      .visitor()
      .fetch('/other/', { headers: { authorization: `Bearer ${wrong}`, accept: 'text/html' } });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"');
    assert.equal(JSON.parse(answer.text).error, 'login-required');
  }
  const own = await started.visitor().open('/api/', { headers: { 'x-auth-token': 'nobody' } });
  assert.equal(own.status, 401);
  assert.equal((await started.visitor().fetch('/api/', bearer(token))).status, 403, 'it has no roles');
  assert.equal(started.audit('request').at(-1)?.reason, 'role-missing');
});

test('api tokens: wrong ones count for the address, the same one once, and a locked address is told nothing', async (t) => {
  const started = await tokenSite(t, { login: { chain: ['local'], lockout: { address: 3, delay: '30s' } } });
  const token = await started.add('wallboard');
  const tries = async (wrong: string) => (await started.visitor().fetch('/other/', bearer(wrong))).status;
  const stale = createApiToken().text.reveal();
  for (let count = 0; count < 6; count++) assert.equal(await tries(stale), 401);
  assert.equal((await started.visitor().fetch('/other/', bearer(token))).status, 200, 'one failure so far');
  // A failure is forgiven in time, and be it a thousandth of one.
  await until('the address is locked', async () => (await tries(createApiToken().text.reveal())) === 429);
  const locked = await started.visitor().fetch('/other/', bearer(token));
  assert.equal(locked.status, 429);
  assert.ok(Number(locked.headers['retry-after']) > 0);
  const browser = started.visitor();
  assert.equal((await browser.signIn('agent1', passwords.agent1)).status, 429, 'logins from there, too');
  const { lockouts } = (await (await fetch(new URL('/lockouts', started.admin))).json()) as { lockouts: object[] };
  assert.partialDeepStrictEqual(lockouts, [{ kind: 'address', address: '127.0.0.1', failures: 4 }]);
});

test('api tokens: a revoked one is refused at once, and what is open by it is cut within two seconds', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard', '--roles', 'agent');
  const other = await started.add('other', '--roles', 'agent');
  const open = async (text: string): Promise<WebSocket> => {
    const socket = new WebSocket(new URL('/api/live', started.url.href.replace('http', 'ws')), bearer(text));
    await once(socket, 'open');
    return socket;
  };
  const [socket, stays] = [await open(token), await open(other)];
  const download = http.get(new URL('/api/stream', started.url), bearer(token));
  const [response] = await once(download, 'response');
  response.resume();
  const revoked = performance.now();
  const result = await run(['api-tokens', 'revoke', 'wallboard', '--config', started.file]);
  assert.deepEqual([result.code, result.stdout], [0, 'wallboard is revoked\n']);
  assert.equal((await started.visitor().fetch('/api/', bearer(token))).status, 401);
  const [code] = await once(socket, 'close');
  assert.ok(performance.now() - revoked < 5000);
  assert.equal(code, 1008);
  const end = await until(
    'the end is on record',
    () => started.audit('websocket-end').at(-1) as Record<string, unknown> | undefined,
  );
  assert.partialDeepStrictEqual(end, { endedBy: 'gateway', reason: 'token-revoked', user: 'api:wallboard' });
  assert.equal(stays.readyState, WebSocket.OPEN);
  assert.partialDeepStrictEqual(started.audit('api-token-end'), [
    { actor: 'local', user: 'api:wallboard', reason: 'token-revoked' },
  ]);
  stays.close();
  const gone = await run(['api-tokens', 'revoke', 'wallboard', '--config', started.file]);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /no API token of this name/);
});

test('api tokens: until its time, and what is open then is cut', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('wallboard', '--roles', 'agent', '--until', '3s');
  const socket = new WebSocket(new URL('/api/live', started.url.href.replace('http', 'ws')), bearer(token));
  await once(socket, 'open');
  await once(socket, 'close');
  assert.equal((await started.visitor().fetch('/api/', bearer(token))).status, 401);
  assert.equal(started.audit('request').at(-1)?.reason, 'token-expired');
  assert.match((await run(['api-tokens', 'list', '--config', started.file])).stdout, /expired 2/);
  assert.match(await started.add('wallboard'), /^gha_/, 'its name is free again');
});

test('api tokens: one for a user has what the user has, or less', async (t) => {
  const started = await tokenSite(t);
  const whole = await started.add('reports', '--user', 'Supervisor1');
  const less = await started.add('less', '--user', 'supervisor1', '--roles', 'supervisor');
  const ask = async (token: string) => {
    const next = started.upstream.next();
    const { status } = await started.visitor().fetch('/other/', bearer(token));
    return { status, received: await next };
  };
  const { received } = await ask(whole);
  assert.deepEqual(received.values('x-remote-user'), ['supervisor1']);
  assert.deepEqual(received.values('x-remote-roles'), ['agent,supervisor']);
  assert.deepEqual((await ask(less)).received.values('x-remote-roles'), ['supervisor']);
  assert.equal((await started.visitor().fetch('/api/', bearer(less))).status, 403, 'agent is not among its roles');
});

test('api tokens: narrowed to routes and networks; who speaks for somebody unasked is in none', async (t) => {
  const started = await tokenSite(t);
  const token = await started.add('narrow', '--routes', 'other', '--networks', '127.0.0.0/8,::1');
  const away = await started.add('away', '--networks', '192.0.2.0/24');
  assert.equal((await started.visitor().fetch('/other/', bearer(token))).status, 200);
  const elsewhere = await started.visitor().fetch('/api/', bearer(token));
  assert.equal(elsewhere.status, 403);
  assert.partialDeepStrictEqual(started.audit('request').at(-1), { reason: 'token-not-here', user: 'api:narrow' });
  assert.equal((await started.visitor().fetch('/other/', bearer(away))).status, 403);
  const relayed = { headers: { ...bearer(token).headers, 'x-forwarded-for': '127.0.0.1' } };
  assert.equal((await started.visitor().fetch('/other/', relayed)).status, 403);
});

test('api tokens: what is asked for must make sense, and it is said what does not', async (t) => {
  const started = await tokenSite(t);
  await started.add('taken');
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['add', 'Upper'], /small letters/],
    [['add', 'taken'], /there is a token called taken/],
    [['add', 'x', '--roles', 'agents'], /no role called "agents": did you mean "agent"/],
    [['add', 'x', '--routes', 'apis'], /no route called "apis": did you mean "api"/],
    [['add', 'x', '--networks', '10.0.0.0/99'], /"10\.0\.0\.0\/99" is no network/],
    [['add', 'x', '--until', '2020-01-01'], /2020-01-01 is over/],
    [['add', 'x', '--until', 'tomorrow'], /no time such as/],
    [['add', 'x', '--user', 'nobody9'], /no provider knows "nobody9"/],
  ];
  for (const [words, message] of cases) {
    const { code, stderr, stdout } = await run(['api-tokens', ...words, '--config', started.file]);
    assert.deepEqual([code, stdout], [1, ''], words.join(' '));
    assert.match(stderr, message);
  }
  for (const words of [['add'], ['list', 'x'], ['revoke'], ['list', '--user', 'x'], []])
    assert.equal((await run(['api-tokens', ...words, '--config', started.file])).code, 2, words.join(' '));
  await started.stop();
  assert.equal((await run(['api-tokens', 'list', '--config', started.file])).code, 69);
});

test('api tokens: monitors list them, operators with a name or at the socket change them, nobody else', async (t) => {
  const tokens = {
    watch: { token: 'a-token-of-the-monitor', role: 'monitor' },
    anna: { token: 'a-token-of-the-operator', role: 'operator' },
  };
  const started = await tokenSite(t, { admin: { tokens } });
  const call = async (method: string, token: string | undefined, body?: object) =>
    fetch(new URL('/api-tokens', started.admin), {
      method,
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  assert.equal((await call('GET', undefined)).status, 401);
  assert.equal((await call('POST', tokens.watch.token, { name: 'x' })).status, 403);
  assert.equal((await call('GET', tokens.watch.token)).status, 200);
  const made = await call('POST', tokens.anna.token, { name: 'x' });
  assert.equal(made.status, 201);
  assert.match(((await made.json()) as { token: string }).token, /^gha_/);
  assert.equal((await call('POST', tokens.anna.token, { name: 'y', role: ['agent'] })).status, 400);
  assert.partialDeepStrictEqual(started.audit('api-token'), [{ actor: 'anna', address: '127.0.0.1', user: 'api:x' }]);
  const loopback = await site(t);
  for (const method of ['GET', 'POST'])
    assert.equal((await fetch(new URL('/api-tokens', loopback.admin), { method })).status, 403, method);
});

test('api tokens: no provider may vouch for a name that only programs have', async (t) => {
  const started = await tokenSite(t);
  const users = path.join(started.folder, 'users.yaml');
  await writeFile(users, (await readFile(users, 'utf8')).replaceAll('agent1', 'api:wallboard'));
  await until('the file is read', async () => {
    const answer = await started.visitor().signIn('api:wallboard', passwords.agent1);
    assert.notEqual(answer.status, 303);
    return started.audit('login').some(({ reason }) => reason === 'user-reserved');
  });
});

test('api tokens: one whose user is disabled ends for good, with what is open by it; an outage ends none', async (t) => {
  const clock = manualClock(Date.now());
  const started = await tokenSite(t, {}, clock);
  const token = await started.add('reports', '--user', 'agent1');
  const socket = new WebSocket(new URL('/api/live', started.url.href.replace('http', 'ws')), bearer(token));
  await once(socket, 'open');
  const closed = once(socket, 'close');
  const users = ['--config', started.file];
  assert.equal((await run(['users', 'disable', 'agent1', ...users])).code, 0);
  assert.equal((await started.visitor().fetch('/api/', bearer(token))).status, 200, 'asked a moment ago');
  clock.advance(61_000);
  await closed;
  assert.equal((await started.visitor().fetch('/api/', bearer(token))).status, 401);
  assert.partialDeepStrictEqual(started.audit('api-token-end'), [{ reason: 'account-disabled', user: 'api:reports' }]);
  assert.equal((await run(['users', 'enable', 'agent1', ...users])).code, 0);
  clock.advance(61_000);
  assert.equal((await started.visitor().fetch('/api/', bearer(token))).status, 401, 'it stays ended');
  const disabled = await run(['users', 'disable', 'agent1', ...users]);
  assert.equal(disabled.code, 0);
  const refused = await run(['api-tokens', 'add', 'again', '--user', 'agent1', ...users]);
  assert.match(refused.stderr, /local does not let "agent1" in: account-disabled/);
});

test('api tokens: a header for them without tokens, and one that has another meaning, are errors', async (t) => {
  const started = await site(t);
  const route = { location: '/', upstream: started.upstream.origin };
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { apiTokenHeader: 'X-Auth-Token' },
      /apiTokenHeader: names a header for API tokens, which the access of this route does not take/,
    ],
    [{ apiTokenHeader: 'X-Auth-Token', access: 'public' }, /does not take/],
    ...['Authorization', 'cookie', 'X-Forwarded-For', 'X-Remote-User', 'Sec-Token', 'X Y'].map(
      (apiTokenHeader) => [{ apiTokenHeader, access: { apiTokens: true } }, /apiTokenHeader: must be/] as const,
    ),
    [{ access: { apiTokens: 'yes' } }, /apiTokens: must be true or false/],
  ];
  for (const [more, message] of cases) {
    await started.write({ routes: [{ ...route, ...more }] });
    const { code, stdout, stderr } = await run(['check', '--config', started.file]);
    assert.equal(code, 1, JSON.stringify(more));
    assert.match(stdout + stderr, message);
  }
});
