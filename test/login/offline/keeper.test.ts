/** When verifiers are made, refreshed and dropped, and what takes them away. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { accountKey, accountNamed } from '../../../src/core/account.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import { Secret } from '../../../src/core/secret.ts';
import { OfflineKeeper } from '../../../src/login/offline/keeper.ts';
import { OfflineVerifiers } from '../../../src/login/offline/verifiers.ts';
import { AccountCuts } from '../../../src/sessions/account-cuts.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { checkPassword } from '../../../src/users/passwords.ts';
import { scripted } from '../../support/scenes/scripted-provider.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';

const hour = 3_600_000;
const alice = accountNamed('alice');

type Authenticated = Extract<Outcome, { kind: 'authenticated' }>;

function vouched(subject: string, groups: readonly string[] = ['agents']): Authenticated {
  const assertion = { realm: 'directory', subject, amr: ['pwd'] as const, attributes: { groups } };
  return { kind: 'authenticated', assertion };
}

/** Keepers over one store; the directory says that passwords were set at `setAt`. */
function world(t: TestContext) {
  const clock = manualClock();
  const log = keptLog();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const verifiers = new OfflineVerifiers({ store, clock, log });
  const told: { setAt: number | undefined } = { setAt: undefined };
  const link = scripted('directory', { kind: 'unknown-user' });
  const standing = async (subject: string): Promise<Outcome> => ({
    ...vouched(subject),
    ...(told.setAt !== undefined && { passwordSetAt: told.setAt }),
  });
  const links = new Map([['directory', { ...link, provider: { ...link.provider, standing } }]]);
  const cuts = new AccountCuts({ store, clock, log });
  const keeper = () => new OfflineKeeper({ verifiers, cuts, links, within: 24 * hour, clock, log });
  /** Notes a login and waits for what comes of it. */
  const login = async (of: OfflineKeeper, password: string, more: { name?: string; groups?: string[] } = {}) => {
    const outcome = vouched('alice', more.groups);
    await of.note({ provider: 'directory', name: more.name ?? 'alice', password: new Secret(password), outcome });
    return verifiers.of('directory', alice);
  };
  return { clock, verifiers, cuts, told, keeper, login };
}

test('offline: the same password has one verifier in twelve hours, and what was last seen each time', async (t) => {
  const { clock, keeper, login } = world(t);
  const one = keeper();
  const first = await login(one, 'right');
  assert.equal(await checkPassword(new Secret('right'), first?.verifier), 'match');
  clock.advance(11 * hour);
  const second = await login(one, 'right', { groups: ['supervisors'] });
  assert.equal(second?.verifier, first?.verifier);
  assert.deepEqual(second?.assertion.attributes.groups, ['supervisors']);
  assert.equal(second?.trustedAt, clock.now());
  clock.advance(2 * hour);
  assert.notEqual((await login(one, 'right'))?.verifier, first?.verifier);
});

test('offline: another password has another verifier at once', async (t) => {
  const { keeper, login } = world(t);
  const one = keeper();
  const first = await login(one, 'right');
  const second = await login(one, 'another');
  assert.notEqual(second?.verifier, first?.verifier);
  assert.equal(await checkPassword(new Secret('right'), second?.verifier), 'mismatch');
});

test('offline: after a restart the directory says whether the password is the same', async (t) => {
  const { told, keeper, login } = world(t);
  told.setAt = 5000;
  const first = await login(keeper(), 'right');
  assert.equal(first?.passwordSetAt, 5000);
  assert.equal((await login(keeper(), 'right'))?.verifier, first?.verifier);
  told.setAt = 6000;
  const other = await login(keeper(), 'another');
  assert.equal(await checkPassword(new Secret('another'), other?.verifier), 'match');
});

test('offline: none is made while logins wait, and one that may be of another password goes', async (t) => {
  const { verifiers, told, keeper, login } = world(t);
  told.setAt = 5000;
  await login(keeper(), 'right');
  told.setAt = 6000;
  const busy = Array.from({ length: 12 }, () => checkPassword(new Secret('x'), knownHash));
  assert.equal(await login(keeper(), 'another'), undefined);
  await Promise.all(busy);
  assert.notEqual(await login(keeper(), 'another'), undefined);
  assert.equal((await verifiers.named('directory', 'alice'))?.passwordSetAt, 6000);
});

test('offline: what waits to be made is not, when the sessions of its account have been ended meanwhile', async (t) => {
  const { clock, cuts, verifiers, keeper, login } = world(t);
  const making = login(keeper(), 'right');
  await cuts.cut('Alice');
  assert.equal(await making, undefined);
  clock.advance(1);
  assert.notEqual(await login(keeper(), 'right'), undefined);
  assert.equal(await verifiers.forget('directory', alice), true);
  assert.equal(await verifiers.forget('directory', alice), false);
  assert.equal(await verifiers.named('directory', 'alice'), undefined);
});

/** Of a password that nobody types here. */
const knownHash = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`;

test('offline: a name that is not the subject finds the account, and a password that must be set is not kept', async (t) => {
  const { verifiers, told, keeper, login } = world(t);
  await login(keeper(), 'right', { name: 'alice@example.com' });
  assert.equal((await verifiers.named('directory', 'alice@example.com'))?.assertion.subject, 'alice');
  assert.equal((await verifiers.named('directory', 'alice'))?.assertion.subject, 'alice');
  assert.equal(await verifiers.named('other', 'alice'), undefined);
  assert.equal(await verifiers.forgetNamed('directory', 'alice@example.com'), true);
  assert.equal(await verifiers.named('directory', 'alice'), undefined);
  told.setAt = Number.POSITIVE_INFINITY;
  assert.equal(await login(keeper(), 'right'), undefined);
});

const words: Readonly<Record<string, { says: Outcome; isKept: boolean }>> = {
  'is there': { says: vouched('alice'), isKept: true },
  'has the password of then': { says: { ...vouched('alice'), passwordSetAt: 5000 }, isKept: true },
  'has another password': { says: { ...vouched('alice'), passwordSetAt: 5001 }, isKept: false },
  'must set its password': { says: { ...vouched('alice'), passwordSetAt: Number.POSITIVE_INFINITY }, isKept: false },
  'is gone': { says: { kind: 'unknown-user' }, isKept: false },
  'is disabled': { says: { kind: 'rejected', reason: 'account-disabled' }, isKept: false },
  'has expired': { says: { kind: 'rejected', reason: 'account-expired' }, isKept: false },
  'was locked by somebody': { says: { kind: 'rejected', reason: 'account-locked' }, isKept: false },
  'cannot be read': { says: { kind: 'rejected', reason: 'claim-missing' }, isKept: true },
  'cannot be asked about': { says: { kind: 'unavailable', reason: 'unreachable' }, isKept: true },
};
for (const [what, { says, isKept }] of Object.entries(words))
  test(`offline: the verifier of an account that ${what} is ${isKept ? 'kept' : 'forgotten'}`, async (t) => {
    const { verifiers, told, keeper, login } = world(t);
    told.setAt = 5000;
    await login(keeper(), 'right');
    await verifiers.heed('directory', alice, says);
    assert.equal((await verifiers.of('directory', alice)) !== undefined, isKept);
  });

test('offline: what is forgotten stays so although the store takes nothing', async (t) => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  t.mock.method(store, 'delete', () => Promise.reject(new Error('database or disk is full')));
  const verifiers = new OfflineVerifiers({ store, clock, log: keptLog() });
  const last = { tenant: 'default', assertion: { realm: 'directory', subject: 'alice', attributes: {} } };
  const kept = { ...last, verifier: 'x', madeAt: clock.now(), trustedAt: clock.now() };
  await verifiers.keep('directory', 'alice', kept, hour);
  assert.equal((await verifiers.of('directory', alice))?.assertion.subject, 'alice');
  assert.equal(await verifiers.forget('directory', alice), true);
  assert.equal(await verifiers.of('directory', alice), undefined);
  assert.equal(await verifiers.forget('directory', alice), false);
});

test('offline: a verifier that cannot be read counts for nobody', async (t) => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const verifiers = new OfflineVerifiers({ store, clock, log: keptLog() });
  await store.put(`offline:directory.${accountKey(alice)}`, '{"verifier":"x"}', clock.now() + hour);
  assert.equal(await verifiers.named('directory', 'alice'), undefined);
});
