/** What stands in the store: records of earlier and of newer workers, what cannot be read, and whose a session is. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { provedAt } from '../../src/core/proof.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { Store, Stored } from '../../src/core/store.ts';
import { newIdentity } from '../../src/sessions/cookie.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { SealedStore } from '../../src/store/sealed.ts';
import { beginSession, type TestSession } from '../support/scenes/begin-session.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const minute = 60_000;

function world(t: TestContext, { perUser = 20 } = {}) {
  const clock = manualClock();
  const log = keptLog();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const workerOn = (at: Store): Sessions => {
    const sessions = new Sessions({ store: at, clock, log, idle: 30 * minute, lifetime: 720 * minute, perUser });
    t.after(() => sessions.close());
    return sessions;
  };
  return { clock, log, store, workerOn, sessions: workerOn(store) };
}

function start(subject: string, more: Partial<TestSession> = {}): TestSession {
  return {
    tenant: 'default',
    assertion: { realm: 'directory', subject, amr: ['pwd'], attributes: {} },
    provider: 'directory',
    client: { address: '192.0.2.1', userAgent: 'Firefox' },
    ...more,
  };
}

/** The stored value of a session, as an object. */
async function recordOf(store: Store, id: string): Promise<Record<string, unknown>> {
  const stored = await store.get(`session:${id}`);
  assert.ok(stored);
  return JSON.parse(stored.value);
}

async function change(store: Store, id: string, more: object): Promise<void> {
  await store.put(`session:${id}`, JSON.stringify({ ...(await recordOf(store, id)), ...more }));
}

/** A session as it stood in the store before there were accounts and proofs, byte by byte, with its index entries. */
async function earlier(store: Store, now: number, subject: string): Promise<{ id: string; token: string }> {
  const { token, id } = newIdentity();
  const at = now - minute;
  const value =
    `{"kind":"live","assertion":{"realm":"directory","subject":"${subject}","amr":["pwd"],"attributes":{"groups":["agents"]}},` +
    `"provider":"directory","createdAt":${at},"lastSeenAt":${at},"provedAt":${at},"expiresAt":${at + 720 * minute},` +
    `"client":{"address":"192.0.2.1","userAgent":"Firefox"},"grant":{"handles":["ST-1"]}}`;
  const digest = (text: string): string => hash('sha256', text, 'base64url');
  await store.put(`session-user:${digest(subject)}:${id}`, String(at));
  await store.put(`session-handle:directory:${digest('ST-1')}:${id}`, String(at));
  await store.put(`session:${id}`, value);
  return { id, token };
}

test('a session from before there were accounts is read, with the one proof that it tells of', async (t) => {
  const { sessions, store, clock } = world(t);
  const { id, token } = await earlier(store, clock.now(), 'alice');
  const found = await sessions.load(token);
  assert.ok(found.kind === 'live');
  const { tenant, proofs, grant } = found.session;
  const at = clock.now() - minute;
  assert.deepEqual(
    { tenant, proofs, grant },
    {
      tenant: 'default',
      proofs: [{ step: 'first', by: 'directory', realm: 'directory', amr: ['pwd'], at }],
      grant: { handles: ['ST-1'] },
    },
  );
  assert.equal(await sessions.count(), 1);
  assert.deepEqual(
    (await Array.fromAsync(sessions.list({ user: 'ALICE' }))).map((session) => session.id),
    [id],
  );
});

const ends: Record<string, (sessions: Sessions, token: string) => Promise<unknown>> = {
  'by its user’s name': (sessions) => sessions.revokeUser('Alice', 'revoked'),
  'by a handle of its provider': (sessions) => sessions.revokeHandle('directory', 'ST-1', 'revoked'),
  'by a login over it': (sessions, token) => beginSession(sessions, start('alice', { replaces: token })),
};
for (const [name, end] of Object.entries(ends))
  test(`a session from before there were accounts is ended ${name}`, async (t) => {
    const { sessions, store, clock } = world(t);
    const { token } = await earlier(store, clock.now(), 'alice');
    await end(sessions, token);
    assert.equal((await sessions.load(token)).kind, 'ended');
    assert.deepEqual(await Array.fromAsync(store.list('session-handle:')), []);
  });

test('a session from before there were accounts counts among the sessions of its account', async (t) => {
  const { sessions, store, clock } = world(t, { perUser: 2 });
  const { token } = await earlier(store, clock.now(), 'alice');
  await beginSession(sessions, start('alice'));
  assert.equal((await sessions.load(token)).kind, 'live');
  await beginSession(sessions, start('alice'));
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'revoked' });
});

test('an earlier worker finds all that it reads in a record, under the names that it knows', async (t) => {
  const { sessions, store, clock } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  clock.advance(minute);
  const proved = await sessions.prove(session, start('alice'));
  assert.ok(proved.kind === 'live');
  const record = await recordOf(store, proved.session.id);
  assert.partialDeepStrictEqual(record, {
    kind: 'live',
    assertion: start('alice').assertion,
    provider: 'directory',
    provedAt: clock.now(),
    expiresAt: session.expiresAt,
  });
  assert.equal(provedAt(proved.session.proofs), clock.now());
  assert.partialDeepStrictEqual(await recordOf(store, session.id), {
    kind: 'ended',
    reason: 'rotated',
    next: proved.session.id,
  });
  const entries = await Array.fromAsync(store.list('session-user:'));
  assert.deepEqual(
    entries.map(({ value }) => value),
    [String(clock.now())],
  );
});

test('a word for a proof that no version knew is kept and shown, and signs its user in', async (t) => {
  const { sessions, store } = world(t);
  const amr = ['pwd', 'quantum'];
  const { token, session } = await beginSession(
    sessions,
    start('alice', { assertion: { ...start('alice').assertion, amr, acr: 'urn:gold' } }),
  );
  const found = await sessions.load(token);
  assert.ok(found.kind === 'live');
  assert.deepEqual(found.session.assertion.amr, amr);
  assert.deepEqual(found.session.proofs[0], { ...session.proofs[0], amr, acr: 'urn:gold' });
  assert.equal((await recordOf(store, session.id)).kind, 'live');
});

test('a reason that a newer worker wrote is kept and shown', async (t) => {
  const { sessions, store, log } = world(t);
  const { token, session } = await beginSession(sessions, start('alice'));
  await store.put(`session:${session.id}`, '{"kind":"ended","reason":"tenant-changed","why":"moved"}');
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'tenant-changed' });
  assert.deepEqual(await recordOf(store, session.id), { kind: 'ended', reason: 'tenant-changed', why: 'moved' });
  assert.equal(log.lines.length, 0);
});

test('an end is an end, whatever is wrong with the rest of it', async (t) => {
  const { sessions, store } = world(t);
  const { token, session } = await beginSession(sessions, start('alice'));
  await store.put(`session:${session.id}`, '{"kind":"ended","reason":7,"next":{},"owner":"alice"}');
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'revoked' });
});

test('fields and proofs that a newer worker added stay through activity, a refresh and a fresh proof', async (t) => {
  const { sessions, store, clock } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  const key = { step: 'second', by: 'key', realm: 'directory', amr: ['hwk'], at: clock.now(), touched: true };
  const own = (await recordOf(store, session.id)).proofs as object[];
  await change(store, session.id, { desk: 7, proofs: [...own, key] });
  clock.advance(minute);
  sessions.touch(session);
  await sessions.flush();
  const renewed = await sessions.renew(session, session.assertion, { refreshAt: 5 });
  assert.ok(renewed.kind === 'live');
  const proved = await sessions.prove(session, start('alice', { provider: 'sso' }));
  assert.ok(proved.kind === 'live');
  const record = await recordOf(store, proved.session.id);
  assert.equal(record.desk, 7);
  assert.deepEqual(
    (record.proofs as { by: string }[]).map(({ by }) => by),
    ['sso', 'directory', 'key'],
  );
  assert.deepEqual((record.proofs as object[])[2], key);
});

test('a fresh proof takes the place of the one by the same provider, and leaves the others', async (t) => {
  const { sessions, clock } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  clock.advance(minute);
  const second = await sessions.prove(session, start('alice', { provider: 'sso' }));
  assert.ok(second.kind === 'live');
  clock.advance(minute);
  const third = await sessions.prove(second.session, start('alice'));
  assert.ok(third.kind === 'live');
  const proofs = third.session.proofs.map(({ by, at }) => [by, at]).toSorted();
  assert.deepEqual(proofs, [
    ['directory', clock.now()],
    ['sso', clock.now() - minute],
  ]);
  assert.equal(provedAt(third.session.proofs), clock.now());
});

test('a record that cannot be read signs nobody in, is left alone, and is said once', async (t) => {
  const broken = ['', '{', 'null', '{"kind":"live"}', '{"kind":"asleep"}', '[]', '"live"'];
  for (const value of broken) {
    const { sessions, store, log, clock } = world(t);
    const { token, session } = await beginSession(sessions, start('alice'));
    await store.put(`session:${session.id}`, value);
    for (let i = 0; i < 3; i++) assert.deepEqual(await sessions.load(token), { kind: 'unreadable' }, value);
    assert.deepEqual(await sessions.prove(session, start('alice')), { kind: 'unreadable' });
    sessions.touch(session);
    await sessions.flush();
    assert.deepEqual(await Array.fromAsync(sessions.list()), []);
    clock.advance(2 * minute);
    await beginSession(sessions, start('alice', { replaces: token }));
    assert.equal((await store.get(`session:${session.id}`))?.value, value);
    assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 1, value);
    assert.equal((await Array.fromAsync(store.list('session-user:'))).length, 2, 'it is found again');
  }
});

test('a record that cannot be read is ended by whoever wishes it ended', async (t) => {
  const { sessions, store } = world(t);
  const heard: unknown[] = [];
  sessions.onEnd((end) => void heard.push(end));
  const wishes: ((id: string) => Promise<unknown>)[] = [
    (id) => sessions.revoke(id, 'revoked'),
    () => sessions.revokeUser('alice', 'revoked'),
  ];
  for (const wish of wishes) {
    const { token, session } = await beginSession(sessions, start('alice'));
    await store.put(`session:${session.id}`, '{"kind":"live","proofs":{}}');
    await wish(session.id);
    assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'revoked' });
    assert.deepEqual(heard.pop(), { id: session.id, reason: 'revoked' });
  }
});

test('namesakes of two tenants are two accounts, and both are found by their name', async (t) => {
  const { sessions } = world(t, { perUser: 1 });
  const own = await beginSession(sessions, start('alice'));
  const other = await beginSession(sessions, start('Alice', { tenant: 'acme' }));
  assert.equal((await sessions.load(own.token)).kind, 'live', 'another account’s login ends nothing');
  const idsOf = async (tenant: string) =>
    (await Array.fromAsync(sessions.ofAccount({ tenant, subject: 'alice' }))).map(({ id }) => id);
  assert.deepEqual(await idsOf('default'), [own.session.id]);
  assert.deepEqual(await idsOf('acme'), [other.session.id]);
  assert.equal((await Array.fromAsync(sessions.list({ user: 'alice' }))).length, 2);
  assert.deepEqual(await sessions.prove(own.session, start('alice', { tenant: 'acme' })), {
    kind: 'ended',
    reason: 'revoked',
  });
  const again = await beginSession(sessions, start('alice'));
  await beginSession(sessions, start('alice', { tenant: 'acme', replaces: again.token }));
  assert.deepEqual(await sessions.load(again.token), { kind: 'ended', reason: 'rotated' }, 'nothing is inherited');
  await beginSession(sessions, start('alice'));
  assert.equal(await sessions.revokeUser('alice', 'revoked'), 2);
  assert.equal(await sessions.count(), 0);
});

test('whose a session was is known as long as its end is', async (t) => {
  const { sessions, clock } = world(t);
  const { token } = await beginSession(sessions, start('Alice', { tenant: 'acme' }));
  const owner = { tenant: 'acme', realm: 'directory', subject: 'alice' };
  assert.deepEqual(await sessions.ownerOf(token), owner);
  clock.advance(31 * minute);
  assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'idle' });
  assert.deepEqual(await sessions.ownerOf(token), owner);
  clock.advance(16 * minute);
  assert.equal(await sessions.ownerOf(token), undefined);
});

test('a live session is loaded without a promise where the store answers at once', async (t) => {
  const { store, workerOn } = world(t);
  const kept = new Map<string, Stored | undefined>();
  const methods = ['put', 'replace', 'take', 'delete', 'list', 'changes', 'close'] as const;
  const bound = Object.fromEntries(methods.map((name) => [name, store[name].bind(store)]));
  const sessions = workerOn({ ...bound, get: (key: string) => kept.get(key) } as unknown as Store);
  const { token, session } = await beginSession(sessions, start('alice'));
  kept.set(`session:${session.id}`, await store.get(`session:${session.id}`));
  const found = sessions.load(token);
  assert.ok(!(found instanceof Promise));
  assert.deepEqual(found, { kind: 'live', session });
});

for (const loss of ['altered', 'of a lost key'] as const)
  test(`a session whose seal is ${loss} signs nobody in, can be ended, and keeps no work from the others`, async (t) => {
    const { store, workerOn, log } = world(t);
    const sealed = (key: number): Store =>
      new SealedStore(store, { sealer: new Sealer([new SealKey(Buffer.alloc(32, key))]), log });
    const withSecret = start('alice', { grant: { state: { refreshToken: 'secret' } } });
    const broken = await beginSession(workerOn(sealed(7)), withSecret);
    if (loss === 'altered') {
      const { grant } = await recordOf(store, broken.session.id);
      const { state } = grant as { state: string };
      await change(store, broken.session.id, { grant: { state: `${state.slice(0, -4)}AAAA` } });
    }
    const sessions = workerOn(sealed(loss === 'altered' ? 7 : 8));
    assert.deepEqual(await sessions.load(broken.token), { kind: 'unreadable' });
    const whole = await beginSession(sessions, withSecret);
    const listed = await Array.fromAsync(sessions.list({ user: 'alice' }));
    assert.deepEqual(
      listed.map(({ id }) => id),
      [whole.session.id],
    );
    if (loss === 'altered') {
      assert.equal(await sessions.revoke(broken.session.id, 'revoked'), true);
      assert.equal(await sessions.revokeUser('alice', 'revoked'), 1);
    } else assert.equal(await sessions.revokeUser('alice', 'revoked'), 2);
    for (const { token } of [broken, whole])
      assert.deepEqual(await sessions.load(token), { kind: 'ended', reason: 'revoked' });
  });
