/** Proxies on Node that know nobody: http-proxy-middleware, bare undici, and @fastify/http-proxy, which npm brings for the run. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../test/support/tools/free-port.ts';
import { type Contender, type Ground, startOn, strangers } from './contender.ts';

/** http-proxy-middleware on plain node:http. */
export function httpProxyMiddleware(ground: Ground): Promise<Contender> {
  return peer(ground, {
    name: 'http-proxy-middleware',
    title: 'http-proxy-middleware',
    program: 'http-proxy-middleware.ts',
  });
}

/** What undici costs behind node:http, with nothing round it. */
export function bareUndici(ground: Ground): Promise<Contender> {
  return peer(ground, { name: 'undici', title: 'node:http and bare undici', program: 'undici.ts' });
}

const fastifyPackages = ['fastify@5.12.8', '@fastify/http-proxy@11.6.3'];

/** @fastify/http-proxy, which is no dependency of this tree: npm installs it into a folder of its own, which later runs use again. */
export function fastifyHttpProxy(ground: Ground): Promise<Contender> {
  const folder = path.join(tmpdir(), `gatehouse-bench-${fastifyPackages.join('-').replace(/[^\w.]+/g, '-')}`);
  if (!existsSync(path.join(folder, 'node_modules', '@fastify', 'http-proxy'))) {
    mkdirSync(folder, { recursive: true });
    const words = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    const { status, stderr } = spawnSync('npm', [...words, ...fastifyPackages], { encoding: 'utf8', timeout: 120_000 });
    if (status !== 0)
      throw new Error(`npm cannot install ${fastifyPackages.join(' ')}: ${stderr?.trim().split('\n')[0]}`);
  }
  return peer(ground, {
    name: 'fastify-http-proxy',
    title: '@fastify/http-proxy',
    program: 'fastify.ts',
    words: [folder],
  });
}

interface Peer {
  readonly name: string;
  readonly title: string;
  readonly program: string;
  readonly words?: readonly string[];
}

async function peer(ground: Ground, { name, title, program, words = [] }: Peer): Promise<Contender> {
  const port = await freePort();
  const file = path.join(import.meta.dirname, '../peers', program);
  const running = await startOn(ground.cpus.proxy, process.execPath, [
    file,
    String(port),
    String(ground.upstream),
    ...words,
  ]);
  return {
    name,
    title,
    url: `http://127.0.0.1:${port}`,
    roots: [running.pid],
    users: strangers(ground.users),
    hears: undefined,
    end: running.end,
  };
}
