/**
 * `npm run bench workers`: what several workers cost a request beside one, and how many connections are lost when one of them is
 * killed while 500 new ones come each second.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pinnedTo, usualCpus } from './machine/cpus.ts';
import { cpuSeconds, treeOf } from './machine/processes.ts';

const root = path.resolve(import.meta.dirname, '..');
const perSecond = 500;
const seconds = 12;
const killAfter = 4;
const loadSeconds = 4;
const rounds = 3;

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  stop(): Promise<void>;
}

/** A gateway in front of an upstream, with so many workers; `before` are words that its command begins with. */
async function start(
  workers: number,
  upstream: number,
  port: number,
  before: readonly string[] = [],
): Promise<Running> {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-bench-workers-'));
  const file = path.join(folder, 'gatehouse.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}`, workers },
      admin: { listen: `http://127.0.0.1:${port + 1}` },
      login: { chain: ['local'] },
      session: { store: { type: 'embedded', path: 'data' } },
      providers: { local: { type: 'local', users: 'users.yaml' } },
      routes: [{ location: '/', upstream: `http://127.0.0.1:${upstream}`, access: 'public' }],
      audit: { to: 'audit.jsonl' },
    }),
  );
  const words = [...before, process.execPath, path.join(root, 'src/cli/main.ts'), 'serve', '--config', file];
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => chunk.includes('the gateway is ready') && resolve());
    void ended.then(() => reject(new Error('the gateway has not started')));
  });
  return {
    child,
    port,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What became of one connection with one request. */
type Fate = 'answered' | 'refused' | 'reset' | 'ended' | 'silent';

function oneConnection(port: number): Promise<Fate> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const end = (fate: Fate): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(fate);
    };
    const late = setTimeout(() => end('silent'), 5000);
    socket.on('connect', () => socket.write(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED' ? 'refused' : 'reset'));
    socket.once('close', () => end(/^HTTP\/1\.1 200 /.test(answer) ? 'answered' : 'ended'));
  });
}

/** Opens connections at a steady pace and kills a worker in their midst. */
async function kill(upstream: number, port: number): Promise<object> {
  const gateway = await start(2, upstream, port);
  const victim = treeOf([gateway.child.pid ?? 0]).at(-1);
  const fates: { readonly at: number; readonly fate: Promise<Fate> }[] = [];
  const startedAt = performance.now();
  let killedAt = 0;
  while (fates.length < perSecond * seconds) {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond);
    while (fates.length < Math.min(due, perSecond * seconds))
      fates.push({ at: performance.now(), fate: oneConnection(port) });
    if (killedAt === 0 && performance.now() - startedAt > killAfter * 1000) {
      killedAt = performance.now();
      process.kill(victim ?? 0, 'SIGKILL');
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const counts: Record<string, number> = {};
  const lostAt: number[] = [];
  for (const { at, fate } of fates) {
    const came = await fate;
    counts[came] = (counts[came] ?? 0) + 1;
    if (came !== 'answered') lostAt.push(Math.round(at - killedAt));
  }
  await gateway.stop();
  return { perSecond, connections: fates.length, counts, lostOpenedAtMsFromKill: lostAt.sort((a, b) => a - b) };
}

/**
 * CPU microseconds of all processes of a gateway for a request on kept connections. All share one CPU, so that the load, on
 * another, keeps every one of them busy: a process that waits between requests spends more on each.
 */
async function cost({ child, port }: Running, cpu: number): Promise<number> {
  const run = async (): Promise<number> => {
    const [taskset = '', ...words] = pinnedTo(cpu);
    const load = spawn(taskset, [...words, 'wrk', '-t1', '-c64', `-d${loadSeconds}s`, `http://127.0.0.1:${port}/`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    load.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await new Promise((resolve) => load.once('close', resolve));
    return Number(/(\d+) requests in/.exec(said)?.[1]);
  };
  await run();
  const before = cpuSeconds([child.pid ?? 0]);
  const answered = await run();
  return Math.round(((cpuSeconds([child.pid ?? 0]) - before) / answered) * 1e7) / 10;
}

/** Runs both and prints what came of them as JSON; the exit code. */
export async function benchWorkers(): Promise<number> {
  const upstream = createServer((_request, response) => void response.end('x'.repeat(1024)));
  upstream.listen(0, '127.0.0.1');
  await new Promise((resolve) => upstream.once('listening', resolve));
  const { port } = upstream.address() as AddressInfo;
  const free = port - 5000;
  const killed = [];
  for (let round = 0; round < rounds; round++) killed.push(await kill(port, free + 2 * round));
  const { proxy, load } = usualCpus();
  const pinned = pinnedTo(proxy);
  const [one, two] = [await start(1, port, free + 10, pinned), await start(2, port, free + 12, pinned)];
  const costs: [number, number][] = [];
  for (let round = 0; round < rounds; round++) costs.push([await cost(one, load), await cost(two, load)]);
  await Promise.all([one.stop(), two.stop()]);
  upstream.close();
  console.log(JSON.stringify({ killed, microsecondsOfOneAndOfTwo: costs }, null, 2));
  return 0;
}
