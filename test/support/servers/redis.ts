/** A real redis-server on a free port, with its own folder and process, ended with the test. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { redisOptions } from '../../../src/store/redis/options.ts';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';
import { endServer, hasEnded, type ServerProcess, startServer } from './server-process.ts';

const program = '/usr/bin/redis-server';

/** Options for a test that needs Redis: without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsRedis = {
  skip: existsSync(program) || process.env.CI ? false : `${program} is not installed: apt-get install redis-server`,
};

/** A running server. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** A client of the test's own, which is let in by the password, where there is one. */
  readonly client: Redis;
  /** Stops it as a machine does that hangs. */
  freeze(): void;
  thaw(): void;
  /** Kills it. */
  kill(): Promise<void>;
  /** Starts it again on its port, after `kill`. */
  start(): Promise<void>;
}

/** Starts a server with these lines of configuration beside its port; it ends, and its folder goes, with the test. */
export async function startRedis(
  t: TestContext,
  lines: readonly string[] = [],
  { password, isSecure = false }: { password?: string; isSecure?: boolean } = {},
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-redis-'));
  const port = await freePort();
  const listens = isSecure ? [`tls-port ${port}`, 'port 0'] : [`port ${port}`];
  const common = [
    'bind 127.0.0.1',
    `dir ${folder}`,
    `logfile ${folder}/log`,
    'save ""',
    'appendonly no',
    'databases 4',
  ];
  writeFileSync(join(folder, 'redis.conf'), [...common, ...listens, ...lines, ''].join('\n'));
  let child: ServerProcess | undefined;
  const tls = isSecure ? { tls: { rejectUnauthorized: false } } : {};
  const client = new Redis({
    ...{ port, lazyConnect: true, enableReadyCheck: false, maxRetriesPerRequest: 0, retryStrategy: () => null, ...tls },
    ...(password !== undefined && { password }),
  });
  client.on('error', () => undefined);
  const start = async (): Promise<void> => {
    const running = startServer(program, [join(folder, 'redis.conf'), ...(isSentinel(lines) ? ['--sentinel'] : [])]);
    child = running;
    await until('redis-server answers', async () => {
      if (hasEnded(running)) throw new Error(`redis-server ended: ${readFileSync(join(folder, 'log'), 'utf8')}`);
      return (client.status === 'ready' || (await client.connect().then(...yes))) && (await client.ping().then(...yes));
    });
  };
  t.after(async () => {
    client.disconnect();
    if (child) await endServer(child);
    rmSync(folder, { recursive: true, force: true });
  });
  await start();
  return {
    port,
    url: `${isSecure ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    client,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    kill: async () => {
      if (child) await endServer(child);
    },
    start,
  };
}

const yes = [() => true, () => false] as const;

function isSentinel(lines: readonly string[]): boolean {
  return lines.some((line) => line.startsWith('sentinel '));
}

/** A file of sealing keys with one key, `seed` telling keys apart. */
export function sealKeyFile(folder: string, seed = 1): string {
  const file = join(folder, `seal-${seed}.key`);
  writeFileSync(file, `${Buffer.alloc(32, seed).toString('base64url')}\n`, { mode: 0o600 });
  return file;
}

/** Options of a store as a configuration has them. */
export function redisStoreOptions(url: string, file: string, more: Readonly<Record<string, unknown>> = {}) {
  return redisOptions.parse({ type: 'redis', url, sealKey: { file }, ...more });
}
