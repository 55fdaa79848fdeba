/** The gateway inside an application of Express 4: what differs there is the router, the error handling and the answer's object. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { createRequire } from 'node:module';
import { type TestContext, test } from 'node:test';
import type { ErrorRequestHandler, Express } from 'express';
import express from 'express4';
import { type Gatehouse, requireRole } from '../../src/middleware/middleware.ts';
import { seenBy, startApp, type TestApp, type TestAppOptions } from '../support/scenes/app.ts';
import { passwords } from '../support/scenes/site.ts';
import type { Visitor } from '../support/scenes/visitor.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const start = (t: TestContext, options: TestAppOptions = {}): Promise<TestApp> =>
  startApp(t, { framework: express, build: desk, ...options });

async function signedIn(app: TestApp, user: keyof typeof passwords): Promise<Visitor> {
  const visitor = app.visitor();
  await visitor.mustSignIn(user, passwords[user]);
  return visitor;
}

const errorText: ErrorRequestHandler = (error, _request, response, _next) =>
  void response.status(error.status ?? 500).send(String(error.message));

function desk(handlers: Express, guard: Gatehouse): void {
  const reports = express.Router();
  reports.get('/own', requireRole('supervisor'), (request, response) => void response.json(seenBy(request)));
  handlers.use(guard, express.json());
  handlers.use('/public', reports);
  handlers.post('/echo', (request, response) => void response.json({ body: request.body }));
  handlers.get('/events', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  handlers.get('/typo', requireRole('supervsior'), (_request, response) => void response.send('reached'));
  handlers.get('*', (request, response) => void response.json(seenBy(request)));
  handlers.use(errorText);
}

test('Express 4: it is Express 4 that is tested here', () => {
  const { name, version } = createRequire(import.meta.url)('express4/package.json');
  assert.equal(name, 'express');
  assert.match(version, /^4\./);
});

test('Express 4: a page leads to the login and back, and the handler knows who it is and nothing forged', async (t) => {
  const app = await start(t);
  const first = await app.visitor().open('/desk?queue=1');
  assert.deepEqual([first.status, first.headers.location], [302, '/_gate/login?return=%2Fdesk%3Fqueue%3D1']);
  assert.equal(first.headers['x-powered-by'], undefined);
  assert.equal((await app.visitor().fetch('/desk', { headers: { accept: 'application/json' } })).status, 401);

  const visitor = await signedIn(app, 'agent1');
  const forged = { 'x-remote-user': 'supervisor1', X_REMOTE_ROLES: 'supervisor', connection: 'close, x-remote-user' };
  const seen = JSON.parse((await visitor.open('/x/..//de%73k?q=%2Fa', { headers: forged })).text);
  assert.deepEqual([seen.url, seen.originalUrl], ['/desk?q=%2Fa', '/desk?q=%2Fa']);
  assert.deepEqual([seen.principal.subject, seen.headers['x-remote-user']], ['agent1', 'agent1']);
  assert.equal(seen.headers['x-remote-roles'], 'agent');
  assert.doesNotMatch(JSON.stringify(seen), /supervisor|gatehouse=/);
  const echoed = await visitor.fetch('/echo', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"a":1}',
  });
  assert.deepEqual(JSON.parse(echoed.text), { body: { a: 1 } });
});

test('Express 4: no spelling of a closed address reaches its handler', async (t) => {
  const app = await start(t);
  const visitor = await signedIn(app, 'agent1');
  for (const path of ['/admin', '/Admin', '/ADMIN/', '/%61dmin', '/x/../admin', '//admin', '/public/../admin'])
    assert.equal((await visitor.open(path)).status, 403, path);
  for (const path of ['/a%2fb', '/a%5Cb', '/a;b', '/%00']) assert.equal((await visitor.open(path)).status, 400, path);
});

test('Express 4: requireRole works in a router, and what is wrong goes to the error handler', async (t) => {
  const app = await start(t);
  const supervisor = await signedIn(app, 'supervisor1');
  const seen = JSON.parse((await supervisor.open('/public/own?day=1')).text);
  assert.deepEqual([seen.url, seen.principal.subject], ['/own?day=1', 'supervisor1']);
  assert.equal(
    (await app.visitor().open('/public/own?day=1')).headers.location,
    '/_gate/login?return=%2Fpublic%2Fown%3Fday%3D1',
  );
  assert.equal((await (await signedIn(app, 'agent1')).open('/public/own')).status, 403);
  const typo = await supervisor.open('/typo');
  assert.equal(typo.status, 500);
  assert.match(typo.text, /the roles of the configuration are agent, supervisor/);
  const below = await start(t, {
    build: (handlers, guard) => {
      handlers.use('/below', guard);
      handlers.use((_request, response) => void response.send('reached'));
      handlers.use(errorText);
    },
  });
  assert.match((await below.visitor().open('/below/public')).text, /at the root of the application/);
});

test('Express 4: a logout ends an event stream within two seconds', async (t) => {
  const app = await start(t);
  const visitor = await signedIn(app, 'agent1');
  const stream = httpRequest(new URL('/events', app.url), { headers: { cookie: visitor.cookieHeader } }).end();
  const [response] = await once(stream, 'response');
  let isCut = false;
  response
    .on('data', () => undefined)
    .once('error', () => undefined)
    .once('close', () => {
      isCut = true;
    });
  assert.ok((await visitor.post('/_gate/logout', {})).status < 400);
  await endsWithin(
    2000,
    'the cut',
    until('the stream is cut', () => isCut),
  );
});
