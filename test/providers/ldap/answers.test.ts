/** What a directory's answers mean, and what Active Directory does in its own way: sub-codes, passwords, nested groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from '../../../src/core/secret.ts';
import { ldapProvider } from '../../support/scenes/ldap-provider.ts';
import { alice, aliceDn, aliceFound, directoryWith, manager } from '../../support/servers/fake-directory.ts';
import { entry, type FakeAnswer, fakeLdap, result } from '../../support/servers/fake-ldap.ts';
import { attemptOf, passwordAttempt, passwordParts } from '../../support/tools/attempt.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { keptLog } from '../../support/tools/log-lines.ts';

const login = passwordAttempt.bind(undefined, 'alice', 'right');

const sayings = {
  '525': { kind: 'unknown-user' },
  '52e': { kind: 'rejected', reason: 'bad-password', ...aliceFound },
  '530': { kind: 'rejected', reason: 'logon-not-permitted', ...aliceFound },
  '531': { kind: 'rejected', reason: 'logon-not-permitted', ...aliceFound },
  '532': { kind: 'rejected', reason: 'password-expired', ...aliceFound, isStuck: true },
  '533': { kind: 'rejected', reason: 'account-disabled', ...aliceFound },
  '701': { kind: 'rejected', reason: 'account-expired', ...aliceFound },
  '773': { kind: 'rejected', reason: 'password-must-change', ...aliceFound, isStuck: true },
  '775': { kind: 'rejected', reason: 'account-locked', ...aliceFound },
  '999': { kind: 'rejected', reason: 'bad-password', ...aliceFound },
} as const;
for (const [code, want] of Object.entries(sayings)) {
  test(`ldap: Active Directory's "data ${code}" is ${'reason' in want ? want.reason : want.kind}`, async (t) => {
    const text = `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data ${code}, v2580`;
    const fake = await fakeLdap(
      t,
      directoryWith(({ id }) => result(id, 97, 49, text)),
    );
    assert.deepEqual(await ldapProvider(t, { url: fake.url, ...manager }).attempt(login()), want);
  });
}

const codes: readonly (readonly [code: number, text: string, kind: string, reason: string])[] = [
  [53, 'Account inactivated. Contact system administrator.', 'rejected', 'account-disabled'],
  [53, 'Too many failed logins.', 'rejected', 'account-locked'],
  [19, 'Exceed password retry limit. Please try later.', 'rejected', 'account-locked'],
  [50, 'no bind rights', 'rejected', 'logon-not-permitted'],
  [13, 'confidentiality required', 'unavailable', 'misconfigured'],
  [51, 'busy', 'unavailable', 'overloaded'],
  [52, 'going down', 'unavailable', 'unreachable'],
  [80, 'internal error', 'unavailable', 'provider-broke'],
  [10, 'ldap://elsewhere', 'unavailable', 'misconfigured'],
];
for (const [code, text, kind, reason] of codes) {
  test(`ldap: result ${code} (${text}) for the user's bind is ${kind}: ${reason}`, async (t) => {
    const fake = await fakeLdap(
      t,
      directoryWith(({ id }) => result(id, 97, code, text)),
    );
    assert.partialDeepStrictEqual(await ldapProvider(t, { url: fake.url, ...manager }).attempt(login()), {
      kind,
      reason,
    });
  });
}

const groupDn = 'CN=Night Shift,OU=Groups,DC=example,DC=com';
const rootDse = { supportedCapabilities: ['1.2.840.113556.1.4.800', '1.2.840.113556.1.4.1670'] };

/** An Active Directory with one user, who is in one group that only the rule for groups in groups finds. */
const activeDirectory =
  (judge: FakeAnswer): FakeAnswer =>
  (request) => {
    const { id, operation, name, message } = request;
    const done = result(id, 101, 0);
    if (operation !== 'search') return name === manager.managerDn ? result(id, 97, 0) : judge(request);
    if (name === '') return Buffer.concat([entry(id, '', rootDse), done]);
    if (message.includes('1.2.840.113556.1.4.1941')) {
      return message.includes(aliceDn) ? Buffer.concat([entry(id, groupDn, { cn: ['Night Shift'] }), done]) : done;
    }
    return Buffer.concat([entry(id, aliceDn, { ...alice, memberOf: ['CN=Agents,DC=example,DC=com'] }), done]);
  };

const nestedSources: Readonly<Record<string, { groups: object; want: readonly string[] }>> = {
  'a search': { groups: { searchBase: 'DC=example,DC=com', nested: true }, want: ['Night Shift'] },
  memberOf: { groups: { memberOf: true, nested: true }, want: ['Agents', 'Night Shift'] },
};
for (const [name, { groups, want }] of Object.entries(nestedSources)) {
  test(`ldap: groups in groups by ${name} are left to Active Directory's own rule, which its root announces`, async (t) => {
    const fake = await fakeLdap(
      t,
      activeDirectory(({ id }) => result(id, 97, 0)),
    );
    const outcome = await ldapProvider(t, { url: fake.url, ...manager, groups }).attempt(login());
    assert.ok(outcome.kind === 'authenticated', inspect(outcome));
    assert.deepEqual(outcome.assertion.attributes.groups, want);
  });
}

const mustChange = 'AcceptSecurityContext error, data 773, v2580';
const withNew = (fresh: string) => {
  const parts = passwordParts('alice', 'right');
  return attemptOf({
    ...parts,
    credentials: { username: 'alice', password: new Secret('right'), newPassword: new Secret(fresh) },
  });
};
const quoted = (password: string) => Buffer.from(`"${password}"`, 'utf16le');

/** Refuses the old password until it has been changed by a request that holds both. */
function changingDirectory(): FakeAnswer {
  let current = 'right';
  return activeDirectory(({ id, operation, password, message }) => {
    if (operation === 'modify') {
      const isRight = message.includes(quoted(current)) && message.includes(quoted('fresh-one'));
      if (isRight) current = 'fresh-one';
      return result(id, 103, isRight ? 0 : 19, isRight ? '' : '0000052D: Constraint violation');
    }
    if (operation !== 'bind' || password !== current) return result(id, 97, 49, 'data 52e, v2580');
    return current === 'right' ? result(id, 97, 49, mustChange) : result(id, 97, 0);
  });
}

test('ldap: Active Directory gets old and new password over TLS, and the new one then has to do', async (t) => {
  const fake = await fakeLdap(t, changingDirectory(), { secure: true });
  const log = keptLog();
  const options = { url: fake.url, ca: testCertificates().ca, ...manager };
  const provider = ldapProvider(t, options, { log });
  assert.deepEqual(await provider.attempt(withNew('too weak')), {
    kind: 'rejected',
    reason: 'password-must-change',
    ...aliceFound,
    // Who it is, so that a factor can be asked for before the password changes.
    assertion: { ...aliceFound.known, amr: ['pwd'] },
    refusal: 'refused',
  });
  assert.match(log.text(), /Constraint violation/);
  assert.equal((await provider.attempt(withNew('fresh-one'))).kind, 'authenticated');
  assert.equal((await provider.attempt(passwordAttempt('alice', 'fresh-one'))).kind, 'authenticated');
  assert.doesNotMatch(log.text(), /too weak|fresh-one/);
});

test('ldap: without TLS, Active Directory is sent no new password', async (t) => {
  const fake = await fakeLdap(t, changingDirectory());
  const outcome = await ldapProvider(t, { url: fake.url, ...manager }).attempt(withNew('fresh-one'));
  const stuck = { ...aliceFound, refusal: 'refused', isStuck: true };
  assert.deepEqual(outcome, { kind: 'rejected', reason: 'password-must-change', ...stuck });
  assert.ok(!fake.requests.some(({ operation }) => operation === 'modify'));
});

test('ldap: at its user’s wish a password changes in Active Directory, by the user alone and over TLS only', async (t) => {
  const wish = (old: string, fresh: string) => {
    const credentials = { username: 'alice', password: new Secret(old), newPassword: new Secret(fresh) };
    return attemptOf({ ...passwordParts('alice', old), credentials: { ...credentials, isWish: true } });
  };
  const modifiers: string[] = [];
  const answer = (): FakeAnswer => {
    let current = 'right';
    let bound = '';
    return activeDirectory(({ id, operation, password, name, message }) => {
      if (operation === 'modify') {
        modifiers.push(bound);
        const isRight = message.includes(quoted(current)) && message.includes(quoted('fresh-one'));
        if (isRight) current = 'fresh-one';
        return result(id, 103, isRight ? 0 : 19, isRight ? '' : '0000052D: Constraint violation');
      }
      bound = String(name);
      return password === current ? result(id, 97, 0) : result(id, 97, 49, 'data 52e, v2580');
    });
  };
  const fake = await fakeLdap(t, answer(), { secure: true });
  const provider = ldapProvider(t, { url: fake.url, ca: testCertificates().ca, ...manager });
  const refused = { kind: 'rejected', reason: 'password-refused', ...aliceFound, refusal: 'refused' };
  assert.deepEqual(await provider.attempt(wish('right', 'too weak')), refused);
  assert.partialDeepStrictEqual(await provider.attempt(wish('wrong', 'fresh-one')), { reason: 'bad-password' });
  const changed = { kind: 'authenticated', passwordChanged: true };
  assert.partialDeepStrictEqual(await provider.attempt(wish('right', 'fresh-one')), changed);
  assert.deepEqual(modifiers, [aliceDn, aliceDn]);
  const plain = await fakeLdap(t, answer());
  const outcome = await ldapProvider(t, { url: plain.url, ...manager }).attempt(wish('right', 'fresh-one'));
  assert.deepEqual(outcome, { ...refused, isStuck: true });
  assert.equal(modifiers.length, 2, 'nothing is sent without TLS');
});

const manyGroups = Array.from(
  { length: 3600 },
  (_, index) => `CN=Group ${String(index).padStart(4, '0')},DC=example,DC=com`,
);

/** An Active Directory that sends no more than 1,500 values at a time; `portion` may lie about one. */
const withLongLists =
  (
    portion: (start: number, end: string, values: readonly string[]) => Readonly<Record<string, readonly string[]>>,
  ): FakeAnswer =>
  ({ id, operation, message }) => {
    if (operation === 'bind') return result(id, 97, 0);
    const start = Number(/memberOf;range=(\d+)-\*/.exec(message.toString('latin1'))?.[1] ?? 0);
    const values = manyGroups.slice(start, start + 1500);
    const end = start + 1500 < manyGroups.length ? String(start + 1499) : '*';
    return Buffer.concat([
      entry(id, aliceDn, { ...(start === 0 && { ...alice, memberOf: [] }), ...portion(start, end, values) }),
      result(id, 101, 0),
    ]);
  };

test('ldap: of more groups than Active Directory sends at a time the rest is asked for', async (t) => {
  const fake = await fakeLdap(
    t,
    withLongLists((start, end, values) => ({ [`memberOf;range=${start}-${end}`]: values })),
  );
  const outcome = await ldapProvider(t, { url: fake.url, ...manager, groups: { memberOf: true } }).attempt(login());
  assert.ok(outcome.kind === 'authenticated', inspect(outcome));
  assert.deepEqual(
    outcome.assertion.attributes.groups,
    manyGroups.map((dn) => dn.slice(3, 13)),
  );
});

const halfLists: Readonly<Record<string, Parameters<typeof withLongLists>[0]>> = {
  'is refused': (start, end, values) => (start === 0 ? { [`memberOf;range=0-${end}`]: values } : {}),
  'begins anew each time': (_start, _end, values) => ({ 'memberOf;range=0-1499': values }),
  'never ends': (start, _end, values) => ({ [`memberOf;range=${start}-${start}`]: values.slice(0, 1) }),
  'comes, and the beginning does not': (start, end, values) => ({ [`memberOf;range=${start || 100}-${end}`]: values }),
  'leaves values out': (start, end, values) => ({ [`memberOf;range=${start === 0 ? 0 : start + 100}-${end}`]: values }),
};
for (const [name, portion] of Object.entries(halfLists)) {
  test(`ldap: nobody gets in with a part of their groups when the rest ${name}`, async (t) => {
    const fake = await fakeLdap(t, withLongLists(portion));
    const outcome = await ldapProvider(t, { url: fake.url, ...manager, groups: { memberOf: true } }).attempt(login());
    assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'protocol-error' }, inspect(outcome));
    assert.ok(fake.requests.length < 40, `${fake.requests.length} requests`);
  });
}
