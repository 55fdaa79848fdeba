/** Access rules inside an application: an identity where there is one, and networks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { requireLevel, requireRole } from '../../src/middleware/middleware.ts';
import { seenBy, startApp } from '../support/scenes/app.ts';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { passwords } from '../support/scenes/site.ts';

test('middleware: where access is optional the application knows who is there, and caches are told', async (t) => {
  const app = await startApp(t, { config: { routes: [{ location: '/', access: 'optional' }] } });
  const [agent, stranger] = [app.visitor(), app.visitor()];
  await agent.mustSignIn('agent1', passwords.agent1);
  const known = await agent.fetch('/status');
  assert.equal(JSON.parse(known.text).principal.subject, 'agent1');
  assert.deepEqual([known.headers['cache-control'], known.headers.vary], ['private', 'Cookie']);
  const unknown = await stranger.fetch('/status', { headers: { 'x-remote-user': 'agent1' } });
  const { principal, headers } = JSON.parse(unknown.text);
  assert.deepEqual([principal, headers['x-remote-user']], [undefined, undefined]);
  assert.deepEqual([unknown.headers['cache-control'], unknown.headers.vary], [undefined, 'Cookie']);
});

test('middleware: a network frees from what the configuration asks, and not from what the application asks', async (t) => {
  const access = { roles: ['supervisor'], networks: ['127.0.0.4/30'], satisfy: 'any' } as const;
  const app = await startApp(t, {
    config: {
      routes: [{ location: '/', access: { ...access, roles: [...access.roles], networks: [...access.networks] } }],
    },
    build: (express, guard) => {
      express.use(guard);
      express.get('/asked', requireRole('supervisor'));
      express.use((seen, response) => void response.json(seenBy(seen)));
    },
  });
  const from = async (localAddress: string, path: string, host = app.url.host) => {
    const dispatcher = new Agent({ localAddress });
    const response = await request(app.url.origin + path, { dispatcher, headers: { host } });
    await response.body.dump();
    await dispatcher.close();
    return response.statusCode;
  };
  assert.equal(await from('127.0.0.6', '/desk'), 200);
  assert.equal(await from('127.0.0.9', '/desk'), 401);
  assert.equal(await from('127.0.0.6', '/asked'), 401);
  assert.equal(await from('127.0.0.6', '/desk', 'evil.example'), 401, 'a name that only leads here (DNS rebinding)');
});

test('middleware: the start page shows parts of the application, and preflights come before its login', async (t) => {
  const origin = 'https://crm.example';
  const app = await startApp(t, {
    config: {
      routes: [
        { location: '/desk', label: 'Desk', icon: 'headset' },
        { location: '/admin', label: 'Administration', access: { roles: ['supervisor'] } },
        { location: '/crm', cors: { origins: [origin] } },
        { location: '/pass', preflight: 'pass' },
      ],
    },
  });
  const agent = app.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const { applications } = JSON.parse((await agent.fetch('/_gate/')).text);
  assert.deepEqual(applications, [{ label: 'Desk', icon: 'headset', href: '/desk' }]);
  const preflight = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PATCH' } };
  const answered = await app.visitor().fetch('/crm', preflight);
  assert.deepEqual([answered.status, answered.headers['access-control-allow-origin']], [204, origin]);
  const refused = await app.visitor().fetch('/crm', { headers: { origin } });
  assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, origin]);
  const passed = JSON.parse((await agent.fetch('/pass', preflight)).text);
  assert.deepEqual(
    [passed.principal, passed.headers.cookie, passed.headers['x-remote-user']],
    [undefined, undefined, undefined],
  );
});

test('middleware: an application asks for a level by itself, and lets nobody pass for a level that nobody can reach', async (t) => {
  const app = await startApp(t, {
    config: { factors: { app: { type: 'totp' } }, routes: [{ location: '/', access: 'public' }] },
    build: (express, guard) => {
      express.use(guard);
      express.get('/pay', requireLevel(2));
      express.get('/vault', requireLevel(3));
      express.use((seen, response) => void response.json(seenBy(seen)));
    },
  });
  const agent = app.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const fetched = await agent.fetch('/pay');
  assert.equal(fetched.status, 401);
  assert.partialDeepStrictEqual(JSON.parse(fetched.text), { reason: 'level-too-low', level: 2 });
  const asked = await agent.open('/pay');
  assert.equal(asked.headers.location, '/_gate/factor?return=%2Fpay&level=2');
  const choosing = await followed(agent, asked);
  const page = choosing.status === 302 ? await followed(agent, choosing) : choosing;
  const done = await takeStep(agent, page, { code: scan(page).at(Date.now()) });
  assert.equal(done.headers.location, '/pay');
  const { principal } = JSON.parse((await agent.fetch('/pay')).text);
  assert.equal(principal.subject, 'agent1');
  assert.equal((await agent.fetch('/vault')).status, 500);
});
