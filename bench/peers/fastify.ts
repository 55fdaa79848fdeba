/** A peer for the bench: @fastify/http-proxy from a folder that npm has filled, with undici under it, and nothing else. */
import { createRequire } from 'node:module';
import path from 'node:path';

interface Application {
  register(plugin: unknown, options: object): Application;
  listen(where: { port: number; host: string; backlog: number }): Promise<string>;
}

const [port = '0', upstream = '0', folder = ''] = process.argv.slice(2);
const load = createRequire(path.join(folder, 'package.json'));
const fastify = load('fastify') as (options: object) => Application;
await fastify({ logger: false })
  .register(load('@fastify/http-proxy'), { upstream: `http://127.0.0.1:${upstream}`, undici: { connections: 128 } })
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
