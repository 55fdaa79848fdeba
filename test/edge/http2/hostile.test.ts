/** Frames of HTTP/2 that cost their sender nothing, and heads that HTTP/1.1 could not carry: what the upstream got of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, type HttpsSite, httpsSite } from '../../support/scenes/https-site.ts';
import { FrameClient, frames } from '../../support/tools/http2-frames.ts';
import { until } from '../../support/tools/poll.ts';

const ping = 6;
const priority = 2;
const windowUpdate = 8;

function headOf({ port }: HttpsSite, path = '/public/x', method = 'GET'): [string, string][] {
  return [
    [':method', method],
    [':scheme', 'https'],
    [':authority', `localhost:${port}`],
    [':path', path],
  ];
}

async function rude(site: HttpsSite): Promise<FrameClient> {
  return new FrameClient(await site.tls({ alpn: ['h2'] }));
}

type Flood = (client: FrameClient, index: number, site: HttpsSite) => void;

/** Each frame of a flood; `ends` where the gateway closes the connection over it. */
const floods: Readonly<Record<string, { readonly begin?: Flood; readonly each: Flood; readonly ends: boolean }>> = {
  'settings without end': {
    each: (client) => client.send(frames.settings, 0, 0, Buffer.from('000300000064', 'hex')),
    ends: false,
  },
  'pings without end': { each: (client) => client.send(ping, 0, 0, Buffer.alloc(8)), ends: false },
  'priorities without end': {
    each: (client, index) => client.send(priority, 0, 2 * (index % 1000) + 1, Buffer.from('0000000010', 'hex')),
    ends: false,
  },
  'a head that never ends': {
    begin: (client) => client.send(frames.headers, 0, 1, Buffer.from([0x82])),
    each: (client) => client.send(frames.continuation, 0, 1, Buffer.from([0, 1, 0x61, 1, 0x62])),
    ends: true,
  },
  'empty parts of a head without end': {
    begin: (client) => client.send(frames.headers, 0, 1, Buffer.from([0x82])),
    each: (client) => client.send(frames.continuation, 0, 1, Buffer.alloc(0)),
    ends: true,
  },
  'empty parts of a body without end': {
    begin: (client, _index, site) => client.headers(1, headOf(site, '/public/x', 'POST'), false),
    each: (client) => client.send(frames.data, 0, 1, Buffer.alloc(0)),
    ends: true,
  },
  'requests that make the gateway reset them': {
    each: (client, index, site) => {
      client.headers(2 * index + 1, headOf(site), true);
      client.send(windowUpdate, 0, 2 * index + 1, Buffer.alloc(4));
    },
    ends: true,
  },
  'requests beyond what may be open': {
    each: (client, index, site) => client.headers(2 * index + 1, headOf(site, '/public/x', 'POST'), false),
    ends: true,
  },
  'windows that stay shut': {
    begin: (client) => client.send(frames.settings, 0, 0, Buffer.from('000400000000', 'hex')),
    each: (client, index, site) => index < 100 && client.headers(2 * index + 1, headOf(site), true),
    ends: false,
  },
};

for (const [name, { begin, each, ends }] of Object.entries(floods))
  test(`hostile http2: ${name} harms nobody else`, async (t) => {
    const started = await httpsSite(t);
    const client = await rude(started);
    begin?.(client, 0, started);
    for (let index = 0; index < 10_000 && !client.isClosed; index += 1) {
      each(client, index, started);
      if (index % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    if (ends) await until('the connection ends', () => client.isClosed);
    assert.equal((await ask(started.http2(), { ':path': '/public/other' })).status, 200);
    assert.ok(started.upstream.received.length <= 202, `${started.upstream.received.length} reached the upstream`);
  });

const heads: Readonly<Record<string, (head: [string, string][]) => [string, string][]>> = {
  'a method with a request line in it': (head) => [[':method', 'GET /admin HTTP/1.1\r\nX: '], ...head.slice(1)],
  'a path with a request line in it': (head) => [
    ...head.slice(0, 3),
    [':path', '/public HTTP/1.1\r\nX-Remote-User: a'],
  ],
  'a path with a space': (head) => [...head.slice(0, 3), [':path', '/public /admin']],
  'two paths': (head) => [...head, [':path', '/admin']],
  'a pseudo-header after the others': (head) => [...head.slice(0, 3), ['x-a', 'b'], [':path', '/public']],
  'a pseudo-header that nobody knows': (head) => [...head, [':x', 'a']],
  'no host at all': (head) => head.filter(([name]) => name !== ':authority'),
  'an empty host': (head) => head.map(([name, value]) => [name, name === ':authority' ? '' : value]),
  'a host with a path': (head) =>
    head.map(([name, value]) => [name, name === ':authority' ? 'localhost/admin' : value]),
  'a coding spelt with an underscore': (head) => [...head, ['transfer_encoding', 'chunked']],
  'a length and no body': (head) => [...head, ['content-length', '5']],
  'a WebSocket in a tunnel': (head) => [[':method', 'CONNECT'], [':protocol', 'websocket'], ...head.slice(1)],
  'a header of the connection': (head) => [...head, ['connection', 'x-remote-user']],
};

test('hostile http2: a head that says what none may say reaches nobody', async (t) => {
  const started = await httpsSite(t);
  for (const [name, change] of Object.entries(heads)) {
    const client = await rude(started);
    client.headers(1, change(headOf(started)), true);
    const isAnswered = () => client.on(1).some(({ type }) => type === frames.reset || type === frames.headers);
    await until(`${name} is answered`, () => isAnswered() || client.isClosed);
    assert.deepEqual(started.upstream.received, [], name);
  }
});
