/** The socket of commands: who may open it, what is replaced, and what a second gateway does. */
import assert from 'node:assert/strict';
import { link, lstat, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { listenAt } from '../../src/admin/socket.ts';
import { askGateway } from '../../src/cli/gateway-socket.ts';
import { OperatorError } from '../../src/core/errors.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, site } from '../support/scenes/site.ts';
import { hiddenFields } from '../support/scenes/visitor.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

test('socket: it is open to its owner only, and gone with the gateway', async (t) => {
  const { folder, stop } = await site(t);
  const socket = path.join(folder, 'admin.sock');
  const { mode } = await stat(socket);
  assert.equal(mode & 0o777, 0o600);
  await stop();
  await assert.rejects(lstat(socket), { code: 'ENOENT' });
});

test('socket: who speaks there is local, an operator, whatever tokens are configured', async (t) => {
  const token = { token: 'a-token-of-the-operator', role: 'operator' };
  const started = await site(t, { config: { admin: { tokens: { anna: token } } } });
  const socket = path.join(started.folder, 'admin.sock');
  const timeout = 5000;
  await started.visitor().mustSignIn('agent1', passwords.agent1);
  const asked = await askGateway(socket, { method: 'DELETE', target: '/sessions?user=agent1', timeout });
  assert.deepEqual(asked, { kind: 'answered', status: 200, body: { ended: 1 } });
  for (const event of ['revoke', 'session-end']) {
    const [record] = started.audit(event);
    assert.equal(record?.actor, 'local', event);
    assert.ok(record && !('address' in record), event);
  }
});

test('sessions: the record of each end has the operator who ended it, and from where; an end by its user has none', async (t) => {
  const token = { token: 'a-token-of-the-operator', role: 'operator' };
  const started = await site(t, { config: { admin: { tokens: { anna: token } } } });
  const [agent, supervisor] = [started.visitor(), started.visitor()];
  await agent.mustSignIn('agent1', passwords.agent1);
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  const { session } = JSON.parse((await agent.fetch('/_gate/session')).text);
  const authorization = `Bearer ${token.token}`;
  for (const target of [`/sessions/${session.id}`, '/sessions?user=supervisor1'])
    assert.equal(
      (await fetch(new URL(target, started.admin), { method: 'DELETE', headers: { authorization } })).status,
      200,
    );
  const again = started.visitor();
  await again.mustSignIn('agent1', passwords.agent1);
  const page = await again.open('/_gate/logout');
  await again.post('/_gate/logout', hiddenFields(page.text));
  assert.deepEqual(
    started.audit('session-end').map(({ user, reason, actor, address }) => [user, reason, actor, address]),
    [
      ['agent1', 'revoked', 'anna', '127.0.0.1'],
      ['supervisor1', 'revoked', 'anna', '127.0.0.1'],
      ['agent1', 'signed-out', undefined, undefined],
    ],
  );
});

/** What a process leaves behind that is killed: the name stays when its handle is closed by the kernel. */
async function leaveStale(file: string): Promise<void> {
  const dead = createSocketServer().listen(file);
  await new Promise((resolve) => dead.once('listening', resolve));
  const { ino } = await stat(file);
  await link(file, `${file}.kept`);
  await new Promise((resolve) => dead.close(resolve));
  await link(`${file}.kept`, file);
  await rm(`${file}.kept`);
  assert.equal((await stat(file)).ino, ino, 'the stale one is there');
}

test('socket: one that nobody listens at any more is replaced', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'admin.sock');
  await leaveStale(file);
  const server = createServer((_request, response) => void response.end('{}'));
  t.after(() => server.close());
  assert.deepEqual(await listenAt(server, file), { kind: 'open' });
  assert.equal((await askGateway(file, { method: 'GET', target: '/', timeout: 5000 })).kind, 'answered');
  assert.deepEqual(await readdir(folder), ['admin.sock']);
});

test('socket: of several gateways that start at once after a crash one has it, and it answers', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'admin.sock');
  await leaveStale(file);
  const servers = ['first', 'second'].map((name) =>
    createServer((_request, response) => void response.end(JSON.stringify({ name }))),
  );
  t.after(() => servers.forEach((server) => void server.close()));
  const results = await Promise.all(servers.map((server) => listenAt(server, file)));
  assert.deepEqual(results.map(({ kind }) => kind).toSorted(), ['open', 'taken']);
  const name = results[0]?.kind === 'open' ? 'first' : 'second';
  const asked = await askGateway(file, { method: 'GET', target: '/', timeout: 5000 });
  assert.deepEqual(asked, { kind: 'answered', status: 200, body: { name } });
});

test('socket: a file of somebody else’s is left alone', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'admin.sock');
  await writeFile(file, 'a letter');
  const result = await listenAt(createServer(), file);
  assert.equal(result.kind, 'failed');
  assert.equal(await readFile(file, 'utf8'), 'a letter');
});

test('socket: a second gateway on one store goes on without one, and says so', async (t) => {
  const folder = await temporaryFolder(t);
  const config = {
    admin: { listen: 'http://127.0.0.1:0', socket: undefined },
    session: { store: { type: 'embedded', path: folder } },
    routes: [{ location: '/', upstream: 'http://127.0.0.1:9', access: 'public' }],
  };
  const first = await gateway(t, { config });
  const second = await gateway(t, { config });
  assert.ok(second.lines.some((line) => line.includes('another gateway has the socket')));
  assert.ok(!first.lines.some((line) => line.includes('another gateway has the socket')));
  await second.stop();
  const asked = await askGateway(path.join(folder, 'admin.sock'), {
    method: 'GET',
    target: '/health/live',
    timeout: 5000,
  });
  assert.equal(asked.kind, 'answered', 'the first still has it');
});

test('socket: one that is named and cannot be made stops the start', async (t) => {
  const config = {
    admin: { socket: `${'x'.repeat(120)}.sock` },
    routes: [{ location: '/', upstream: 'http://127.0.0.1:9', access: 'public' }],
  };
  await assert.rejects(
    gateway(t, { config }),
    (error) => error instanceof OperatorError && error.message.startsWith('admin.socket'),
  );
});
