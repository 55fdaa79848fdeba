/** Tokens of a session at further hosts: whose they are, how long, and beside rotations and logins of other workers. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { beginSession, type TestSession } from '../support/scenes/begin-session.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const minute = 60_000;

function world(t: TestContext) {
  const clock = manualClock();
  const log = keptLog();
  const store = new MemoryStore(clock);
  const worker = (): Sessions => {
    const sessions = new Sessions({ store, clock, log, idle: 30 * minute, lifetime: 12 * 60 * minute });
    t.after(() => sessions.close());
    return sessions;
  };
  t.after(() => store.close());
  return { clock, store, worker, sessions: worker() };
}

function start(subject: string, more: Partial<TestSession> = {}): TestSession {
  const assertion = { realm: 'directory', subject, amr: ['pwd'] as const, attributes: {} };
  return {
    tenant: 'default',
    assertion,
    provider: 'directory',
    client: { address: '192.0.2.1', userAgent: 'x' },
    ...more,
  };
}

const tokenOf = async (sessions: Sessions, id: string, host = 'desk.example'): Promise<string> =>
  (await sessions.hosts.issue(id, host))?.token ?? assert.fail('no token was issued');

async function subjectOf(sessions: Sessions, token: string, host = 'desk.example'): Promise<string> {
  const found = await sessions.hosts.load(token, host);
  return found.kind === 'live' ? found.session.assertion.subject : found.kind === 'ended' ? found.reason : found.kind;
}

test('host tokens: one counts at its host, for the session, in every worker; the session’s own counts at none', async (t) => {
  const { sessions, worker } = world(t);
  const { session, token } = await beginSession(sessions, start('alice'));
  const desk = await tokenOf(sessions, session.id);
  assert.equal(await subjectOf(worker(), desk), 'alice');
  assert.equal(await subjectOf(sessions, desk, 'other.example'), 'none');
  assert.equal(await subjectOf(sessions, token), 'none');
  assert.equal((await sessions.load(desk)).kind, 'none', 'nor is it the session’s own');
  for (const odd of ['', 'x', session.id, `${desk}x`]) assert.equal(await subjectOf(sessions, odd), 'none');
});

test('host tokens: a rotation leaves them, also when the old id is forgotten; so does a login of the same user, not of another', async (t) => {
  const { sessions, clock } = world(t);
  const first = await beginSession(sessions, start('alice'));
  const desk = await tokenOf(sessions, first.session.id);
  const proved = await sessions.prove(first.session, start('alice'));
  assert.ok(proved.kind === 'live' && proved.token !== undefined);
  assert.equal(await subjectOf(sessions, desk), 'alice');
  clock.advance(16 * minute);
  assert.equal(await subjectOf(sessions, desk), 'alice');
  const again = await beginSession(sessions, start('alice', { replaces: proved.token }));
  clock.advance(16 * minute);
  assert.equal(await subjectOf(sessions, desk), 'alice');
  await beginSession(sessions, start('bob', { replaces: again.token }));
  assert.equal(await subjectOf(sessions, desk), 'rotated');
});

test('host tokens: an end says why, and is the end of all', async (t) => {
  const { sessions, clock } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  const tokens = [await tokenOf(sessions, session.id), await tokenOf(sessions, session.id, 'other.example')];
  await sessions.revoke(session.id, 'signed-out');
  assert.equal(await subjectOf(sessions, tokens[0] ?? ''), 'signed-out');
  assert.equal(await subjectOf(sessions, tokens[1] ?? '', 'other.example'), 'signed-out');
  assert.equal(await sessions.hosts.issue(session.id, 'desk.example'), undefined);
  const idle = await beginSession(sessions, start('alice'));
  const late = await tokenOf(sessions, idle.session.id);
  clock.advance(31 * minute);
  assert.equal(await subjectOf(sessions, late), 'idle');
});

test('host tokens: issued while the session rotates or is seen by others, none is lost', async (t) => {
  const { sessions, worker } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  const others = [worker(), worker(), worker()];
  const issuing = others.map((one, index) => tokenOf(one, session.id, `host${index}.example`));
  const rotating = sessions.prove(session, start('alice'));
  for (const one of others) one.touch(session);
  const tokens = await Promise.all(issuing);
  assert.equal((await rotating).kind, 'live');
  await Promise.all(others.map((one) => one.flush()));
  for (const [index, token] of tokens.entries())
    assert.equal(await subjectOf(sessions, token, `host${index}.example`), 'alice', String(index));
});

test('host tokens: of many at one host the oldest go, and those of other hosts stay', async (t) => {
  const { sessions } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  const other = await tokenOf(sessions, session.id, 'other.example');
  const tokens: string[] = [];
  for (let count = 0; count < 12; count += 1) tokens.push(await tokenOf(sessions, session.id));
  const live = await Promise.all(tokens.map((token) => subjectOf(sessions, token)));
  assert.deepEqual(live, [...Array(4).fill('none'), ...Array(8).fill('alice')]);
  assert.equal(await subjectOf(sessions, other, 'other.example'), 'alice');
});

test('host tokens: nothing of them stays in the store when all is over', async (t) => {
  const { sessions, store, clock } = world(t);
  const { session } = await beginSession(sessions, start('alice'));
  await tokenOf(sessions, session.id);
  clock.advance(13 * 60 * minute);
  const left = await Array.fromAsync(store.list(''));
  assert.deepEqual(left, []);
});
