/** Reloads, drains, restarts: nothing is dropped and nothing is lost. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run, start } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

test('reload: a new configuration counts at once, for sessions that are there too', async (t) => {
  const started = await site(t);
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  assert.equal((await browser.fetch('/admin/x')).status, 403);
  const config = siteConfig(started.upstream.origin);
  await started.write({ ...config, roles: { supervisor: { groups: ['agents'] }, agent: { groups: ['agents'] } } });
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
  assert.equal((await browser.fetch('/admin/x')).status, 200);
  assert.equal(started.audit('reload').length, 1);
});

const broken = {
  'half-written': 'server:\n  listen: http://127.0.0.1:1\n  publicU',
  empty: '',
  'of the wrong shape': 'routes: 5\n',
};
for (const [name, text] of Object.entries(broken))
  test(`reload: a configuration that is ${name} is reported with its line, and the one before goes on`, async (t) => {
    const started = await site(t);
    await writeFile(started.file, text);
    assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'failed');
    assert.equal((await started.visitor().fetch('/public')).status, 200);
    assert.ok(started.lines.some((line) => line.includes('was not reloaded') && line.includes('gatehouse.yaml')));
    assert.equal(started.audit('reload')[0]?.outcome, 'failed');
  });

test('reload: a change that needs a restart is refused and named', async (t) => {
  const started = await site(t);
  await started.write({
    ...siteConfig(started.upstream.origin),
    admin: { listen: `http://127.0.0.1:${await freePort()}` },
  });
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'failed');
  assert.ok(started.lines.some((line) => line.includes('admin.listen')));
});

test('reload: what counts from the next start only is named, and a token is not shown', async (t) => {
  const started = await site(t);
  const config = siteConfig(started.upstream.origin);
  await started.write({ ...config, admin: { token: 'a-token-of-the-operator' }, server: { keepAlive: '7s' } });
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const line = started.lines.find((one) => one.includes('next start')) ?? '';
  assert.match(line, /"admin\.token"/);
  assert.match(line, /"server\.keepAlive"/);
  assert.ok(!started.lines.some((one) => one.includes('a-token-of-the-operator')));
  await started.write(config);
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
  assert.equal(started.lines.filter((one) => one.includes('next start')).length, 1, 'back to what it was started with');
});

test('reload: requests before, during and after many reloads are all answered', async (t) => {
  const started = await site(t);
  const reader = started.visitor();
  const statuses: number[] = [];
  let isDone = false;
  const load = Array.from({ length: 4 }, async () => {
    while (!isDone) statuses.push((await reader.fetch('/public/x')).status);
  });
  const slow = reader.fetch('/public/../public');
  for (let count = 0; count < 15; count += 1) {
    const before = statuses.length;
    assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
    await until('requests meet the new configuration', () => statuses.length > before + 4);
  }
  isDone = true;
  await Promise.all(load);
  assert.deepEqual([...new Set(statuses)], [200]);
  assert.equal((await slow).status, 200);
});

test('drain: a request under way is answered whole, a new connection is not taken', async (t) => {
  const started = await site(t, { config: { server: { drain: '5s' } } });
  const slow = http.get(`${started.url.origin}/public/../slow?ms=400`);
  const streaming = http.get({ host: started.url.hostname, port: started.url.port, path: '/public', agent: false });
  slow.on('error', () => undefined);
  const [response] = (await once(streaming, 'response')) as [http.IncomingMessage];
  const stopping = started.running.stop();
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  assert.equal(JSON.parse(Buffer.concat(chunks).toString()).url, '/public');
  await stopping;
  const late = http.get(`${started.url.origin}/public`, { agent: false });
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});

/** The configuration of a process of its own, over an embedded store. */
async function processConfig(folder: string, origin: string): Promise<{ file: string; url: URL; admin: URL }> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const url = new URL(`http://127.0.0.1:${port}`);
  const admin = new URL(`http://127.0.0.1:${adminPort}`);
  const file = path.join(folder, 'gatehouse.yaml');
  await writeFile(
    file,
    stringify({
      server: { listen: url.origin, publicUrl: url.origin, drain: '2s' },
      admin: { listen: admin.origin },
      login: { chain: ['local'] },
      session: { store: { type: 'embedded', path: 'data' } },
      providers: { local: { type: 'local', users: 'users.yaml' } },
      ...siteConfig(origin),
    }),
  );
  return { file, url, admin };
}

test('restart: sessions outlive a SIGTERM and a kill -9 of the process', async (t) => {
  const upstream = await startUpstream(t);
  const folder = await temporaryFolder(t);
  const { file, url } = await processConfig(folder, upstream.origin);
  const add = start(t, ['users', 'add', 'agent1', '--groups', 'agents', '--config', file]);
  assert.equal(await add.ended, 1, 'without a password nothing is added');
  assert.equal(
    (await run(['users', 'add', 'agent1', '--groups', 'agents', '--config', file], { stdin: `${passwords.agent1}\n` }))
      .code,
    0,
  );

  const first = start(t, ['serve', '--config', file]);
  await first.said('the gateway is ready');
  const browser = new Visitor(url);
  await browser.mustSignIn('agent1', passwords.agent1);
  first.child.kill('SIGTERM');
  assert.equal(await first.ended, 0);

  const second = start(t, ['serve', '--config', file]);
  await second.said('the gateway is ready');
  assert.equal((await browser.fetch('/x')).status, 200, 'after a SIGTERM');
  const other = new Visitor(url);
  await other.mustSignIn('agent1', passwords.agent1);
  second.child.kill('SIGKILL');
  assert.equal(await second.ended, 'SIGKILL');

  const third = start(t, ['serve', '--config', file]);
  await third.said('the gateway is ready');
  assert.equal((await browser.fetch('/x')).status, 200, 'after a kill');
  assert.equal((await other.fetch('/x')).status, 200, 'one begun just before the kill');
  const reloaded = await run(['reload', '--config', file]);
  assert.deepEqual([reloaded.code, reloaded.stderr], [0, ''], 'the socket that the killed one left is replaced');
});

test('drain: a process whose output takes nothing, as a closed terminal or a full disk, ends all the same', async (t) => {
  const upstream = await startUpstream(t);
  const { file, url } = await processConfig(await temporaryFolder(t), upstream.origin);
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const program = start(t, ['serve', '--config', file], {}, full);
  await until('it serves', () =>
    new Visitor(url).fetch('/public').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  program.child.kill('SIGTERM');
  assert.equal(await program.ended, 0);
});

test('signals: SIGUSR1 opens no inspector in the running gateway, and ends nothing', async (t) => {
  const upstream = await startUpstream(t);
  const { file, url } = await processConfig(await temporaryFolder(t), upstream.origin);
  const program = start(t, ['serve', '--config', file], { NODE_OPTIONS: '--inspect-port=0' });
  await program.said('the gateway is ready');
  program.child.kill('SIGUSR1');
  program.child.kill('SIGHUP');
  await program.said('was reloaded');
  assert.equal((await new Visitor(url).fetch('/public')).status, 200);
  assert.ok(!program.lines.some((line) => /debugger|inspector/i.test(line)), program.lines.join('\n'));
});

test('start: a port in use, a store that cannot be written, an unreadable key: each is named, with what to do', async (t) => {
  const upstream = await startUpstream(t);
  const folder = await temporaryFolder(t);
  const { file, url } = await processConfig(folder, upstream.origin);
  const squatter = http.createServer().listen(Number(url.port), '127.0.0.1');
  t.after(() => squatter.close());
  await once(squatter, 'listening');
  const taken = start(t, ['serve', '--config', file]);
  assert.equal(await taken.ended, 1);
  assert.match(taken.lines.join('\n'), /cannot listen on .*: the port is in use\n.*server\.listen/);
  squatter.close();
  await once(squatter, 'close');
  const other = await temporaryFolder(t);
  await writeFile(path.join(other, 'data'), 'a file where the folder should be');
  const { file: blockedFile } = await processConfig(other, upstream.origin);
  const blocked = start(t, ['serve', '--config', blockedFile]);
  assert.equal(await blocked.ended, 1);
  assert.ok(blocked.lines.join('\n').includes(path.join(other, 'data')));
});
