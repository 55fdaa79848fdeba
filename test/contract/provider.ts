/** What holds for every provider. Each provider's own test file calls `providerContract` with a way to set one up. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import type { Log } from '../../src/core/log.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { canonicalUsername } from '../../src/core/principal.ts';
import type { Attempt, Provider } from '../../src/core/provider.ts';
import { type AttemptParts, attemptOf, passwordParts } from '../support/tools/attempt.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

/** A provider whose server does not answer, and the deadline that its options give it. */
export interface Outage {
  readonly provider: Provider;
  /** Milliseconds within which it must have given up. */
  readonly timeout: number;
  /** An attempt that would have to go to the server; the first user's good one when absent. */
  readonly attempt?: AttemptParts;
}

/** A provider and the world around it, set up anew for each test of the contract (a shared server is fine). */
export interface ProviderUnderTest {
  readonly provider: Provider;
  /** The subjects of two users who can sign in. */
  readonly subjects: readonly [string, string];
  /** An attempt by which one of the two signs in; called once an attempt, so that each can bring a fresh ticket or code. */
  good(user: 0 | 1): AttemptParts | Promise<AttemptParts>;
  /** Credentials that are wrong, each with the outcome it must get. */
  readonly bad: Readonly<
    Record<
      string,
      { attempt(): AttemptParts | Promise<AttemptParts>; want: { kind: Outcome['kind']; reason?: string } }
    >
  >;
  /** For providers that check passwords: one who is in the directory, one who is not. */
  readonly passwords?: { readonly known: string; readonly unknown: string };
  /** Names for `lookUp`, where the provider has it; the first user's subject and a stranger when absent. */
  readonly lookUp?: { readonly known: string; readonly unknown: string };
  /** What must never stand in a log line: passwords, manager passwords, tickets, tokens, keys. */
  readonly secrets: readonly string[];
  /** For providers with a server: how it can be gone (`refused`, `hangs`, `stops in the middle`…), each made on demand. */
  readonly outages?: Readonly<Record<string, () => Promise<Outage>>>;
}

/** Sets a provider up with this log; everything ends by `t.after`, but for the provider, which the contract closes. */
export type ProviderSetup = (t: TestContext, log: Log) => Promise<ProviderUnderTest>;

const slack = 1000;
const wrongPassword = 'wrong-9f2c7b1e';

const oddNames: Readonly<Record<string, string>> = {
  'an empty name': '',
  'a wildcard': '*',
  'a filter': '*)(uid=*))(|(uid=*',
  'a NUL': 'alice\0',
  'line breaks': 'alice\r\nX-Remote-User: admin',
  'a DN': 'uid=alice,ou=people,dc=example,dc=com',
  'a path': '../../etc/passwd',
  'a name of objects': '__proto__',
  'half a character': 'a\ud800',
  'a very long name': 'a'.repeat(100_000),
};

/** Declares the tests of the contract. */
export function providerContract(name: string, setup: ProviderSetup): void {
  const contract = (title: string, run: (t: TestContext, at: ProviderUnderTest) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const log = keptLog();
      const at = await setup(t, log);
      t.after(() => at.provider.close?.());
      await run(t, at);
      const text = log.text();
      for (const secret of [...at.secrets, wrongPassword]) assert.ok(!text.includes(secret), `${secret} was logged`);
    });

  contract('two users sign in, as their canonical selves', async (_t, at) => {
    for (const user of [0, 1] as const) {
      assertVouchesFor(await at.provider.attempt(attemptOf(await at.good(user))), at.subjects[user]);
    }
  });

  contract('bad credentials get their outcome and never throw', async (_t, at) => {
    for (const [what, { attempt, want }] of Object.entries(at.bad)) {
      const outcome = await at.provider.attempt(attemptOf(await attempt()));
      assert.partialDeepStrictEqual(outcome, want, what);
      assertHidden(outcome, at.secrets, what);
    }
  });

  contract('an attempt without credentials is asked for them', async (_t, at) => {
    assert.equal((await at.provider.attempt(attemptOf({}))).kind, 'challenge');
  });

  contract('odd user names are refused like unknown ones', async (t, at) => {
    if (!at.passwords) return t.skip('takes no passwords');
    for (const [what, username] of Object.entries(oddNames)) {
      const outcome = await at.provider.attempt(attemptOf(passwordParts(username, wrongPassword)));
      assert.ok(outcome.kind === 'unknown-user' || outcome.kind === 'rejected', `${what}: ${inspect(outcome)}`);
    }
  });

  contract('an unknown user and a wrong password take like time', async (t, at) => {
    if (!at.passwords) return t.skip('takes no passwords');
    await assertAlike(at.provider, at.passwords.known, at.passwords.unknown);
  });

  contract('two attempts at once do not mix', async (_t, at) => {
    const attempts = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => attemptOf(await at.good(i % 2 ? 1 : 0))),
    );
    const outcomes = await Promise.all(attempts.map((attempt) => at.provider.attempt(attempt)));
    outcomes.forEach((outcome, i) => void assertVouchesFor(outcome, at.subjects[i % 2 ? 1 : 0]));
  });

  contract('a good attempt among bad ones is the only one vouched for', async (_t, at) => {
    const bad = await Promise.all(Object.values(at.bad).map(async ({ attempt }) => attemptOf(await attempt())));
    const good = attemptOf(await at.good(1));
    const [first, ...others] = await Promise.all([good, ...bad].map((attempt) => at.provider.attempt(attempt)));
    assertVouchesFor(first, at.subjects[1]);
    assert.ok(others.every(({ kind }) => kind !== 'authenticated'));
  });

  contract('a user can be looked up, and a stranger is unknown', async (t, at) => {
    if (!at.provider.lookUp) return t.skip('looks nobody up');
    const { known, unknown } = at.lookUp ?? { known: at.subjects[0], unknown: 'nobody-3b1d' };
    assertVouchesFor(await at.provider.lookUp(known, AbortSignal.timeout(60_000)), at.subjects[0]);
    assert.equal((await at.provider.lookUp(unknown, AbortSignal.timeout(60_000))).kind, 'unknown-user');
  });

  contract('an unreachable server is unavailable within the timeout', async (t, at) => {
    if (!at.outages) return t.skip('has no server');
    for (const [what, makeOutage] of Object.entries(at.outages)) {
      const outage = await makeOutage();
      t.after(() => outage.provider.close?.());
      const attempt = attemptOf(outage.attempt ?? (await at.good(0)));
      const outcome = await endsWithin(outage.timeout + slack, what, outage.provider.attempt(attempt));
      assert.equal(outcome.kind, 'unavailable', `${what}: ${inspect(outcome)}`);
      assertHidden(outcome, at.secrets, what);
    }
  });

  contract('an aborted signal ends the attempt', async (t, at) => {
    const aborted = attemptOf({ ...(await at.good(0)), signal: AbortSignal.abort() });
    const early = await endsWithin(slack, 'aborted before it began', at.provider.attempt(aborted));
    assert.equal(early.kind, 'unavailable', 'aborted before it began');
    for (const [what, makeOutage] of Object.entries(at.outages ?? {})) {
      const outage = await makeOutage();
      t.after(() => outage.provider.close?.());
      const parts = outage.attempt ?? (await at.good(0));
      const attempt = attemptOf({ ...parts, signal: AbortSignal.timeout(100) });
      const outcome = await endsWithin(100 + slack, `${what}, aborted after 100 ms`, outage.provider.attempt(attempt));
      assert.equal(outcome.kind, 'unavailable', what);
    }
  });

  test(`${name}: close ends sockets and timers`, async (t) => {
    const at = await setup(t, keptLog());
    const before = openResources();
    await Promise.all([at.good(0), at.good(1)].map(async (parts) => at.provider.attempt(attemptOf(await parts))));
    await at.provider.close?.();
    await until('all sockets and timers of the provider are gone', () => openResources() <= before);
    await at.provider.close?.();
  });
}

function assertVouchesFor(outcome: Outcome | undefined, subject: string): void {
  assert.ok(outcome?.kind === 'authenticated', inspect(outcome));
  const { assertion } = outcome;
  assert.equal(assertion.subject, subject);
  assert.equal(assertion.subject, canonicalUsername(assertion.subject), 'the subject is canonical');
  assert.ok(assertion.realm !== '' && assertion.amr.length > 0);
  for (const values of Object.values(assertion.attributes)) {
    assert.ok(Array.isArray(values) && values.every((value) => typeof value === 'string'));
  }
}

/** A cause goes to the log, so it must not hold a secret either. */
function assertHidden(outcome: Outcome, secrets: readonly string[], what: string): void {
  if (outcome.kind !== 'unavailable') return;
  const text = inspect(outcome.cause, { depth: 12, maxStringLength: null });
  for (const secret of secrets) assert.ok(!text.includes(secret), `${what}: the cause holds a secret`);
}

/**
 * The quickest of many interleaved attempts within a factor of two, or within 3 ms. A busy machine makes attempts slower and
 * never quicker, so more of them are made until they are alike: a real difference is there in the quickest, too.
 */
async function assertAlike(provider: Provider, known: string, unknown: string): Promise<void> {
  const quickest = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
  const names = { known, unknown };
  for (let round = 1; round <= 200; round++) {
    // In turns: who always comes second is who meets the end of the process's turn at the processor.
    for (const who of round % 2 === 0 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const)) {
      const took = await wait(provider, attemptOf(passwordParts(names[who], wrongPassword)));
      quickest[who] = Math.min(quickest[who], took);
    }
    const [a, b] = [quickest.known, quickest.unknown];
    if (round >= 15 && (Math.abs(a - b) < 3 || Math.max(a, b) < 2 * Math.min(a, b))) return;
  }
  const { known: a, unknown: b } = quickest;
  assert.fail(`a wrong password takes ${a.toFixed(1)} ms, an unknown user ${b.toFixed(1)} ms`);
}

async function wait(provider: Provider, attempt: Attempt): Promise<number> {
  const start = performance.now();
  await provider.attempt(attempt);
  return performance.now() - start;
}

function openResources(): number {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Pipe|UDP|TLS|Timeout/.test(kind)).length;
}
