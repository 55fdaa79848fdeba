/** LDAP when servers fail: failover, hangs, restarts; and TLS with every kind of wrong certificate. */

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import type { ProbeStep, Provider } from '../../src/core/provider.ts';
import { spkiPin } from '../../src/tls/pins.ts';
import { ldapProvider, optionsFor } from '../support/scenes/ldap-provider.ts';
import { fakePeer } from '../support/servers/fake-ldap.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { passwordAttempt } from '../support/tools/attempt.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { timed } from '../support/tools/stopwatch.ts';

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`ldap: ${name}`, needsSlapd, run);

const people = [{ uid: 'alice', password: 'right' }];
const certificates = testCertificates();
const { ca } = certificates;

async function login(
  provider: Provider,
  password = 'right',
): Promise<{ said: string; milliseconds: number; elapsed: number }> {
  const { value: outcome, ...took } = await timed(provider.attempt(passwordAttempt('alice', password)));
  const said = 'reason' in outcome ? `${outcome.kind} ${outcome.reason}` : outcome.kind;
  return { said, ...took };
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|TLS/.test(kind)).length;
}

story('when the first server is gone, the second one answers, and comes first from then on', async (t) => {
  const [first, second] = [await startSlapd(t, { people }), await startSlapd(t, { people })];
  const log = keptLog();
  const provider = ldapProvider(t, { ...optionsFor(first), url: [first.url, second.url] }, { log });
  assert.equal((await login(provider)).said, 'authenticated');
  await first.stop();
  assert.equal((await login(provider)).said, 'authenticated');
  assert.equal((await login(provider, 'wrong')).said, 'rejected bad-password');
  assert.equal(log.lines.filter(({ message }) => message.includes('avoided')).length, 1);
  await second.stop();
  assert.equal((await login(provider)).said, 'unavailable unreachable');
});

story('a server that hangs costs the first login its share of the time and the next ones nothing', async (t) => {
  const [first, second] = [await startSlapd(t, { people }), await startSlapd(t, { people })];
  const clock = manualClock();
  const provider = ldapProvider(t, { ...optionsFor(first), url: [first.url, second.url], timeout: '3s' }, { clock });
  assert.equal((await login(provider)).said, 'authenticated');
  first.pause();
  const hit = await login(provider);
  assert.equal(hit.said, 'authenticated');
  assert.ok(hit.elapsed > 1200 && hit.milliseconds < 3000, `${hit.elapsed} ms`);
  const next = await login(provider);
  assert.equal(next.said, 'authenticated');
  assert.ok(next.milliseconds < 1200, `${next.milliseconds} ms`);
  first.resume();
  clock.advance(60_000);
  await second.stop();
  assert.equal((await login(provider)).said, 'authenticated', 'the first server is asked again');
});

story('of many logins that find a server due for another try, one waits for it', async (t) => {
  const clock = manualClock();
  let asked = 0;
  const silent = await fakePeer(t, (socket) => {
    asked += 1;
    socket.resume();
  });
  const slapd = await shareSlapd(t, { people });
  const provider = ldapProvider(t, { ...optionsFor(slapd), url: [silent.url, slapd.url], timeout: '3s' }, { clock });
  await login(provider);
  assert.equal(asked, 1);
  clock.advance(60_000);
  const logins = await Promise.all(Array.from({ length: 8 }, () => login(provider)));
  assert.ok(
    logins.every(({ said }) => said === 'authenticated'),
    inspect(logins),
  );
  assert.equal(asked, 2);
});

story('a server that hangs ends the login within its deadline, and no socket is left', async (t) => {
  const slapd = await startSlapd(t, { people });
  const before = openSockets();
  const provider = ldapProvider(t, { ...optionsFor(slapd), timeout: '2s' });
  assert.equal((await login(provider)).said, 'authenticated');
  slapd.pause();
  const results = await Promise.all(Array.from({ length: 10 }, () => login(provider)));
  for (const { said, milliseconds } of results) {
    assert.equal(said, 'unavailable timed-out');
    assert.ok(milliseconds < 3000, `${milliseconds} ms`);
  }
  await until('all sockets are closed', () => openSockets() <= before);
  slapd.resume();
  assert.equal((await login(provider)).said, 'authenticated');
});

for (const end of ['stop', 'kill'] as const) {
  story(`after a restart (${end}) the next login works, bound as the manager`, async (t) => {
    // Nobody but the manager may search: a connection that came back anonymous would find nobody.
    const database = [
      'access to attrs=userPassword by anonymous auth by * none',
      'access to * by dn="uid=reader,ou=people,dc=example,dc=com" read by * none',
    ];
    const slapd = await startSlapd(t, { people, database });
    const provider = ldapProvider(t, optionsFor(slapd));
    await Promise.all(Array.from({ length: 4 }, () => login(provider)));
    await slapd[end]();
    assert.equal((await login(provider)).said, 'unavailable unreachable');
    await slapd.restart();
    assert.equal((await login(provider)).said, 'authenticated');
  });
}

story('a restart between two logins is not noticed', async (t) => {
  const slapd = await startSlapd(t, { people });
  const provider = ldapProvider(t, optionsFor(slapd));
  assert.equal((await login(provider)).said, 'authenticated');
  await slapd.restart();
  assert.equal((await login(provider)).said, 'authenticated');
});

const pinOf = (file: string) => spkiPin(new X509Certificate(readFileSync(file)));
const tlsCases: Readonly<
  Record<string, { certificate?: keyof typeof certificates; options: object; want: string; hint?: RegExp }>
> = {
  'the private CA': { options: { ca }, want: 'authenticated' },
  'no CA': { options: {}, want: 'unavailable tls-failed', hint: /ca file/ },
  'another CA': { options: { ca: certificates.otherCa }, want: 'unavailable tls-failed', hint: /ca file/ },
  'a wrong name': { certificate: 'wrongName', options: { ca }, want: 'unavailable tls-failed', hint: /servername/ },
  'another name that servername expects': {
    certificate: 'wrongName',
    options: { ca, servername: 'other.example.com' },
    want: 'authenticated',
  },
  'an expired certificate': { certificate: 'expired', options: { ca }, want: 'unavailable tls-failed', hint: /renew/ },
  'a self-signed certificate': {
    certificate: 'selfSigned',
    options: { ca },
    want: 'unavailable tls-failed',
    hint: /ca file/,
  },
  'a missing intermediate': {
    certificate: 'unchained',
    options: { ca },
    want: 'unavailable tls-failed',
    hint: /intermediate/,
  },
  'the right pin': { options: { ca, pins: [pinOf(certificates.good.certificate)] }, want: 'authenticated' },
  'a wrong pin': {
    options: { ca, pins: [pinOf(certificates.renewed.certificate)] },
    want: 'unavailable tls-failed',
    hint: /pins/,
  },
  'the right pin without the CA': {
    options: { pins: [pinOf(certificates.good.certificate)] },
    want: 'unavailable tls-failed',
  },
};
for (const [name, { certificate, options, want, hint }] of Object.entries(tlsCases)) {
  story(`over LDAPS and StartTLS, ${name}: ${want}`, async (t) => {
    const files = certificate && certificates[certificate];
    const slapd =
      typeof files === 'object' ? await startSlapd(t, { people, certificate: files }) : await shareSlapd(t, { people });
    for (const transport of [{ url: slapd.ldapsUrl }, { startTls: true }]) {
      const provider = ldapProvider(t, { ...optionsFor(slapd), ...transport, ...options });
      assert.equal((await login(provider)).said, want, inspect(transport));
      const steps = await stepsOf(provider);
      const failed = steps.find(({ result }) => result === 'failed');
      assert.equal(failed?.step, want === 'authenticated' ? undefined : 'startTls' in transport ? 'starttls' : 'tls');
      if (hint) assert.match(failed?.hint ?? '', hint);
      if (failed) assert.match(failed.detail, /it shows: .*pin sha256\//);
    }
  });
}

async function stepsOf(provider: Provider): Promise<readonly ProbeStep[]> {
  const steps: ProbeStep[] = [];
  for await (const step of provider.probe?.(AbortSignal.timeout(60_000)) ?? []) steps.push(step);
  return steps;
}

story('a probe goes through all steps of each server, and stops where one fails', async (t) => {
  const slapd = await shareSlapd(t, { people, groups: { agents: ['alice'] } });
  const options = { ...optionsFor(slapd), groups: { searchBase: slapd.groupBase } };
  const url = [slapd.ldapsUrl, `ldap://127.0.0.1:${await freePort()}`];
  const steps = await stepsOf(ldapProvider(t, { ...options, url, ca }));
  assert.deepEqual(
    steps.map(({ step, result }) => `${step} ${result}`),
    ['resolve ok', 'connect ok', 'tls ok', 'bind ok', 'search ok', 'groups ok', 'resolve ok', 'connect failed'],
  );
  assert.match(steps.at(-1)?.detail ?? '', /nothing listens/);
});

const probes: Readonly<
  Record<string, { options: (slapd: Directory) => object; want: string; says: RegExp; hint: RegExp }>
> = {
  'a name that nobody knows': {
    options: () => ({ url: 'ldap://directory.invalid:389' }),
    want: 'resolve failed',
    says: /DNS/,
    hint: /host|resolver/,
  },
  'a wrong password of the manager': {
    options: () => ({ managerPassword: 'wrong' }),
    want: 'bind failed',
    says: /manager is refused/,
    hint: /managerPassword/,
  },
  'a base that does not exist': {
    options: () => ({ searchBase: 'ou=gone,dc=example,dc=com' }),
    want: 'search failed',
    says: /does not exist/,
    hint: /searchBase/,
  },
  'a filter that finds nobody': {
    options: () => ({ userSearchFilter: 'roomNumber=%s' }),
    want: 'search warning',
    says: /0 users/,
    hint: /userSearchFilter/,
  },
  'a subject that nobody has': {
    options: () => ({ attributes: { subject: 'roomNumber' } }),
    want: 'search warning',
    says: /users below/,
    hint: /roomNumber/,
  },
  'groups where there are none': {
    options: (slapd) => ({ groups: { searchBase: slapd.searchBase } }),
    want: 'groups warning',
    says: /0 groups/,
    hint: /groups\.filter/,
  },
  'a list of groups that nobody has': {
    options: () => ({ groups: { memberOf: true } }),
    want: 'groups warning',
    says: /0 of 2/,
    hint: /memberOf/,
  },
};
for (const [name, { options, want, says, hint }] of Object.entries(probes)) {
  story(`a probe explains ${name}`, async (t) => {
    const slapd = await shareSlapd(t, { people });
    const steps = await stepsOf(ldapProvider(t, { ...optionsFor(slapd), ...options(slapd) }));
    const telling = steps.find(({ result }) => result !== 'ok');
    assert.equal(`${telling?.step} ${telling?.result}`, want);
    assert.match(telling?.detail ?? '', says);
    assert.match(telling?.hint ?? '', hint);
  });
}
