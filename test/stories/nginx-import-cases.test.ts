/**
 * Configurations as people write them, through a real nginx and through a gateway with what the import makes of them: what an
 * application is sent by the gateway nginx sends it, too, and what nginx keeps from it the gateway keeps from it as well.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { gateway } from '../support/scenes/gateway.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';

const cases = path.join(import.meta.dirname, '../fixtures/nginx/cases');

/** One request, and what nginx's application and the gateway's have to see alike. */
interface Case {
  readonly file: string;
  readonly options?: readonly string[];
  readonly hosts?: readonly string[];
  /** Answered by an application behind nginx and behind the gateway. */
  readonly same: readonly string[];
  /** Sent elsewhere by nginx, and by the gateway to the same address. */
  readonly redirected?: readonly string[];
  /** Answered by an application behind nginx, or by nginx itself, and closed by the import. */
  readonly closed?: readonly string[];
}

/** An application that says what it was sent. */
async function startApplication(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => {
    const { host, authorization } = request.headers;
    const own = Object.entries(request.headers).filter(([name]) => /^x-(?:vouch|authentik|preferred)/.test(name));
    const said = {
      app: true,
      method: request.method,
      url: request.url,
      host,
      authorization,
      ...Object.fromEntries(own),
    };
    response.end(JSON.stringify(said));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function ask(port: number, host: string, target: string) {
  const request = http.get({ host: '127.0.0.1', port, path: target, headers: { host }, agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const { location } = response.headers;
  return { status: response.statusCode ?? 0, location, sent: text.startsWith('{"app"') ? JSON.parse(text) : undefined };
}

/** nginx and a gateway for one file, on free ports. */
async function startBoth(t: TestContext, { file, options = [] }: Case) {
  const application = await startApplication(t);
  const folder = await temporaryFolder(t);
  const copy = path.join(folder, file);
  const nginx = await startNginx(t, (port) => {
    const text = readFileSync(path.join(cases, file), 'utf8')
      .replace(/\b(?:21010|21011|9090)\b/g, String(application))
      .replace(/listen [^;]*?(\bdefault_server)?;/g, (_all, more = '') => `listen 127.0.0.1:${port} ${more};`);
    writeFileSync(copy, text);
    return text
      .replace(/^events \{\}$/m, '')
      .replace(/auth_basic [^;]*;/g, '')
      .replace(/auth_basic_user_file [^;]*;/g, '');
  });
  const imported = await run(['import', 'nginx', copy, ...options]);
  assert.equal(imported.code, 0, imported.stderr);
  const { server, routes: written } = parse(imported.stdout);
  const routes = written.map((route: object) => ({ access: 'public', ...route }));
  // The names of the site, which is tried under an address of the test.
  const names = [new URL(server.publicUrl).hostname, ...(server.hosts ?? [])];
  const started = await gateway(t, { config: { server: { hosts: names }, routes } });
  return { nginx: nginx.port, own: Number(started.url.port), imported };
}

const stories: readonly Case[] = [
  {
    file: '01-rewrite-deeper-prefix.conf',
    same: ['/grafana/', '/grafana/a/b?c=d', '/grafana/api/live/', '/grafana/api/live/ws?x', '/grafana/api/other'],
  },
  {
    file: '02-request-uri-variable.conf',
    same: ['/kibana/app?x=1', '/grafana/d/1', '/api/x?y'],
    closed: ['/rec/2024/x'],
  },
  { file: '03-try-files-named.conf', same: ['/', '/a?b', '/users/1.json'], closed: ['/assets/a.css'] },
  {
    file: '06-root-redirects.conf',
    same: ['/x', '/ccagent/x'],
    redirected: ['/', '/old-reports/x?y=1', '/old-reports/'],
  },
  { file: '10-server-names.conf', hosts: ['example.com', 'a.example.com', 'a.b.example.com'], same: ['/', '/x?y'] },
  {
    file: '10-server-names.conf',
    options: ['--domain', 'elsewhere.test'],
    hosts: ['grafana.elsewhere.test'],
    same: ['/x'],
  },
  { file: '12-crlf-latin1-comment.conf', same: ['/', '/x'] },
  {
    file: '15-more-shapes.conf',
    same: ['/kibana/x', '/kibana', '/npm/x', '/api/v1/websocket', '/ws/x', '/static/a.js', '/login', '/api', '/z'],
    closed: ['/grafana/x', '/one', '/static/a.map'],
  },
  { file: '16-cookie-path.conf', same: ['/grafana/login'] },
  {
    file: 'rewrites-of-all-kinds.conf',
    same: [
      ...[
        '/group/',
        '/group/a?b',
        '/ingress',
        '/ingress/',
        '/ingress/x',
        '/ingressx',
        '/named/a/b',
        '/optional',
        '/optional/x',
      ],
      ...[
        '/plus/x',
        '/plus/',
        '/two/x',
        '/two/old/x',
        '/part/z',
        '/part/x/z',
        '/single',
        '/single/a',
        '/single/b',
        '/exact',
      ],
      ...[
        '/breaking/x',
        '/pattern/a',
        '/slash/x',
        '/condition/x',
        '/loose/x',
        '/firm/c',
        '/firm/a/c',
        '/base/x',
        '/own/x?y',
      ],
      ...['/all/x', '/shop/new.html', '/'],
    ],
    redirected: ['/shop/old.html'],
    closed: [
      ...['/moved/x', '/gone', '/last/x', '/unflagged/x', '/query/x', '/pattern/12', '/condition/admin'],
      ...['/expression/x'],
    ],
  },
  { file: 'files-first.conf', hosts: ['a.example.com'], same: ['/', '/x?y', '/api/z'] },
  { file: 'files-first.conf', hosts: ['b.example.com'], same: ['/', '/x?y'], closed: ['/only/x', '/page/x'] },
  { file: 'files-first.conf', hosts: ['c.example.com'], same: ['/', '/x?y'], closed: ['/closed/x'] },
  {
    file: 'conditions.conf',
    same: ['/', '/x', '/there/a', '/publican'],
    closed: [
      ...[
        '/secret',
        '/secret/x',
        '/admin/x',
        '/admin/y',
        '/cookie/',
        '/argument/',
        '/method/',
        '/there/a.bak',
        '/changed/',
      ],
      ...['/bare/', '/kept-out/'],
    ],
  },
];

for (const story of stories) {
  const { file, hosts = ['cc.example.com'], options = [], same, redirected = [], closed = [] } = story;
  test(
    `nginx import: what applications get of ${file} for ${hosts.join(', ')} ${options.join(' ')}`,
    needsNginx,
    async (t) => {
      const { nginx, own } = await startBoth(t, story);
      for (const host of hosts) {
        for (const target of same) {
          const [theirs, ours] = [await ask(nginx, host, target), await ask(own, host, target)];
          assert.notEqual(theirs.sent, undefined, `nginx sends ${target} to an application`);
          // A slash doubled where a prefix and a path meet the gateway sends once.
          const sent = { ...theirs.sent, url: theirs.sent.url.replace(/^\/\//, '/') };
          assert.deepEqual(ours.sent, sent, `${host}${target}`);
        }
        for (const target of redirected) {
          const [theirs, ours] = [await ask(nginx, host, target), await ask(own, host, target)];
          assert.ok(theirs.location, `nginx redirects ${target}`);
          const location = new URL(ours.location ?? '', `http://${host}:${nginx}`).href;
          assert.deepEqual([ours.status, location], [theirs.status, theirs.location], `${host}${target}`);
        }
        for (const target of closed) assert.equal((await ask(own, host, target)).sent, undefined, `${host}${target}`);
      }
    },
  );
}

test('nginx import: servers on other ports of one host lead where nginx leads them', needsNginx, async (t) => {
  const application = await startApplication(t);
  const [first, second] = [await freePort(), await freePort()];
  const server = (port: number, to: string): string =>
    `server { listen 127.0.0.1:${port}; server_name cc.test; location / { proxy_pass http://127.0.0.1:${application}${to}; proxy_set_header Host $http_host; } }\n`;
  const text = server(first, '/finesse/') + server(second, '/reports/');
  await startNginx(t, () => text, first);
  const file = path.join(await temporaryFolder(t), 'ports.conf');
  writeFileSync(file, text);
  const imported = await run(['import', 'nginx', file, '--public']);
  assert.equal(imported.code, 0, imported.stderr);
  const { server: site, routes } = parse(imported.stdout);
  assert.equal(site.publicUrl, `http://cc.test:${first}`);
  const { url } = await gateway(t, { config: { server: { publicUrl: site.publicUrl }, routes } });
  for (const port of [first, second]) {
    const host = `cc.test:${port}`;
    const [theirs, ours] = [await ask(port, host, '/x?y'), await ask(Number(url.port), host, '/x?y')];
    assert.match(theirs.sent.url, /^\/(?:finesse|reports)\/x\?y$/);
    assert.deepEqual(ours.sent, theirs.sent, host);
  }
});
