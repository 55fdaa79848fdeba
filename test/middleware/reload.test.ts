/** The gateway inside an application gets another configuration: what counts at once, what goes on, what is refused. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Express } from 'express';
import { WebSocket, WebSocketServer } from 'ws';
import { stringify } from 'yaml';
import { type AppConfig, type Gatehouse, gatehouse } from '../../src/middleware/middleware.ts';
import { startApp, type TestApp } from '../support/scenes/app.ts';
import { passwords } from '../support/scenes/site.ts';
import type { Visitor } from '../support/scenes/visitor.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

async function signedIn(app: TestApp): Promise<Visitor> {
  const visitor = app.visitor();
  await visitor.mustSignIn('agent1', passwords.agent1);
  return visitor;
}

/** Everybody is a supervisor. */
const promoted = ({ config }: TestApp): AppConfig => ({ ...config, roles: { supervisor: { groups: ['agents'] } } });

test('reload of a middleware: another configuration counts at once, for sessions that are there too', async (t) => {
  const app = await startApp(t);
  const visitor = await signedIn(app);
  assert.equal((await visitor.fetch('/admin/x')).status, 403);
  assert.equal(await app.guard.reload(promoted(app)), true);
  assert.equal((await visitor.fetch('/admin/x')).status, 200);
  assert.equal(await app.guard.reload(), true, 'the last one again');
  assert.equal((await visitor.fetch('/admin/x')).status, 200);
  assert.deepEqual(
    app.audit('reload').map(({ outcome }) => outcome),
    ['succeeded', 'succeeded'],
  );
});

test('reload of a middleware: a file is read again', async (t) => {
  const app = await startApp(t);
  const file = join(await temporaryFolder(t), 'gatehouse.yaml');
  await writeFile(file, stringify(app.config));
  const guard = gatehouse({ config: file, output: { write: () => true } });
  t.after(() => guard.close());
  await guard.ready();
  await writeFile(file, `${stringify(app.config)}nonsense: true\n`);
  assert.equal(await guard.reload(), false);
  await writeFile(file, stringify(promoted(app)));
  assert.equal(await guard.reload(), true);
});

const unusable: Readonly<Record<string, readonly [change: Partial<AppConfig>, named: RegExp]>> = {
  'that is wrong': [{ routes: [{ location: 'x' }] }, /routes\[0\]\.location/],
  'with another store': [{ session: { store: { type: 'embedded', path: 'data' } } }, /session\.store changed/],
  'with an admin listener': [{ admin: { listen: 'http://127.0.0.1:0' } }, /admin changed/],
};

for (const [name, [change, named]] of Object.entries(unusable))
  test(`reload of a middleware: a configuration ${name} is refused by name, and the one before goes on`, async (t) => {
    const app = await startApp(t);
    const visitor = await signedIn(app);
    assert.equal(await app.guard.reload({ ...promoted(app), ...change }), false);
    assert.equal((await visitor.fetch('/desk')).status, 200);
    assert.equal((await visitor.fetch('/admin/x')).status, 403);
    assert.match(app.lines.find((line) => line.includes('was not reloaded')) ?? '', named);
    assert.equal(await app.guard.reload(), true, 'the one before is what is read again');
  });

/** `/events` never ends; everything else answers with its path. */
function streaming(handlers: Express, guard: Gatehouse): void {
  handlers.use(guard);
  handlers.get('/events', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  handlers.use((request, response) => void response.send(request.path));
}

async function openStream(app: TestApp, visitor: Visitor): Promise<{ isCut: boolean }> {
  const stream = httpRequest(new URL('/events', app.url), { headers: { cookie: visitor.cookieHeader } }).end();
  const [response] = await once(stream, 'response');
  const state = { isCut: false };
  response
    .on('data', () => undefined)
    .once('error', () => undefined)
    .once('close', () => {
      state.isCut = true;
    });
  return state;
}

async function openSocket(t: TestContext, app: TestApp, visitor: Visitor): Promise<WebSocket> {
  const sockets = new WebSocketServer({ noServer: true });
  t.after(() => sockets.close());
  app.server.on('upgrade', async (request, socket, head) => {
    const admitted = await app.guard.upgrade(request, socket);
    if (!admitted) return;
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on('message', (text) => {
        admitted.touch();
        opened.send(text);
      });
    });
  });
  const socket = new WebSocket(`ws://${app.url.host}/ws`, {
    headers: { cookie: visitor.cookieHeader, origin: app.url.origin },
  });
  await once(socket, 'open');
  return socket;
}

test('reload of a middleware: streams and WebSockets go on, and the logout after it still ends them', async (t) => {
  const app = await startApp(t, { build: streaming });
  const visitor = await signedIn(app);
  const stream = await openStream(app, visitor);
  const socket = await openSocket(t, app, visitor);
  for (let turn = 0; turn < 3; turn++) assert.equal(await app.guard.reload(), true);
  socket.send('still here');
  assert.equal(String((await once(socket, 'message'))[0]), 'still here');
  assert.equal(stream.isCut, false);
  const closed = once(socket, 'close');
  assert.ok((await visitor.post('/_gate/logout', {})).status < 400);
  await endsWithin(
    2000,
    'the cut',
    until('the stream is cut', () => stream.isCut),
  );
  assert.equal((await closed)[0], 1008);
});

test('reload of a middleware: requests before, during and after are all answered', async (t) => {
  const app = await startApp(t, { build: streaming });
  const visitor = await signedIn(app);
  let isOver = false;
  const statuses = new Map<number, number>();
  const asking = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const { status } = await visitor.fetch('/desk');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  for (let turn = 0; turn < 5; turn++) {
    const before = statuses.get(200) ?? 0;
    assert.equal(await app.guard.reload(), true);
    await until('requests go on', () => (statuses.get(200) ?? 0) > before + 4);
  }
  isOver = true;
  await Promise.all(asking);
  assert.deepEqual([...statuses.keys()], [200]);
});

test('reload of a middleware: closing waits for no stream that a reload has left behind', async (t) => {
  const app = await startApp(t, { build: streaming });
  const stream = await openStream(app, await signedIn(app));
  await app.guard.reload();
  await app.guard.close();
  await endsWithin(
    2000,
    'the cut',
    until('the stream is cut', () => stream.isCut),
  );
  await assert.rejects(app.guard.reload(), { code: 'UNAVAILABLE' });
  assert.equal(app.audit('stop').length, 1);
});
