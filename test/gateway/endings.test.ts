/** Why and how a connection ended stands in the audit: who closed a WebSocket and what went over it, and why the gateway cut a request. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import WebSocket from 'ws';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import type { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf } from '../support/tools/raw-http.ts';

async function openSocket(started: Site, visitor: Visitor): Promise<WebSocket> {
  const socket = new WebSocket(new URL('/live', started.url.href.replace('http', 'ws')), {
    headers: { cookie: visitor.cookieHeader },
  });
  await once(socket, 'open');
  return socket;
}

async function signedIn(started: Site): Promise<Visitor> {
  const visitor = started.visitor();
  await visitor.mustSignIn('agent1', passwords.agent1);
  return visitor;
}

const lastEnd = (started: Site) =>
  until('the end is on record', () => started.audit('websocket-end').at(-1) as Record<string, unknown> | undefined);

test('endings: a client that closes its WebSocket is told in the audit, with who it was and what went over it', async (t) => {
  const started = await site(t);
  const socket = await openSocket(started, await signedIn(started));
  socket.send('hello');
  await once(socket, 'message');
  socket.close();
  const { time: _time, seconds, request, session, address: _address, ...end } = await lastEnd(started);
  const opening = started.audit('request').find(({ path }) => path === '/live');
  assert.equal(opening?.status, 101);
  assert.deepEqual([request, session], [opening?.request, opening?.session]);
  assert.equal(typeof seconds, 'number');
  // A masked frame of five letters and an empty Close; the echo, and the Close that answers.
  const expected = { event: 'websocket-end', endedBy: 'client', up: 11 + 6, down: 7 + 2, route: 'home', path: '/live' };
  assert.partialDeepStrictEqual(end, { ...expected, user: 'agent1', provider: 'local' });
  assert.equal('reason' in end, false);
});

test('endings: a logout closes the WebSocket, and the audit says that the gateway did and why', async (t) => {
  const started = await site(t);
  const visitor = await signedIn(started);
  const socket = await openSocket(started, visitor);
  const closed = once(socket, 'close');
  assert.ok((await visitor.post('/_gate/logout', {})).status < 400);
  await closed;
  const { endedBy, reason } = await lastEnd(started);
  assert.deepEqual([endedBy, reason], ['gateway', 'signed-out']);
});

test('endings: an application that closes is told as the upstream', async (t) => {
  const started = await site(t);
  const socket = await openSocket(started, await signedIn(started));
  socket.on('error', () => undefined);
  await started.upstream.close();
  assert.equal((await lastEnd(started)).endedBy, 'upstream');
});

test('endings: a stream that a logout cuts is a 499 with the reason, one that its client leaves a bare one', async (t) => {
  const started = await site(t);
  const visitor = await signedIn(started);
  const open = async () => {
    const request = http.get(new URL('/sse', started.url), { headers: { cookie: visitor.cookieHeader } });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.on('error', () => undefined).resume();
    return request.on('error', () => undefined);
  };
  const records = () => started.audit('request').filter(({ path }) => path === '/sse');
  (await open()).destroy();
  const left = await until('the first has ended', () => records().at(0));
  assert.deepEqual([left.status, left.reason], [499, undefined]);
  await open();
  assert.ok((await visitor.post('/_gate/logout', {})).status < 400);
  const cut = await until('the second has ended', () => records().at(1));
  assert.deepEqual([cut.status, cut.reason, cut.user], [499, 'signed-out', 'agent1']);
});

test('endings: a client that takes nothing of its answer is cut, and the audit says so', async (t) => {
  const upstream = await startUpstream(t);
  const large = { location: '/bytes', upstream: upstream.origin, access: 'public', timeout: '200ms' };
  const started = await site(t, { config: { routes: [large] } });
  const socket = connect(Number(started.url.port), started.url.hostname);
  t.after(() => socket.destroy());
  socket.on('error', () => undefined).pause();
  socket.write(requestOf([`GET /bytes?n=${64 * 1024 * 1024} HTTP/1.1`, `Host: ${started.url.host}`]));
  const record = await until('it is cut', () => started.audit('request').find(({ path }) => path === '/bytes'));
  assert.deepEqual([record.status, record.reason], [499, 'answer-not-taken']);
});
