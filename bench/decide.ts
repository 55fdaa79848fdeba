/**
 * `npm run bench decide`: the CPU time of a decision with a live session, from the request's lines to the verdict, on the
 * embedded store with its secrets sealed as in production. Nothing is sent: the rest of a request's time is HTTP.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HeaderLines } from '../src/core/request-head.ts';
import type { GatewayRequest } from '../src/core/verdict.ts';
import { buildGateway, type Gateway } from '../src/gateway/build.ts';
import { documentSchema } from '../src/gateway/document.ts';
import { closeServices, openServices } from '../src/gateway/services.ts';
import { beginSession } from '../test/support/scenes/begin-session.ts';

const rounds = 21;
const decisions = 4000;
const warmUp = 20_000;

/** What the decisions came to. */
interface DecisionCost {
  /** CPU microseconds of one decision, the median of the rounds. */
  readonly microseconds: number;
  /** The share that was given without a promise. */
  readonly atOnce: number;
}

/** Measures and prints it. */
export async function benchDecide(): Promise<void> {
  const { microseconds, atOnce } = await costOfDecide();
  const share = `${(100 * atOnce).toFixed(1)} % without a promise`;
  console.log(`decide, live session: ${microseconds.toFixed(1)} CPU µs, ${share} (${rounds} × ${decisions})`);
}

async function costOfDecide(): Promise<DecisionCost> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-decide-'));
  const users = path.join(folder, 'users.yaml');
  await writeFile(users, 'users: {}\n');
  const document = documentSchema.parse({
    server: { publicUrl: 'http://127.0.0.1:8080' },
    login: { chain: ['local'] },
    session: { store: { type: 'embedded', path: path.join(folder, 'data') } },
    providers: { local: { type: 'local', users } },
    roles: { agent: { groups: ['agents'] } },
    routes: [{ location: '/', upstream: 'http://127.0.0.1:1', access: { roles: ['agent'] } }],
    log: { level: 'warn' },
    audit: { to: path.join(folder, 'audit.jsonl') },
  });
  const services = await openServices(document);
  const gateway = await buildGateway(document, services);
  try {
    return await measure(gateway);
  } finally {
    await gateway.close();
    await closeServices(services);
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure({ sessions, pipeline }: Gateway): Promise<DecisionCost> {
  const attributes = { name: ['Agent One'], email: ['agent1@example.com'], groups: ['agents'] };
  const { token } = await beginSession(sessions, {
    tenant: 'default',
    assertion: { realm: 'local', subject: 'agent1', amr: ['pwd'], attributes },
    provider: 'local',
    client: { address: '127.0.0.1', userAgent: 'bench' },
  });
  const run = async (count: number): Promise<number> => {
    let atOnce = 0;
    for (let index = 0; index < count; index += 1) {
      const answer = pipeline.decide(requestWith(token));
      if (!(answer instanceof Promise)) atOnce += 1;
      const { verdict } = await answer;
      assert.equal(verdict.kind, 'forward');
    }
    return atOnce;
  };
  await run(warmUp);
  const times: number[] = [];
  let atOnce = 0;
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    atOnce += await run(decisions);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / decisions);
  }
  times.sort((left, right) => left - right);
  return { microseconds: times[Math.floor(rounds / 2)] ?? Number.NaN, atOnce: atOnce / (rounds * decisions) };
}

/** A request as a browser sends it; each has lines of its own. */
function requestWith(token: string): GatewayRequest {
  const lines = ['Host', '127.0.0.1:8080', 'Accept', 'text/html', 'Accept-Language', 'en', 'User-Agent', 'bench'];
  return {
    id: 'bench',
    method: 'GET',
    target: '/page?a=1',
    headers: new HeaderLines([...lines, 'Cookie', `gatehouse=${token}`]),
    peer: '127.0.0.1',
    encrypted: false,
    upgrade: false,
    signal: new AbortController().signal,
  };
}
