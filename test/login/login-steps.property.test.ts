/**
 * Random sequences of logins, steps, tabs, resends, reloads, restarts and jumps of the clock: no session without the proofs that its
 * level names, none of another user's, and no code that makes two.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Secret, TOTP } from 'otpauth';
import { HeaderLines } from '../../src/core/request-head.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import { buildFactors } from '../../src/factors/build.ts';
import { factorRulesOptions, factorsOptions } from '../../src/factors/options.ts';
import { LoginDoor } from '../../src/login/admit.ts';
import { Browsers } from '../../src/login/browser.ts';
import { LoginSteps } from '../../src/login/login-steps.ts';
import { SignIn } from '../../src/login/sign-in.ts';
import type { StepResult } from '../../src/login/step-result.ts';
import { TypedNames } from '../../src/login/typed-names.ts';
import { levelOf } from '../../src/policy/levels.ts';
import { worthOf } from '../../src/policy/worth.ts';
import { PendingLogins } from '../../src/sessions/pending.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { createAudit } from '../../src/telemetry/audit.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { Recorder } from '../../src/telemetry/recorder.ts';
import { principalsWith } from '../support/scenes/principals.ts';
import { vouched as said, scripted } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { trials } from '../support/tools/properties.ts';

const publicUrl = new URL('http://gate.test');
const users = ['alice', 'bob'] as const;
type User = (typeof users)[number];

/** What one process works with, over a store that outlives it. */
async function processOver(store: MemoryStore, clock: ManualClock, sealer: Sealer) {
  const log = keptLog();
  const sessions = new Sessions({ store, clock, log, idle: 3_600_000, lifetime: 36_000_000 });
  const recorder = new Recorder(createMetrics({ processMetrics: false }), createAudit({ to: 'off', clock, log }));
  const principals = principalsWith('agent');
  const chain = [scripted('directory', said('alice'))];
  const signIn = new SignIn({
    ...{ log, chain, totalTimeout: 2000, sessions, reservedUsers: [], publicUrl, principals, recorder, off: [] },
    directoryOf: () => undefined,
    names: new TypedNames({}),
  });
  const document = {
    factors: factorsOptions.parse({ app: { type: 'totp' } }),
    factorRules: factorRulesOptions.parse({}),
  };
  const more = { server: { publicUrl }, pages: { siteName: 'Site' }, messages: {} };
  const factors = buildFactors({ ...document, ...more } as never, { clock, log, store, sealer } as never);
  const worth = worthOf({ providers: { directory: {} }, factors: document.factors });
  const door = new LoginDoor({ clock, worth, level: 2, principals });
  const pendings = new PendingLogins({ store, clock, publicUrl, lifetime: 600_000 });
  const browsers = await Browsers.open(store, publicUrl);
  const rules = document.factorRules;
  const notices = { heard: async () => undefined };
  const remembered = { recall: async () => undefined, isWished: () => false };
  const opening = { lacksCode: async () => false };
  const kept = { pendings, browsers, signIn, sessions, recorder, factors, rules, notices, remembered, opening };
  const parts = { clock, log, worth, door, ...kept };
  return { steps: new LoginSteps(parts as never), sessions, worth, signIn };
}

/** A browser with its cookies. */
class Jar {
  readonly #cookies = new Map<string, string>();

  get headers(): HeaderLines {
    return new HeaderLines(['cookie', [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')]);
  }

  get token(): string | undefined {
    return this.#cookies.get('gatehouse');
  }

  keep(lines: readonly string[]): void {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }
}

interface Tab {
  readonly jar: Jar;
  readonly user: User;
  readonly id: string;
}

/** Counted from the one that was opened last. */
const tabs = fc.nat(2);
const login = fc.record({ kind: fc.constant('login' as const), jar: fc.nat(1), user: fc.constantFrom(...users) });
const answer = fc.record({
  kind: fc.constant('answer' as const),
  tab: tabs,
  code: fc.constantFrom('own', 'own', 'own', "other's", 'old', 'wrong'),
  times: fc.constantFrom(1, 1, 3),
});
const other = fc.oneof(
  fc.record({ kind: fc.constantFrom('show' as const, 'resend' as const), tab: tabs }),
  fc.record({
    kind: fc.constant('choose' as const),
    tab: tabs,
    factor: fc.constantFrom('app', 'none', undefined),
  }),
  fc.record({
    kind: fc.constant('wait' as const),
    by: fc.constantFrom(30_000, 30_000, 61_000, 400_000, 700_000, -90_000),
  }),
  fc.record({ kind: fc.constant('restart' as const) }),
);
const action = fc.oneof(
  { weight: 3, arbitrary: login },
  { weight: 5, arbitrary: answer },
  { weight: 4, arbitrary: other },
);

test('property: no session without the proofs that its level names', async () => {
  let begun = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
      const clock = manualClock();
      const store = new MemoryStore(clock);
      const sealer = new Sealer([new SealKey(randomBytes(32))]);
      let here = await processOver(store, clock, sealer);
      const jars = [new Jar(), new Jar()];
      const open: Tab[] = [];
      /** By user and factor: the secret that a setup was shown, the one that counts last. */
      const secrets = new Map<string, string[]>();
      const spent = new Set<string>();
      const context = (jar: Jar) => ({
        client: { address: '127.0.0.1', scheme: 'http' as const, userAgent: 'x' },
        ...{
          requestId: 'r',
          headers: jar.headers,
          language: 'en',
          signal: AbortSignal.timeout(60_000),
          token: jar.token,
        },
      });
      const codesOf = (user: User, at: number): string[] =>
        [...secrets].flatMap(([key, list]) =>
          key.startsWith(`${user} `)
            ? list.map((secret) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: at }))
            : [],
        );
      const heed = async (result: StepResult | undefined, { jar, user }: Pick<Tab, 'jar' | 'user'>): Promise<void> => {
        if (!result || result.kind === 'unavailable') return;
        jar.keep(result.cookies);
        if (result.kind === 'pending') {
          const { onShow, id } = result.pending;
          if (!open.some((tab) => tab.id === id)) open.push({ jar, user, id });
          if (onShow?.kind !== 'enrolment') return;
          const { secret } = onShow.page as { secret: string };
          const key = `${user} ${onShow.factor}`;
          secrets.set(key, [...new Set([...(secrets.get(key) ?? []), secret.replaceAll(' ', '')])]);
        }
        if (result.kind !== 'begun') return;
        begun += 1;
        jar.keep([`gatehouse=${result.token}`]);
        const { session } = result;
        assert.equal(session.assertion.subject, user, 'the session is of whoever gave the first proof');
        assert.ok(levelOf(session.proofs, here.worth) >= 2, 'its proofs reach the level');
        const factor = session.proofs.find(({ step }) => step === 'second');
        assert.ok(factor);
        const mark = `${user} ${factor.by} ${factor.at} ${session.id}`;
        assert.ok(!spent.has(mark));
        spent.add(mark);
      };
      for (const one of actions) {
        const tab = 'tab' in one ? open.at(-1 - one.tab) : undefined;
        const pending = tab && (await here.steps.find(tab.id, context(tab.jar)));
        switch (one.kind) {
          case 'login': {
            const jar = jars[one.jar] as Jar;
            jar.keep(['gatehouse-flow='.concat(one.jar === 0 ? 'a'.repeat(22) : 'b'.repeat(22))]);
            const assertion = { realm: 'directory', subject: one.user, amr: ['pwd'] as const, attributes: {} };
            const vouched = here.signIn.vouched({ kind: 'authenticated', assertion }, 'directory');
            await heed(await here.steps.begin({ vouched, returnTo: '/', isPosted: true }, context(jar)), {
              jar,
              user: one.user,
            });
            break;
          }
          case 'show':
            if (pending) await heed(await here.steps.show(pending, context(tab.jar)), tab);
            break;
          case 'resend':
            if (pending) await heed(await here.steps.resend(pending, context(tab.jar)), tab);
            break;
          case 'choose':
            if (pending) await heed(await here.steps.choose(pending, one.factor, context(tab.jar)), tab);
            break;
          case 'answer': {
            if (!pending) break;
            const another = tab.user === 'alice' ? 'bob' : 'alice';
            const at = one.code === 'old' ? clock.now() - 600_000 : clock.now();
            const codes = one.code === 'wrong' ? ['000000'] : codesOf(one.code === "other's" ? another : tab.user, at);
            const code = codes.at(-1) ?? '000000';
            const answers = await Promise.all(
              Array.from({ length: one.times }, () =>
                here.steps.answer(pending, new Map([['code', code]]), context(tab.jar)),
              ),
            );
            assert.ok(answers.filter(({ kind }) => kind === 'begun').length <= 1, 'one answer makes one session');
            for (const answer of answers) {
              if (answer.kind === 'begun')
                assert.ok(one.code === 'own' || codesOf(tab.user, clock.now()).includes(code));
              await heed(answer, tab);
            }
            break;
          }
          case 'wait':
            clock.advance(one.by);
            break;
          case 'restart':
            here = await processOver(store, clock, sealer);
            break;
          default:
            one satisfies never;
        }
        for await (const session of here.sessions.list()) assert.ok(levelOf(session.proofs, here.worth) >= 2);
      }
    }),
    trials(60),
  );
  assert.ok(begun > 10, `sessions began: ${begun}`);
});
