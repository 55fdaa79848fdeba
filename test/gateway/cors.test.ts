/** Scripts of other origins: preflights before any login, and who may read the answers of applications and our own. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { type Answer, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';

const [crm, other] = ['https://crm.example', 'https://evil.example'];
const cors = {
  origins: [crm],
  methods: ['GET', 'PATCH'],
  headers: ['Content-Type'],
  exposeHeaders: ['X-Total'],
  credentials: true,
  maxAge: '10m',
};
const dead = 'http://127.0.0.1:1';

async function world(t: TestContext) {
  const upstream = await startUpstream(t, {
    answer: (_request, response) => {
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.setHeader('Access-Control-Allow-Private-Network', 'true');
      response.setHeader('Vary', 'Accept-Encoding');
      response.end('of the application');
    },
  });
  const routes = [
    { location: '/crm/', upstream: upstream.origin, cors },
    { location: '/any/', upstream: upstream.origin, access: 'public', cors: { origins: ['*'] } },
    { location: '/both/', upstream: upstream.origin, access: 'optional', cors: { origins: [crm] } },
    { location: '/dead/', upstream: dead, access: 'public', cors },
    { location: '= /fixed', respond: { body: 'fixed' }, access: 'public', cors },
    { location: '/shut/', upstream: upstream.origin, access: 'deny', cors },
    { location: '/lan/', upstream: upstream.origin, access: { public: true, networks: ['192.0.2.0/24'] }, cors },
    {
      location: '/pass/',
      upstream: upstream.origin,
      preflight: 'pass',
      headers: { 'X-Api-Key': { env: 'KEY' }, 'X-Fixed': 'yes' },
    },
    { location: '/', upstream: upstream.origin },
  ];
  const config = { roles: { supervisor: { groups: ['supervisors'] } }, routes };
  const started = await gateway(t, { users: staff, config, env: { KEY: 'hunter2' } });
  const visitor = () => new Visitor(started.url);
  return { ...started, upstream, visitor };
}

const preflight = (origin: string, asked = 'PATCH') => ({
  method: 'OPTIONS',
  headers: { origin, 'access-control-request-method': asked, 'access-control-request-headers': 'content-type' },
});
const allows = ({ headers }: Answer): Record<string, unknown> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control-') || name === 'vary'));

test('cors: a preflight is answered before any login, and no application hears of it', async (t) => {
  const { upstream, visitor, audit } = await world(t);
  const answer = await visitor().fetch('/crm/x', preflight(crm));
  assert.deepEqual([answer.status, answer.text, answer.headers['content-length']], [204, '', undefined]);
  assert.deepEqual(allows(answer), {
    'access-control-allow-origin': crm,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, PATCH',
    'access-control-allow-headers': 'Content-Type',
    'access-control-expose-headers': 'X-Total',
    'access-control-max-age': '600',
    vary: 'Origin',
  });
  for (const origin of [other, 'null', `${crm}.evil.example`, crm.toUpperCase()]) {
    const refused = await visitor().fetch('/crm/x', preflight(origin));
    assert.deepEqual([refused.status, allows(refused)], [403, { vary: 'Origin' }], origin);
  }
  assert.equal(audit('request').at(-1)?.reason, 'origin-mismatch');
  assert.equal((await visitor().fetch('/shut/x', preflight(crm))).status, 403, 'what is closed is closed');
  assert.equal((await visitor().fetch('/lan/x', preflight(crm))).status, 403, 'and so is a network');
  const any = await visitor().fetch('/any/x', preflight(other));
  assert.deepEqual([any.status, any.headers['access-control-allow-origin']], [204, '*']);
  assert.equal(upstream.received.length, 0);
});

test('cors: answers of applications, and our own, say who may read them, in one line', async (t) => {
  const { visitor } = await world(t);
  const ours = {
    'access-control-allow-origin': crm,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'X-Total',
  };
  const from = (browser: Visitor, path: string, origin: string) => browser.fetch(path, { headers: { origin } });
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const passed = await from(agent, '/crm/x', crm);
  assert.equal(passed.text, 'of the application');
  assert.deepEqual(allows(passed), { ...ours, vary: ['Accept-Encoding', 'Origin'] });
  assert.deepEqual(allows(await from(agent, '/crm/x', other)), { vary: ['Accept-Encoding', 'Origin'] });
  assert.deepEqual(allows(await agent.fetch('/crm/x')), { vary: ['Accept-Encoding', 'Origin'] });
  const refused = await from(visitor(), '/crm/x', crm);
  assert.deepEqual([refused.status, allows(refused)], [401, { ...ours, vary: 'Origin' }]);
  const away = await from(visitor(), '/dead/x', crm);
  assert.deepEqual([away.status, allows(away)], [502, { ...ours, vary: 'Origin' }]);
  const fixed = await from(visitor(), '/fixed', crm);
  assert.deepEqual([fixed.text, allows(fixed)], ['fixed', { ...ours, vary: 'Origin' }]);
  assert.deepEqual(allows(await from(visitor(), '/any/x', other)), {
    'access-control-allow-origin': '*',
    vary: 'Accept-Encoding',
  });
  const both = allows(await from(agent, '/both/x', crm));
  assert.deepEqual(both, { 'access-control-allow-origin': crm, vary: ['Accept-Encoding', 'Cookie, Origin'] });
  const page = await visitor().open('/crm/x', { headers: { origin: crm } });
  assert.deepEqual([page.status, allows(page)], [302, { ...ours, vary: 'Origin' }], 'a page too');
  assert.deepEqual(
    allows(await from(agent, '/x', crm))['access-control-allow-origin'],
    '*',
    'without cors the application’s own stands',
  );
});

test('cors: with preflight: pass the application answers, and hears of nobody', async (t) => {
  const { upstream, visitor } = await world(t);
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  agent.cookies.set('theme', 'dark');
  const bare = preflight(other);
  const more = {
    authorization: 'Bearer x',
    'x-remote-user': 'root',
    'x-fixed': 'no',
  };
  const answer = await agent.fetch('/pass/x?y', { ...bare, headers: { ...bare.headers, ...more } });
  assert.deepEqual([answer.status, answer.text], [200, 'of the application']);
  const heard = upstream.only();
  assert.deepEqual([heard.method, heard.url], ['OPTIONS', '/pass/x?y']);
  assert.deepEqual(heard.values('access-control-request-method'), ['PATCH']);
  for (const name of ['cookie', 'x-remote-user', 'x-gatehouse-assertion', 'x-api-key', ...Object.keys(more)])
    assert.deepEqual(heard.values(name), [], name);
  const asked = [
    { method: 'OPTIONS', headers: { origin: other } },
    { method: 'OPTIONS', headers: { 'access-control-request-method': 'PATCH' } },
    { method: 'POST', headers: bare.headers },
    { ...bare, body: 'a body' },
    { ...bare, headers: { ...bare.headers, 'x-http-method-override': 'DELETE' } },
    { method: 'OPTIONS' },
  ];
  for (const ask of asked) assert.equal((await visitor().fetch('/pass/x', ask)).status, 401, JSON.stringify(ask));
  assert.equal((await visitor().fetch('/crm/x', { method: 'OPTIONS', headers: { origin: crm } })).status, 401);
  assert.equal((await visitor().fetch('/x', bare)).status, 401, 'elsewhere a preflight is any request');
  assert.equal(upstream.received.length, 1);
});
