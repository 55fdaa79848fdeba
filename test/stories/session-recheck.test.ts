/** Sessions that follow the directory: a real slapd whose users are deleted, locked, disabled, moved between groups, or away. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { UsersFile } from '../../src/users/users-file.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { type Site, site, siteConfig } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { type DirectoryContent, personDn } from '../support/servers/slapd-content.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const right = 'right-4417-horse';
const limit = 2000;

interface Desk extends Site {
  readonly directory: Directory;
}

const person = (uid: string) => ({
  uid,
  password: right,
  email: `${uid}@example.com`,
  attributes: { objectClass: ['inetOrgPerson', 'extensibleObject'] },
});
/** Agents and supervisors. */
const content: DirectoryContent = {
  people: [person('alice'), person('bob'), { ...person('carol'), policy: 'strict' }],
  groups: { agents: ['alice', 'bob', 'carol'], supervisors: ['alice', 'bob'] },
};

/** A gateway that looks at its directory every second. */
async function desk(t: TestContext, directory: Directory, options: object = {}): Promise<Desk> {
  const { url, managerDn, managerPassword, searchBase, groupBase } = directory;
  const upstream = await startUpstream(t);
  const { routes, ...others } = siteConfig(upstream.origin);
  const started = await gateway(t, {
    config: {
      ...others,
      routes: (routes as { name: string }[]).map((route) => ({ ...route, websocket: true })),
      session: { recheck: '1s', store: { type: 'memory' } },
      login: { chain: ['directory', 'local'], timeout: '60s' },
      providers: {
        directory: {
          ...{ type: 'ldap', url, managerDn, managerPassword, searchBase },
          groups: { searchBase: groupBase },
          ...options,
        },
      },
    },
  });
  const visitor = () => new Visitor(started.url);
  return { ...started, upstream, visitor, directory };
}

async function open(t: TestContext, { url }: Site, visitor: Visitor, path: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${url.host}${path}`, {
    headers: { cookie: visitor.cookieHeader, origin: url.origin },
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** Resolves when a session of somebody is on record as ended. */
const ended = (started: Site, user: string) =>
  until(`the session of ${user} ends`, () => started.audit('session-end').find((record) => record.user === user));

type Change = (directory: Directory) => void;
const entry =
  (uid: string, ...lines: string[]): Change =>
  ({ base, modify }) =>
    modify([`dn: ${personDn(uid, base)}`, ...lines, ''].join('\n'));
const replace = (uid: string, name: string, value: string): Change =>
  entry(uid, 'changetype: modify', `replace: ${name}`, `${name}: ${value}`);

const gone: Readonly<Record<string, [reason: string, change: Change]>> = {
  'is deleted': ['unknown-user', entry('alice', 'changetype: delete')],
  'is locked by somebody': ['account-locked', replace('alice', 'pwdAccountLockedTime', '000001010000Z')],
  'is disabled in Active Directory': ['account-disabled', replace('alice', 'userAccountControl', '514')],
  'has expired in Active Directory': ['account-expired', replace('alice', 'accountExpires', '133000000000000000')],
  'is inactivated in 389 Directory Server': ['account-disabled', replace('alice', 'nsAccountLock', 'TRUE')],
  'has come to the end of its policy': ['account-expired', replace('alice', 'pwdEndTime', '20200101000000Z')],
  'gets another name': ['unknown-user', entry('alice', 'changetype: modrdn', 'newrdn: uid=alicia', 'deleteoldrdn: 1')],
};
for (const [what, [reason, change]] of Object.entries(gone))
  test(`recheck: an account that ${what} ends, with what is open on it, and nobody else's`, needsSlapd, async (t) => {
    const started = await desk(t, await shareSlapd(t, content));
    const [alice, bob] = [started.visitor(), started.visitor()];
    await alice.mustSignIn('alice', right);
    await bob.mustSignIn('bob', right);
    const [hers, his] = [await open(t, started, alice, '/live'), await open(t, started, bob, '/live')];
    const closed = once(hers, 'close');
    change(started.directory);
    assert.equal((await ended(started, 'alice')).reason, reason);
    await endsWithin(limit, 'her WebSocket', closed);
    assert.equal((await closed)[0], 1008);
    assert.equal((await alice.fetch('/x')).status, 401);
    assert.equal((await bob.fetch('/x')).status, 200);
    assert.equal(his.readyState, WebSocket.OPEN);
  });

test(
  'recheck: groups that go take the rights of what is open, and groups that come give them',
  needsSlapd,
  async (t) => {
    const started = await desk(t, await shareSlapd(t, content));
    const bob = started.visitor();
    await bob.mustSignIn('bob', right);
    assert.equal((await bob.fetch('/admin')).status, 200);
    const [admin, plain] = [await open(t, started, bob, '/admin'), await open(t, started, bob, '/live')];
    const closed = once(admin, 'close');
    const { base, groupBase, modify } = started.directory;
    const group = (...change: string[]) =>
      modify([`dn: cn=supervisors,${groupBase}`, 'changetype: modify', ...change, ''].join('\n'));
    group('delete: member', `member: ${personDn('bob', base)}`);
    assert.equal((await closed)[0], 1008);
    assert.equal(plain.readyState, WebSocket.OPEN, 'what he may still do goes on');
    const refused = await until('the role is gone', async () => {
      const answer = await bob.fetch('/admin');
      return answer.status === 403 && answer;
    });
    assert.ok(refused);
    assert.equal((await bob.fetch('/x')).status, 200);
    group('add: member', `member: ${personDn('bob', base)}`);
    await until('the role is back', async () => (await bob.fetch('/admin')).status === 200);
    replace('bob', 'mail', 'robert@example.com')(started.directory);
    await until('the attribute is new', async () => {
      await bob.fetch('/x');
      return started.upstream.received.at(-1)?.values('x-remote-email')[0] === 'robert@example.com';
    });
    assert.deepEqual(started.audit('session-end'), []);
  },
);

test('recheck: a lock after wrong passwords ends nobody, nor does a directory that is away', needsSlapd, async (t) => {
  const slapd = await startSlapd(t, content);
  const started = await desk(t, slapd);
  const carol = started.visitor();
  await carol.mustSignIn('carol', right);
  const socket = await open(t, started, carol, '/live');
  for (let guess = 0; guess < 3; guess++) await started.visitor().signIn('carol', 'wrong');
  replace('carol', 'lockoutTime', '133000000000000000')(started.directory);
  assert.equal((await started.visitor().signIn('carol', right)).status, 401);
  assert.equal(started.audit('login').at(-1)?.reason, 'account-locked');
  const looks = () => started.lines.filter((line) => line.includes('other groups or attributes')).length;
  // That she was looked at meanwhile shows by what else has changed.
  replace('carol', 'mail', 'carol@elsewhere.example')(started.directory);
  await until('she was looked at', () => looks() > 0);
  assert.equal((await carol.fetch('/x')).status, 200);
  await slapd.kill();
  await until('the directory was found away', async () => {
    assert.equal((await carol.fetch('/x')).status, 200);
    return started.lines.some((line) => line.includes('a provider is unavailable'));
  });
  assert.equal(socket.readyState, WebSocket.OPEN);
  assert.equal((await carol.fetch('/x')).status, 200);
  assert.deepEqual(started.audit('session-end'), []);
});

test('recheck: no request waits for a directory that hangs', needsSlapd, async (t) => {
  const slapd = await startSlapd(t, content);
  const started = await desk(t, slapd);
  const bob = started.visitor();
  await bob.mustSignIn('bob', right);
  slapd.pause();
  const before = started.upstream.received.length;
  const end = performance.now() + 3000;
  while (performance.now() < end) assert.equal((await bob.fetch('/x')).status, 200);
  assert.ok(started.upstream.received.length > before);
  slapd.resume();
});

test('recheck: who signed in by another name than the subject is found by that name', needsSlapd, async (t) => {
  const started = await desk(t, await shareSlapd(t, content), { userSearchFilter: 'mail=%s' });
  const bob = started.visitor();
  await bob.mustSignIn('bob@example.com', right);
  replace('bob', 'cn', 'Robert')(started.directory);
  await until('the name is new', async () => {
    await bob.fetch('/x');
    return started.upstream.received.at(-1)?.values('x-remote-name')[0] === 'Robert';
  });
  entry('bob', 'changetype: delete')(started.directory);
  await until('it is over', async () => (await bob.fetch('/x')).status === 401);
  assert.equal((await ended(started, 'bob')).reason, 'unknown-user');
});

test('recheck: a local account follows the users file', async (t) => {
  const started = await site(t, { config: { session: { recheck: '1s', store: { type: 'memory' } } } });
  const file = new UsersFile(join(started.folder, 'users.yaml'), { log: keptLog() });
  file.open();
  const [supervisor, agent] = [started.visitor(), started.visitor()];
  await supervisor.mustSignIn('supervisor1', 'right-9920-battery');
  await agent.mustSignIn('agent1', right);
  assert.equal((await supervisor.fetch('/admin')).status, 200);
  await file.setGroups('supervisor1', ['agents']);
  await until('the role is gone', async () => (await supervisor.fetch('/admin')).status === 403);
  await file.disable('agent1');
  await until('it is over', async () => (await agent.fetch('/x')).status === 401);
  assert.equal((await ended(started, 'agent1')).reason, 'account-disabled');
});
