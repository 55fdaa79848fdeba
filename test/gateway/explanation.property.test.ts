/** `explain` and the gateway say the same of any request: with a live session, after a login, and of somebody nobody knows. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/core/clock.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import type { GatewayRequest } from '../../src/core/verdict.ts';
import type { Decided } from '../../src/gateway/decided.ts';
import { Explainer, explainedEntries } from '../../src/gateway/explanation.ts';
import { copyStore } from '../../src/store/snapshot.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { trials } from '../support/tools/properties.ts';

const upstream = 'http://127.0.0.1:1';
const routes = [
  { location: '/', upstream },
  { location: '/admin', upstream, access: { roles: ['supervisor'] } },
  { location: '/sso', upstream, access: { providers: ['other'] } },
  { location: '/fresh/', upstream, access: { maxAge: '5m' } },
  { location: '/public', upstream, access: 'public' },
  { location: '/closed/', upstream, access: 'deny' },
  { location: '= /exact', upstream: `${upstream}/other` },
  { location: '^~ /files/', upstream: `${upstream}/base/`, encodedSlashes: 'allow' },
  { location: '~ \\.jsp$', upstream, pathParameters: 'allow', access: { roles: ['agent'] } },
  { host: 'other.example', location: '/desk/', upstream, preserveHost: false },
];

/** A running gateway with agent1 signed in, and what explains it. */
async function world(t: TestContext) {
  const path = join(await temporaryFolder(t), 'store');
  const gate = await gateway(t, {
    users: staff,
    config: {
      session: { store: { type: 'embedded', path } },
      roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'] } },
      providers: { other: { type: 'local', users: 'users.yaml' } },
      routes,
    },
  });
  const visitor = new Visitor(gate.url);
  await visitor.mustSignIn('agent1', passwords.agent1);
  const { document, pipeline, sessions } = gate.running.gateway;
  const signedIn = (await Array.fromAsync(sessions.list({ user: 'agent1' })))[0];
  const further = await sessions.hosts.issue(signedIn?.id ?? '', 'other.example');
  const store = await copyStore(document.session.store, explainedEntries, systemClock);
  assert.ok(store);
  const explainer = await Explainer.open(document, store, systemClock);
  t.after(async () => {
    await explainer.close();
    await store.close();
  });
  return {
    explainer,
    pipeline,
    host: gate.url.host,
    cookie: visitor.cookieHeader,
    further: `gatehouse=${further?.token}`,
  };
}

const piece = fc.constantFrom(
  ...[
    'admin',
    'public',
    'closed',
    'exact',
    'files',
    'fresh',
    'desk',
    'sso',
    '_gate',
    'login',
    'auth',
    'a.jsp',
    'session',
  ],
  ...[
    '..',
    '.',
    '',
    '%2e%2e',
    '%2f',
    '%2F',
    '%5c',
    '%25',
    '%',
    '%zz',
    '%00',
    '%61dmin',
    ';v=1',
    ';',
    '_gate;x',
    'login;v=1',
  ],
  ...[
    'a%2fb',
    '%c3%a9',
    'é',
    ' ',
    '\n',
    '#',
    '*',
    '\\',
    '_gate%2flogin',
    'JSESSIONID=1',
    '%5F%67ate',
    '?',
    '?x=%2f&y=;',
  ],
);
const path = fc.oneof(
  { weight: 8, arbitrary: fc.array(piece, { maxLength: 5 }).map((pieces) => `/${pieces.join('/')}`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.array(piece, { maxLength: 3 }), fc.string({ maxLength: 8 }))
      .map(([p, tail]) => `/${p.join('/')}${tail}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '/_gate',
      '/_gate/',
      '/_gate/login;v=1',
      '/_gate/a%2fb',
      'desk',
      '*',
      '',
      '/'.repeat(5000),
    ),
  },
);
const host = fc.option(
  fc.constantFrom(
    'other.example',
    'OTHER.example.',
    'x.example:80',
    'two words',
    'a..b',
    '[::1]',
    '[::zz]',
    'a@b',
    'h:99999',
    'xn--a',
    'ü.example',
  ),
);
const method = fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'PUT', 'TRACE', 'CONNECT', 'OPTIONS');

/** What differs from request to request, whoever decides. */
const ofOneRequest = new Set(['x-request-id', 'traceparent', 'x-gatehouse-assertion']);

/** All that the client, the upstream and the audit would see of a decision. */
function told({ verdict, route, principal, target }: Decided) {
  const known = { kind: verdict.kind, route: route?.name, user: principal?.subject, path: target?.path };
  switch (verdict.kind) {
    case 'forward': {
      const headers = [...verdict.forward.headers].filter(([name]) => !ofOneRequest.has(name));
      return { ...known, upstream: verdict.forward.upstreamPath, headers };
    }
    case 'refuse':
      return { ...known, status: verdict.error.status, detail: verdict.error.message, reason: verdict.reason };
    case 'redirect':
      return { ...known, location: verdict.location };
    case 'authenticate':
    case 'login-step':
    case 'step-up':
      return { ...known, reason: verdict.reason };
    case 'answer':
      return { ...known, answer: verdict.answer };
    case 'portal':
      return known;
    default:
      return verdict satisfies never;
  }
}

test('explain: what it says of a request is what the gateway does with it', async (t) => {
  const { explainer, pipeline, host: own, cookie, further } = await world(t);
  const ask = (host: string, target: string, method: string, ...more: string[]): GatewayRequest => ({
    id: 'asked',
    method,
    target,
    headers: new HeaderLines(['Host', host, ...more]),
    peer: '127.0.0.1',
    encrypted: false,
    upgrade: false,
    signal: new AbortController().signal,
  });
  const verdicts = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(path, host, method, async (target, named, method) => {
      const url = named === null ? target : `http://${named}${target.startsWith('/') ? '' : '/'}${target}`;
      const sent = named === null || target.startsWith('/') ? target : `/${target}`;
      const live = await pipeline.decide(
        ask(named ?? own, sent, method, 'Cookie', /^other/i.test(named ?? '') ? further : cookie),
      );
      const agent = await explainer.explain({ user: 'Agent1', url, method });
      assert.equal(agent.sessions.length, 1);
      assert.deepEqual(told(agent.decided), told(live), 'with the live session');
      assert.deepEqual(told(agent.login.decided), told(live), 'after a login');
      const nobody = await pipeline.decide(ask(named ?? own, sent, method));
      const stranger = await explainer.explain({ user: 'nobody', url, method });
      assert.deepEqual(told(stranger.decided), told(nobody), 'for a stranger');
      for (const { verdict } of [live, nobody]) {
        const what = verdict.kind === 'refuse' ? `${verdict.error.status}` : verdict.kind;
        verdicts.set(what, (verdicts.get(what) ?? 0) + 1);
      }
    }),
    trials(5000),
  );
  for (const what of ['forward', 'portal', 'redirect', 'authenticate', '400', '403', '405'])
    assert.ok((verdicts.get(what) ?? 0) > 10, `the requests met ${what}: ${JSON.stringify([...verdicts])}`);
});
