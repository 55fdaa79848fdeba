/** The LDAP provider: its options, and the contract of all providers against a small directory of our own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerReader, FilterParser } from 'ldapts';
import { ldap } from '../../../src/providers/ldap/index.ts';
import { providerContract } from '../../contract/provider.ts';
import { ldapProvider } from '../../support/scenes/ldap-provider.ts';
import { entry, type FakeAnswer, fakeLdap, fakePeer, result } from '../../support/servers/fake-ldap.ts';
import { type AttemptParts, passwordParts } from '../../support/tools/attempt.ts';
import { keptLog } from '../../support/tools/log-lines.ts';

const base = 'dc=example,dc=com';
const manager = { managerDn: `cn=reader,${base}`, managerPassword: 'reads-3f81c2' };
const passwords: Readonly<Record<string, string>> = { alice: 'alices-4c81', bob: 'bobs-77d2' };

/** A directory that knows `uid=…` and nothing else. */
const directory: FakeAnswer = ({ id, operation, name, password, message }) => {
  if (operation === 'bind') {
    const uid = /^uid=(\w+),/.exec(name)?.[1] ?? '';
    const isRight = name === manager.managerDn ? password === manager.managerPassword : passwords[uid] === password;
    return result(id, 97, isRight && password !== '' ? 0 : 49);
  }
  if (operation !== 'search') return undefined;
  const uid = wantedUid(message);
  const found = Object.hasOwn(passwords, uid) ? [entry(id, `uid=${uid},${base}`, { uid: [uid], cn: [uid] })] : [];
  return Buffer.concat([...found, result(id, 101, 0)]);
};

function wantedUid(message: Buffer): string {
  const reader = new BerReader(Buffer.from(message));
  reader.readSequence();
  reader.readInt();
  reader.readSequence(99);
  reader.readString();
  reader.readEnumeration();
  reader.readEnumeration();
  reader.readInt();
  reader.readInt();
  reader.readBoolean();
  const filter = FilterParser.parse(reader);
  return 'value' in filter && typeof filter.value === 'string' ? filter.value.toLowerCase() : '';
}

providerContract('ldap', async (t, log) => {
  const { url } = await fakeLdap(t, directory);
  const silent = await fakePeer(t, (socket) => void socket.resume());
  const credentials = (username: string, password: string) => (): AttemptParts => passwordParts(username, password);
  return {
    provider: ldapProvider(t, { url, ...manager }, { log }),
    subjects: ['alice', 'bob'],
    good: (user) => passwordParts(user === 0 ? 'Alice' : 'bob', user === 0 ? 'alices-4c81' : 'bobs-77d2'),
    bad: {
      'a wrong password': {
        attempt: credentials('alice', 'wrong'),
        want: { kind: 'rejected', reason: 'bad-password' },
      },
      'an unknown user': { attempt: credentials('nobody', 'bobs-77d2'), want: { kind: 'unknown-user' } },
    },
    passwords: { known: 'alice', unknown: 'nobody' },
    secrets: [manager.managerPassword, ...Object.values(passwords)],
    outages: {
      'a server that says nothing': async () => ({
        provider: ldapProvider(t, { url: silent.url, ...manager, timeout: '300ms' }, { log }),
        timeout: 300,
      }),
    },
  };
});

const wrong: Readonly<Record<string, { options: object; key: string; says: RegExp }>> = {
  'a URL of another kind': { options: { url: 'http://host' }, key: 'url', says: /ldap:\/\/host:389/ },
  'a URL with a base': { options: { url: 'ldap://host/dc=x' }, key: 'url', says: /nothing after it/ },
  'a URL with a password': { options: { url: 'ldap://me:secret@host' }, key: 'url', says: /ldap:\/\/host/ },
  'a manager that is no DN': { options: { managerDn: 'reader' }, key: 'managerDn', says: /DN/ },
  'a base that is no DN': { options: { searchBase: 'people' }, key: 'searchBase', says: /DN/ },
  'a filter that ends too early': {
    options: { userSearchFilter: '(&(uid=%s)' },
    key: 'userSearchFilter',
    says: /missing/,
  },
  'a filter with a wildcard beside the name': {
    options: { userSearchFilter: 'uid=%s*' },
    key: 'userSearchFilter',
    says: /beside/,
  },
  'a pin of another form': { options: { pins: ['AA:BB'] }, key: 'pins', says: /a SHA-1 thumbprint has 40/ },
  'a bundle that is not there': { options: { ca: '/nowhere/ca.pem' }, key: 'ca', says: /does not exist/ },
  'an attribute that is none': {
    options: { attributes: { phone: 'tele phone' } },
    key: 'attributes',
    says: /attribute/,
  },
  'an unknown key': { options: { bindName: 'cn=x' }, key: '', says: /bindName/ },
};
for (const [name, { options, key, says }] of Object.entries(wrong)) {
  test(`ldap options: ${name} is an error at its key`, () => {
    const { error } = ldap.options.safeParse({ url: 'ldap://localhost', searchBase: base, ...options });
    assert.ok(
      error?.issues.some((issue) => String(issue.path[0] ?? '') === key && says.test(JSON.stringify(issue))),
      String(error),
    );
  });
}

test('ldap options: Active Directory may be given its manager as user@domain or DOMAIN\\\\user', () => {
  for (const managerDn of ['reader@corp.example.com', 'CORP\\reader', 'CN=Reader,DC=corp,DC=example']) {
    assert.ok(ldap.options.safeParse({ url: 'ldap://localhost', searchBase: base, managerDn }).success, managerDn);
  }
});

const together: Readonly<Record<string, { options: object; key: string }>> = {
  'a manager without a password': { options: { managerDn: 'cn=x' }, key: 'managerDn' },
  'StartTLS over LDAPS': { options: { url: 'ldaps://localhost', startTls: true }, key: 'startTls' },
  'pins without TLS': { options: { pins: [`sha256/${'A'.repeat(43)}=`] }, key: 'pins' },
  'a filter without the user name': { options: { userSearchFilter: 'uid=alice' }, key: 'userSearchFilter' },
  'nested groups by user name': {
    options: { groups: { searchBase: base, filter: 'memberUid=%s', nested: true } },
    key: 'groups.filter',
  },
  'groups from two places': {
    options: { groups: { memberOf: true }, attributes: { groups: 'ou' } },
    key: 'attributes.groups',
  },
};
for (const [name, { options, key }] of Object.entries(together)) {
  test(`ldap options: ${name} is refused, with what to do`, () => {
    const read = ldap.options.parse({ url: 'ldap://localhost', searchBase: base, ...options });
    assert.deepEqual(
      ldap.checkTogether?.(read).map((problem) => problem.key),
      [key],
    );
  });
}

test('ldap: passwords in the clear over a network are worth a warning; on this machine they are not', (t) => {
  const [near, far, safe] = [keptLog(), keptLog(), keptLog()];
  ldapProvider(t, { url: 'ldap://127.0.0.1:389' }, { log: near });
  ldapProvider(t, { url: ['ldap://ldap.example.com'] }, { log: far });
  ldapProvider(t, { url: 'ldap://ldap.example.com', startTls: true }, { log: safe });
  assert.deepEqual(
    [near, far, safe].map(({ lines }) => lines.length),
    [0, 1, 0],
  );
});
