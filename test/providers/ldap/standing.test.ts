/** What an entry says of its account, in the forms of several servers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ldapProvider } from '../../support/scenes/ldap-provider.ts';
import { entry, type FakeAnswer, fakeLdap, result } from '../../support/servers/fake-ldap.ts';

const base = 'dc=example,dc=com';
const now = Date.UTC(2026, 0, 5, 8);
const fileTime = (time: number) => String((BigInt(time) + 11_644_473_600_000n) * 10_000n);

type Attributes = Readonly<Record<string, readonly string[]>>;

const cases: Readonly<Record<string, { has: Attributes; want: string; setAt?: number; atLogin?: string }>> = {
  'nothing but its name': { has: {}, want: 'authenticated' },
  'an account of Active Directory': {
    has: { userAccountControl: ['512'], accountExpires: ['9223372036854775807'], pwdLastSet: [fileTime(now - 5000)] },
    want: 'authenticated',
    setAt: now - 5000,
  },
  'one that never expires, said otherwise': { has: { accountExpires: ['0'] }, want: 'authenticated' },
  'one that expires tomorrow': { has: { accountExpires: [fileTime(now + 86_400_000)] }, want: 'authenticated' },
  'one that has expired': { has: { accountExpires: [fileTime(now - 1)] }, want: 'rejected account-expired' },
  'one that is disabled, and more': { has: { userAccountControl: ['66050'] }, want: 'rejected account-disabled' },
  'one that is locked out': {
    has: { userAccountControl: ['528'], lockoutTime: [fileTime(now)] },
    want: 'authenticated',
    atLogin: 'rejected account-locked',
  },
  'one whose lock has run out': {
    has: { 'msDS-User-Account-Control-Computed': ['0'], lockoutTime: [fileTime(now - 86_400_000)] },
    want: 'authenticated',
  },
  'one that is locked out, and says so': {
    has: { 'msDS-User-Account-Control-Computed': ['16'] },
    want: 'authenticated',
    atLogin: 'rejected account-locked',
  },
  'one of 389 Directory Server, locked for a while': {
    has: { accountUnlockTime: ['20260105080001Z'] },
    want: 'authenticated',
    atLogin: 'rejected account-locked',
  },
  'one of 389 Directory Server, locked until somebody unlocks it': {
    has: { accountUnlockTime: ['19700101000000Z'] },
    want: 'authenticated',
    atLogin: 'rejected account-locked',
  },
  'one of 389 Directory Server whose lock has run out': {
    has: { accountUnlockTime: ['20260105075959Z'] },
    want: 'authenticated',
  },
  'one of eDirectory that an intruder has locked': {
    has: { lockedByIntruder: ['TRUE'] },
    want: 'authenticated',
    atLogin: 'rejected account-locked',
  },
  'one whose password must be set': {
    has: { pwdLastSet: ['0'] },
    want: 'authenticated',
    atLogin: 'rejected password-must-change',
    setAt: Number.POSITIVE_INFINITY,
  },
  'a lock after failures': {
    has: { pwdAccountLockedTime: ['20260105075900Z'] },
    want: 'authenticated',
    atLogin: 'rejected account-locked',
  },
  'a lock for good': { has: { pwdAccountLockedTime: ['000001010000Z'] }, want: 'rejected account-locked' },
  'a reset password': {
    has: { pwdReset: ['TRUE'] },
    want: 'authenticated',
    atLogin: 'rejected password-must-change',
    setAt: Number.POSITIVE_INFINITY,
  },
  'a time with an offset': {
    has: { pwdChangedTime: ['20260105090000.5+0130'] },
    want: 'authenticated',
    setAt: now - 1_800_000,
  },
  'a time of hours': { has: { pwdEndTime: ['2026010508Z'] }, want: 'rejected account-expired' },
  'what does not begin before tomorrow': {
    has: { pwdStartTime: ['20260106000000Z'] },
    want: 'rejected account-disabled',
  },
  'an inactivated one': { has: { nsAccountLock: ['true'] }, want: 'rejected account-disabled' },
  'one of eDirectory': { has: { loginDisabled: ['TRUE'] }, want: 'rejected account-disabled' },
  'one of FreeIPA': { has: { krbPrincipalExpiration: ['20251231235959Z'] }, want: 'rejected account-expired' },
  'values that are none': {
    has: { userAccountControl: ['x'], accountExpires: ['soon'], pwdEndTime: ['tomorrow'], pwdChangedTime: [''] },
    want: 'authenticated',
  },
};
for (const [what, { has, want, setAt, atLogin = want }] of Object.entries(cases))
  test(`ldap standing: ${what} is ${want}`, async (t) => {
    const answer: FakeAnswer = ({ id, operation }) => {
      if (operation === 'bind') return result(id, 97, 0);
      if (operation !== 'search') return undefined;
      return Buffer.concat([entry(id, `uid=alice,${base}`, { uid: ['alice'], ...has }), result(id, 101, 0)]);
    };
    const { url } = await fakeLdap(t, answer);
    const provider = ldapProvider(t, { url }, { clock: { now: () => now } });
    const outcome = await provider.standing?.('alice', undefined, new AbortController().signal);
    assert.equal(`${outcome?.kind}${outcome && 'reason' in outcome ? ` ${outcome.reason}` : ''}`, want);
    assert.equal(outcome?.kind === 'authenticated' ? outcome.passwordSetAt : undefined, setAt);
    const admitted = await provider.admit?.('alice', new AbortController().signal);
    assert.equal(`${admitted?.kind}${admitted && 'reason' in admitted ? ` ${admitted.reason}` : ''}`, atLogin);
  });
