/**
 * `npm run soak [minutes]`: what an hour in a contact center does to the gateway: logins, wrong passwords, pages, scripts,
 * WebSockets, event streams, aborted downloads and logouts. Prints memory and open handles as they develop.
 * `npm run soak properties [scale]` is `soak-properties.ts`, `npm run soak sentinel` is `soak-sentinel.ts`,
 * `npm run soak differential [conversations]` is `soak-differential.ts`.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { stringify } from 'yaml';
import { Secret } from '../src/core/secret.ts';
import { UsersFile } from '../src/users/users-file.ts';
import { hiddenFields, Visitor } from '../test/support/scenes/visitor.ts';
import { freePort } from '../test/support/tools/free-port.ts';
import { amountGiven } from './amount.ts';
import { soakDifferential } from './soak-differential.ts';
import { soakProperties } from './soak-properties.ts';
import { soakSentinel } from './soak-sentinel.ts';

if (process.argv[2] === 'properties') process.exit(await soakProperties(process.argv.slice(3)));
if (process.argv[2] === 'sentinel') process.exit(await soakSentinel());
if (process.argv[2] === 'differential') process.exit(await soakDifferential(process.argv.slice(3)));
const minutes = amountGiven(
  'npm run soak [minutes] | npm run soak properties [scale] | npm run soak differential [conversations] | npm run soak sentinel',
  10,
);
const agents = 16;
const password = 'a-password-of-the-soak';
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet };

const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-soak-'));
const upstream = await startUpstream();
const gateway = await startGateway(upstream.port);
const counts = { logins: 0, refused: 0, pages: 0, sockets: 0, streams: 0, aborted: 0, errors: 0 };
const endsAt = performance.now() + minutes * 60_000;
try {
  const shifts = Array.from({ length: agents }, (_, index) => work(index));
  while (performance.now() < endsAt) {
    console.log(`${await residentMegabytes()} MB  ${await openHandles()} handles  ${JSON.stringify(counts)}`);
    await delay(Math.min(10_000, Math.max(100, endsAt - performance.now())));
  }
  await Promise.all(shifts);
  await delay(3000);
  console.log(`at rest: ${await residentMegabytes()} MB  ${await openHandles()} handles  ${JSON.stringify(counts)}`);
  if (counts.errors > 0) process.exitCode = 1;
} finally {
  gateway.child.kill('SIGTERM');
  await once(gateway.child, 'close');
  upstream.close();
  await rm(folder, { recursive: true, force: true });
}

/** One agent's shift, over and over. */
async function work(index: number): Promise<void> {
  while (performance.now() < endsAt) {
    try {
      const browser = new Visitor(gateway.url);
      if (index % 8 === 0) {
        await browser.signIn(`agent${index}`, 'wrong');
        counts.refused += 1;
      }
      await browser.mustSignIn(`agent${index}`, password);
      counts.logins += 1;
      const socket = new WebSocket(`ws://${gateway.url.host}/live`, {
        headers: { cookie: browser.cookieHeader, origin: gateway.url.origin },
      });
      await once(socket, 'open');
      counts.sockets += 1;
      const stream = http.get(`${gateway.url.origin}/sse`, { headers: { cookie: browser.cookieHeader } });
      stream.on('error', () => {});
      await once(stream, 'response');
      counts.streams += 1;
      for (let page = 0; page < 40; page += 1) {
        const answer = await browser.fetch(`/page/${page}`);
        if (answer.status === 200) counts.pages += 1;
        else counts.errors += 1;
        socket.send('a frame');
      }
      await abortDownload(browser);
      const logout = await browser.open('/_gate/logout');
      const closed = once(socket, 'close');
      await browser.post('/_gate/logout', hiddenFields(logout.text));
      await Promise.race([
        closed,
        delay(3000).then(() => Promise.reject(new Error('a WebSocket outlived its logout'))),
      ]);
      stream.destroy();
    } catch (error) {
      counts.errors += 1;
      console.error(error);
      await delay(500);
    }
  }
}

async function abortDownload(browser: Visitor): Promise<void> {
  const download = http.get(`${gateway.url.origin}/bytes`, { headers: { cookie: browser.cookieHeader } });
  download.on('error', () => {});
  const [response] = (await once(download, 'response')) as [http.IncomingMessage];
  await once(response, 'data');
  download.destroy();
  counts.aborted += 1;
}

async function startUpstream(): Promise<{ port: number; close(): void }> {
  const block = Buffer.alloc(65_536);
  const server = http.createServer((request, response) => {
    if (request.url === '/sse') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write('data: tick\n\n'), 500);
      return void response.once('close', () => clearInterval(timer));
    }
    if (request.url !== '/bytes') return void response.end(`heard ${request.headers['x-remote-user']}`);
    const send = (): void => {
      while (!response.destroyed && response.write(block));
    };
    response.on('drain', send);
    send();
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('error', () => {}).on('message', (data) => socket.send(data)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    port,
    close: () => {
      server.closeAllConnections();
      server.close();
      sockets.close();
    },
  };
}

async function startGateway(upstreamPort: number) {
  const [port, admin] = [await freePort(), await freePort()];
  const file = path.join(folder, 'gatehouse.yaml');
  const users = new UsersFile(path.join(folder, 'users.yaml'), { log: quiet });
  for (let index = 0; index < agents; index += 1)
    await users.add({ username: `agent${index}`, password: new Secret(password), groups: ['agents'] });
  const config = {
    server: { listen: `http://127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}`, drain: '2s' },
    admin: { listen: `http://127.0.0.1:${admin}` },
    login: { chain: ['local'], lockout: { user: 0, address: 0 } },
    session: { store: { type: 'embedded', path: 'data' } },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    routes: [{ location: '/', upstream: `http://127.0.0.1:${upstreamPort}`, websocket: true }],
    log: { level: 'warn' },
    audit: { to: 'off' },
  };
  await writeFile(file, stringify(config));
  const entry = path.resolve(import.meta.dirname, '../src/cli/main.ts');
  const child = spawn(process.execPath, [entry, 'serve', '--config', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ready = new URL(`http://127.0.0.1:${admin}/health/ready`);
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await fetch(ready).catch(() => undefined))?.ok) return { child, url: new URL(`http://127.0.0.1:${port}`) };
    await delay(50);
  }
  throw new Error('the gateway does not start');
}

async function residentMegabytes(): Promise<string> {
  const status = await readFile(`/proc/${gateway.child.pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? '0') / 1024).toFixed(0);
}

async function openHandles(): Promise<number> {
  return (await readdir(`/proc/${gateway.child.pid}/fd`)).length;
}
