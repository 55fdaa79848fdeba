/** `gatehouse cert import`: from the request to the files of a listener, by way of an authority, and all that is refused. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const fqdn = 'qms01.corp.example.com';
const { ca, intermediate, good } = testCertificates();
const openssl = (words: readonly string[]): Buffer =>
  execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] });
const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));

interface Site {
  readonly config: string;
  readonly certificate: string;
  readonly key: string;
  readonly folder: string;
  /** Imports as the listener. */
  take(files: readonly string[], words?: readonly string[], stdin?: string): ReturnType<typeof run>;
}

async function site(t: TestContext, name = fqdn): Promise<Site> {
  const folder = await temporaryFolder(t);
  mkdirSync(path.join(folder, 'config'));
  const config = path.join(folder, 'config', 'gatehouse.yaml');
  writeFileSync(
    config,
    `# the site\nserver:\n  listen: https://127.0.0.1:8443\n  publicUrl: https://${name}:8443\n  tls: { certificate: ../certs/site.crt, key: ../certs/site.key }\n` +
      'login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes: [{ location: /, upstream: http://127.0.0.1:1 }]\n',
  );
  const take = (files: readonly string[], words: readonly string[] = [], stdin = '') =>
    run(['cert', 'import', ...files, '--as', 'listener:public', '--config', config, ...words], { stdin });
  const certs = path.join(folder, 'certs');
  return { config, certificate: path.join(certs, 'site.crt'), key: path.join(certs, 'site.key'), folder, take };
}

/** What an authority makes of a request. */
async function issued(t: TestContext, { config }: Site, words: readonly string[] = [], days = 90): Promise<string> {
  const out = await temporaryFolder(t);
  const asked = await run(['cert', 'request', '--name', fqdn, '--out', out, '--config', config, ...words]);
  assert.equal(asked.code, 0, asked.stderr);
  const file = path.join(await temporaryFolder(t), 'answer.cer');
  const csr = path.join(out, `${fqdn}.csr`);
  const signer = ['-CA', intermediate, '-CAkey', intermediate.replace(/pem$/, 'key')];
  openssl([
    'x509',
    '-req',
    '-in',
    csr,
    ...signer,
    '-copy_extensions',
    'copy',
    '-days',
    String(days),
    '-outform',
    'der',
    '-out',
    file,
  ]);
  return file;
}

test('cert import: the key of a request is found again, the chain is put in order, and the request is forgotten', async (t) => {
  const place = await site(t);
  const answer = await issued(t, place);
  const root = path.join(place.folder, 'chain.p7b');
  writeFileSync(root, openssl(['crl2pkcs7', '-nocrl', '-certfile', ca, '-certfile', intermediate]));
  const { code, stdout, stderr } = await place.take([root, answer]);
  assert.equal(code, 0, stderr);
  const chain = readFileSync(place.certificate, 'utf8').match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];
  assert.deepEqual(
    chain.map((pem) => new X509Certificate(pem).fingerprint256),
    [new X509Certificate(readFileSync(answer)).fingerprint256, read(intermediate).fingerprint256],
    'its own first, then who issued it; the root is not sent',
  );
  assert.ok(read(place.certificate).checkPrivateKey(createPrivateKey(readFileSync(place.key))));
  assert.equal(statSync(place.key).mode & 0o777, 0o600);
  assert.match(stdout, /notices within two seconds/);
  assert.deepEqual(JSON.parse(readFileSync(path.join(place.folder, 'config', 'cert-requests.json'), 'utf8')), []);
  const checked = await run(['check', '--config', place.config]);
  assert.equal(checked.code, 0, checked.stderr);
});

test('cert import: a renewal keeps what stood there before, and a key that stays is left alone', async (t) => {
  const place = await site(t);
  assert.equal((await place.take([await issued(t, place)])).code, 0);
  const [certificate, key] = [readFileSync(place.certificate), readFileSync(place.key)];
  const sameKey = await issued(t, place, ['--key', place.key]);
  assert.equal((await place.take([sameKey])).code, 0);
  assert.deepEqual(readFileSync(`${place.certificate}.1.old`), certificate);
  assert.deepEqual(readFileSync(place.key), key);
  assert.equal(existsSync(`${place.key}.1.old`), false);
  const another = await issued(t, place);
  const { code, stdout } = await place.take([another]);
  assert.equal(code, 0);
  assert.deepEqual(readFileSync(`${place.key}.1.old`), key);
  assert.equal(statSync(`${place.key}.1.old`).mode & 0o777, 0o600);
  assert.match(stdout, /site\.key: the key; the one before is kept as .*site\.key\.1\.old/);
  assert.ok(existsSync(`${place.certificate}.2.old`));
});

test('cert import: PKCS#12 brings its key, after its password', async (t) => {
  const place = await site(t, 'localhost');
  const bundle = path.join(place.folder, 'a.pfx');
  openssl([
    'pkcs12',
    '-export',
    '-in',
    good.certificate,
    '-inkey',
    good.key,
    '-out',
    bundle,
    '-passout',
    'pass:open sesame',
  ]);
  const wrong = await place.take([bundle], [], 'open barley\n');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /password of the file .* is wrong/);
  const { code, stderr } = await place.take([bundle], [], 'open sesame\n');
  assert.equal(code, 0, stderr);
  assert.deepEqual(read(place.certificate).raw, read(good.certificate).raw);
});

/** Away from its key. */
function copied(file: string, folder: string): string {
  const copy = path.join(folder, path.basename(file));
  writeFileSync(copy, readFileSync(file));
  return copy;
}

const refused: Readonly<
  Record<string, readonly [(t: TestContext, place: Site) => Promise<readonly string[]> | readonly string[], RegExp]>
> = {
  'a certificate whose key nobody knows': [
    (_, { folder }) => [copied(good.certificate, folder)],
    /no key is known that belongs to CN=good/,
  ],
  'an expired one': [
    () => [testCertificates().expired.certificate, '--key', testCertificates().expired.key],
    /is not imported: .*expired on/,
  ],
  'one of the future': [
    () => [testCertificates().future.certificate, '--key', testCertificates().future.key],
    /valid only from/,
  ],
  'one for another host': [
    () => [good.certificate, '--key', good.key],
    /is not for qms01\.corp\.example\.com, but for localhost/,
  ],
  'one for clients alone': [async (t, place) => [await issued(t, place, ['--use', 'client'])], /not for server use/],
  'a key of 1024 bits': [
    () => {
      const short = issueCertificate('short-import', `DNS:${fqdn}`, [], 1024);
      return [short.certificate, '--key', short.key];
    },
    /too short: RSA 1024/,
  ],
  'DER that is cut off': [
    (_, { folder }) => {
      const file = path.join(folder, 'cut.cer');
      writeFileSync(file, read(good.certificate).raw.subarray(0, -20));
      return [file];
    },
    /cut\.cer is no certificate/,
  ],
};
for (const [name, [words, want]] of Object.entries(refused))
  test(`cert import: ${name} is refused by name, and nothing is put anywhere`, async (t) => {
    const place = await site(t);
    const { code, stderr } = await place.take(await words(t, place));
    assert.equal(code, 1);
    assert.match(stderr, want);
    assert.equal(existsSync(path.dirname(place.certificate)), false);
  });

test('cert import: authorities are added to those that are there, and a leaf is refused', async (t) => {
  const place = await site(t);
  const take = (...words: readonly string[]) =>
    run(['cert', 'import', ...words, '--as', 'authority:corp', '--config', place.config]);
  assert.equal((await take(ca)).code, 0);
  const { code, stdout } = await take(testCertificates().otherCa, ca);
  assert.equal(code, 0);
  assert.match(stdout, /2 authorities, 1 of them new/);
  const file = path.join(place.folder, 'certs', 'corp.pem');
  assert.equal(readFileSync(file, 'utf8').match(/BEGIN/g)?.length, 2);
  const leaf = await take(good.certificate);
  assert.equal(leaf.code, 1);
  assert.match(leaf.stderr, /holds a certificate that is no authority/);
  assert.deepEqual(readdirSync(path.dirname(file)).sort(), ['corp.pem', 'corp.pem.1.old']);
});

test('cert import: what it is for has to be said, and must be there', async (t) => {
  const place = await site(t);
  for (const as of ['listener', 'listener:', 'listener:../x', 'route:a', ''])
    assert.equal((await run(['cert', 'import', good.certificate, '--as', as, '--config', place.config])).code, 2, as);
  const { code, stderr } = await run([
    'cert',
    'import',
    good.certificate,
    '--as',
    'listener:machines',
    '--config',
    place.config,
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /there is no listener machines that has certificates, but public/);
});

test('cert import: the certificate of a peer is put beside the others, and its row inserted, comments and all', async (t) => {
  const place = await site(t);
  const text = `${readFileSync(place.config, 'utf8')}services: { media: {} }   # what machines reach\npeers:\n  # the first\n  old: { names: [old.corp.example.com], services: [media] } # stays\n`;
  writeFileSync(place.config, text);
  const der = path.join(place.folder, 'partner.cer');
  writeFileSync(der, read(good.certificate).raw);
  const take = (...words: readonly string[]) =>
    run(['cert', 'import', der, '--as', 'peer:partner-01', '--config', place.config, ...words]);
  const printed = await take();
  assert.equal(printed.code, 0, printed.stderr);
  assert.match(
    printed.stdout,
    /peers:\n {2}partner-01: \{ certificate: \.\.\/certs\/peers\/partner-01\.cer, services: \[\] \}/,
  );
  assert.equal(readFileSync(place.config, 'utf8'), text);
  const unknown = await take('--services', 'data', '--write');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /there is no service data/);
  const written = await take('--services', 'media', '--write');
  assert.equal(written.code, 0, written.stderr);
  assert.equal(
    readFileSync(place.config, 'utf8'),
    `${text}  partner-01: { certificate: ../certs/peers/partner-01.cer, services: [media] }\n`,
  );
  assert.deepEqual(read(path.join(place.folder, 'certs', 'peers', 'partner-01.cer')).raw, read(good.certificate).raw);
  const shown = await run(['cert', 'show', '--config', place.config]);
  assert.match(shown.stderr, /site\.crt does not exist/);
});

test('cert import: a peer’s certificate for servers alone, an expired one and two at once are refused by name', async (t) => {
  const place = await site(t);
  const serverOnly = issueCertificate('peer-server', 'DNS:peer.test', [], undefined, { uses: 'serverAuth' });
  const cases = [
    [[serverOnly.certificate], /is not for client use/],
    [[testCertificates().expired.certificate], /expired on/],
    [[good.certificate, testCertificates().renewed.certificate], /holds 2 certificates of machines, and a peer is one/],
  ] as const;
  for (const [files, want] of cases) {
    const { code, stderr } = await run(['cert', 'import', ...files, '--as', 'peer:p', '--config', place.config]);
    assert.equal(code, 1);
    assert.match(stderr, want);
  }
  assert.equal(existsSync(path.dirname(place.certificate)), false);
});

test('cert import: a row that would make a configuration no good is not written', async (t) => {
  const place = await site(t);
  const text = readFileSync(place.config, 'utf8').replace('# the site', 'peers: [] # none\n# the site');
  writeFileSync(place.config, text.replace('peers: [] # none\n', 'peers: {} # none\n'));
  const words = ['cert', 'import', good.certificate, '--as', 'peer:p', '--config', place.config, '--write'];
  assert.equal((await run(words)).code, 0);
  assert.match(readFileSync(place.config, 'utf8'), /^peers: # none\n {2}p: /);
  const again = readFileSync(place.config, 'utf8');
  assert.equal((await run(words)).code, 0, 'the row is there, and its file is the same');
  assert.equal(readFileSync(place.config, 'utf8'), again);
});

test('cert show: where each certificate stands, what it is good for, and the rows that know it', async (t) => {
  const folder = await temporaryFolder(t);
  const config = path.join(folder, 'gatehouse.yaml');
  const { renewed } = testCertificates();
  const sha256 = read(renewed.certificate).fingerprint256;
  const upstream = `{ servers: [{ url: "https://localhost:1", thumbprints: ["${sha256}", "${'0'.repeat(64)}"] }], ca: ${ca}, certificate: ${renewed.certificate}, key: ${renewed.key} }`;
  writeFileSync(
    config,
    `server: { listen: "https://127.0.0.1:8443", publicUrl: "https://localhost:8443", tls: { certificate: ${good.certificate}, key: ${good.key} } }\n` +
      `login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes: [{ location: /, upstream: ${upstream} }]\n` +
      `services: { data: {} }\npeers: { twin: { thumbprints: ["${sha256}"], services: [data] } }\n`,
  );
  const { code, stdout, stderr } = await run(['cert', 'show', '--config', config]);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^server\.tls \(shown as a server\)[\s\S]*host +localhost: stands in it exactly[\s\S]*use +server and client/m,
  );
  assert.match(stdout, /^routes\[0\]\.upstream\.certificate \(shown as a client\)[\s\S]*peers +twin/m);
  assert.match(stdout, /routes\[0\]\.upstream https:\/\/localhost:1: 2 pinned, 1 of a certificate that stands here/);
  const json = JSON.parse((await run(['cert', 'show', '--json', '--config', config])).stdout);
  assert.equal(json.certificates[1].sha256, sha256.replaceAll(':', '').toLowerCase());
  assert.deepEqual(json.pins[1], { where: 'peers.twin', pins: 1, good: 1 });
  assert.equal((await run(['cert', 'show', 'x'])).code, 2);
});
