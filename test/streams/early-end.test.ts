/** Clients of streams that are done before there is a server for them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { backServer, echo, loaded, streamSite } from '../support/scenes/stream-site.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { until } from '../support/tools/poll.ts';

const { good, ca } = testCertificates();

test('streams: an end that a client says before its server is there is said to the server', async (t) => {
  const back = await backServer(t, echo, loaded(good));
  const waiting: Socket[] = [];
  const slow = createServer(
    { allowHalfOpen: true },
    (socket) => void waiting.push(socket.on('error', () => undefined)),
  );
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  t.after(() => {
    for (const socket of waiting) socket.destroy();
    slow.close();
  });
  const port = (slow.address() as AddressInfo).port;
  const site = await streamSite(t, {
    data: {
      ...{ listen: 'tls://127.0.0.1:0', tls: good, limits: { connect: '10s' } },
      upstream: { servers: [`tls://localhost:${port}`], ca },
    },
  });
  const client = site.tls(site.port('tls://127.0.0.1:0'));
  await once(client.socket, 'secureConnect');
  client.socket.end();
  await until('the server is asked', () => waiting.length === 1);
  await until('the client is done', () => client.socket.writableFinished);
  // The end is at the gateway before the server's handshake goes on.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const [held] = waiting;
  const onward = connect({ port: back.port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => onward.destroy());
  held?.pipe(onward.on('error', () => undefined)).pipe(held);
  assert.equal(await client.ended, 'end');
  const [end] = await site.ends(1);
  assert.deepEqual([end?.reason, end?.bytesIn, end?.bytesOut], [undefined, 0, 0]);
});
