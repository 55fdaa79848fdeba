/** Passes: the contract, their uses and their end, a new one in the place of the old, many at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountNamed } from '../../src/core/account.ts';
import { pass } from '../../src/factors/pass/index.ts';
import { Passes } from '../../src/factors/pass/passes.ts';
import { factorContract, factorWorld } from '../contract/factor.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const options = pass.options.parse({ issuers: ['supervisor'], for: ['agent'] });
const alice = accountNamed('alice');
const hour = 3_600_000;
const terms = { issuer: 'bob', valid: 100 * hour, uses: 1, enrols: true };

factorContract('pass', async (_t, world) => {
  const passes = new Passes(world);
  const codes: string[] = [];
  const current = new Map<string, string>();
  const issue = async (account: typeof alice) => {
    const code = await passes.issue(account, terms);
    codes.push(code);
    current.set(account.subject, code);
    return code;
  };
  return {
    factor: pass.create(options, world),
    prepare: async (account) => void (await issue(account)),
    right: async (account) => ({ code: current.get(account.subject) ?? '' }),
    wrong: {
      'a wrong code': ({ subject }) => ({ code: current.get(subject) === '00000000' ? '00000001' : '00000000' }),
      'no code': () => ({}),
      'a code that is too short': () => ({ code: '1234' }),
    },
    secrets: () => codes,
  };
});

test('pass: it is used as often as it may, also by many at once, and ends', async () => {
  const world = factorWorld(keptLog());
  const passes = new Passes(world);
  const code = await passes.issue(alice, { ...terms, uses: 3, valid: hour });
  assert.match(code, /^\d{8}$/);
  const used = await Promise.all(Array.from({ length: 20 }, () => passes.use(alice, code)));
  assert.equal(used.filter(({ kind }) => kind === 'used').length, 3);
  assert.deepEqual(await passes.use(alice, code), { kind: 'spent' });
  assert.equal(await passes.of(alice), undefined);
  const late = await passes.issue(alice, { ...terms, valid: hour });
  world.clock.advance(hour);
  assert.deepEqual(await passes.use(alice, late), { kind: 'wrong' });
});

test('pass: a new one takes the place of the old, and each is of one account', async () => {
  const world = factorWorld(keptLog());
  const passes = new Passes(world);
  const old = await passes.issue(alice, terms);
  const code = await passes.issue(alice, terms);
  if (old !== code) assert.deepEqual(await passes.use(alice, old), { kind: 'wrong' });
  const bob = accountNamed('bob');
  await passes.issue(bob, terms);
  assert.deepEqual(await passes.use(bob, code), { kind: 'wrong' });
  const use = await passes.use(alice, code);
  assert.ok(use.kind === 'used');
  assert.deepEqual([use.pass.issuer, use.pass.enrols, use.pass.uses], ['bob', true, 0]);
  assert.ok(await passes.end(alice));
});

test('pass: the store knows the code of none', async () => {
  const world = factorWorld(keptLog());
  const code = await new Passes(world).issue(alice, terms);
  const entries = await Array.fromAsync(world.store.list('pass:'));
  assert.ok(!JSON.stringify(entries).includes(code));
  assert.ok(!JSON.stringify(entries).includes('alice'));
});
