/** Clients that keep their half of a connection open, or tear it down, after an answer that ends it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Site, site, siteConfig } from '../support/scenes/site.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf } from '../support/tools/raw-http.ts';

const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';

const endings: Readonly<Record<string, readonly string[]>> = {
  'a CONNECT': ['CONNECT a.example:443 HTTP/1.1', 'Host: a.example:443'],
  'an upgrade at an address of the gateway': ['GET /_gate/login HTTP/1.1', 'Host: 127.0.0.1', ...upgrade, key],
  'an upgrade without a session': ['GET /poll/x HTTP/1.1', 'Host: 127.0.0.1', ...upgrade, key],
  'an upgrade that opens nothing': ['GET /open/nothing HTTP/1.1', 'Host: 127.0.0.1', ...upgrade, key],
  'a request that cannot be read': ['GARBAGE'],
};

/** A connection that stays open on this side when the gateway has ended it. */
async function halfOpen(t: TestContext, url: URL, lines: readonly string[]): Promise<{ socket: Socket; text: string }> {
  const socket = connect({ port: Number(url.port), host: url.hostname, allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  socket.write(requestOf(lines));
  await once(socket, 'end');
  return { socket, text };
}

/** `/open/` leads to an application that takes no WebSockets though the location does. */
async function openSite(t: TestContext): Promise<Site> {
  const answer = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno';
  const upstream = await startUpstream(t, { webSocket: { refuse: (socket) => socket.end(answer) } });
  const open = { location: '/open/', upstream: upstream.origin, access: 'public', websocket: true, timeout: '1s' };
  const { routes } = siteConfig(upstream.origin);
  return site(t, { config: { routes: [...(routes as object[]), open] } });
}

for (const [name, lines] of Object.entries(endings)) {
  test(`hang-up: after ${name} a client that keeps its half open does not keep the connection`, async (t) => {
    const { url } = await openSite(t);
    const { socket, text } = await halfOpen(t, url, lines);
    assert.match(text, /^HTTP\/1\.1 [45]\d\d /);
    // What is sent to a connection that has gone comes back as a reset.
    await until('the connection has gone', () => {
      socket.write('x');
      return socket.destroyed;
    });
  });

  test(`hang-up: after ${name} a reset harms nobody`, async (t) => {
    const { url } = await openSite(t);
    const { socket } = await halfOpen(t, url, lines);
    socket.resetAndDestroy();
    const again = await halfOpen(t, url, lines);
    assert.match(again.text, /^HTTP\/1\.1 [45]\d\d /);
  });
}
