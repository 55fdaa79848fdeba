/** Failed logins take steps of even length, so that the time they take tells nothing of who was named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PasswordForm } from '../../src/login/password-form.ts';
import { PasswordLogin } from '../../src/login/password-login.ts';
import { SignIn } from '../../src/login/sign-in.ts';
import { TypedNames } from '../../src/login/typed-names.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { createAudit } from '../../src/telemetry/audit.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { Recorder } from '../../src/telemetry/recorder.ts';
import { Lockout, lockoutOptions } from '../../src/users/lockout.ts';
import { principalsWith } from '../support/scenes/principals.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const forms: Readonly<Record<string, { form: Partial<PasswordForm>; took: number; waits: number }>> = {
  'that was refused at once': { form: { password: '' }, took: 1, waits: 499 },
  'of a reserved name after a while': { form: { username: 'xuc' }, took: 620, waits: 380 },
  'that took just one step': { form: { password: '\0' }, took: 500, waits: 0 },
};
for (const [name, { form, took, waits }] of Object.entries(forms))
  test(`login: a failed form ${name} is answered at the next half second`, async (t) => {
    let now = 10_000;
    t.mock.timers.enable({ apis: ['setTimeout'] });
    t.mock.method(performance, 'now', () => now);
    const clock = manualClock();
    const log = keptLog();
    const store = new MemoryStore(clock);
    t.after(() => store.close());
    const sessions = new Sessions({ store, clock, log, idle: 60_000, lifetime: 60_000 });
    t.after(() => sessions.close());
    const records = { write: () => (now += took) };
    const audit = createAudit({ to: 'stdout', requests: 'all', clock, log, stream: records });
    const signIn = new SignIn({
      log,
      chain: [],
      off: [],
      names: new TypedNames({}),
      totalTimeout: 1000,
      sessions,
      reservedUsers: ['xuc'],
      publicUrl: new URL('http://gate.test/'),
      principals: principalsWith(),
      directoryOf: () => undefined,
      recorder: new Recorder(createMetrics({ processMetrics: false }), audit),
    });
    const lockout = new Lockout({ store, clock, options: lockoutOptions.parse({}) });
    const offline = { check: async () => undefined, note: async () => undefined };
    const login = new PasswordLogin({
      signIn,
      lockout,
      cuts: { cut: () => Promise.resolve() },
      offline,
      endSessions: async () => undefined,
    });
    const client = { address: '192.0.2.1', scheme: 'https' as const, userAgent: '' };
    let isAnswered = false;
    const signal = new AbortController().signal;
    const answer = login
      .check({ username: 'alice', password: 'x', client, requestId: '1', signal, ...form })
      .then((result) => {
        isAnswered = true;
        return result;
      });
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    if (waits > 0) {
      t.mock.timers.tick(waits - 1);
      await nextTurn();
      assert.equal(isAnswered, false);
    }
    t.mock.timers.tick(1);
    assert.equal((await answer).kind, 'failed');
  });
