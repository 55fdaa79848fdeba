/** CA bundles: what is read, and what is refused with a text that says what to do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '../../src/core/errors.ts';
import { readAuthorities, systemAuthorities } from '../../src/tls/authorities.ts';
import { testCertificates } from '../support/tools/certificates.ts';

function fileOf(t: TestContext, content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-authorities-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'ca.pem');
  writeFileSync(path, content);
  return path;
}

const pem = () => readFileSync(testCertificates().ca, 'utf8');
const der = () => execFileSync('openssl', ['x509', '-in', testCertificates().ca, '-outform', 'der']);

test('a bundle of several certificates with text between them is read', (t) => {
  const { otherCa } = testCertificates();
  const path = fileOf(t, `# the first\n${pem()}\n# the second\n${readFileSync(otherCa, 'utf8')}`);
  const { certificates, source } = readAuthorities(path);
  assert.deepEqual(
    certificates.map(({ subject }) => subject),
    ['O=Gatehouse Test\nCN=ca', 'O=Gatehouse Test\nCN=other-ca'],
  );
  assert.match(source, /ca\.pem$/);
});

const unusable: Readonly<Record<string, { content: () => string | Buffer; says: RegExp; hint: RegExp }>> = {
  'an empty file': { content: () => '', says: /is empty/, hint: /in PEM/ },
  'a certificate in DER': { content: der, says: /in DER, not PEM/, hint: /openssl x509 -inform der/ },
  'any other text': { content: () => 'hello', says: /holds no certificate/, hint: /BEGIN CERTIFICATE/ },
  'a private key': {
    content: () => readFileSync(testCertificates().caKey),
    says: /no certificate, but a private key/,
    hint: /BEGIN CERTIFICATE/,
  },
  'a PKCS#7 bundle': { content: () => '-----BEGIN PKCS7-----\n', says: /PKCS#7/, hint: /openssl pkcs7/ },
  'a certificate that is cut off': { content: () => pem().slice(0, 300), says: /cut off/, hint: /copy it again/ },
  'a certificate with a wrong byte': {
    content: () => pem().replace(/^(M[^\n]{20})/m, (line) => line.replace(/....$/, 'AAAA')),
    says: /certificate 1 of .* cannot be read/,
    hint: /copy it again/,
  },
};

for (const [name, { content, says, hint }] of Object.entries(unusable)) {
  test(`${name} is refused, with what to do`, (t) => {
    const path = fileOf(t, content());
    assert.throws(
      () => readAuthorities(path),
      (error) => error instanceof OperatorError && says.test(error.message) && hint.test(error.hint ?? ''),
    );
  });
}

test('a file that is not there and a folder are refused by name', () => {
  const { folder } = testCertificates();
  assert.throws(() => readAuthorities(join(folder, 'absent.pem')), /absent\.pem does not exist/);
  assert.throws(() => readAuthorities(folder), /is a folder/);
});

test('without a bundle, authorities that come with Node are there', () => {
  assert.ok(systemAuthorities().length > 100);
});
