/** A working day in a real browser: signing in, a page, live data, a script whose session is over, signing out. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords } from '../support/scenes/site.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const page = `<!doctype html><title>Desk</title><h1>Desk</h1><script>
  window.ends = {};
  const socket = new WebSocket('ws://' + location.host + '/live');
  socket.onmessage = ({ data }) => { window.heard = data; };
  socket.onopen = () => socket.send('hello');
  socket.onclose = ({ code }) => { window.ends.socket = { code }; };
  const stream = new EventSource('/events');
  stream.onmessage = ({ data }) => { window.tick = data; };
  stream.onerror = () => { window.ends.stream = true; };
</script>`;

/** An application with a page, a WebSocket and an event stream; `live` counts the open ones of both. */
async function startDesk(t: TestContext): Promise<{ readonly origin: string; live(): number }> {
  const streams = new Set<ServerResponse>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url !== '/events') {
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end(page.replace('<h1>Desk', `<h1>Desk of ${request.headers['x-remote-user']}`));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    streams.add(response);
    const timer = setInterval(() => response.write('data: tick\n\n'), 50);
    response.once('close', () => {
      streams.delete(response);
      clearInterval(timer);
    });
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) =>
    socket.on('error', () => {}).on('message', (data) => socket.send(`heard ${data}`)),
  );
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, live: () => sockets.clients.size + streams.size };
}

test('browser: login, a page, a WebSocket and an event stream; a logout in another tab cuts both within 2 s', {
  skip: withoutChromium,
}, async (t) => {
  const application = await startDesk(t);
  const { url, audit } = await gateway(t, {
    users: [{ name: 'agent1', password: passwords.agent1, groups: ['agents'] }],
    config: {
      roles: { agent: { groups: ['agents'] } },
      routes: [{ location: '/', upstream: application.origin, websocket: true, access: { roles: ['agent'] } }],
    },
  });
  const browser = await shareChromium(t);
  const context = await browser.newContext();
  const desk = await context.newPage();
  await desk.goto(`${url.origin}/desk`);
  await desk.fill('input[name=username]', 'agent1');
  await desk.fill('input[name=password]', 'wrong');
  await desk.click('button[type=submit]');
  await desk.waitForSelector('[role=alert]');
  await desk.fill('input[name=password]', passwords.agent1);
  await desk.click('button[type=submit]');
  await desk.waitForSelector('text=Desk of agent1');
  assert.equal(new URL(desk.url()).pathname, '/desk');
  await desk.waitForFunction("window.heard === 'heard hello' && window.tick === 'tick'");

  const other = await context.newPage();
  await other.goto(`${url.origin}/_gate/logout`);
  assert.equal(application.live(), 2);
  await other.click('button[type=submit]');
  await until('the logout is on record', () => audit('logout').length > 0);
  const cut = until('both are cut', () => application.live() === 0);
  await endsWithin(2000, 'the cut', cut);
  await desk.waitForFunction('window.ends.socket && window.ends.stream');
  const code = await desk.evaluate('window.ends.socket.code');
  assert.equal(code, 1008);

  const script = (await desk.evaluate(
    `fetch('/api/calls').then(async (answer) => [answer.status, await answer.json()])`,
  )) as [number, { error: string; login: string }];
  assert.equal(script[0], 401);
  assert.equal(script[1].error, 'login-required');
  assert.equal(script[1].login, '/_gate/login?return=%2Fdesk');
  await desk.reload();
  await desk.waitForSelector('input[name=password]');
});

test('browser: back after a logout shows nothing of the application (8 T5)', { skip: withoutChromium }, async (t) => {
  let served = 0;
  const application = createServer((request, response) => {
    served += 1;
    response
      .writeHead(200, { 'content-type': 'text/html', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' })
      .end(`<!doctype html><title>Desk</title><h1>Secrets of ${request.headers['x-remote-user']}</h1>`);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => application.once('listening', resolve));
  t.after(() => application.close());
  const { url } = await gateway(t, {
    users: [{ name: 'agent1', password: passwords.agent1, groups: [] }],
    config: {
      routes: [{ location: '/', upstream: `http://127.0.0.1:${(application.address() as AddressInfo).port}` }],
    },
  });
  const browser = await shareChromium(t);
  const desk = await (await browser.newContext()).newPage();
  await desk.goto(`${url.origin}/desk`);
  await desk.fill('input[name=username]', 'agent1');
  await desk.fill('input[name=password]', passwords.agent1);
  await desk.click('button[type=submit]');
  await desk.waitForSelector('h1:has-text("Secrets of agent1")');
  await desk.goto(`${url.origin}/_gate/logout`);
  await desk.click('button[type=submit]');
  await desk.waitForURL(`${url.origin}/_gate/logout`);
  const before = served;
  for (let turn = 0; turn < 2; turn += 1) {
    await desk.goBack();
    assert.doesNotMatch(await desk.content(), /Secrets of agent1/);
  }
  assert.equal(served, before, 'the application is not asked for somebody who has left');
});
