/** gRPC through a whole gateway, by grpc-js at both ends: calls of each kind, how they end, and what a session has to do with them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2, { type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { credentials, ServerCredentials, status } from '@grpc/grpc-js';
import { httpsSite } from '../support/scenes/https-site.ts';
import { passwords } from '../support/scenes/site.ts';
import { type GrpcServer, grpcClient, startGrpcServer } from '../support/servers/grpc-server.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { until } from '../support/tools/poll.ts';

const { good, ca } = testCertificates();

async function grpcSite(t: TestContext, route: object = {}, secure = false) {
  const keys = [{ private_key: readFileSync(good.key), cert_chain: readFileSync(good.certificate) }];
  const server = await startGrpcServer(t, secure ? ServerCredentials.createSsl(null, keys) : undefined);
  const url = secure ? `https://localhost:${server.port}` : `http://127.0.0.1:${server.port}`;
  const site = await httpsSite(t, {
    config: {
      routes: [
        {
          ...{ location: '/test.Media/', access: 'public' },
          upstream: { servers: [url], protocol: 'grpc', ...(secure && { ca }) },
          ...route,
        },
        {
          location: '/closed.Media/',
          access: 'deny',
          upstream: { servers: [url], protocol: 'grpc', ...(secure && { ca }) },
        },
      ],
    },
  });
  const client = grpcClient(t, `localhost:${site.port}`, credentials.createSsl(readFileSync(ca)));
  return { site, server, client };
}

for (const secure of [false, true])
  test(`gRPC: calls of each kind go through, to a server ${secure ? 'over TLS' : 'in the clear'}, with their trailers`, async (t) => {
    const { client, server } = await grpcSite(t, {}, secure);
    const said = await client.unary('say', 'hello', { metadata: { 'x-mine': 'yes' } });
    assert.partialDeepStrictEqual(said, { code: status.OK, values: ['you said hello'] });
    assert.deepEqual(said.trailers['x-count'], ['7']);
    assert.deepEqual(said.trailers['blob-bin'], [Buffer.from([0, 1, 255])]);
    assert.deepEqual(server.metadata[0]?.['x-mine'], ['yes']);
    const counted = await client.stream('count', '500');
    assert.equal(counted.code, status.OK);
    assert.equal(counted.values.length, 500);
    assert.equal(counted.values.at(-1), '499');
    const chat = await client.duplex('chat', ['a', 'b', 'c']);
    assert.partialDeepStrictEqual(chat, { code: status.OK, values: ['echo a', 'echo b', 'echo c'] });
    const failed = await client.unary('fail', 'x');
    assert.partialDeepStrictEqual(failed, { code: status.FAILED_PRECONDITION, details: 'näh' });
    assert.deepEqual(failed.trailers['x-count'], ['7']);
  });

test('gRPC: a deadline ends the call at both ends, and a cancellation reaches the server', async (t) => {
  const { client, server } = await grpcSite(t);
  const late = await client.unary('wait', 'x', { deadline: 150 });
  assert.equal(late.code, status.DEADLINE_EXCEEDED);
  await until('the server hears of it', () => server.cancelled() === 1, 2000);
  const ended = await client.stream('die', 'x', (_value, cancel) => cancel());
  assert.equal(ended.code, status.CANCELLED);
  await until('the server hears of the cancellation', () => server.cancelled() === 2, 2000);
});

test('gRPC: a server that dies in a stream is UNAVAILABLE, as one that is not there', async (t) => {
  const { client, server } = await grpcSite(t);
  const ended = await client.stream('die', 'x', () => server.kill());
  assert.equal(ended.code, status.UNAVAILABLE);
  assert.deepEqual(ended.values, ['first']);
  const gone = await client.unary('say', 'x');
  assert.equal(gone.code, status.UNAVAILABLE);
  assert.equal(gone.details, 'The application does not answer.');
  assert.match(String(gone.trailers['x-request-id']), /./);
});

test('gRPC: refusals are statuses, nothing reaches the server, and identity cannot be brought', async (t) => {
  const { site, client, server } = await grpcSite(t, { access: { roles: [] } });
  assert.equal((await client.unary('say', 'x')).code, status.UNAUTHENTICATED);
  assert.equal(server.metadata.length, 0);
  const { client: open, server: other } = await grpcSite(t);
  const forged = { 'x-remote-user': 'admin', x_remote_user: 'admin', 'x-gatehouse-peer-bin': 'AAAA' };
  assert.equal((await open.unary('say', 'x', { metadata: forged })).code, status.OK);
  for (const name of Object.keys(forged)) assert.equal(other.metadata[0]?.[name], undefined, name);
  const session = site.http2();
  const plain = session.request({ ':path': '/test.Media/Say', ':method': 'POST', 'content-type': 'application/json' });
  plain.end('{}');
  const answer = await new Promise<Record<string, unknown>>((resolve) => plain.once('response', resolve));
  assert.equal(answer[':status'], 401);
});

test('gRPC: the end of a session ends its calls', async (t) => {
  const { site, server } = await grpcSite(t, { access: { roles: [] } });
  const visitor = site.visitor('h2');
  await visitor.mustSignIn('agent1', passwords.agent1);
  const cookie = visitor.cookieHeader;
  const client = grpcClient(t, `localhost:${site.port}`, credentials.createSsl(readFileSync(ca)));
  const running = client.unary('wait', 'x', { metadata: { cookie: cookie } });
  await until('the call runs', () => server.running() === 1);
  const began = performance.now();
  await visitor.post('/_gate/logout', {});
  assert.equal((await running).code, status.CANCELLED);
  assert.ok(performance.now() - began < 2000);
  await until('the server hears of it', () => server.cancelled() === 1, 2000);
});

test('HTTP/2 upstreams: pages go through to h2 and h2c servers, bodies both ways, from HTTP/1.1 and HTTP/2', async (t) => {
  const echo = (stream: ServerHttp2Stream): void => {
    stream.respond({ ':status': 201, 'x-from': 'h2', 'set-cookie': ['a=1', 'b=2'] });
    stream.pipe(stream);
  };
  const clear = http2.createServer().on('stream', echo);
  const secure = http2
    .createSecureServer({ key: readFileSync(good.key), cert: readFileSync(good.certificate) })
    .on('stream', echo);
  const ports: number[] = [];
  for (const server of [clear, secure]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
    t.after(() => server.close());
  }
  const site = await httpsSite(t, {
    config: {
      routes: [
        {
          location: '/clear/',
          access: 'public',
          upstream: { servers: [`http://127.0.0.1:${ports[0]}`], protocol: 'h2c' },
        },
        {
          location: '/secure/',
          access: 'public',
          upstream: { servers: [`https://localhost:${ports[1]}`], protocol: 'h2', ca },
        },
      ],
    },
  });
  for (const protocol of ['h1', 'h2'] as const)
    for (const path of ['/clear/x', '/secure/x']) {
      const answer = await site.visitor(protocol).post(path, { text: 'y'.repeat(300_000) });
      assert.deepEqual([answer.status, answer.text.length], [201, 300_005], `${protocol} ${path}`);
      assert.equal(answer.headers['x-from'], 'h2');
    }
});

test('HTTP/2 upstreams: a server that leaves ends what it has begun, and what comes next goes to a connection of its own', async (t) => {
  let connections = 0;
  const server = http2.createServer();
  server.on('session', () => {
    connections += 1;
  });
  server.on('stream', (stream) => {
    if (connections === 1) stream.session?.goaway(0);
    stream.respond({ ':status': 200 });
    setTimeout(() => stream.end(`by ${connections}`), 50);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const upstream = { servers: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`], protocol: 'h2c' };
  const site = await httpsSite(t, { config: { routes: [{ location: '/', access: 'public', upstream }] } });
  const visitor = site.visitor('h1');
  const first = await visitor.fetch('/one');
  assert.deepEqual([first.status, first.text], [200, 'by 1']);
  const second = await visitor.fetch('/two');
  assert.deepEqual([second.status, second.text], [200, 'by 2']);
});

test('gRPC: what is no gRPC call is 415 on such a location', async (t) => {
  const { site, server } = await grpcSite(t);
  const answer = await site.visitor('h1').post('/test.Media/Say', { x: '1' });
  assert.equal(answer.status, 415);
  assert.equal(server.metadata.length, 0);
});

test('gRPC: a thousand calls that are opened and cancelled leave nothing behind', async (t) => {
  const { site, server, client } = await grpcSite(t);
  const session = site.http2();
  for (let index = 0; index < 1000 && !session.destroyed; index += 1) {
    const stream = session.request({
      ':path': '/test.Media/Wait',
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    stream.close();
  }
  await until('nothing runs at the server', () => quiet(server), 5000);
  assert.equal((await client.unary('say', 'x')).code, status.OK);
});

function quiet(server: GrpcServer): boolean {
  return server.running() === 0;
}
