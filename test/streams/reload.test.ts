/** Streams whose configuration changes while handshakes run, or in ways that need other handshakes. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { holdingBack } from '../support/scenes/held-handshake.ts';
import { backServer, echo, streamSite } from '../support/scenes/stream-site.ts';
import { issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

const { good, ca, otherCa } = testCertificates();
const machine = issueCertificate('reloaded-machine', 'DNS:machine-1.test');

test('streams: who shakes hands while a row is taken away comes in by the new rows, or not at all', async (t) => {
  const back = await backServer(t, echo);
  const port = await freePort();
  const thumbprints = [new X509Certificate(readFileSync(machine.certificate)).fingerprint256];
  const rows = (services: readonly string[]) => ({
    services: { durable: {} },
    peers: { one: { thumbprints, services } },
  });
  const data = {
    ...{ listen: `tls://127.0.0.1:${port}`, tls: good, service: 'durable' },
    clientCertificates: { ask: 'required', authorities: ca },
    upstream: `tcp://127.0.0.1:${back.port}`,
  };
  const site = await streamSite(t, { data }, { config: rows(['durable']) });
  const held = await holdingBack(t, port);
  const client = site.tls(held.port, { client: machine });
  client.socket.write('let me in');
  await until('the handshake waits', held.isHeld);
  await site.reload({ data }, rows([]));
  held.letGo();
  await client.ended;
  const [end] = await site.ends(1);
  assert.deepEqual([end?.reason, end?.bytesIn], ['peer-not-admitted', 0]);
  assert.equal(back.sockets.length, 0);
});

test('streams: who shakes hands while an authority is taken away does not come in by it', async (t) => {
  const back = await backServer(t, echo);
  const port = await freePort();
  const data = (authorities: string) => ({
    data: {
      ...{ listen: `tls://127.0.0.1:${port}`, tls: good, upstream: `tcp://127.0.0.1:${back.port}` },
      clientCertificates: { ask: 'required', authorities },
    },
  });
  const site = await streamSite(t, data(ca));
  const held = await holdingBack(t, port);
  const client = site.tls(held.port, { client: machine });
  client.socket.write('let me in');
  await until('the handshake waits', held.isHeld);
  await site.reload(data(otherCa));
  held.letGo();
  await client.ended;
  assert.equal(back.sockets.length, 0);
});

test('streams: connections of handshakes that are made no more are judged as all others', async (t) => {
  const back = await backServer(t, echo);
  const port = await freePort();
  const data = (handshake: string, clientCertificates: object) => ({
    data: {
      ...{ listen: `tls://127.0.0.1:${port}`, tls: good, upstream: `tcp://127.0.0.1:${back.port}` },
      ...{ limits: { handshake }, clientCertificates },
    },
  });
  const by = (authorities: string, ask = 'optional') => ({ ask, authorities });
  const site = await streamSite(t, data('5s', by(ca)));
  const open = async (client?: typeof machine) => {
    const opened = site.tls(port, client ? { client } : {});
    opened.socket.write('x');
    await until('it is in', () => opened.text() === 'x');
    return opened;
  };
  const [together, nameless] = [await open(machine), await open()];
  await site.reload(data('6s', by(otherCa)));
  assert.equal(await together.ended, 'ECONNRESET', 'other handshakes and another authority at once');
  await site.reload(data('6s', by(ca)));
  const later = await open(machine);
  await site.reload(data('7s', by(ca)));
  later.socket.write('y');
  await until('it goes on', () => later.text() === 'xy');
  await site.reload(data('7s', by(otherCa)));
  assert.equal(await later.ended, 'ECONNRESET', 'another authority after other handshakes');
  nameless.socket.write('y');
  await until('it goes on', () => nameless.text() === 'xy');
  await site.reload(data('7s', by(ca, 'required')));
  assert.equal(await nameless.ended, 'ECONNRESET', 'a certificate is required from now on');
  assert.deepEqual(
    (await site.ends(3)).map(({ reason }) => reason),
    ['peer-unknown', 'peer-unknown', 'peer-certificate-missing'],
  );
});
