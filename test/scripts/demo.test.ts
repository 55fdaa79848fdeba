/** The demo contact center: its eight applications, what they say of their user, and what is live. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { apps } from '../../scripts/demo/apps.ts';
import { type Demo, startDemo } from '../../scripts/demo/server.ts';
import { OperatorError } from '../../src/core/errors.ts';
import { readDocument } from '../pages/document.ts';

/** A gateway's published keys, and a way to sign with them. */
async function keyServer(t: TestContext) {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'EdDSA' }];
  const server = createServer((request, response) => {
    if (request.url === '/_gate/jwks.json')
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    else response.writeHead(404).end();
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sign = (audience: string, subject = 'agent1', issuer = url): Promise<string> =>
    new SignJWT({ roles: ['agent'] })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
      .setSubject(subject)
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('60s')
      .sign(privateKey);
  return { url, sign };
}

async function demo(t: TestContext, gatewayUrl = 'http://127.0.0.1:1'): Promise<Demo> {
  const running = await startDemo({ port: 0, gatewayUrl });
  t.after(() => running.close());
  return running;
}

test('demo: each of the eight applications has its own pages, without one belonging to another', async (t) => {
  const { url } = await demo(t);
  assert.equal(apps.length, 8);
  for (const app of apps)
    for (const page of ['/', '/live', '/form', '/trouble', '/forbidden', '/broken', '/nothing']) {
      const response = await fetch(`${url}${app.path}${page}`);
      assert.equal(response.status, { '/forbidden': 403, '/broken': 500, '/nothing': 404 }[page] ?? 200);
      const elements = readDocument(await response.text());
      assert.ok(
        elements.some(({ name, attributes }) => name === 'body' && attributes.get('class') === `app-${app.id}`),
      );
      const sheet = elements.find(({ attributes }) => attributes.get('rel') === 'stylesheet')?.attributes.get('href');
      assert.equal((await fetch(url + sheet)).headers.get('content-type'), 'text/css; charset=utf-8');
    }
});

test('demo: a genuine assertion is verified and its claims are shown', async (t) => {
  const gateway = await keyServer(t);
  const { url } = await demo(t, gateway.url);
  const headers = {
    'x-remote-user': 'agent1',
    'x-remote-name': 'Am%C3%A9lie',
    'x-gatehouse-assertion': await gateway.sign(url),
  };
  const page = await (await fetch(`${url}/ccagent`, { headers })).text();
  assert.match(page, /class="verdict good"/);
  assert.match(page, /<dt>sub<\/dt><dd>agent1<\/dd>/);
  assert.match(page, /<b>Amélie<\/b>/);
  assert.ok(!page.includes(headers['x-gatehouse-assertion']), 'the whole token is not printed');
});

test('demo: an assertion for another application, of another issuer, or a forged one is refused', async (t) => {
  const gateway = await keyServer(t);
  const { url } = await demo(t, gateway.url);
  const forged = (await gateway.sign(url)).replace(/\.[^.]{10}/, '.AAAAAAAAAA');
  for (const token of [
    await gateway.sign('http://elsewhere'),
    await gateway.sign(url, 'agent1', 'http://evil'),
    forged,
  ]) {
    const page = await (await fetch(`${url}/`, { headers: { 'x-gatehouse-assertion': token } })).text();
    assert.match(page, /class="verdict bad"/);
    assert.doesNotMatch(page, /class="verdict good"/);
  }
});

test('demo: the socket gives figures at once and says back what it hears', async (t) => {
  const { url } = await demo(t);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ccmanager/ws`);
  t.after(() => socket.terminate());
  const [first] = await once(socket, 'message');
  assert.equal(JSON.parse(String(first)).queues.length, 4);
  socket.send('hello');
  for (;;) {
    const [data] = await once(socket, 'message');
    const message = JSON.parse(String(data));
    if (message.type !== 'echo') continue;
    assert.equal(message.text, 'hello');
    return;
  }
});

test('demo: an upgrade anywhere else is refused', async (t) => {
  const { url } = await demo(t);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ccmanager/live`);
  const [, response] = await once(socket, 'unexpected-response');
  assert.equal(response.statusCode, 404);
  socket.on('error', () => undefined).terminate();
});

test('demo: the event stream brings news, and ends when the demo closes', async (t) => {
  const { url, close } = await startDemo({ port: 0, gatewayUrl: 'http://127.0.0.1:1' });
  const response = await fetch(`${url}/ccagent/stream`, { signal: t.signal });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await reader.read()).value ?? '', /^retry: 1000\nid: \d+\ndata: \d\d:\d\d:\d\d .+\n\n$/);
  await close();
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  });
});

test('demo: a form arrives, and what it says is shown as text', async (t) => {
  const { url } = await demo(t);
  const body = new URLSearchParams({ subject: '<b>x', note: 'y' });
  const page = await (await fetch(`${url}/configmgt/form`, { method: 'POST', body })).text();
  assert.match(page, /<dt>subject<\/dt><dd>&lt;b&gt;x<\/dd>/);
});

test('demo: a port that is taken is named', async (t) => {
  const { url } = await demo(t);
  const port = Number(new URL(url).port);
  await assert.rejects(startDemo({ port, gatewayUrl: 'http://127.0.0.1:1' }), (error) => {
    assert.ok(error instanceof OperatorError);
    return error.message.includes(String(port));
  });
});
