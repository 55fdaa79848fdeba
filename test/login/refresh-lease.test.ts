/** Refreshing a session at its provider: by one worker at a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { SessionRefresher } from '../../src/login/refresh.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { beginSession } from '../support/scenes/begin-session.ts';
import { principalsWith } from '../support/scenes/principals.ts';
import { scripted } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const hour = 3_600_000;

test('refresh: of two workers one asks the provider, and the other goes on with what is known', async (t) => {
  const clock = manualClock();
  const log = keptLog();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const assertion = { realm: 'sso', subject: 'alice', amr: ['oidc'], attributes: {} } as const;
  let calls = 0;
  const link = scripted('sso', { kind: 'unknown-user' });
  const refresh = async (): Promise<Outcome> => {
    calls += 1;
    await new Promise((resolve) => setImmediate(resolve));
    return { kind: 'authenticated', assertion, grant: { state: { token: calls }, refreshAt: clock.now() + hour } };
  };
  const linkOf = () => ({ ...link, provider: { ...link.provider, refresh } });
  const workers = [0, 1].map(() => {
    const sessions = new Sessions({ store, clock, log, idle: 12 * hour, lifetime: 24 * hour });
    t.after(() => sessions.close());
    return {
      sessions,
      refresher: new SessionRefresher({ store, clock, sessions, log, linkOf, principals: principalsWith() }),
    };
  });
  const { session } = await beginSession(workers[0]!.sessions, {
    tenant: 'default',
    assertion,
    provider: 'sso',
    grant: { state: { token: 0 }, refreshAt: clock.now() + hour },
    client: { address: '192.0.2.1', userAgent: 'Firefox' },
  });
  clock.advance(hour);
  const signal = new AbortController().signal;
  const found = await Promise.all(workers.map(async ({ refresher }) => refresher.refresh(session, signal)));
  assert.equal(calls, 1, 'a refresh token used twice revokes the login');
  assert.deepEqual(
    found.map(({ kind }) => kind),
    ['live', 'live'],
  );
  await workers[1]!.refresher.refresh(session, signal);
  assert.equal(calls, 1, 'who has read the session before the refresh asks no more');
});
