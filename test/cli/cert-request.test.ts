/** `gatehouse cert request` and `export`, with openssl as the authority and, with keytool, as the other side. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const fqdn = 'qms01.corp.example.com';
const openssl = (words: readonly string[]): string =>
  execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

interface Requested {
  readonly folder: string;
  readonly csr: string;
  readonly key: string;
  readonly stdout: string;
  /** The folder of a configuration, in which requests are remembered. */
  readonly config: string;
}

async function request(t: TestContext, ...words: readonly string[]): Promise<Requested> {
  const config = path.join(await temporaryFolder(t), 'gatehouse.yaml');
  const folder = path.join(await temporaryFolder(t), 'requests');
  const result = await run(['cert', 'request', '--name', fqdn, '--out', folder, '--config', config, ...words]);
  assert.equal(result.code, 0, result.stderr);
  const file = (end: string): string => path.join(folder, `${fqdn}${end}`);
  return { folder, csr: file('.csr'), key: file('.key'), stdout: result.stdout, config: path.dirname(config) };
}

for (const [type, words] of [
  ['ec256', /prime256v1[\s\S]*ecdsa-with-SHA256/],
  ['ec384', /secp384r1[\s\S]*ecdsa-with-SHA384/],
  ['rsa3072', /3072 bit[\s\S]*Key Encipherment[\s\S]*sha256WithRSAEncryption/],
] as const)
  test(`cert request: a request of ${type} is good for openssl, which issues what was asked for`, async (t) => {
    const { csr, key, folder } = await request(
      t,
      '--type',
      type,
      '--alt',
      'QMS01',
      '--alt',
      '*.bücher.example',
      '--ip',
      '10.1.4.7',
      '--ip',
      '2001:db8::7',
    );
    const read = execFileSync('openssl', ['req', '-in', csr, '-verify', '-noout', '-text'], {
      stdio: 'pipe',
    }).toString();
    assert.match(read, words);
    assert.match(read, /TLS Web Server Authentication, TLS Web Client Authentication/);
    const der = openssl(['req', '-inform', 'der', '-in', `${csr}.der`, '-verify']);
    assert.equal(der.trim(), readFileSync(csr, 'utf8').trim(), 'both forms are one request');
    const { ca, caKey } = testCertificates();
    const issued = path.join(folder, 'issued.pem');
    openssl([
      ...['x509', '-req', '-in', csr, '-CA', ca, '-CAkey', caKey],
      '-copy_extensions',
      'copy',
      '-days',
      '30',
      '-out',
      issued,
    ]);
    const certificate = new X509Certificate(readFileSync(issued));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(key))));
    for (const host of [fqdn, 'qms01', 'a.xn--bcher-kva.example'])
      assert.notEqual(certificate.checkHost(host, { subject: 'never' }), undefined, host);
    for (const address of ['10.1.4.7', '2001:db8::7'])
      assert.notEqual(certificate.checkIP(address), undefined, address);
    assert.equal(statSync(key).mode & 0o777, 0o600);
  });

test('cert request: nothing is overwritten, and a key that is there goes on', async (t) => {
  const first = await request(t, '--use', 'server');
  assert.match(
    openssl(['req', '-in', first.csr, '-noout', '-text']),
    /Extended Key Usage: \n +TLS Web Server Authentication\n/,
  );
  const before = readFileSync(first.key);
  const again = await run(['cert', 'request', '--name', fqdn, '--out', first.folder]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is there already, and nothing is overwritten/);
  assert.deepEqual(readFileSync(first.key), before);
  const renewal = await request(t, '--key', first.key);
  assert.deepEqual(readFileSync(first.key), before);
  assert.equal(existsSync(renewal.key), false);
  const keyOf = (csr: string): string => openssl(['req', '-in', csr, '-noout', '-pubkey']);
  assert.equal(keyOf(renewal.csr), keyOf(first.csr), 'so that pins of the key go on');
});

test('cert request: it is remembered by its key, and holds no secret', async (t) => {
  const { config, key, stdout } = await request(t);
  const remembered = readFileSync(path.join(config, 'cert-requests.json'), 'utf8');
  assert.deepEqual(
    JSON.parse(remembered).map((row: { key: string }) => row.key),
    [key],
  );
  assert.doesNotMatch(remembered, /PRIVATE/);
  assert.match(stdout, new RegExp(`certreq -submit -attrib "CertificateTemplate:TEMPLATE" ${fqdn}\\.csr`));
});

test('cert request: what cannot be asked for is a usage error, and nothing is made', async (t) => {
  const folder = await temporaryFolder(t);
  const cases: readonly (readonly string[])[] = [
    ['--name', '*.example.com'],
    ['--name', 'qms01'],
    ['--name', '10.0.0.1'],
    ['--name', 'a_.b c.example.com'],
    ['--name', fqdn, '--alt', 'a,b'],
    ['--name', fqdn, '--ip', 'fe80::1%eth0'],
    ['--name', fqdn, '--type', 'rsa1024'],
    ['--name', fqdn, '--use', 'server,server'],
    ['--alt', fqdn],
  ];
  for (const words of cases)
    assert.equal((await run(['cert', 'request', ...words, '--out', folder])).code, 2, words.join(' '));
  assert.deepEqual(readdirSync(folder), []);
  const weak = path.join(folder, 'weak.key');
  openssl(['genrsa', '-out', weak, '1024']);
  const { code, stderr } = await run([
    'cert',
    'request',
    '--name',
    fqdn,
    '--key',
    weak,
    '--out',
    path.join(folder, 'out'),
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /weak\.key is not taken: rsa 1024/);
});

test('cert export: PKCS#12 with a key is opened by openssl and by keytool, and by nobody without the password', async (t) => {
  const { chained } = testCertificates();
  const out = path.join(await temporaryFolder(t), 'qms01.p12');
  const words = ['cert', 'export', chained.certificate, '--key', chained.key, '--pkcs12', '--with-key', '--out', out];
  const { code, stdout, stderr } = await run(words, { stdin: 'Open Sesame 1\n' });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /2 certificates and the key, read back and good/);
  assert.equal(statSync(out).mode & 0o777, 0o600);
  const read = execFileSync('openssl', ['pkcs12', '-in', out, '-passin', 'pass:Open Sesame 1', '-nodes', '-info'], {
    stdio: 'pipe',
  }).toString();
  assert.equal(read.match(/BEGIN CERTIFICATE/g)?.length, 2);
  const key = createPrivateKey(/-----BEGIN PRIVATE KEY[\s\S]*?END PRIVATE KEY-----/.exec(read)?.[0] ?? '');
  assert.ok(new X509Certificate(readFileSync(chained.certificate)).checkPrivateKey(key));
  assert.throws(() => openssl(['pkcs12', '-in', out, '-passin', 'pass:Open Sesame 2', '-nodes']), /invalid password/);
  const back = await run(['cert', 'check', out, '--ca', testCertificates().ca], { stdin: 'Open Sesame 1\n' });
  assert.equal(back.code, 0, back.stdout);
  keytool(t, out, /PrivateKeyEntry/);
});

test('cert export: PKCS#12 without a key is a store of trusted certificates', async (t) => {
  const { ca } = testCertificates();
  const out = path.join(await temporaryFolder(t), 'trust.p12');
  const { code, stderr } = await run(['cert', 'export', ca, '--pkcs12', '--out', out], { stdin: 'Open Sesame 1\n' });
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(openssl(['pkcs12', '-in', out, '-passin', 'pass:Open Sesame 1', '-nodes']), /PRIVATE KEY/);
  keytool(t, out, /trustedCertEntry/);
});

function keytool(t: TestContext, file: string, want: RegExp): void {
  const words = ['-list', '-keystore', file, '-storetype', 'PKCS12', '-storepass', 'Open Sesame 1'];
  try {
    assert.match(execFileSync('keytool', words, { stdio: ['ignore', 'pipe', 'pipe'] }).toString(), want);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    assert.notEqual(process.env.CI, 'true', 'keytool is missing');
    t.diagnostic('keytool is missing: Java was not asked');
  }
}

test('cert export: DER, PEM and the chain hold no key unless it is asked for, and then under a password', async (t) => {
  const { chained } = testCertificates();
  const folder = await temporaryFolder(t);
  const out = (name: string): string => path.join(folder, name);
  const made = ['cert', 'export', chained.certificate, '--key', chained.key];
  assert.equal((await run([...made, '--der', '--out', out('a.cer')])).code, 0);
  const leaf = new X509Certificate(readFileSync(chained.certificate));
  assert.deepEqual(readFileSync(out('a.cer')), leaf.raw);
  assert.equal((await run([...made, '--pem', '--out', out('a.pem')])).code, 0);
  assert.equal(readFileSync(out('a.pem'), 'utf8'), leaf.toString());
  assert.equal((await run([...made, '--chain', '--out', out('chain.pem')])).code, 0);
  assert.equal(readFileSync(out('chain.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)?.length, 2);
  const withKey = await run([...made, '--chain', '--with-key', '--out', out('key.pem')], { stdin: 'Open Sesame 1\n' });
  assert.equal(withKey.code, 0, withKey.stderr);
  assert.match(readFileSync(out('key.pem'), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/);
  openssl(['pkey', '-in', out('key.pem'), '-passin', 'pass:Open Sesame 1', '-noout']);
  assert.equal(statSync(out('key.pem')).mode & 0o777, 0o600);
  for (const name of readdirSync(folder))
    assert.doesNotMatch(readFileSync(out(name), 'latin1'), /BEGIN (?:EC |RSA )?PRIVATE KEY/, name);
  const taken = await run([...made, '--der', '--out', out('a.pem')]);
  assert.equal(taken.code, 1);
  assert.equal(readFileSync(out('a.pem'), 'utf8'), leaf.toString(), 'nothing is overwritten');
});

const refusedPasswords = {
  'an empty password': '\n\n',
  'no password': '',
  'a short one': 'Abc 12\n',
  'one of other letters': 'Öffne dich 1\n',
};
for (const [name, stdin] of Object.entries(refusedPasswords))
  test(`cert export: a key with ${name} is refused, and nothing is written`, async (t) => {
    const { good } = testCertificates();
    const folder = await temporaryFolder(t);
    const words = ['cert', 'export', good.certificate, '--key', good.key, '--pkcs12', '--with-key'];
    const { code, stderr } = await run([...words, '--out', path.join(folder, 'a.p12')], { stdin });
    assert.equal(code, 1);
    assert.doesNotMatch(stderr, /Abc 12|Öffne/);
    assert.deepEqual(readdirSync(folder), []);
  });

test('cert export: a listener is named by the configuration, and a key that belongs to nothing does not leave', async (t) => {
  const { good, renewed } = testCertificates();
  const folder = await temporaryFolder(t);
  const config = path.join(folder, 'gatehouse.yaml');
  writeFileSync(
    config,
    `server:\n  listen: https://127.0.0.1:8443\n  publicUrl: https://localhost:8443\n  tls: { certificate: ${good.certificate}, key: ${good.key} }\n` +
      'login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes: [{ location: /, upstream: http://127.0.0.1:1 }]\n',
  );
  const out = path.join(folder, 'cc.cer');
  assert.equal((await run(['cert', 'export', 'listener:public', '--der', '--config', config, '--out', out])).code, 0);
  assert.deepEqual(readFileSync(out), new X509Certificate(readFileSync(good.certificate)).raw);
  const unknown = await run(['cert', 'export', 'listener:machines', '--der', '--config', config, '--out', `${out}2`]);
  assert.match(unknown.stderr, /there is no listener machines .*\n +there is public/);
  const words = [
    'cert',
    'export',
    good.certificate,
    '--key',
    renewed.key,
    '--pkcs12',
    '--with-key',
    '--out',
    `${out}3`,
  ];
  const { code, stderr } = await run(words, { stdin: 'Open Sesame 1\n' });
  assert.equal(code, 1);
  assert.match(stderr, /no key is known that belongs to the certificate/);
});
