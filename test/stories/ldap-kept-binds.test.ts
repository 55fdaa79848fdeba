/** Binds of users on kept connections of a real OpenLDAP: whoever bound there before, each is judged by the own password. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ldapProvider, optionsFor } from '../support/scenes/ldap-provider.ts';
import { fakePeer } from '../support/servers/fake-ldap.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import type { Person } from '../support/servers/slapd-content.ts';
import { passwordAttempt } from '../support/tools/attempt.ts';
import { testCertificates } from '../support/tools/certificates.ts';

const people: readonly Person[] = [
  { uid: 'alice', password: 'right' },
  { uid: 'bob', password: 'right too' },
  { uid: 'locked', password: 'right', policy: 'strict' },
  { uid: 'reset', password: 'first-password', policy: 'strict', attributes: { pwdReset: 'TRUE' } },
  { uid: 'stale', password: 'right', policy: 'expiring', attributes: { pwdChangedTime: '20200101000000Z' } },
];

/** Passes bytes on to a server, and counts the connections. */
async function counted(t: TestContext, { url }: Directory): Promise<{ readonly url: string; connections: number }> {
  const { hostname, port } = new URL(url);
  const counter = { url: '', connections: 0 };
  const { url: relay } = await fakePeer(t, (socket) => {
    counter.connections += 1;
    const server = connect(Number(port), hostname);
    socket.pipe(server).pipe(socket);
    for (const [one, other] of [[socket, server] as const, [server, socket] as const])
      one.on('error', () => undefined).on('close', () => other.destroy());
  });
  return Object.assign(counter, { url: relay });
}

for (const transport of ['plain', 'StartTLS'] as const)
  test(
    `ldap: one kept connection judges many users, each by the own password (${transport})`,
    needsSlapd,
    async (t) => {
      const slapd = await shareSlapd(t, { people });
      const relay = await counted(t, slapd);
      const secured = transport === 'plain' ? {} : { startTls: true, ca: testCertificates().ca };
      const provider = ldapProvider(t, { ...optionsFor(slapd), ...secured, url: relay.url });
      const said = async (name: string, password: string) => {
        const outcome = await provider.attempt(passwordAttempt(name, password));
        if (outcome.kind === 'authenticated') return outcome.assertion.subject;
        return 'reason' in outcome ? outcome.reason : outcome.kind;
      };
      const asked: readonly (readonly [name: string, password: string, want: string])[] = [
        ['alice', 'right', 'alice'],
        ['alice', 'wrong', 'bad-password'],
        ['bob', 'right', 'bad-password'],
        ['bob', 'right too', 'bob'],
        ['reset', 'first-password', 'password-must-change'],
        ['alice', 'right', 'alice'],
        ['stale', 'right', 'password-expired'],
        ['bob', 'right too', 'bob'],
        ...Array.from({ length: 3 }, () => ['locked', 'wrong', 'bad-password'] as const),
        ['locked', 'right', 'account-locked'],
        ['alice', 'right', 'alice'],
      ];
      for (const [name, password, want] of asked) assert.equal(await said(name, password), want, `${name} ${password}`);
      assert.equal(relay.connections, 2, 'one for searches, one for binds');
    },
  );

test('ldap: twenty users at once on kept connections do not mix', needsSlapd, async (t) => {
  const many = Array.from({ length: 20 }, (_, index) => ({ uid: `u${index}`, password: `secret ${index}` }));
  const slapd = await shareSlapd(t, { people: many });
  const relay = await counted(t, slapd);
  const provider = ldapProvider(t, { ...optionsFor(slapd), url: relay.url });
  for (let round = 0; round < 3; round++) {
    const outcomes = await Promise.all(
      many.flatMap(({ uid, password }, index) => [
        provider.attempt(passwordAttempt(uid, password)),
        provider.attempt(passwordAttempt(uid, `secret ${(index + 1) % many.length}`)),
      ]),
    );
    const told = outcomes.map((outcome) =>
      outcome.kind === 'authenticated' ? outcome.assertion.subject : outcome.kind,
    );
    assert.deepEqual(
      told,
      many.flatMap(({ uid }) => [uid, 'rejected']),
    );
  }
  assert.ok(relay.connections <= 20, `${relay.connections} connections`);
});

test(
  'ldap: kept connections of a server that was started anew, and of one that was frozen, refuse nobody',
  needsSlapd,
  async (t) => {
    const slapd = await startSlapd(t, { people });
    const provider = ldapProvider(t, { ...optionsFor(slapd), timeout: '1s' });
    const kinds = async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 6 }, () => provider.attempt(passwordAttempt('alice', 'right'))),
      );
      return [...new Set(outcomes.map(({ kind }) => kind))];
    };
    assert.deepEqual(await kinds(), ['authenticated']);
    await slapd.restart();
    assert.deepEqual(await kinds(), ['authenticated']);
    slapd.pause();
    assert.deepEqual(await kinds(), ['unavailable']);
    slapd.resume();
    assert.deepEqual(await kinds(), ['authenticated']);
  },
);
