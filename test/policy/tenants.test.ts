/** Which tenant a user has: row by row, and what happens to nonsense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAtOrBelow, readDn } from '../../src/core/dn.ts';
import type { Assertion } from '../../src/core/principal.ts';
import { tenantOptions, tenantRuleOptions } from '../../src/policy/tenant-options.ts';
import { Tenants } from '../../src/policy/tenants.ts';
import { trials } from '../support/tools/properties.ts';

const options = tenantOptions.parse({
  acme: {
    id: '101',
    company: 'ACME Calls',
    match: { dn: ['ou=acme,dc=example,dc=com'], domains: ['acme.example'] },
    hosts: ['acme.cc.example.com'],
  },
  globex: {
    id: '102',
    match: { providers: ['globex-ldap'], attributes: { o: ['Globex'] }, groups: ['globex-staff'] },
    hosts: ['globex.cc.example.com', 'both.cc.example.com:8443'],
  },
  initech: { hosts: ['both.cc.example.com'] },
});
const tenants = (rules: object = {}) =>
  new Tenants(options, tenantRuleOptions.parse({ attribute: 'tenantDbid', ...rules }));

const of = (attributes: Assertion['attributes'], more: Partial<Assertion> = {}): Assertion => ({
  ...{ realm: 'ldap', subject: 'alice', amr: ['pwd'], attributes },
  ...more,
});
const settled = (attributes: Assertion['attributes'], more: Partial<Assertion> = {}, provider = 'ldap'): string => {
  const decided = tenants().decide(of(attributes, more), provider);
  assert.notEqual(decided.kind, 'open');
  return decided.kind === 'settled' ? decided.tenant : 'reason' in decided ? decided.reason : '';
};

const rows: [name: string, attributes: Assertion['attributes'], want: string, more?: Partial<Assertion>][] = [
  ['the id', { tenantDbid: ['101'] }, 'acme'],
  ['the id twice', { tenantDbid: ['101', '101'] }, 'acme'],
  ['two ids', { tenantDbid: ['101', '102'] }, 'tenant-ambiguous'],
  ['one id that no tenant has beside one that a tenant has', { tenantDbid: ['999', '102'] }, 'globex'],
  ['no attribute', {}, 'tenant-missing'],
  ['an attribute without values', { tenantDbid: [] }, 'tenant-missing'],
  ['an empty id', { tenantDbid: [''] }, 'tenant-missing'],
  ['the id 0', { tenantDbid: ['0'] }, 'tenant-missing'],
  ['a star', { tenantDbid: ['*'] }, 'tenant-missing'],
  ['an unknown id', { tenantDbid: ['103'] }, 'tenant-missing'],
  ['the name in the place of the id', { tenantDbid: ['acme'] }, 'tenant-missing'],
  ['an id with a blank', { tenantDbid: [' 101'] }, 'tenant-missing'],
  ['an id with a zero before it', { tenantDbid: ['0101'] }, 'tenant-missing'],
  ['the nature of objects', { tenantDbid: ['constructor', '__proto__'] }, 'tenant-missing'],
  ['an entry below the DN', {}, 'acme', { record: { dn: 'uid=alice,OU=Acme, dc=example,dc=com' } }],
  ['the DN itself', {}, 'acme', { record: { dn: 'ou=acme,dc=example,dc=com' } }],
  ['an entry beside the DN', {}, 'tenant-missing', { record: { dn: 'uid=alice,ou=acme2,dc=example,dc=com' } }],
  [
    'a name that holds the DN',
    {},
    'tenant-missing',
    { record: { dn: 'uid=a\\,ou\\=acme\\,dc\\=example\\,dc\\=com,ou=x' } },
  ],
  ['an attribute called dn', { dn: ['uid=alice,ou=acme,dc=example,dc=com'] }, 'tenant-missing'],
  ['an attribute called tenant', { tenant: ['acme'] }, 'tenant-missing'],
  ['the tenant in the users file', {}, 'initech', { record: { tenant: 'initech' } }],
  ['an unknown tenant in the users file', {}, 'tenant-missing', { record: { tenant: 'hooli' } }],
  ['the value of an attribute', { o: ['Globex'] }, 'globex'],
  ['the value in other letters', { o: ['globex'] }, 'tenant-missing'],
  ['a group', { groups: ['Globex-Staff'] }, 'globex'],
  ['the mail domain', { email: ['alice@ACME.example'] }, 'acme'],
  ['a domain below it', { email: ['alice@sub.acme.example'] }, 'tenant-missing'],
  ['two addresses in one', { email: ['alice@acme.example@evil.example'] }, 'tenant-missing'],
  ['no name before the domain', { email: ['@acme.example'] }, 'tenant-missing'],
  [
    'a mail domain that nobody has verified',
    { email: ['alice@acme.example'] },
    'tenant-missing',
    { record: { unverifiedEmail: true } },
  ],
  ['the realm of a directory that was looked in', {}, 'globex', { realm: 'globex-ldap' }],
  ['two conditions of two tenants', { o: ['Globex'], email: ['alice@acme.example'] }, 'tenant-ambiguous'],
  ['two conditions of one tenant', { o: ['Globex'], groups: ['globex-staff'] }, 'globex'],
];
for (const [name, attributes, want, more] of rows)
  test(`tenant: by ${name}: ${want}`, () => assert.equal(settled(attributes, more), want));

test('tenant: by the provider', () => assert.equal(settled({}, {}, 'globex-ldap'), 'globex'));

test('tenant: the default is for those who have none, and for nobody who has several', () => {
  const usual = tenants({ default: 'initech' });
  const decided = (attributes: Assertion['attributes']) => usual.decide(of(attributes), 'ldap');
  for (const ids of [undefined, [], [''], ['0'], ['*'], ['103']])
    assert.partialDeepStrictEqual(decided(ids ? { tenantDbid: ids } : {}), { kind: 'settled', tenant: 'initech' });
  assert.partialDeepStrictEqual(decided({ tenantDbid: ['101'] }), { tenant: 'acme' });
  assert.partialDeepStrictEqual(decided({ tenantDbid: ['101', '102'] }), { reason: 'tenant-ambiguous' });
});

test('tenant: who has several chooses where that is allowed, and the one that is held counts', () => {
  const both = of({ tenantDbid: ['101', '102'] });
  assert.equal(tenants().decide(both, 'ldap', 'acme').kind, 'refused');
  const choosing = tenants({ several: 'choose' });
  assert.partialDeepStrictEqual(choosing.decide(both, 'ldap', 'globex'), { kind: 'settled', tenant: 'globex' });
  assert.partialDeepStrictEqual(choosing.decide(both, 'ldap'), { kind: 'open', tenants: ['acme', 'globex'] });
  for (const held of ['initech', 'default', 'constructor'])
    assert.equal(choosing.decide(both, 'ldap', held).kind, 'open');
  assert.partialDeepStrictEqual(choosing.decide(of({ tenantDbid: ['101'] }), 'ldap', 'globex'), { tenant: 'acme' });
  assert.equal(choosing.decide(of({}), 'ldap', 'acme').kind, 'refused');
});

test('tenant: it is said why', () => {
  const why = (attributes: Assertion['attributes'], rules = {}) => tenants(rules).decide(of(attributes), 'ldap').why;
  assert.equal(why({ tenantDbid: ['101'] }), 'tenantDbid 101');
  assert.equal(why({ tenantDbid: ['101', '102'] }), 'acme by tenantDbid 101, globex by tenantDbid 102');
  assert.equal(why({ tenantDbid: ['7'] }), 'tenantDbid "7" is no id of a tenant, and none takes the user');
  assert.equal(why({}, { default: 'acme' }), 'the default: tenantDbid is absent and no tenant takes the user');
});

test('tenant: without tenants everybody is of the one that stands for none', () => {
  const none = new Tenants({}, tenantRuleOptions.parse({}));
  assert.partialDeepStrictEqual(none.decide(of({}, { record: { tenant: 'acme' } }), 'ldap'), { tenant: 'default' });
  assert.equal(none.admits('default', { host: 'acme.cc.example.com', port: '443' }), true);
  assert.deepEqual(none.facts('default'), {});
});

test('tenant: a host that tenants list is for theirs alone', () => {
  const passes = (tenant: string, host: string, port = '443') => tenants().admits(tenant, { host, port });
  assert.equal(passes('acme', 'acme.cc.example.com'), true);
  assert.equal(passes('globex', 'acme.cc.example.com'), false);
  assert.equal(passes('default', 'acme.cc.example.com'), false, 'a program of no tenant');
  assert.equal(passes('constructor', 'acme.cc.example.com'), false);
  assert.equal(passes('globex', 'cc.example.com'), true, 'nobody lists it');
  assert.deepEqual(
    ['443', '8443'].map((port) => passes('globex', 'both.cc.example.com', port)),
    [false, true],
  );
  assert.deepEqual(
    ['443', '8443'].map((port) => passes('initech', 'both.cc.example.com', port)),
    [true, true],
  );
});

test('tenant: failures count under what is known without groups, before a login as after it', () => {
  const withGroups = of({ groups: ['globex-staff'] });
  assert.equal(tenants().counted(withGroups, 'ldap'), 'default');
  assert.equal(tenants().counted(of({}), 'ldap'), 'default');
  const entry = { record: { dn: 'uid=alice,ou=acme,dc=example,dc=com' } };
  assert.equal(tenants().counted(of({}, entry), 'ldap'), 'acme');
  assert.equal(tenants().counted(of({ groups: ['globex-staff'] }, entry), 'ldap'), 'acme');
});

test('options: names, ids and hosts that could mean two things are errors', () => {
  for (const wrong of [
    { Acme: {} },
    { default: {} },
    { acme: { id: '' } },
    { acme: { id: ' 1' } },
    { acme: { id: 101 } },
    { acme: { hosts: ['*.example.com'] } },
    { acme: { hosts: ['https://a.example'] } },
    { acme: { match: { dn: ['acme'] } } },
    { acme: { match: { domains: ['@acme.example'] } } },
    { acme: { match: { dns: ['x=y'] } } },
  ])
    assert.equal(tenantOptions.safeParse(wrong).success, false, JSON.stringify(wrong));
});

test('dn: an entry is below what its parts end with, and below nothing else', () => {
  const part = fc.tuple(fc.constantFrom('ou', 'dc', 'cn'), fc.stringMatching(/^[a-z,\\"= +]{1,6}$/));
  const spell = (parts: readonly (readonly [string, string])[]) =>
    parts.map(([type, value]) => `${type}=${value.replace(/[,\\"=+ ]/g, (sign) => `\\${sign}`)}`).join(',');
  const canonical = (parts: readonly (readonly [string, string])[]) => readDn(spell(parts))?.canonical;
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), fc.array(part, { maxLength: 3 }), (base, below) => {
      const [outer, inner] = [canonical(base), canonical([...below, ...base])];
      fc.pre(outer !== undefined && inner !== undefined);
      assert.equal(isAtOrBelow(inner, outer), true);
      assert.equal(isAtOrBelow(outer, inner), below.length === 0);
    }),
    trials(300),
  );
});
