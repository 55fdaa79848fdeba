/** The lock-out where a directory knows a person by several names. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerReader, FilterParser } from 'ldapts';
import { systemClock } from '../../src/core/clock.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { passwords, site } from '../support/scenes/site.ts';
import { entry, type FakeAnswer, fakeLdap, result } from '../support/servers/fake-ldap.ts';
import { run } from '../support/tools/command.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const base = 'dc=example,dc=com';
const right = 'alices-4c81';
const namesOfAlice = ['alice', 'alice@example.com', '+33123456789'];

/** Knows alice by her uid, her mail and her phone. */
const directory: FakeAnswer = ({ id, operation, name, password, message }) => {
  if (operation === 'bind')
    return result(
      id,
      97,
      name.startsWith('uid=alice') ? (password === right ? 0 : 49) : name.includes('reader') ? 0 : 49,
    );
  if (operation !== 'search') return undefined;
  const found = namesOfAlice.includes(wantedName(message))
    ? [
        entry(id, `uid=alice,${base}`, {
          uid: ['alice'],
          mail: ['alice@example.com'],
          telephoneNumber: ['+33123456789'],
        }),
      ]
    : [];
  return Buffer.concat([...found, result(id, 101, 0)]);
};

/** The name in a filter `(|(uid=NAME)(mail=NAME)…)`. */
function wantedName(message: Buffer): string {
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
  const [first] = 'filters' in filter && Array.isArray(filter.filters) ? filter.filters : [];
  return first && 'value' in first ? String(first.value) : '';
}

/** A site whose only accounts are those of the directory. */
function directoryConfig(url: string, lockout: Readonly<Record<string, unknown>>) {
  const ldap = {
    type: 'ldap',
    url,
    managerDn: `cn=reader,${base}`,
    managerPassword: 'reads',
    searchBase: base,
    userSearchFilter: '(|(uid=%s)(mail=%s)(telephoneNumber=%s))',
  };
  return { login: { chain: ['ldap'], lockout }, providers: { ldap } };
}

test('login: five wrong guesses in all lock a person, by uid, mail and phone together', async (t) => {
  const { url } = await fakeLdap(t, directory);
  const { visitor, admin, audit } = await site(t, {
    config: directoryConfig(url, { user: 5, address: 0 }),
  });
  const statuses: (number | undefined)[] = [];
  for (let guess = 0; guess < 5; guess++)
    statuses.push((await visitor().signIn(namesOfAlice[guess % 3]!, `wrong-${guess}`)).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 401]);
  for (const name of namesOfAlice) {
    const locked = await visitor().signIn(name, right);
    assert.equal(locked.status, 429, name);
    assert.ok(Number(locked.headers['retry-after']) > 0);
  }
  assert.equal(audit('login').at(-1)?.reason, 'too-many-failures');
  const unlocked = await fetch(new URL('/lockouts?user=alice', admin), { method: 'DELETE' });
  assert.partialDeepStrictEqual(await unlocked.json(), { unlocked: 'alice', user: 'locked' });
  assert.equal((await visitor().signIn(namesOfAlice[1]!, right)).status, 303);
});

test('explain: an account that is locked by one name is locked, and its sessions are its own, by each of its names', async (t) => {
  const { url } = await fakeLdap(t, directory);
  const { visitor, file } = await site(t, {
    config: {
      ...directoryConfig(url, { user: 3, address: 0 }),
      session: { store: { type: 'embedded', path: 'data' } },
    },
  });
  const explain = async (name: string, ...more: string[]) =>
    (await run(['explain', '--user', name, '--url', '/desk', '--config', file, ...more], { stdin: 'wrong\n' })).stdout;
  const [uid = '', mail = ''] = namesOfAlice;
  assert.equal((await visitor().signIn(uid, right)).status, 303);
  assert.match(await explain(mail), /^session +\S+ of ldap, proved /m);
  for (let guess = 0; guess < 3; guess++) await visitor().signIn(uid, `wrong-${guess}`);
  const told = await explain(mail);
  assert.match(told, /^lock +the name is locked for \d+ s/m);
  assert.match(told, /after a login: 429: too-many-failures/);
  assert.match(await explain(mail, '--password'), /^decision +429: too-many-failures/m, 'a wrong password, too');
  assert.equal((await visitor().signIn(mail, right)).status, 429);
});

test('login: a lock-out that cannot be read is an outage, and lets nobody in', async (t) => {
  const { visitor, folder } = await site(t, { config: { session: { store: { type: 'embedded', path: 'data' } } } });
  assert.equal((await visitor().signIn('agent1', 'wrong')).status, 401);
  const store = new EmbeddedStore(join(folder, 'data'), { clock: systemClock, log: keptLog() });
  t.after(() => store.close());
  for await (const { key } of store.list('lockout-user:')) await store.put(key, '{"failures":');
  assert.equal((await visitor().signIn('agent1', passwords.agent1)).status, 503);
});
