/** What a probe says of any server's name, port and certificate. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { Failure } from '../../src/core/failure.ts';
import { networkFailure } from '../../src/remote/network-error.ts';
import { networkSteps, probeSteps } from '../../src/remote/probe.ts';
import { readAuthorities } from '../../src/tls/authorities.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';

const clock = { now: Date.now };
const explain = (error: unknown): Failure =>
  networkFailure(error, 'it') ?? new Failure('provider-broke', String(error));

async function probed(t: TestContext, { certificate, key }: CertificateFiles) {
  const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/`);
  const steps = networkSteps(url, { ca: readAuthorities(testCertificates().ca) }, clock);
  return Array.fromAsync(probeSteps(steps, { signal: AbortSignal.timeout(5000), timeout: 2000, explain }));
}

test('probe: a good server has a name, a port and a certificate', async (t) => {
  const steps = await probed(t, testCertificates().good);
  assert.deepEqual(
    steps.map(({ step, result }) => `${step} ${result}`),
    ['resolve ok', 'connect ok', 'tls ok'],
  );
});

test('probe: a name that stands as Common Name only fails, and is told where it belongs', async (t) => {
  const step = (await probed(t, issueCertificate('localhost', ''))).at(-1);
  assert.equal(step?.result, 'failed');
  assert.match(step?.detail ?? '', /Common Name only, which does not count: localhost/);
  assert.match(step?.hint ?? '', /subjectAltName; until then pin its SHA-256 thumbprint/);
});

test('probe: the step that fails is the last', async (t) => {
  const steps = await probed(t, testCertificates().expired);
  assert.partialDeepStrictEqual(steps.at(-1), { step: 'tls', result: 'failed' });
});
