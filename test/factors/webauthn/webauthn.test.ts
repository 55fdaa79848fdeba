/** Security keys as a factor: the contract with a key made of software, keys of others, keys twice, and where they can be used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Account, accountNamed } from '../../../src/core/account.ts';
import type { Challenge, KeyPage } from '../../../src/core/factor.ts';
import type { Factors } from '../../../src/factors/factors.ts';
import { webauthn } from '../../../src/factors/webauthn/index.ts';
import { askTerms, factorContract, factorsOf, factorWorld } from '../../contract/factor.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { type Lies, SoftwareKey } from '../../support/tools/software-key.ts';

const options = webauthn.options.parse({});
const origin = 'https://cc.example.com';
const alice = accountNamed('alice');
type Creation = Parameters<SoftwareKey['register']>[0];
type Request = Parameters<SoftwareKey['answer']>[0];

const keyPage = (page: object): KeyPage => {
  const asked = page as KeyPage;
  assert.equal(asked.kind, 'key');
  return asked;
};

/** Sets a key up for an account. */
async function enrol(account: Account, factors: Factors, key: SoftwareKey, lies?: Lies) {
  const [configured] = factors.all;
  assert.ok(configured);
  const offer = await factors.begin(configured, { account, terms: askTerms(account) });
  assert.ok(offer);
  const answer = key.register(keyPage(offer.page).options as Creation, lies);
  const after = await factors.enrolments.of(account);
  const response = { state: offer.state, fields: new Map([['answer', answer]]), signal: AbortSignal.timeout(10_000) };
  return factors.finish(configured, account, { ...response, after, name: 'blue key' });
}

factorContract('webauthn', async (_t, world) => {
  const keys = new Map<string, SoftwareKey>();
  const touch = (subject: string, { page }: Pick<Challenge, 'page'>, lies?: Lies) => ({
    answer: keys.get(subject)?.answer(keyPage(page).options as Request, lies) ?? '',
  });
  return {
    factor: webauthn.create(options, world),
    prepare: async (account, factors) => {
      const key = new SoftwareKey(origin);
      keys.set(account.subject, key);
      assert.equal((await enrol(account, factors, key)).kind, 'enrolled');
    },
    right: async ({ subject }, challenge) => touch(subject, challenge),
    wrong: {
      "another account's key": (_account, challenge) => touch('bob', challenge),
      'a broken signature': ({ subject }, challenge) => touch(subject, challenge, { breakSignature: true }),
      'another site': ({ subject }, challenge) => touch(subject, challenge, { origin: 'https://evil.example' }),
      'another challenge': ({ subject }, challenge) => touch(subject, challenge, { challenge: 'AAAA' }),
      'no answer': () => ({}),
      junk: () => ({ answer: '{"id":1}' }),
    },
    enrolment: async (_account, { page }) => ({
      answer: new SoftwareKey(origin).register(keyPage(page).options as Creation),
    }),
    secrets: () => [],
  };
});

async function scene(given = options) {
  const world = factorWorld(keptLog());
  const factors = factorsOf(webauthn.create(given, world), world);
  const [configured] = factors.all;
  assert.ok(configured);
  const touch = async (key: SoftwareKey, account = alice, lies?: Lies) => {
    const outcome = await factors.ask(
      configured,
      { account, terms: askTerms(account) },
      await factors.enrolments.of(account),
    );
    assert.ok(outcome.kind === 'asked', JSON.stringify(outcome));
    const { state, page } = outcome.challenge;
    const fields = new Map([['answer', key.answer(keyPage(page).options as Request, lies)]]);
    return factors.verify(configured, account, { state, fields, signal: AbortSignal.timeout(10_000) });
  };
  return { world, factors, touch };
}

test('webauthn: any key of the account will do, each with its own counter, and says what it is', async () => {
  const { factors, touch } = await scene();
  const [blue, synced] = [new SoftwareKey(origin), new SoftwareKey(origin, { isSynced: true })];
  for (const key of [blue, synced]) assert.equal((await enrol(alice, factors, key)).kind, 'enrolled');
  const one = await touch(blue);
  assert.ok(one.kind === 'verified');
  assert.deepEqual(one.proof.amr, ['hwk', 'user']);
  const other = await touch(synced, alice, { isVerified: true });
  assert.ok(other.kind === 'verified');
  assert.deepEqual(other.proof.amr, ['swk', 'user', 'pin']);
  assert.deepEqual(await touch(blue, alice, { counter: 1 }), { kind: 'rejected', reason: 'key-counter' });
});

test('2F5: a key is of one account, also where it is offered to another', async () => {
  const { factors, touch } = await scene();
  const key = new SoftwareKey(origin);
  assert.equal((await enrol(alice, factors, key)).kind, 'enrolled');
  assert.deepEqual(await enrol(accountNamed('bob'), factors, key), { kind: 'rejected', reason: 'key-foreign' });
  assert.deepEqual(await enrol(accountNamed('alice', 'globex'), factors, key), {
    kind: 'rejected',
    reason: 'key-foreign',
  });
  // The key itself has taken the last name that it was told.
  assert.equal((await touch(key, alice, { userHandle: null })).kind, 'verified');
});

test('webauthn: two logins at once by one key are both its own', async () => {
  const { factors, touch } = await scene();
  const key = new SoftwareKey(origin, { isSynced: true });
  await enrol(alice, factors, key);
  const judged = await Promise.all(Array.from({ length: 5 }, () => touch(key)));
  assert.deepEqual([...new Set(judged.map(({ kind }) => kind))], ['verified']);
});

test('webauthn: where the site asks for the PIN, or for keys that stay, others are refused', async () => {
  const strict = await scene(webauthn.options.parse({ userVerification: 'required', synced: 'refuse' }));
  assert.equal((await enrol(alice, strict.factors, new SoftwareKey(origin))).kind, 'rejected');
  assert.equal(
    (await enrol(alice, strict.factors, new SoftwareKey(origin, { isSynced: true }), { isVerified: true })).kind,
    'rejected',
  );
  const key = new SoftwareKey(origin);
  assert.equal((await enrol(alice, strict.factors, key, { isVerified: true })).kind, 'enrolled');
  assert.deepEqual(await strict.touch(key), { kind: 'rejected', reason: 'user-not-verified' });
  assert.equal((await strict.touch(key, alice, { isVerified: true })).kind, 'verified');
});

test('webauthn: it can be used at a name over https, and the name of keys is the host or a domain above it', () => {
  const faults = (publicUrl: string, given: object = {}) =>
    webauthn
      .checkTogether?.(webauthn.options.parse(given), { publicUrl: new URL(publicUrl), sendsMail: false })
      .map(({ key, message }) => `${key} ${message}`);
  assert.deepEqual(faults('https://cc.example.com'), []);
  assert.deepEqual(faults('http://localhost:8080'), []);
  assert.deepEqual(faults('https://cc.example.com', { rpId: 'example.com' }), []);
  assert.match(
    faults('https://192.0.2.1')?.[0] ?? '',
    /^type cannot be used at https:\/\/192\.0\.2\.1: keys are made for names/,
  );
  assert.match(faults('https://[2001:db8::1]')?.[0] ?? '', /keys are made for names/);
  assert.match(faults('http://cc.example.com')?.[0] ?? '', /over https only/);
  for (const rpId of ['com', 'other.example.com', 'c.example.com', 'xcc.example.com', 'cc.example.com.evil.example'])
    assert.match(faults('https://cc.example.com', { rpId })?.[0] ?? '', /^rpId is neither/, rpId);
});
