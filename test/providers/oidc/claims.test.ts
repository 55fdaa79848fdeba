/** From claims to users: which claim counts, and what is no user at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../../src/core/failure.ts';
import { assertionOf, type ClaimRules, hasPlausibleTimes, valuesOf } from '../../../src/providers/oidc/claims.ts';
import { trials } from '../../support/tools/properties.ts';

const rules: ClaimRules = {
  realm: 'sso',
  username: 'preferred_username',
  stripDomains: [],
  attributes: [
    ['name', 'name'],
    ['email', 'email'],
    ['groups', 'realm_access.roles'],
  ],
  groups: 'realm_access.roles',
  emailClaim: 'email',
  needsVerifiedEmail: false,
  needed: ['preferred_username'],
  required: [],
};

const reasonOf = (claims: object, more: Partial<ClaimRules> = {}): string => {
  const result = assertionOf([claims as Record<string, unknown>], { ...rules, ...more });
  return result instanceof Failure ? result.reason : `is ${result.subject}`;
};

test('a user has the canonical name, the attributes, and groups by a path of claims', () => {
  const claims = {
    preferred_username: 'Alice',
    name: 'Alice Müller',
    email: 'alice@example.com',
    realm_access: { roles: ['agents', 'supervisors'] },
  };
  assert.deepEqual(assertionOf([claims], rules), {
    realm: 'sso',
    subject: 'alice',
    amr: ['oidc'],
    attributes: { name: ['Alice Müller'], email: ['alice@example.com'], groups: ['agents', 'supervisors'] },
    record: { unverifiedEmail: true },
  });
});

test('an address whose issuer has verified it, and no other, says where its user belongs', () => {
  const recordOf = (claims: object, more: Partial<typeof rules> = {}) => {
    const assertion = assertionOf([{ preferred_username: 'alice', ...claims }], { ...rules, ...more });
    return assertion instanceof Failure ? assertion : assertion.record;
  };
  const email = 'alice@example.com';
  assert.equal(recordOf({}), undefined, 'there is none');
  assert.equal(recordOf({ email, email_verified: true }), undefined);
  assert.equal(recordOf({ email, email_verified: 'true' }), undefined);
  for (const email_verified of [undefined, false, 1, 'yes', null])
    assert.deepEqual(recordOf({ email, email_verified }), { unverifiedEmail: true });
  const attributes = [['email', 'upn']] as const;
  assert.deepEqual(recordOf({ upn: email, email, email_verified: true }, { attributes }), { unverifiedEmail: true });
});

test('a claim whose name has dots is found by that name before a path is', () => {
  assert.deepEqual(valuesOf([{ 'https://example.com/groups': ['a'] }], 'https://example.com/groups'), ['a']);
  assert.deepEqual(valuesOf([{ 'a.b': 'whole', a: { b: 'path' } }], 'a.b'), ['whole']);
});

test('the first source that has a claim is believed for it', () => {
  assert.deepEqual(valuesOf([{ groups: [] }, { groups: ['b'] }, { groups: ['c'] }], 'groups'), ['b']);
});

test('what objects have by nature is no claim', () => {
  for (const claim of ['__proto__', 'constructor', 'constructor.name', 'toString', 'length'])
    assert.deepEqual(valuesOf([{ groups: ['a'] }], claim), []);
  assert.deepEqual(valuesOf([{ groups: ['a'] }], 'groups.length'), []);
});

test('values that are no text are left out, numbers and truth values are text', () => {
  assert.deepEqual(valuesOf([{ groups: ['a', 7, true, null, {}, ['x'], ''] }], 'groups'), ['a', '7', 'true']);
});

test('a name that is missing, doubled, empty, too long or unprintable is no user', () => {
  for (const name of [
    undefined,
    '',
    ' ',
    [],
    {},
    ['a', 'b'],
    'a\0',
    'a\r\nX-Remote-User: admin',
    'a'.repeat(257),
    null,
  ])
    assert.equal(reasonOf({ preferred_username: name }), 'claim-missing', JSON.stringify(name));
});

test('O8: an address with more than one @ is no user and no e-mail address', () => {
  const twice = 'attacker@evil.com@company.com';
  assert.equal(reasonOf({ preferred_username: twice }), 'token-rejected');
  assert.equal(reasonOf({ preferred_username: twice }, { stripDomains: ['company.com'] }), 'token-rejected');
  const result = assertionOf([{ preferred_username: 'alice', email: twice }], rules);
  assert.ok(!(result instanceof Failure));
  assert.equal('email' in result.attributes, false);
});

test('domains are cut off user names where they are configured, and no others pass', () => {
  const stripDomains = ['Example.com'];
  assert.equal(reasonOf({ preferred_username: 'Alice@EXAMPLE.com' }, { stripDomains }), 'is alice');
  for (const name of ['alice', 'alice@evil.com', 'alice@evil-example.com', 'alice@sub.example.com'])
    assert.equal(reasonOf({ preferred_username: name }, { stripDomains }), 'realm-not-allowed', name);
  assert.equal(reasonOf({ preferred_username: 'alice@example.com' }), 'is alice@example.com');
});

test('an unverified e-mail address is no user where it must be verified', () => {
  const more = { username: 'email', needsVerifiedEmail: true };
  const email = 'alice@example.com';
  assert.equal(reasonOf({ email }, more), 'login-denied');
  assert.equal(reasonOf({ email, email_verified: false }, more), 'login-denied');
  assert.equal(reasonOf({ email, email_verified: 'yes' }, more), 'login-denied');
  assert.equal(reasonOf({ email, email_verified: true }, more), 'is alice@example.com');
  const other = assertionOf([{ email }, { email: 'other@example.com', email_verified: true }], { ...rules, ...more });
  assert.ok(other instanceof Failure, 'the word of another source on another address counts for nothing');
});

test('a claim that is required must have one of its values', () => {
  const required = [['hd', ['example.com', 'example.org']]] as const;
  const preferred_username = 'alice';
  assert.equal(reasonOf({ preferred_username }, { required }), 'login-denied');
  assert.equal(reasonOf({ preferred_username, hd: 'evil.com' }, { required }), 'login-denied');
  assert.equal(reasonOf({ preferred_username, hd: 'example.org' }, { required }), 'is alice');
});

test('groups that the issuer keeps elsewhere are not taken for none', () => {
  const claims = { preferred_username: 'alice', _claim_names: { groups: 'src1' } };
  assert.equal(reasonOf(claims, { groups: 'groups' }), 'claim-missing');
  assert.equal(reasonOf(claims, { groups: undefined }), 'is alice');
});

test('O7: times that are none are refused, and so is a token of the future', () => {
  const now = Date.UTC(2026, 0, 5);
  const seconds = now / 1000;
  assert.ok(hasPlausibleTimes({ exp: seconds + 60, iat: seconds }, now));
  for (const time of [1e300, Number.POSITIVE_INFINITY, Number.NaN, -1, '1', null, {}, 253_402_300_800])
    for (const claim of ['exp', 'nbf', 'auth_time'])
      assert.ok(!hasPlausibleTimes({ [claim]: time }, now), `${claim}: ${time}`);
  assert.ok(!hasPlausibleTimes({ iat: seconds + 3600 }, now));
});

test('whatever the claims are, a user is canonical and attributes are texts', () => {
  fc.assert(
    fc.property(fc.object(), fc.anything(), fc.anything(), (claims, name, groups) => {
      const result = assertionOf([{ ...claims, preferred_username: name, realm_access: { roles: groups } }], rules);
      if (result instanceof Failure) return;
      assert.match(result.subject, /^[^\p{Cc}\p{Lu}]{1,256}$/u);
      for (const values of Object.values(result.attributes))
        for (const value of values) assert.equal(typeof value, 'string');
    }),
    trials(),
  );
});

test('S9: a name that only looks like a user’s is refused, and one in another spelling is the user’s', () => {
  for (const name of ['\uff41lice', '\u212aarl', 'ali\u00adce', 'ali\u200bce'])
    assert.equal(reasonOf({ preferred_username: name }), 'claim-missing', JSON.stringify(name));
  assert.equal(reasonOf({ preferred_username: 'zoe\u0308' }), 'is zo\u00eb');
});

test('A6: what is missing is named beside the claims that there are', () => {
  const failure = assertionOf([{ sub: '1', email: 'a@example.com', 'odd claim': 1 }], rules);
  assert.ok(failure instanceof Failure);
  assert.equal(failure.reason, 'claim-missing');
  assert.match(failure.hint ?? '', /usernameClaim to one of the claims that there are \(sub, email\)/);
});
