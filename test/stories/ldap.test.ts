/** LDAP against a real OpenLDAP: who gets in, who does not and why, and what no user name can do. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { canonicalUsername } from '../../src/core/principal.ts';
import { Secret } from '../../src/core/secret.ts';
import type { PasswordJudge } from '../../src/users/password-rules.ts';
import { ldapProvider, optionsFor } from '../support/scenes/ldap-provider.ts';
import { needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { type Person, personDn } from '../support/servers/slapd-content.ts';
import { attemptOf, passwordAttempt, passwordParts } from '../support/tools/attempt.ts';
import { keptLog } from '../support/tools/log-lines.ts';

/** An outcome without what is known of the account beside its name. */
const told = (outcome: Outcome): object => {
  const {
    known: _,
    assertion: __,
    ...rest
  } = outcome as Outcome & { readonly known?: unknown; readonly assertion?: unknown };
  return rest;
};

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`ldap: ${name}`, needsSlapd, run);

const people: readonly Person[] = [
  {
    uid: 'alice',
    password: 'right',
    name: 'Alice Adams',
    email: 'alice@example.com',
    attributes: { departmentNumber: ['support', 'sales'] },
  },
  { uid: 'bob', password: 'right too' },
  { uid: 'zoë', password: 'пароль ☎️ "q\'*()\\', name: 'Zoë Žižek' },
  { uid: "o'brien, (j.)*", password: ' a b ', rdn: String.raw`cn=O'Brien\, \22J\22 \3C\3E\; \#1` },
  { uid: 'many', password: 'right', attributes: { uid: ['zz-alias', 'many', 'aa-alias'] } },
  { uid: 'twin', password: 'right', rdn: 'cn=twin 1' },
  { uid: 'twin', password: 'right', rdn: 'cn=twin 2' },
  { uid: 'locked', password: 'right', policy: 'strict' },
  { uid: 'reset', password: 'first-password', policy: 'strict', attributes: { pwdReset: 'TRUE' } },
  { uid: 'stale', password: 'right', policy: 'expiring', attributes: { pwdChangedTime: '20200101000000Z' } },
];

story('the right password is vouched for, with the attributes that are mapped', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const attributes = { subject: 'uid', name: 'cn', email: 'mail', department: 'departmentNumber', dn: 'dn' };
  const provider = ldapProvider(t, { ...optionsFor(slapd), attributes });
  assert.deepEqual(await provider.attempt(passwordAttempt('alice', 'right')), {
    kind: 'authenticated',
    assertion: {
      realm: 'directory',
      subject: 'alice',
      amr: ['pwd'],
      attributes: {
        name: ['Alice Adams'],
        email: ['alice@example.com'],
        department: ['support', 'sales'],
        dn: [personDn('alice', slapd.base)],
      },
      record: { dn: personDn('alice', slapd.base) },
    },
  });
});

story('passwords and names are judged as a user would expect', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, optionsFor(slapd));
  const cases: readonly (readonly [what: string, username: string, password: string, want: string])[] = [
    ['a wrong password', 'alice', 'wrong', 'rejected bad-password'],
    ["another user's password", 'alice', 'right too', 'rejected bad-password'],
    ['an empty password', 'alice', '', 'rejected bad-password'],
    ['a password of blanks', 'alice', '   ', 'rejected bad-password'],
    ['the password with more after it', 'alice', 'right ', 'rejected bad-password'],
    ['an unknown user', 'nobody', 'right', 'unknown-user'],
    ['no user', '', 'right', 'unknown-user'],
    ['capitals', 'ALICE', 'right', 'authenticated alice'],
    ['blanks around the name', ' alice ', 'right', 'authenticated alice'],
    ['letters with marks, composed', 'zoë', people[2]!.password, 'authenticated zoë'],
    ['letters with marks, decomposed', 'zoe\u0308', people[2]!.password, 'authenticated zoë'],
    ['full-width letters', 'ａｌｉｃｅ', 'right', 'authenticated alice'],
    [
      'a name and a DN full of signs, a password of blanks too',
      "o'brien, (j.)*",
      ' a b ',
      "authenticated o'brien, (j.)*",
    ],
    ['an alias of a user with several names', 'aa-alias', 'right', 'authenticated many'],
    ['a name that two entries have', 'twin', 'right', 'unknown-user'],
    [
      'more blanks inside the name than it has, which the directory does not mind',
      "o'brien,  (j.)*",
      ' a b ',
      'unknown-user',
    ],
    ['a soft hyphen that the directory does not see', 'al\u00adice', 'right', 'unknown-user'],
    ['a zero-width space that the directory does not see', 'al\u200bice', 'right', 'unknown-user'],
  ];
  for (const [what, username, password, want] of cases) {
    const outcome = await provider.attempt(passwordAttempt(username, password));
    const detail =
      'reason' in outcome
        ? ` ${outcome.reason}`
        : outcome.kind === 'authenticated'
          ? ` ${outcome.assertion.subject}`
          : '';
    assert.equal(`${outcome.kind}${detail}`, want, what);
  }
});

story('no user name can say more than a name (L2)', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, {
    ...optionsFor(slapd),
    userSearchFilter: '(&(objectClass=inetOrgPerson)(uid=%s))',
  });
  const names = readFileSync(new URL('../fixtures/ldap-filters.txt', import.meta.url), 'utf8').split('\n');
  const hostile = names.filter((name) => name !== '' && !name.startsWith('# '));
  assert.ok(hostile.length > 30);
  for (const name of hostile) {
    const outcome = await provider.attempt(passwordAttempt(name, 'right'));
    if (canonicalUsername(name) === 'alice') assert.equal(outcome.kind, 'authenticated');
    else assert.equal(outcome.kind, 'unknown-user', name);
  }
});

story('a user is locked after three failures, and the right password then says so too', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, optionsFor(slapd));
  for (let failure = 0; failure < 3; failure++) {
    assert.partialDeepStrictEqual(await provider.attempt(passwordAttempt('locked', 'wrong')), { kind: 'rejected' });
  }
  const outcome = await provider.attempt(passwordAttempt('locked', 'right'));
  assert.deepEqual(told(outcome), { kind: 'rejected', reason: 'account-locked', subject: 'locked' });
});

story('an expired password is told apart from a wrong one', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, optionsFor(slapd));
  assert.deepEqual(told(await provider.attempt(passwordAttempt('stale', 'right'))), {
    kind: 'rejected',
    reason: 'password-expired',
    subject: 'stale',
    isStuck: true,
  });
  assert.deepEqual(told(await provider.attempt(passwordAttempt('stale', 'wrong'))), {
    kind: 'rejected',
    reason: 'bad-password',
    subject: 'stale',
  });
});

story('a password that must change lets in only with a new one that the policy takes', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const log = keptLog();
  const provider = ldapProvider(t, optionsFor(slapd), { log });
  const mustChange = { kind: 'rejected', reason: 'password-must-change', subject: 'reset' };
  const withNew = (password: string, fresh: string) => {
    const parts = passwordParts('reset', password);
    return provider.attempt(
      attemptOf({ ...parts, credentials: { ...parts.credentials!, newPassword: new Secret(fresh) } }),
    );
  };
  assert.deepEqual(told(await provider.attempt(passwordAttempt('reset', 'first-password'))), mustChange);
  assert.deepEqual(told(await withNew('first-password', 'short')), { ...mustChange, refusal: 'too-short' });
  assert.deepEqual(told(await withNew('first-password', ' ')), { ...mustChange, refusal: 'refused' }, 'blank');
  assert.deepEqual(told(await withNew('wrong', 'second-password')), {
    kind: 'rejected',
    reason: 'bad-password',
    subject: 'reset',
  });
  assert.equal((await withNew('first-password', 'second-password')).kind, 'authenticated');
  assert.equal((await provider.attempt(passwordAttempt('reset', 'second-password'))).kind, 'authenticated');
  assert.equal((await provider.attempt(passwordAttempt('reset', 'first-password'))).kind, 'rejected');
  assert.match(log.text(), /too short/);
  assert.doesNotMatch(log.text(), /(first|second)-password/);
});

story('a user changes a password at will by the old one, where the policy takes the new one', async (t) => {
  const own: readonly Person[] = [
    { uid: 'wisher', password: 'first-password', policy: 'strict', email: 'wisher@example.com' },
  ];
  const slapd = await shareSlapd(t, { people: own });
  const log = keptLog();
  const provider = ldapProvider(t, { ...optionsFor(slapd), userSearchFilter: 'mail=%s' }, { log });
  const byName = ldapProvider(t, optionsFor(slapd), { log });
  const wish = (password: string, fresh: string) => {
    const parts = passwordParts('wisher', password);
    const credentials = { ...parts.credentials!, newPassword: new Secret(fresh), isWish: true as const };
    return attemptOf({ ...parts, credentials, state: { name: 'wisher@example.com' } });
  };
  const refused = { kind: 'rejected', reason: 'password-refused', subject: 'wisher' };
  assert.deepEqual(told(await provider.attempt(wish('first-password', 'short'))), { ...refused, refusal: 'too-short' });
  assert.partialDeepStrictEqual(await provider.attempt(wish('wrong', 'second-password')), { reason: 'bad-password' });
  const changed = { kind: 'authenticated', passwordChanged: true };
  assert.partialDeepStrictEqual(await provider.attempt(wish('first-password', 'second-password')), changed);
  assert.equal((await byName.attempt(passwordAttempt('wisher', 'second-password'))).kind, 'authenticated');
  assert.equal((await byName.attempt(passwordAttempt('wisher', 'first-password'))).kind, 'rejected');
  assert.doesNotMatch(log.text(), /(first|second)-password/);
});

story('why the directory does not take a new password is told: used before, changed too recently', async (t) => {
  const own: readonly Person[] = [
    { uid: 'repeater', password: 'first-password', policy: 'remembering' },
    { uid: 'hasty', password: 'first-password', policy: 'young' },
  ];
  const provider = ldapProvider(t, optionsFor(await shareSlapd(t, { people: own })));
  const wish = (name: string, password: string, fresh: string) => {
    const parts = passwordParts(name, password);
    const credentials = { ...parts.credentials!, newPassword: new Secret(fresh), isWish: true as const };
    return provider.attempt(attemptOf({ ...parts, credentials }));
  };
  const changed = { kind: 'authenticated', passwordChanged: true };
  const refused = { kind: 'rejected', reason: 'password-refused' };
  assert.partialDeepStrictEqual(await wish('repeater', 'first-password', 'second-password'), changed);
  const again = await wish('repeater', 'second-password', 'first-password');
  assert.partialDeepStrictEqual(again, { ...refused, refusal: 'used-before' });
  const early = await wish('hasty', 'first-password', 'second-password');
  assert.partialDeepStrictEqual(early, { ...refused, refusal: 'too-young' });
});

story('a password that our own rules refuse never reaches the directory', async (t) => {
  const own: readonly Person[] = [
    { uid: 'weak', password: 'first-password', policy: 'strict', attributes: { pwdReset: 'TRUE' } },
    { uid: 'wisher', password: 'first-password', name: 'Wilma Wisher' },
  ];
  const judged: unknown[] = [];
  const passwords: PasswordJudge = {
    judge: async (password, owner) => {
      judged.push(owner);
      return password === 'leaked-password' ? 'leaked' : undefined;
    },
  };
  const provider = ldapProvider(t, optionsFor(await shareSlapd(t, { people: own })), { passwords });
  const withNew = (name: string, fresh: string, isWish?: true) => {
    const parts = passwordParts(name, 'first-password');
    const credentials = { ...parts.credentials!, newPassword: new Secret(fresh), ...(isWish && { isWish }) };
    return provider.attempt(attemptOf({ ...parts, credentials }));
  };
  const leaked = { kind: 'rejected', refusal: 'leaked' };
  assert.partialDeepStrictEqual(await withNew('wisher', 'leaked-password', true), {
    ...leaked,
    reason: 'password-weak',
  });
  assert.partialDeepStrictEqual(await withNew('weak', 'leaked-password'), {
    ...leaked,
    reason: 'password-must-change',
  });
  assert.deepEqual(judged[0], { username: 'wisher', words: ['wisher', 'Wilma Wisher'] });
  assert.equal((await provider.attempt(passwordAttempt('wisher', 'first-password'))).kind, 'authenticated');
  assert.equal((await withNew('weak', 'second-password')).kind, 'authenticated');
});

story('among 2,000 users each gets in as himself, many at once', async (t) => {
  // Not among the others: so many are loaded fastest before the server runs.
  const slapd = await startSlapd(t, { people, many: 2000 });
  const provider = ldapProvider(t, optionsFor(slapd));
  const numbers = Array.from({ length: 200 }, (_, index) => String(index * 10 + 1).padStart(4, '0'));
  const outcomes = await Promise.all(
    numbers.map((number) => provider.attempt(passwordAttempt(`user${number}`, `pass-${number}`))),
  );
  for (const [index, outcome] of outcomes.entries()) {
    assert.ok(outcome.kind === 'authenticated', JSON.stringify(outcome));
    assert.equal(outcome.assertion.subject, `user${numbers[index]}`);
  }
});

story('a referral is not followed (L11)', async (t) => {
  const other = await shareSlapd(t, { people });
  const referral = {
    below: 'ou=elsewhere,ou=people',
    attributes: {
      objectClass: ['referral', 'extensibleObject'],
      ou: 'elsewhere',
      ref: `${other.url}/${other.searchBase}`,
    },
  };
  const slapd = await shareSlapd(t, { entries: [referral] });
  const provider = ldapProvider(t, optionsFor(slapd));
  assert.deepEqual(await provider.attempt(passwordAttempt('alice', 'right')), { kind: 'unknown-user' });
  const within = ldapProvider(t, { ...optionsFor(slapd), searchBase: `${referral.below},${slapd.base}` });
  assert.partialDeepStrictEqual(await within.attempt(passwordAttempt('alice', 'right')), {
    kind: 'unavailable',
    reason: 'misconfigured',
  });
});

story('an anonymous search does where the directory allows it', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, { url: slapd.url, searchBase: slapd.searchBase });
  assert.equal((await provider.attempt(passwordAttempt('alice', 'right'))).kind, 'authenticated');
});
