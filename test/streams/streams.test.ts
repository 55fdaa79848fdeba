/** Streams of a whole gateway: who is let in, what goes through, how it ends, and what a reload does to what is open. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { backServer, echo, loaded, streamSite } from '../support/scenes/stream-site.ts';
import { issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

const { good, renewed, ca, otherCa, wrongName } = testCertificates();
const any = 'tls://127.0.0.1:0';
const plain = 'tcp://127.0.0.1:0';
const machine = issueCertificate('stream-machine', 'DNS:machine-1.test');
const foreign = issueCertificate('stream-foreign', 'DNS:foreign.test', [], undefined, { byOther: true });
const asked = { ask: 'required', authorities: ca };
const reasons = (ends: readonly Record<string, unknown>[]) => ends.map(({ reason }) => reason);

test('streams: TLS ends here, what a client says arrives, and ten megabytes come back behind its half-close', async (t) => {
  const answer = Buffer.alloc(10_000_000, 'x');
  const back = await backServer(t, (socket) => void socket.once('end', () => socket.end(answer)));
  const site = await streamSite(t, { data: { listen: any, tls: good, upstream: `tcp://127.0.0.1:${back.port}` } });
  const client = site.tls(site.port(any));
  client.socket.end('a question');
  assert.equal(await client.ended, 'end');
  assert.equal(client.bytes().length, answer.length);
  assert.equal(back.received().toString(), 'a question');
  const [end] = await site.ends(1);
  assert.partialDeepStrictEqual(end, { stream: 'data', address: '127.0.0.1', bytesIn: 10, bytesOut: answer.length });
  assert.equal(end?.reason, undefined);
  const metrics = await (await fetch(new URL('/metrics', site.admin))).text();
  assert.match(metrics, /gatehouse_stream_bytes_total\{stream="data",direction="out"\} 10000000/);
  assert.match(metrics, /gatehouse_stream_ends_total\{stream="data",reason=""\} 1/);
});

test('streams: without a certificate, or with a foreign one, nothing reaches the server', async (t) => {
  const back = await backServer(t, echo);
  const site = await streamSite(t, {
    data: { listen: any, tls: good, clientCertificates: asked, upstream: `tcp://127.0.0.1:${back.port}` },
  });
  for (const client of [undefined, foreign]) {
    const stranger = site.tls(site.port(any), client && { client });
    stranger.socket.write('let me in');
    assert.notEqual(await stranger.ended, 'end');
  }
  const known = site.tls(site.port(any), { client: machine });
  known.socket.end('hello');
  assert.equal(await known.ended, 'end');
  assert.equal(known.text(), 'hello');
  assert.equal(back.received().toString(), 'hello');
  assert.deepEqual(reasons(await site.ends(2)), ['peer-unknown', undefined]);
});

test('streams: those of one address are told apart by server name, and passthrough leaves TLS to the server', async (t) => {
  const [first, second] = [await backServer(t, echo), await backServer(t, echo, loaded(wrongName))];
  const port = await freePort();
  const listen = `tls://127.0.0.1:${port}`;
  const site = await streamSite(t, {
    first: { listen, hosts: ['localhost'], tls: good, upstream: `tcp://127.0.0.1:${first.port}` },
    second: { listen, hosts: ['other.example.com'], passthrough: true, upstream: `tcp://127.0.0.1:${second.port}` },
  });
  for (const [servername, want] of [
    ['localhost', /DNS:localhost/],
    ['other.example.com', /DNS:other\.example\.com/],
  ] as const) {
    const client = site.tls(port, { servername });
    await once(client.socket, 'secureConnect');
    assert.match((client.socket as TLSSocket).getPeerX509Certificate()?.subjectAltName ?? '', want);
    client.socket.end(servername);
    assert.equal(await client.ended, 'end');
    assert.equal(client.text(), servername);
  }
  assert.notEqual(await site.tls(port, { servername: 'nobody.test' }).ended, 'end');
  assert.deepEqual([first.received().toString(), second.received().toString()], ['localhost', 'other.example.com']);
});

test('streams: a local program gets mutual TLS to the server that shows the pinned certificate, and to no other', async (t) => {
  const demanding = { requestCert: true, rejectUnauthorized: true, ca: readFileSync(ca) };
  const right = await backServer(t, echo, { ...loaded(good), ...demanding });
  const other = await backServer(t, echo, { ...loaded(renewed), ...demanding });
  const thumbprints = [new X509Certificate(readFileSync(good.certificate)).fingerprint256];
  const toRecorder = (ports: readonly number[]) => ({
    listen: plain,
    upstream: {
      servers: ports.map((port) => ({ url: `tls://localhost:${port}`, thumbprints })),
      ...{ ca, certificate: machine.certificate, key: machine.key },
    },
  });
  const site = await streamSite(t, { recorder: toRecorder([other.port, right.port]) });
  for (let index = 0; index < 2; index += 1) {
    const client = site.tcp(site.port(plain));
    client.socket.end('secret');
    assert.equal(await client.ended, 'end');
    assert.equal(client.text(), 'secret');
  }
  assert.equal(other.received().length, 0);
  await site.reload({ recorder: toRecorder([other.port]) });
  assert.equal(await site.tcp(site.port(plain)).ended, 'ECONNRESET');
  const end = (await site.ends(3)).at(-1);
  assert.equal(end?.reason, 'upstream-pin-mismatch');
  assert.match(String(end?.detail), /it is sha256\//);
});

test('streams: who resets is heard as a reset, at either end', async (t) => {
  const back = await backServer(t);
  const site = await streamSite(t, { data: { listen: plain, upstream: `tcp://127.0.0.1:${back.port}` } });
  const port = site.port(plain);
  const first = site.tcp(port);
  first.socket.write('one');
  await until('the first arrives', () => back.received().length === 3);
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => back.sockets[0]?.once('error', resolve));
  first.socket.resetAndDestroy();
  assert.equal((await failed).code, 'ECONNRESET');
  const second = site.tcp(port);
  second.socket.write('two');
  await until('the second arrives', () => back.received().length === 6);
  back.sockets[1]?.resetAndDestroy();
  assert.equal(await second.ended, 'ECONNRESET');
  assert.deepEqual(reasons(await site.ends(2)), ['client-gone', 'upstream-broke']);
});

test('streams: PROXY headers are read from balancers alone, and sent on in the version that is asked for', async (t) => {
  const back = await backServer(t, echo);
  const port = await freePort();
  const site = await streamSite(t, {
    balanced: {
      listen: `tcp://127.0.0.1:${port}`,
      networks: ['127.0.0.1', '192.0.2.0/24'],
      proxyProtocol: { accept: ['127.0.0.1'], send: 'v1' },
      upstream: `tcp://127.0.0.1:${back.port}`,
    },
  });
  const told = site.tcp(port);
  told.socket.end('PROXY TCP4 192.0.2.7 192.0.2.1 4711 9443\r\nhello');
  assert.equal(await told.ended, 'end');
  assert.match(back.received().toString(), /^PROXY TCP4 192\.0\.2\.7 127\.0\.0\.1 4711 \d+\r\nhello$/);
  const stranger = site.tcp(port);
  stranger.socket.end('PROXY TCP4 198.51.100.9 192.0.2.1 4711 9443\r\nhello');
  assert.notEqual(await stranger.ended, 'end');
  const silent = site.tcp(port);
  silent.socket.end('hello');
  await silent.ended;
  assert.equal(silent.text(), '');
  assert.deepEqual(
    (await site.ends(2)).map(({ address, reason }) => [address, reason]),
    [
      ['192.0.2.7', undefined],
      ['198.51.100.9', 'network-not-admitted'],
    ],
  );
  assert.equal(back.sockets.length, 1);
});

test('streams: a crowded stream turns away, a silent one ends, and so does one past its lifetime', async (t) => {
  const back = await backServer(t, echo);
  const upstream = `tcp://127.0.0.1:${back.port}`;
  const [few, silent, short] = [await freePort(), await freePort(), await freePort()];
  const site = await streamSite(t, {
    few: { listen: `tcp://127.0.0.1:${few}`, upstream, limits: { perAddress: 1 } },
    silent: { listen: `tcp://127.0.0.1:${silent}`, upstream, limits: { idle: '100ms' } },
    short: { listen: `tcp://127.0.0.1:${short}`, upstream, limits: { lifetime: '100ms' } },
  });
  const first = site.tcp(few);
  first.socket.write('in');
  await until('the first is in', () => first.text() === 'in');
  assert.equal(await site.tcp(few).ended, 'ECONNRESET');
  first.socket.end();
  await site.ends(1);
  const again = site.tcp(few);
  again.socket.end('room');
  assert.equal(await again.ended, 'end');
  await site.ends(2);
  assert.equal(await site.tcp(silent).ended, 'ECONNRESET');
  await site.ends(3);
  assert.equal(await site.tcp(short).ended, 'ECONNRESET');
  assert.deepEqual(reasons(await site.ends(4)), [undefined, undefined, 'idle', 'lifetime']);
});

test('streams: what speaks no TLS, speaks it slowly or says nothing, holds nobody up', async (t) => {
  const back = await backServer(t, echo);
  const site = await streamSite(t, {
    data: {
      listen: any,
      hosts: ['localhost'],
      tls: good,
      upstream: `tcp://127.0.0.1:${back.port}`,
      limits: { handshake: '300ms', perAddress: 500 },
    },
  });
  const port = site.port(any);
  const http = site.tcp(port);
  http.socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const long = site.tcp(port);
  long.socket.write(Buffer.concat([Buffer.from([22, 3, 1, 255, 255]), Buffer.alloc(65_000)]));
  const mute = Array.from({ length: 100 }, () => site.tcp(port));
  const known = site.tls(port);
  known.socket.end('hello');
  assert.equal(await known.ended, 'end');
  assert.equal(known.text(), 'hello');
  for (const one of [http, long, ...mute]) await one.ended;
  assert.equal(back.sockets.length, 1);
});

test('streams: a reload leaves what is open alone, and cuts who would not be let in any more', async (t) => {
  const back = await backServer(t, echo);
  const [port, extra] = [await freePort(), await freePort()];
  const data = {
    listen: `tls://127.0.0.1:${port}`,
    tls: good,
    clientCertificates: asked,
    networks: ['127.0.0.0/8'],
    upstream: `tcp://127.0.0.1:${back.port}`,
  };
  const site = await streamSite(t, { data });
  const open = site.tls(port, { client: machine });
  open.socket.write('one ');
  await until('the first word is back', () => open.text() === 'one ');
  const more = { listen: `tcp://127.0.0.1:${extra}`, upstream: data.upstream };
  await site.reload({ data: { ...data, limits: { idle: '1h' } }, more });
  open.socket.write('two');
  await until('the second word is back', () => open.text() === 'one two');
  const fresh = site.tcp(extra);
  fresh.socket.write('here');
  await until('the new stream answers', () => fresh.text() === 'here');
  await site.reload({ data: { ...data, clientCertificates: { ask: 'required', authorities: otherCa } } });
  assert.equal(await open.ended, 'ECONNRESET');
  // What is no longer there drains for as long as the configuration gives, and takes nobody new.
  assert.equal(await site.tcp(extra).ended, 'ECONNREFUSED');
  assert.equal(await fresh.ended, 'ECONNRESET');
  assert.deepEqual(reasons(await site.ends(2)), ['peer-unknown', 'draining']);
});

test('streams: a service takes the machines whose rows name it, and cuts one whose row is gone or whose time is over', async (t) => {
  const back = await backServer(t, echo);
  const port = await freePort();
  let now = Date.now();
  const thumbprint = (files: { readonly certificate: string }) =>
    new X509Certificate(readFileSync(files.certificate)).fingerprint256;
  const until_ = new Date(now + 3_600_000).toISOString();
  const peers = (services: readonly string[]) => ({
    known: { thumbprints: [thumbprint(machine)], services, until: until_ },
    other: { thumbprints: [thumbprint(renewed)], services: [] },
  });
  const config = { services: { durable: {} }, peers: peers(['durable']) };
  const data = {
    ...{ listen: `tls://127.0.0.1:${port}`, tls: good, clientCertificates: asked, service: 'durable' },
    upstream: `tcp://127.0.0.1:${back.port}`,
  };
  const site = await streamSite(t, { data }, { config, clock: { now: () => now } });
  const stranger = site.tls(port, { client: renewed });
  stranger.socket.write('let me in');
  await stranger.ended;
  const open = async () => {
    const client = site.tls(port, { client: machine });
    client.socket.write('x');
    await until('it is in', () => client.text() === 'x');
    return client;
  };
  const first = await open();
  await site.reload({ data }, { ...config, peers: peers([]) });
  assert.equal(await first.ended, 'ECONNRESET');
  await site.reload({ data }, config);
  const second = await open();
  now += 2 * 3_600_000;
  assert.equal(await second.ended, 'ECONNRESET');
  assert.equal(back.received().toString(), 'xx');
  assert.deepEqual(
    (await site.ends(3)).map(({ reason, peer, service }) => [reason, peer, service]),
    [
      ['peer-not-admitted', 'other', 'durable'],
      ['peer-not-admitted', 'known', 'durable'],
      ['peer-expired', 'known', 'durable'],
    ],
  );
});

test('streams: other networks count at once for what is open', async (t) => {
  const back = await backServer(t, echo);
  const port = await freePort();
  const data = (networks: readonly string[]) => ({
    data: { listen: `tcp://127.0.0.1:${port}`, networks, upstream: `tcp://127.0.0.1:${back.port}` },
  });
  const site = await streamSite(t, data(['127.0.0.1']));
  const open = site.tcp(port);
  open.socket.write('x');
  await until('it is open', () => open.text() === 'x');
  await site.reload(data(['10.0.0.0/8']));
  assert.equal(await open.ended, 'ECONNRESET');
  assert.equal(await site.tcp(port).ended, 'ECONNRESET');
  assert.deepEqual(reasons(await site.ends(2)), ['network-not-admitted', 'network-not-admitted']);
});

test('streams: a stop waits for what is open, and cuts it when the time is up', async (t) => {
  const back = await backServer(t, echo);
  const site = await streamSite(t, { data: { listen: plain, upstream: `tcp://127.0.0.1:${back.port}` } });
  const port = site.port(plain);
  const [quick, slow] = [site.tcp(port), site.tcp(port)];
  for (const { socket } of [quick, slow]) socket.write('x');
  await until('both are open', () => quick.text() + slow.text() === 'xx');
  const stopped = site.stop();
  quick.socket.end('y');
  assert.equal(await quick.ended, 'end');
  assert.equal(quick.text(), 'xy');
  assert.equal(await slow.ended, 'ECONNRESET');
  await stopped;
  assert.deepEqual(reasons(site.audit('stream')), [undefined, 'draining']);
});
