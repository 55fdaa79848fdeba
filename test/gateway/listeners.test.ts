/** Several listeners: told apart by server name on one port, each with its own certificate and its own rule for those of clients. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { stringify } from 'yaml';
import { holdingBack } from '../support/scenes/held-handshake.ts';
import { ask } from '../support/scenes/https-site.ts';
import { passwords, siteConfig } from '../support/scenes/site.ts';
import { publicCa, sClient, servedFiles, twoListeners } from '../support/scenes/two-listeners.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const words = ({ certificate, key }: CertificateFiles): string[] => ['-cert', certificate, '-key', key];

test('listeners: each host of a port has its own certificate, and only that of the machines asks for one', async (t) => {
  const { port, get, clients, upstream } = await twoListeners(t);
  const people = await sClient(port, ['-servername', 'people.test', '-brief']);
  assert.match(people, /CN = people\b/);
  assert.doesNotMatch(await sClient(port, ['-servername', 'people.test']), /Acceptable client certificate CA names/);
  const machines = await sClient(port, ['-servername', 'machines.test']);
  assert.match(machines, /CN = machines\b/);
  assert.match(machines, /Acceptable client certificate CA names\n.*CN = ca\b/);
  assert.equal((await get('people.test')).status, 200);
  assert.equal((await get('machines.test', { client: clients.good })).status, 200);
  assert.equal(upstream.received.length, 2);
});

test('listeners: curl comes in with a certificate, and not without', async (t) => {
  const { port, clients, upstream } = await twoListeners(t);
  const curl = (...more: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      const shown = ['-sS', '-o', '/dev/null', '-w', '%{http_code} %{http_version}', '--max-time', '20'];
      const to = ['--cacert', testCertificates().ca, '--resolve', `machines.test:${port}:127.0.0.1`];
      const parameters = [...shown, ...to, ...more, `https://machines.test:${port}/public`];
      execFile('curl', parameters, (_error, stdout) => resolve(stdout));
    });
  assert.equal(await curl('--cert', clients.good.certificate, '--key', clients.good.key), '200 2');
  assert.match(await curl(), /^000 /);
  assert.equal(upstream.received.length, 1);
});

test('listeners: a required certificate that is not shown ends the connection, and nothing of a request goes on', async (t) => {
  const { get, http2, upstream, lines } = await twoListeners(t);
  const got = await get('machines.test');
  assert.equal(got.status, undefined);
  assert.equal((await ask(http2('machines.test'), { ':path': '/public' })).status, 0);
  assert.ok(lines.some((line) => line.includes('shows no certificate, and the listener requires one')));
  assert.equal(upstream.received.length, 0);
});

for (const version of ['-tls1_2', '-tls1_3'])
  test(`listeners: a ticket of one is no admission at the other (${version}, CVE-2025-23419)`, async (t) => {
    const { port, folder, clients, upstream } = await twoListeners(t);
    const ticket = path.join(folder, 'ticket.pem');
    const request = `GET /public HTTP/1.1\r\nHost: HOST.test:${port}\r\nConnection: close\r\n\r\n`;
    const asked = (host: string, ...more: readonly string[]) =>
      sClient(port, [version, '-servername', `${host}.test`, '-ign_eof', ...more], request.replace('HOST', host));
    assert.match(await asked('people', '-sess_out', ticket), /HTTP\/1\.1 200/);
    assert.match(await asked('people', '-sess_in', ticket), /Reused, TLS/);
    const tried = await asked('machines', '-sess_in', ticket);
    assert.doesNotMatch(tried, /Reused, TLS|HTTP\/1\.1 200/);
    assert.equal(upstream.received.length, 2);
    // And of the machines' own: with the certificate of the first connection, which is judged as it stands now.
    await asked('machines', '-sess_out', ticket, ...words(clients.good));
    const again = await asked('machines', '-sess_in', ticket);
    assert.match(again, /Reused, TLS/);
    assert.match(again, /HTTP\/1\.1 200/);
  });

test('listeners: a request for the machines’ host on a connection of the people’s is 421, over HTTP/1.1 and HTTP/2', async (t) => {
  const { get, http2, port, upstream, audit } = await twoListeners(t);
  assert.equal((await get('people.test', { host: 'machines.test' })).status, 421);
  const session = http2('people.test');
  for (const authority of ['machines.test', `machines.test:${port}`, 'MACHINES.test.'])
    assert.equal((await ask(session, { ':path': '/public', ':authority': authority })).status, 421, authority);
  assert.equal((await ask(session, { ':path': '/public', ':authority': `people.test:${port}` })).status, 200);
  assert.equal(upstream.received.length, 1);
  assert.deepEqual([...new Set(audit('request').map(({ reason }) => reason))].filter(Boolean), ['misdirected']);
});

test('listeners: the lane’s kept decisions are those of the listener they were made for', async (t) => {
  const { get, clients } = await twoListeners(t, {
    machines: { clientCertificates: { ask: 'optional', authorities: testCertificates().ca } },
  });
  for (let round = 0; round < 4; round += 1) {
    assert.equal((await get('machines.test')).status, 200);
    assert.equal((await get('people.test', { host: 'machines.test' })).status, 421);
    assert.equal((await get('machines.test', { client: clients.foreign })).status, 403);
  }
});

test('listeners: a certificate of another authority, one for servers only, and one without any use', async (t) => {
  publicCa(t, testCertificates().otherCa);
  const { get, clients, upstream, audit } = await twoListeners(t);
  assert.equal((await get('machines.test', { client: clients.foreign })).status, 403);
  assert.equal((await get('machines.test', { client: clients.serverOnly })).status, 403);
  assert.equal((await get('machines.test', { client: testCertificates().expired })).status, 403);
  assert.equal(upstream.received.length, 0);
  assert.equal((await get('machines.test', { client: clients.anyUse })).status, 200);
  assert.deepEqual(
    audit('request').map(({ reason }) => reason),
    ['peer-unknown', 'peer-use', 'peer-expired', undefined],
  );
});

test('listeners: a resumed connection is refused once the certificate has ended that its ticket stands for', async (t) => {
  const clock = manualClock(Date.now());
  const { port, folder, clients, upstream, audit } = await twoListeners(t, { clock });
  const ticket = path.join(folder, 'ticket.pem');
  const request = `GET /public HTTP/1.1\r\nHost: machines.test:${port}\r\nConnection: close\r\n\r\n`;
  const asked = (...more: readonly string[]) =>
    sClient(port, ['-tls1_3', '-servername', 'machines.test', '-ign_eof', ...more], request);
  assert.match(await asked('-sess_out', ticket, ...words(clients.good)), /HTTP\/1\.1 200/);
  clock.advance(366 * 86_400_000);
  const again = await asked('-sess_in', ticket);
  assert.match(again, /Reused, TLS/);
  assert.match(again, /HTTP\/1\.1 403/);
  assert.equal(audit('request').at(-1)?.reason, 'peer-expired');
  assert.equal(upstream.received.length, 1);
});

test('listeners: a certificate that ends while its connection lives is refused from then on', async (t) => {
  const clock = manualClock(Date.now());
  const { http2, clients, upstream } = await twoListeners(t, { clock });
  const session = http2('machines.test', clients.good);
  assert.equal((await ask(session, { ':path': '/public' })).status, 200);
  clock.advance(366 * 86_400_000);
  assert.equal((await ask(session, { ':path': '/public' })).status, 403);
  assert.equal(upstream.received.length, 1);
});

test('listeners: what is no TLS, too long, too slow or for nobody’s host is closed and told; others are served', async (t) => {
  const { port, get, lines, upstream } = await twoListeners(t, { config: {} });
  const closed = (bytes: Buffer | string): Promise<string> =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
      let got = '';
      socket.on('data', (chunk) => (got += chunk.toString('hex')));
      socket.on('error', () => undefined).once('close', () => resolve(got));
      t.after(() => socket.destroy());
    });
  assert.equal(await closed('GET /public HTTP/1.1\r\nHost: people.test\r\n\r\n'), '');
  assert.equal(await closed(Buffer.from([22, 3, 1, 0x40, 0, 1, 1, 0, 0, 0])), '');
  assert.ok(lines.some((line) => line.includes('it is plain HTTP, and the address takes TLS only')));
  assert.ok(lines.some((line) => line.includes('it is longer than 16384 bytes')));
  assert.match(await sClient(port, ['-servername', 'others.test']), /unrecognized name/);
  assert.ok(lines.some((line) => line.includes('no listener has') && line.includes('others.test')));
  const idle = Array.from({ length: 500 }, () => {
    const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
    t.after(() => socket.destroy());
    return socket;
  });
  for (const socket of idle) socket.write(Buffer.from([22, 3, 1]));
  assert.equal((await get('people.test')).status, 200);
  assert.equal(upstream.received.length, 1);
});

test('listeners: a hello that comes a byte at a time is read, and the handshake goes on', async (t) => {
  const { port, ca } = await twoListeners(t);
  const tls = await import('node:tls');
  const relay = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    far.on('error', () => undefined).pipe(near.on('error', () => undefined));
    near.on('data', (chunk) => {
      for (const byte of chunk.subarray(0, 700)) far.write(Buffer.from([byte]));
      if (chunk.length > 700) far.write(chunk.subarray(700));
    });
    far.setNoDelay(true);
    t.after(() => far.destroy());
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  t.after(() => relay.close());
  const address = relay.address() as net.AddressInfo;
  const socket = tls.connect({ port: address.port, host: '127.0.0.1', servername: 'people.test', ca });
  t.after(() => socket.destroy());
  await new Promise<void>((resolve, reject) => void socket.once('secureConnect', resolve).once('error', reject));
  assert.equal(socket.authorized, true);
});

test('listeners: a balancer’s PROXY header comes before the hello, and tells whose connection it is', async (t) => {
  const { port, ca, listeners, write, running, upstream } = await twoListeners(t);
  const told = Object.fromEntries(
    Object.entries(listeners).map(([name, one]) => [name, { ...(one as object), proxyProtocol: ['127.0.0.1'] }]),
  );
  await write({
    ...siteConfig(upstream.origin),
    server: { listen: undefined, publicUrl: `https://people.test:${port}` },
    listeners: told,
  });
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
  const tls = await import('node:tls');
  const plain = net.connect(port, '127.0.0.1');
  plain.write('PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n');
  const socket = tls.connect({ socket: plain, servername: 'people.test', ca });
  t.after(() => socket.destroy());
  socket.write(`GET /public HTTP/1.1\r\nHost: people.test:${port}\r\nConnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.once('close', resolve).resume());
  assert.deepEqual(upstream.only().values('x-forwarded-for'), ['203.0.113.9']);
});

test('listeners: a reload opens, changes and closes them, and no request under way or between is lost', async (t) => {
  const started = await twoListeners(t);
  const { port, get, clients, running, write, upstream, listeners } = started;
  const other = await freePort();
  const config = (own: object) => ({
    ...siteConfig(upstream.origin),
    server: { listen: undefined, publicUrl: `https://people.test:${port}`, hosts: ['127.0.0.1'], drain: '5s' },
    listeners: own,
  });
  const { people, machines } = listeners as Record<string, object>;
  const plain = { listen: `http://127.0.0.1:${other}` };
  const states = [
    { people, machines, plain },
    {
      people,
      machines: { ...machines, clientCertificates: { ask: 'optional', authorities: testCertificates().ca } },
      plain,
    },
    { people: { ...people, tls: testCertificates().good }, machines, plain },
    { people, machines },
  ];
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const faults: string[] = [];
  const https = await import('node:https');
  const kept = new https.Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => kept.destroy());
  const load = Array.from({ length: 4 }, async (_, index) => {
    while (!isOver) {
      const isMachine = index % 2 === 1;
      const got = await get(isMachine ? 'machines.test' : 'people.test', {
        path: '/public/slow?ms=20',
        ...(isMachine && { client: clients.good }),
        ...(index === 0 && { agent: kept }),
      });
      // The certificate that one of the states shows is another's: the handshake tells, and nothing else may.
      if (got.status !== 200 && !/altname/i.test(got.error ?? '')) faults.push(`${got.status} ${got.error}`);
    }
  });
  for (let round = 0; round < 3; round += 1)
    for (const state of states) {
      await write(config(state));
      assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
      const isThere = await isOpen(other);
      assert.equal(isThere, 'plain' in state);
    }
  isOver = true;
  await Promise.all(load);
  assert.deepEqual(faults, []);
  assert.ok(upstream.received.length > 12);
});

test('listeners: an address that cannot be had fails the reload whole, and what was opened for it is closed again', async (t) => {
  const { port, get, running, write, upstream, listeners } = await twoListeners(t);
  const squatter = net.createServer().listen(0, '127.0.0.1');
  t.after(() => squatter.close());
  await until('it listens', () => squatter.listening);
  const free = await freePort();
  const { port: taken } = squatter.address() as net.AddressInfo;
  await write({
    ...siteConfig(upstream.origin),
    server: { listen: undefined, publicUrl: `https://people.test:${port}` },
    listeners: { ...listeners, more: { listen: [`http://127.0.0.1:${free}`, `http://127.0.0.1:${taken}`] } },
  });
  assert.partialDeepStrictEqual(await running.reload({ actor: 'signal' }), { kind: 'failed' });
  assert.equal((await get('people.test')).status, 200);
  await assert.rejects(fetch(`http://127.0.0.1:${free}/public`));
});

test('listeners: who shakes hands while an authority is taken away does not come in by it', async (t) => {
  const site = await twoListeners(t);
  const held = await holdingBack(t, site.port);
  const { certificate, key } = site.clients.good;
  const client = connect({
    ...{ port: held.port, host: '127.0.0.1', servername: 'machines.test', ca: site.ca, ALPNProtocols: ['http/1.1'] },
    ...{ cert: readFileSync(certificate), key: readFileSync(key) },
  });
  t.after(() => client.destroy());
  let answer = '';
  client.on('error', () => undefined).on('data', (chunk: Buffer) => (answer += chunk.toString()));
  client.write('GET /public HTTP/1.1\r\nhost: machines.test\r\nconnection: close\r\n\r\n');
  await until('the handshake waits', held.isHeld);
  const { machines } = site.listeners as { machines: object };
  const asked = { ask: 'required', authorities: testCertificates().otherCa };
  await site.write({
    ...siteConfig(site.upstream.origin),
    server: { listen: undefined, publicUrl: `https://people.test:${site.port}` },
    listeners: { ...site.listeners, machines: { ...machines, clientCertificates: asked } },
  });
  assert.equal((await site.running.reload({ actor: 'signal' })).kind, 'reloaded');
  held.letGo();
  await new Promise((resolve) => client.once('close', resolve));
  assert.equal(answer, '');
  assert.equal(site.upstream.received.length, 0);
});

test('listeners: other authorities end the connections that only those of before vouch for, within two seconds', async (t) => {
  const folder = await temporaryFolder(t);
  const authorities = path.join(folder, 'ca.pem');
  copyFileSync(testCertificates().ca, authorities);
  const { tls, http2, get, clients } = await twoListeners(t, {
    machines: { clientCertificates: { ask: 'required', authorities } },
  });
  const socket = await tls('machines.test', clients.good);
  const session = http2('machines.test', clients.good);
  assert.equal((await ask(session, { ':path': '/public' })).status, 200);
  const closed = Promise.all([socket, session].map((one) => new Promise((resolve) => one.once('close', resolve))));
  copyFileSync(testCertificates().otherCa, authorities);
  const since = performance.now();
  await closed;
  assert.ok(performance.now() - since < 2000);
  assert.equal((await get('machines.test', { client: clients.good })).status, 403);
  assert.equal((await get('machines.test', { client: clients.foreign })).status, 200);
});

test('listeners: the exact name must stand in the certificate, at the start and in what replaces it', async (t) => {
  const folder = await temporaryFolder(t);
  const files = { certificate: path.join(folder, 'own.crt'), key: path.join(folder, 'own.key') };
  const place = (from: CertificateFiles): void => {
    copyFileSync(from.certificate, files.certificate);
    copyFileSync(from.key, files.key);
  };
  place(servedFiles().machines);
  const { tls, clients, lines } = await twoListeners(t, { machines: { tls: { ...files, name: 'machines.test' } } });
  const shown = async (): Promise<string> =>
    (await tls('machines.test', clients.good)).getPeerX509Certificate()?.subject ?? '';
  const refusals = (): string[] => lines.filter((line) => line.includes('a replaced certificate cannot be used'));
  place(issueCertificate('wild', 'DNS:*.test'));
  await until('it is refused', () => refusals().length === 1);
  assert.match(refusals()[0] ?? '', /is not for machines\.test; its names are \*\.test/);
  place(issueCertificate('client-only', 'DNS:machines.test', [], undefined, { uses: 'clientAuth' }));
  await until('it is refused', () => refusals().length === 2);
  assert.match(refusals()[1] ?? '', /issued for other uses than TLS servers/);
  assert.match(await shown(), /CN=machines$/);
  place(issueCertificate('machines-next', 'DNS:machines.test'));
  await until('it is in use', async () => (await shown()).endsWith('CN=machines-next'));
  const commonName = { ...issueCertificate('cn.test', 'IP:127.0.0.1'), name: 'cn.test' };
  await assert.rejects(twoListeners(t, { machines: { tls: commonName } }), /a Common Name does not count/);
  await assert.rejects(
    twoListeners(t, { machines: { tls: { ...servedFiles().machines, name: 'other.test' } } }),
    /is not for other\.test/,
  );
});

test('listeners: a login works through them as through one, and its cookie is the site’s', async (t) => {
  const { get, port } = await twoListeners(t);
  const page = await get('people.test', { path: '/_gate/login' });
  assert.equal(page.status, 200);
  assert.match(page.text, /password/);
  const plain = await get('people.test', {
    path: '/admin',
    headers: { authorization: `Basic ${btoa(`agent1:${passwords.agent1}`)}` },
  });
  assert.equal(plain.status, 401, `${port}`);
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket
      .once('error', () => resolve(false))
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      });
  });
}

const at = 'https://127.0.0.1:8443';
const tls = { certificate: 'a.crt', key: 'a.key' };
const misconfigured: Readonly<Record<string, [object, string, RegExp]>> = {
  'both forms at once': [
    { server: { listen: 'http://127.0.0.1:1' }, listeners: { web: { listen: at, tls } } },
    'server.listen',
    /short form/,
  ],
  'a certificate of the short form': [
    { server: { tls }, listeners: { web: { listen: at, tls } } },
    'server.tls',
    /short form/,
  ],
  'no listener': [{ listeners: {} }, 'listeners', /must name one/],
  'the same address and host twice': [
    { listeners: { a: { listen: at, tls, hosts: ['x.test'] }, b: { listen: at, tls, hosts: ['X.test'] } } },
    'listeners.b.hosts',
    /has x\.test at https:\/\/127\.0\.0\.1:8443, as a does/,
  ],
  'two without hosts at an address': [
    { listeners: { a: { listen: at, tls }, b: { listen: at, tls } } },
    'listeners.b.listen',
    /nothing tells them apart/,
  ],
  'an https address without tls': [
    { listeners: { a: { listen: at } } },
    'listeners.a.listen',
    /needs listeners\.a\.tls/,
  ],
  'tls for an http address': [
    { listeners: { a: { listen: 'http://127.0.0.1:1', tls } } },
    'listeners.a.tls',
    /has none/,
  ],
  'hosts over http': [
    { listeners: { a: { listen: 'http://127.0.0.1:1', hosts: ['x.test'] } } },
    'listeners.a.hosts',
    /are told by TLS/,
  ],
  'a wildcard among the hosts': [
    { listeners: { a: { listen: at, tls, hosts: ['*.test'] } } },
    'listeners.a.hosts[0]',
    /without a wildcard/,
  ],
  'nobody who vouches': [
    { listeners: { a: { listen: at, tls, clientCertificates: { ask: 'required' } } } },
    'listeners.a.clientCertificates.authorities',
    /who vouches/,
  ],
  'an authority that is none': [
    {
      listeners: {
        a: {
          listen: at,
          tls,
          clientCertificates: { ask: 'required', authorities: testCertificates().good.certificate },
        },
      },
    },
    'listeners.a.clientCertificates.authorities',
    /is no authority/,
  ],
  'authorities that nobody is asked for': [
    { listeners: { a: { listen: at, tls, clientCertificates: { authorities: testCertificates().ca } } } },
    'listeners.a.clientCertificates.ask',
    /is never/,
  ],
  'two oldest versions': [
    { listeners: { a: { listen: at, tls: [{ ...tls, minVersion: 'TLSv1.3' }, tls] } } },
    'listeners.a.tls',
    /same minVersion/,
  ],
  'two rules for PROXY headers at an address': [
    { listeners: { a: { listen: at, tls }, b: { listen: at, tls, hosts: ['x.test'], proxyProtocol: ['10.0.0.1'] } } },
    'listeners.b.proxyProtocol',
    /differs/,
  ],
};
for (const [name, [config, key, message]] of Object.entries(misconfigured))
  test(`listeners: ${name} is an error at ${key}`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'gatehouse.yaml');
    const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
    await writeFile(file, stringify({ ...base, ...siteConfig('http://127.0.0.1:1'), ...config }));
    const { code, stderr } = await run(['check', '--config', file]);
    assert.equal(code, 1);
    const line = stderr.split('\n').find((one) => one.includes(` ${key}: `));
    assert.match(line ?? stderr, message);
    assert.match(line ?? '', /:\d+:\d+ /);
  });

test('listeners: check tells of a certificate that is also for a host which asks for certificates', async (t) => {
  const folder = await temporaryFolder(t);
  const { people, machines } = servedFiles();
  const file = path.join(folder, 'gatehouse.yaml');
  const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
  const listeners = {
    people: { listen: at, hosts: ['people.test'], tls: people },
    machines: {
      ...{ listen: at, hosts: ['machines.test'], tls: machines },
      clientCertificates: { ask: 'required', authorities: testCertificates().ca },
    },
  };
  await writeFile(
    file,
    stringify({
      ...base,
      ...siteConfig('http://127.0.0.1:1'),
      server: { publicUrl: 'https://people.test' },
      listeners,
    }),
  );
  const { stdout, stderr } = await run(['check', '--config', file]);
  assert.match(
    stdout + stderr,
    /certificate of listener people is also for machines\.test.*asks for client certificates/,
  );
});
