/** `gatehouse serve` with several workers as processes of their own, and visitors whose connection is at a worker of one's choice. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, buildConnector } from 'undici';
import { stringify } from 'yaml';
import { startUpstream, type TestUpstream } from '../servers/upstream.ts';
import { testCertificates } from '../tools/certificates.ts';
import { type Program, run, start } from '../tools/command.ts';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';
import type { Yaml } from './gateway.ts';
import { passwords, siteConfig } from './site.ts';
import { Visitor } from './visitor.ts';

/** A site of several processes. */
export interface WorkerSite {
  readonly program: Program;
  readonly upstream: TestUpstream;
  readonly url: URL;
  readonly tlsPort: number;
  readonly admin: URL;
  readonly folder: string;
  readonly file: string;
  /** Process ids by worker, as they are at this moment. */
  pids(): ReadonlyMap<number, number>;
  /** A visitor with one connection, which the kernel has given to a worker; every visitor of the same cookies is the same browser. */
  visitorAt(worker: number, cookies?: Map<string, string>): Promise<WorkerVisitor>;
  /** The workers that have a connection to a port open. */
  holders(port: number): ReadonlySet<number>;
  /** Another configuration in the place of the file; nobody is told. */
  write(config?: Yaml): Promise<void>;
  /** The parsed answer of the admin listener. */
  ask(target: string): Promise<Record<string, unknown>>;
  /** A command of the site's configuration. */
  command(...words: readonly string[]): ReturnType<typeof run>;
  /** The records of the audit's file; throws where a line is none. */
  audit(): Promise<readonly Record<string, unknown>[]>;
}

/** A visitor, and the connection that it has. */
export interface WorkerVisitor extends Visitor {
  /** How many connections it has made: one as long as nobody has ended it. */
  connections(): number;
}

/** Starts one with two workers. */
export async function workerSite(t: TestContext, config: Yaml = {}): Promise<WorkerSite> {
  const folder = await temporaryFolder(t);
  const upstream = await startUpstream(t);
  const [port, tlsPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const file = path.join(folder, 'gatehouse.yaml');
  const url = new URL(`http://127.0.0.1:${port}`);
  const base: Yaml = {
    ...siteConfig(upstream.origin),
    server: {
      listen: [url.origin, `https://127.0.0.1:${tlsPort}`],
      tls: testCertificates().good,
      publicUrl: url.origin,
      workers: 2,
      drain: '5s',
    },
    admin: { listen: `http://127.0.0.1:${adminPort}` },
    login: { chain: ['local'] },
    session: { store: { type: 'embedded', path: 'data' } },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    audit: { to: 'audit.jsonl' },
  };
  const write = (more: Yaml = {}): Promise<void> => writeFile(file, stringify({ ...base, ...config, ...more }));
  await write();
  for (const [name, password] of Object.entries(passwords))
    await run(['users', 'add', name, '--groups', 'agents,supervisors', '--config', file], { stdin: `${password}\n` });
  const program = start(t, ['serve', '--config', file]);
  await program.said('the gateway is ready');
  const admin = new URL(`http://127.0.0.1:${adminPort}`);
  const pids = (): ReadonlyMap<number, number> => workersOf(program.child.pid ?? 0);
  return {
    ...{ program, upstream, url, tlsPort, admin, folder, file, pids, write },
    holders: (to) => {
      const inodes = inodesTo(to);
      return new Set([...pids()].flatMap(([worker, pid]) => (sockets(pid).isDisjointFrom(inodes) ? [] : [worker])));
    },
    visitorAt: async (worker, cookies) => {
      for (;;) {
        const visitor = await connected(t, url, cookies);
        const pid = pids().get(worker);
        if (pid !== undefined && sockets(pid).has(inodeOf(port, visitor.localPort()))) return visitor;
      }
    },
    ask: async (target) => (await (await fetch(new URL(target, admin))).json()) as Record<string, unknown>,
    command: (...words) => run([...words, '--config', file]),
    audit: async () => {
      const text = await readFile(path.join(folder, 'audit.jsonl'), 'utf8');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

/** A visitor who has been served once, so that its connection is somebody's. */
async function connected(t: TestContext, url: URL, cookies?: Map<string, string>) {
  let [port, made] = [0, 0];
  const connect = buildConnector({});
  const agent = new Agent({
    connections: 1,
    keepAliveTimeout: 60_000,
    connect: (options, done) =>
      connect(options, (error, socket) => {
        made += 1;
        port = socket?.localPort ?? 0;
        if (error) done(error, null);
        else done(null, socket);
      }),
  });
  t.after(() => agent.destroy());
  const visitor = new Visitor(url, agent, cookies);
  await visitor.fetch('/public');
  return Object.assign(visitor, { localPort: () => port, connections: () => made });
}

/** The workers of a process, by the names that they give themselves. */
function workersOf(leader: number): ReadonlyMap<number, number> {
  const children = readFileSync(`/proc/${leader}/task/${leader}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return new Map(
    children.flatMap((pid) => {
      const worker = /^gatehouse worker (\d+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1];
      return worker === undefined ? [] : [[Number(worker), Number(pid)] as const];
    }),
  );
}

/** The sockets that a process holds. */
function sockets(pid: number): ReadonlySet<string> {
  const folder = `/proc/${pid}/fd`;
  return new Set(
    readdirSync(folder).flatMap((name) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(path.join(folder, name)))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
}

/** The socket of our end of a connection. */
function inodeOf(local: number, remote: number): string {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
  const place = new RegExp(`^\\s*\\d+: \\w+:${hex(local)} \\w+:${hex(remote)} (?:\\S+\\s+){6}(\\d+)`, 'm');
  return place.exec(readFileSync('/proc/net/tcp', 'utf8'))?.[1] ?? '';
}

/** The sockets of connections to a port that are open. */
function inodesTo(port: number): ReadonlySet<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const place = new RegExp(`^\\s*\\d+: \\S+ \\w+:${hex} 01 (?:\\S+\\s+){5}(\\d+)`, 'gm');
  return new Set([...readFileSync('/proc/net/tcp', 'utf8').matchAll(place)].map(([, inode = '']) => inode));
}

/** Waits until all workers take requests. */
export async function untilWhole(site: Pick<WorkerSite, 'ask'>): Promise<void> {
  await until('all workers live', async () => {
    const { workers } = (await site.ask('/health/ready')) as { workers?: { live: number; of: number } };
    return workers !== undefined && workers.live === workers.of;
  });
}
