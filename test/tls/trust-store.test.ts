/** Java's trust stores: what keytool and openssl write is read, and what cannot be used says why. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { OperatorError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import { readAuthorities } from '../../src/tls/authorities.ts';
import { tlsClientOptions } from '../../src/tls/client.ts';
import { trustStoreCertificates } from '../../src/tls/trust-store.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

/** Written by keytool of Java 17: `keytool -import -file trusted.pem -alias ldapcert -keystore …`. */
const fixture = (name: string): string => join(import.meta.dirname, '../fixtures/xivo', name);
const password = new Secret('LDAP_CERT_KSTORE_PWD');
const trusted = new X509Certificate(readFileSync(fixture('trusted.pem')));

const problem = (what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperatorError, String(error));
  assert.match(error.message, what);
  assert.doesNotMatch(`${error.message} ${error.hint}`, /LDAP_CERT_KSTORE_PWD|wrong-password/);
  return true;
};

for (const name of ['ldapCertTrustStore', 'ldapCertTrustStore.jks'])
  test(`trust store: ${name} of keytool gives its certificate, byte for byte`, () => {
    const { certificates, trustsEach } = readAuthorities(fixture(name), password);
    assert.deepEqual(
      certificates.map(({ raw }) => raw),
      [trusted.raw],
    );
    assert.equal(trustsEach, true);
  });

for (const name of ['ldapCertTrustStore', 'ldapCertTrustStore.jks'])
  test(`trust store: ${name} is refused with a wrong password, without one, cut off and changed`, () => {
    const path = fixture(name);
    const bytes = readFileSync(path);
    assert.throws(() => readAuthorities(path, new Secret('wrong-password')), problem(/password of .* is wrong/));
    assert.throws(() => readAuthorities(path), problem(/has a password/));
    for (let length = 24; length < bytes.length; length += 37)
      assert.throws(
        () => trustStoreCertificates(bytes.subarray(0, length), password, 'it'),
        problem(/cut off|wrong|damaged/),
      );
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(200) ^ 1, 200);
    assert.throws(() => trustStoreCertificates(changed, password, 'it'), problem(/damaged|cut off/));
  });

test('trust store: what holds no trusted certificate, and what is no trust store, says so', () => {
  assert.throws(() => readAuthorities(fixture('keys.jceks'), password), problem(/JCEKS/));
  assert.throws(
    () => readAuthorities(fixture('without-trusted.jks'), new Secret('secret1')),
    problem(/trusts no certificate/),
  );
  assert.throws(() => readAuthorities(fixture('trusted.pem'), password), problem(/is no trust store/));
  const odd = Buffer.concat([Buffer.from('feedfeed00000007', 'hex'), Buffer.alloc(40)]);
  assert.throws(() => trustStoreCertificates(odd, password, 'it'), problem(/unknown version, 7/));
});

/** PKCS#12 as openssl writes it. */
function openssl(file: string, ...words: readonly string[]): string {
  execFileSync('openssl', ['pkcs12', '-export', '-out', file, '-passout', 'pass:open sesame', ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return file;
}

test('trust store: PKCS#12 of openssl gives all certificates, with RSA keys too, and not those that go with a key', async (t) => {
  const folder = await temporaryFolder(t);
  const { ca, otherCa, good } = testCertificates();
  const rsa = join(folder, 'rsa.pem');
  const words = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    join(folder, 'rsa.key'),
    '-subj',
    '/CN=Société RSA',
    '-utf8',
    '-out',
    rsa,
  ];
  execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const bundle = join(folder, 'bundle.pem');
  writeFileSync(bundle, [ca, otherCa, rsa].map((path) => readFileSync(path, 'utf8')).join(''));
  const secret = new Secret('open sesame');
  for (const [index, extra] of [[], ['-legacy']].entries()) {
    const { certificates } = readAuthorities(
      openssl(join(folder, `${index}.p12`), '-nokeys', '-in', bundle, ...extra),
      secret,
    );
    const wanted = [ca, otherCa, rsa].map((path) => new X509Certificate(readFileSync(path)).fingerprint256);
    assert.deepEqual(certificates.map(({ fingerprint256 }) => fingerprint256).sort(), wanted.sort());
  }
  const withKey = openssl(join(folder, 'key.p12'), '-in', good.certificate, '-inkey', good.key);
  assert.throws(() => readAuthorities(withKey, secret), problem(/trusts no certificate/));
});

/** Whether a client that trusts a store takes a server's certificate. */
async function isTaken(t: TestContext, store: string, server: { certificate: string; key: string }): Promise<boolean> {
  const listener = createHttpsServer({ cert: readFileSync(server.certificate), key: readFileSync(server.key) });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  const options = tlsClientOptions({ ca: readAuthorities(store, new Secret('open sesame')) });
  const socket = connect({ ...options, host: '127.0.0.1', port });
  try {
    await once(socket, 'secureConnect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test('trust store: a server’s own certificate in it is trusted, as Java does it, and no other server’s', async (t) => {
  const folder = await temporaryFolder(t);
  const { good, renewed, chained, unchained, selfSigned } = testCertificates();
  const storeOf = (certificate: string, name: string) => openssl(join(folder, name), '-nokeys', '-in', certificate);
  const leaf = storeOf(good.certificate, 'leaf.p12');
  assert.equal(await isTaken(t, leaf, good), true);
  assert.equal(await isTaken(t, leaf, renewed), false);
  assert.equal(await isTaken(t, storeOf(unchained.certificate, 'unchained.p12'), chained), true);
  assert.equal(await isTaken(t, storeOf(selfSigned.certificate, 'self.p12'), selfSigned), true);
});
