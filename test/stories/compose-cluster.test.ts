/**
 * The example with two gateways, Redis and HAProxy (config/examples/compose-cluster): what prepare.sh makes and the files say is run by
 * real servers, and one gateway is stopped; only addresses, ports and places differ.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Agent } from 'undici';
import { parse, stringify } from 'yaml';
import { Visitor } from '../support/scenes/visitor.ts';
import { needsHaproxy, startHaproxy } from '../support/servers/haproxy.ts';
import { needsRedis } from '../support/servers/redis.ts';
import { endServer, startServer } from '../support/servers/server-process.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run, start } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

const example = path.resolve(import.meta.dirname, '../../config/examples/compose-cluster');
const read = (file: string): string => readFileSync(path.join(example, file), 'utf8');
const skip = needsHaproxy.skip || needsRedis.skip;
const host = 'cc.example.com';

/** Each must be there to be changed. */
function changed(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example says ${from}`);
    return before.replaceAll(from, to);
  }, text);
}

/** The whole example on this machine. */
async function cluster(t: TestContext) {
  const [folder, upstream] = [await temporaryFolder(t), await startUpstream(t)];
  const [redis, plain, secure, one, two] = await Promise.all([1, 2, 3, 4, 5].map(() => freePort()));
  const origin = `https://${host}:${secure}`;
  cpSync(path.join(example, 'prepare.sh'), path.join(folder, 'prepare.sh'));
  execFileSync('sh', [path.join(folder, 'prepare.sh'), host]);
  const secrets = path.join(folder, 'secrets');
  assert.equal(statSync(path.join(secrets, 'gatehouse', 'seal.key')).mode & 0o077, 0);

  const conf = path.join(folder, 'redis.conf');
  const places = {
    'tls-port 6379': `tls-port ${redis}\nbind 127.0.0.1`,
    '/secrets/': `${secrets}/redis/`,
    'dir /data': `dir ${folder}`,
  };
  writeFileSync(conf, changed(read('redis.conf'), places));
  const server = startServer('/usr/bin/redis-server', [conf]);
  t.after(() => endServer(server));

  const password = path.join(folder, 'users.yaml');
  const gateway = async (port: number | undefined, adminPort: number) => {
    const text = changed(read('gatehouse.yaml'), {
      'http://0.0.0.0:8080': `http://127.0.0.1:${port}`,
      [`https://${host}`]: origin,
      '172.31.0.2/32': '127.0.0.1/32',
      'http://127.0.0.1:9090': `http://127.0.0.1:${adminPort}`,
      'rediss://redis:6379': `rediss://127.0.0.1:${redis}`,
      'secrets/': `${secrets}/gatehouse/`,
      '/data/users.yaml': password,
      'http://agent-desktop:8070': upstream.origin,
    });
    const document = parse(text);
    document.session.store.tls.servername = 'redis';
    document.server.drain = '1s';
    document.admin.socket = `${port}.sock`;
    const file = path.join(folder, `${port}.yaml`);
    writeFileSync(file, stringify(document));
    return file;
  };
  const files = [await gateway(one, await freePort()), await gateway(two, await freePort())];
  const [first = '', second = ''] = files;
  await run(['users', 'add', 'alice', '--config', first], { stdin: 'right-7731-lamp\n' });
  await until('redis-server answers', async () => {
    const tried = await run(['check', '--connect', '--config', first]);
    return /seal +\d+ ms/.test(tried.stdout);
  });
  const gateways = [start(t, ['serve', '--config', first]), start(t, ['serve', '--config', second])] as const;
  await Promise.all(gateways.map((one) => one.said('the gateway is ready')));

  mkdirSync(path.join(folder, 'haproxy'));
  const proxy = changed(read('haproxy.cfg'), {
    'bind :80\n': `bind 127.0.0.1:${plain}\n`,
    'bind :443 ': `bind 127.0.0.1:${secure} `,
    '/secrets/site.pem': `${secrets}/haproxy/site.pem`,
    '172.31.0.11:8080': `127.0.0.1:${one}`,
    '172.31.0.12:8080': `127.0.0.1:${two}`,
  });
  await startHaproxy(t, proxy, Number(secure));
  const agent = new Agent({
    connect: {
      ca: readFileSync(path.join(secrets, 'haproxy', 'site.pem')),
      lookup: (_name, options, done) =>
        options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
    },
  });
  t.after(() => agent.destroy());
  return { gateways, upstream, visitor: () => new Visitor(new URL(origin), agent) };
}

test('compose-cluster example: who signs in by way of HAProxy is signed in at both gateways, and stays so when one ends', {
  skip,
}, async (t) => {
  const { gateways, upstream, visitor } = await cluster(t);
  const browser = visitor();
  await browser.mustSignIn('alice', 'right-7731-lamp', '/');
  for (let request = 0; request < 8; request++) assert.equal((await browser.fetch('/x')).status, 200);
  const seen = upstream.received.at(-1);
  assert.deepEqual(seen?.values('x-remote-user'), ['alice']);
  assert.deepEqual(seen?.values('x-forwarded-proto'), ['https']);
  const served = gateways.map(({ lines }) => lines.filter((line) => line.includes('"path":"/x"')).length);
  assert.ok(
    served.every((count) => count > 0),
    `each has served some: ${served}`,
  );
  gateways[0].child.kill('SIGTERM');
  await gateways[0].ended;
  for (let request = 0; request < 8; request++) assert.equal((await browser.fetch('/x')).status, 200);
  const claims = { 'x-forwarded-for': '10.9.8.7', 'x-remote-user': 'root' };
  assert.equal((await browser.fetch('/x', { headers: claims })).status, 200);
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
  assert.doesNotMatch(String(upstream.received.at(-1)?.values('x-forwarded-for')), /10\.9\.8\.7/);
});

test('compose-cluster example: its parts agree, and nothing but HAProxy is published', () => {
  const { services, networks } = parse(read('docker-compose.yml'), { merge: true });
  const { server, session } = parse(read('gatehouse.yaml'));
  assert.deepEqual(server.trustedProxies, [`${services.haproxy.networks.edge.ipv4_address}/32`]);
  for (const name of ['gatehouse-1', 'gatehouse-2'])
    assert.match(
      read('haproxy.cfg'),
      new RegExp(`server ${name} ${services[name].networks.edge.ipv4_address}:8080\\n`),
    );
  assert.match(read('haproxy.cfg'), new RegExp(`GET uri ${server.health} `));
  assert.equal(session.store.url, 'rediss://redis:6379');
  assert.equal(networks.store.internal, true);
  const published = Object.entries<{ ports?: unknown }>(services).filter(([, { ports }]) => ports !== undefined);
  assert.deepEqual(
    published.map(([name]) => name),
    ['haproxy'],
  );
  assert.deepEqual(Object.keys(services.redis.networks), ['store']);
  assert.match(read('.gitignore'), /^secrets\/$/m);
});
