/** Streams with stunnel before and behind them, and the servers of streams as `check --connect` tells of them. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type BackServer, backServer, echo, loaded, streamSite } from '../support/scenes/stream-site.ts';
import { startFront } from '../support/servers/front-server.ts';
import { issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

const stunnel = '/usr/bin/stunnel4';
const needsStunnel = {
  skip: existsSync(stunnel) || process.env.CI ? false : `${stunnel} is not installed: apt-get install stunnel4`,
};
const { good, ca } = testCertificates();
const machine = issueCertificate('stunnel-machine', 'DNS:machine-1.test');
const thumbprintOf = (file: string) => new X509Certificate(readFileSync(file)).fingerprint256;

/** A stunnel of one service on 127.0.0.1; gives the port that it takes. */
async function startStunnel(t: TestContext, service: readonly string[]): Promise<number> {
  const [folder, port] = [await temporaryFolder(t), await freePort()];
  const lines = ['foreground = yes', 'pid =', 'syslog = no', '[one]', `accept = 127.0.0.1:${port}`, ...service];
  writeFileSync(join(folder, 'stunnel.conf'), `${lines.join('\n')}\n`);
  await startFront(t, { program: stunnel, parameters: ['stunnel.conf'], folder, port });
  return port;
}

/** Ten megabytes there and back over a plain connection. */
async function roundTrip(port: number): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let got = 0;
  socket.on('data', (chunk: Buffer) => {
    got += chunk.length;
  });
  socket.end(Buffer.alloc(10_000_000, 'y'));
  await new Promise<void>((resolve, reject) => socket.once('end', resolve).once('error', reject));
  return got;
}

test(
  'streams: stunnel with a client certificate before them, and stunnel that asks for one behind',
  needsStunnel,
  async (t) => {
    const back: BackServer = await backServer(t, echo);
    const behind = await startStunnel(t, [
      ...[`connect = 127.0.0.1:${back.port}`, `cert = ${good.certificate}`, `key = ${good.key}`],
      ...[`CAfile = ${ca}`, 'verifyChain = yes', 'requireCert = yes'],
    ]);
    const site = await streamSite(
      t,
      {
        data: {
          ...{ listen: 'tls://127.0.0.1:0', tls: good, service: 'durable' },
          clientCertificates: { ask: 'required', authorities: ca },
          upstream: {
            servers: [{ url: `tls://localhost:${behind}`, thumbprints: [thumbprintOf(good.certificate)] }],
            ...{ ca, certificate: machine.certificate, key: machine.key },
          },
        },
      },
      {
        config: {
          services: { durable: {} },
          peers: { one: { thumbprints: [thumbprintOf(machine.certificate)], services: ['durable'] } },
        },
      },
    );
    const target = [`connect = 127.0.0.1:${site.port('tls://127.0.0.1:0')}`, 'client = yes', `CAfile = ${ca}`];
    const trusting = [...target, 'verifyChain = yes', 'checkHost = localhost', 'sni = localhost'];
    const before = await startStunnel(t, [...trusting, `cert = ${machine.certificate}`, `key = ${machine.key}`]);
    assert.equal(await roundTrip(before), 10_000_000);
    // Whoever looked whether stunnel listens has come through, too, and said nothing.
    const carried = await until('the end of the round trip', () =>
      site.audit('stream').find(({ bytesIn }) => bytesIn !== 0),
    );
    assert.partialDeepStrictEqual(carried, { peer: 'one', bytesIn: 10_000_000 });
    assert.equal(carried.reason, undefined);
    const nameless = await startStunnel(t, trusting);
    await assert.rejects(roundTrip(nameless).then((got) => assert.notEqual(got, 0, 'nothing comes back')));
    assert.equal(back.received().length, 10_000_000);
  },
);

test('streams: check --connect tries their servers, and tells of another certificate than the pinned one', async (t) => {
  const right = await backServer(t, echo, loaded(good));
  const site = await streamSite(t, {});
  await site.write({
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    routes: [{ location: '/', respond: { status: 200, body: 'ok' }, access: 'public' }],
    streams: {
      recorder: {
        listen: 'tcp://127.0.0.1:7001',
        upstream: { ca, servers: [{ url: `tls://localhost:${right.port}`, thumbprints: ['ab'.repeat(32)] }] },
      },
    },
  });
  const { stdout } = await run(['check', '--connect', '--config', site.file]);
  assert.match(stdout, new RegExp(`tls://localhost:${right.port} \\(upstream\\)`));
  assert.match(stdout, /warning {2}tls .*shows none of what is pinned: it is sha256\//);
});
