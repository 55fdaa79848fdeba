/** The registry of live connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Connections } from '../../src/proxy/connections.ts';
import { collectLog } from '../support/tools/log.ts';
import { until } from '../support/tools/poll.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (how: { type: 'minor' }) => void;
const collectYoung = (): void => collect({ type: 'minor' });

const client = { address: '192.0.2.1', scheme: 'https', userAgent: '' } as const;
const opened = { client, target: { host: 'cc.example.com', port: '443', path: '/' } };

test('connections: the end of a session reaches each of its connections once, and nobody else', () => {
  const connections = new Connections();
  const ended: string[] = [];
  for (const [session, kind] of [
    ['a', 'websocket'],
    ['a', 'stream'],
    ['b', 'websocket'],
  ] as const)
    connections.add(session, { kind, opened, end: (reason) => ended.push(`${session} ${kind} ${reason}`) });
  assert.equal(connections.end('a', 'signed-out'), true);
  connections.end('a', 'revoked');
  assert.equal(connections.end('nobody', 'revoked'), false);
  assert.deepEqual(ended, ['a websocket signed-out', 'a stream signed-out']);
});

test('connections: what has ended by itself is forgotten, and counted', () => {
  const connections = new Connections();
  const release = connections.add('a', { kind: 'websocket', opened, end: () => assert.fail('it has ended') });
  assert.deepEqual(connections.counts(), { websocket: 1, stream: 0, request: 0 });
  release();
  release();
  assert.deepEqual(
    [connections.counts().websocket, connections.sessions(), connections.end('a', 'revoked')],
    [0, [], false],
  );
});

test('connections: a request that has only begun is cut when its grace is over, unless it has finished', async () => {
  const connections = new Connections({ grace: 500 });
  const ended: string[] = [];
  connections.add('a', { kind: 'request', opened, end: () => ended.push('long') });
  const release = connections.add('a', { kind: 'request', opened, end: () => ended.push('short') });
  connections.end('a', 'signed-out');
  assert.deepEqual(ended, []);
  release();
  await until('the grace is over', () => ended.length > 0);
  assert.deepEqual(ended, ['long']);
});

test('connections: only sessions with something lasting are to be looked after', async () => {
  const connections = new Connections({ grace: 500 });
  connections.add('request', { kind: 'request', opened, end: () => undefined });
  connections.add('stream', { kind: 'stream', opened, end: () => undefined });
  assert.deepEqual(connections.sessions(), ['stream']);
  await until('the grace is over', () => connections.sessions().length > 1);
  assert.deepEqual(connections.sessions(), ['request', 'stream']);
});

test('connections: a session that goes on under another id takes its connections along', () => {
  const connections = new Connections();
  const ended: string[] = [];
  const release = connections.add('old', { kind: 'websocket', opened, end: () => ended.push('one') });
  connections.add('new', { kind: 'websocket', opened, end: () => ended.push('two') });
  connections.move('old', 'new');
  assert.deepEqual([connections.end('old', 'rotated'), connections.sessions()], [false, ['new']]);
  release();
  connections.end('new', 'signed-out');
  assert.deepEqual(ended, ['two']);
  assert.equal(connections.counts().websocket, 1);
});

test('connections: one that cannot be ended does not keep the others alive', () => {
  const { log, find } = collectLog();
  const connections = new Connections({ log });
  const ended: string[] = [];
  connections.add('a', {
    kind: 'websocket',
    opened,
    end: () => {
      throw new Error('stuck');
    },
  });
  connections.add('a', { kind: 'websocket', opened, end: () => ended.push('other') });
  connections.endAll('draining');
  assert.deepEqual([ended, find('a live connection could not be ended').length], [['other'], 1]);
});

test('connections: what has a reason to end is ended, on a session or on none, and the rest goes on', () => {
  const connections = new Connections();
  const ended: string[] = [];
  const at = (session: string | undefined, path: string) =>
    connections.add(session, {
      kind: 'websocket',
      opened: { client, target: { ...opened.target, path } },
      end: (reason) => ended.push(`${session} ${path} ${reason}`),
    });
  for (const path of ['/admin', '/home']) {
    at('a', path);
    at(undefined, path);
  }
  const reasonFor = ({ target }: { target: { path: string } }) =>
    target.path === '/admin' ? ('role-missing' as const) : undefined;
  connections.endWhere('a', reasonFor);
  assert.deepEqual(ended, ['a /admin role-missing']);
  connections.endWhere(undefined, reasonFor);
  assert.deepEqual(ended, ['a /admin role-missing', 'undefined /admin role-missing']);
  assert.deepEqual(connections.sessions(), ['a']);
  connections.endWhere('a', reasonFor);
  assert.equal(ended.length, 2, 'nothing is ended twice');
});

test('connections: what has come and gone does not outlive the young generation', () => {
  const connections = new Connections();
  let under: (() => void)[] = [];
  const serve = (requests: number): void => {
    for (let request = 0; request < requests; request += 1) {
      const body = new Array(128).fill(request);
      const release = connections.add(`session ${request % 200}`, { kind: 'request', opened, end: () => body.pop() });
      under.push(release);
      if (under.length < 64) continue;
      for (const done of under) done();
      under = [];
      if (request % 512 === 511) collectYoung();
    }
    for (const done of under.splice(0)) done();
    collectYoung();
    collectYoung();
  };
  // Until the tables of maps, if there are any, are old.
  serve(20_000);
  const before = getHeapStatistics().used_heap_size;
  serve(20_000);
  const grown = getHeapStatistics().used_heap_size - before;
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes outlived their requests`);
});

test('connections: sessions that have come and gone are forgotten', () => {
  const connections = new Connections();
  const stay = connections.add('stays', { kind: 'stream', opened, end: () => undefined });
  for (let session = 0; session < 10_000; session += 1)
    connections.add(`session ${session}`, { kind: 'stream', opened, end: () => undefined })();
  assert.deepEqual([connections.sessions(), connections.count('stays')], [['stays'], 1]);
  connections.add('session 1', { kind: 'stream', opened, end: () => undefined });
  stay();
  assert.deepEqual(connections.sessions(), ['session 1']);
});
