/** `gatehouse cert check`: what it says of files and of servers, and with which exit code. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer, type TlsOptions } from 'node:tls';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';

const text = (...files: readonly string[]): string => files.map((file) => readFileSync(file, 'utf8')).join('');

const check = (target: string, ...words: readonly string[]) =>
  run(['cert', 'check', target, '--ca', testCertificates().ca, ...words]);

async function file(t: TestContext, name: string, content: string | Buffer): Promise<string> {
  const found = path.join(await temporaryFolder(t), name);
  writeFileSync(found, content);
  return found;
}

/** A server that shows a chain as it is told to; gives its port. */
async function server(t: TestContext, options: TlsOptions): Promise<number> {
  const listening = createServer(options, (socket) => socket.on('error', () => undefined).end());
  listening.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => listening.close());
  return (listening.address() as AddressInfo).port;
}

test('cert check: a complete chain in a file is good, and everything about it is shown', async () => {
  const { chained } = testCertificates();
  const leaf = new X509Certificate(readFileSync(chained.certificate));
  const { code, stdout } = await check(chained.certificate, '--key', chained.key, '--host', 'localhost');
  assert.equal(code, 0);
  assert.match(stdout, /^1\. certificate: CN=unchained/m);
  assert.match(stdout, /^2\. intermediate: CN=intermediate/m);
  assert.match(stdout, /names +localhost, 127\.0\.0\.1/);
  assert.match(stdout, /key +EC prime256v1/);
  for (const shown of [leaf.fingerprint, leaf.fingerprint256, leaf.fingerprint.replaceAll(':', '').toLowerCase()])
    assert.ok(stdout.includes(shown), shown);
  const der = leaf.publicKey.export({ type: 'spki', format: 'der' });
  const { hash } = await import('node:crypto');
  assert.ok(stdout.includes(`sha256/${hash('sha256', der, 'base64')}`));
  assert.match(stdout, /chain: complete\ngood\n$/);
});

test('cert check: a missing intermediate is named, with where to get it and how to append it', async (t) => {
  const { folder, intermediate } = testCertificates();
  const pair = {
    certificate: path.join(folder, 'with-aia.pem'),
    key: path.join(folder, 'with-aia.key'),
  };
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', pair.key, '-out', pair.certificate],
      ...[
        '-subj',
        '/CN=*.company.com',
        '-addext',
        'subjectAltName=DNS:*.company.com',
        '-addext',
        'basicConstraints=CA:FALSE',
      ],
      ...['-addext', 'authorityInfoAccess=caIssuers;URI:http://ca.example.com/intermediate.cer'],
      ...['-CA', intermediate, '-CAkey', intermediate.replace(/pem$/, 'key'), '-days', '90'],
    ],
    { stdio: 'pipe' },
  );
  const { code, stdout } = await check(pair.certificate, '--host', 'cc.company.com');
  assert.equal(code, 1);
  assert.match(stdout, /key +RSA 2048 bits/);
  assert.match(stdout, /issuer at +http:\/\/ca\.example\.com\/intermediate\.cer/);
  assert.match(stdout, /^error: the chain is incomplete: .*"CN=intermediate, O=Gatehouse Test" is missing/m);
  assert.match(stdout, /http:\/\/ca\.example\.com\/intermediate\.cer.*cat site\.crt intermediate\.crt > xivoxc\.crt/);
  const mended = await file(t, 'xivoxc.crt', text(pair.certificate, intermediate));
  assert.equal((await check(mended, '--host', 'cc.company.com')).code, 0);
});

const faults: Readonly<Record<string, readonly [(t: TestContext) => Promise<string[]> | string[], RegExp]>> = {
  'an expired certificate': [() => [testCertificates().expired.certificate], /expired on \d{4}-/],
  'a certificate of the future': [() => [testCertificates().future.certificate], /valid only from/],
  'a certificate signed by itself': [() => [testCertificates().selfSigned.certificate], /signed by itself/],
  'another name': [
    () => [testCertificates().wrongName.certificate, '--host', 'localhost'],
    /not for localhost, but for other\.example\.com/,
  ],
  'an address that it is not for': [
    () => [testCertificates().good.certificate, '--host', '127.0.0.2'],
    /not for 127\.0\.0\.2/,
  ],
  'a key that is not its own': [
    () => [testCertificates().good.certificate, '--key', testCertificates().renewed.key],
    /is not the key of this certificate/,
  ],
  'the order of the manual': [
    async (t) => {
      const { ca, intermediate, unchained } = testCertificates();
      return [await file(t, 'a.crt', text(ca, intermediate, unchained.certificate))];
    },
    /wrong order: 1, 2, 3 should be 3, 2, 1/,
  ],
  'a key of RSA that is too short': [
    () => [issueCertificate('short-key', 'DNS:localhost', [], 1024).certificate],
    /too short: RSA 1024 bits/,
  ],
  'a certificate without names': [() => [testCertificates().intermediate], /no subjectAltName/],
};

for (const [name, [words, want]] of Object.entries(faults))
  test(`cert check: ${name} is an error that says how to mend it`, async (t) => {
    const [target = '', ...rest] = await words(t);
    const { code, stdout } = await check(target, ...rest);
    assert.equal(code, 1);
    assert.match(stdout, want);
    const [, fix] = /^error: .*\n( {2}\S.*)$/m.exec(stdout) ?? [];
    assert.ok(fix, 'each error is followed by what to do');
  });

test('cert check: the key of a CA in the chain is not the key of the certificate', async () => {
  const { folder, chained } = testCertificates();
  const { code, stdout } = await check(chained.certificate, '--key', path.join(folder, 'intermediate.key'));
  assert.equal(code, 1);
  assert.match(stdout, /^error: the key in .* is not the key of this certificate$/m);
});

test('cert check: an address of IPv6 is taken with brackets and without', async () => {
  const pair = issueCertificate('version-6', 'DNS:localhost,IP:::1');
  for (const host of ['::1', '[::1]']) assert.equal((await check(pair.certificate, '--host', host)).code, 0, host);
  const gone = await freePort();
  assert.match(
    (await check(`[::1]:${gone}`)).stderr,
    new RegExp(`^gatehouse: \\[::1\\]:${gone} showed no certificate`),
  );
  assert.match((await check('localhost:65536')).stderr, /^gatehouse: 65536 is no port/);
});

test('cert check: a chain of the own CA needs that to be named', async () => {
  const { chained } = testCertificates();
  const { code, stdout } = await run(['cert', 'check', chained.certificate]);
  assert.equal(code, 1);
  assert.match(stdout, /"CN=ca, O=Gatehouse Test" is missing/);
  assert.match(stdout, /root of your own CA, name it with --ca/);
});

test('cert check: what does not belong to the chain is a warning alone', async (t) => {
  const { good, otherCa } = testCertificates();
  const { code, stdout } = await check(await file(t, 'a.crt', text(good.certificate, otherCa)));
  assert.equal(code, 0);
  assert.match(stdout, /^warning: 1 certificate does not belong to the chain/m);
});

test('cert check: an end that is near is a warning with its date', async () => {
  const { certificate } = issueCertificate('ends-soon', 'DNS:localhost', ['-days', '2']);
  const ends = new Date(new X509Certificate(readFileSync(certificate)).validTo).toISOString().slice(0, 10);
  const { code, stdout } = await check(certificate);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^warning: the certificate expires soon, on ${ends}$`, 'm'));
});

test('cert check: DER and PKCS#12 are read, the password from the input', async (t) => {
  const { good, chained } = testCertificates();
  const der = await file(t, 'site.cer', new X509Certificate(readFileSync(good.certificate)).raw);
  assert.equal((await check(der)).code, 0);
  const bundle = path.join(await temporaryFolder(t), 'site.pfx');
  const words = ['pkcs12', '-export', '-in', chained.certificate, '-inkey', chained.key, '-out', bundle];
  execFileSync('openssl', [...words, '-passout', 'pass:open sesame'], { stdio: 'pipe' });
  const { ca } = testCertificates();
  const right = await run(['cert', 'check', bundle, '--ca', ca], { stdin: 'open sesame\n' });
  assert.equal(right.code, 0, right.stdout + right.stderr);
  assert.match(right.stdout, /^2\. intermediate/m);
  const wrong = await run(['cert', 'check', bundle, '--ca', ca], { stdin: 'open barley\n' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /password of the file .* is wrong/);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`cert check: a server of ${version} is asked for what it sends`, async (t) => {
    const { chained, unchained, intermediate, ca, good } = testCertificates();
    const key = text(unchained.key);
    const options = { key, minVersion: version, maxVersion: version } as const;
    const whole = await server(t, { ...options, cert: text(chained.certificate) });
    const found = await check(`localhost:${whole}`);
    assert.equal(found.code, 0, found.stdout);
    assert.match(found.stdout, new RegExp(`^localhost:${whole} \\(${version}\\)`));
    const part = await server(t, { ...options, cert: text(unchained.certificate) });
    const missing = await check(`127.0.0.1:${part}`);
    assert.equal(missing.code, 1);
    assert.match(missing.stdout, /"CN=intermediate, O=Gatehouse Test" is missing/);
    const mixed = await server(t, {
      ...options,
      cert: text(unchained.certificate, good.certificate, ca, intermediate),
    });
    const odd = await check(`localhost:${mixed}`);
    assert.equal(odd.code, 1);
    assert.match(odd.stdout, /wrong order: 1, 3, 4 should be 1, 4, 3/);
    assert.match(odd.stdout, /1 certificate does not belong/);
  });

test('cert check: a server that is not there, or speaks no TLS, is said so', async (t) => {
  const gone = await check(`localhost:${await freePort()}`);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /showed no certificate: .*ECONNREFUSED/);
  const { createServer: createPlain } = await import('node:net');
  const plain = createPlain((socket) => socket.end('220 hello\r\n')).listen(0, '127.0.0.1');
  await once(plain, 'listening');
  t.after(() => plain.close());
  const { code, stderr } = await check(`localhost:${(plain.address() as AddressInfo).port}`);
  assert.equal(code, 1);
  assert.match(stderr, /does not speak TLS/);
});

test('cert check: what cannot be understood is a usage error or names the file', async () => {
  assert.equal((await run(['cert'])).code, 2);
  assert.equal((await run(['cert', 'show', 'x'])).code, 2);
  const { code, stderr } = await run(['cert', 'check', 'nowhere/site.crt']);
  assert.equal(code, 1);
  assert.match(stderr, /nowhere\/site\.crt does not exist/);
});

test('cert check --use: what a certificate may not be used for, and a name that stands there as a wildcard, are errors', async (t) => {
  const folder = await temporaryFolder(t);
  const words = (name: string, names: string, use: string): string => {
    const pair = { certificate: path.join(folder, `${name}.pem`), key: path.join(folder, `${name}.key`) };
    const { ca, caKey } = testCertificates();
    const made = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${name}`,
    ];
    const files = ['-keyout', pair.key, '-out', pair.certificate, '-CA', ca, '-CAkey', caKey, '-days', '90'];
    const extensions = [
      'basicConstraints=CA:FALSE',
      ...(names ? [`subjectAltName=${names}`] : []),
      ...(use ? [`extendedKeyUsage=${use}`] : []),
    ];
    execFileSync('openssl', [...made, ...files, ...extensions.flatMap((one) => ['-addext', one])], { stdio: 'pipe' });
    return pair.certificate;
  };
  const serverOnly = words('server', 'DNS:*.example.com,DNS:QMS01.example.com', 'serverAuth');
  assert.equal((await check(serverOnly, '--use', 'server', '--host', 'qms01.example.com')).code, 0);
  const client = await check(serverOnly, '--use', 'client');
  assert.equal(client.code, 1);
  assert.match(client.stdout, /^error: the certificate is not for client use; its extended key usage says: server$/m);
  assert.equal((await check(serverOnly, '--host', 'qms02.example.com')).code, 0, 'browsers take it');
  const wild = await check(serverOnly, '--use', 'server', '--host', 'qms02.example.com');
  assert.equal(wild.code, 1);
  assert.match(
    wild.stdout,
    /^error: qms02\.example\.com does not stand in the certificate exactly.*\*\.example\.com$/m,
  );
  const any = words('any', '', '');
  const nameless = await check(any, '--use', 'client');
  assert.equal(nameless.code, 0);
  assert.match(nameless.stdout, /use +any[\s\S]*^warning: the certificate has no subjectAltName/m);
  assert.equal((await check(any, '--use', 'server')).code, 1);
  assert.equal((await check(any, '--use', 'both')).code, 2);
});

test('cert check: a PKCS#7 file of an authority is read, in PEM, DER and under the label of a certificate', async (t) => {
  const { chained } = testCertificates();
  const folder = await temporaryFolder(t);
  const made = ['crl2pkcs7', '-nocrl', '-certfile', chained.certificate];
  const pem = execFileSync('openssl', made).toString();
  const der = execFileSync('openssl', [...made, '-outform', 'der']);
  const contents = { 'a.p7b': der, 'b.p7b': pem, 'c.cer': pem.replaceAll('PKCS7', 'CERTIFICATE') };
  for (const [name, content] of Object.entries(contents)) {
    writeFileSync(path.join(folder, name), content);
    const { code, stdout, stderr } = await check(path.join(folder, name), '--host', 'localhost');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^2\. intermediate/m);
  }
  writeFileSync(path.join(folder, 'd.p7b'), der.subarray(0, -9));
  assert.match((await check(path.join(folder, 'd.p7b'))).stderr, /d\.p7b is no certificate/);
});

test('cert check --config: each certificate of a configuration is held against the side on which it stands', async (t) => {
  const { good, wrongName, ca } = testCertificates();
  const config = await configuration(t, good);
  const { code, stdout } = await run(['cert', 'check', '--config', config, '--ca', ca]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^server\.tls\n[\s\S]*^routes\[0\]\.upstream\.certificate\n[\s\S]*every certificate is good/m);
  const bad = await run(['cert', 'check', '--config', await configuration(t, wrongName), '--ca', ca]);
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /is not for localhost, but for other\.example\.com/);
});

/** A configuration with a certificate for browsers, and one to show to an application. */
async function configuration(t: TestContext, { certificate, key }: CertificateFiles): Promise<string> {
  const { good, ca } = testCertificates();
  const upstream = `{ servers: https://localhost:1, ca: ${ca}, certificate: ${good.certificate}, key: ${good.key} }`;
  return file(
    t,
    'gatehouse.yaml',
    `server:\n  listen: https://127.0.0.1:8443\n  publicUrl: https://localhost:8443\n  tls: { certificate: ${certificate}, key: ${key} }\n` +
      `login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes: [{ location: /, upstream: ${upstream} }]\n`,
  );
}

test('cert pin: the row to paste is shown with what is wrong, and nothing is changed', async (t) => {
  const { chained, ca, selfSigned } = testCertificates();
  const port = await server(t, { key: text(chained.key), cert: text(chained.certificate) });
  const leaf = new X509Certificate(readFileSync(chained.certificate));
  const sha256 = leaf.fingerprint256.replaceAll(':', '').toLowerCase();
  const known = await run(['cert', 'pin', `localhost:${port}`, '--ca', ca]);
  assert.equal(known.code, 0);
  assert.ok(known.stdout.includes(`  - { url: https://localhost:${port}, thumbprints: ["${sha256}"] }\n`));
  assert.match(known.stdout, /compare a thumbprint with what the owner of the server says/);
  assert.doesNotMatch(known.stdout, /error|no authority/);
  const other = await server(t, { key: text(selfSigned.key), cert: text(selfSigned.certificate) });
  const strange = await run(['cert', 'pin', `127.0.0.1:${other}`, '--host', 'mps.example.com']);
  assert.match(strange.stdout, /signed by itself[\s\S]*is not for mps|is not for mps[\s\S]*signed by itself/);
  assert.match(strange.stdout, /, name: mps\.example\.com \}/);
  assert.equal((await run(['cert', 'pin'])).code, 2);
});
