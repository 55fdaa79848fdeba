/** Codes of an authenticator app: the contract, what people type, and clocks that are off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { accountNamed } from '../../src/core/account.ts';
import { readCode } from '../../src/factors/code.ts';
import { totp } from '../../src/factors/totp/index.ts';
import { askTerms, type FactorWorld, factorContract, factorsOf, factorWorld } from '../contract/factor.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const options = totp.options.parse({});
const secrets: string[] = [];
const alice = accountNamed('alice');

/** What the app on a phone shows. */
function shown(uri: string, now: number): string {
  const parsed = new URL(uri);
  const secret = parsed.searchParams.get('secret') ?? '';
  secrets.push(secret);
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: now });
}

/** The factor, and an account that has set it up at this moment. */
async function enrolled(world: FactorWorld, given = options, account = alice) {
  const factor = totp.create(given, world);
  const factors = factorsOf(factor, world);
  const [configured] = factors.all;
  assert.ok(configured);
  const question = { account, terms: askTerms(account) };
  const offer = await factors.begin(configured, question);
  assert.ok(offer?.page.kind === 'authenticator');
  const { uri } = offer.page;
  const signal = AbortSignal.timeout(10_000);
  const finish = async (code: string) =>
    factors.finish(configured, account, {
      ...{ name: '', state: offer.state, fields: new Map([['code', code]]), signal },
      after: await factors.enrolments.of(account),
    });
  const answer = (code: string) =>
    factors.verify(configured, account, { state: undefined, fields: new Map([['code', code]]), signal });
  return { factors, uri, offer, finish, answer };
}

const phones = new WeakMap<object, Map<string, string>>();
factorContract('totp', async (_t, world) => {
  const uris = new Map<string, string>();
  phones.set(world, uris);
  const code = (subject: string) => ({ code: shown(uris.get(subject) ?? '', world.clock.now()) });
  return {
    factor: totp.create(options, world),
    prepare: async (account, factors) => {
      const [configured] = factors.all;
      assert.ok(configured);
      const offer = await factors.begin(configured, { account, terms: askTerms(account) });
      assert.ok(offer?.page.kind === 'authenticator');
      uris.set(account.subject, offer.page.uri);
      const after = await factors.enrolments.of(account);
      const fields = new Map(Object.entries(code(account.subject)));
      const answer = { after, name: '', state: offer.state, fields, signal: AbortSignal.timeout(10_000) };
      assert.equal((await factors.finish(configured, account, answer)).kind, 'enrolled');
      // The code of the setup is spent.
      world.clock.advance(30_000);
    },
    right: async ({ subject }) => {
      // The contract lets hours pass, and asks for another code after them.
      return code(subject);
    },
    wrong: {
      'a wrong code': () => ({ code: '000000' }),
      'no code': () => ({}),
      'a code that is too short': () => ({ code: '1234' }),
      letters: () => ({ code: 'abcdef' }),
      'a very long text': () => ({ code: '1'.repeat(100_000) }),
      'a code of ten minutes ago': ({ subject }) => ({
        code: shown(uris.get(subject) ?? '', world.clock.now() - 600_000),
      }),
    },
    enrolment: async (_account, { page }) => ({ code: shown((page as { uri: string }).uri, world.clock.now()) }),
    secrets: () => secrets,
  };
});

test('totp: a code of the step before or after is taken, once, and none from further away', async () => {
  const world = factorWorld(keptLog());
  const { uri, finish, answer } = await enrolled(world);
  assert.equal((await finish(shown(uri, world.clock.now()))).kind, 'enrolled');
  const now = (): number => world.clock.now();
  assert.deepEqual(await answer(shown(uri, now())), { kind: 'rejected', reason: 'code-replayed' });
  world.clock.advance(90_000);
  assert.deepEqual(await answer(shown(uri, now() - 60_000)), { kind: 'rejected', reason: 'code-wrong' });
  assert.deepEqual(await answer(shown(uri, now() + 60_000)), { kind: 'rejected', reason: 'code-wrong' });
  assert.equal((await answer(shown(uri, now() - 30_000))).kind, 'verified');
  assert.equal((await answer(shown(uri, now() + 30_000))).kind, 'verified');
  // Those before the last accepted one are spent with it.
  assert.deepEqual(await answer(shown(uri, now())), { kind: 'rejected', reason: 'code-replayed' });
});

test('totp: a clock that is off is told at the setup, and nothing is enrolled', async () => {
  const world = factorWorld(keptLog());
  const { uri, finish, factors } = await enrolled(world);
  const off = (milliseconds: number) => finish(shown(uri, world.clock.now() + milliseconds));
  assert.deepEqual(await off(300_000), { kind: 'rejected', reason: 'clock-skew', clockOffset: 300 });
  assert.deepEqual(await off(-420_000), { kind: 'rejected', reason: 'clock-skew', clockOffset: -420 });
  assert.deepEqual(await off(900_000), { kind: 'rejected', reason: 'code-wrong' });
  assert.deepEqual((await factors.enrolments.of(alice)).all, []);
  assert.equal((await off(0)).kind, 'enrolled');
});

test('totp: an app goes on with what it was set up with, whatever is configured since', async () => {
  const world = factorWorld(keptLog());
  const { uri, finish } = await enrolled(world);
  assert.equal((await finish(shown(uri, world.clock.now()))).kind, 'enrolled');
  world.clock.advance(30_000);
  const { answer } = await enrolled(world, totp.options.parse({ digits: 8, algorithm: 'SHA256', period: '60s' }));
  assert.equal((await answer(shown(uri, world.clock.now()))).kind, 'verified');
});

test('totp: the QR code names the site and the user', async () => {
  const world = { ...factorWorld(keptLog()), siteName: 'ACME: Calls' };
  const { uri, offer } = await enrolled(world);
  assert.match(uri, /^otpauth:\/\/totp\/ACME%20%20Calls:alice\?issuer=ACME%20%20Calls&secret=[A-Z2-7]{32}&/);
  assert.ok(offer.page.kind === 'authenticator');
  assert.match(offer.page.secret, /^(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
});

const typed: Readonly<Record<string, [text: string, want: string | undefined]>> = {
  'as shown': ['012345', '012345'],
  'with a blank in the middle': ['012 345', '012345'],
  'with blanks around it': ['  012345\t', '012345'],
  'with a hyphen': ['012-345', '012345'],
  'with a long dash': ['012–345', '012345'],
  'in full-width digits': ['０１２３４５', '012345'],
  'with a no-break space': ['012\u00a0345', '012345'],
  'without its leading zero': ['12345', undefined],
  'with one digit more': ['0123456', undefined],
  'with a letter O': ['O12345', undefined],
  'in Arabic digits, which are no other spelling of these': ['٠١٢٣٤٥', undefined],
  'with a sign': ['+12345', undefined],
  nothing: ['', undefined],
};
for (const [name, [text, want]] of Object.entries(typed))
  test(`2F17: a code that is typed ${name}`, () => assert.equal(readCode(text, 6), want));
