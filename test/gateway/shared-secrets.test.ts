/** Shared secrets of services over a whole gateway: what upstreams see, two generations, the lock-out, and nothing in a log. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { credentials, status } from '@grpc/grpc-js';
import { siteConfig } from '../support/scenes/site.ts';
import { type TwoListeners, twoListeners } from '../support/scenes/two-listeners.ts';
import { grpcClient, startGrpcServer } from '../support/servers/grpc-server.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { assertNoSecrets } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const present = 'Present-secret.4417';
const previous = 'Previous-secret.9920';
const other = 'Another-secret.1234';
const until = Date.now() + 3_600_000;

interface Scene extends TwoListeners {
  readonly clock: ReturnType<typeof manualClock>;
  /** The status of a request with these Authorization lines. */
  ask(...authorization: readonly string[]): Promise<number | undefined>;
  /** What the upstream has received under Authorization, request by request. */
  received(): readonly (string | undefined)[];
}

async function scene(t: TestContext, send: unknown = undefined, config: object = {}): Promise<Scene> {
  const clock = manualClock(Date.now() + 60_000);
  const started = await twoListeners(t, { clock });
  const { upstream, port, write, running, listeners, get, clients } = started;
  await write({
    ...siteConfig(upstream.origin),
    routes: [{ name: 'media', location: '/', upstream: upstream.origin, service: 'media', access: 'peers' }],
    services: { media: { admit: 'any', secret: 'media' } },
    sharedSecrets: {
      media: {
        secret: present,
        previous: { secret: previous, until: new Date(until).toISOString() },
        ...(send !== undefined && { send }),
      },
    },
    server: { listen: undefined, publicUrl: `https://people.test:${port}`, drain: '1s' },
    listeners,
    ...config,
  });
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
  const ask = async (...authorization: readonly string[]) => {
    const headers =
      authorization.length > 0
        ? { authorization: authorization.length > 1 ? [...authorization] : authorization[0] }
        : {};
    return (
      await get('machines.test', { client: clients.good, path: '/call', headers: headers as Record<string, string> })
    ).status;
  };
  const received = () => upstream.received.map((request) => request.values('authorization').join(' | ') || undefined);
  return { ...started, clock, ask, received };
}

test('shared secrets: the right one lets in, and the application never sees it', async (t) => {
  const { ask, received, http2, clients, get, lines } = await scene(t);
  assert.equal(await ask(`Bearer ${present}`), 200);
  assert.equal(await ask(`bearer ${previous}`), 200);
  const session = http2('machines.test', clients.good);
  const call = session.request({ ':path': '/call', authorization: `Bearer ${present}` }).resume();
  const [headers] = (await once(call, 'response')) as [Record<string, unknown>];
  assert.equal(headers[':status'], 200);
  assert.deepEqual(received(), [undefined, undefined, undefined]);
  assert.equal(
    (
      await get('machines.test', {
        client: clients.foreign,
        path: '/call',
        headers: { authorization: `Bearer ${present}` },
      })
    ).status,
    403,
    'the certificate counts as well',
  );
  assert.equal(received().length, 3);
  assertNoSecrets(lines.join(''), [present, previous]);
});

test('shared secrets: missing, wrong, doubled, as a query or in another form is 401, and nothing goes on', async (t) => {
  const { ask, received, get, clients, lines } = await scene(t);
  assert.equal(await ask(), 401);
  assert.equal(await ask(`Bearer ${other}`), 401);
  assert.equal(await ask(`Bearer ${present}x`), 401);
  assert.equal(await ask(`Basic ${Buffer.from(`x:${present}`).toString('base64')}`), 401);
  assert.equal(await ask(present), 401);
  const query = await get('machines.test', { client: clients.good, path: `/call?access_token=${present}` });
  assert.equal(query.status, 401);
  const doubled = await get('machines.test', {
    client: clients.good,
    path: '/call',
    headers: { authorization: `Bearer ${present}, Bearer ${present}` },
  });
  assert.equal(doubled.status, 401);
  assert.deepEqual(received(), []);
  assert.ok(
    lines.some((line) => line.includes('secret-missing')) && lines.some((line) => line.includes('secret-wrong')),
  );
  assertNoSecrets(lines.filter((line) => !line.includes('access_token')).join(''), [present, other]);
});

test('shared secrets: the one before counts to its time, and who still has it is a metric', async (t) => {
  const { ask, clock, admin } = await scene(t);
  assert.equal(await ask(`Bearer ${previous}`), 200);
  const metrics = await (await fetch(new URL('/metrics', admin))).text();
  assert.match(metrics, /gatehouse_shared_secret_uses_total\{secret="media",generation="previous"\} 1/);
  clock.advance(3_600_000);
  assert.equal(await ask(`Bearer ${previous}`), 401);
  assert.equal(await ask(`Bearer ${present}`), 200);
});

for (const [send, want] of [
  ['pass', `Bearer ${present}`],
  [{ secret: 'what the application knows' }, 'Bearer what the application knows'],
] as const)
  test(`shared secrets: send ${typeof send === 'string' ? send : 'another'} is what the application gets`, async (t) => {
    const { ask, received } = await scene(t, send);
    assert.equal(await ask(`Bearer ${present}`), 200);
    assert.deepEqual(received(), [want]);
  });

test('shared secrets: an address that guesses is locked out, also with the right one then', async (t) => {
  const login = { chain: ['local'], lockout: { address: 5 } };
  const { ask, received } = await scene(t, undefined, { login });
  for (let guess = 0; guess < 5; guess++) assert.equal(await ask(`Bearer ${other}${guess}`), 401);
  assert.equal(await ask(`Bearer ${present}`), 429);
  assert.deepEqual(received(), []);
});

test('shared secrets: gRPC shows it as metadata, and gets its refusal as a status', async (t) => {
  const server = await startGrpcServer(t);
  const started = await twoListeners(t, { clock: manualClock(Date.now() + 60_000) });
  const { port, write, running, upstream, clients } = started;
  const { good, ca } = testCertificates();
  const clientCertificates = { ask: 'required', authorities: ca };
  const target = { servers: [`http://127.0.0.1:${server.port}`], protocol: 'grpc' };
  await write({
    ...siteConfig(upstream.origin),
    routes: [{ location: '/test.Media/', upstream: target, service: 'media', access: 'peers' }],
    services: { media: { admit: 'any', secret: 'media' } },
    sharedSecrets: { media: { secret: present } },
    server: { listen: undefined, publicUrl: `https://localhost:${port}`, drain: '1s' },
    listeners: { machines: { listen: `https://127.0.0.1:${port}`, tls: good, clientCertificates } },
  });
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
  const { certificate, key } = clients.good;
  const own = credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(certificate));
  const client = grpcClient(t, `localhost:${port}`, own);
  const said = await client.unary('say', 'hello', { metadata: { authorization: `Bearer ${present}` } });
  assert.partialDeepStrictEqual(said, { code: status.OK, values: ['you said hello'] });
  assert.equal(server.metadata[0]?.authorization, undefined);
  const wrong = await client.unary('say', 'hello', { metadata: { authorization: `Bearer ${other}` } });
  assert.equal(wrong.code, status.UNAUTHENTICATED);
  assert.equal((await client.unary('say', 'hello')).code, status.UNAUTHENTICATED);
  assert.equal(server.metadata.length, 1);
});

test('shared secrets: check names what a secret lacks, and where it has no place', async (t) => {
  const folder = await temporaryFolder(t);
  const { good, ca } = testCertificates();
  const config = path.join(folder, 'gatehouse.yaml');
  writeFileSync(
    config,
    `server: { publicUrl: "https://localhost" }\nlisteners:\n  m: { listen: "https://127.0.0.1:8443", tls: { certificate: ${good.certificate}, key: ${good.key} }, clientCertificates: { ask: required, authorities: ${ca} } }\n` +
      'login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\n' +
      'services: { media: { secret: media }, data: { secret: nothing } }\nsharedSecrets: { media: { secret: sesame-123 } }\n' +
      'routes: [{ location: /, upstream: "http://127.0.0.1:1", service: media, access: { basic: true } }]\n',
  );
  const { code, stderr } = await run(['check', '--config', config]);
  assert.equal(code, 1);
  assert.match(stderr, /sharedSecrets\.media\.secret: has not an upper-case letter/);
  assert.doesNotMatch(stderr, /sesame/);
  writeFileSync(config, readFileSync(config, 'utf8').replace('sesame-123', 'Sesame-123'));
  const second = await run(['check', '--config', config]);
  assert.match(second.stderr, /services\.data\.secret: .*nothing/);
  assert.match(second.stderr, /routes\[0\]\.access\.basic: reads the Authorization line/);
});
