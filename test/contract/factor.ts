/** What holds for every second factor. Each kind's own test file calls `factorContract` with a way to set one up. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { type Account, accountNamed } from '../../src/core/account.ts';
import type { AskTerms, Challenge, Factor } from '../../src/core/factor.ts';
import type { Log } from '../../src/core/log.ts';
import { reasons } from '../../src/core/reason.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { FactorContext } from '../../src/factors/define.ts';
import { Enrolments } from '../../src/factors/enrolments.ts';
import { type ConfiguredFactor, Factors } from '../../src/factors/factors.ts';
import { FactorLimits } from '../../src/factors/limits.ts';
import { Sends } from '../../src/factors/sends.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

/** The fields of an answer. */
export type Fields = Readonly<Record<string, string>>;

/** A factor and the world around it, set up anew for each test of the contract. */
export interface FactorUnderTest {
  readonly factor: Factor;
  /** Gives an account what it needs to be asked; nothing where attributes will do. */
  prepare(account: Account, factors: Factors): Promise<void>;
  /** The attributes of an account that can be asked. */
  attributes?(account: Account): Readonly<Record<string, readonly string[]>>;
  /** The right answer to a challenge, which is right once. */
  right(account: Account, challenge: Challenge): Promise<Fields>;
  /** Answers that are wrong, by what is wrong with them. */
  readonly wrong: Readonly<Record<string, (account: Account, challenge: Challenge) => Fields | Promise<Fields>>>;
  /** For a factor that is set up: the first right answer to an offer. */
  enrolment?(account: Account, offer: { readonly state: unknown; readonly page: object }): Promise<Fields>;
  /** For a factor that asks a server: how it can be gone, each made on demand, and its deadline in milliseconds. */
  readonly outages?: Readonly<Record<string, () => Promise<{ readonly factor: Factor; readonly timeout: number }>>>;
  /** What must never stand in a log line. */
  readonly secrets: () => readonly string[];
}

/** What a factor is made with in tests. */
export interface FactorWorld extends FactorContext {
  readonly clock: ManualClock;
}

/** Sets a factor up; everything ends by `t.after`, but for the factor, which the contract closes. */
export type FactorSetup = (t: TestContext, world: FactorWorld) => Promise<FactorUnderTest>;

/** What the contract counts by: few failures, so that locks come soon. */
const limits = { count: 5, delay: 60_000, max: 3_600_000, hard: 100 };
const slack = 1000;

/** What a factor is made with, over a store and a clock of its own. */
export function factorWorld(log: Log, name = 'under-test'): FactorWorld {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  const limit = { count: 1000, per: 3_600_000 };
  return {
    ...{ name, clock, log, siteName: 'The Site', publicUrl: new URL('https://cc.example.com') },
    store,
    sends: new Sends({ store, clock }),
    sendRules: { wait: 0, account: limit, contact: limit, address: limit },
    sealer: new Sealer([new SealKey(randomBytes(32))]),
    onSend: () => undefined,
  };
}

/** Factors with this one only, as a gateway has them. */
export function factorsOf(factor: Factor, { name, store, clock, log }: FactorWorld, timeout = 5000): Factors {
  const one: ConfiguredFactor = { name, type: 'under-test', factor, timeout, gives: 2 };
  return new Factors({
    ...{ all: [one], log },
    enrolments: new Enrolments({ store, clock }),
    limits: new FactorLimits({ store, clock, limits }),
  });
}

/** Terms as a login gives them. */
export function askTerms(account: Account, attributes: AskTerms['assertion']['attributes'] = {}): AskTerms {
  return {
    assertion: { realm: 'directory', subject: account.subject, amr: ['pwd'], attributes },
    ...{
      roles: new Set(['agent']),
      provider: 'directory',
      language: 'en',
      address: '127.0.0.1',
      signal: AbortSignal.timeout(20_000),
    },
  };
}

/** Runs what every factor has to keep. */
export function factorContract(kind: string, setup: FactorSetup): void {
  const scene = async (t: TestContext) => {
    const log = keptLog();
    const world = factorWorld(log);
    const under = await setup(t, world);
    t.after(() => under.factor.close?.());
    const factors = factorsOf(under.factor, world);
    const [configured] = factors.all;
    assert.ok(configured);
    const alice = accountNamed('alice', 'default');
    const bob = accountNamed('bob', 'default');
    for (const account of [alice, bob]) await under.prepare(account, factors);
    const terms = (account: Account) => askTerms(account, under.attributes?.(account));
    const asked = async (account: Account): Promise<Challenge> => {
      const has = await factors.enrolments.of(account);
      const outcome = await factors.ask(configured, { account, terms: terms(account) }, has);
      assert.equal(outcome.kind, 'asked', JSON.stringify(outcome));
      assert.ok(outcome.kind === 'asked');
      // What a pending login keeps has been through JSON.
      return { ...outcome.challenge, state: json(outcome.challenge.state) };
    };
    const answer = (account: Account, { state }: Challenge, fields: Fields) =>
      factors.verify(configured, account, {
        ...{ state, fields: new Map(Object.entries(fields)), signal: AbortSignal.timeout(20_000) },
      });
    return { ...{ world, under, factors, configured, alice, bob, terms, asked, answer, log } };
  };

  test(`${kind}: an account that can be asked is, and proves itself by the right answer`, async (t) => {
    const { factors, alice, terms, asked, answer, under, world } = await scene(t);
    const usable = await factors.usable({ account: alice, terms: terms(alice) }, await factors.enrolments.of(alice));
    assert.deepEqual(
      usable.map(({ name }) => name),
      ['under-test'],
    );
    const challenge = await asked(alice);
    const judged = await answer(alice, challenge, await under.right(alice, challenge));
    assert.equal(judged.kind, 'verified', JSON.stringify(judged));
    assert.ok(judged.kind === 'verified');
    assert.notEqual(judged.proof.step, 'first');
    assert.equal(judged.proof.by, 'under-test');
    assert.equal(judged.proof.at, world.clock.now());
    assert.ok(judged.proof.amr.length > 0);
  });

  test(`${kind}: wrong answers are rejected, counted where they are guesses, and never throw`, async (t) => {
    const { alice, asked, answer, under, world, factors } = await scene(t);
    for (const [what, wrong] of Object.entries(under.wrong)) {
      const challenge = await asked(alice);
      const judged = await answer(alice, challenge, await wrong(alice, challenge));
      assert.equal(judged.kind, 'rejected', `${what}: ${JSON.stringify(judged)}`);
      assert.ok(judged.kind === 'rejected' && reasons.includes(judged.reason), what);
      // So that every one of them is heard.
      world.clock.advance(limits.max);
      if (under.factor.canBeGuessed && judged.reason !== 'code-replayed') await factors.limits.succeed(alice);
    }
  });

  test(`${kind}: the answer of one account is none of another's`, async (t) => {
    const { alice, bob, asked, answer, under } = await scene(t);
    const [hers, his] = [await asked(alice), await asked(bob)];
    const fields = await under.right(alice, hers);
    assert.equal((await answer(bob, his, fields)).kind, 'rejected');
    assert.equal((await answer(bob, hers, fields)).kind, 'rejected');
  });

  test(`${kind}: a right answer is right once, also when it comes many times at once`, async (t) => {
    const { alice, asked, answer, under } = await scene(t);
    const challenge = await asked(alice);
    const fields = await under.right(alice, challenge);
    const judged = await Promise.all(Array.from({ length: 20 }, () => answer(alice, challenge, fields)));
    assert.equal(judged.filter(({ kind: found }) => found === 'verified').length, 1);
    // Locked, where the others were guesses.
    assert.notEqual((await answer(alice, challenge, fields)).kind, 'verified');
  });

  test(`${kind}: guesses end in a lock, under which a right answer is told like a wrong one`, async (t) => {
    const { alice, asked, answer, under, world } = await scene(t);
    if (!under.factor.canBeGuessed) return t.skip('it cannot be guessed');
    const [wrong] = Object.values(under.wrong);
    assert.ok(wrong);
    const challenge = await asked(alice);
    const guess = await wrong(alice, challenge);
    const judged = await Promise.all(Array.from({ length: 20 }, () => answer(alice, challenge, guess)));
    assert.equal(judged.filter(({ kind: found }) => found === 'rejected').length, limits.count);
    const right = await under.right(alice, challenge);
    assert.deepEqual(await answer(alice, challenge, right), await answer(alice, challenge, guess));
    assert.equal((await answer(alice, challenge, right)).kind, 'locked');
    world.clock.advance(limits.delay);
    const fresh = await asked(alice);
    assert.equal((await answer(alice, fresh, await under.right(alice, fresh))).kind, 'verified');
  });

  test(`${kind}: what is set up counts from the first right answer on, and not before`, async (t) => {
    const { factors, configured, under, terms } = await scene(t);
    const { enrolment } = under;
    if (!under.factor.enrol || !enrolment) return t.skip('there is nothing to set up');
    const carol = accountNamed('carol', 'default');
    const question = { account: carol, terms: terms(carol) };
    const offer = await factors.begin(configured, question);
    assert.ok(offer);
    const after = await factors.enrolments.of(carol);
    const state = json(offer.state);
    const finish = (fields: Fields) =>
      factors.finish(configured, carol, {
        ...{ after, name: 'mine', state, fields: new Map(Object.entries(fields)) },
        signal: AbortSignal.timeout(20_000),
      });
    assert.equal((await finish({})).kind, 'rejected');
    assert.deepEqual((await factors.enrolments.of(carol)).all, []);
    const fields = await enrolment(carol, { ...offer, state });
    const [one, other] = await Promise.all([finish(fields), finish(fields)]);
    assert.deepEqual([one?.kind, other?.kind].toSorted(), ['enrolled', 'overtaken']);
    const { all } = await factors.enrolments.of(carol);
    assert.deepEqual(
      all.map(({ factor, name }) => [factor, name]),
      [['under-test', 'mine']],
    );
    assert.deepEqual(
      (await factors.usable(question, await factors.enrolments.of(carol))).map(({ name }) => name),
      ['under-test'],
    );
  });

  test(`${kind}: an outage is told in time, and counts for nothing`, async (t) => {
    const { under, world, alice, terms } = await scene(t);
    for (const [what, make] of Object.entries(under.outages ?? {})) {
      const { factor, timeout } = await make();
      t.after(() => factor.close?.());
      const factors = factorsOf(factor, world, timeout);
      const [configured] = factors.all;
      assert.ok(configured);
      const has = await factors.enrolments.of(alice);
      const outcome = await endsWithin(timeout + slack, what, () =>
        factors.ask(configured, { account: alice, terms: terms(alice) }, has),
      );
      assert.notEqual(outcome.kind, 'refused', `${what}: ${JSON.stringify(outcome)}`);
      assert.deepEqual(await factors.limits.standing(alice), { kind: 'open' });
    }
  });

  test(`${kind}: no secret stands in a log line`, async (t) => {
    const { alice, asked, answer, under, log } = await scene(t);
    const challenge = await asked(alice);
    for (const wrong of Object.values(under.wrong)) await answer(alice, challenge, await wrong(alice, challenge));
    const fields = await under.right(alice, challenge);
    await answer(alice, challenge, fields);
    const text = log.text();
    for (const secret of [...under.secrets(), ...Object.values(fields)])
      assert.ok(secret.length < 4 || !text.includes(secret), 'a secret was logged');
  });
}

function json(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
