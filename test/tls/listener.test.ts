/** Certificates that serve: what is accepted, what is refused and why, and files that are replaced under way. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import { Certificates } from '../../src/tls/certificates.ts';
import type { CertificateSource } from '../../src/tls/options.ts';
import { prepareCertificates } from '../../src/tls/prepared-certificates.ts';
import { dateProblem, readServerCertificate } from '../../src/tls/server-certificate.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { type CollectedLog, collectLog } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const openssl = (...words: readonly string[]): void =>
  void execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });

/** Text that stands in a file of its own. */
async function written(t: TestContext, name: string, text: string | Buffer): Promise<string> {
  const file = path.join(await temporaryFolder(t), name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

async function refusal(source: CertificateSource): Promise<OperatorError> {
  const error = await readServerCertificate(source).then(
    () => assert.fail('it was accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof OperatorError, String(error));
  assert.ok(error.hint, 'it says what to do');
  return error;
}

test('certificates: a chain with its key is read, with its names and its end', async () => {
  const { names, report, remarks, label } = await readServerCertificate(testCertificates().chained);
  assert.deepEqual(names, ['localhost']);
  assert.equal(label, 'chained.pem');
  assert.equal(report.certificates.length, 2);
  // The intermediate is there; that the root is nobody's but the test's is not for the file to mend.
  assert.deepEqual(
    remarks.filter((remark) => !remark.includes('CN=ca')),
    [],
  );
});

test('certificates: a missing intermediate is named', async () => {
  const { remarks } = await readServerCertificate(testCertificates().unchained);
  assert.match(remarks.join('\n'), /not complete: the certificate of "CN=intermediate, O=Gatehouse Test" is missing/);
});

test('certificates: a root of the site’s own completes a chain, and never takes the place of an intermediate', async (t) => {
  const { chained, unchained, ca } = testCertificates();
  const { report, remarks, options } = await readServerCertificate({ ...chained, ca });
  assert.deepEqual([report.complete, remarks], [true, []]);
  assert.deepEqual([report.certificates.length, 'ca' in options], [2, false], 'it is not sent, nor asked for');
  const gap = await readServerCertificate({ ...unchained, ca });
  assert.equal(gap.report.complete, false);
  assert.match(gap.remarks.join('\n'), /"CN=intermediate, O=Gatehouse Test" is missing/);
  const broken = await refusal({ ...chained, ca: await written(t, 'root.pem', 'no certificate') });
  assert.match(broken.message, /root\.pem holds no certificate/);
});

test('certificates: root, intermediate and site in the order of the manual are sent in the order of the chain', async (t) => {
  const { ca, intermediate, unchained } = testCertificates();
  const bundle = [ca, intermediate, unchained.certificate].map((file) => readFileSync(file, 'utf8')).join('');
  const { report, remarks, options } = await readServerCertificate({
    certificate: await written(t, 'xivoxc.crt', bundle),
    key: unchained.key,
  });
  assert.deepEqual(
    report.certificates.map(({ subject }) => subject),
    ['CN=unchained, O=Gatehouse Test', 'CN=intermediate, O=Gatehouse Test', 'CN=ca, O=Gatehouse Test'],
  );
  assert.ok(String(options.cert).startsWith(readFileSync(unchained.certificate, 'utf8').trim()));
  assert.match(remarks.join('\n'), /another order/);
});

test('certificates: one that is not of the chain is not sent', async (t) => {
  const { good, otherCa } = testCertificates();
  const bundle = readFileSync(good.certificate, 'utf8') + readFileSync(otherCa, 'utf8');
  const read = await readServerCertificate({ certificate: await written(t, 'a.crt', bundle), key: good.key });
  assert.equal(read.report.certificates.length, 1);
  assert.match(read.remarks.join('\n'), /not of its chain/);
});

const bundles = {
  'in the ciphers of OpenSSL 3': [],
  'in the ciphers of older Windows': ['-legacy'],
} as const;

for (const [name, words] of Object.entries(bundles))
  for (const kind of ['elliptic curve', 'RSA'] as const)
    test(`certificates: PKCS#12 ${name} with a key of ${kind} is read`, async (t) => {
      const rsaBits = kind === 'RSA' ? 2048 : undefined;
      const pair = issueCertificate(
        `bundle-${kind === 'RSA' ? 'rsa' : 'ec'}-${words.length}`,
        'DNS:cc.example.com',
        [],
        rsaBits,
      );
      const pkcs12 = path.join(await temporaryFolder(t), 'site.p12');
      const { ca } = testCertificates();
      openssl(
        'pkcs12',
        '-export',
        ...words,
        '-in',
        pair.certificate,
        '-inkey',
        pair.key,
        '-certfile',
        ca,
        '-out',
        pkcs12,
        '-passout',
        'pass:open sesame',
      );
      const { names, report } = await readServerCertificate({ pkcs12, password: new Secret('open sesame') });
      assert.deepEqual(names, ['cc.example.com']);
      assert.equal(report.certificates.length, 2);
      assert.match((await refusal({ pkcs12, password: new Secret('open') })).message, /password of .* is wrong/);
      assert.match((await refusal({ pkcs12 })).message, /has a password/);
    });

test('certificates: a key with a password needs it, and the right one', async (t) => {
  const { good } = testCertificates();
  const key = path.join(await temporaryFolder(t), 'locked.key');
  openssl('pkey', '-in', good.key, '-aes256', '-passout', 'pass:open sesame', '-out', key);
  const source = { certificate: good.certificate, key };
  await readServerCertificate({ ...source, password: new Secret('open sesame') });
  assert.match((await refusal(source)).message, /has a password, and none is configured/);
  const wrong = await refusal({ ...source, password: new Secret('open barley') });
  assert.match(wrong.message, /password of the key in .* is wrong/);
  assert.doesNotMatch(JSON.stringify(wrong) + wrong.message + wrong.hint, /barley/);
});

test('certificates: a key of RSA that is too short is refused', async () => {
  const pair = issueCertificate('short', 'DNS:localhost', [], 1024);
  assert.match((await refusal(pair)).message, /cannot be used: .*too small/);
});

type Damage = (good: CertificateFiles, t: TestContext) => Promise<CertificateSource> | CertificateSource;
const damaged: Readonly<Record<string, readonly [Damage, RegExp]>> = {
  'a key of another certificate': [
    ({ certificate }) => ({ certificate, key: testCertificates().renewed.key }),
    /is not the key of any certificate/,
  ],
  'a file that is not there': [({ key }) => ({ certificate: '/nowhere/a.crt', key }), /a\.crt does not exist/],
  'a folder': [({ key }) => ({ certificate: path.dirname(key), key }), /is a folder/],
  'an empty file': [async ({ key }, t) => ({ certificate: await written(t, 'a.crt', ''), key }), /is empty/],
  'a certificate that is cut off': [
    async ({ certificate, key }, t) => ({
      certificate: await written(t, 'a.crt', readFileSync(certificate).subarray(0, 300)),
      key,
    }),
    /cut off/,
  ],
  'a key that is cut off': [
    async ({ certificate, key }, t) => ({
      certificate,
      key: await written(t, 'a.key', readFileSync(key).subarray(0, 100)),
    }),
    /cut off/,
  ],
  'a key in place of the certificate': [
    ({ key }) => ({ certificate: key, key }),
    /holds no certificate, but a private key/,
  ],
  'a certificate in place of the key': [
    ({ certificate }) => ({ certificate, key: certificate }),
    /holds no private key/,
  ],
  'something else as a bundle': [({ certificate }) => ({ pkcs12: certificate }), /no PKCS#12 bundle/],
};

for (const [name, [damage, want]] of Object.entries(damaged))
  test(`certificates: ${name} is refused with the name of the file`, async (t) => {
    assert.match((await refusal(await damage(testCertificates().good, t))).message, want);
  });

test('certificates: the key of a CA in the chain is refused: nobody serves with a CA', async () => {
  const { folder, chained } = testCertificates();
  const source = { certificate: chained.certificate, key: path.join(folder, 'intermediate.key') };
  assert.match((await refusal(source)).message, /is not the key of any certificate/);
});

test('certificates: dates are judged by the clock', async () => {
  const { good, expired, future } = testCertificates();
  const now = Date.now();
  assert.equal(dateProblem(await readServerCertificate(good), now), undefined);
  assert.match(dateProblem(await readServerCertificate(expired), now) ?? '', /expired on/);
  assert.match(dateProblem(await readServerCertificate(future), now) ?? '', /valid only from/);
});

/** Certificates in use out of a folder of their own, and what was logged. */
async function inUse(
  t: TestContext,
  first: CertificateFiles,
): Promise<{ files: CertificateFiles; certificates: Certificates; log: CollectedLog }> {
  const folder = await temporaryFolder(t);
  const files = { certificate: path.join(folder, 'xivoxc.crt'), key: path.join(folder, 'xivoxc.key') };
  place(first, files);
  const log = collectLog();
  const certificates = await Certificates.open([files], { clock: { now: () => Date.now() }, log: log.log });
  t.after(() => certificates.close());
  return { files, certificates, log };
}

function place(from: CertificateFiles, to: CertificateFiles): void {
  copyFileSync(from.certificate, to.certificate);
  copyFileSync(from.key, to.key);
}

const subject = (certificates: Certificates): string => certificates.current[0]?.report.certificates[0]?.subject ?? '';
const refused = 'a replaced certificate cannot be used; the one before goes on';

/** Waits until the first certificate is of this subject, which must be within two seconds. */
async function inUseSoon(certificates: Certificates, start: string): Promise<void> {
  const isThere = until(`${start} is in use`, () => subject(certificates).startsWith(start));
  await endsWithin(2000, `until ${start} is in use`, isThere);
}

test('certificates: files that are copied over are picked up within two seconds', async (t) => {
  const { files, certificates, log } = await inUse(t, testCertificates().good);
  let changes = 0;
  certificates.onChange(() => (changes += 1));
  place(testCertificates().renewed, files);
  await inUseSoon(certificates, 'CN=renewed');
  assert.equal(changes, 1);
  assert.equal(log.find(refused).length, 0);
});

test('certificates: a folder in which something is written all the time does not put it off', async (t) => {
  const { files, certificates } = await inUse(t, testCertificates().good);
  const notes = path.join(path.dirname(files.certificate), 'access.log');
  const busy = setInterval(() => writeFileSync(notes, 'a line\n', { flag: 'a' }), 10);
  t.after(() => clearInterval(busy));
  place(testCertificates().renewed, files);
  await inUseSoon(certificates, 'CN=renewed');
});

test('certificates: files that are renamed into place are picked up, and links that are turned too', async (t) => {
  const { good, renewed } = testCertificates();
  const { files, certificates } = await inUse(t, good);
  for (const name of ['certificate', 'key'] as const) {
    copyFileSync(renewed[name], `${files[name]}.new`);
    renameSync(`${files[name]}.new`, files[name]);
  }
  await inUseSoon(certificates, 'CN=renewed');
  for (const name of ['certificate', 'key'] as const) {
    rmSync(files[name]);
    symlinkSync(good[name], files[name]);
  }
  await inUseSoon(certificates, 'CN=good');
});

test('certificates: a copy under way is not taken, and nothing is complained about', async (t) => {
  const { files, certificates, log } = await inUse(t, testCertificates().good);
  const { renewed } = testCertificates();
  const text = readFileSync(renewed.certificate, 'utf8');
  for (let length = 0; length < text.length; length += Math.ceil(text.length / 8)) {
    writeFileSync(files.certificate, text.slice(0, length));
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.match(subject(certificates), /^CN=good/);
  }
  writeFileSync(files.certificate, text);
  copyFileSync(renewed.key, files.key);
  await inUseSoon(certificates, 'CN=renewed');
  assert.equal(log.find(refused).length, 0);
});

test('certificates: a broken replacement is refused and logged once, the old one stays, and a mended one is taken', async (t) => {
  const { files, certificates, log } = await inUse(t, testCertificates().good);
  const { renewed } = testCertificates();
  copyFileSync(renewed.certificate, files.certificate);
  const [line] = await until('it is logged', () => (log.find(refused).length > 0 ? log.find(refused) : undefined));
  assert.equal(line?.certificate, 'xivoxc.crt');
  assert.match(String(line?.detail), /is not the key of any certificate/);
  assert.match(subject(certificates), /^CN=good/);
  copyFileSync(renewed.key, files.key);
  await inUseSoon(certificates, 'CN=renewed');
  assert.equal(log.find(refused).length, 1);
});

test('certificates: files that vanish change nothing', async (t) => {
  const { files, certificates, log } = await inUse(t, testCertificates().good);
  rmSync(files.key);
  await until('it is logged', () => log.find(refused).length > 0);
  assert.match(subject(certificates), /^CN=good/);
});

test('certificates: a replacement that has expired is refused while the one before is good', async (t) => {
  const { files, certificates, log } = await inUse(t, testCertificates().good);
  place(testCertificates().expired, files);
  const [line] = await until('it is logged', () => (log.find(refused).length > 0 ? log.find(refused) : undefined));
  assert.match(String(line?.detail), /expired on/);
  assert.match(subject(certificates), /^CN=good/);
});

test('certificates: an expired one serves when there is no other, and any that is good takes its place', async (t) => {
  const { files, certificates, log } = await inUse(t, testCertificates().expired);
  assert.equal(log.find('a certificate is not valid, and browsers refuse it').length, 1);
  place(testCertificates().good, files);
  await inUseSoon(certificates, 'CN=good');
});

test('certificates: the end of one is warned of thirty days ahead, once a day', async (t) => {
  const clock = manualClock();
  const log = collectLog();
  const certificates = await Certificates.open([testCertificates().good], { clock, log: log.log });
  t.after(() => certificates.close());
  const warning = 'a certificate expires soon; renew it';
  const ends = certificates.current[0]?.report.expires.getTime() ?? 0;
  assert.equal(log.find(warning).length, 0);
  const to = (time: number): void => clock.advance(time - clock.now());
  to(ends - 29.5 * 86_400_000);
  await until('it is warned of', () => log.find(warning).length === 1);
  assert.equal(log.find(warning)[0]?.days, 29);
  to(ends - 29 * 86_400_000);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(log.find(warning).length, 1);
  to(ends - 28.4 * 86_400_000);
  await until('it is warned of again', () => log.find(warning).length === 2);
});

test('certificates: a server name finds the certificate that is good for it', async (t) => {
  const { good, wrongName } = testCertificates();
  const wildcard = issueCertificate('wildcard', 'DNS:*.Example.org,DNS:example.org');
  const certificates = await Certificates.open([good, wrongName, wildcard], {
    clock: { now: () => Date.now() },
    log: collectLog().log,
  });
  t.after(() => certificates.close());
  const [first, second, third] = certificates.current.map(({ context }) => context);
  assert.equal(certificates.contextFor('localhost'), first);
  assert.equal(certificates.contextFor('OTHER.example.com.'), second);
  assert.equal(certificates.contextFor('a.example.org'), third);
  assert.equal(certificates.contextFor('example.org'), third);
  assert.equal(certificates.contextFor('a.b.example.org'), first);
  assert.equal(certificates.contextFor(''), first);
});

test('certificates: files of one name in two folders are told apart', async (t) => {
  const { good, renewed } = testCertificates();
  const sources = [];
  for (const pair of [good, renewed]) {
    const folder = await temporaryFolder(t);
    const files = { certificate: path.join(folder, 'site.crt'), key: path.join(folder, 'site.key') };
    place(pair, files);
    sources.push(files);
  }
  const labels = (await prepareCertificates(sources)).served.map(({ label }) => label);
  assert.deepEqual(
    labels,
    sources.map(({ certificate }) => certificate),
  );
});
