/** When accounts are asked about anew, by whom, and what no answer of theirs does. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Session } from '../../src/core/session.ts';
import { SessionRechecker } from '../../src/login/recheck.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { beginSession } from '../support/scenes/begin-session.ts';
import { principalsWith } from '../support/scenes/principals.ts';
import { scripted } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const every = 300_000;
const hour = 3_600_000;

interface Worker {
  readonly sessions: Sessions;
  readonly rechecker: SessionRechecker;
}

interface World {
  readonly clock: ManualClock;
  readonly asked: string[];
  worker(): Worker;
  begin(subject: string, provider?: string): Promise<Session>;
}

/** Workers over one store, whose directory says this of everybody. */
function world(t: TestContext, answer: (subject: string) => Outcome | Promise<Outcome>, interval = every): World {
  const clock = manualClock();
  const log = keptLog();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const asked: string[] = [];
  const standing = async (subject: string): Promise<Outcome> => {
    asked.push(subject);
    return answer(subject);
  };
  const link = scripted('directory', { kind: 'unknown-user' });
  const chain = [
    { ...link, provider: { ...link.provider, standing } },
    scripted('other', { kind: 'unknown-user' }),
    scripted('strict', { kind: 'unknown-user' }),
  ];
  const verifiers = { heed: async () => undefined };
  const principals = principalsWith();
  const worker = (): Worker => {
    const sessions = new Sessions({ store, clock, log, idle: 12 * hour, lifetime: 24 * hour });
    const rechecker = new SessionRechecker({
      every: interval,
      store,
      clock,
      sessions,
      log,
      chain,
      mustKnow: (name) => (name === 'strict' ? chain[0] : undefined),
      verifiers,
      principals,
    });
    t.after(async () => {
      await rechecker.close();
      await sessions.close();
    });
    return { sessions, rechecker };
  };
  const own = worker();
  const begin = async (subject: string, provider = 'directory'): Promise<Session> => {
    const client = { address: '192.0.2.1', userAgent: 'Firefox' };
    return (await beginSession(own.sessions, { tenant: 'default', assertion: present(subject), provider, client }))
      .session;
  };
  return { clock, asked, worker, begin };
}

function present(subject: string, groups: readonly string[] = ['agents']) {
  return { realm: 'example', subject, amr: ['pwd'], attributes: { groups } } as const;
}

const stays = (subject: string): Outcome => ({ kind: 'authenticated', assertion: present(subject) });
const settled = () => delay(20);

test('recheck: an account is asked about once in an interval, by one worker, and only while it is in use', async (t) => {
  const { clock, asked, worker, begin } = world(t, stays);
  const [one, other] = [worker(), worker()];
  const session = await begin('alice');
  await begin('unused');
  for (let minute = 0; minute < 30; minute++) {
    for (const { rechecker } of [one, other]) {
      rechecker.note(session);
      rechecker.note(session);
    }
    await settled();
    clock.advance(60_000);
  }
  assert.deepEqual([...new Set(asked)], ['alice']);
  assert.ok(asked.length >= 4 && asked.length <= 10, `${asked.length} times in half an hour`);
});

test('recheck: a thousand accounts that come together are asked about spread in time, few at once', async (t) => {
  let [open, most] = [0, 0];
  const answer = async (subject: string): Promise<Outcome> => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setImmediate(resolve));
    open -= 1;
    return stays(subject);
  };
  const { clock, asked, worker, begin } = world(t, answer);
  const all: Session[] = [];
  for (let index = 0; index < 1000; index++) all.push(await begin(`agent${index}`));
  clock.advance(hour);
  // As after a restart: nobody knows when they were last asked about.
  const { rechecker } = worker();
  const counts: number[] = [];
  for (let slice = 0; slice < 10; slice++) {
    const before = asked.length;
    for (const session of all) rechecker.note(session);
    await until('all that is due was asked', async () => {
      const seen = asked.length;
      await settled();
      return seen === asked.length;
    });
    counts.push(asked.length - before);
    clock.advance(every / 10);
  }
  assert.ok(Math.max(...counts) < 300, `in tenths of the interval: ${counts.join(' ')}`);
  assert.ok(asked.length >= 850, `${asked.length}`);
  assert.ok(most <= 4, `${most} at once`);
});

test('recheck: who must exist in a directory ends when it knows the user no more or bars it, and stays when it is away', async (t) => {
  const answers: Record<string, Outcome> = {
    gone: { kind: 'unknown-user' },
    barred: { kind: 'rejected', reason: 'account-disabled' },
    stays: stays('stays'),
    unsure: { kind: 'unavailable', reason: 'unreachable' },
  };
  const { clock, asked, worker, begin } = world(t, (subject) => answers[subject] ?? stays(subject));
  const { rechecker, sessions } = worker();
  const began = new Map<string, Session>();
  for (const name of Object.keys(answers)) began.set(name, await begin(name, 'strict'));
  clock.advance(every);
  for (const session of began.values()) rechecker.note(session);
  await until('all were asked about', () => asked.length === 4);
  await settled();
  const kinds = new Map<string, string>();
  for (const [name, { id }] of began) kinds.set(name, (await sessions.alive(id)).kind);
  assert.deepEqual(Object.fromEntries(kinds), { gone: 'ended', barred: 'ended', stays: 'live', unsure: 'live' });
});

const harmless: Readonly<Record<string, Outcome>> = {
  'a directory that is away': { kind: 'unavailable', reason: 'unreachable' },
  'a directory that is wrongly set up': { kind: 'unavailable', reason: 'misconfigured' },
  'an entry that has lost what names it': { kind: 'rejected', reason: 'claim-missing' },
  'a password that has expired': { kind: 'rejected', reason: 'password-expired' },
  'an offer': { kind: 'challenge', offers: [] },
};
for (const [what, outcome] of Object.entries(harmless))
  test(`recheck: ${what} ends nobody`, async (t) => {
    const { clock, asked, worker, begin } = world(t, () => outcome);
    const { rechecker, sessions } = worker();
    const session = await begin('alice');
    clock.advance(every);
    rechecker.note(session);
    await until('it was asked', () => asked.length > 0);
    await settled();
    assert.equal((await sessions.alive(session.id)).kind, 'live');
  });

test('recheck: after an outage it is asked again soon', async (t) => {
  let isAway = true;
  const answer = (subject: string): Outcome =>
    isAway ? { kind: 'unavailable', reason: 'unreachable' } : { kind: 'rejected', reason: 'account-disabled', subject };
  const { clock, asked, worker, begin } = world(t, answer);
  const { rechecker, sessions } = worker();
  const session = await begin('alice');
  clock.advance(every);
  rechecker.note(session);
  await until('it was asked', () => asked.length === 1);
  await settled();
  isAway = false;
  clock.advance(30_000);
  rechecker.note(session);
  await until('it has ended', async () => (await sessions.alive(session.id)).kind === 'ended');
});

test('recheck: what is learned counts for all sessions of the account at that provider, and for no other', async (t) => {
  const { clock, worker, begin } = world(t, () => ({ kind: 'unknown-user' }));
  const { rechecker, sessions } = worker();
  const [one, two, elsewhere] = [await begin('alice'), await begin('alice'), await begin('alice', 'other')];
  const bob = await begin('bob');
  clock.advance(every);
  rechecker.note(one);
  await until('both have ended', async () => {
    const states = await Promise.all([one, two].map(({ id }) => sessions.alive(id)));
    return states.every(({ kind }) => kind === 'ended');
  });
  for (const { id } of [elsewhere, bob]) assert.equal((await sessions.alive(id)).kind, 'live');
});

test('recheck: another account under the name is not the one that signed in', async (t) => {
  const { clock, worker, begin } = world(t, () => ({ kind: 'authenticated', assertion: present('alicia') }));
  const { rechecker, sessions } = worker();
  const session = await begin('alice');
  clock.advance(every);
  rechecker.note(session);
  await until('it has ended', async () => (await sessions.alive(session.id)).kind === 'ended');
});

test('recheck: where it is off, or the provider cannot say, nobody is asked', async (t) => {
  const off = world(t, stays, 0);
  const able = world(t, stays);
  for (const [{ clock, worker, begin, asked }, provider] of [
    [off, 'directory'],
    [able, 'other'],
  ] as const) {
    const { rechecker } = worker();
    const session = await begin('alice', provider);
    clock.advance(hour);
    assert.equal(rechecker.note(session), Number.POSITIVE_INFINITY);
    await settled();
    assert.deepEqual(asked, []);
  }
});
