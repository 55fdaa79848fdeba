/** The life of sessions, in one worker and in several that share a store. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Assertion } from '../../src/core/principal.ts';
import type { Proof } from '../../src/core/proof.ts';
import type { Store } from '../../src/core/store.ts';
import { type SessionParts, Sessions } from '../../src/sessions/sessions.ts';
import { storeFailure, UnopenedEntry } from '../../src/store/errors.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { beginSession, type TestSession } from '../support/scenes/begin-session.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const minute = 60_000;

/** A store, a clock, and as many workers as asked for. */
function world(t: TestContext, options: Partial<SessionParts> = {}) {
  const clock = manualClock();
  const log = keptLog();
  const store = options.store ?? new MemoryStore(clock);
  const worker = (): Sessions => {
    const sessions = new Sessions({ store, clock, log, idle: 30 * minute, lifetime: 12 * 60 * minute, ...options });
    t.after(() => sessions.close());
    return sessions;
  };
  t.after(() => store.close());
  return { clock, log, store, worker, sessions: worker() };
}

function start(subject: string, more: Partial<TestSession> = {}): TestSession {
  return {
    tenant: 'default',
    assertion: assertionOf(subject),
    provider: 'directory',
    client: { address: '192.0.2.1', userAgent: 'Firefox' },
    ...more,
  };
}

function assertionOf(subject: string, groups: string[] = ['agents']): Assertion {
  return { realm: 'directory', subject, amr: ['pwd'], attributes: { groups, name: ['A Name'] } };
}

function proofBy(by: string, at: number): Proof {
  return { step: 'first', by, realm: 'directory', amr: ['pwd'], at };
}

async function storedText(store: Store): Promise<string> {
  return JSON.stringify(await Array.fromAsync(store.list('')));
}

/** The store with one method changed, as a store of the same contract. */
function storeWith(store: Store, change: Partial<Store>): Store {
  const methods = ['get', 'put', 'replace', 'take', 'delete', 'list', 'count', 'changes', 'close'] as const;
  return { ...Object.fromEntries(methods.map((name) => [name, store[name].bind(store)])), ...change } as Store;
}

test('a session is found by its token, and only by it', async (t) => {
  const { sessions, clock } = world(t);
  const { session, token } = await beginSession(
    sessions,
    start('alice', { grant: { handles: ['h'], state: { a: 1 } } }),
  );
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(await sessions.load(token), { kind: 'live', session });
  assert.deepEqual(session, {
    id: session.id,
    ...start('alice'),
    grant: { handles: ['h'], state: { a: 1 } },
    createdAt: clock.now(),
    lastSeenAt: clock.now(),
    proofs: [proofBy('directory', clock.now())],
    bindsCookies: true,
    expiresAt: clock.now() + 12 * 60 * minute,
  });
  for (const other of [
    session.id,
    `${token}x`,
    token.slice(1),
    token.toLowerCase(),
    '',
    '../..',
    'a'.repeat(43),
    '\0'.repeat(43),
  ]) {
    if (other !== token) assert.deepEqual(await sessions.load(other), { kind: 'none' }, other);
  }
});

test('the token is nowhere stored and nowhere logged', async (t) => {
  const { sessions, store, log } = world(t);
  const { token, session } = await beginSession(sessions, start('alice'));
  const proved = await sessions.prove(session, start('alice'));
  assert.ok(proved.kind === 'live' && proved.token);
  const text = (await storedText(store)) + log.text();
  for (const secret of [token, proved.token]) assert.ok(!text.includes(secret) && !text.includes(secret.slice(0, 20)));
  assert.ok(!session.id.includes(token.slice(0, 8)));
});

test('S1: a login ends the session that the browser came with, before the new one begins', async (t) => {
  const { sessions, store } = world(t);
  const old = await beginSession(sessions, start('attacker'));
  const order: string[] = [];
  const watched = storeWith(store, {
    replace: async (key, version, value, expiresAt) => {
      const record: unknown = JSON.parse(value);
      assert.ok(record && typeof record === 'object' && 'kind' in record);
      order.push(`${String(record.kind)} ${key === `session:${old.session.id}` ? 'old' : 'new'}`);
      return store.replace(key, version, value, expiresAt);
    },
  });
  const { sessions: second } = world(t, { store: watched });
  const created = await beginSession(second, start('alice', { replaces: old.token }));
  assert.deepEqual(order, ['ended old', 'live new']);
  assert.deepEqual(await second.load(old.token), { kind: 'ended', reason: 'rotated' });
  assert.notEqual(created.token, old.token);
  assert.equal(created.session.assertion.subject, 'alice');
});

test('S1: only the same user’s login goes on with what the session before had, another realm’s namesake is another', async (t) => {
  const { sessions } = world(t);
  const old = await beginSession(sessions, start('alice'));
  const next = await beginSession(sessions, start('bob', { replaces: old.token }));
  assert.deepEqual(await sessions.load(old.token), { kind: 'ended', reason: 'rotated' });
  const { assertion } = start('bob');
  await beginSession(sessions, {
    ...start('bob', { replaces: next.token }),
    assertion: { ...assertion, realm: 'elsewhere' },
  });
  assert.deepEqual(await sessions.load(next.token), { kind: 'ended', reason: 'rotated' });
});

test('S1: a session that a login has replaced is followed by a revocation, as any that goes on', async (t) => {
  const { sessions } = world(t);
  const old = await beginSession(sessions, start('alice'));
  const { token, session } = await beginSession(sessions, start('alice', { replaces: old.token }));
  assert.deepEqual(await sessions.load(old.token), { kind: 'ended', reason: 'rotated', next: session.id });
  assert.equal(await sessions.revoke(old.session.id, 'revoked'), true);
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'revoked' });
});

test('S1: a login with a made-up token gets another one', async (t) => {
  const { sessions } = world(t);
  const planted = 'A'.repeat(43);
  const { token } = await beginSession(sessions, start('alice', { replaces: planted }));
  assert.notEqual(token, planted);
  assert.deepEqual(await sessions.load(planted), { kind: 'none' });
});

test('S1: a new proof goes on under a new token, and the old one is dead', async (t) => {
  const { sessions, clock } = world(t);
  const { session, token } = await beginSession(sessions, start('alice', { grant: { handles: ['old'] } }));
  const ends: unknown[] = [];
  sessions.onEnd((end) => void ends.push(end));
  clock.advance(minute);
  const proved = await sessions.prove(session, { ...start('alice'), provider: 'sso', grant: { handles: ['new'] } });
  assert.ok(proved.kind === 'live' && proved.token);
  assert.deepEqual(await sessions.load(proved.token), { kind: 'live', session: proved.session });
  assert.partialDeepStrictEqual(proved.session, {
    provider: 'sso',
    proofs: [proofBy('sso', clock.now()), ...session.proofs],
    createdAt: session.createdAt,
    expiresAt: session.expiresAt,
  });
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'rotated', next: proved.session.id });
  assert.deepEqual(ends, [
    {
      id: session.id,
      reason: 'rotated',
      account: { tenant: 'default', subject: 'alice' },
      provider: 'directory',
      next: proved.session.id,
    },
  ]);
  assert.equal(await sessions.revokeHandle('directory', 'old', 'back-channel'), 0);
  assert.equal(await sessions.revokeHandle('sso', 'new', 'back-channel'), 1);
});

test("another user's proof takes nothing over: the session ends", async (t) => {
  const { sessions } = world(t);
  const { session, token } = await beginSession(sessions, start('alice'));
  assert.deepEqual(await sessions.prove(session, start('bob')), { kind: 'ended', reason: 'revoked' });
  assert.equal((await sessions.load(token)).kind, 'ended');
  assert.equal(await sessions.count(), 0);
});

test('a renewal that changes nothing keeps the token, one that changes groups does not', async (t) => {
  const { sessions } = world(t);
  const first = assertionOf('alice', ['agents', 'staff']);
  const { session, token } = await beginSession(
    sessions,
    start('alice', { assertion: first, grant: { handles: ['a', 'b'] } }),
  );
  const same = await sessions.renew(session, assertionOf('alice', ['staff', 'agents']), {
    handles: ['b', 'c'],
    refreshAt: 5,
  });
  assert.ok(same.kind === 'live' && same.token === undefined && same.session.id === session.id);
  const loaded = await sessions.load(token);
  assert.ok(loaded.kind === 'live');
  assert.deepEqual(loaded.session.grant, { handles: ['b', 'c'], refreshAt: 5 });
  assert.deepEqual(loaded.session.proofs, session.proofs);
  assert.equal(await sessions.revokeHandle('directory', 'a', 'back-channel'), 0);

  const changed = await sessions.renew(same.session, assertionOf('alice', ['supervisors']), { handles: ['c'] });
  assert.ok(changed.kind === 'live' && changed.token && changed.session.id !== session.id);
  assert.equal((await sessions.load(token)).kind, 'ended');
  assert.equal(await sessions.revokeHandle('directory', 'c', 'back-channel'), 1);
});

test('a renewal with nobody there to take a cookie keeps the id, and the next request goes on under another', async (t) => {
  const { sessions } = world(t);
  const { session, token } = await beginSession(sessions, start('alice'));
  const changed = assertionOf('alice', ['supervisors']);
  const behind = await sessions.renew(session, changed, { refreshAt: 5 }, { isBehind: true });
  assert.ok(behind.kind === 'live' && behind.token === undefined && behind.session.id === session.id);
  const loaded = await sessions.load(token);
  assert.ok(loaded.kind === 'live' && loaded.session.mustRotate);
  assert.deepEqual(loaded.session.assertion, changed);
  const again = await sessions.renew(loaded.session, changed, { refreshAt: 9 }, { isBehind: true });
  assert.ok(again.kind === 'live' && again.session.mustRotate, 'it is not forgotten');
  const rotated = await sessions.rotate(again.session);
  assert.ok(rotated.kind === 'live' && rotated.token && rotated.session.mustRotate === undefined);
  assert.deepEqual(rotated.session.grant, { refreshAt: 9 });
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'rotated', next: rotated.session.id });
  const other = await sessions.renew(rotated.session, assertionOf('bob'), {}, { isBehind: true });
  assert.deepEqual(other, { kind: 'ended', reason: 'revoked' }, 'somebody else inherits nothing');
});

test('idle ends a session exactly, and says so', async (t) => {
  const { sessions, clock } = world(t);
  const { token, session } = await beginSession(sessions, start('alice'));
  const ends: unknown[] = [];
  sessions.onEnd((end) => void ends.push(end));
  clock.advance(30 * minute - 1);
  assert.equal((await sessions.load(token)).kind, 'live');
  clock.advance(1);
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'idle' });
  assert.deepEqual(await sessions.alive(session.id), { kind: 'ended', reason: 'idle' });
  assert.deepEqual(ends, [
    { id: session.id, reason: 'idle', account: { tenant: 'default', subject: 'alice' }, provider: 'directory' },
  ]);
  assert.equal(await sessions.count(), 0);
});

test('loading is no activity, touching is', async (t) => {
  const { sessions, clock } = world(t);
  const { token } = await beginSession(sessions, start('alice'));
  for (let i = 0; i < 5; i++) {
    clock.advance(20 * minute);
    const loaded = await sessions.load(token);
    assert.ok(loaded.kind === 'live');
    sessions.touch(loaded.session);
    await new Promise(setImmediate);
  }
  clock.advance(29 * minute);
  assert.equal((await sessions.load(token)).kind, 'live');
  clock.advance(minute);
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'idle' });
});

test('the lifetime ends a session whatever happens', async (t) => {
  const { sessions, clock } = world(t, { lifetime: 60 * minute });
  const { token } = await beginSession(sessions, start('alice'));
  for (let i = 0; i < 3; i++) {
    clock.advance(19 * minute);
    const loaded = await sessions.load(token);
    assert.ok(loaded.kind === 'live');
    sessions.touch(loaded.session);
    await sessions.flush();
  }
  clock.advance(3 * minute);
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'lifetime' });
});

test('activity costs one write in thirty seconds', async (t) => {
  const { store } = world(t);
  let writes = 0;
  const counted = storeWith(store, {
    replace: async (...call) => {
      writes += 1;
      return store.replace(...call);
    },
  });
  const { sessions, clock } = world(t, { store: counted });
  const { session } = await beginSession(sessions, start('alice'));
  writes = 0;
  for (let second = 0; second < 300; second++) {
    clock.advance(1000);
    sessions.touch(session);
    await new Promise(setImmediate);
  }
  assert.equal(writes, 10);
  clock.advance(5000);
  sessions.touch(session);
  await sessions.flush();
  assert.equal(writes, 11);
  assert.equal((await Array.fromAsync(world(t, { store: counted }).sessions.list())).length, 1);
});

test('activity seen by one worker keeps the session alive in all, at every step up to the last moment', async (t) => {
  const { worker, clock } = world(t, { idle: 2 * minute });
  const [busy, other] = [worker(), worker()];
  const { token } = await beginSession(busy, start('alice'));
  assert.equal((await other.load(token)).kind, 'live');
  for (let i = 0; i < 20; i++) {
    clock.advance(2 * minute - 2);
    const loaded = await busy.load(token);
    assert.ok(loaded.kind === 'live', `round ${i}`);
    busy.touch(loaded.session);
    await new Promise(setImmediate);
    clock.advance(1);
    assert.equal((await other.load(token)).kind, 'live', `round ${i}`);
  }
});

test('a touch in a worker with an older view does not set another back', async (t) => {
  const { worker, clock } = world(t);
  const [one, two] = [worker(), worker()];
  const { token, session } = await beginSession(one, start('alice'));
  clock.advance(10 * minute);
  one.touch(session);
  await one.flush();
  const seenAt = clock.now();
  const fresh = worker();
  two.touch(session);
  await two.flush();
  const loaded = await fresh.load(token);
  assert.ok(loaded.kind === 'live' && loaded.session.lastSeenAt === seenAt);
});

test('close writes activity that a restart must know of', async (t) => {
  const { worker, clock } = world(t);
  const before = worker();
  const { token, session } = await beginSession(before, start('alice'));
  clock.advance(10_000);
  before.touch(session);
  await before.close();
  const loaded = await worker().load(token);
  assert.ok(loaded.kind === 'live' && loaded.session.lastSeenAt === clock.now());
});

test('a touch never brings an ended session back', async (t) => {
  const { worker, clock } = world(t);
  const [one, two] = [worker(), worker()];
  const { token, session } = await beginSession(one, start('alice'));
  clock.advance(minute);
  const touched = [one, two].map((sessions) => sessions.touch(session));
  await Promise.all([two.revoke(session.id, 'revoked'), ...touched]);
  clock.advance(minute);
  one.touch(session);
  await Promise.all([one.flush(), two.flush()]);
  assert.deepEqual(await one.load(token), { kind: 'ended', reason: 'revoked' });
  assert.deepEqual(await two.load(token), { kind: 'ended', reason: 'revoked' });
});

test('S5: a revocation counts in every worker at the next turn of its loop', async (t) => {
  const { worker } = world(t);
  const [one, two] = [worker(), worker()];
  const { token, session } = await beginSession(one, start('alice'));
  assert.equal((await two.load(token)).kind, 'live');
  const ends: unknown[] = [];
  one.onEnd(({ id, reason }) => void ends.push([id, reason]));
  assert.equal(await one.revoke(session.id, 'signed-out'), true);
  assert.deepEqual(ends, [[session.id, 'signed-out']]);
  assert.deepEqual(await one.load(token), { kind: 'ended', reason: 'signed-out' });
  await nextTurn();
  assert.deepEqual(await two.load(token), { kind: 'ended', reason: 'signed-out' });
  assert.deepEqual(await two.alive(session.id), { kind: 'ended', reason: 'signed-out' });
  assert.equal(await two.revoke(session.id, 'revoked'), false);
  assert.equal(await two.revoke('no-such-id', 'revoked'), false);
});

test('why a session ended is forgotten after a while, not that it did', async (t) => {
  const { sessions, clock } = world(t);
  const { token, session } = await beginSession(sessions, start('alice'));
  await sessions.revoke(session.id, 'revoked');
  clock.advance(16 * minute);
  assert.deepEqual(await sessions.load(token), { kind: 'none' });
});

test('all sessions of a user end together, whatever way the name is written; nobody else is touched', async (t) => {
  const { sessions } = world(t);
  for (const subject of ['alice', 'alice', 'alice2', 'al', 'alice:x']) await beginSession(sessions, start(subject));
  assert.equal((await Array.fromAsync(sessions.list({ user: 'ALICE ' }))).length, 2);
  assert.equal(await sessions.revokeUser(' Alice', 'revoked'), 2);
  assert.equal(await sessions.revokeUser('alice', 'revoked'), 0);
  assert.equal(await sessions.revokeUser('*', 'revoked'), 0);
  const left = await Array.fromAsync(sessions.list());
  assert.deepEqual(left.map(({ assertion }) => assertion.subject).toSorted(), ['al', 'alice2', 'alice:x']);
  assert.equal(await sessions.count(), 3);
});

test('a handle ends the sessions of its provider only', async (t) => {
  const { sessions } = world(t);
  const ours = await beginSession(sessions, start('alice', { grant: { handles: ['ST-1', 'sid:a'] } }));
  const other = await beginSession(sessions, start('alice', { provider: 'campus', grant: { handles: ['ST-1'] } }));
  assert.equal(await sessions.revokeHandle('directory', 'ST-1', 'single-logout'), 1);
  assert.deepEqual(await sessions.load(ours.token), { kind: 'ended', reason: 'single-logout' });
  assert.equal((await sessions.load(other.token)).kind, 'live');
  assert.equal(await sessions.revokeHandle('directory', 'sid:a', 'single-logout'), 0);
});

test('a revocation meets a session that is being rotated, at every point of it', async (t) => {
  for (let stop = 0; stop < 6; stop++) {
    const { store, sessions: other } = world(t);
    let calls = 0;
    const interrupt = async (): Promise<void> => {
      if (calls++ === stop) await other.revokeUser('alice', 'revoked');
    };
    const slow = storeWith(store, {
      put: (...call) => interrupt().then(() => store.put(...call)),
      replace: (...call) => interrupt().then(() => store.replace(...call)),
      delete: (...call) => interrupt().then(() => store.delete(...call)),
    });
    const { session } = await beginSession(other, start('alice'));
    const { sessions } = world(t, { store: slow });
    const proved = await sessions.prove(session, start('alice'));
    if (calls <= stop) await other.revokeUser('alice', 'revoked');
    assert.equal(await other.count(), 0, `stopped before call ${stop}: ${proved.kind}`);
  }
});

test('a revocation of the old id follows a rotation', async (t) => {
  const { sessions } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  const proved = await sessions.prove(session, start('alice'));
  assert.ok(proved.kind === 'live' && proved.token);
  assert.equal(await sessions.revoke(session.id, 'revoked'), true);
  assert.deepEqual(await sessions.load(proved.token), { kind: 'ended', reason: 'revoked' });
});

test('of two rotations at once one goes on', async (t) => {
  const { worker, store } = world(t);
  const [one, two] = [worker(), worker()];
  const { session } = await beginSession(one, start('alice'));
  const results = await Promise.all([one.prove(session, start('alice')), two.prove(session, start('alice'))]);
  assert.deepEqual(results.map(({ kind }) => kind).toSorted(), ['ended', 'live']);
  assert.equal(await one.count(), 1);
  assert.equal((await Array.fromAsync(store.list('session-user:'))).length, 1);
});

test('a user has so many sessions at once; the oldest end', async (t) => {
  const { sessions, clock } = world(t, { perUser: 3 });
  const tokens: string[] = [];
  for (let i = 0; i < 5; i++) {
    tokens.push((await beginSession(sessions, start('alice'))).token);
    clock.advance(1000);
  }
  await beginSession(sessions, start('bob'));
  const kinds = await Promise.all(tokens.map(async (token) => (await sessions.load(token)).kind));
  assert.deepEqual(kinds, ['ended', 'ended', 'live', 'live', 'live']);
});

test('a store out of reach is an error, never an absent session', async (t) => {
  const { store } = world(t);
  const down = (): Promise<never> => Promise.reject(storeFailure('unreachable', 'down'));
  const { sessions } = world(t, { store: storeWith(store, { get: down, put: down, replace: down }) });
  const attempts = [
    async () => sessions.load('A'.repeat(43)),
    () => beginSession(sessions, start('alice')),
    () => sessions.revoke('x', 'revoked'),
  ];
  for (const attempt of attempts) await assert.rejects(attempt, { name: 'Failure' });
});

test('a record that cannot be opened is said once, and again when it has been right in between', async (t) => {
  const { store, sessions } = world(t);
  const { token } = await beginSession(sessions, start('alice'));
  let isSealed = true;
  const get = async (key: string) => {
    const stored = await store.get(key);
    if (stored && isSealed) throw new UnopenedEntry(stored.version, storeFailure('sealed', 'an unknown key'));
    return stored;
  };
  const { sessions: reader, log } = world(t, { store: storeWith(store, { get }) });
  const said = () => log.lines.filter(({ message }) => message.includes('cannot be opened')).length;
  for (let request = 0; request < 20; request++) assert.deepEqual(await reader.load(token), { kind: 'unreadable' });
  assert.equal(said(), 1);
  isSealed = false;
  assert.equal((await reader.load(token)).kind, 'live');
  isSealed = true;
  assert.equal((await reader.load(token)).kind, 'unreadable');
  assert.equal(said(), 2);
});

test('a store that is busy behind the record of a new session leaves no session that nobody has the token of', async (t) => {
  const { store } = world(t);
  let isBusy = false;
  const busy = (): Promise<never> => Promise.reject(storeFailure('busy', 'held by another process'));
  const failing = storeWith(store, {
    replace: async (...call) => {
      if (isBusy) return busy();
      const isWritten = await store.replace(...call);
      isBusy = String(call[0]).startsWith('session:');
      return isWritten;
    },
    get: (key) => (isBusy ? busy() : store.get(key)),
  });
  const { sessions, worker, log } = world(t, { store: failing, perUser: 1 });
  const first = await beginSession(sessions, start('alice'));
  isBusy = false;
  const second = await beginSession(sessions, start('alice'));
  assert.ok(log.lines.some(({ level, message }) => level === 'warn' && message.includes('beyond the limit')));
  isBusy = false;
  assert.equal((await worker().load(second.token)).kind, 'live');
  await beginSession(sessions, start('alice'));
  isBusy = false;
  assert.notEqual((await worker().load(first.token)).kind, 'none');
});

test('a session that the store does not let end keeps none of the others from ending, and is reported', async (t) => {
  const { store, clock } = world(t);
  let stuck = '';
  const failing = storeWith(store, {
    replace: (...call) =>
      call[0] === `session:${stuck}` ? Promise.reject(storeFailure('full', 'no room')) : store.replace(...call),
  });
  const { sessions, log } = world(t, { store: failing });
  const begun: Awaited<ReturnType<Sessions['create']>>[] = [];
  for (let i = 0; i < 4; i++) begun.push(await beginSession(sessions, start('alice', { grant: { handles: ['h'] } })));
  for (const end of [
    () => sessions.revokeUser('alice', 'revoked'),
    () => sessions.revokeHandle('directory', 'h', 'revoked'),
  ]) {
    stuck = begun[1]?.session.id ?? '';
    await assert.rejects(end, { name: 'Failure', answer: 'full' });
    const kinds = await Promise.all(begun.map(async ({ token }) => (await sessions.load(token)).kind));
    assert.deepEqual(kinds, ['ended', 'live', 'ended', 'ended']);
  }
  assert.ok(log.lines.some(({ fields }) => 'ended' in fields && 'failed' in fields && fields.failed === 1));
  stuck = '';
  clock.advance(minute);
  assert.equal(await sessions.revokeUser('alice', 'revoked'), 1, 'it is found again');
});

test('activity that could not be stored is stored later', async (t) => {
  const { store } = world(t);
  let isDown = false;
  const failing = storeWith(store, {
    replace: (...call) => (isDown ? Promise.reject(storeFailure('full', 'no room')) : store.replace(...call)),
  });
  const { sessions, clock, log, worker } = world(t, { store: failing });
  const { token, session } = await beginSession(sessions, start('alice'));
  isDown = true;
  clock.advance(minute);
  sessions.touch(session);
  await until('the failure is logged', () => log.lines.some(({ level }) => level === 'warn'));
  isDown = false;
  await sessions.flush();
  const loaded = await worker().load(token);
  assert.ok(loaded.kind === 'live' && loaded.session.lastSeenAt === clock.now());
});

test('a store that refuses activity is not asked again by each request, and said once', async (t) => {
  const { store } = world(t);
  let isDown = false;
  let refusals = 0;
  const failing = storeWith(store, {
    replace: (...call) => {
      if (!isDown) return store.replace(...call);
      refusals += 1;
      return Promise.reject(storeFailure('full', 'no room'));
    },
  });
  const { sessions, clock, log } = world(t, { store: failing });
  const { session } = await beginSession(sessions, start('alice'));
  isDown = true;
  clock.advance(minute);
  for (let request = 0; request < 50; request++) {
    sessions.touch(session);
    await new Promise(setImmediate);
  }
  assert.equal(refusals, 1);
  clock.advance(minute);
  sessions.touch(session);
  await until('it is tried again', () => refusals === 2);
  assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 1);
  isDown = false;
  await sessions.flush();
  assert.ok(log.lines.some(({ level, message }) => level === 'info' && message.includes('stored again')));
});

test('nothing stays in the store when all is over', async (t) => {
  const { sessions, store, clock } = world(t);
  const { session } = await beginSession(sessions, start('alice', { grant: { handles: ['a'] } }));
  const proved = await sessions.prove(session, start('alice', { grant: { handles: ['b'] } }));
  assert.equal(proved.kind, 'live');
  await sessions.revokeUser('alice', 'revoked');
  await beginSession(sessions, start('bob', { grant: { handles: ['c'] } }));
  clock.advance(13 * 60 * minute);
  assert.equal(await storedText(store), '[]');
});
