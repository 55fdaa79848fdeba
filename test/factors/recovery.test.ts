/** Recovery codes: the contract, how people type them, sets that end, and what stands in the store. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Account, accountNamed } from '../../src/core/account.ts';
import type { Factors } from '../../src/factors/factors.ts';
import { recovery } from '../../src/factors/recovery/index.ts';
import { askTerms, factorContract, factorsOf, factorWorld } from '../contract/factor.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const options = recovery.options.parse({});
const alice = accountNamed('alice');

/** Sets codes up, and gives them as the page has shown them. */
async function codesOf(account: Account, factors: Factors): Promise<string[]> {
  const [configured] = factors.all;
  assert.ok(configured);
  const offer = await factors.begin(configured, { account, terms: askTerms(account) });
  assert.ok(offer?.page.kind === 'spare-codes');
  const after = await factors.enrolments.of(account);
  const answer = { state: offer.state, fields: new Map([['kept', 'yes']]), signal: AbortSignal.timeout(10_000) };
  assert.equal((await factors.finish(configured, account, { ...answer, after, name: '' })).kind, 'enrolled');
  return [...offer.page.codes];
}

factorContract('recovery', async (_t, world) => {
  const codes = new Map<string, string[]>();
  const all: string[] = [];
  return {
    factor: recovery.create(options, world),
    prepare: async (account, factors) => {
      const made = await codesOf(account, factors);
      codes.set(account.subject, made);
      all.push(...made);
    },
    right: async ({ subject }) => ({ code: codes.get(subject)?.shift() ?? '' }),
    wrong: {
      'a wrong code': () => ({ code: '00000-00000' }),
      'no code': () => ({}),
      'a code that is too short': () => ({ code: '0000' }),
      'a very long text': () => ({ code: '0'.repeat(100_000) }),
    },
    enrolment: async () => ({ kept: 'yes' }),
    secrets: () => all,
  };
});

async function scene() {
  const world = factorWorld(keptLog());
  const factor = recovery.create(options, world);
  const factors = factorsOf(factor, world);
  const [configured] = factors.all;
  assert.ok(configured);
  const answer = async (code: string, account = alice) =>
    (
      await factors.verify(configured, account, {
        state: undefined,
        fields: new Map([['code', code]]),
        signal: AbortSignal.timeout(10_000),
      })
    ).kind;
  const stock = async () => factor.stock?.(alice, (await factors.enrolments.of(alice)).all);
  return { world, factors, answer, stock };
}

test('recovery: ten codes, each used once, in any case and with the letters that look like digits', async () => {
  const { factors, answer, stock } = await scene();
  const codes = await codesOf(alice, factors);
  assert.equal(new Set(codes).size, 10);
  for (const code of codes) assert.match(code, /^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
  const [first = '', second = ''] = codes;
  assert.equal(
    await answer(` ${first.toLowerCase().replace('-', ' ')} `.replaceAll('0', 'o').replaceAll('1', 'l')),
    'verified',
  );
  assert.equal(await answer(first), 'rejected');
  assert.equal(await answer(second), 'verified');
  assert.equal(await stock(), 8);
});

test('2F3: one code in thirty posts at once is used by one', async () => {
  const { factors, answer, stock } = await scene();
  const [code = ''] = await codesOf(alice, factors);
  const judged = await Promise.all(Array.from({ length: 30 }, () => answer(code)));
  assert.equal(judged.filter((kind) => kind === 'verified').length, 1);
  assert.equal(await stock(), 9);
});

test('recovery: the store holds no code, and no code of another account, tenant or key opens anything', async () => {
  const { world, factors, answer } = await scene();
  const codes = await codesOf(alice, factors);
  const entries = await Array.fromAsync(world.store.list('recovery:'));
  assert.equal(entries.length, 10);
  const text = JSON.stringify(entries);
  for (const code of codes) assert.ok(!text.includes(code.replace('-', '')));
  await codesOf(accountNamed('bob'), factors);
  await codesOf(accountNamed('alice', 'globex'), factors);
  assert.equal(await answer(codes[0] ?? '', accountNamed('bob')), 'rejected');
  assert.equal(await answer(codes[0] ?? '', accountNamed('alice', 'globex')), 'rejected');
  assert.equal(await answer(codes[0] ?? ''), 'verified');
});

test('recovery: nothing is set up while nobody says that the codes are kept', async () => {
  const { world, factors } = await scene();
  const [configured] = factors.all;
  assert.ok(configured);
  const offer = await factors.begin(configured, { account: alice, terms: askTerms(alice) });
  const after = await factors.enrolments.of(alice);
  const answer = { state: offer?.state, fields: new Map([['kept', 'no']]), signal: AbortSignal.timeout(10_000) };
  const left = await factors.finish(configured, alice, { ...answer, after, name: '' });
  assert.deepEqual(left, { kind: 'rejected', reason: 'enrolment-unfinished' });
  assert.deepEqual(await Array.fromAsync(world.store.list('recovery:')), []);
});
