/** LDAP against peers that misbehave: hangs, half answers, garbage, lies, and the words of Active Directory. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { ldapProvider } from '../../support/scenes/ldap-provider.ts';
import { alice, aliceDn, directoryWith, manager } from '../../support/servers/fake-directory.ts';
import { entry, type FakeRequest, fakeLdap, fakePeer, reference, result } from '../../support/servers/fake-ldap.ts';
import { passwordAttempt } from '../../support/tools/attempt.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { until } from '../../support/tools/poll.ts';
import { endsWithin } from '../../support/tools/stopwatch.ts';

/** What a busy machine may add to a deadline, in milliseconds. */
const slack = 1000;

const login = passwordAttempt.bind(undefined, 'alice', 'right');

const broken: Readonly<
  Record<string, { reason: string; peer: (t: TestContext) => Promise<{ url: string; sockets: ReadonlySet<object> }> }>
> = {
  'hangs after the connection': { reason: 'timed-out', peer: (t) => fakePeer(t, (socket) => void socket.resume()) },
  'hangs after the bind of the manager': {
    reason: 'timed-out',
    peer: (t) => fakeLdap(t, ({ id, operation }) => (operation === 'bind' ? result(id, 97, 0) : undefined)),
  },
  'hangs at the bind of the user': {
    reason: 'timed-out',
    peer: (t) =>
      fakeLdap(
        t,
        directoryWith(() => undefined),
      ),
  },
  'hangs in the middle of an answer': {
    reason: 'timed-out',
    peer: (t) => fakeLdap(t, ({ id }) => result(id, 97, 0).subarray(0, 9)),
  },
  'hangs up in the middle of an answer': {
    reason: 'unreachable',
    peer: (t) => fakeLdap(t, ({ id, socket }) => void socket.end(result(id, 97, 0).subarray(0, 9))),
  },
  'hangs up at once': { reason: 'unreachable', peer: (t) => fakePeer(t, (socket) => void socket.destroy()) },
  'is a web server': {
    reason: 'protocol-error',
    peer: (t) =>
      fakePeer(t, (socket) => void socket.once('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))),
  },
  'speaks TLS on the plain port': {
    reason: 'protocol-error',
    peer: (t) =>
      fakePeer(t, (socket) => void socket.once('data', () => socket.write(Buffer.from('15030100020228', 'hex')))),
  },
  'announces a message of a gigabyte': {
    reason: 'protocol-error',
    peer: (t) =>
      fakePeer(t, (socket) => void socket.once('data', () => socket.write(Buffer.from('30844000000002', 'hex')))),
  },
  'answers with an operation nobody knows': {
    reason: 'protocol-error',
    peer: (t) => fakeLdap(t, ({ id }) => Buffer.from([0x30, 0x05, 0x02, 0x01, id, 0x5f, 0x00])),
  },
};
for (const [name, { reason, peer }] of Object.entries(broken)) {
  test(`ldap: a peer that ${name} is unavailable: ${reason}, and its sockets are closed`, async (t) => {
    const { url, sockets } = await peer(t);
    // What shows by itself must not need the deadline, which a busy machine may miss.
    const timeout = reason === 'timed-out' ? 400 : 60_000;
    const provider = ldapProvider(t, { url, ...manager, timeout: `${timeout}ms` });
    const value = await endsWithin(400 + slack, name, provider.attempt(login()));
    assert.partialDeepStrictEqual(value, { kind: 'unavailable', reason }, inspect(value));
    await provider.close?.();
    await until('all sockets are closed', () => sockets.size === 0);
  });
}

test('ldap: an abort ends the attempt and its sockets at once', async (t) => {
  const fake = await fakePeer(t, (socket) => void socket.resume());
  const provider = ldapProvider(t, { url: fake.url, ...manager, timeout: '10s' });
  const attempt = passwordAttempt('alice', 'right', AbortSignal.timeout(100));
  const value = await endsWithin(100 + slack, 'the attempt', provider.attempt(attempt));
  assert.partialDeepStrictEqual(value, { kind: 'unavailable', reason: 'timed-out' });
  await until('all sockets are closed', () => fake.sockets.size === 0);
});

test('ldap: a server that takes any bind, even an empty one, gets no empty password to take', async (t) => {
  const fake = await fakeLdap(
    t,
    directoryWith(({ id }) => result(id, 97, 0)),
  );
  const provider = ldapProvider(t, { url: fake.url, ...manager });
  for (const password of ['', ' ', '   \t', '\0', '\0right', 'right\0', '\u00a0']) {
    assert.deepEqual(await provider.attempt(passwordAttempt('alice', password)), {
      kind: 'rejected',
      reason: 'bad-password',
    });
  }
  assert.equal(fake.requests.length, 0);
});

test('ldap: an entry without a name of its own is nobody to bind as', async (t) => {
  const fake = await fakeLdap(t, ({ id, operation }) =>
    operation === 'search' ? Buffer.concat([entry(id, '', alice), result(id, 101, 0)]) : result(id, 97, 0),
  );
  const outcome = await ldapProvider(t, { url: fake.url, ...manager }).attempt(login());
  assert.partialDeepStrictEqual(outcome, { kind: 'rejected', reason: 'bad-password', subject: 'alice' });
});

test('ldap: users bind on kept connections, one after the other, on which nothing else is done', async (t) => {
  const fake = await fakeLdap(
    t,
    directoryWith(({ id }) => result(id, 97, 0)),
  );
  const provider = ldapProvider(t, { url: fake.url, ...manager });
  await Promise.all(Array.from({ length: 20 }, () => provider.attempt(login())));
  for (let again = 0; again < 3; again++) await provider.attempt(login());
  const on = (wanted: (request: FakeRequest) => boolean) => fake.requests.filter(wanted).map(({ socket }) => socket);
  const searching = new Set(on(({ operation }) => operation === 'search'));
  const binding = on(({ operation, name }) => operation === 'bind' && name === aliceDn);
  assert.ok(searching.size <= 4, 'no more searching connections than poolSize');
  assert.equal(binding.length, 23);
  assert.ok(new Set(binding).size <= 16, 'a bind takes a connection that is there');
  const others = on(({ operation, name }) => !(operation === 'bind' && name === aliceDn));
  assert.deepEqual(
    binding.filter((socket) => others.includes(socket)),
    [],
    'nothing else is done there',
  );
});

test('ldap: a kept connection that was closed or breaks at a bind refuses nobody, and one that hangs is not kept', async (t) => {
  let mood: 'answers' | 'breaks' | 'hangs' = 'answers';
  const fake = await fakeLdap(
    t,
    directoryWith(({ id, socket }) => {
      if (mood === 'breaks') socket.destroy();
      if (mood === 'breaks') mood = 'answers';
      else if (mood === 'answers') return result(id, 97, 0);
      return undefined;
    }),
  );
  const provider = ldapProvider(t, { url: fake.url, ...manager, timeout: '400ms' });
  const kind = async () => (await provider.attempt(login())).kind;
  assert.equal(await kind(), 'authenticated');
  mood = 'breaks';
  assert.equal(await kind(), 'authenticated', 'made anew on a fresh connection');
  for (const socket of fake.sockets) socket.destroy();
  assert.equal(await kind(), 'authenticated', 'when all were closed');
  mood = 'hangs';
  assert.equal(await kind(), 'unavailable');
  const hanging = fake.requests.at(-1)?.socket;
  mood = 'answers';
  assert.equal(await kind(), 'authenticated');
  assert.notEqual(fake.requests.findLast(({ name }) => name === aliceDn)?.socket, hanging);
});

test('ldap: on a kept connection a wrong password is wrong, a right one right, and a referral nobody’s answer', async (t) => {
  const codes = [49, 0, 10, 0, 49, 0];
  const fake = await fakeLdap(
    t,
    directoryWith(({ id }) => result(id, 97, codes.shift() ?? 0)),
  );
  const provider = ldapProvider(t, { url: fake.url, ...manager });
  const kinds: string[] = [];
  while (codes.length > 0) kinds.push((await provider.attempt(login())).kind);
  assert.deepEqual(kinds, ['rejected', 'authenticated', 'unavailable', 'authenticated', 'rejected', 'authenticated']);
  const binds = fake.requests.filter(({ operation, name }) => operation === 'bind' && name === aliceDn);
  assert.equal(new Set(binds.map(({ socket }) => socket)).size, 1);
});

test('ldap: a manager that is refused is a matter of the configuration, and nobody else is asked', async (t) => {
  const fake = await fakeLdap(t, ({ id }) => result(id, 97, 49, 'AcceptSecurityContext error, data 773, v2580'));
  const spare = await fakeLdap(t, () => undefined);
  const log = keptLog();
  const outcome = await ldapProvider(t, { url: [fake.url, spare.url], ...manager }, { log }).attempt(login());
  assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'misconfigured' });
  assert.equal(spare.requests.length, 0);
  assert.ok(!`${inspect(outcome, { depth: 9 })}${log.text()}`.includes('reads'));
});

test('ldap: references in an answer are not followed', async (t) => {
  const evil = await fakeLdap(t, ({ id }) => result(id, 97, 0));
  const fake = await fakeLdap(t, ({ id, operation }) =>
    operation === 'search'
      ? Buffer.concat([reference(id, `${evil.url}/${aliceDn}`), result(id, 101, 0)])
      : result(id, 97, 0),
  );
  const outcome = await ldapProvider(t, { url: fake.url, ...manager }).attempt(login());
  assert.deepEqual(outcome, { kind: 'unknown-user' });
  assert.equal(evil.requests.length, 0);
});

test('ldap: two entries are nobody, and an error for the operator', async (t) => {
  const log = keptLog();
  const fake = await fakeLdap(t, ({ id, operation }) =>
    operation === 'search'
      ? Buffer.concat([entry(id, aliceDn, alice), entry(id, `${aliceDn},dc=two`, alice), result(id, 101, 4)])
      : result(id, 97, 0),
  );
  const outcome = await ldapProvider(t, { url: fake.url, ...manager }, { log }).attempt(login());
  assert.deepEqual(outcome, { kind: 'unknown-user' });
  assert.ok(log.lines.some(({ level }) => level === 'error'));
  assert.ok(!fake.requests.some(({ operation, name }) => operation === 'bind' && name === aliceDn));
});

test('ldap: bytes that follow the answer to StartTLS in plain text end the connection', async (t) => {
  // A forged "success" for the bind to come, waiting in front of what will come through TLS.
  const fake = await fakeLdap(t, ({ id, operation }) =>
    operation === 'extended' ? Buffer.concat([result(id, 120, 0), result(2, 97, 0)]) : undefined,
  );
  const provider = ldapProvider(t, {
    url: fake.url,
    ...manager,
    startTls: true,
    ca: testCertificates().ca,
    timeout: '60s',
  });
  assert.partialDeepStrictEqual(await provider.attempt(login()), { kind: 'unavailable', reason: 'protocol-error' });
});

test('ldap: a server that refuses StartTLS gets no password', async (t) => {
  const fake = await fakeLdap(t, ({ id, operation }) =>
    operation === 'extended' ? result(id, 120, 52, 'no TLS here') : result(id, 97, 0),
  );
  const provider = ldapProvider(t, { url: fake.url, ...manager, startTls: true, ca: testCertificates().ca });
  assert.partialDeepStrictEqual(await provider.attempt(login()), { kind: 'unavailable', reason: 'tls-failed' });
  assert.ok(fake.requests.every(({ operation }) => operation === 'extended'));
});

test('ldap: a hang during the TLS handshake ends in time', async (t) => {
  const fake = await fakePeer(t, (socket) => void socket.resume());
  const provider = ldapProvider(t, {
    url: fake.url.replace('ldap:', 'ldaps:'),
    ...manager,
    ca: testCertificates().ca,
    timeout: '300ms',
  });
  const value = await endsWithin(300 + slack, 'the attempt', provider.attempt(login()));
  assert.partialDeepStrictEqual(value, { kind: 'unavailable', reason: 'timed-out' });
  await until('all sockets are closed', () => fake.sockets.size === 0);
});

test('ldap: an entry that the directory found by another spelling than its own is not taken', async (t) => {
  // RFC 4518 lets a directory drop these signs; our counts of failures would not see the names as one.
  const fake = await fakeLdap(
    t,
    directoryWith(({ id }) => result(id, 97, 0)),
  );
  const provider = ldapProvider(t, { url: fake.url, ...manager, userSearchFilter: '(|(uid=%s)(mail=%s))' });
  for (const name of ['al\u00adice', 'al\u200bice', '\u2060alice', 'älice', 'al  ice']) {
    assert.deepEqual(await provider.attempt(passwordAttempt(name, 'right')), { kind: 'unknown-user' }, name);
  }
  assert.equal((await provider.attempt(passwordAttempt(' ALICE ', 'right'))).kind, 'authenticated');
});

test('ldap: a kept connection that breaks under a search is replaced, once', async (t) => {
  const searches = new Map<object, number>();
  const fake = await fakeLdap(t, (request) => {
    const { id, operation, socket } = request;
    if (operation === 'search') searches.set(socket, (searches.get(socket) ?? 0) + 1);
    if ((searches.get(socket) ?? 0) > 1) return void socket.destroy();
    return directoryWith(() => result(id, 97, 0))(request);
  });
  const provider = ldapProvider(t, { url: fake.url, ...manager });
  for (let attempt = 0; attempt < 3; attempt++) assert.equal((await provider.attempt(login())).kind, 'authenticated');
  assert.equal(searches.size, 3);
});
