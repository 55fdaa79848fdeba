/** Revoked clients at a listener: over a whole gateway, on fresh, resumed and open connections, and what check says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { siteConfig } from '../support/scenes/site.ts';
import { backServer, echo, streamSite } from '../support/scenes/stream-site.ts';
import { type TwoListeners, twoListeners } from '../support/scenes/two-listeners.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { revocationList } from '../support/tools/revocation-lists.ts';

const { ca, caKey, otherCa, renewed } = testCertificates();
const root: CertificateFiles = { certificate: ca, key: caKey };
const gone = issueCertificate('revoked-machine', 'DNS:revoked-machine.test');
const day = 86_400_000;

/** A list of the authority from now on. */
function list(revoked: readonly CertificateFiles[], from = Date.now()): Buffer {
  return revocationList(root, { from, until: from + 3 * day, revoked: revoked.map(({ certificate }) => certificate) });
}

async function scene(
  t: TestContext,
  content: Buffer,
  { stale = 'refuse', clock = manualClock(Date.now() + 60_000) } = {},
) {
  const file = path.join(await temporaryFolder(t), 'corp-ca.crl');
  writeFileSync(file, content);
  const clientCertificates = { ask: 'required', authorities: ca, crl: file, crlStale: stale };
  const started = await twoListeners(t, { clock, machines: { clientCertificates } });
  const put = (next: Buffer): void => {
    writeFileSync(`${file}.new`, next);
    renameSync(`${file}.new`, file);
  };
  return { ...started, file, clock, put };
}

/** A WebSocket that is open. */
async function webSocket(
  { port, ca: trusted }: TwoListeners,
  { certificate, key }: CertificateFiles,
): Promise<TLSSocket> {
  const request = https.request({
    ...{ port, host: '127.0.0.1', servername: 'machines.test', ca: trusted, path: '/public/socket' },
    ...{ cert: readFileSync(certificate), key: readFileSync(key), agent: false },
    headers: {
      ...{ host: `machines.test:${port}`, connection: 'upgrade', upgrade: 'websocket' },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    },
  });
  request.end();
  const [, socket] = (await once(request, 'upgrade')) as [unknown, TLSSocket];
  socket.on('error', () => undefined).resume();
  return socket;
}

test('revocation at a listener: who is revoked is 403, nothing of it goes on, others are served', async (t) => {
  const { get, clients, upstream, lines, admin, file } = await scene(t, list([gone]));
  assert.equal((await get('machines.test', { client: gone })).status, 403);
  assert.equal(upstream.received.length, 0);
  assert.ok(lines.some((line) => line.includes('peer-revoked')));
  const metrics = await (await fetch(new URL('/metrics', admin))).text();
  assert.ok(metrics.includes(`gatehouse_crl_next_update_seconds{file="${file}"} `));
  assert.equal((await get('machines.test', { client: clients.good })).status, 200);
});

test('revocation at a listener: a list that is replaced ends who is revoked in it within two seconds, and nobody else', async (t) => {
  const started = await scene(t, list([]));
  const { get, tls, clients, put, upstream } = started;
  const lives = await Promise.all(
    Array.from({ length: 12 }, (_, index) => tls('machines.test', index === 0 ? gone : clients.good)),
  );
  const session = started.http2('machines.test', gone);
  await once(session, 'remoteSettings');
  let ticket: Buffer | undefined;
  const first = connect({ ...asClient(started, gone) }).once('session', (given) => (ticket = given));
  first.resume().on('error', () => undefined);
  await until('a ticket', () => ticket);
  const ended = Promise.all([lives[0], session, first].map((one) => one && once(one, 'close')));
  const since = performance.now();
  put(list([gone], Date.now() + 1000));
  await ended;
  assert.ok(performance.now() - since < 2000);
  assert.ok(lives.slice(1).every((socket) => !socket.destroyed));
  const resumed = connect({ ...asClient(started, gone), session: ticket });
  const answer = new Promise<string>((resolve) => resumed.once('data', (chunk) => resolve(chunk.toString())));
  resumed.write(`GET /public HTTP/1.1\r\nHost: machines.test:${started.port}\r\n\r\n`);
  assert.match(await answer, /^HTTP\/1\.1 403/);
  resumed.destroy();
  assert.equal(upstream.received.length, 0);
  assert.equal((await get('machines.test', { client: clients.good })).status, 200);
});

function asClient({ port, ca: trusted }: TwoListeners, { certificate, key }: CertificateFiles) {
  return {
    ...{ port, host: '127.0.0.1', servername: 'machines.test', ca: trusted },
    ...{ cert: readFileSync(certificate), key: readFileSync(key) },
  };
}

for (const [stale, other] of [
  ['refuse', 403],
  ['keep', 200],
] as const)
  test(`revocation at a listener: when the list has ended, ${stale} answers others ${other}, and who is revoked 403`, async (t) => {
    const { get, tls, clients, clock, upstream, port } = await scene(t, list([gone]), { stale });
    const live = await tls('machines.test', clients.good);
    // The server has looked at its certificate once it answers.
    live.write(`GET /public HTTP/1.1\r\nHost: machines.test:${port}\r\n\r\n`);
    await once(live, 'data');
    const closed = once(live, 'close');
    clock.advance(4 * day);
    if (stale === 'refuse') await closed;
    assert.equal((await get('machines.test', { client: gone })).status, 403);
    assert.equal((await get('machines.test', { client: clients.good })).status, other);
    assert.equal(upstream.received.length, stale === 'keep' ? 2 : 1);
  });

/** Reads another configuration: these listeners, and WebSockets at `/public`. */
async function reload({ port, upstream, write, running }: TwoListeners, listeners: object): Promise<void> {
  const routes = [
    { name: 'public', location: '/public', upstream: upstream.origin, access: 'public', websocket: true },
  ];
  const server = { listen: undefined, publicUrl: `https://people.test:${port}`, drain: '1s' };
  await write({ ...siteConfig(upstream.origin), routes, server, listeners });
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
}

test('revocation at a listener: a reload brings a list, which ends a WebSocket, and takes it away', async (t) => {
  const started = await twoListeners(t, { clock: manualClock(Date.now() + 60_000) });
  const { get, listeners, clients } = started;
  await reload(started, listeners);
  const socket = await webSocket(started, gone);
  const other = await webSocket(started, clients.good);
  const file = path.join(await temporaryFolder(t), 'corp-ca.crl');
  writeFileSync(file, list([gone]));
  const machines = listeners.machines as Record<string, unknown>;
  const clientCertificates = { ...(machines.clientCertificates as object), crl: [file] };
  const closed = once(socket, 'close');
  await reload(started, { ...listeners, machines: { ...machines, clientCertificates } });
  await closed;
  assert.equal(other.destroyed, false);
  other.destroy();
  assert.equal((await get('machines.test', { client: gone })).status, 403);
  await reload(started, listeners);
  assert.equal((await get('machines.test', { client: gone })).status, 200);
});

test('revocation lists: check names file and line of what is wrong with them', async (t) => {
  const folder = await temporaryFolder(t);
  const empty = path.join(folder, 'empty.crl');
  writeFileSync(empty, '');
  const ended = path.join(folder, 'ended.crl');
  writeFileSync(ended, list([], Date.now() - 10 * day));
  const config = path.join(folder, 'gatehouse.yaml');
  const { good } = testCertificates();
  const written = (crl: string, authorities: string): void =>
    writeFileSync(
      config,
      `server: { publicUrl: "https://localhost" }\nlisteners:\n  web:\n    listen: https://127.0.0.1:8443\n    tls: { certificate: ${good.certificate}, key: ${good.key} }\n` +
        `    clientCertificates:\n      ask: required\n      authorities: ${authorities}\n      crl:\n${crl}` +
        'login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes: [{ location: /, upstream: http://127.0.0.1:1 }]\n',
    );
  written(`        - ${ended}\n        - ${empty}\n`, ca);
  const { code, stderr } = await run(['check', '--config', config]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /gatehouse\.yaml:11:\d+ +listeners\.web\.clientCertificates\.crl\[1\]: .*empty\.crl has 0 bytes/,
  );
  assert.match(
    stderr,
    /gatehouse\.yaml:10:\d+ +listeners\.web\.clientCertificates\.crl\[0\]: the list of CN=ca.* ended on/,
  );
  written(`        - ${ended}\n`, otherCa);
  assert.match(
    (await run(['check', '--config', config])).stderr,
    /is of CN=ca, O=Gatehouse Test, who is not among authorities/,
  );
});

test('revocation at a stream: who is revoked while it runs is cut within two seconds, comes in no more, and nobody else notices', async (t) => {
  const back = await backServer(t, echo);
  const file = path.join(await temporaryFolder(t), 'corp-ca.crl');
  writeFileSync(file, list([]));
  const { good } = testCertificates();
  const port = await freePort();
  const clientCertificates = { ask: 'required', authorities: ca, crl: file };
  const upstream = `tcp://127.0.0.1:${back.port}`;
  const site = await streamSite(t, {
    data: { listen: `tls://127.0.0.1:${port}`, tls: good, clientCertificates, upstream },
  });
  const [open, other] = [site.tls(port, { client: gone }), site.tls(port, { client: renewed })];
  for (const { socket } of [open, other]) socket.write('word');
  await until('both are answered', () => open.text() === 'word' && other.text() === 'word');
  const since = performance.now();
  writeFileSync(`${file}.new`, list([gone], Date.now() + 1000));
  renameSync(`${file}.new`, file);
  assert.equal(await open.ended, 'ECONNRESET');
  assert.ok(performance.now() - since < 2000);
  await site.tls(port, { client: gone }).ended;
  assert.deepEqual(
    (await site.ends(2)).map(({ reason }) => reason),
    ['peer-revoked', 'peer-revoked'],
  );
  other.socket.write(' more');
  await until('the other goes on', () => other.text() === 'word more');
});
