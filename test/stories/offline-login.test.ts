/** A directory that is away at shift start: a real slapd that stops, who may sign in without it, and what comes of that when it is back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { databaseFile } from '../../src/store/open-database.ts';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { needsSlapd, type Slapd, startSlapd } from '../support/servers/slapd.ts';
import { personDn } from '../support/servers/slapd-content.ts';
import { suffix } from '../support/servers/slapd-process.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const right = 'right-4417-horse';
const hour = 3_600_000;

interface Desk extends TestGateway {
  readonly slapd: Slapd;
  /** The folder of the store. */
  readonly store: string;
  readonly clock: ManualClock;
  readonly upstream: TestUpstream;
  visitor(): Visitor;
  /** Stops the directory, and has the gateway find it away. */
  outage(): Promise<void>;
  /** What `ready` says of the directory. */
  directory(): Promise<{ state: string; offline?: boolean }>;
}

interface DeskOptions {
  readonly offline?: Yaml;
  readonly timeout?: string;
  /** Of a store that is there already. */
  readonly path?: string;
  readonly slapd?: Slapd;
}

async function desk(t: TestContext, options: DeskOptions = {}): Promise<Desk> {
  const { offline = {}, timeout = '10s', path = 'data' } = options;
  const attributes = { objectClass: ['inetOrgPerson', 'extensibleObject'] };
  const people = ['alice', 'bob', 'carol', 'dave', 'never'].map((uid) => ({
    ...{ uid, password: right, email: `${uid}@example.com`, attributes },
  }));
  const groups = { agents: ['alice', 'bob', 'carol', 'dave'], supervisors: ['alice', 'bob'] };
  const slapd = options.slapd ?? (await startSlapd(t, { people, groups }));
  const { url, managerDn, managerPassword, searchBase, groupBase } = slapd;
  const upstream = await startUpstream(t);
  const clock = manualClock(Date.now());
  const { routes, ...others } = siteConfig(upstream.origin);
  const started = await gateway(t, {
    clock,
    users: [{ name: 'lena', password: 'right-8830-clock' }],
    config: {
      ...others,
      routes: (routes as { name: string }[]).map((route) => ({ ...route, websocket: true })),
      session: { idle: '12h', lifetime: '48h', store: { type: 'embedded', path } },
      login: {
        chain: ['directory', 'local'],
        lockout: { user: 3, address: 1000 },
        offline: { for: '24h', roles: ['agent'], providers: ['directory'], after: '15m', ...offline },
        breaker: { failures: 2, probe: '200ms' },
      },
      providers: {
        directory: {
          ...{ type: 'ldap', url, managerDn, managerPassword, searchBase, timeout },
          groups: { searchBase: groupBase },
          domains: { CORP: 'strip' },
        },
        local: { type: 'local', users: 'users.yaml' },
      },
    },
  });
  const visitor = () => new Visitor(started.url);
  const directory = async () => {
    const ready = (await (await fetch(new URL('/health/ready', started.admin))).json()) as {
      providers: { directory: { state: string; offline?: boolean } };
    };
    return ready.providers.directory;
  };
  const outage = async () => {
    await slapd.stop();
    await until('the breaker is open', async () => {
      await visitor().signIn('nobody-at-all', 'x');
      return (await directory()).state === 'down';
    });
  };
  return { ...started, store: resolve(started.folder, path), slapd, clock, upstream, visitor, outage, directory };
}

/** The verifiers in the store's own file, as they lie there. */
function verifiersIn(path: string): { key: string; value: string }[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare("SELECT key, value FROM entries WHERE key LIKE 'offline:%'").all();
    return rows.map(({ key, value }) => ({ key: String(key), value: String(value) }));
  } finally {
    database.close();
  }
}

const storeOf = ({ store }: Desk): string => join(store, databaseFile);

/** Signs all of them in while the directory is there, and waits until they could do without it. */
async function signInAll(started: Desk, names: readonly string[]): Promise<void> {
  for (const [index, name] of names.entries()) {
    await started.visitor().mustSignIn(name, right);
    await until(`a verifier of ${name}`, () => verifiersIn(storeOf(started)).length === index + 1);
  }
}

async function open(t: TestContext, { url }: Desk, visitor: Visitor): Promise<WebSocket> {
  const headers = { cookie: visitor.cookieHeader, origin: url.origin };
  const socket = new WebSocket(`ws://${url.host}/live`, { headers });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

const words = (page: string) => page.replace(/value="[^"]*"/g, '').replace(/[\w-]{20,}|<code>[\w-]+/g, '');
const dnOf = (uid: string) => personDn(uid, suffix);
const replace = (uid: string, name: string, value: string) =>
  `dn: ${dnOf(uid)}\nchangetype: modify\nreplace: ${name}\n${name}: ${value}\n`;

test(
  'offline: who signed in of late may, with roles cut; others are told one thing, whoever they are',
  needsSlapd,
  async (t) => {
    const started = await desk(t);
    await signInAll(started, ['alice', 'bob']);
    await started.outage();
    assert.deepEqual((await started.directory()).offline, true);
    assert.match((await started.visitor().open('/_gate/login')).text, /signed in here of late/);

    const [wrong, unknown, unlisted, never] = [
      await started.visitor().signIn('alice', 'wrong'),
      await started.visitor().signIn('ghost', 'wrong'),
      await started.visitor().signIn('alice@nowhere.example', right),
      await started.visitor().signIn('never', right),
    ];
    for (const { status, text } of [wrong, unknown, unlisted, never])
      assert.deepEqual([status, words(text)], [503, words(wrong.text)]);
    assert.match(wrong.text, /The directory cannot be reached\. The user name or the password is wrong/);

    const alice = started.visitor();
    await alice.mustSignIn('CORP\\alice', right);
    assert.partialDeepStrictEqual(started.audit('login').at(-1), {
      user: 'alice',
      provider: 'directory',
      mode: 'offline',
    });
    assert.equal((await alice.fetch('/x')).status, 200);
    const received = started.upstream.received.at(-1);
    assert.deepEqual(received?.values('x-remote-user'), ['alice']);
    assert.deepEqual(received?.values('x-remote-email'), ['alice@example.com']);
    assert.deepEqual(received?.values('x-remote-roles'), ['agent']);
    const [, claims = ''] = received?.values('x-gatehouse-assertion')[0]?.split('.') ?? [];
    const { amr, auth_time: authenticated } = JSON.parse(Buffer.from(claims, 'base64url').toString());
    assert.deepEqual([amr, authenticated], [['pwd', 'offline'], undefined]);
    assert.equal((await alice.fetch('/admin')).status, 403);

    const fresh = await alice.open('/fresh/');
    assert.match(String(fresh.headers.location), /confirm=1/, 'nothing judged here is fresh');
    const page = await alice.open(String(fresh.headers.location));
    const confirmed = await alice.post('/_gate/login', {
      ...hiddenFields(page.text),
      username: 'alice',
      password: right,
    });
    assert.equal(confirmed.status, 503);
    await started.visitor().mustSignIn('lena', 'right-8830-clock');
  },
);

test(
  'offline: back again, whose account or password is another ends, and the others are asked at a page load',
  needsSlapd,
  async (t) => {
    const started = await desk(t);
    const { slapd, clock } = started;
    slapd.modify(replace('carol', 'pwdChangedTime', '20200101000000Z'));
    const names = ['alice', 'bob', 'carol', 'dave'];
    await signInAll(started, names);
    for (const change of [
      replace('bob', 'userAccountControl', '514'),
      replace('carol', 'pwdChangedTime', '20210101000000Z'),
      `dn: ${dnOf('dave')}\nchangetype: delete\n`,
    ])
      slapd.modify(change);
    await started.outage();
    const people = new Map<string, { visitor: Visitor; socket: WebSocket }>();
    for (const name of names) {
      const visitor = started.visitor();
      await visitor.mustSignIn(name, right);
      people.set(name, { visitor, socket: await open(t, started, visitor) });
    }
    await slapd.restart();
    const ends = { bob: 'account-disabled', carol: 'offline-over', dave: 'unknown-user' };
    for (const [name, reason] of Object.entries(ends)) {
      const { visitor, socket } = people.get(name)!;
      const isEnd = (record: Record<string, unknown>) => record.user === name && record.reason === reason;
      await until(`${name} ends`, () => started.audit('session-end').some(isEnd));
      await until('the WebSocket is closed', () => socket.readyState === WebSocket.CLOSED);
      assert.equal((await visitor.fetch('/x')).status, 401);
    }
    assert.equal(verifiersIn(storeOf(started)).length, 1, 'nobody else can begin another session so');

    const { visitor: alice, socket } = people.get('alice')!;
    const asked = await until('she is asked', async () => {
      const answer = await alice.open('/page');
      return answer.status !== 200 && answer;
    });
    assert.match(String(asked.headers.location), /confirm=1/);
    assert.equal((await alice.fetch('/x')).status, 200, 'what the page sends goes on');
    assert.equal(socket.readyState, WebSocket.OPEN);
    clock.advance(10 * 60_000);
    assert.equal((await alice.open('/page')).status, asked.status, 'and is asked again, without more time');
    const page = await alice.open(String(asked.headers.location));
    const confirmed = await alice.post('/_gate/login', {
      ...hiddenFields(page.text),
      username: 'alice',
      password: right,
    });
    assert.equal(confirmed.status, 303);
    clock.advance(20 * 60_000);
    assert.equal((await alice.open('/page')).status, 200);
    assert.equal((await alice.fetch('/admin')).status, 200, 'her roles are whole again');
    assert.equal(socket.readyState, WebSocket.OPEN);
  },
);

test('offline: in a browser, through an outage of ten minutes, and asked for the password when it is over', {
  skip: withoutChromium || needsSlapd.skip,
}, async (t) => {
  const started = await desk(t);
  await signInAll(started, ['alice']);
  await started.outage();
  const context = await (await shareChromium(t)).newContext({ locale: 'en' });
  t.after(() => context.close());
  const page = await context.newPage();
  const at = (path: string) => new URL(path, started.url).href;
  const prove = async (password: string) => {
    if ((await page.locator('[name=username]:not([readonly])').count()) > 0)
      await page.fill('[name=username]', 'alice');
    await page.fill('[name=password]', password);
    await Promise.all([page.waitForNavigation(), page.press('[name=password]', 'Enter')]);
  };
  await page.goto(at('/desk'));
  await page.getByText('signed in here of late').waitFor();
  await prove('wrong');
  await page.getByText('The directory cannot be reached.').waitFor();
  await prove(right);
  assert.equal(page.url(), at('/desk'));
  for (let minute = 0; minute < 10; minute++) {
    started.clock.advance(60_000);
    assert.equal((await page.goto(at(`/desk?minute=${minute}`)))?.status(), 200);
  }
  const roles = () => started.upstream.received.at(-1)?.values('x-remote-roles');
  assert.deepEqual(roles(), ['agent']);
  await started.slapd.restart();
  await until('she is asked for the password', async () => {
    await page.goto(at('/desk?again=1'));
    return page.url().includes('/_gate/login');
  });
  await prove(right);
  assert.equal(page.url(), at('/desk?again=1'));
  assert.notDeepEqual(roles(), ['agent'], 'her roles are whole again');
});

test('offline: who is asked and does not answer ends after a while, with what is open', needsSlapd, async (t) => {
  const started = await desk(t);
  await signInAll(started, ['alice', 'bob']);
  await started.outage();
  const [alice, bob] = [started.visitor(), started.visitor()];
  await alice.mustSignIn('alice', right);
  await bob.mustSignIn('bob', right);
  const [hers, his] = [await open(t, started, alice), await open(t, started, bob)];
  await started.slapd.restart();
  await until('she is asked', async () => (await alice.open('/page')).status !== 200);
  started.clock.advance(14 * 60_000);
  assert.equal((await alice.fetch('/x')).status, 200);
  started.clock.advance(2 * 60_000);
  await until('her WebSocket is closed', () => hers.readyState === WebSocket.CLOSED);
  assert.equal(started.audit('session-end').at(-1)?.reason, 'offline-over');
  assert.equal((await bob.fetch('/x')).status, 200, 'who loads no page is not asked');
  assert.equal(his.readyState, WebSocket.OPEN);
});

test('offline: a directory that hangs is away when it has hung more than once', needsSlapd, async (t) => {
  const started = await desk(t, { timeout: '3s' });
  await signInAll(started, ['alice']);
  // An answer forgets what a busy machine has made slow; to this one nothing follows behind the login.
  await started.visitor().mustSignIn('alice', right);
  started.slapd.pause();
  assert.equal((await started.visitor().signIn('alice', right)).status, 503, 'one slow answer is no outage');
  assert.equal(started.audit('login').at(-1)?.mode, undefined);
  await started.visitor().mustSignIn('alice', right);
  assert.partialDeepStrictEqual(await started.directory(), { reason: 'timed-out', offline: true });
});

test('offline: a gateway that was started anew meanwhile looks the accounts up, too', needsSlapd, async (t) => {
  const path = await temporaryFolder(t);
  const first = await desk(t, { path });
  await signInAll(first, ['alice', 'bob']);
  first.slapd.modify(replace('bob', 'userAccountControl', '514'));
  await first.outage();
  const [alice, bob] = [first.visitor(), first.visitor()];
  await alice.mustSignIn('alice', right);
  await bob.mustSignIn('bob', right);
  await first.stop();
  const second = await desk(t, { path, slapd: first.slapd });
  const moved = (visitor: Visitor): Visitor => {
    const same = second.visitor();
    for (const [name, value] of visitor.cookies) same.cookies.set(name, value);
    return same;
  };
  const [hers, his] = [moved(alice), moved(bob)];
  assert.equal((await his.fetch('/x')).status, 200);
  assert.equal((await hers.fetch('/admin')).status, 403, 'her roles are cut as before');
  await first.slapd.restart();
  await until('his session has ended', async () => (await his.fetch('/x')).status === 401);
  await until('she is asked', async () => (await hers.open('/page')).status !== 200);
});

test('offline: wrong passwords lock, known or not, and a lock holds for the right one', needsSlapd, async (t) => {
  const started = await desk(t);
  await signInAll(started, ['alice']);
  await started.outage();
  for (const name of ['alice', 'ghost']) {
    const statuses = [];
    for (let guess = 0; guess < 4; guess++)
      statuses.push((await started.visitor().signIn(name, `wrong ${guess}`)).status);
    assert.deepEqual(statuses, [503, 503, 503, 429], name);
  }
  assert.equal((await started.visitor().signIn('alice', right)).status, 429);
});

test(
  'offline: a password that was forgotten, revoked, too old or from elsewhere opens nothing',
  needsSlapd,
  async (t) => {
    const started = await desk(t);
    const { admin, file, clock } = started;
    await signInAll(started, ['alice', 'bob', 'carol', 'dave']);
    for (const { key, value } of verifiersIn(storeOf(started))) {
      assert.match(value, /^sealed:/);
      assert.doesNotMatch(key + value, /alice|argon2/);
    }
    const copy = join(started.folder, 'backup');
    assert.equal((await run(['backup', copy, '--config', file])).code, 0);
    assert.deepEqual(verifiersIn(copy), [], 'no backup has them');
    await started.outage();
    const forgotten = await run(['offline', 'forget', 'Alice', '--config', file]);
    assert.deepEqual([forgotten.code, forgotten.stderr], [0, '']);
    assert.equal((await run(['offline', 'forget', 'alice', '--config', file])).code, 1);
    assert.equal(started.audit('offline-forget').at(0)?.user, 'alice');
    assert.equal((await fetch(new URL('/sessions?user=bob', admin), { method: 'DELETE' })).status, 200);
    for (const name of ['alice', 'bob']) assert.equal((await started.visitor().signIn(name, right)).status, 503, name);
    await started.visitor().mustSignIn('carol', right);
    clock.advance(25 * hour);
    assert.equal((await started.visitor().signIn('dave', right)).status, 503, 'more than a day ago');
  },
);

test('offline: after another password the one before is worth nothing', needsSlapd, async (t) => {
  const started = await desk(t);
  await signInAll(started, ['alice']);
  const [before] = verifiersIn(storeOf(started));
  started.slapd.modify(replace('alice', 'userPassword', 'another-9931'));
  await started.visitor().mustSignIn('alice', 'another-9931');
  await until('there is another verifier', () => {
    const [now] = verifiersIn(storeOf(started));
    return now !== undefined && now.value !== before?.value;
  });
  await started.outage();
  assert.equal((await started.visitor().signIn('alice', right)).status, 503);
  await started.visitor().mustSignIn('alice', 'another-9931');
});

test(
  'offline: not where the network is another, nor while the directory rejects or refuses us',
  needsSlapd,
  async (t) => {
    const elsewhere = await desk(t, { offline: { networks: ['10.0.0.0/8'] } });
    await signInAll(elsewhere, ['alice']);
    await elsewhere.outage();
    assert.equal((await elsewhere.visitor().signIn('alice', right)).status, 503);
    assert.doesNotMatch((await elsewhere.visitor().open('/_gate/login')).text, /signed in here of late/);

    const refusing = await desk(t);
    await signInAll(refusing, ['alice']);
    refusing.slapd.modify(replace('alice', 'userPassword', 'another-9931'));
    assert.equal((await refusing.visitor().signIn('alice', right)).status, 401, 'it is there, and says no');
    refusing.slapd.modify(
      `dn: ${refusing.slapd.managerDn}\nchangetype: modify\nreplace: userPassword\nuserPassword: another\n`,
    );
    await refusing.slapd.restart();
    await until('the breaker is open', async () => {
      await refusing.visitor().signIn('ghost', 'x');
      return (await refusing.directory()).state === 'down';
    });
    assert.partialDeepStrictEqual(await refusing.directory(), { reason: 'misconfigured' });
    assert.equal((await refusing.directory()).offline, undefined);
    assert.equal((await refusing.visitor().signIn('alice', right)).status, 503);
    assert.equal(refusing.audit('login').at(-1)?.mode, undefined);
  },
);
