/** Kerberos without a KDC: what headers, names, keytabs and options mean, and what a process can have only one of. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '../../../src/core/errors.ts';
import type { ProbeStep, Provider } from '../../../src/core/provider.ts';
import { judge } from '../../../src/providers/kerberos/acceptor.ts';
import { loadAddon } from '../../../src/providers/kerberos/addon.ts';
import { kerberos } from '../../../src/providers/kerberos/index.ts';
import { KeytabError, parseKeytab } from '../../../src/providers/kerberos/keytab.ts';
import { isSpn, readPerson, readSpn } from '../../../src/providers/kerberos/names.ts';
import { readNegotiate } from '../../../src/providers/kerberos/negotiate.ts';
import { RealmMap, type RealmsOption, realmFates, sharedNames } from '../../../src/providers/kerberos/realms.ts';
import { type KerberosSetting, kerberosProvider } from '../../support/scenes/kerberos-provider.ts';
import { attemptOf } from '../../support/tools/attempt.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';
import { type KeytabKey, keytabBytes } from '../../support/tools/keytab.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { trials } from '../../support/tools/properties.ts';
import { cpuTime } from '../../support/tools/stopwatch.ts';

const spn = 'HTTP/cc.example.com@EXAMPLE.COM';
const key = () => randomBytes(32);

/** NTLM's first message, as Windows and curl send it. */
const ntlm = Buffer.concat([
  Buffer.from('NTLMSSP\0\x01\0\0\0', 'latin1'),
  Buffer.from('97b208e2', 'hex'),
  Buffer.alloc(24),
]);
/** The same in a NegTokenInit that names NTLM's mechanism only. */
const wrappedNtlm = Buffer.concat([
  Buffer.from('604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a0428', 'hex'),
  ntlm,
]);

const headers: Readonly<Record<string, readonly [value: string | undefined, want: string]>> = {
  'no header': [undefined, 'none'],
  'an empty header': ['', 'none'],
  'Basic (K1)': ['Basic dmljdGltOmFueXRoaW5n', 'none'],
  Bearer: ['Bearer abc', 'none'],
  'a scheme that only begins so': ['NegotiateX YIIA', 'none'],
  'NTLM by its own name': [`NTLM ${ntlm.toString('base64')}`, 'none'],
  'a token': ['Negotiate YIIA', 'token YIIA'],
  'a token after a lower-case scheme (K7)': ['negotiate YIIA', 'token YIIA'],
  'a token after a shouted scheme': ['NEGOTIATE\tYIIA ', 'token YIIA'],
  'no token (K7)': ['Negotiate', 'no-ticket'],
  'blanks for a token': ['Negotiate   ', 'no-ticket'],
  'NTLM (K3)': [`Negotiate ${ntlm.toString('base64')}`, 'no-ticket'],
  'the NTLM of the case list (K3)': ['Negotiate TlRMTVNTUAABAAAA', 'no-ticket'],
  'NTLM in SPNEGO': [`Negotiate ${wrappedNtlm.toString('base64')}`, 'no-ticket'],
  NEGOEX: [`Negotiate ${Buffer.from('`\x10NEGOEXTS.......', 'latin1').toString('base64')}`, 'no-ticket'],
  'two tokens': ['Negotiate YIIA, Negotiate YIIA', 'malformed'],
  parameters: ['Negotiate realm="x"', 'malformed'],
  'half a group': ['Negotiate YIIAA', 'malformed'],
  'too much padding': ['Negotiate YIIAY===', 'malformed'],
  'the URL alphabet': ['Negotiate YI_-', 'malformed'],
  '64 KiB (K7)': [`Negotiate ${'A'.repeat(65_536)}`, `token ${'A'.repeat(65_536)}`],
  'more than 64 KiB (K7)': [`Negotiate ${'A'.repeat(65_540)}`, 'malformed'],
};
for (const [name, [value, want]] of Object.entries(headers)) {
  test(`kerberos: reads ${name} as ${want.slice(0, 20)}`, () => {
    const reading = readNegotiate(value);
    assert.equal(reading.kind === 'token' ? `token ${reading.token}` : reading.kind, want);
  });
}

test('kerberos: whatever the header, reading it takes no time and never throws', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2000 }), (text) => void readNegotiate(`Negotiate ${text}`)),
    trials(),
  );
  const spent = cpuTime(() => {
    for (const text of [' '.repeat(200_000), 'A'.repeat(200_000), `${'A='.repeat(100_000)}!`])
      readNegotiate(`Negotiate ${text}`);
  });
  assert.ok(spent < 200, `${spent} ms`);
});

const mapped: readonly (readonly [realms: RealmsOption, principal: string, want: string])[] = [
  [['EXAMPLE.COM'], 'Alice@EXAMPLE.COM', 'alice'],
  [['EXAMPLE.COM'], 'alice@PARTNER.REALM', 'realm-not-allowed'],
  [['EXAMPLE.COM'], 'alice@example.com', 'realm-not-allowed'],
  [['EXAMPLE.COM'], 'alice@X@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'alice', 'realm-not-allowed'],
  [['EXAMPLE.COM'], '@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM', 'PARTNER.REALM'], 'admin@PARTNER.REALM', 'admin@partner.realm'],
  [['EXAMPLE.COM', 'PARTNER.REALM'], 'admin@EXAMPLE.COM', 'admin'],
  [{ 'EXAMPLE.COM': 'keep' }, 'alice@EXAMPLE.COM', 'alice@example.com'],
  [{ 'EXAMPLE.COM': 'strip', 'PARTNER.REALM': { suffix: '.Partner' } }, 'admin@PARTNER.REALM', 'admin.partner'],
  [{ 'EXAMPLE.COM': 'strip', __proto__x: 'strip' }, 'alice@__proto__', 'realm-not-allowed'],
  [['EXAMPLE.COM'], 'alice@constructor', 'realm-not-allowed'],
  // Nobody's name may pass for one of another realm, or for a person.
  [['EXAMPLE.COM'], 'admin\\@partner.realm@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'alice/admin@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'host/pc.example.com@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'PC01$@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'ali\\nce@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'ａlice@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], ' alice@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'alice\u00a0@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'al\u0000ice@EXAMPLE.COM', 'logon-not-permitted'],
  [['EXAMPLE.COM'], 'Zoë Žižek@EXAMPLE.COM', 'zoë žižek'],
  [['EXAMPLE.COM'], 'WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS', 'realm-not-allowed'],
];
test('kerberos: a realm is stripped, kept or replaced as configured, and any other is refused (K4)', () => {
  for (const [realms, principal, want] of mapped) {
    const found = new RealmMap(realmFates('kerberos', realms, [])).subjectOf(principal);
    assert.equal(
      found.kind === 'subject' ? found.subject : found.reason,
      want,
      `${principal} of ${JSON.stringify(realms)}`,
    );
  }
});

test('kerberos: without realms, only that of the keytab may come in', () => {
  assert.deepEqual([...realmFates('kerberos', undefined, ['EXAMPLE.COM'])], [['EXAMPLE.COM', 'strip']]);
  assert.throws(() => realmFates('kerberos', undefined, ['A.COM', 'B.COM']), OperatorError);
});

test('kerberos: realms whose users become one are told', () => {
  const shared = (realms: RealmsOption) => sharedNames(realmFates('kerberos', realms, []));
  assert.deepEqual(shared(['A.COM', 'B.COM', 'C.COM']), []);
  assert.deepEqual(shared({ 'A.COM': 'strip', 'B.COM': 'strip', 'C.COM': 'keep' }), [['A.COM', 'B.COM']]);
  assert.deepEqual(shared({ 'A.COM': 'keep', 'B.COM': { suffix: '@a.com' } }), [['A.COM', 'B.COM']]);
});

test('kerberos: an SPN is compared with its host in any case, and all else as it is', () => {
  const wanted = readSpn(spn)!;
  assert.ok(isSpn('HTTP/CC.Example.com@EXAMPLE.COM', wanted));
  for (const other of [
    'http/cc.example.com@EXAMPLE.COM',
    'HTTP/cc.example.com@example.com',
    'HTTP/cc@EXAMPLE.COM',
    'host/cc.example.com@EXAMPLE.COM',
    'HTTP/cc.example.com',
    '',
  ]) {
    assert.ok(!isSpn(other, wanted), other);
  }
  assert.ok(isSpn('HTTP/cc@ANY.REALM', readSpn('HTTP/cc')!));
  assert.equal(readPerson('alice@EXAMPLE.COM')?.name, 'alice');
});

test('kerberos: a keytab is read, holes and old short kvnos included, and no key comes out', () => {
  const same = key();
  const bytes = keytabBytes([
    { principal: spn, key: same, kvno: 300, writtenAt: 1_700_000_000 },
    20,
    { principal: 'CC$@EXAMPLE.COM', key: same, kvno: 3, short: true },
    { principal: 'a/b/c@R', key: Buffer.alloc(8), enctype: 3 },
    { principal: 'Zoë@R', key: key(), enctype: 77, kvno: 0 },
  ]);
  const entries = parseKeytab(bytes);
  assert.deepEqual(
    entries.map(({ principal, enctype, kvno, writtenAt }) => [principal, enctype, kvno, writtenAt]),
    [
      [spn, 18, 300, 1_700_000_000_000],
      ['CC$@EXAMPLE.COM', 18, 3, 0],
      ['a/b/c@R', 3, 1, 0],
      ['Zoë@R', 77, 0, 0],
    ],
  );
  assert.equal(entries[0]?.fingerprint, entries[1]?.fingerprint);
  assert.notEqual(entries[0]?.fingerprint, entries[2]?.fingerprint);
  for (const spelling of ['hex', 'base64', 'latin1'] as const)
    assert.ok(!JSON.stringify(entries).includes(same.toString(spelling)));
});

test('kerberos: what is not a keytab is told as such', () => {
  const whole = keytabBytes([{ principal: spn, key: key() }]);
  const cases = { '': /empty/, example: /not a keytab/, '\x05\x01aaaa': /version 1/ };
  for (const [text, says] of Object.entries(cases)) assert.throws(() => parseKeytab(Buffer.from(text, 'latin1')), says);
  for (let length = 3; length < whole.length; length++) {
    assert.throws(() => parseKeytab(whole.subarray(0, length)), KeytabError, `cut after ${length} bytes`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
      try {
        parseKeytab(Buffer.concat([Buffer.from([5, 2]), tail]));
      } catch (error) {
        assert.ok(error instanceof KeytabError);
      }
    }),
    trials(),
  );
});

const texts: Readonly<Record<string, string>> = {
  'Unspecified GSS failure.  Minor code may provide more information: Request is a replay': 'rejected ticket-replayed',
  'Unspecified GSS failure.  Minor code may provide more information: Clock skew too great': 'rejected clock-skew',
  'Unspecified GSS failure.  Minor code may provide more information: Ticket not yet valid': 'rejected clock-skew',
  'Unspecified GSS failure.  Minor code may provide more information: Ticket expired': 'rejected ticket-rejected',
  'Request ticket server HTTP/a@R kvno 1 enctype aes256-cts found in keytab but cannot decrypt ticket':
    'rejected wrong-key',
  'Request ticket server HTTP/a@R kvno 2 not found in keytab; keytab is likely out of date': 'rejected wrong-key',
  'Encryption type arcfour-hmac not permitted': 'rejected wrong-key',
  'Request ticket server HTTP/other@R not found in keytab (ticket kvno 1)': 'rejected ticket-rejected',
  'Invalid token was supplied: Unknown error': 'rejected ticket-rejected',
  'An unsupported mechanism was requested: Unknown error': 'rejected ticket-rejected',
  'No credentials were supplied, or the credentials were unavailable or inaccessible: SPNEGO cannot find mechanisms to negotiate':
    'unavailable misconfigured',
  "No credentials were supplied, or the credentials were unavailable or inaccessible: Key table file '/x' not found":
    'unavailable misconfigured',
  'Unspecified GSS failure.  Minor code may provide more information: No such file or directory (filename: /x/y)':
    'unavailable misconfigured',
  'Unspecified GSS failure.  Minor code may provide more information: Read-only file system':
    'unavailable misconfigured',
};
test('kerberos: each text of the library has its reason', () => {
  for (const [text, want] of Object.entries(texts)) {
    const found = judge(new Error(text));
    assert.equal('reason' in found ? `${found.kind} ${found.reason}` : found.kind, want, text);
  }
});

/** A keytab with one good key of our principal, unless told otherwise. */
async function keytabOf(t: TestContext, items?: readonly (KeytabKey | number)[], mode = 0o600): Promise<string> {
  const file = join(await temporaryFolder(t), 'cc.keytab');
  writeFileSync(file, keytabBytes(items ?? [{ principal: spn, key: key() }]), { mode });
  chmodSync(file, mode);
  return file;
}

async function providerWith(
  t: TestContext,
  more: Readonly<Record<string, unknown>> = {},
  setting?: KerberosSetting,
): Promise<Provider> {
  return kerberosProvider(t, { principal: spn, keytab: await keytabOf(t), ...more }, setting);
}

const offer = { kind: 'challenge', offers: [{ via: 'header', value: 'Negotiate' }] };
const silence = { kind: 'challenge', offers: [] };

test('kerberos: a request without a token is offered Negotiate', async (t) => {
  const provider = await providerWith(t);
  assert.deepEqual(await provider.attempt(attemptOf({})), offer);
  assert.deepEqual(
    await provider.attempt(attemptOf({ headers: { authorization: 'Basic dmljdGltOngA' } })),
    offer,
    'K1',
  );
});

test('kerberos: NTLM is no failure, and is not offered Negotiate again (K3)', async (t) => {
  const log = keptLog();
  const provider = await providerWith(t, {}, { log });
  for (const token of [ntlm, wrappedNtlm]) {
    const authorization = `Negotiate ${token.toString('base64')}`;
    assert.deepEqual(await provider.attempt(attemptOf({ headers: { authorization } })), silence);
  }
  assert.deepEqual(log.lines, []);
});

test('kerberos: garbage is rejected, and one that is too large never reaches the library', async (t) => {
  const provider = await providerWith(t);
  for (const token of ['AAAA', 'YIIZ', 'A'.repeat(65_536), 'A'.repeat(70_000), 'not base64', '=']) {
    const outcome = await provider.attempt(attemptOf({ headers: { authorization: `negotiate ${token}` } }));
    assert.deepEqual(outcome, { kind: 'rejected', reason: 'ticket-rejected' }, token.slice(0, 20));
  }
});

test('kerberos: ?method=form asks for no ticket and takes none', async (t) => {
  const provider = await providerWith(t);
  for (const headers of [{}, { authorization: 'Negotiate AAAA' }]) {
    const url = new URL('http://gate.test/ccagent?x=1&method=form');
    assert.deepEqual(await provider.attempt(attemptOf({ url, headers })), silence);
  }
  const other = new URL('http://gate.test/ccagent?method=formal');
  assert.deepEqual(await provider.attempt(attemptOf({ url: other })), offer);
});

test('kerberos: only the configured networks are asked for tickets, and only theirs are taken', async (t) => {
  const provider = await providerWith(t, { networks: ['10.0.0.0/8', 'fd00::/8'] });
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00::1']) {
    assert.deepEqual(await provider.attempt(attemptOf({ address })), offer, address);
  }
  for (const address of ['11.1.2.3', '::ffff:11.1.2.3', 'fe80::1', 'unknown']) {
    const headers = { authorization: 'Negotiate AAAA' };
    assert.deepEqual(await provider.attempt(attemptOf({ address, headers })), silence, address);
  }
});

test('kerberos: a client for whom an untrusted proxy speaks is in no network', async (t) => {
  const client = { address: '10.1.2.3', isRelayed: true } as const;
  const provider = await providerWith(t, { networks: ['10.0.0.0/8'] });
  assert.deepEqual(await provider.attempt(attemptOf(client)), silence);
  assert.deepEqual(await (await providerWith(t)).attempt(attemptOf(client)), offer, 'nothing is asked of its network');
});

test('kerberos: a form that was sent is none of its business', async (t) => {
  const provider = await providerWith(t);
  assert.deepEqual(await provider.attempt(attemptOf({ stage: 'credentials' })), silence);
});

test('kerberos: what can never work stops the start, and says what to do', async (t) => {
  const folder = await temporaryFolder(t);
  const garbage = join(folder, 'garbage.keytab');
  writeFileSync(garbage, 'example\n');
  const other = await keytabOf(t, [{ principal: 'HTTP/other@EXAMPLE.COM', key: key() }]);
  const two = await keytabOf(
    t,
    ['A.COM', 'B.COM'].map((realm) => ({ principal: `HTTP/cc.example.com@${realm}`, key: key() })),
  );
  const cases: Readonly<Record<string, readonly [options: object, says: RegExp]>> = {
    'no keytab': [{ keytab: join(folder, 'gone') }, /does not exist/],
    'a folder for a keytab': [{ keytab: folder }, /cannot be read/],
    'no keytab in the file': [{ keytab: garbage }, /not a keytab/],
    'a keytab of others': [{ keytab: other }, /no key of HTTP\/cc\.example\.com@EXAMPLE\.COM/],
    'no krb5.conf': [{ krb5Config: join(folder, 'krb5.conf') }, /krb5Config/],
    'keys of two realms': [{ principal: 'HTTP/cc.example.com', keytab: two }, /realms/],
    'a look-up in itself': [{ lookup: 'kerberos' }, /itself/],
  };
  for (const [name, [options, says]] of Object.entries(cases)) {
    await assert.rejects(
      providerWith(t, { ...options }),
      (error) => error instanceof OperatorError && says.test(error.message) && error.hint !== undefined,
      name,
    );
  }
});

test('kerberos: a missing addon names what to install', () => {
  const load = () => {
    throw new Error("Cannot find module 'kerberos'\nRequire stack:\n- x");
  };
  assert.throws(
    () => loadAddon(load),
    (error) =>
      error instanceof OperatorError &&
      /libkrb5-dev/.test(error.hint ?? '') &&
      /libgssapi-krb5-2/.test(error.hint ?? ''),
  );
  assert.throws(() => loadAddon(() => ({})), OperatorError);
});

test('kerberos: options that mean nothing are refused', () => {
  const good = { principal: spn, keytab: 'cc.keytab' };
  assert.ok(kerberos.options.safeParse(good).success);
  const bad: Readonly<Record<string, object>> = {
    'a host for a principal': { principal: 'cc.example.com' },
    'another service': { principal: 'host/cc.example.com@EXAMPLE.COM' },
    'a service in lower case': { principal: 'http/cc.example.com@EXAMPLE.COM' },
    'no principal': { principal: [] },
    'no realm': { realms: [] },
    'no realm by name': { realms: {} },
    'a realm with a sign': { realms: ['@EXAMPLE.COM'] },
    'an unknown fate': { realms: { 'EXAMPLE.COM': 'drop' } },
    'a suffix like a name': { realms: { 'EXAMPLE.COM': { suffix: 'x' } } },
    'a suffix of nothing': { realms: { 'EXAMPLE.COM': { suffix: '' } } },
    'no network': { networks: ['10.0.0.0/40'] },
    'an unknown key': { keyTab: 'x' },
  };
  for (const [name, options] of Object.entries(bad))
    assert.ok(!kerberos.options.safeParse({ ...good, ...options }).success, name);
});

test('kerberos: two providers share a keytab or are refused, and the environment is left as it was', async (t) => {
  const names = ['KRB5_KTNAME', 'KRB5_CONFIG', 'KRB5RCACHENAME'];
  const environment = () => names.map((name) => process.env[name]);
  const before = environment();
  const [one, other] = [await keytabOf(t), await keytabOf(t)];
  const first = await providerWith(t, { keytab: one });
  assert.equal(process.env.KRB5_KTNAME, `FILE:${one}`);
  await assert.rejects(
    providerWith(t, { keytab: other }, { name: 'other' }),
    (error) => error instanceof OperatorError && /ktutil/.test(error.hint ?? ''),
  );
  await assert.rejects(providerWith(t, { keytab: one, replayCache: '/tmp/x' }, { name: 'other' }), /replayCache/);
  const second = await providerWith(t, { keytab: one }, { name: 'other' });
  await second.close?.();
  const reloaded = await providerWith(t, { keytab: other, replayCache: '/tmp/x' });
  assert.equal(process.env.KRB5_KTNAME, `FILE:${other}`);
  assert.equal(process.env.KRB5RCACHENAME, 'file2:/tmp/x');
  await first.close?.();
  assert.equal(process.env.KRB5_KTNAME, `FILE:${other}`);
  await reloaded.close?.();
  await reloaded.close?.();
  assert.deepEqual(environment(), before);
});

async function stepsOf(provider: Provider): Promise<ProbeStep[]> {
  return Array.fromAsync(provider.probe?.(AbortSignal.timeout(60_000)) ?? []);
}

const probes: Readonly<
  Record<
    string,
    readonly [items: readonly (KeytabKey | number)[] | undefined, mode: number, want: readonly string[], says?: RegExp]
  >
> = {
  'a good keytab': [undefined, 0o600, []],
  'a keytab of a group': [undefined, 0o640, []],
  'a keytab that anybody reads': [undefined, 0o644, ['keytab warning'], /chmod 600/],
  'arcfour beside AES': [
    [
      { principal: spn, key: key() },
      { principal: spn, key: Buffer.alloc(16), enctype: 23 },
    ],
    0o600,
    ['enctypes warning'],
    /AES/,
  ],
  'DES alone': [[{ principal: spn, key: Buffer.alloc(8), enctype: 3 }], 0o600, ['enctypes warning'], /AES/],
  "somebody else's weak key": [
    [
      { principal: spn, key: key() },
      { principal: 'x@R', key: Buffer.alloc(8), enctype: 1 },
    ],
    0o600,
    [],
  ],
  'a keytab of tomorrow': [
    [{ principal: spn, key: key(), writtenAt: Date.now() / 1000 + 86_400 }],
    0o600,
    ['clock warning'],
    /NTP/,
  ],
};
for (const [name, [items, mode, want, says = /^$/]] of Object.entries(probes)) {
  test(`kerberos: a probe of ${name} finds ${want.join(', ') || 'nothing wrong'}`, async (t) => {
    const steps = await stepsOf(
      await providerWith(t, {
        keytab: await keytabOf(t, items, mode),
        replayCache: join(await temporaryFolder(t), 'seen'),
      }),
    );
    const odd = steps.filter(({ result }) => result !== 'ok');
    assert.deepEqual(
      odd.map(({ step, result }) => `${step} ${result}`),
      want,
    );
    assert.match(odd[0]?.hint ?? '', says);
    assert.deepEqual(
      steps.map(({ step }) => step),
      ['addon', 'keytab', 'principal', 'enctypes', 'replay', 'clock'],
    );
    assert.match(steps[1]?.detail ?? '', /HTTP\/cc\.example\.com@EXAMPLE\.COM \(kvno 1\)/);
  });
}

test('kerberos: a probe names the principal that has no key, and ends there', async (t) => {
  const log = keptLog();
  const steps = await stepsOf(await providerWith(t, { principal: [spn, 'HTTP/cc@EXAMPLE.COM'] }, { log }));
  assert.equal(steps.at(-1)?.step, 'principal');
  assert.equal(steps.at(-1)?.result, 'failed');
  assert.match(steps.at(-1)?.detail ?? '', /no key of HTTP\/cc@EXAMPLE\.COM$/);
  assert.equal(log.lines[0]?.level, 'warn');
});

test('kerberos: a probe tells a keytab that has gone, and a replay cache that cannot be written', async (t) => {
  const keytab = await keytabOf(t);
  const gone = await providerWith(t, { keytab });
  rmSync(keytab);
  assert.equal((await stepsOf(gone)).at(-1)?.step, 'keytab');
  await gone.close?.();
  const steps = await stepsOf(await providerWith(t, { replayCache: join(await temporaryFolder(t), 'gone', 'seen') }));
  assert.equal(steps.at(-1)?.step, 'replay');
  assert.match(steps.at(-1)?.hint ?? '', /replayCache/);
});
