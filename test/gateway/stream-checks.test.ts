/** Faults of streams in a configuration: each at its key, with what to do. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { readConfiguration } from '../../src/cli/configuration.ts';
import { formatIssues } from '../../src/config/report.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const { good, ca } = testCertificates();
const data = { listen: 'tls://127.0.0.1:9443', tls: good, upstream: 'tcp://127.0.0.1:9000' };
const local = { listen: 'tcp://127.0.0.1:7001', upstream: 'tcp://127.0.0.1:9000' };

const faults: Readonly<Record<string, readonly [streams: object, want: RegExp]>> = {
  'an address without a port': [
    { a: { ...local, listen: 'tcp://127.0.0.1' } },
    /streams\.a\.listen.*a port of 0 to 65535/s,
  ],
  'tls without a certificate': [{ a: { ...data, tls: undefined } }, /streams\.a\.listen: is tls:\/\/, which needs tls/],
  'tcp that others reach': [
    { a: { ...local, listen: 'tcp://0.0.0.0:7001' } },
    /lets in whoever reaches tcp:\/\/0\.0\.0\.0:7001/,
  ],
  'both schemes': [{ a: { ...data, listen: [data.listen, 'tcp://127.0.0.1:7001'] } }, /mixes tls:\/\/ and tcp:\/\//],
  'passthrough with a certificate': [{ a: { ...data, passthrough: true } }, /streams\.a\.tls: ends TLS here/],
  'passthrough that asks for certificates': [
    { a: { ...data, tls: undefined, passthrough: true, clientCertificates: { ask: 'required', authorities: ca } } },
    /streams\.a\.clientCertificates: are judged where TLS ends/,
  ],
  'TLS within TLS': [
    { a: { ...data, tls: undefined, passthrough: true, upstream: 'tls://127.0.0.1:9000' } },
    /streams\.a\.upstream: would put TLS into TLS/,
  ],
  'hosts without TLS': [{ a: { ...local, hosts: ['a.test'] } }, /streams\.a\.hosts: are told by TLS/],
  'two that nothing tells apart': [{ a: data, b: data }, /streams\.b\.listen: takes .* as a does/],
  'one host twice': [
    { a: { ...data, hosts: ['a.test'] }, b: { ...data, hosts: ['a.test'] } },
    /streams\.b\.hosts: has a\.test/,
  ],
  'a service that nobody has': [{ a: { ...data, service: 'data' } }, /streams\.a\.service: names no service/],
  'one port by two schemes': [
    { a: data, b: { ...local, listen: 'tcp://127.0.0.1:9443' } },
    /is the address of a stream with tls/,
  ],
  'the port of a listener': [{ a: { ...local, listen: 'tcp://127.0.0.1:8099' } }, /is the address of a listener, too/],
  'a certificate without its key': [
    { a: { ...local, upstream: { servers: ['tls://localhost:1'], certificate: good.certificate } } },
    /streams\.a\.upstream\.key: is missing/,
  ],
  'authorities for servers without TLS': [
    { a: { ...local, upstream: { servers: ['tcp://localhost:1'], ca } } },
    /is for TLS, and no server is tls/,
  ],
  'a thumbprint for a server without TLS': [
    { a: { ...local, upstream: { servers: [{ url: 'tcp://localhost:1', thumbprints: ['a'.repeat(64)] }] } } },
    /has no TLS that could be checked/,
  ],
};

for (const [name, [streams, want]] of Object.entries(faults))
  test(`streams: ${name} is an error at its key`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
    writeFileSync(
      file,
      stringify({
        server: { listen: 'http://127.0.0.1:8099' },
        login: { chain: ['local'] },
        providers: { local: { type: 'local', users: 'users.yaml' } },
        routes: [{ location: '/', upstream: 'http://127.0.0.1:8070' }],
        streams,
      }),
    );
    const reading = readConfiguration(file, {});
    assert.equal(reading.kind, 'invalid');
    assert.match(reading.kind === 'invalid' ? formatIssues(reading.issues) : '', want);
  });
