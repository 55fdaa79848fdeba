/** Text messages by HTTP: what the gateway gets, and what it says, lies, or does not say. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../src/core/failure.ts';
import { Secret } from '../../src/core/secret.ts';
import type { SmsGatewayOptions } from '../../src/messages/options.ts';
import { SmsGateway } from '../../src/messages/sms-gateway.ts';

const message = { to: '+33612345678', from: 'ACME', text: 'Code 012345' };
const fields = { to: `\${to}`, from: `\${from}`, text: `\${text}`, kind: 'sms' };

interface Heard {
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A gateway of a test, which answers as told. */
async function serve(t: TestContext, answer: (response: ServerResponse) => void) {
  const heard: Heard[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    heard.push({ url: request.url, headers: request.headers, body });
    answer(response);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/messages`) };
}

function gatewayFor(t: TestContext, url: URL, parts: Partial<SmsGatewayOptions> = {}): SmsGateway {
  const options = {
    url,
    body: 'json' as const,
    fields,
    headers: { Authorization: new Secret('Bearer hidden-word') },
    timeout: 10_000,
  };
  const gateway = new SmsGateway({ ...options, ...parts });
  t.after(() => gateway.close());
  return gateway;
}

async function failureOf(sent: Promise<void>): Promise<Failure> {
  const error = await sent.then(
    () => assert.fail('the message was taken'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failure, String(error));
  assert.doesNotMatch(`${error.message} ${error.hint}`, /hidden-word|012345|33612345678/);
  return error;
}

test('SMS gateway: a message is posted as configured, and what it holds is text', async (t) => {
  const { heard, url } = await serve(t, (response) => response.writeHead(202).end());
  await gatewayFor(t, url).send({ ...message, text: `\${from} "quoted"\n&x=1` });
  await gatewayFor(t, url, { body: 'form' }).send({ ...message, text: 'a&to=+15550000000' });
  assert.equal(heard[0]?.headers.authorization, 'Bearer hidden-word');
  assert.deepEqual(JSON.parse(heard[0]?.body ?? ''), {
    to: message.to,
    from: 'ACME',
    text: `\${from} "quoted"\n&x=1`,
    kind: 'sms',
  });
  const form = new URLSearchParams(heard[1]?.body);
  assert.deepEqual(form.getAll('to'), [message.to]);
  assert.equal(form.get('text'), 'a&to=+15550000000');
});

test('SMS gateway: only a 2xx is a message that is on its way', async (t) => {
  const cases = [
    [400, 'send-failed'],
    [401, 'misconfigured'],
    [429, 'unreachable'],
    [503, 'unreachable'],
    [302, 'send-failed'],
  ] as const;
  for (const [status, reason] of cases) {
    const other = await serve(t, (response) => response.end());
    const { url, heard } = await serve(t, (response) => response.writeHead(status, { location: other.url.href }).end());
    const failure = await failureOf(gatewayFor(t, url).send(message));
    assert.deepEqual([failure.reason, failure.answer], [reason, status]);
    assert.equal(heard.length, 1, 'asked once');
    assert.equal(other.heard.length, 0, 'a redirect is not followed');
  }
});

test('SMS gateway: one that hangs, hangs up, or answers without end costs its time and no more', async (t) => {
  const hung = await serve(t, () => undefined);
  assert.equal((await failureOf(gatewayFor(t, hung.url, { timeout: 300 }).send(message))).reason, 'timed-out');
  const broken = await serve(t, (response) => response.destroy());
  assert.equal((await failureOf(gatewayFor(t, broken.url).send(message))).reason, 'unreachable');
  const endless = await serve(t, (response) => response.end(Buffer.alloc(10 * 1024 * 1024)));
  assert.equal((await failureOf(gatewayFor(t, endless.url).send(message))).reason, 'protocol-error');
});
