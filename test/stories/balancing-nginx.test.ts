/** Balanced servers beside a real nginx on the same file: weights share alike, backups stand in alike, and clients stay where they are. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { gateway } from '../support/scenes/gateway.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

interface Application {
  /** Where it listens, in nginx's words. */
  readonly address: string;
  stop(): Promise<void>;
}

/** An application that says its name, on a port or on a Unix socket. */
async function startApplication(t: TestContext, name: string, socket?: string): Promise<Application> {
  const server = http.createServer((request, response) => void response.end(`${name} ${request.url}`));
  server.listen(socket ?? { port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close().closeAllConnections();
    await closed;
  };
  t.after(stop);
  const at = server.address();
  return { address: typeof at === 'object' && at ? `127.0.0.1:${at.port}` : `unix:${socket}`, stop };
}

async function ask(port: number, target: string, client = '192.0.2.1'): Promise<string> {
  const headers = { 'x-forwarded-for': client };
  const request = http.get({ host: '127.0.0.1', port, path: target, headers, agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  assert.equal(response.statusCode, 200, Buffer.concat(chunks).toString());
  return Buffer.concat(chunks).toString();
}

/** nginx and a gateway with what the import makes of its file. */
async function startBoth(t: TestContext, text: string) {
  const folder = await temporaryFolder(t);
  const nginx = await startNginx(t, (port) => {
    const site = text.replaceAll('PORT', String(port));
    writeFileSync(path.join(folder, 'site.conf'), site);
    return site;
  });
  const imported = await run(['import', 'nginx', '--public', path.join(folder, 'site.conf')]);
  assert.ok(imported.code === 0, imported.stderr);
  const { server, routes } = parse(imported.stdout);
  const { trustedProxies } = server;
  const started = await gateway(t, { config: { routes, server: { trustedProxies } } });
  return { nginx: nginx.port, gateway: Number(started.url.port), routes };
}

const tally = (answers: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer.split(' ')[0] ?? ''] = (counts[answer.split(' ')[0] ?? ''] ?? 0) + 1;
  return counts;
};

test('balancing: weights, a backup and a Unix socket as in nginx on the same file (9 B5)', needsNginx, async (t) => {
  const socket = path.join(await temporaryFolder(t), 'b.sock');
  const a = await startApplication(t, 'a');
  const b = await startApplication(t, 'b', socket);
  const z = await startApplication(t, 'z');
  const both = await startBoth(
    t,
    `upstream g { server ${a.address} weight=5; server ${b.address}; server ${z.address} backup; }
    server { listen 127.0.0.1:PORT; location /g/ { proxy_pass http://g/app/; } location /s/ { proxy_pass http://unix:${socket}:/sock/; } }`,
  );
  const asked = async (port: number, count: number): Promise<string[]> => {
    const answers: string[] = [];
    for (let index = 0; index < count; index += 1) answers.push(await ask(port, '/g/x'));
    return answers;
  };
  const [theirs, ours] = [await asked(both.nginx, 24), await asked(both.gateway, 24)];
  assert.deepEqual(tally(ours), { a: 20, b: 4 });
  assert.deepEqual(ours, theirs, 'in the very same order');
  assert.equal(await ask(both.gateway, '/s/y'), 'b /sock/y');
  assert.equal(await ask(both.nginx, '/s/y'), 'b /sock/y');
  await Promise.all([a.stop(), b.stop()]);
  for (const port of [both.nginx, both.gateway]) assert.deepEqual(tally(await asked(port, 6)), { z: 6 });
});

test(
  'balancing: ip_hash keeps each client at one server and spreads them, as nginx does (9 B5)',
  needsNginx,
  async (t) => {
    const servers = await Promise.all(['a', 'b', 'c'].map((name) => startApplication(t, name)));
    const both = await startBoth(
      t,
      `set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
    upstream g { ip_hash; ${servers.map(({ address }) => `server ${address};`).join(' ')} }
    server { listen 127.0.0.1:PORT; location / { proxy_pass http://g; } }`,
    );
    assert.equal(both.routes[0].upstream.sticky, 'address');
    for (const port of [both.nginx, both.gateway]) {
      const clients = Array.from({ length: 120 }, (_, index) => `198.51.${index}.7`);
      const first = await Promise.all(clients.map((client) => ask(port, '/x', client)));
      const second = await Promise.all(clients.map((client) => ask(port, '/x', client)));
      assert.deepEqual(second, first);
      const counts = Object.values(tally(first));
      assert.ok(counts.length === 3 && counts.every((count) => count > 15), `${counts}`);
    }
  },
);
