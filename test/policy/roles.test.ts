/** Who gets which role, and what a refused user is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readDn } from '../../src/core/dn.ts';
import type { Assertion } from '../../src/core/principal.ts';
import { compileRoles, explainRoles, roleOptions } from '../../src/policy/roles.ts';
import { trials } from '../support/tools/properties.ts';

const assertion = (attributes: Assertion['attributes'] = {}, subject = 'alice'): Assertion => ({
  realm: 'r',
  subject,
  amr: ['pwd'],
  attributes,
});
const hasRole = (role: object, who: Assertion, provider = 'directory') =>
  compileRoles(Object.entries(roleOptions.parse({ role })))(who, provider, 'default').has('role');

const dn = 'cn=Agents,ou=groups,dc=example,dc=com';
const groups: [configured: string, asserted: string, match: boolean][] = [
  ['agents', 'agents', true],
  ['Agents', 'AGENTS', true],
  ['call  agents', ' Call Agents', true],
  ['agents', 'agents2', false],
  ['agents', dn, true],
  ['groups', dn, false],
  ['agents', 'ou=agents,cn=x', true],
  ['agents', 'cn=x,ou=agents', false],
  ['agents', 'cn=agents+ou=x,dc=y', false],
  [dn, dn, true],
  [dn, 'CN = agents , OU=Groups,DC=EXAMPLE,DC=com', true],
  [dn, '2.5.4.3=agents,ou=groups,dc=example,dc=com', true],
  [dn, 'cn=\\61gents,ou=groups,dc=example,dc=com', true],
  [dn, 'cn=agents,ou=evil,dc=example,dc=com', false],
  [dn, 'cn=agents,ou=groups', false],
  [dn, 'cn=agents,ou=groups,dc=example,dc=com,dc=evil', false],
  [dn, 'agents', false],
  ['cn=a+ou=b,dc=x', 'ou=b+cn=a,dc=x', true],
  ['cn=a\\, b,dc=x', 'cn="a, b",dc=x', true],
  ['cn=a\\, b,dc=x', 'cn=a\\2c b,dc=x', true],
  ['cn=a,cn=b', 'cn=a\\,cn=b', false],
  ['agents', 'cn=agents\\,ou=x', false],
  ['équipe', 'cn=\\c3\\a9quipe,dc=x', true],
  ['a=b', 'b', false],
];
for (const [configured, asserted, match] of groups)
  test(`groups: ${configured} ${match ? 'takes' : 'does not take'} ${asserted}`, () => {
    assert.equal(hasRole({ groups: [configured] }, assertion({ groups: [asserted] })), match);
  });

test('roles: any of groups, users, providers and attribute values is enough', () => {
  const role = { groups: ['g'], users: ['Bob'], providers: ['badge'], attributes: { department: ['support', 'care'] } };
  assert.equal(hasRole(role, assertion()), false);
  assert.equal(hasRole(role, assertion({ groups: ['x', 'g'] })), true);
  assert.equal(hasRole(role, assertion({}, 'BOB ')), true);
  assert.equal(hasRole(role, assertion(), 'badge'), true);
  assert.equal(hasRole(role, assertion({ department: ['care'] })), true);
  assert.equal(hasRole(role, assertion({ department: ['Care'] })), false);
});

test('roles: one that is for some providers alone is not given to users of others', () => {
  const role = { users: ['alice'], groups: ['g'], only: ['directory'] };
  assert.equal(hasRole(role, assertion({ groups: ['g'] }), 'directory'), true);
  assert.equal(hasRole(role, assertion({ groups: ['g'] }), 'campus'), false);
});

test('roles: one that is for some tenants alone is not given in another', () => {
  const give = compileRoles(Object.entries(roleOptions.parse({ role: { groups: ['g'], tenants: ['acme'] } })));
  assert.equal(give(assertion({ groups: ['g'] }), 'directory', 'acme').has('role'), true);
  assert.equal(give(assertion({ groups: ['g'] }), 'directory', 'globex').has('role'), false);
  assert.equal(give(assertion({ groups: [] }), 'directory', 'acme').has('role'), false);
});

test('roles: nobody has an attribute by the nature of objects', () => {
  assert.equal(hasRole({ attributes: { constructor: ['x'] } }, assertion()), false);
  assert.deepEqual([...compileRoles([])(assertion(), 'p', 'default')], []);
});

test('options: a role without conditions, an empty value and an unknown key are errors', () => {
  for (const role of [
    {},
    { label: 'x' },
    { groups: [] },
    { groups: [''] },
    { groups: [' '] },
    { group: ['x'] },
    { attributes: { a: [] } },
  ])
    assert.equal(roleOptions.safeParse({ role }).success, false, JSON.stringify(role));
  assert.equal(roleOptions.safeParse({ 'a b': { users: ['x'] } }).success, false);
});

test('explain: it says what gave a role, or what would have', () => {
  const options = roleOptions.parse({
    agent: { groups: ['agents'] },
    lead: { users: ['bob'], providers: ['sso'] },
    desk: { groups: ['agents'], only: ['sso'] },
    floor: { groups: ['agents'], tenants: ['globex'] },
  });
  assert.deepEqual(explainRoles(Object.entries(options), assertion({ groups: [dn] }), 'directory', 'acme'), [
    { role: 'agent', given: true, why: 'group agents' },
    { role: 'lead', given: false, why: 'none of: user bob, provider sso' },
    { role: 'desk', given: false, why: 'only for users of sso, not of directory' },
    { role: 'floor', given: false, why: 'only in globex, not in the tenant acme' },
  ]);
});

test('dn: what is none is none', () => {
  for (const text of [
    '',
    'agents',
    'cn=',
    'cn',
    '=x',
    'cn=a,',
    ',cn=a',
    'cn=a,b',
    'cn=a\\',
    'cn="a',
    'a b=c',
    'cn=a<b',
  ])
    assert.equal(readDn(text), undefined, text);
});

test('property: escaping a value in either way leads to the same name, and no other value does', () => {
  const escapeValue = (value: string) =>
    [...Buffer.from(value)].map((octet) => `\\${octet.toString(16).padStart(2, '0')}`).join('');
  const value = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => text.trim() !== '');
  fc.assert(
    fc.property(value, value, (a, b) => {
      const fold = (text: string) => text.normalize('NFKC').replace(/\s+/g, ' ').trim().toLowerCase();
      const one = readDn(`cn=${escapeValue(a)},dc=x`);
      assert.equal(one?.canonical === readDn(`cn=${escapeValue(b)},dc=x`)?.canonical, fold(a) === fold(b));
      assert.equal(one?.leaf, fold(a));
    }),
    trials(),
  );
});
