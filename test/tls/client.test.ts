/** Connections to servers with every kind of wrong certificate: refused, and explained. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { readAuthorities } from '../../src/tls/authorities.ts';
import { chainReport, insecureReadChain, issuersOf } from '../../src/tls/chain-report.ts';
import { type Trust, tlsClientOptions } from '../../src/tls/client.ts';
import { describeTlsError } from '../../src/tls/describe-error.ts';
import { readPin, spkiPin } from '../../src/tls/pins.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';

const certificates = testCertificates();
const ca = readAuthorities(certificates.ca);
const readCertificate = (path: string) => new X509Certificate(readFileSync(path));

async function serverWith(t: TestContext, { certificate, key }: CertificateFiles): Promise<number> {
  const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What becomes of a handshake: the socket, or the error. */
async function handshake(t: TestContext, port: number, trust: Trust, host = 'localhost'): Promise<TLSSocket | Error> {
  const socket = connect({ port, host: '127.0.0.1', servername: host, ...tlsClientOptions(trust) });
  t.after(() => socket.destroy());
  return new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(socket)).once('error', resolve);
  });
}

async function problemWith(t: TestContext, files: CertificateFiles, trust: Trust, host?: string) {
  const result = await handshake(t, await serverWith(t, files), trust, host);
  return result instanceof Error ? describeTlsError(result)?.kind : 'connected';
}

const { good } = certificates;
const thumbprintOf = ({ certificate }: CertificateFiles, digest: 'sha1' | 'sha256') => {
  const reading = readPin(readCertificate(certificate)[digest === 'sha1' ? 'fingerprint' : 'fingerprint256']);
  return reading.kind === 'pin' ? reading.pin : assert.fail(reading.problem);
};
const nameless = issueCertificate('localhost', '');
const pinOf = (files: CertificateFiles) => spkiPin(readCertificate(files.certificate));

const cases: Readonly<Record<string, { files: CertificateFiles; trust: Trust; host?: string; want: string }>> = {
  'a good certificate': { files: good, trust: { ca }, want: 'connected' },
  'a chain with its intermediate': { files: certificates.chained, trust: { ca }, want: 'connected' },
  'a good certificate and its pin': {
    files: good,
    trust: { ca, pins: ['sha256/' + 'A'.repeat(43) + '=', pinOf(good)] },
    want: 'connected',
  },
  'another name that servername expects': {
    files: certificates.wrongName,
    trust: { ca, servername: 'other.example.com' },
    want: 'connected',
  },
  'a certificate that has expired': { files: certificates.expired, trust: { ca }, want: 'expired' },
  'a certificate of the future': { files: certificates.future, trust: { ca }, want: 'not-yet-valid' },
  'a self-signed certificate': { files: certificates.selfSigned, trust: { ca }, want: 'self-signed' },
  'a missing intermediate': { files: certificates.unchained, trust: { ca }, want: 'incomplete-chain' },
  'a CA unknown to the machine': { files: certificates.chained, trust: {}, want: 'incomplete-chain' },
  'a CA that is not ours': {
    files: good,
    trust: { ca: readAuthorities(certificates.otherCa) },
    want: 'incomplete-chain',
  },
  'a wrong name': { files: certificates.wrongName, trust: { ca }, want: 'wrong-name' },
  'a good name that servername does not expect': {
    files: good,
    trust: { ca, servername: 'other.example.com' },
    want: 'wrong-name',
  },
  'a good chain with another key than the pin': {
    files: good,
    trust: { ca, pins: [pinOf(certificates.renewed)] },
    want: 'pin-mismatch',
  },
  'a good pin with an unknown CA': {
    files: certificates.selfSigned,
    trust: { ca, pins: [pinOf(certificates.selfSigned)] },
    want: 'self-signed',
  },
  'a good pin with a wrong name': {
    files: certificates.wrongName,
    trust: { ca, pins: [pinOf(certificates.wrongName)] },
    want: 'wrong-name',
  },
  'a name that stands as Common Name only': { files: nameless, trust: { ca }, want: 'wrong-name' },
  'a Common Name, and the pin of its key': {
    files: nameless,
    trust: { ca, pins: [pinOf(nameless)] },
    want: 'wrong-name',
  },
  'a Common Name, and the SHA-1 thumbprint': {
    files: nameless,
    trust: { ca, pins: [thumbprintOf(nameless, 'sha1')] },
    want: 'wrong-name',
  },
  'a Common Name, and the SHA-256 thumbprint': {
    files: nameless,
    trust: { ca, pins: [thumbprintOf(nameless, 'sha256')] },
    want: 'connected',
  },
  'a good certificate and its SHA-1 thumbprint': {
    files: good,
    trust: { ca, pins: [thumbprintOf(certificates.renewed, 'sha256'), thumbprintOf(good, 'sha1')] },
    want: 'connected',
  },
  'a good certificate and the thumbprint of another': {
    files: good,
    trust: { ca, pins: [thumbprintOf(certificates.renewed, 'sha256')] },
    want: 'pin-mismatch',
  },
  'an imported certificate that nobody vouches for': {
    files: certificates.selfSigned,
    trust: { certificate: readCertificate(certificates.selfSigned.certificate) },
    want: 'connected',
  },
  'an imported certificate below a CA that is not asked': {
    files: good,
    trust: { certificate: readCertificate(good.certificate) },
    want: 'connected',
  },
  'another certificate of the CA than the imported one': {
    files: certificates.renewed,
    trust: { certificate: readCertificate(good.certificate) },
    want: 'incomplete-chain',
  },
  'an imported certificate that has expired': {
    files: certificates.expired,
    trust: { certificate: readCertificate(certificates.expired.certificate) },
    want: 'expired',
  },
  'an imported certificate for another name than the one asked for': {
    files: certificates.selfSigned,
    trust: { certificate: readCertificate(certificates.selfSigned.certificate), servername: 'other.example.com' },
    want: 'wrong-name',
  },
  'the pin of an intermediate that the server sends': {
    files: certificates.chained,
    trust: { ca, pins: [spkiPin(readCertificate(certificates.intermediate))] },
    want: 'pin-mismatch',
  },
  "the CA's pin in place of the server's": {
    files: good,
    trust: { ca, pins: [spkiPin(readCertificate(certificates.ca))] },
    want: 'pin-mismatch',
  },
};

for (const [name, { files, trust, host, want }] of Object.entries(cases)) {
  test(`${name}: ${want}`, async (t) => {
    assert.equal(await problemWith(t, files, trust, host), want);
  });
}

test('an environment that turns checks off does not weaken them', async (t) => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  assert.equal(await problemWith(t, certificates.selfSigned, { ca }), 'self-signed');
});

test('a server that does not speak TLS is told as such', async (t) => {
  const server = createTcpServer((socket) => void socket.end('220 mail.example.com ESMTP\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const result = await handshake(t, (server.address() as AddressInfo).port, { ca });
  assert.equal(result instanceof Error && describeTlsError(result)?.kind, 'not-tls');
});

test('errors that are none of TLS are left alone', () => {
  assert.equal(describeTlsError(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })), undefined);
  assert.equal(describeTlsError('no error at all'), undefined);
});

test('a chain reports names, dates, digests and that it is complete', () => {
  const [leaf, intermediate] = [certificates.chained.certificate, certificates.intermediate].map(readCertificate);
  const report = chainReport([leaf!, intermediate!], ca.certificates);
  assert.equal(report.complete, true);
  assert.equal(report.missing, undefined);
  assert.equal(report.certificates.length, 2);
  assert.partialDeepStrictEqual(report.certificates[0], {
    subject: 'CN=unchained, O=Gatehouse Test',
    issuer: 'CN=intermediate, O=Gatehouse Test',
    names: ['localhost', '127.0.0.1'],
    selfSigned: false,
    pin: pinOf(certificates.chained),
  });
  assert.equal(report.expires.getTime(), Math.min(Date.parse(leaf!.validTo), Date.parse(intermediate!.validTo)));
});

test('a chain without its intermediate names the one that is missing', () => {
  const report = chainReport([readCertificate(certificates.unchained.certificate)], ca.certificates);
  assert.equal(report.complete, false);
  assert.equal(report.missing, 'CN=intermediate, O=Gatehouse Test');
});

test('strays and a wrong order do not confuse the report', () => {
  const [leaf, intermediate, stray] = [
    certificates.unchained.certificate,
    certificates.intermediate,
    certificates.otherCa,
  ].map(readCertificate);
  const report = chainReport([leaf!, stray!, intermediate!], ca.certificates);
  assert.deepEqual(
    report.certificates.map(({ subject }) => subject),
    ['CN=unchained, O=Gatehouse Test', 'CN=intermediate, O=Gatehouse Test'],
  );
  assert.equal(report.complete, true);
});

test('the chain of a server that is not trusted can be read for a report', async (t) => {
  const port = await serverWith(t, certificates.expired);
  const chain = await insecureReadChain(connectTcp(port, '127.0.0.1'), 'localhost');
  assert.equal(chain?.[0]?.subject, 'O=Gatehouse Test\nCN=expired');
});

test('the chain of a connection holds what the server sent', async (t) => {
  const result = await handshake(t, await serverWith(t, certificates.chained), { ca });
  assert.ok(!(result instanceof Error));
  const chain = issuersOf(result.getPeerX509Certificate());
  assert.deepEqual(
    chain.slice(0, 2).map(({ subject }) => subject),
    ['O=Gatehouse Test\nCN=unchained', 'O=Gatehouse Test\nCN=intermediate'],
  );
});

test('tls: a certificate that is taken is told with the first end of its chain, one that is not is told to nobody', async (t) => {
  const told: (readonly [string, number])[] = [];
  const onCertificate = (host: string, endsAt: number): void => void told.push([host, endsAt]);
  const { good, chained, expired } = certificates;
  assert.equal(await problemWith(t, good, { ca, onCertificate }), 'connected');
  assert.equal(await problemWith(t, chained, { ca, onCertificate }), 'connected');
  assert.equal(await problemWith(t, expired, { ca, onCertificate }), 'expired');
  assert.equal(await problemWith(t, good, { ca, onCertificate, pins: [pinOf(chained)] }), 'pin-mismatch');
  assert.deepEqual(
    told.map(([host]) => host),
    ['localhost', 'localhost'],
  );
  const ends = [good.certificate, certificates.ca].map((file) => Date.parse(readCertificate(file).validTo));
  assert.equal(told[0]?.[1], Math.min(...ends));
});
