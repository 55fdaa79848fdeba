/** How the watch over live connections learns of an end: by the store's journal and by the clock, never by asking for each session. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Session } from '../../src/core/session.ts';
import { SessionWatch } from '../../src/gateway/session-watch.ts';
import { Connections } from '../../src/proxy/connections.ts';
import type { Opened } from '../../src/proxy/live-connection.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { createAudit } from '../../src/telemetry/audit.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { Recorder } from '../../src/telemetry/recorder.ts';
import { beginSession, type TestSession } from '../support/scenes/begin-session.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const minute = 60_000;
const start: TestSession = {
  tenant: 'default',
  assertion: { realm: 'directory', subject: 'alice', amr: ['pwd'], attributes: {} },
  provider: 'directory',
  client: { address: '192.0.2.1', userAgent: 'Firefox' },
};

/** A worker that watches, with sockets to open on it, and another worker on the same file. Timers go by `tick`. */
async function twoWorkers(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const clock = manualClock();
  const log = keptLog();
  const folder = await temporaryFolder(t);
  const worker = () => {
    const store = new EmbeddedStore(folder, { clock, log });
    const sessions = new Sessions({ store, clock, log, idle: 10 * minute, lifetime: 60 * minute });
    t.after(async () => {
      await sessions.close();
      await store.close();
    });
    return { store, sessions };
  };
  const [here, there] = [worker(), worker()];
  const connections = new Connections({ log });
  const audit = createAudit({ to: 'off', requests: 'none', clock, log, onLoss: () => undefined });
  const recorder = new Recorder(createMetrics({ processMetrics: false }), audit);
  /** Paths that their users may have open no more, and the sessions whose provider was asked anew. */
  const [closed, refreshed] = [new Set<string>(), [] as string[]];
  const access = {
    reasonToEnd: ({ target }: Opened) => (closed.has(target.path) ? ('role-missing' as const) : undefined),
  };
  const authenticator = {
    reasonToEnd: ({ provider }: Pick<Session, 'provider'>) =>
      provider === 'directory' ? undefined : ('provider-gone' as const),
    recheckBehind: () => Number.POSITIVE_INFINITY,
    refreshBehind: async ({ id }: Session) => void refreshed.push(id),
  };
  const watch = new SessionWatch({ clock, log, ...here, connections, recorder, access, authenticator });
  t.after(() => watch.close());
  const ends: string[] = [];
  const open = (id: string | undefined, name = String(id), path = '/') => {
    const client = { address: '192.0.2.1', scheme: 'https', userAgent: '' } as const;
    const opened = { client, target: { host: 'cc.example.com', port: '443', path } };
    return connections.add(id, { kind: 'websocket', opened, end: (reason) => ends.push(`${name} ${reason}`) });
  };
  const tick = async (milliseconds: number): Promise<void> => {
    t.mock.timers.tick(milliseconds);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
  };
  /** The sessions that the watching worker has read since. */
  const reads: string[] = [];
  const get = here.store.get.bind(here.store);
  here.store.get = (key) => {
    if (key.startsWith('session:')) reads.push(key);
    return get(key);
  };
  return { clock, log, here, there, connections, open, ends, tick, reads, closed, refreshed };
}

test('watch: an end, a rotation and another end by another process each show by the next question to the journal', async (t) => {
  const { here, there, open, ends, tick, connections } = await twoWorkers(t);
  const first = await beginSession(here.sessions, start);
  const other = await beginSession(here.sessions, start);
  open(first.session.id, 'first');
  open(other.session.id, 'other');
  await tick(1000);
  const proved = await there.sessions.prove(first.session, start);
  assert.ok(proved.kind === 'live');
  await tick(25);
  assert.equal(connections.count(proved.session.id), 1, 'it goes on under the other id');
  await there.sessions.revoke(other.session.id, 'signed-out');
  await tick(25);
  assert.deepEqual(ends, ['other signed-out']);
  await there.sessions.revokeUser('alice', 'revoked');
  await tick(25);
  assert.deepEqual(ends, ['other signed-out', 'first revoked']);
});

test('watch: nobody asks about a session on which nothing ends, whatever is seen on it elsewhere', async (t) => {
  const { here, there, open, ends, tick, reads, clock } = await twoWorkers(t);
  const created = await Promise.all(Array.from({ length: 10 }, () => beginSession(here.sessions, start)));
  for (const { session } of created) open(session.id);
  await tick(1000);
  assert.equal(new Set(reads).size, 10, 'once about each');
  reads.length = 0;
  for (let second = 0; second < 60; second++) {
    clock.advance(1000);
    if (second % 30 === 0) for (const { session } of created) there.sessions.touch(session);
    await tick(1000);
  }
  assert.deepEqual(reads, []);
  assert.deepEqual(ends, []);
});

test('watch: time ends what is live, but not while somebody is seen on another worker', async (t) => {
  const { here, there, open, ends, tick, clock } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  open(session.id, 'it');
  await tick(1000);
  clock.advance(9 * minute);
  there.sessions.touch(session);
  await there.sessions.flush();
  clock.advance(9 * minute);
  await tick(1000);
  assert.deepEqual(ends, [], 'seen nine minutes ago');
  clock.advance(minute);
  await tick(1000);
  assert.deepEqual(ends, ['it idle']);
});

test('watch: what is registered after the end of its session was told is cut all the same', async (t) => {
  const { here, there, open, ends, tick } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  await there.sessions.revoke(session.id, 'signed-out');
  await tick(25);
  open(session.id, 'late');
  await tick(1000);
  assert.deepEqual(ends, ['late signed-out']);
});

test('watch: what is registered after an end that was heard while nothing was open is cut at the next sweep', async (t) => {
  const { here, there, open, ends, tick } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  const close = open(session.id, 'first');
  await tick(1000);
  close();
  await there.sessions.revoke(session.id, 'signed-out');
  await tick(25);
  open(session.id, 'late');
  await tick(1000);
  assert.deepEqual(ends, ['late signed-out']);
});

test('watch: what is registered after its session or its configuration has changed is judged by what holds', async (t) => {
  const { here, there, open, ends, tick, closed } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  open(session.id, 'home', '/home');
  open(undefined, 'public', '/home');
  await tick(1000);
  closed.add('/admin');
  await there.sessions.renew(session, session.assertion);
  await tick(25);
  open(session.id, 'admin', '/admin');
  open(undefined, 'nobody', '/admin');
  await tick(1000);
  assert.deepEqual(ends.toSorted(), ['admin role-missing', 'nobody role-missing']);
});

test('watch: what moves to a session that is watched already is judged by the rights of that', async (t) => {
  const { here, there, open, ends, tick, closed } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  const close = open(session.id, 'first', '/home');
  await tick(1000);
  close();
  const proved = await there.sessions.prove(session, start);
  assert.ok(proved.kind === 'live');
  await tick(25);
  open(session.id, 'late', '/admin');
  open(proved.session.id, 'home', '/home');
  closed.add('/admin');
  await tick(2000);
  assert.deepEqual(ends, ['late role-missing']);
});

test('watch: one session that cannot be asked about keeps nobody from asking about the others', async (t) => {
  const { here, there, open, ends, tick, log } = await twoWorkers(t);
  const [broken, ended] = [await beginSession(here.sessions, start), await beginSession(here.sessions, start)];
  await there.sessions.revoke(ended.session.id, 'signed-out');
  await tick(25);
  open(broken.session.id, 'broken');
  open(ended.session.id, 'ended');
  const { get } = here.store;
  here.store.get = (key) => {
    if (key.endsWith(broken.session.id)) throw new Error('no disk');
    return get(key);
  };
  await tick(1000);
  assert.deepEqual(ends, ['ended signed-out']);
  assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 1, 'said once');
  here.store.get = get;
  await there.sessions.revoke(broken.session.id, 'signed-out');
  await tick(1000);
  assert.deepEqual(ends, ['ended signed-out', 'broken signed-out']);
});

test('watch: while the store cannot be read what is open goes on, and what ended meanwhile is cut when it can', async (t) => {
  const { here, there, open, ends, tick, log } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  open(session.id, 'it');
  await tick(1000);
  const { changes } = here.store;
  here.store.changes = () => {
    throw new Error('no disk');
  };
  await there.sessions.revoke(session.id, 'signed-out');
  for (let second = 0; second < 3; second++) await tick(1000);
  assert.deepEqual(ends, []);
  assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 1, 'said once');
  here.store.changes = changes;
  await tick(25);
  assert.deepEqual(ends, ['it signed-out']);
});

test('watch: who was away for longer than the journal reaches asks about everything', async (t) => {
  const { here, there, open, ends, tick, clock } = await twoWorkers(t);
  const ended = await beginSession(here.sessions, start);
  const lasting = await beginSession(here.sessions, start);
  for (const { session } of [ended, lasting]) open(session.id, session === ended.session ? 'ended' : 'lasting');
  await tick(1000);
  await there.sessions.revoke(ended.session.id, 'signed-out');
  there.sessions.touch(lasting.session);
  clock.advance(9 * minute);
  there.sessions.touch(lasting.session);
  await there.sessions.flush();
  clock.advance(2 * minute);
  for (let write = 0; write < 2; write++)
    await there.store.replace(`kind:${write}`, undefined, 'x', undefined, { announced: true });
  await there.store.prune();
  await tick(25);
  assert.deepEqual(ends, ['ended signed-out']);
});

test('watch: what may not stay open is cut when its session changes, on this worker or another, and the rest goes on', async (t) => {
  const { there, open, ends, tick, closed, here } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, { ...start, grant: { handles: ['h'] } });
  open(session.id, 'admin', '/admin');
  open(session.id, 'home', '/home');
  await tick(1000);
  closed.add('/admin');
  await tick(5000);
  assert.deepEqual(ends, [], 'nothing has changed for this session');
  await there.sessions.renew(session, session.assertion, { handles: ['h'] });
  await tick(25);
  assert.deepEqual(ends, ['admin role-missing']);
});

test('watch: a watch begins with all that is open, also on no session: another configuration counts within two seconds', async (t) => {
  const { open, ends, tick, closed, here } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  const gone = await beginSession(here.sessions, { ...start, provider: 'elsewhere' });
  open(session.id, 'admin', '/admin');
  open(undefined, 'public', '/admin');
  open(undefined, 'other', '/home');
  open(gone.session.id, 'gone', '/home');
  closed.add('/admin');
  await tick(1000);
  assert.deepEqual(ends.toSorted(), ['admin role-missing', 'gone provider-gone', 'public role-missing']);
  assert.deepEqual(await here.sessions.load(gone.token), { kind: 'ended', reason: 'provider-gone' });
});

test('watch: a session with nothing but a WebSocket is refreshed when that is due, and not again for a while', async (t) => {
  const { open, tick, refreshed, here, clock } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, { ...start, grant: { refreshAt: clock.now() + minute } });
  open(session.id);
  await tick(1000);
  assert.deepEqual(refreshed, []);
  clock.advance(minute);
  await tick(1000);
  assert.deepEqual(refreshed, [session.id]);
  for (let second = 0; second < 29; second++) {
    clock.advance(1000);
    await tick(1000);
  }
  assert.equal(refreshed.length, 1);
  clock.advance(1000);
  await tick(1000);
  assert.equal(refreshed.length, 2, 'the provider did not answer: it is asked again');
});

test('watch: what is open on a session that cannot be read goes on until an end is read', async (t) => {
  const { open, tick, ends, here, there } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  open(session.id, 'it');
  await here.store.put(`session:${session.id}`, '{"kind":"live","assertion":7}');
  for (let second = 0; second < 5; second++) await tick(1000);
  assert.deepEqual(ends, []);
  await there.store.put(`session:${session.id}`, '{"kind":"ended","reason":"tenant-changed"}');
  await tick(1000);
  assert.deepEqual(ends, ['it tenant-changed']);
});

test('watch: what this process ends is cut at once, before anybody asks', async (t) => {
  const { open, ends, here, connections } = await twoWorkers(t);
  const { session } = await beginSession(here.sessions, start);
  open(session.id, 'it');
  await here.sessions.revoke(session.id, 'signed-out');
  assert.deepEqual(ends, ['it signed-out']);
  assert.equal(connections.sessions().length, 1, 'the registry hears of its own end from the connection alone');
});
