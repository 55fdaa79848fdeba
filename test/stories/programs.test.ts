/** Programs at a site with a real directory, by a real client: API tokens of its users, and passwords with each request. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { exported } from '../support/scenes/placements.ts';
import { type Site, site } from '../support/scenes/site.ts';
import { needsCaddy, startCaddy } from '../support/servers/caddy.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { needsSlapd, type Slapd, startSlapd } from '../support/servers/slapd.ts';
import { type DirectoryContent, personDn } from '../support/servers/slapd-content.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const right = 'right-4417-horse';
const people = ['alice', 'bob'].map((uid) => ({
  uid,
  password: right,
  attributes: { objectClass: ['inetOrgPerson', 'extensibleObject'] },
}));
const content: DirectoryContent = { people, groups: { agents: ['alice', 'bob'], supervisors: ['alice'] } };
const needsCurl = {
  skip: needsSlapd.skip || (spawnSync('curl', ['--version']).status !== 0 && 'curl is not installed'),
};

interface Desk extends Site {
  readonly slapd: Slapd;
  readonly clock: ManualClock;
  token(...words: string[]): Promise<string>;
  /** The status that curl is answered with, and what the application was told. */
  curl(...options: string[]): Promise<{ readonly status: string; readonly user: readonly string[] }>;
}

async function desk(t: TestContext): Promise<Desk> {
  const slapd = await startSlapd(t, content);
  const clock = manualClock(Date.now());
  const { url, managerDn, managerPassword, searchBase, groupBase } = slapd;
  const directory = { type: 'ldap', url, managerDn, managerPassword, searchBase, groups: { searchBase: groupBase } };
  const config = {
    login: { chain: ['directory'], lockout: { user: 3, delay: '30s' } },
    providers: { directory },
    roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'] } },
  };
  const started = await site(t, { config, clock });
  const access = { roles: ['agent'], apiTokens: true, basic: true };
  const api = { name: 'api', location: '/api/', upstream: started.upstream.origin, access, websocket: true };
  await started.write({ ...config, routes: [api] });
  assert.equal((await started.running.reload({ actor: 'test' })).kind, 'reloaded');
  const address = new URL('/api/queues', started.url).href;
  return {
    ...started,
    ...{ slapd, clock },
    token: async (...words) => {
      const made = await run(['api-tokens', 'add', ...words, '--config', started.file]);
      assert.equal(made.code, 0, made.stderr);
      return made.stdout.trim();
    },
    curl: async (...options) => {
      const before = started.upstream.received.length;
      const write = ['--silent', '--output', '/dev/null', '--write-out', '%{http_code}'];
      const { stdout } = await promisify(execFile)('curl', [...write, ...options, address]);
      return { status: stdout, user: started.upstream.received[before]?.values('x-remote-user') ?? [] };
    },
  };
}

const bearer = (token: string): string[] => ['--header', `Authorization: Bearer ${token}`];

const endings: Readonly<Record<string, [reason: string, ...change: string[]]>> = {
  'is deleted': ['unknown-user', 'changetype: delete'],
  'is locked by somebody': [
    'account-locked',
    ...['changetype: modify', 'replace: pwdAccountLockedTime', 'pwdAccountLockedTime: 000001010000Z'],
  ],
  'is disabled': ['account-disabled', 'changetype: modify', 'replace: userAccountControl', 'userAccountControl: 514'],
};
for (const [what, [reason, ...change]] of Object.entries(endings))
  test(`programs: the token of a user who ${what} ends, with what is open by it`, needsCurl, async (t) => {
    const started = await desk(t);
    const [hers, his] = [await started.token('hers', '--user', 'Alice'), await started.token('his', '--user', 'bob')];
    assert.deepEqual(await started.curl(...bearer(hers)), { status: '200', user: ['alice'] });
    const socket = new WebSocket(`ws://${started.url.host}/api/live`, { headers: { authorization: `Bearer ${hers}` } });
    t.after(() => socket.terminate());
    await once(socket, 'open');
    const closed = once(socket, 'close');
    started.slapd.modify([`dn: ${personDn('alice', started.slapd.base)}`, ...change, ''].join('\n'));
    started.clock.advance(61_000);
    assert.equal((await closed)[0], 1008);
    assert.equal((await started.curl(...bearer(hers))).status, '401');
    assert.partialDeepStrictEqual(started.audit('api-token-end'), [{ user: 'api:hers', reason }]);
    assert.deepEqual(await started.curl(...bearer(his)), { status: '200', user: ['bob'] });
    const listed = await run(['api-tokens', 'list', '--config', started.file]);
    assert.match(listed.stdout, /^his {2}gha_/);
  });

test('programs: an outage of the directory ends no token, and groups that go take its rights', needsCurl, async (t) => {
  const started = await desk(t);
  const token = await started.token('hers', '--user', 'alice');
  await started.slapd.stop();
  started.clock.advance(61_000);
  assert.deepEqual(await started.curl(...bearer(token)), { status: '200', user: ['alice'] });
  const refused = await run(['api-tokens', 'add', 'more', '--user', 'bob', '--config', started.file]);
  assert.match(refused.stderr, /directory cannot be asked about "bob" \(unreachable\)/);
  await started.slapd.restart();
  const group = `dn: cn=agents,${started.slapd.groupBase}`;
  const member = `member: ${personDn('alice', started.slapd.base)}`;
  started.slapd.modify([group, 'changetype: modify', 'delete: member', member, ''].join('\n'));
  started.clock.advance(120_000);
  await until('the directory is asked again', async () => {
    started.clock.advance(31_000);
    return (await started.curl(...bearer(token))).status === '403';
  });
});

test('programs: curl --user asks the directory once in a minute, and locks out who guesses', needsCurl, async (t) => {
  const started = await desk(t);
  const as = (password: string) => started.curl('--user', `alice:${password}`);
  for (let count = 0; count < 5; count++) assert.deepEqual(await as(right), { status: '200', user: ['alice'] });
  assert.equal(started.audit('login').length, 1);
  for (let count = 0; count < 5; count++) assert.equal((await as('of-yesterday')).status, '401');
  assert.equal(started.audit('login').length, 2, 'the same wrong password was judged once');
  assert.equal((await as(right)).status, '200');
  started.slapd.modify(
    [
      `dn: ${personDn('alice', started.slapd.base)}`,
      ...['changetype: modify', 'replace: userPassword', 'userPassword: another-5528-cart', ''],
    ].join('\n'),
  );
  started.clock.advance(61_000);
  assert.equal((await as(right)).status, '401', 'the password of before is good for a minute at most');
  assert.equal((await as('another-5528-cart')).status, '200');
  for (const guess of ['a', 'b', 'c', 'd']) await started.curl('--user', `bob:guess-${guess}`);
  assert.equal((await started.curl('--user', `bob:${right}`)).status, '429');
});

const fronts = {
  nginx: { needs: needsNginx, start: (t: TestContext, text: string, port: number) => startNginx(t, () => text, port) },
  caddy: { needs: needsCaddy, start: startCaddy },
};
for (const [kind, { needs, start }] of Object.entries(fronts))
  test(`programs: behind ${kind} that asks, a token lets in, and none of it is sent on`, needs, async (t) => {
    const port = await freePort();
    const server = { publicUrl: `http://127.0.0.1:${port}`, trustedProxies: ['127.0.0.1'] };
    const started = await site(t, { config: { server } });
    const access = { apiTokens: true };
    const route = { location: '/', upstream: started.upstream.origin, access, apiTokenHeader: 'X-Auth-Token' };
    await started.write({ server, routes: [route] });
    assert.equal((await started.running.reload({ actor: 'test' })).kind, 'reloaded');
    const token = (await run(['api-tokens', 'add', 'wallboard', '--config', started.file])).stdout.trim();
    await start(t, await exported(kind, started.file, '--listen', `127.0.0.1:${port}`), port);
    const address = `http://127.0.0.1:${port}/queues`;
    for (const headers of [{ 'x-auth-token': token }, { authorization: `Bearer ${token}` }]) {
      const next = started.upstream.next();
      const answer = await fetch(address, { headers });
      assert.equal(answer.status, 200);
      const received = await next;
      assert.deepEqual(received.values('x-remote-user'), ['api:wallboard']);
      assert.equal(received.rawHeaders.join('\n').includes(token), false);
    }
    assert.equal((await fetch(address, { headers: { 'x-auth-token': 'wrong' } })).status, 401);
  });
