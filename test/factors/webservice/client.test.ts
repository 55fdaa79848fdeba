/** A verification service that answers, lies, hangs, redirects and floods: only its exact word is a pass. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { accountNamed } from '../../../src/core/account.ts';
import { Failure } from '../../../src/core/failure.ts';
import { Secret } from '../../../src/core/secret.ts';
import { VerificationService } from '../../../src/factors/webservice/client.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';

const subject = { transaction: 't-1', account: accountNamed('agent1') };

async function serve(t: TestContext, answer: (response: ServerResponse, body: string) => void, timeout = 10_000) {
  const heard: { headers: IncomingMessage['headers']; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    heard.push({ headers: request.headers, body });
    answer(response, body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const at = (path: string) => new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
  const clock = manualClock();
  const options = { contacts: at('/contacts'), verify: at('/verify'), secret: new Secret('hidden-word'), timeout };
  const service = new VerificationService(options, { clock });
  t.after(() => service.close());
  return { service, heard, clock };
}

const json =
  (value: unknown, status = 200, type = 'application/json') =>
  (response: ServerResponse) =>
    void response
      .writeHead(status, { 'content-type': type })
      .end(typeof value === 'string' ? value : JSON.stringify(value));

test('webservice: requests are signed with their time', async (t) => {
  const { service, heard, clock } = await serve(t, json({ methods: [{ id: 'app', label: 'Authenticator app' }] }));
  const methods = await service.methods(subject, { email: 'agent1@example.com', phone: undefined });
  assert.deepEqual(methods, [{ id: 'app', label: 'Authenticator app' }]);
  const [{ headers, body } = { headers: {}, body: '' }] = heard;
  assert.deepEqual(JSON.parse(body), {
    transaction: 't-1',
    user: 'agent1',
    tenant: 'default',
    attributes: { email: 'agent1@example.com' },
  });
  const seconds = Math.floor(clock.now() / 1000);
  const mark = createHmac('sha256', 'hidden-word').update(`${seconds}.${body}`).digest('hex');
  assert.equal(headers['x-gatehouse-signature'], `t=${seconds},v1=${mark}`);
});

test('webservice: its four words are heard, and nothing else is a word', async (t) => {
  for (const result of ['valid', 'invalid', 'expired', 'locked'] as const) {
    const { service } = await serve(t, json({ result }));
    assert.equal(await service.verify(subject, { method: 'app', code: '012345' }), result);
  }
  const lies: readonly ((response: ServerResponse) => void)[] = [
    json({ result: 'VALID' }),
    json({ result: true }),
    json({ result: ['valid'] }),
    json({ valid: true }),
    json('"valid"'),
    json('{"result":"valid"'),
    json({ result: 'valid' }, 200, 'text/html'),
    json({ result: 'valid' }, 201),
    json({ result: 'valid' }, 401),
    json({ result: 'valid' }, 500),
    (response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
    (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(),
    (response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`${' '.repeat(70_000)}{"result":"valid"}`),
    (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.alloc(10 * 1024 * 1024, ' ')),
    (response) => void response.destroy(),
  ];
  for (const [index, lie] of lies.entries()) {
    const { service, heard } = await serve(t, lie);
    await assert.rejects(service.verify(subject, { method: 'app', code: '012345' }), (error) => {
      assert.ok(error instanceof Failure, `case ${index}: ${error}`);
      assert.equal(error.kind, 'unavailable');
      assert.doesNotMatch(`${error.message} ${error.hint}`, /012345|hidden-word/);
      return true;
    });
    assert.equal(heard.length, 1, `case ${index}: asked once`);
  }
});

test('webservice: one that hangs costs its time and no more', async (t) => {
  const { service } = await serve(t, () => undefined, 300);
  await assert.rejects(service.verify(subject, { method: 'app', code: '1' }), { reason: 'timed-out' });
});
