/** Revocation lists: who is revoked, whose list counts, what becomes of one that has ended, is replaced or cannot be read. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '../../src/core/errors.ts';
import { holdList } from '../../src/tls/held-lists.ts';
import { prepareRevocation, RevocationLists } from '../../src/tls/revocation.ts';
import { readRevocationLists } from '../../src/tls/revocation-list.ts';
import type { RevocationOptions } from '../../src/tls/revocation-notices.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { inPem, largeList, revocationList, serialAt } from '../support/tools/revocation-lists.ts';

const { ca, caKey, intermediate, unchained, good } = testCertificates();
const root: CertificateFiles = { certificate: ca, key: caKey };
const below: CertificateFiles = { certificate: intermediate, key: intermediate.replace(/pem$/, 'key') };
const gone = issueCertificate('gone', 'DNS:gone.example.com').certificate;
const hour = 3_600_000;
const now = manualClock().now();
const dates = { from: now, until: now + 72 * hour };
const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));

/** Another authority that calls itself the same. */
const twin = ((): CertificateFiles => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-twin-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const files = { certificate: path.join(folder, 'twin.pem'), key: path.join(folder, 'twin.key') };
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj'];
  const names = ['/O=Gatehouse Test/CN=ca', '-keyout', files.key, '-out', files.certificate];
  execFileSync('openssl', [...words, ...names, '-days', '30'], { stdio: 'pipe' });
  return files;
})();

interface Scene {
  readonly lists: RevocationLists;
  readonly log: ReturnType<typeof keptLog>;
  readonly clock: ReturnType<typeof manualClock>;
  readonly files: readonly string[];
  /** How often judgements may have changed. */
  changes(): number;
  /** What is said of a certificate. */
  judged(certificate: string): string;
}

async function scene(
  t: TestContext,
  contents: readonly (Buffer | string)[],
  options: Partial<RevocationOptions> = {},
  authorities: readonly string[] = [ca],
): Promise<Scene> {
  const folder = await temporaryFolder(t);
  const files = contents.map((content, index) => {
    const file = path.join(folder, `${index}.crl`);
    writeFileSync(file, content);
    return file;
  });
  const clock = manualClock();
  const log = keptLog();
  const all = { files, stale: 'refuse', maxAge: 168 * hour, ...options } as const;
  let changes = 0;
  const prepared = await prepareRevocation(all, authorities.map(read));
  const lists = new RevocationLists(prepared, { clock, log }, () => changes++);
  t.after(() => lists.close());
  const judged = (certificate: string) => lists.judge(read(certificate)).kind;
  return { lists, log, clock, files, changes: () => changes, judged };
}

const said = ({ log }: Scene, text: string): number => log.lines.filter(({ message }) => message.includes(text)).length;

for (const form of ['DER', 'PEM'] as const)
  test(`revocation: a list in ${form} tells who is revoked and who is not`, async (t) => {
    const list = revocationList(root, { ...dates, revoked: [gone] });
    const { judged } = await scene(t, [form === 'DER' ? list : `a list\r\n${inPem(list).replaceAll('\n', '\r\n')}`]);
    assert.equal(judged(gone), 'revoked');
    assert.equal(judged(good.certificate), 'good');
  });

test('revocation: a list that revokes nobody is a list', async (t) => {
  const found = await scene(t, [revocationList(root, dates)]);
  assert.equal(found.judged(gone), 'good');
  assert.deepEqual(found.lists.ends(), [{ file: found.files[0], at: dates.until }]);
});

test('revocation: one file may hold the lists of several authorities', async (t) => {
  const both = [
    revocationList(root, { ...dates, revoked: [gone] }),
    revocationList(below, { ...dates, revoked: [unchained.certificate] }),
  ];
  const found = await scene(t, [both.map(inPem).join('')], {}, [ca, intermediate]);
  assert.equal(found.judged(gone), 'revoked');
  assert.equal(found.judged(unchained.certificate), 'revoked');
  assert.equal(found.judged(good.certificate), 'good');
});

test('revocation: what an authority has issued that is revoked itself is revoked', async (t) => {
  const found = await scene(t, [revocationList(root, { ...dates, revoked: [intermediate] })], {}, [ca, intermediate]);
  assert.equal(found.judged(unchained.certificate), 'revoked');
  assert.equal(found.judged(intermediate), 'revoked');
  assert.equal(found.judged(good.certificate), 'good');
});

test('revocation: a serial counts with its issuer alone', async (t) => {
  const found = await scene(t, [revocationList(below, { ...dates, revoked: [gone] })], {}, [ca, intermediate]);
  assert.equal(found.judged(gone), 'good');
});

for (const [stale, want] of [
  ['refuse', 'stale'],
  ['keep', 'good'],
] as const)
  test(`revocation: the list of an authority that is not known is not used; ${stale} makes its certificates ${want}`, async (t) => {
    const found = await scene(t, [revocationList(below, { ...dates, revoked: [unchained.certificate] })], { stale });
    assert.equal(said(found, 'not among those of clients'), 1);
    assert.equal(found.judged(unchained.certificate), want);
    assert.equal(found.judged(good.certificate), 'good');
  });

test('revocation: the list of another authority of the same name is not used, and said', async (t) => {
  const found = await scene(t, [revocationList(twin, { ...dates, revoked: [gone] })]);
  assert.equal(found.judged(gone), 'good');
  assert.equal(said(found, 'another authority of the same name'), 1);
});

test('revocation: two authorities of one name have a list each', async (t) => {
  const lists = [revocationList(twin, { ...dates, revoked: [gone] }), revocationList(root, dates)];
  const found = await scene(t, lists, {}, [twin.certificate, ca]);
  assert.equal(found.judged(gone), 'good', 'the other one has revoked that number');
  assert.equal(said(found, 'is in use'), 2);
});

test('revocation: beside the list of a namesake the own one counts', async (t) => {
  const own = revocationList(root, { ...dates, revoked: [gone] });
  const found = await scene(t, [revocationList(twin, { ...dates, until: dates.until * 1.1 }), own]);
  assert.equal(found.judged(gone), 'revoked');
  found.clock.advance(73 * hour);
  assert.equal(found.judged(good.certificate), 'stale', 'nor does its date make the own one last');
});

for (const [stale, other] of [
  ['refuse', 'stale'],
  ['keep', 'good'],
] as const)
  test(`revocation: when a list has ended, ${stale} makes others ${other}, and revoked stays revoked`, async (t) => {
    const found = await scene(t, [revocationList(root, { ...dates, revoked: [gone] })], { stale });
    found.clock.advance(72 * hour);
    assert.equal(found.judged(gone), 'revoked');
    assert.equal(found.judged(good.certificate), other);
    assert.equal(found.judged(unchained.certificate), 'good', 'of an authority without a list');
  });

test('revocation: a list without an end holds for crlMaxAge', async (t) => {
  const found = await scene(t, [largeList(root, { entries: 1, from: now })], { maxAge: 24 * hour });
  found.clock.advance(24 * hour - 1);
  assert.equal(found.judged(good.certificate), 'good');
  found.clock.advance(1);
  assert.equal(found.judged(good.certificate), 'stale');
});

test('revocation: it is warned of from two thirds of its life, and said every hour once it has ended', async (t) => {
  const early = await scene(t, [revocationList(root, { from: now - 48 * hour + 1000, until: now + 24 * hour + 1000 })]);
  assert.equal(said(early, 'ends soon'), 0);
  const found = await scene(t, [revocationList(root, { from: now - 48 * hour, until: now + 24 * hour })]);
  assert.equal(said(found, 'ends soon'), 1);
  found.clock.advance(24 * hour);
  await until('the end', () => said(found, 'has ended') === 1);
  assert.equal(found.changes(), 1, 'who is connected is judged again');
  found.clock.advance(hour);
  await until('the end once more', () => said(found, 'has ended') === 2);
});

test('revocation: a file that is replaced counts at once; what cannot be read leaves the one before', async (t) => {
  const found = await scene(t, [revocationList(root, { ...dates, revoked: [gone] })]);
  const file = found.files[0] ?? '';
  const put = (content: Buffer | string): void => {
    writeFileSync(`${file}.new`, content);
    renameSync(`${file}.new`, file);
  };
  put('');
  await until('the complaint', () => said(found, 'cannot be used') === 1);
  assert.equal(found.judged(gone), 'revoked');
  found.clock.advance(hour);
  await until('the complaint after an hour', () => said(found, 'cannot be used') === 2);
  assert.equal(found.changes(), 0);
  put(revocationList(root, { ...dates, from: now + 1000, revoked: [gone, good.certificate] }));
  await until('the next list', () => found.judged(good.certificate) === 'revoked');
  assert.equal(found.changes(), 1);
  found.clock.advance(hour);
  put(revocationList(root, dates));
  await until('the complaint about an older list', () => said(found, 'cannot be used') === 3);
  assert.equal(found.judged(good.certificate), 'revoked', 'an older list takes nothing back');
  found.clock.advance(hour);
  put(revocationList(twin, { ...dates, from: now + 2000 }));
  await until('the complaint about a namesake', () => found.log.text().includes('no list any more'));
  assert.equal(found.judged(good.certificate), 'revoked', 'nor does the list of a namesake');
});

test('revocation: at a reload a file that cannot be read any more leaves its list', async (t) => {
  const found = await scene(t, [revocationList(root, { ...dates, revoked: [gone] })]);
  const terms = { files: found.files, stale: 'refuse', maxAge: hour } as const;
  rmSync(found.files[0] ?? '');
  found.lists.use(await prepareRevocation(terms, [read(ca)], found.lists.current));
  assert.equal(found.judged(gone), 'revoked');
  assert.equal(said(found, 'cannot be used'), 1);
  await assert.rejects(prepareRevocation(terms, [read(ca)]), /0\.crl does not exist/);
});

test('revocation: an authority that leaves takes its list along, and one that comes brings its own', async (t) => {
  const list = revocationList(below, { ...dates, revoked: [unchained.certificate] });
  const found = await scene(t, [list], { stale: 'keep' });
  assert.equal(found.judged(unchained.certificate), 'good');
  const { options } = found.lists.current;
  found.lists.use(await prepareRevocation(options, [read(ca), read(intermediate)], found.lists.current));
  assert.equal(found.judged(unchained.certificate), 'revoked');
  found.lists.use(await prepareRevocation(options, [read(ca)], found.lists.current));
  assert.equal(found.judged(unchained.certificate), 'good');
});

const list = revocationList(root, { ...dates, revoked: [gone] });
const refused: Readonly<Record<string, readonly [content: () => Buffer | string, RegExp]>> = {
  '0 bytes': [() => '', /0\.crl has 0 bytes/],
  'DER that is cut off': [() => list.subarray(0, -7), /0\.crl is cut off/],
  'PEM that is cut off': [() => inPem(list).slice(0, -30), /0\.crl is cut off/],
  'DER with something after it': [() => Buffer.concat([list, Buffer.from([0])]), /something follows it/],
  'PEM with a letter that is none': [() => inPem(list).replace(/\n..../, '\n!!!!'), /no revocation list/],
  'a certificate in PEM': [() => readFileSync(ca), /holds no revocation list, but a certificate/],
  'a certificate in DER': [() => read(ca).raw, /is a certificate, no revocation list/],
  'a page of a web server': [() => '<html>404</html>', /holds no revocation list/],
  'a list signed with SHA-1': [() => revocationList(root, { ...dates, digest: 'sha1' }), /SHA-1 with ECDSA/],
  'an indirect list': [
    () =>
      revocationList(root, {
        ...dates,
        extensions: ['issuingDistributionPoint=critical,@i', '[i]', 'indirectCRL=TRUE'],
      }),
    /is an indirect one/,
  ],
  'entries that are no entries': [
    () => largeList(root, { entries: 0, from: now, serials: [Buffer.alloc(0)] }),
    /serial/,
  ],
};
for (const [name, [content, want]] of Object.entries(refused))
  test(`revocation: ${name} is refused by the name of the file`, async (t) => {
    await assert.rejects(scene(t, [content()]), want);
  });

test('revocation: a list that speaks of some certificates revokes these, and answers for nobody else', async (t) => {
  const scope = ['issuingDistributionPoint=critical,@i', '[i]', 'onlysomereasons=keyCompromise'];
  const partial = revocationList(root, { ...dates, revoked: [gone], extensions: scope });
  const alone = await scene(t, [partial]);
  assert.equal(alone.judged(gone), 'revoked');
  assert.equal(said(alone, 'does not name all'), 1);
  const later = revocationList(root, { ...dates, until: dates.until + hour, revoked: [gone], extensions: scope });
  const both = await scene(t, [later, revocationList(root, dates)]);
  both.clock.advance(72 * hour);
  assert.equal(both.judged(good.certificate), 'stale', 'its date is not that of the whole list');
});

test('revocation: a bit that has changed makes a list nobody’s', async (t) => {
  const changed = Buffer.from(list);
  const at = changed.indexOf(read(gone).serialNumber, 0, 'hex');
  changed[at + 1] = (changed[at + 1] ?? 0) ^ 1;
  const found = await scene(t, [changed]);
  assert.equal(found.judged(gone), 'good');
  assert.equal(said(found, 'another authority of the same name'), 1);
});

test('revocation: no byte of a list can be another one', async (t) => {
  const file = path.join(await temporaryFolder(t), 'changed.crl');
  for (let at = 0; at < list.length; at++) {
    const changed = Buffer.from(list);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(file, changed);
    const lists = await readRevocationLists(file).catch((error: unknown) => {
      assert.ok(error instanceof OperatorError, String(error));
      return [];
    });
    for (const one of lists) assert.equal((await holdList(file, one, [read(ca)])).authority, undefined, `byte ${at}`);
  }
});

test('revocation: a million entries are read in a moment while others go on, and the next is one too many', async (t) => {
  const large = largeList(root, { entries: 1_000_000, from: now, until: dates.until });
  let longest = 0;
  let beaten = performance.now();
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - beaten);
    beaten = performance.now();
  }, 1);
  const before = process.memoryUsage();
  const cpu = process.cpuUsage();
  const found = await scene(t, [large]);
  clearInterval(beat);
  const { user, system } = process.cpuUsage(cpu);
  const after = process.memoryUsage();
  const kept = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed;
  t.diagnostic(
    `${Math.round((user + system) / 1000)} ms of CPU, others waited ${Math.round(longest)} ms at most, ${kept >> 20} MiB kept`,
  );
  assert.ok(user + system < 4_000_000, 'a few seconds of CPU at the very most');
  assert.ok(kept < 100 * 2 ** 20, 'the file itself is let go of');
  const serial = (index: number) => ['-set_serial', `0x${serialAt(index).toString('hex')}`];
  const last = issueCertificate('last', 'DNS:last.example.com', serial(999_999)).certificate;
  const none = issueCertificate('none', 'DNS:none.example.com', serial(1_000_000)).certificate;
  assert.equal(found.judged(last), 'revoked');
  assert.equal(found.judged(none), 'good');
  await assert.rejects(scene(t, [largeList(root, { entries: 1_000_001, from: now })]), /more than 1000000 entries/);
});
