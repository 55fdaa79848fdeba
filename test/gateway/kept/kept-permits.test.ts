/** Permissions for front proxies on the lane: the same as by `node:http`, again without a decision, and never one that holds no more. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Pipeline } from '../../../src/gateway/pipeline.ts';
import { rawClient } from '../../support/scenes/data-plane.ts';
import type { Yaml } from '../../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../../support/scenes/site.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';
import { requestOf } from '../../support/tools/raw-http.ts';

interface Told {
  readonly status: number;
  /** By name; of the lines of one name the last. */
  readonly headers: ReadonlyMap<string, string>;
}

async function front(t: TestContext, server: Yaml = {}) {
  const clock = manualClock(Date.now());
  const config = { server: { trustedProxies: ['127.0.0.1'], ...server }, audit: { requests: 'all' } };
  const started = await site(t, { config, clock });
  const visitor = started.visitor();
  await visitor.mustSignIn('agent1', passwords.agent1);
  return { started, clock, cookie: visitor.cookieHeader };
}

/** Asks as nginx does, on a connection that it keeps. */
async function asking(t: TestContext, { url }: Site) {
  const client = await rawClient(t, Number(url.port), '');
  return async (uri: string, cookie: string, more: readonly string[] = [], query = ''): Promise<Told> => {
    const from = client.text().length;
    const lines = [`Host: ${url.host}`, `X-Original-URI: ${uri}`, 'X-Original-Method: GET', `Cookie: ${cookie}`];
    client.socket.write(requestOf([`GET /_gate/auth${query} HTTP/1.1`, ...lines, ...more]));
    await client.until(new RegExp(`^[\\s\\S]{${from}}HTTP/1\\.1 [\\s\\S]*\\r\\n\\r\\n`));
    const [first = '', ...told] = (client.text().slice(from).split('\r\n\r\n', 1)[0] ?? '').split('\r\n');
    const pairs = told.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]);
    return { status: Number(first.slice(9, 12)), headers: new Map(pairs as [string, string][]) };
  };
}

const own = ['x-request-id', 'traceparent', 'x-gatehouse-assertion', 'date', 'keep-alive'] as const;
const common = ({ headers }: Told): [string, string][] =>
  [...headers].filter(([name]) => !own.some((one) => one === name)).toSorted();

test('kept permits: what the lane tells is what node:http tells, also when it tells it again', async (t) => {
  const lane = await front(t);
  const plain = await front(t, { lane: false });
  const [byLane, byNode] = [await asking(t, lane.started), await asking(t, plain.started)];
  const decide = t.mock.method(Pipeline.prototype, 'decide').mock;
  const counts: number[] = [];
  for (let turn = 0; turn < 4; turn += 1) {
    const told = await byLane('/some/%70age?x=1', `a=b; ${lane.cookie}`);
    counts.push(decide.callCount());
    const expected = await byNode('/some/%70age?x=1', `a=b; ${plain.cookie}`);
    counts.push(decide.callCount());
    assert.equal(told.status, 200);
    assert.deepEqual(common(told), common(expected));
    for (const name of own) assert.equal(told.headers.has(name), expected.headers.has(name), name);
    assert.equal(told.headers.get('x-remote-user'), 'agent1');
  }
  assert.deepEqual(counts, [1, 2, 3, 4, 4, 5, 5, 6]);
  const asked = ({ path }: Record<string, unknown>): boolean => path === '/some/page';
  assert.deepEqual(
    lane.started.audit('request').filter(asked).map(Object.keys),
    plain.started
      .audit('request')
      .filter(asked)
      .map((one) => [...Object.keys(one), 'lane']),
  );
});

test('kept permits: each request has an id of its own, and the client’s trace goes on', async (t) => {
  const { started, cookie } = await front(t);
  const ask = await asking(t, started);
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const ids = new Set<string | undefined>();
  const traces = new Set<string | undefined>();
  for (let turn = 0; turn < 4; turn += 1) {
    ids.add((await ask('/page', cookie)).headers.get('x-request-id'));
    traces.add((await ask('/page', cookie)).headers.get('traceparent'));
    assert.equal((await ask('/page', cookie, [`traceparent: ${trace}`])).headers.get('traceparent'), trace);
  }
  assert.deepEqual([ids.size, traces.size], [4, 4]);
});

test('kept permits: a session that has ended is told of no more, nor one that may not, nor by who sets a header of ours', async (t) => {
  const { started, cookie, clock } = await front(t);
  const ask = await asking(t, started);
  for (let turn = 0; turn < 4; turn += 1) {
    assert.equal((await ask('/page', cookie)).status, 200);
    assert.equal((await ask('/admin', cookie)).status, 403);
    assert.equal((await ask('/fresh/', cookie)).status, 200);
    assert.equal((await ask('/page', cookie, ['X_Remote_User: evil'])).status, 400);
    assert.equal((await ask('/page', cookie, [], '?route=admin')).status, 400);
  }
  clock.advance(6 * 60_000);
  assert.equal((await ask('/fresh/', cookie)).status, 401);
  assert.equal((await ask('/page', cookie)).status, 200);
  await started.running.gateway.sessions.revokeUser('agent1', 'revoked');
  const told = await ask('/page', cookie);
  assert.equal(told.status, 401);
  assert.equal(told.headers.get('x-remote-user'), undefined);
});

test('kept permits: calls that differ in lines which nobody reads cost no decision, and others do', async (t) => {
  const { started, cookie } = await front(t);
  const ask = await asking(t, started);
  const decide = t.mock.method(Pipeline.prototype, 'decide').mock;
  for (let turn = 0; turn < 3; turn += 1) await ask('/x', cookie, [`X-Turn: ${turn}`]);
  const before = decide.callCount();
  for (let turn = 3; turn < 6; turn += 1) {
    const told = await ask('/x', cookie, [`X-Turn: ${turn}`]);
    assert.deepEqual(
      [told.status, told.headers.get('x-remote-user'), told.headers.has('x-turn')],
      [200, 'agent1', false],
    );
  }
  assert.equal(decide.callCount(), before);
  assert.equal((await ask('/x', cookie, ['X-Turn: 6', 'X-Remote-Department: forged'])).status, 400);
  await ask('/x', cookie, ['X-Turn: 7', 'X-Forwarded-For: 192.0.2.7']);
  assert.equal(decide.callCount(), before + 2);
});
