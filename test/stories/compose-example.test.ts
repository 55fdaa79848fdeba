/**
 * The example with nginx in front (config/examples/compose): its parts agree with one another, and a real nginx with its
 * nginx.conf passes on what the gateway has to see.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

const example = path.resolve(import.meta.dirname, '../../config/examples/compose');
const read = (file: string): string => readFileSync(path.join(example, file), 'utf8');
const hasNginx = spawnSync('nginx', ['-v']).status === 0;
const skip = hasNginx || process.env.CI === 'true' ? false : 'nginx is not installed (Debian: nginx-light)';

/** What stands where the gateway is: it shows the request that reached it. */
async function showingUpstream(t: TestContext): Promise<number> {
  const server = http.createServer({ maxHeaderSize: 65_536 }, ({ method, url, headers }, answer) => {
    answer.setHeader('content-type', url === '/events' ? 'text/event-stream' : 'application/json');
    if (url === '/events') answer.write('data: first\n\n');
    else answer.end(JSON.stringify({ method, url, headers }));
  });
  server.on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.end(`upgraded ${request.url}`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** The example's nginx.conf in a real nginx: only addresses, ports and file places differ. */
async function exampleNginx(t: TestContext) {
  const [gateway, plain, secure, folder] = await Promise.all([
    showingUpstream(t),
    freePort(),
    freePort(),
    temporaryFolder(t),
  ]);
  const { certificate, key } = testCertificates().good;
  const changes: readonly (readonly [string, string])[] = [
    ['172.30.0.3:8080', `127.0.0.1:${gateway}`],
    ['listen 80 ', `listen 127.0.0.1:${plain} `],
    ['listen 443 ', `listen 127.0.0.1:${secure} `],
    ['tls/site.crt', certificate],
    ['tls/site.key', key],
    ['/dev/stdout', `${folder}/access.log`],
    ['worker_processes auto', 'worker_processes 1'],
    [
      'http {\n',
      `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n')}\n`,
    ],
  ];
  const text = changes.reduce((conf, [from, to]) => {
    assert.ok(conf.includes(from), `nginx.conf says ${from}`);
    return conf.replaceAll(from, to);
  }, read('nginx.conf'));
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(file, text);
  mkdirSync(path.join(folder, 'logs'));
  const settings = `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;`;
  const nginx = spawn('nginx', ['-e', `${folder}/error.log`, '-p', folder, '-c', file, '-g', settings], {
    stdio: 'inherit',
  });
  const ended = once(nginx, 'exit');
  t.after(async () => {
    nginx.kill();
    await ended;
  });
  await until('nginx listens', () => answers(secure));
  return { plain, secure };
}

interface Shown {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A request to nginx as a browser sends it; the body as text. */
async function ask(port: number, target: string, headers: Record<string, string> = {}) {
  const options = { host: '127.0.0.1', port, path: target, headers: { host: 'cc.example.com', ...headers } };
  const request = https.get({
    ...options,
    servername: 'localhost',
    ca: readFileSync(testCertificates().ca),
    agent: false,
  });
  const [response]: http.IncomingMessage[] = await once(request, 'response');
  return { request, response: response as http.IncomingMessage };
}

async function shown(port: number, target: string, headers?: Record<string, string>): Promise<Shown> {
  const { response } = await ask(port, target, headers);
  return JSON.parse((await response.toArray()).join(''));
}

test('compose example: nginx replaces what a client claims about its address', {
  skip,
}, async (t) => {
  const { secure } = await exampleNginx(t);
  const claims = { 'x-forwarded-for': '10.9.8.7', 'x-forwarded-proto': 'ftp', forwarded: 'for=10.9.8.7' };
  const { headers } = await shown(secure, '/', { ...claims, 'x-forwarded-host': 'evil.example' });
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'https');
  assert.equal(headers['x-forwarded-host'], 'cc.example.com');
  assert.equal(headers.host, 'cc.example.com');
  assert.equal('forwarded' in headers, false);
});

test('compose example: the target reaches the gateway as the client wrote it', { skip }, async (t) => {
  const { secure } = await exampleNginx(t);
  for (const target of ['/a%2Fb', '/a//b', '/x/../admin', '/%61dmin?next=%2F', '/a;b=c'])
    assert.equal((await shown(secure, target)).url, target);
});

test('compose example: an event stream arrives as it is sent, and a request head of 40 kB passes', {
  skip,
}, async (t) => {
  const { secure } = await exampleNginx(t);
  const { request, response } = await ask(secure, '/events');
  const [chunk] = await once(response, 'data');
  assert.match(String(chunk), /data: first/);
  request.destroy();
  const negotiate = `Negotiate ${'A'.repeat(40_000)}`;
  assert.equal((await shown(secure, '/', { authorization: negotiate })).headers.authorization, negotiate);
});

test('compose example: a WebSocket upgrade passes, and plain HTTP is sent to HTTPS', { skip }, async (t) => {
  const { secure, plain } = await exampleNginx(t);
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  const options = { host: '127.0.0.1', port: secure, path: '/ws', headers: upgrade, servername: 'localhost' };
  const request = https.get({ ...options, ca: readFileSync(testCertificates().ca) });
  const [response, socket] = await once(request, 'upgrade');
  t.after(() => socket.destroy());
  assert.equal(response.statusCode, 101);
  const [moved] = await once(http.get({ host: '127.0.0.1', port: plain, path: '/x?y', agent: false }), 'response');
  moved.resume();
  assert.equal(moved.statusCode, 308);
  assert.equal(moved.headers.location, 'https://127.0.0.1/x?y');
});

test('compose example: nginx alone is believed, its address is the one that compose gives it, and no application is published', () => {
  const { services, networks } = parse(read('docker-compose.yml'));
  const { server } = parse(read('gatehouse.yaml'));
  assert.deepEqual(server.trustedProxies, [`${services.nginx.networks.edge.ipv4_address}/32`]);
  assert.match(read('nginx.conf'), new RegExp(`server ${services.gatehouse.networks.edge.ipv4_address}:8080;`));
  assert.equal(networks.edge.ipam.config[0].subnet, '172.30.0.0/24');
  const published = Object.entries<{ ports?: unknown }>(services).filter(([, { ports }]) => ports !== undefined);
  assert.deepEqual(
    published.map(([name]) => name),
    ['nginx'],
  );
  assert.equal('edge' in services['agent-desktop'].networks, false);
});
