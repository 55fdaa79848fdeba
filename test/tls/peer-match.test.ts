/** Which certificates a row of the table knows, and which of them do. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { PeerCertificate, PeerRow, Service } from '../../src/core/peer.ts';
import { PeerTable } from '../../src/peers/table.ts';
import { peerCertificate } from '../../src/tls/peer-certificate.ts';
import { issueCertificate } from '../support/tools/certificates.ts';

const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));
const issued = read(
  issueCertificate('peer-1', 'DNS:Peer-1.Corp.test,DNS:other.test,URI:spiffe://corp/qms/peer-1,IP:10.0.0.1')
    .certificate,
);
const held: PeerCertificate = peerCertificate(issued, { kind: 'held' });
const broken = (code: string): PeerCertificate => ({ ...held, chain: { kind: 'broken', code } });
const now = held.validFrom + 1000;
const bare: PeerRow = {
  ...{ name: 'row', sha256: [], sha1: [], pins: [], names: [], uris: [], ownAnchors: [] },
  ...{ anyUse: false, services: ['data'] },
};
const services = new Map<string, Service>([
  ['data', { name: 'data', admit: 'listed' }],
  ['open', { name: 'open', admit: 'any' }],
]);
const judge = (row: Partial<PeerRow>, shown: PeerCertificate | undefined, service = 'data', at = now) => {
  const verdict = new PeerTable([{ ...bare, ...row }], services).judge(shown, service, at);
  return verdict.kind === 'admitted' ? (verdict.peer ?? 'anybody') : verdict.reason;
};

const [sha256, sha1, pins] = [[held.thumbprint], [held.sha1], [held.pin]];
const late = { ...held, validTo: now - 1 };
const cases: Readonly<Record<string, [Partial<PeerRow>, PeerCertificate | undefined, string]>> = {
  'a SHA-256 thumbprint': [{ sha256 }, held, 'row'],
  'a SHA-1 thumbprint with a chain': [{ sha1 }, held, 'row'],
  'a SHA-1 thumbprint without one': [{ sha1 }, broken('DEPTH_ZERO_SELF_SIGNED_CERT'), 'peer-unknown'],
  'a pin': [{ pins }, held, 'row'],
  'another thumbprint': [{ sha256: ['0'.repeat(64)] }, held, 'peer-unknown'],
  'one of several': [{ sha256: ['0'.repeat(64)], pins: ['sha256/x', held.pin] }, held, 'row'],
  'a name, case folded': [{ names: ['peer-1.corp.test'] }, held, 'row'],
  'a wildcard for one label': [{ names: ['*.corp.test'] }, held, 'row'],
  'a wildcard for two labels': [{ names: ['*.test'] }, { ...held, names: ['peer-1.corp.test'] }, 'peer-unknown'],
  'a wildcard in the certificate': [{ names: ['*.corp.test'] }, { ...held, names: ['*.corp.test'] }, 'peer-unknown'],
  'a name without a chain': [{ names: ['peer-1.corp.test'] }, broken('UNABLE_TO_GET_ISSUER_CERT'), 'peer-unknown'],
  'the Common Name': [{ names: ['peer-1'] }, held, 'peer-unknown'],
  'a URI': [{ uris: ['spiffe://corp/qms/peer-1'] }, held, 'row'],
  'a URI with a rest': [{ uris: ['spiffe://corp/qms/*'] }, held, 'row'],
  'a URI whose rest is empty': [{ uris: ['spiffe://corp/qms/peer-1/*'] }, held, 'peer-unknown'],
  'a URI of a neighbour': [{ uris: ['spiffe://corp/qm/*'] }, held, 'peer-unknown'],
  'a thumbprint without a chain': [{ sha256 }, broken('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'peer-unknown'],
  'its own anchor': [{ sha256, ownAnchors: sha256 }, broken('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'row'],
  'its own anchor, out of date': [{ sha256, ownAnchors: sha256 }, late, 'peer-expired'],
  'its own anchor, for servers only': [
    { sha256, ownAnchors: sha256 },
    { ...broken('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), use: 'server' },
    'peer-use',
  ],
  'its own anchor, revoked': [{ sha256, ownAnchors: sha256 }, broken('CERT_REVOKED'), 'peer-revoked'],
  'any use, revoked': [{ sha256, anyUse: true }, broken('CERT_REVOKED'), 'peer-revoked'],
  'a list that has ended': [{ sha256 }, broken('CRL_HAS_EXPIRED'), 'peer-list-stale'],
  'an anchor that is another': [{ sha256, ownAnchors: ['1'.repeat(64)] }, broken('CERT_UNTRUSTED'), 'peer-unknown'],
  'for servers only': [{ sha256 }, { ...broken('INVALID_PURPOSE'), use: 'server' }, 'peer-use'],
  'for servers only, and any use': [{ sha256, anyUse: true }, { ...broken('INVALID_PURPOSE'), use: 'server' }, 'row'],
  'any use of a name': [
    { names: ['other.test'], anyUse: true },
    { ...broken('INVALID_PURPOSE'), use: 'server' },
    'peer-use',
  ],
  'without a use': [{ sha256 }, { ...held, use: 'any' }, 'row'],
  'out of date': [{ sha256 }, late, 'peer-expired'],
  'not valid yet': [{ sha256 }, { ...held, validFrom: now + 1 }, 'peer-expired'],
  'an authority out of date': [{ sha1 }, broken('CERT_HAS_EXPIRED'), 'peer-expired'],
  'until then': [{ sha256, until: now }, held, 'peer-expired'],
  'until later': [{ sha256, until: now + 1 }, held, 'row'],
  'another service': [{ sha256, services: [] }, held, 'peer-not-admitted'],
  'no certificate': [{ sha256 }, undefined, 'peer-certificate-missing'],
};
for (const [name, [row, shown, want]] of Object.entries(cases))
  test(`peers: ${name}: ${want}`, () => assert.equal(judge(row, shown), want));

test('peers: a service for all takes whoever the listener takes, and names the row where there is one', () => {
  assert.equal(judge({}, held, 'open'), 'anybody');
  assert.equal(judge({ sha256, services: [] }, held, 'open'), 'row');
  assert.equal(judge({}, broken('CERT_UNTRUSTED'), 'open'), 'peer-unknown');
  assert.equal(judge({}, undefined, 'open'), 'peer-certificate-missing');
  assert.equal(judge({ sha256, until: now }, held, 'open'), 'peer-expired');
});

test('peers: of two rows that are a machine’s the services are joined, and one that is over takes nothing from the other', () => {
  const rows: PeerRow[] = [
    { ...bare, name: 'old', sha256, until: now, services: ['data'] },
    { ...bare, name: 'new', pins, services: ['more'] },
  ];
  const all = new Map([...services, ['more', { name: 'more', admit: 'listed' }] as const]);
  const table = new PeerTable(rows, all);
  assert.deepEqual(table.judge(held, 'more', now), { kind: 'admitted', peer: 'new' });
  assert.partialDeepStrictEqual(table.judge(held, 'data', now), { kind: 'refused', reason: 'peer-not-admitted' });
  assert.deepEqual(table.judge(held, 'data', now - 1), { kind: 'admitted', peer: 'old' });
});

test('peers: names and URIs are read entry by entry, whatever stands in one', () => {
  // As Node writes a URI that holds what could be taken for the next entry (CVE-2021-44532).
  const text = 'URI:"http://x.test/, DNS:evil.test", DNS:good.test., DNS:"a, URI:spiffe://corp/x"';
  const odd = new Proxy(issued, {
    get: (target, key) => (key === 'subjectAltName' ? text : Reflect.get(target, key, target)),
  });
  const { names, uris } = peerCertificate(odd, { kind: 'held' });
  assert.deepEqual([names, uris], [['good.test'], []]);
  assert.deepEqual(held.names, ['peer-1.corp.test', 'other.test']);
  assert.deepEqual(held.uris, ['spiffe://corp/qms/peer-1']);
});

test('peers: a table of ten thousand rows is asked like one of ten', () => {
  const rows = Array.from(
    { length: 10_000 },
    (_, index): PeerRow => ({
      ...{ ...bare, name: `row-${index}` },
      sha256: [index.toString(16).padStart(64, '0')],
    }),
  );
  const table = new PeerTable([...rows, { ...bare, sha256 }], services);
  const started = performance.now();
  for (let round = 0; round < 1000; round += 1) assert.equal(table.judge(held, 'data', now).kind, 'admitted');
  assert.ok(performance.now() - started < 500);
});
