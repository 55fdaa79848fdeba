/** Who is compared: the gateway as `gatehouse serve` runs it, nginx as a plain proxy, http-proxy-middleware as a plain proxy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { stringify } from 'yaml';
import { systemClock } from '../src/core/clock.ts';
import type { Log } from '../src/core/log.ts';
import { Sessions } from '../src/sessions/sessions.ts';
import { EmbeddedStore } from '../src/store/embedded.ts';
import { freePort } from '../test/support/tools/free-port.ts';

/** One of those that are compared. */
export interface Contender {
  readonly name: string;
  readonly url: string;
  /** True when the upstream must have heard the user's name. */
  readonly heard: boolean;
  /** The memory that its process holds. */
  residentBytes(): number;
  /** The time that its process has had a core for, all threads together. */
  cpuSeconds(): number;
}

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet };

/** Starts them all, with an upstream that says which user it heard of, and so many sessions. */
export async function startContenders(
  folder: string,
  users: number,
): Promise<{ contenders: Contender[]; cookies: string[]; close(): Promise<void> }> {
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of children) {
      child.kill('SIGTERM');
      await Promise.race([once(child, 'close'), delay(5000).then(() => child.kill('SIGKILL'))]);
    }
  };
  try {
    const [upstream, plain, peer, gateway, admin] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    children.push(startNginx(folder, 'upstream', upstreamServer(upstream)));
    const cookies = await signIn(path.join(folder, 'data'), users);
    const nginx = startNginx(folder, 'proxy', proxyServer(plain, upstream));
    const hpm = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'plain-proxy.ts'), String(peer), String(upstream)],
      { stdio: 'inherit' },
    );
    const serve = startGateway(folder, { gateway, admin, upstream });
    children.push(nginx, hpm, serve);
    const contenders = [
      contender('nginx, plain proxy', plain, false, nginx),
      contender('gatehouse, identity and assertion', gateway, true, serve),
      contender('http-proxy-middleware, plain proxy', peer, false, hpm),
    ];
    for (const { url } of contenders) await answers(url);
    return { contenders, cookies, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function contender(name: string, port: number, heard: boolean, { pid }: ChildProcess): Contender {
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    heard,
    residentBytes: () => (pid === undefined ? 0 : residentBytes(pid)),
    cpuSeconds: () => (pid === undefined ? 0 : cpuSeconds(pid)),
  };
}

/** Sessions as a login makes them; only the password check is left out. */
async function signIn(folder: string, users: number): Promise<string[]> {
  const store = new EmbeddedStore(folder, { clock: systemClock, log: quiet });
  const sessions = new Sessions({ store, clock: systemClock, log: quiet, idle: 3_600_000, lifetime: 7_200_000 });
  const cookies: string[] = [];
  for (let index = 0; index < users; index += 1) {
    const subject = `user${index}`;
    const attributes = { name: [`User ${index}`], email: [`${subject}@example.com`], groups: ['agents'] };
    const { token } = await sessions.create({
      tenant: 'default',
      assertion: { realm: 'local', subject, amr: ['pwd'], attributes },
      provider: 'local',
      client: { address: '127.0.0.1', userAgent: 'bench' },
    });
    cookies.push(`gatehouse=${token}`);
  }
  await sessions.close();
  await store.close();
  return cookies;
}

function startGateway(folder: string, ports: { gateway: number; admin: number; upstream: number }): ChildProcess {
  const file = path.join(folder, 'gatehouse.yaml');
  const config = {
    server: {
      listen: `http://127.0.0.1:${ports.gateway}`,
      publicUrl: `http://127.0.0.1:${ports.gateway}`,
      drain: '1s',
    },
    admin: { listen: `http://127.0.0.1:${ports.admin}` },
    login: { chain: ['local'] },
    session: { store: { type: 'embedded', path: 'data' } },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    roles: { agent: { groups: ['agents'] } },
    routes: [{ location: '/', upstream: `http://127.0.0.1:${ports.upstream}`, access: { roles: ['agent'] } }],
    log: { level: 'warn' },
    audit: { to: path.join(folder, 'audit.jsonl') },
  };
  writeFileSync(file, stringify(config));
  const entry = path.resolve(import.meta.dirname, '../src/cli/main.ts');
  return spawn(process.execPath, [entry, 'serve', '--config', file], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function upstreamServer(port: number): string {
  return `server { listen 127.0.0.1:${port}; location / { add_header X-Heard $http_x_remote_user; return 200 "${'x'.repeat(1024)}"; } }`;
}

function proxyServer(port: number, upstream: number): string {
  return `upstream app { server 127.0.0.1:${upstream}; keepalive 64; }
server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;
}

function startNginx(folder: string, name: string, servers: string): ChildProcess {
  const prefix = path.join(folder, name);
  mkdirSync(prefix, { recursive: true });
  const file = path.join(prefix, 'nginx.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${prefix}/${kind};`)
    .join(' ');
  writeFileSync(
    file,
    `master_process off; daemon off; pid ${prefix}/pid; error_log stderr warn;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000; ${paths} ${servers} }`,
  );
  return spawn('/usr/sbin/nginx', ['-p', prefix, '-c', file], { stdio: 'inherit' });
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const answer = await request(`${url}/page`).catch(() => undefined);
    await answer?.body.dump();
    if (answer) return;
    await delay(50);
  }
  throw new Error(`${url} does not answer`);
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? '0') * 1024;
}

/** proc(5): `utime` and `stime` are the twelfth and thirteenth fields behind the name, in hundredths of a second. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}
