/** `gatehouse reload`: it waits, and says what came of it. */
import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { findSocket } from '../../src/cli/gateway-socket.ts';
import { site, siteConfig } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

test('reload: the command waits until the configuration is in place', async (t) => {
  const started = await site(t);
  assert.equal((await started.visitor().fetch('/new')).status, 401);
  const config = siteConfig(started.upstream.origin);
  const open = { location: '/new', upstream: started.upstream.origin, access: 'public' };
  await started.write({ ...config, routes: [...(config.routes as object[]), open] });
  const result = await run(['reload', '--config', started.file]);
  assert.deepEqual(result, { code: 0, stdout: 'the configuration was reloaded\n', stderr: '' });
  assert.equal((await started.visitor().fetch('/new')).status, 200);
  assert.partialDeepStrictEqual(started.audit('reload'), [{ outcome: 'succeeded', actor: 'local' }]);
});

test('reload: a file that is bad is 1, with what is wrong and where, and the one before goes on', async (t) => {
  const started = await site(t);
  await started.write({ ...siteConfig(started.upstream.origin), sesion: {} });
  const { code, stderr } = await run(['reload', '--config', started.file]);
  assert.equal(code, 1);
  assert.match(stderr, /gatehouse\.yaml:\d+:\d+ +sesion: /);
  assert.equal((await started.visitor().fetch('/public')).status, 200);
  assert.partialDeepStrictEqual(started.audit('reload'), [{ outcome: 'failed', actor: 'local' }]);
});

test('reload: a file that is no YAML is 1, with its line', async (t) => {
  const started = await site(t);
  await appendFile(started.file, '\n\tx: [');
  const { code, stderr } = await run(['reload', '--config', started.file]);
  assert.equal(code, 1);
  assert.match(stderr, /gatehouse\.yaml:\d+/);
});

test('reload: a key that counts from the next start only is 1, and named', async (t) => {
  const started = await site(t);
  await started.write({ ...siteConfig(started.upstream.origin), server: { keepAlive: '7s' } });
  const { code, stdout, stderr } = await run(['reload', '--config', started.file]);
  assert.equal(code, 1);
  assert.match(stdout, /was reloaded/);
  assert.match(stderr, /next start.*: server\.keepAlive\n$/);
});

test('reload: a key that cannot change is 1, and named', async (t) => {
  const started = await site(t);
  await started.write({ ...siteConfig(started.upstream.origin), audit: { to: 'off' } });
  const { code, stderr } = await run(['reload', '--config', started.file]);
  assert.equal(code, 1);
  assert.match(stderr, /audit\.to/);
});

test('reload: 69 where no gateway answers', async (t) => {
  const started = await site(t);
  await started.stop();
  const { code, stderr } = await run(['reload', '--config', started.file]);
  assert.equal(code, 69);
  assert.ok(stderr.includes(path.join(started.folder, 'admin.sock')), stderr);
});

test('reload: the socket is the named one, else beside the store, else in ../data; mistakes elsewhere do not hide it', async (t) => {
  const folder = await temporaryFolder(t);
  const config = path.join(folder, 'etc');
  await mkdir(config);
  const file = path.join(config, 'gatehouse.yaml');
  const found = async (document: object): Promise<string> => {
    await writeFile(file, stringify(document));
    return path.relative(folder, findSocket(file, {}).path);
  };
  const embedded = { store: { type: 'embedded', path: 'kept' } };
  assert.equal(await found({ admin: { socket: '../run/a.sock' }, session: embedded }), 'run/a.sock');
  assert.equal(await found({ session: embedded, sesion: 5, login: { chain: 'x' } }), 'etc/kept/admin.sock');
  assert.equal(await found({ session: { store: { type: 'memory' } } }), 'data/admin.sock');
  assert.equal(await found({ routes: [] }), 'data/admin.sock');
});
