/**
 * What is kept of decisions: the same head again costs no decision, and yet nobody is ever told of an identity that does not hold
 * any more, at any other address, connection or session. Judged by what the upstream received.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createApiToken } from '../../../src/core/api-token.ts';
import { Pipeline } from '../../../src/gateway/pipeline.ts';
import { gateway, type TestGateway, type Yaml } from '../../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../../support/scenes/site.ts';
import { Visitor } from '../../support/scenes/visitor.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../../support/servers/recording-upstream.ts';
import { type ManualClock, manualClock } from '../../support/tools/manual-clock.ts';

interface Scene {
  readonly gate: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly clock: ManualClock;
  readonly config: Yaml;
  /** How often the pipeline has decided. */
  decisions(): number;
}

async function scene(t: TestContext, more: Yaml = {}): Promise<Scene> {
  const upstream = await startRecordingUpstream(t);
  const clock = manualClock(Date.now());
  const { routes, ...rest } = siteConfig(upstream.origin) as { routes: readonly object[] };
  const near = { location: '/near/', upstream: upstream.origin, access: { networks: ['127.0.0.1/32'] } };
  const config = { ...rest, routes: [...routes, near], audit: { requests: 'all' }, ...more };
  const gate = await gateway(t, { users: staff, config, clock });
  const { mock } = t.mock.method(Pipeline.prototype, 'decide');
  return { gate, upstream, clock, config, decisions: () => mock.callCount() };
}

async function signIn({ gate }: Scene, name: keyof typeof passwords): Promise<string> {
  const visitor = new Visitor(gate.url);
  await visitor.mustSignIn(name, passwords[name]);
  return visitor.cookieHeader;
}

/** One connection, on which the same bytes are written for the same request. */
class Line {
  readonly #socket: Socket;
  readonly #host: string;
  #text = '';
  #wake: () => void = () => undefined;

  constructor(t: TestContext, { url }: TestGateway, from = '127.0.0.1') {
    this.#host = url.host;
    this.#socket = connect({ port: Number(url.port), host: '127.0.0.1', localAddress: from });
    this.#socket.on('error', () => undefined).on('close', () => this.#wake());
    this.#socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    t.after(() => this.#socket.destroy());
  }

  /** The status and text of the answer. */
  async ask(target: string, cookie = '', more: readonly string[] = []): Promise<{ status: number; text: string }> {
    this.#text = '';
    const lines = [`GET ${target} HTTP/1.1`, `Host: ${this.#host}`, ...(cookie && [`Cookie: ${cookie}`]), ...more];
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    for (;;) {
      const [head = '', body = ''] = this.#text.split('\r\n\r\n', 2);
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
      if (body.length >= length) return { status: Number(head.slice(9, 12)), text: this.#text };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** What the last request that came told the upstream under a name. */
function heard({ upstream }: Scene, name = 'x-remote-user'): string | undefined {
  const lines = upstream.received.at(-1)?.lines ?? [];
  return lines.find((line) => line.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2);
}

test('kept: the same head again is sent without a decision, as a request of its own', async (t) => {
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  for (let turn = 0; turn < 4; turn += 1) await line.ask('/desk?x=1', `a=b; ${cookie}`, ['X-My: J\xfcrgen']);
  const before = at.decisions();
  const ids = new Set([heard(at, 'x-request-id')]);
  const traces = new Set([heard(at, 'traceparent')]);
  const first = at.upstream.received.at(-1)?.lines ?? [];
  const own = /^(?:x-request-id|traceparent): /i;
  for (let turn = 0; turn < 4; turn += 1) {
    assert.equal((await line.ask('/desk?x=1', `a=b; ${cookie}`, ['X-My: J\xfcrgen'])).status, 200);
    ids.add(heard(at, 'x-request-id'));
    traces.add(heard(at, 'traceparent'));
    const lines = at.upstream.received.at(-1)?.lines ?? [];
    assert.deepEqual(
      lines.filter((one) => !own.test(one)),
      first.filter((one) => !own.test(one)),
    );
  }
  assert.equal(at.decisions(), before);
  assert.equal(heard(at), 'agent1');
  assert.deepEqual([ids.size, traces.size], [5, 5]);
  const records = at.gate.audit('request').filter(({ path }) => path === '/desk');
  const common = records.map(({ time: _, seconds: __, request, ...rest }) => {
    assert.ok(typeof request === 'string' && (ids.has(request) || records.length > 4));
    return rest;
  });
  assert.deepEqual(common, Array(8).fill(common[0]));
  assert.deepEqual(Object.keys(records.at(-1) ?? {}), Object.keys(records[0] ?? {}), 'in the same order');
});

test('kept: each session, each address, each method and each route has its own', async (t) => {
  const at = await scene(t);
  const agent = await signIn(at, 'agent1');
  const supervisor = await signIn(at, 'supervisor1');
  const line = new Line(t, at.gate);
  for (let turn = 0; turn < 4; turn += 1) {
    for (const [cookie, name] of [
      [agent, 'agent1'],
      [supervisor, 'supervisor1'],
    ] as const) {
      await line.ask('/desk', cookie);
      assert.equal(heard(at), name);
      await line.ask('/plain/x?y', cookie);
      assert.deepEqual([heard(at), at.upstream.received.at(-1)?.lines[0]], [name, 'GET /plain/x?y HTTP/1.1']);
      await line.ask('/public/x', cookie);
      assert.equal(heard(at), undefined);
    }
    assert.equal((await line.ask('/admin', supervisor)).status, 200);
    assert.equal((await line.ask('/admin', agent)).status, 403);
    assert.equal((await line.ask('/closed/', agent)).status, 403);
  }
});

test('kept: what one address may is not what another may, whatever the bytes', async (t) => {
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const [near, far] = [new Line(t, at.gate), new Line(t, at.gate, '127.0.0.2')];
  for (let turn = 0; turn < 4; turn += 1) {
    assert.equal((await near.ask('/near/', cookie)).status, 200);
    assert.equal(heard(at, 'x-forwarded-for'), '127.0.0.1');
    assert.equal((await far.ask('/near/', cookie)).status, 403);
    assert.equal((await far.ask('/desk', cookie)).status, 200);
    assert.equal(heard(at, 'x-forwarded-for'), '127.0.0.2');
  }
});

test('kept: a session that has signed out, been revoked or gone on under another id is nobody with the next request', async (t) => {
  const at = await scene(t);
  const { sessions } = at.gate.running.gateway;
  const line = new Line(t, at.gate);
  for (const end of [
    (id: string) => sessions.revoke(id, 'signed-out'),
    () => sessions.revokeUser('agent1', 'revoked'),
    async (id: string) => {
      const found = await sessions.alive(id);
      if (found.kind === 'live') await sessions.rotate(found.session);
    },
  ]) {
    const cookie = await signIn(at, 'agent1');
    for (let turn = 0; turn < 4; turn += 1) assert.equal((await line.ask('/desk', cookie)).status, 200);
    const [{ id = '' } = {}] = await Array.fromAsync(sessions.list({ user: 'agent1' }));
    const before = at.upstream.received.length;
    await end(id);
    assert.equal((await line.ask('/desk', cookie)).status, 401);
    assert.equal(at.upstream.received.length, before);
  }
});

test('kept: other groups and other roles are told with the next request', async (t) => {
  const at = await scene(t);
  const { sessions } = at.gate.running.gateway;
  const cookie = await signIn(at, 'supervisor1');
  const line = new Line(t, at.gate);
  for (let turn = 0; turn < 4; turn += 1) assert.equal((await line.ask('/admin', cookie)).status, 200);
  assert.equal(heard(at, 'x-remote-roles'), 'agent,supervisor');
  const [session] = await Array.fromAsync(sessions.list({ user: 'supervisor1' }));
  assert.ok(session);
  const attributes = { ...session.assertion.attributes, groups: ['agents'] };
  const renewed = await sessions.renew(session, { ...session.assertion, attributes }, undefined, { isBehind: true });
  assert.equal(renewed.kind, 'live');
  // It goes on under another id, since its rights have changed.
  const answer = await line.ask('/desk', cookie);
  assert.equal(answer.status, 200);
  assert.equal(heard(at, 'x-remote-roles'), 'agent');
  const next = /^set-cookie: (gatehouse=[^;]+)/im.exec(answer.text)?.[1] ?? '';
  assert.equal((await line.ask('/admin', next)).status, 403);
  assert.equal((await line.ask('/admin', cookie)).status, 401);
});

test('kept: time counts: a token is made anew, a proof gets old, a session that nobody uses is over', async (t) => {
  const at = await scene(t, { session: { store: { type: 'memory' }, idle: '10m' } });
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  const ask = async (target: string): Promise<number> => {
    for (let turn = 0; turn < 2; turn += 1) await line.ask(target, cookie);
    return (await line.ask(target, cookie)).status;
  };
  assert.equal(await ask('/fresh/'), 200);
  const token = heard(at, 'x-gatehouse-assertion');
  await ask('/fresh/');
  assert.equal(heard(at, 'x-gatehouse-assertion'), token);
  at.clock.advance(21_000);
  await ask('/fresh/');
  assert.notEqual(heard(at, 'x-gatehouse-assertion'), token);
  at.clock.advance(4 * 60_000 + 30_000);
  assert.equal(await ask('/fresh/'), 200);
  at.clock.advance(15_000);
  assert.equal(await ask('/fresh/'), 401);
  assert.equal(await ask('/desk'), 200, 'the requests were activity');
  at.clock.advance(9 * 60_000);
  assert.equal(await ask('/desk'), 200);
  at.clock.advance(10 * 60_000);
  assert.equal(await ask('/desk'), 401);
});

test('kept: another configuration knows nothing of what was decided by the one before', async (t) => {
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  for (let turn = 0; turn < 4; turn += 1) {
    await line.ask('/desk', cookie);
    await line.ask('/public/x', cookie);
  }
  const reload = async (config: Yaml): Promise<void> => {
    await at.gate.write(config);
    assert.equal((await at.gate.running.reload({ actor: 'signal' })).kind, 'reloaded');
  };
  const roles = { agent: { groups: ['others'] }, supervisor: { groups: ['supervisors'] } };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of the configuration.
  await reload({ ...at.config, roles, headers: { 'X-Remote-User': false, 'X-Who': '${subject}' } });
  await line.ask('/desk', cookie);
  assert.deepEqual(
    ['x-remote-user', 'x-who', 'x-remote-roles'].map((name) => heard(at, name)),
    [undefined, 'agent1', undefined],
  );
  const routes = [{ location: '/', upstream: at.upstream.origin, access: { roles: ['supervisor'] } }];
  await reload({ ...at.config, routes });
  const before = at.upstream.received.length;
  assert.equal((await line.ask('/desk', cookie)).status, 403);
  assert.equal((await line.ask('/public/x', cookie)).status, 403);
  assert.equal(at.upstream.received.length, before);
});

test('kept: nothing is kept of requests with credentials of their own, nor of those that a session does not speak for', async (t) => {
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  const counted = async (target: string, lines: readonly string[]): Promise<number> => {
    for (let turn = 0; turn < 2; turn += 1) await line.ask(target, cookie, lines);
    const before = at.decisions();
    await line.ask(target, cookie, lines);
    return at.decisions() - before;
  };
  assert.equal(await counted('/desk', []), 0);
  assert.equal(await counted('/desk', ['Authorization: Bearer x']), 1);
  assert.equal(await counted('/desk', [`Referer: ${'x'.repeat(4096)}`]), 1);
  assert.equal(await counted('/admin', []), 1, 'a refusal');
  assert.equal(await counted('/public/x', []), 0);
});

test('kept: heads that differ in lines which nobody reads cost no decision, and each is sent with its own', async (t) => {
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  let turn = 0;
  const ask = (more: readonly string[] = []) => {
    turn += 1;
    return line.ask('/desk', cookie, [`X-Turn: ${turn}`, ...more, `X-tight:${turn}`, `X-Turn: and ${turn}`]);
  };
  const own = (): readonly string[] => {
    const lines = at.upstream.received.at(-1)?.lines ?? [];
    return lines.filter((one) => /^x-t/i.test(one) && !/^traceparent/i.test(one)).toSorted();
  };
  for (let first = 0; first < 3; first += 1) await ask();
  const before = at.decisions();
  for (let next = 0; next < 5; next += 1) {
    assert.equal((await ask()).status, 200);
    assert.deepEqual([heard(at), ...own()], ['agent1', `X-Turn: ${turn}`, `X-Turn: and ${turn}`, `X-tight: ${turn}`]);
  }
  assert.equal(at.decisions(), before);
  at.clock.advance(30_000);
  await ask();
  assert.equal(at.decisions(), before + 1, 'the assertion is given out again');
});

test('kept: a line that is read, or is ours to set, is no part of what may differ', async (t) => {
  const { text: token } = createApiToken();
  const at = await scene(t, { headers: { 'X-Agent-Name': 'of the house', 'X-Off': false } });
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  for (let turn = 0; turn < 4; turn += 1) await line.ask('/desk', cookie, [`X-Turn: ${turn}`]);
  const told = (name: string): readonly string[] =>
    (at.upstream.received.at(-1)?.lines ?? []).filter((one) => one.toLowerCase().startsWith(`${name}:`));
  for (const name of [
    'X-Remote-User',
    'x_remote_user',
    'X-Agent-Name',
    'X-Off',
    'X-Real-IP',
    'X-Gatehouse-Assertion',
  ]) {
    for (let turn = 0; turn < 3; turn += 1) await line.ask('/desk', cookie, [`X-Turn: ${turn}`, `${name}: forged`]);
    const lines = at.upstream.received.at(-1)?.lines ?? [];
    assert.deepEqual([heard(at), lines.filter((one) => one.includes('forged'))], ['agent1', []], name);
  }
  await line.ask('/desk', cookie, [`X-Turn: ${token.reveal()}`]);
  assert.deepEqual(told('x-turn'), []);
  await line.ask('/desk', cookie, ['X-Turn: 9', 'Range: bytes=1-2', 'Range: bytes=3-4']);
  assert.deepEqual(told('range'), ['Range: bytes=1-2']);
  const before = at.decisions();
  for (const more of ['Origin: https://elsewhere.example.com', 'Sec-Fetch-Site: cross-site', 'Accept: text/html'])
    await line.ask('/desk', cookie, ['X-Turn: 9', more]);
  assert.equal(at.decisions(), before + 3);
});

test('kept: addresses that differ in their query alone cost no decision, but for one with a token in it', async (t) => {
  const { text: token } = createApiToken();
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  for (let turn = 0; turn < 3; turn += 1) await line.ask(`/desk?turn=${turn}`, cookie);
  const before = at.decisions();
  for (const query of ['?turn=3', '', '?', '?a?b=/../%2e', `?x=${'y'.repeat(3000)}`]) {
    assert.equal((await line.ask(`/desk${query}`, cookie)).status, 200);
    assert.deepEqual([heard(at), at.upstream.received.at(-1)?.lines[0]], ['agent1', `GET /desk${query} HTTP/1.1`]);
  }
  assert.equal(at.decisions(), before);
  for (const shown of [token.reveal(), token.reveal().replace('_', '%5F')])
    assert.equal((await line.ask(`/desk?turn=${shown}`, cookie)).status, 400);
  assert.equal((await line.ask('/admin?turn=9', cookie)).status, 403);
  const paths = at.gate.audit('request').filter(({ status }) => status === 200);
  assert.equal(
    new Set(paths.map(({ path }) => path)).size,
    new Set(paths.map(({ path }) => `${path}`.split('?')[0])).size,
  );
});

test('kept: a valid trace goes on as it came without a decision, and no other', async (t) => {
  const at = await scene(t);
  const cookie = await signIn(at, 'agent1');
  const line = new Line(t, at.gate);
  let span = 0;
  const traceOf = (version = '00'): string => {
    span += 1;
    return `${version}-${'a'.repeat(32)}-${span.toString(16).padStart(16, '0')}-01`;
  };
  const traces = (): readonly string[] =>
    (at.upstream.received.at(-1)?.lines ?? []).filter((one) => /^trace/i.test(one)).map((one) => one.slice(13));
  for (let turn = 0; turn < 3; turn += 1) await line.ask('/desk', cookie, [`Traceparent: ${traceOf()}`]);
  const before = at.decisions();
  for (let turn = 0; turn < 3; turn += 1) {
    const trace = traceOf();
    await line.ask('/desk', cookie, [`Traceparent: ${trace}`]);
    assert.deepEqual([heard(at), ...traces()], ['agent1', trace]);
  }
  assert.equal(at.decisions(), before);
  const blank = `Traceparent: \xa0${traceOf()}`;
  for (const odd of [
    [blank],
    [`Traceparent: ${traceOf('ff')}`],
    [`Traceparent: ${traceOf()}`, `traceparent: ${traceOf()}`],
  ]) {
    for (let turn = 0; turn < 3; turn += 1) await line.ask('/desk', cookie, [`X-Turn: ${turn}`, ...odd]);
    const [own = '', ...more] = traces();
    assert.deepEqual([more, odd.some((one) => one.endsWith(own)), own.length], [[], false, 55]);
  }
  const none = at.decisions();
  await line.ask('/desk', cookie);
  assert.deepEqual([at.decisions(), traces().length], [none + 1, 1], 'without one it is another head');
});
