/** The groups of a user in a real OpenLDAP: by search, by the entry's own list, and through groups in groups. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ldapProvider, optionsFor } from '../support/scenes/ldap-provider.ts';
import { type Directory, needsSlapd, shareSlapd } from '../support/servers/slapd.ts';
import { passwordAttempt } from '../support/tools/attempt.ts';

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`ldap: ${name}`, needsSlapd, run);

const people = [
  { uid: 'alice', password: 'right' },
  { uid: 'bob', password: 'right too' },
];
const groups = {
  agents: ['alice', 'bob'],
  'night shift, (A)': ['alice'],
  staff: ['group:agents'],
  everybody: ['group:staff', 'group:circle'],
  circle: ['group:everybody', 'alice'],
  others: ['bob'],
};
const posix = {
  below: 'cn=phones,ou=groups',
  attributes: { objectClass: 'posixGroup', cn: 'phones', gidNumber: '100', memberUid: ['alice'] },
};
const direct = ['agents', 'circle', 'night shift, (A)'];
const nested = [...direct, 'everybody', 'staff'].toSorted();
const sources: Readonly<
  Record<
    string,
    { source: (at: Directory) => object; want: readonly string[] | ((at: Directory) => readonly string[]) }
  >
> = {
  'a search by DN': { source: (at) => ({ searchBase: at.groupBase }), want: direct },
  'a search by user name': { source: (at) => ({ searchBase: at.groupBase, filter: 'memberUid=%s' }), want: ['phones'] },
  'a search by either': {
    source: (at) => ({ searchBase: at.groupBase, filter: '(|(member=%d)(memberUid=%s))' }),
    want: [...direct, 'phones'].toSorted(),
  },
  'a search through groups in groups': {
    source: (at) => ({ searchBase: at.groupBase, nested: true }),
    want: nested,
  },
  'a search for whole DNs': {
    source: (at) => ({ searchBase: at.groupBase, filter: '(&(cn=agents)(member=%d))', attribute: 'dn' }),
    want: (at) => [`cn=agents,${at.groupBase}`],
  },
  memberOf: { source: () => ({ memberOf: true }), want: direct },
  'memberOf through groups in groups': { source: () => ({ memberOf: true, nested: true }), want: nested },
};
for (const [name, { source, want }] of Object.entries(sources)) {
  story(`groups come by ${name}`, async (t) => {
    const slapd = await shareSlapd(t, { people, groups, entries: [posix] });
    const provider = ldapProvider(t, { ...optionsFor(slapd), groups: source(slapd) });
    const outcome = await provider.attempt(passwordAttempt('alice', 'right'));
    assert.ok(outcome.kind === 'authenticated', JSON.stringify(outcome));
    assert.deepEqual(outcome.assertion.attributes.groups, typeof want === 'function' ? want(slapd) : want);
  });
}

story('groups that cannot be read keep the user out, as roles would be missing', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, { ...optionsFor(slapd), groups: { searchBase: `ou=gone,${slapd.base}` } });
  const outcome = await provider.attempt(passwordAttempt('alice', 'right'));
  assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'misconfigured' });
});

story('a user whom somebody else has authenticated is looked up with groups', async (t) => {
  const slapd = await shareSlapd(t, { people, groups });
  const provider = ldapProvider(t, { ...optionsFor(slapd), groups: { memberOf: true } });
  const outcome = await provider.lookUp?.('Alice', AbortSignal.timeout(60_000));
  assert.ok(outcome?.kind === 'authenticated');
  assert.partialDeepStrictEqual(outcome.assertion, { subject: 'alice', attributes: { groups: direct } });
});
