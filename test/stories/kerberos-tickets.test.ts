/** Kerberos with tickets of a real KDC: who gets in, who does not and why, and that no two are mixed. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Log } from '../../src/core/log.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Provider } from '../../src/core/provider.ts';
import type { ProviderContext } from '../../src/providers/define.ts';
import { type ProviderUnderTest, providerContract } from '../contract/provider.ts';
import { type KerberosSetting, kerberosProvider } from '../support/scenes/kerberos-provider.ts';
import { ldapProvider, optionsFor } from '../support/scenes/ldap-provider.ts';
import { type Kdc, type KdcOptions, needsKdc, shareKdc, startKdc } from '../support/servers/kdc.ts';
import { needsSlapd, startSlapd } from '../support/servers/slapd.ts';
import { type AttemptParts, attemptOf } from '../support/tools/attempt.ts';
import { keytabBytes } from '../support/tools/keytab.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { until } from '../support/tools/poll.ts';

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`kerberos: ${name}`, needsKdc, run);

const spn = 'HTTP/localhost@EXAMPLE.TEST';
const parts = (token: string): AttemptParts => ({ headers: { authorization: `Negotiate ${token}` } });
const present = (provider: Provider, token: string): Promise<Outcome> => provider.attempt(attemptOf(parts(token)));

/** The options that fit a KDC, with a replay cache of the test's own. */
async function optionsOf(
  kdc: Kdc,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  const keytab = more.keytab ?? (await kdc.keytab(['HTTP/localhost']));
  const replayCache = join(kdc.folder, 'seen');
  return { principal: spn, krb5Config: kdc.krb5Config, replayCache, ...more, keytab };
}

async function setUp(
  t: TestContext,
  kdcOptions: KdcOptions = {},
  more: Readonly<Record<string, unknown>> = {},
  setting?: KerberosSetting,
) {
  const kdc = await shareKdc(t, kdcOptions);
  const log = keptLog();
  const provider = kerberosProvider(t, await optionsOf(kdc, more), { log, ...setting });
  return { kdc, provider, log };
}

if (needsKdc.skip === false) {
  providerContract('kerberos', async (t, log: Log): Promise<ProviderUnderTest> => {
    const kdc = await shareKdc(t, {
      services: ['HTTP/localhost', 'HTTP/other'],
      partners: ['alice'],
    });
    const users = ['alice', 'bob'] as const;
    const rejected = (reason: string) => ({ kind: 'rejected' as const, reason });
    const garbage = Buffer.from('a secret that is no ticket').toString('base64');
    const spent = await kdc.token('alice');
    const provider = kerberosProvider(t, await optionsOf(kdc), { log });
    await present(provider, spent);
    return {
      provider,
      subjects: users,
      good: async (user) => parts(await kdc.token(users[user])),
      bad: {
        garbage: { attempt: () => parts(garbage), want: rejected('ticket-rejected') },
        'a ticket that was used': { attempt: () => parts(spent), want: rejected('ticket-replayed') },
        'a ticket of another realm': {
          attempt: async () => parts(await kdc.token('alice@PARTNER.TEST')),
          want: rejected('realm-not-allowed'),
        },
        'a ticket for another service': {
          attempt: async () => parts(await kdc.token('alice', { service: 'HTTP@other' })),
          want: rejected('ticket-rejected'),
        },
        NTLM: { attempt: () => parts('TlRMTVNTUAABAAAA'), want: { kind: 'challenge' } },
      },
      secrets: [garbage, spent, readFileSync(join(kdc.folder, 'service-1.keytab')).subarray(-40).toString('base64')],
    };
  });
}

story('a ticket is vouched for, and the gateway proves itself too where it is asked', async (t) => {
  const { kdc, provider } = await setUp(t);
  const assertion = { realm: 'kerberos', subject: 'alice', amr: ['kerberos'], attributes: {} };
  for (const bare of [false, true]) {
    const outcome = await present(provider, await kdc.token('alice', { bare }));
    assert.partialDeepStrictEqual(outcome, { kind: 'authenticated', assertion });
    assert.ok(outcome.kind === 'authenticated');
    assert.match(outcome.headers?.['www-authenticate'] ?? '', /^Negotiate [A-Za-z0-9+/]{80,}=*$/);
  }
  const plain = await present(provider, await kdc.token('alice', { bare: true, mutual: false }));
  assert.deepEqual(plain, { kind: 'authenticated', assertion });
});

story('a principal without a realm, as XiVO has it, takes the realm of the keytab', async (t) => {
  const { kdc, provider } = await setUp(t, {}, { principal: 'HTTP/localhost' });
  assert.equal((await present(provider, await kdc.token('alice'))).kind, 'authenticated');
});

story('a ticket lets in once, whoever brings it again', async (t) => {
  const { kdc, provider, log } = await setUp(t);
  const token = await kdc.token('alice');
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => present(provider, token)));
  assert.equal(outcomes.filter(({ kind }) => kind === 'authenticated').length, 1);
  for (const outcome of outcomes) {
    if (outcome.kind !== 'authenticated') assert.deepEqual(outcome, { kind: 'rejected', reason: 'ticket-replayed' });
  }
  assert.match(log.text(), /replay/);
  assert.ok(!log.text().includes(token));
});

story('a ticket that took too long is told as a wrong clock', async (t) => {
  const { kdc, provider } = await setUp(t, { defaults: ['clockskew = 1'] });
  const token = await kdc.token('alice');
  const made = Date.now();
  await until('the token is older than the clocks may differ', () => Date.now() - made > 2100);
  assert.deepEqual(await present(provider, token), { kind: 'rejected', reason: 'clock-skew' });
  assert.equal((await present(provider, await kdc.token('alice'))).kind, 'authenticated');
});

story(
  'a key that has changed on the KDC is told as a wrong key, and a new keytab mends it without a restart',
  async (t) => {
    const kdc = await startKdc(t, { users: ['alice', 'bob', 'carol'] });
    const provider = kerberosProvider(t, await optionsOf(kdc));
    const keytab = join(kdc.folder, 'service-1.keytab');
    assert.equal((await present(provider, await kdc.token('alice'))).kind, 'authenticated');
    const fresh = await kdc.freshKeytab(['HTTP/localhost'], 'aes256-cts:normal');
    assert.deepEqual(await present(provider, await kdc.token('bob')), { kind: 'rejected', reason: 'wrong-key' });
    writeFileSync(keytab, readFileSync(fresh));
    assert.equal((await present(provider, await kdc.token('bob'))).kind, 'authenticated');
    const wrong = keytabBytes([{ principal: spn, key: Buffer.alloc(32, 7), kvno: 2 }]);
    writeFileSync(keytab, wrong);
    assert.deepEqual(await present(provider, await kdc.token('carol')), { kind: 'rejected', reason: 'wrong-key' });
  },
);

story(
  'a keytab that has gone, and a replay cache that cannot be written, are our fault and not the user’s',
  async (t) => {
    const { kdc, provider } = await setUp(t);
    rmSync(join(kdc.folder, 'service-1.keytab'));
    assert.partialDeepStrictEqual(await present(provider, await kdc.token('alice')), {
      kind: 'unavailable',
      reason: 'misconfigured',
    });
    await provider.close?.();
    const other = kerberosProvider(t, await optionsOf(kdc, { replayCache: join(kdc.folder, 'gone', 'seen') }));
    assert.partialDeepStrictEqual(await present(other, await kdc.token('alice')), {
      kind: 'unavailable',
      reason: 'misconfigured',
    });
  },
);

story('only tickets for the configured principals are taken, although the keytab has more keys', async (t) => {
  const services = ['HTTP/localhost', 'HTTP/cc.example.test', 'HTTP/other.example.test', 'host/localhost'];
  const kdc = await shareKdc(t, { services });
  const principal = ['HTTP/localhost@EXAMPLE.TEST', 'HTTP/CC.example.test'];
  const log = keptLog();
  const provider = kerberosProvider(t, await optionsOf(kdc, { principal, keytab: await kdc.keytab(services) }), {
    log,
  });
  const wanted = { localhost: true, 'cc.example.test': true, 'other.example.test': false } as const;
  for (const [host, isOurs] of Object.entries(wanted)) {
    const outcome = await present(provider, await kdc.token('alice', { service: `HTTP@${host}` }));
    assert.equal(outcome.kind, isOurs ? 'authenticated' : 'rejected', host);
  }
  const host = await present(provider, await kdc.token('alice', { service: 'host@localhost' }));
  assert.deepEqual(host, { kind: 'rejected', reason: 'ticket-rejected' });
  assert.match(log.text(), /the ticket is for host\/localhost@EXAMPLE\.TEST/);
});

story('an account with one key under many names is known by any of them, as in Active Directory', async (t) => {
  const kdc = await shareKdc(t);
  const exported = readFileSync(await kdc.keytab(['HTTP/localhost']));
  const own = Buffer.from('HTTP').length;
  const machine = Buffer.from(exported);
  // The same key once more, ahead of ours, under the name that a machine account has.
  machine.write('host', machine.indexOf('HTTP'), own, 'latin1');
  machine.write('host', machine.lastIndexOf('HTTP'), own, 'latin1');
  const keytab = join(kdc.folder, 'machine.keytab');
  writeFileSync(keytab, Buffer.concat([machine, exported.subarray(2)]), { mode: 0o600 });
  const provider = kerberosProvider(t, await optionsOf(kdc, { keytab }));
  assert.equal((await present(provider, await kdc.token('alice'))).kind, 'authenticated');
});

story('users of a foreign realm come in as configured, or not at all (K4)', async (t) => {
  const kdc = await shareKdc(t, { users: ['alice', 'admin'], partners: ['alice', 'admin'] });
  const cases: readonly (readonly [realms: unknown, user: string, want: string])[] = [
    [undefined, 'admin@PARTNER.TEST', 'realm-not-allowed'],
    [['EXAMPLE.TEST'], 'admin@PARTNER.TEST', 'realm-not-allowed'],
    [['EXAMPLE.TEST'], 'admin', 'admin'],
    [['EXAMPLE.TEST', 'PARTNER.TEST'], 'admin@PARTNER.TEST', 'admin@partner.test'],
    [{ 'PARTNER.TEST': 'strip' }, 'admin@PARTNER.TEST', 'admin'],
    [{ 'PARTNER.TEST': 'strip' }, 'admin', 'realm-not-allowed'],
    [{ 'EXAMPLE.TEST': 'strip', 'PARTNER.TEST': { suffix: '+partner' } }, 'alice@PARTNER.TEST', 'alice+partner'],
  ];
  for (const [realms, user, want] of cases) {
    const provider = kerberosProvider(t, await optionsOf(kdc, realms === undefined ? {} : { realms }));
    const outcome = await present(provider, await kdc.token(user));
    const got =
      outcome.kind === 'authenticated'
        ? outcome.assertion.subject
        : 'reason' in outcome
          ? outcome.reason
          : outcome.kind;
    assert.equal(got, want, `${user} with ${JSON.stringify(realms)}`);
    await provider.close?.();
  }
});

story('machines and instances of users have tickets too, but are nobody here', async (t) => {
  const { kdc, provider } = await setUp(t, { users: ['PC01$', 'alice/admin'] });
  for (const user of ['PC01$', 'alice/admin']) {
    assert.deepEqual(
      await present(provider, await kdc.token(user)),
      { kind: 'rejected', reason: 'logon-not-permitted' },
      user,
    );
  }
});

story('two hundred users at once are each who they are', async (t) => {
  const users = Array.from({ length: 200 }, (_, index) => `user${String(index).padStart(3, '0')}`);
  const { kdc, provider } = await setUp(t, { users });
  const tokens: string[] = [];
  for (const user of users) tokens.push(await kdc.token(user));
  const outcomes = await Promise.all(tokens.map((token) => present(provider, token)));
  for (const [index, outcome] of outcomes.entries()) {
    assert.ok(outcome.kind === 'authenticated', JSON.stringify(outcome));
    assert.equal(outcome.assertion.subject, users[index]);
  }
  assert.equal(
    new Set(outcomes.map((outcome) => outcome.kind === 'authenticated' && outcome.headers?.['www-authenticate'])).size,
    200,
  );
});

story('a user who leaves while the ticket is read is not signed in', async (t) => {
  const { kdc, provider } = await setUp(t);
  const outcome = await provider.attempt(
    attemptOf({ ...parts(await kdc.token('alice')), signal: AbortSignal.abort() }),
  );
  assert.deepEqual(outcome, { kind: 'unavailable', reason: 'client-gone' });
});

const withDirectory = needsKdc.skip === false ? needsSlapd : needsKdc;
test('kerberos: with a directory, a ticket makes the same user as a password', withDirectory, async (t) => {
  const people = [{ uid: 'alice', password: 'right', name: 'Alice Adams', email: 'alice@example.com' }];
  const slapd = await startSlapd(t, { people, groups: { agents: ['alice'] } });
  const directory = ldapProvider(t, { ...optionsFor(slapd), groups: { searchBase: slapd.groupBase } });
  const asked: string[] = [];
  const lookUp: ProviderContext['lookUp'] = async (provider, username, signal) => {
    asked.push(`${provider} ${username}`);
    return (await directory.lookUp?.(username, signal)) ?? { kind: 'unavailable', reason: 'misconfigured' };
  };
  const { kdc, provider } = await setUp(t, {}, { lookup: 'directory' }, { lookUp });
  const outcome = await present(provider, await kdc.token('alice'));
  assert.partialDeepStrictEqual(outcome, {
    kind: 'authenticated',
    assertion: {
      realm: 'directory',
      subject: 'alice',
      amr: ['kerberos'],
      attributes: { name: ['Alice Adams'], email: ['alice@example.com'], groups: ['agents'] },
    },
  });
  assert.deepEqual(await present(provider, await kdc.token('bob')), { kind: 'rejected', reason: 'not-in-directory' });
  assert.deepEqual(asked, ['directory alice', 'directory bob']);
  await slapd.kill();
  const gone = await present(provider, await kdc.token('alice'));
  assert.partialDeepStrictEqual(gone, { kind: 'unavailable', reason: 'unreachable' });
});

const answers: Readonly<Record<string, readonly [found: Outcome, want: Outcome]>> = {
  'rejects the user': [
    { kind: 'rejected', reason: 'account-disabled' },
    { kind: 'rejected', reason: 'account-disabled' },
  ],
  'cannot be asked': [
    { kind: 'unavailable', reason: 'breaker-open' },
    { kind: 'unavailable', reason: 'breaker-open' },
  ],
  'makes an offer': [
    { kind: 'challenge', offers: [] },
    { kind: 'unavailable', reason: 'misconfigured' },
  ],
};
story('what the directory says of a user counts, whatever the ticket', async (t) => {
  const kdc = await shareKdc(t);
  for (const [name, [found, want]] of Object.entries(answers)) {
    const provider = kerberosProvider(t, await optionsOf(kdc, { lookup: 'directory' }), { lookUp: async () => found });
    assert.deepEqual(await present(provider, await kdc.token('alice')), want, `a directory that ${name}`);
    await provider.close?.();
  }
});

story('a probe reads the keytab of a real KDC', async (t) => {
  const kdc = await startKdc(t);
  const provider = kerberosProvider(t, await optionsOf(kdc));
  const steps = await Array.fromAsync(provider.probe?.(AbortSignal.timeout(60_000)) ?? []);
  assert.deepEqual(
    steps.filter(({ result }) => result !== 'ok'),
    [],
  );
  assert.match(steps.find(({ step }) => step === 'keytab')?.detail ?? '', /HTTP\/localhost@EXAMPLE\.TEST \(kvno 1\)/);
  assert.match(steps.find(({ step }) => step === 'enctypes')?.detail ?? '', /aes256-cts-hmac-sha1-96/);
  chmodSync(join(kdc.folder, 'service-1.keytab'), 0o604);
  await provider.close?.();
  const weak = kerberosProvider(
    t,
    await optionsOf(kdc, {
      keytab: await kdc.freshKeytab(['HTTP/localhost'], 'arcfour-hmac:normal,aes256-cts:normal'),
    }),
  );
  const found = await Array.fromAsync(weak.probe?.(AbortSignal.timeout(60_000)) ?? []);
  assert.partialDeepStrictEqual(
    found.find(({ result }) => result !== 'ok'),
    { step: 'enctypes', result: 'warning' },
  );
});
