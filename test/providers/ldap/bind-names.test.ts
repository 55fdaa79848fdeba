/** The account that searches a directory may stand under the name that other programs have for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLdapOptions, ldapOptions, managerOf } from '../../../src/providers/ldap/options.ts';

const read = (account: object) =>
  ldapOptions.parse({ url: 'ldaps://ldap.example.com', searchBase: 'dc=example,dc=com', ...account });
const dn = 'cn=reader,dc=example,dc=com';

test('ldap: bindDn and bindPassword are managerDn and managerPassword', () => {
  for (const account of [
    { bindDn: dn, bindPassword: 'x' },
    { managerDn: dn, managerPassword: 'x' },
    { bindDn: dn, managerPassword: 'x' },
  ]) {
    const options = read(account);
    assert.deepEqual(checkLdapOptions(options), []);
    assert.deepEqual([managerOf(options)?.dn, managerOf(options)?.password.reveal()], [dn, 'x']);
  }
});

test('ldap: two names of one thing, and one half of it, are refused at the key', () => {
  const keys = (account: object) => checkLdapOptions(read(account)).map(({ key }) => key);
  assert.deepEqual(keys({ managerDn: dn, bindDn: dn, managerPassword: 'x' }), ['bindDn']);
  assert.deepEqual(keys({ bindDn: dn }), ['bindDn']);
  assert.deepEqual(keys({ bindPassword: 'x' }), ['bindPassword']);
  assert.deepEqual(keys({ managerDn: dn }), ['managerDn']);
});
