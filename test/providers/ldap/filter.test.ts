/** Filters with holes: how they are read, what they become on the wire, what no user name can do to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BerReader, BerWriter, FilterParser } from 'ldapts';
import { domainOf, firstRdn, isDn } from '../../../src/core/dn.ts';
import { FilterTemplate } from '../../../src/providers/ldap/filter.ts';
import { trials } from '../../support/tools/properties.ts';

const fill = (text: string, s = 'alice', d = 'uid=alice,dc=example') =>
  new FilterTemplate(text).fill({ s, d }).toString();

const readings: Readonly<Record<string, string>> = {
  'uid=%s': '(uid=alice)',
  ' (uid=%s) ': '(uid=alice)',
  '(&(objectClass=person)(uid=%s))': '(&(objectClass=person)(uid=alice))',
  '(&(objectClass=person)(|(uid=%s)(mail=%s@example.com)))':
    '(&(objectClass=person)(|(uid=alice)(mail=alice@example.com)))',
  '(!(uid=%s))': '(!(uid=alice))',
  '(&(uid=%s)(!(loginDisabled=TRUE)))': '(&(uid=alice)(!(loginDisabled=TRUE)))',
  '(mail=*)': '(mail=*)',
  '(cn=a*b*c)': '(cn=a*b*c)',
  '(cn=*b*)': '(cn=*b*)',
  'member=%d': '(member=uid=alice,dc=example)',
  '(userPrincipalName=%s@corp.example)': '(userPrincipalName=alice@corp.example)',
  '(cn=100%%)': '(cn=100%)',
  '(cn=\\c3\\a9t\\c3\\a9)': '(cn=été)',
  '(cn=\\28a\\29\\2a\\5c)': '(cn=\\28a\\29\\2a\\5c)',
  '(userAccountControl:1.2.840.113556.1.4.803:=2)': '(userAccountControl:1.2.840.113556.1.4.803:=2)',
  '(cn:dn:caseIgnoreMatch:=%s)': '(cn:dn:caseIgnoreMatch:=alice)',
  '(cn;lang-fr>=a)': '(cn;lang-fr>=a)',
  '(2.5.4.3<=b)': '(2.5.4.3<=b)',
  '(cn~=%s)': '(cn~=alice)',
};
for (const [text, want] of Object.entries(readings)) {
  test(`filter ${text} reads as ${want}`, () => assert.equal(fill(text), want));
}

const mistakes: Readonly<Record<string, RegExp>> = {
  '': /empty/,
  '(uid=%s': /"\)" is missing/,
  '(&(uid=%s)': /"\)" is missing/,
  '(uid=%s))': /goes on after its end/,
  '(&)': /at least one filter/,
  '(uid)': /not a comparison/,
  '(=x)': /not a comparison/,
  '(uid=%s*)': /may not stand beside a "\*"/,
  '(uid=*%s*)': /may not stand beside a "\*"/,
  '(member=*%d)': /may not stand beside a "\*"/,
  '(uid>=a*)': /only for "="/,
  '(uid=%u)': /means nothing here/,
  '(uid=50%)': /means nothing here/,
  '(uid=a\\b)': /written \\5c/,
  '(uid=a(b)': /written \\28/,
  '(u id=x)': /not a comparison/,
  [`${'(!'.repeat(40)}(uid=%s)${')'.repeat(40)}`]: /nested too deeply/,
};
for (const [text, says] of Object.entries(mistakes)) {
  test(`filter ${text.slice(0, 30)} is refused`, () => assert.throws(() => new FilterTemplate(text), says));
}

test('a filter that wants a DN is not filled without one', () => {
  assert.throws(() => new FilterTemplate('member=%d').fill({ s: 'alice' }), /wants %d/);
});

test('whatever a user types arrives as one assertion value, byte for byte', () => {
  const template = new FilterTemplate('(&(objectClass=person)(|(uid=%s)(mail=%s)))');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (name) => {
      const writer = new BerWriter();
      template.fill({ s: name }).write(writer);
      const read = FilterParser.parse(new BerReader(writer.buffer));
      const inner = (read as unknown as { filters: { filters: { attribute: string; value: string }[] }[] }).filters[1]!
        .filters;
      assert.deepEqual(
        inner.map(({ attribute, value }) => [attribute, value]),
        [
          ['uid', name],
          ['mail', name],
        ],
      );
    }),
    trials(),
  );
});

test('the widened filter asks for whoever has the attribute', () => {
  assert.equal(
    new FilterTemplate('(&(objectClass=person)(uid=%s))').widen().toString(),
    '(&(objectClass=person)(uid=*))',
  );
  assert.equal(new FilterTemplate('(|(member=%d)(memberUid=%s))').widen().toString(), '(|(member=*)(memberUid=*))');
});

test('for Active Directory, equality with %d becomes the rule that follows groups in groups', () => {
  const filter = new FilterTemplate('(&(objectClass=group)(member=%d))').fillInChain({ d: 'cn=a' });
  assert.equal(filter.toString(), '(&(objectClass=group)(member:1.2.840.113556.1.4.1941:=cn=a))');
});

test('what a name must equal is known for equalities, and only then', () => {
  assert.deepEqual(new FilterTemplate('(|(uid=%s)(mail=%s@x))').expectations('a'), [
    { attribute: 'uid', value: 'a' },
    { attribute: 'mail', value: 'a@x' },
  ]);
  assert.deepEqual(new FilterTemplate('(|(uid=%s)(cn~=%s))').expectations('a'), []);
});

test('the first part of a DN is read without its escapes', () => {
  assert.deepEqual(firstRdn('cn=agents,ou=groups'), { attribute: 'cn', value: 'agents' });
  assert.deepEqual(firstRdn('CN=Smith\\, John \\28x\\29\\20+uid=j,dc=x'), {
    attribute: 'CN',
    value: 'Smith, John (x) ',
  });
  assert.deepEqual(firstRdn('cn=\\C3\\A9t\\C3\\A9 ,dc=x'), { attribute: 'cn', value: 'été' });
  assert.equal(firstRdn('nobody'), undefined);
});

test('the domain of a DN is its tail of domain components', () => {
  assert.equal(domainOf('CN=A\\,DC=evil,OU=x,DC=corp,DC=example'), 'DC=corp,DC=example');
  assert.equal(domainOf('dc=corp,dc=example'), 'dc=corp,dc=example');
  assert.equal(domainOf('cn=a,o=corp'), undefined);
});

test('a DN is told from other text', () => {
  for (const dn of ['dc=x', 'ou=people,dc=example,dc=com', 'CN=Smith\\, J+uid=j,DC=x', '2.5.4.3=a'])
    assert.ok(isDn(dn), dn);
  for (const text of ['', 'people', 'ou=people,', ',dc=x', 'a b=c']) assert.ok(!isDn(text), text);
});
