/** Real balancers before the gateway that speak the PROXY protocol to it: HAProxy, and nginx's stream module. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { ask, httpsSite } from '../support/scenes/https-site.ts';
import { startFront } from '../support/servers/front-server.ts';
import { needsHaproxy, startHaproxy } from '../support/servers/haproxy.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

/** Where clients come from: another address of this machine than the balancer's. */
const localAddress = '127.0.0.77';

const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so';
const needsStream = {
  skip: existsSync(streamModule) || process.env.CI ? false : 'apt-get install libnginx-mod-stream',
};

interface Ports {
  readonly plain: number;
  readonly https: number;
}

/** A site on an http and an https listener that a balancer at 127.0.0.1 passes connections to. */
async function balancedSite(t: TestContext, server = {}) {
  const ports = { plain: await freePort(), https: await freePort() };
  const listen = [`http://127.0.0.1:${ports.plain}`, `https://127.0.0.1:${ports.https}`];
  const publicUrl = `https://localhost:${ports.https}`;
  const started = await httpsSite(t, {
    server: { listen, publicUrl, proxyProtocol: ['127.0.0.1'], headTimeout: '5s', ...server },
  });
  return { ...started, ports };
}

/** Asks a balancer for a public page over http, https and HTTP/2; the gateway's application is told each client's address. */
async function askAll(t: TestContext, { plain, https }: Ports, host: string): Promise<number[]> {
  const headers = { host };
  const ca = await readFile(testCertificates().ca, 'utf8');
  const answers = [
    await statusOf(httpRequest({ port: plain, host: '127.0.0.1', path: '/public', headers, localAddress })),
    await statusOf(
      httpsRequest({
        port: https,
        host: '127.0.0.1',
        path: '/public',
        headers,
        localAddress,
        ca,
        servername: 'localhost',
      }),
    ),
  ];
  const bare = connect({ port: https, host: '127.0.0.1', localAddress });
  const session = http2.connect(`https://${host}`, {
    createConnection: () => connectTls({ socket: bare, ca, servername: 'localhost', ALPNProtocols: ['h2'] }),
  });
  t.after(() => session.destroy());
  const { status } = await ask(session, { ':path': '/public', ':authority': host });
  session.close();
  return [...answers, status];
}

function statusOf(request: ReturnType<typeof httpRequest>): Promise<number> {
  return new Promise((resolve, reject) => {
    request.once('error', reject).once('response', (response: IncomingMessage) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    request.end();
  });
}

/** Resolves once HAProxy has checked so many of its servers called `gate` with a result, and takes them for what it says. */
function untilServers(port: number, count: number, status: string, result: string): Promise<unknown> {
  return until(`HAProxy says ${status} by ${result}`, async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/stats;csv`)).text();
    const [names = [], ...rows] = text.split('\n').map((row) => row.replace(/^# /, '').split(','));
    const is = (row: string[], name: string, value: string) => row[names.indexOf(name)] === value;
    const found = rows.filter((row) => is(row, 'svname', 'gate') && is(row, 'status', status));
    return found.filter((row) => is(row, 'check_status', result)).length === count;
  });
}

for (const [word, version] of [
  ['send-proxy', 'version 1'],
  ['send-proxy-v2', 'version 2'],
] as const)
  test(`balancers: HAProxy with ${word} tells the client's address, and its checks pass`, needsHaproxy, async (t) => {
    const { ports, origin, upstream, lines, audit } = await balancedSite(t);
    const front = { plain: await freePort(), https: await freePort() };
    const stats = await freePort();
    const configuration = [
      'defaults',
      'mode tcp',
      'timeout connect 5s\ntimeout client 30s\ntimeout server 30s',
      ...(['plain', 'https'] as const).flatMap((of) => [
        `listen ${of}`,
        `bind 127.0.0.1:${front[of]}`,
        `server gate 127.0.0.1:${ports[of]} ${word} check check-send-proxy inter 500ms`,
      ]),
      'frontend stats',
      'mode http',
      `bind 127.0.0.1:${stats}`,
      'stats enable\nstats uri /stats',
      '',
    ].join('\n');
    await startHaproxy(t, configuration, front.plain);
    assert.deepEqual(await askAll(t, front, new URL(origin).host), [200, 200, 200], version);
    for (const { values } of upstream.received) assert.deepEqual(values('x-forwarded-for'), [localAddress]);
    const audited = await until('all are recorded', () => audit('request').length === 3 && audit('request'));
    for (const { address } of audited) assert.equal(address, localAddress);
    await untilServers(stats, 2, 'UP', 'L4OK');
    assert.deepEqual(
      lines.filter((line) => line.includes('no PROXY header')),
      [],
    );
  });

test(
  'balancers: HAProxy takes a server by server.health, by its own question and by one with a Host',
  needsHaproxy,
  async (t) => {
    const { ports, audit } = await balancedSite(t, {
      health: '/healthz',
      proxyProtocol: [],
      trustedProxies: ['127.0.0.1'],
    });
    const [plain, https, wrong, stats] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const server = (port: number, check: string) => `server gate 127.0.0.1:${port} check inter 500ms ${check}`;
    const configuration = [
      'defaults\nmode http\ntimeout connect 5s\ntimeout client 30s\ntimeout server 30s',
      `listen plain\nbind 127.0.0.1:${plain}\noption httpchk OPTIONS /healthz`,
      server(ports.plain, ''),
      `listen https\nbind 127.0.0.1:${https}\noption httpchk`,
      'http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host cc.example.com',
      server(ports.https, `check-ssl verify none`),
      `listen wrong\nbind 127.0.0.1:${wrong}\noption httpchk OPTIONS /health`,
      server(ports.plain, ''),
      `frontend stats\nbind 127.0.0.1:${stats}\nstats enable\nstats uri /stats\n`,
    ].join('\n');
    await startHaproxy(t, configuration, stats);
    await untilServers(stats, 2, 'UP', 'L7OK');
    await untilServers(stats, 1, 'DOWN', 'L7STS');
    assert.ok(audit('request').every(({ path }) => path === '/health'));
  },
);

test("balancers: nginx with proxy_protocol tells the client's address", needsStream, async (t) => {
  const { ports, origin, upstream } = await balancedSite(t);
  const front = { plain: await freePort(), https: await freePort() };
  const folder = await temporaryFolder(t);
  const servers = (['plain', 'https'] as const).map(
    (of) => `server { listen 127.0.0.1:${front[of]}; proxy_pass 127.0.0.1:${ports[of]}; proxy_protocol on; }`,
  );
  await writeFile(
    join(folder, 'nginx.conf'),
    [
      `load_module ${streamModule};`,
      'daemon off;\nmaster_process off;',
      `pid ${folder}/nginx.pid;`,
      'events { worker_connections 64; }',
      `stream { ${servers.join('\n')} }`,
      '',
    ].join('\n'),
  );
  const parameters = ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'];
  await startFront(t, { program: '/usr/sbin/nginx', parameters, folder, port: front.plain });
  assert.deepEqual(await askAll(t, front, new URL(origin).host), [200, 200, 200]);
  for (const { values } of upstream.received) assert.deepEqual(values('x-forwarded-for'), [localAddress]);
});
