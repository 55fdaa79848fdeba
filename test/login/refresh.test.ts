/** Sessions whose provider is asked anew: what ends them, and what does not. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { SessionRefresher } from '../../src/login/refresh.ts';
import { CircuitBreaker } from '../../src/remote/circuit-breaker.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { beginSession } from '../support/scenes/begin-session.ts';
import { principalsWith } from '../support/scenes/principals.ts';
import { scripted } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const dead: Outcome = { kind: 'unavailable', reason: 'token-rejected', answered: 'of-the-user' };
const strangers: Outcome = { kind: 'unavailable', reason: 'misconfigured', answered: 'of-the-gateway' };
const outage: Outcome = { kind: 'unavailable', reason: 'unreachable' };

const assertion = { realm: 'sso', subject: 'alice', amr: ['oidc'] as const, attributes: {} };

/** A session that is due at once, and whoever refreshes it; `answers` are given in turn. */
async function world(t: TestContext) {
  const [clock, log] = [manualClock(), keptLog()];
  const store = new MemoryStore(clock);
  const sessions = new Sessions({ store, clock, log, idle: 3_600_000, lifetime: 36_000_000 });
  t.after(async () => {
    await sessions.close();
    await store.close();
  });
  const breaker = new CircuitBreaker({ clock });
  const link = scripted('sso', outage, { breaker });
  const answers: Outcome[] = [];
  Object.assign(link.provider, { refresh: async () => answers.shift() ?? outage });
  const refresher = new SessionRefresher({
    store,
    clock,
    sessions,
    log,
    principals: principalsWith(),
    linkOf: () => link,
  });
  const { session } = await beginSession(sessions, {
    tenant: 'default',
    assertion,
    provider: 'sso',
    client: { address: '192.0.2.1', userAgent: 'Firefox' },
    grant: { state: {}, refreshAt: clock.now() },
  });
  const refresh = async (answer: Outcome, after = 31_000): Promise<string> => {
    answers.push(answer);
    clock.advance(after);
    const found = await refresher.refresh(session, AbortSignal.timeout(5000));
    return found.kind === 'ended' ? `ended ${found.reason}` : found.kind;
  };
  return { refresh, breaker, store };
}

test('refresh: a token that is refused three times in a row ends its session, and counts against nobody', async (t) => {
  const { refresh, breaker } = await world(t);
  assert.equal(await refresh(dead, 0), 'live');
  assert.equal(await refresh(dead), 'live');
  assert.equal(await refresh(dead, 30_000), 'ended revoked');
  assert.deepEqual([breaker.snapshot().state, breaker.snapshot().failures], ['closed', 0]);
});

test('refresh: while sessions go on without the store nobody is asked, and no session ends by it', async (t) => {
  const { refresh, store } = await world(t);
  const away = { outage: () => ({ message: 'away', goesOn: 1000 }), replace: () => Promise.reject(new Error('away')) };
  const { outage: isWell, replace } = store;
  Object.assign(store, away);
  for (let request = 0; request < 5; request++) assert.equal(await refresh(dead), 'live');
  Object.assign(store, { outage: isWell, replace });
  assert.equal(await refresh(dead), 'live');
  assert.equal(await refresh(dead), 'live');
  assert.equal(await refresh(dead), 'ended revoked', 'what it was told meanwhile was not asked for');
});

test('refresh: one that has been refused for a minute ends it too, however seldom it was asked', async (t) => {
  const { refresh } = await world(t);
  assert.equal(await refresh(dead, 0), 'live');
  assert.equal(await refresh(dead, 600_000), 'ended revoked');
});

test('refresh: a refusal between good answers is forgotten', async (t) => {
  const { refresh } = await world(t);
  const good: Outcome = { kind: 'authenticated', assertion, grant: { state: {}, refreshAt: 0 } };
  for (const answer of [dead, dead, good, dead, dead, good]) assert.equal(await refresh(answer), 'live', answer.kind);
});

test('refresh: neither an outage nor a client that is refused ends a session', async (t) => {
  const { refresh, breaker } = await world(t);
  for (let time = 0; time < 10; time++) assert.equal(await refresh(strangers), 'live');
  assert.equal(breaker.snapshot().state, 'closed');
  for (let time = 0; time < 10; time++) assert.equal(await refresh(outage), 'live');
  assert.equal(breaker.snapshot().state, 'open');
});
