/**
 * The package as others install it: packed by npm, unpacked below `node_modules` of the example application, which is plain
 * JavaScript, and run. The packages it depends on are this repository's own, so that no registry is asked.
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Visitor } from '../support/scenes/visitor.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const modules = path.join(root, 'node_modules');
const passwords = { alice: 'right-4417-horse', bob: 'right-9920-battery' };

test('package: installs in a plain JavaScript project, where the example application runs', async (t) => {
  const folder = await install(t);
  const port = await freePort();
  await moveTo(folder, port);

  await t.test('package: holds JavaScript, declarations and what the pages load, and no source', async () => {
    const files = (await run('tar', ['-tzf', path.join(folder, 'gatehouse.tgz')])).stdout.trim().split('\n');
    for (const file of [
      'dist/middleware/middleware.js',
      'dist/middleware/middleware.d.ts',
      'dist/pages/assets/gatehouse.css',
    ])
      assert.ok(files.includes(`package/${file}`), file);
    const strangers = files.filter((name) => !/^package\/(?:dist\/|docs\/|package\.json$|README\.md$)/.test(name));
    assert.deepEqual(strangers, []);
    assert.deepEqual(
      files.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')),
      [],
    );
  });

  await t.test('package: the command checks the example and adds its users', async () => {
    const { stdout, stderr } = await gatehouse(folder, ['check', '--app', '--config', 'gatehouse.yaml']);
    assert.match(stdout, /good/);
    assert.equal(stderr, '', 'without a warning');
    await gatehouse(folder, ['users', 'add', 'alice', ...appFile, '--groups', 'agents'], passwords.alice);
    await gatehouse(folder, ['users', 'add', 'bob', ...appFile, '--groups', 'agents,supervisors'], passwords.bob);
    await assert.rejects(gatehouse(folder, ['check', '--config', 'gatehouse.yaml']), 'a gateway needs upstreams');
  });

  await t.test('package: the example application knows its visitors, and nobody passes for another', async (t) => {
    const { stop } = await start(t, folder, port);
    const url = new URL(`http://localhost:${port}`);
    const alice = new Visitor(url);
    const forged = { headers: { 'x-remote-user': 'bob', 'x-remote-roles': 'supervisor' } };
    assert.match((await alice.open('/', forged)).text, /whoever you are/);
    assert.equal((await alice.open('/desk/', forged)).status, 302);
    await alice.mustSignIn('alice', passwords.alice, '/desk/');
    assert.match((await alice.open('/desk/', forged)).text, /The desk of alice\./);
    assert.match((await alice.post('/desk/', { note: '<b>' })).text, /Noted for alice: &#60;b&#62;/);
    assert.equal((await alice.open('/report', forged)).status, 403);
    assert.equal((await alice.open('/Admin/', forged)).status, 403);

    const bob = new Visitor(url);
    await bob.mustSignIn('bob', passwords.bob, '/report');
    assert.deepEqual(JSON.parse((await bob.open('/report')).text).roles, ['agent', 'supervisor']);
    assert.ok((await bob.post('/_gate/logout', {})).status < 400);
    assert.equal((await bob.open('/report')).status, 302);
    assert.match((await bob.open('/')).text, /whoever you are/);

    assert.equal(await stop(), 0, 'SIGTERM ends it');
    await start(t, folder, port);
    assert.match((await alice.open('/desk/')).text, /The desk of alice\./, 'sessions outlive a restart');
  });

  await t.test('package: TypeScript knows the principal of a request', async () => {
    await writeFile(path.join(folder, 'typed.ts'), typed);
    await writeFile(path.join(folder, 'wrong.ts'), typed.replace('principal?.subject', 'principal?.subjct'));
    await compile(folder, 'typed.ts');
    await assert.rejects(compile(folder, 'wrong.ts', '--skipLibCheck'), ({ stdout }: { stdout: string }) =>
      /TS2551.*subjct/.test(stdout),
    );
  });
});

const appFile = ['--app', '--config', 'gatehouse.yaml'];

const typed = `
import express from 'express';
import { type AppConfig, gatehouse, type Principal, requireRole } from 'gatehouse';

const config: AppConfig = {
  server: { publicUrl: 'https://cc.example.com' },
  login: { chain: ['local'] },
  providers: { local: { type: 'local', users: 'users.yaml' } },
  routes: [{ location: '/', access: 'public' }, { location: '/admin/', access: { roles: ['supervisor'] } }],
};
export const app = express();
export const guard = gatehouse({ config });
app.use(guard);
app.get('/report', requireRole('supervisor'), (request, response) => {
  const subject: string | undefined = request.principal?.subject;
  const who: Principal | undefined = request.principal;
  response.json({ subject, isAgent: who?.roles.has('agent') });
});
await guard.ready();
`;

/** Packs the package and unpacks it as npm would, in a copy of the example application. */
async function install(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  await cp(path.join(root, 'docs/examples/express-app'), folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
  const name = stdout.trim().split('\n').at(-1) ?? '';
  await cp(path.join(folder, name), path.join(folder, 'gatehouse.tgz'));

  const own = path.join(folder, 'node_modules');
  const home = path.join(own, 'gatehouse');
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', path.join(folder, name), '-C', home, '--strip-components=1']);
  const { dependencies, optionalDependencies, bin } = JSON.parse(
    await readFile(path.join(home, 'package.json'), 'utf8'),
  );
  const wanted = [...Object.keys({ ...dependencies, ...optionalDependencies }), '@types'];
  for (const dependency of wanted) {
    const link = path.join(own, dependency);
    await mkdir(path.dirname(link), { recursive: true });
    await symlink(path.join(modules, dependency), link);
  }
  await mkdir(path.join(own, '.bin'));
  await symlink(path.join(home, bin.gatehouse), path.join(own, '.bin', 'gatehouse'));
  return folder;
}

/** The port is the only thing that the example leaves to chance. */
async function moveTo(folder: string, port: number): Promise<void> {
  const file = path.join(folder, 'gatehouse.yaml');
  const text = await readFile(file, 'utf8');
  assert.ok(text.includes('localhost:3000'));
  await writeFile(file, text.replace('localhost:3000', `localhost:${port}`));
}

async function gatehouse(
  folder: string,
  parameters: readonly string[],
  input = '',
): Promise<{ stdout: string; stderr: string }> {
  const running = run(process.execPath, [path.join('node_modules', '.bin', 'gatehouse'), ...parameters], {
    cwd: folder,
  });
  running.child.stdin?.end(`${input}\n`);
  return running;
}

/** Starts the example and waits until it listens. */
async function start(t: TestContext, folder: string, port: number): Promise<{ stop(): Promise<number | null> }> {
  const child = spawn(process.execPath, ['app.js'], {
    cwd: folder,
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface(child.stdout)) if (line === `listening on ${port}`) break;
  child.stdout.resume();
  assert.equal(child.exitCode, null, 'the example application is running');
  return {
    stop: async () => {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
  };
}

/** Checks one file as a project with today's settings would. */
async function compile(folder: string, file: string, ...more: readonly string[]): Promise<void> {
  const settings = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--types', 'node'];
  await run(path.join(modules, '.bin', 'tsc'), [...settings, ...more, file], { cwd: folder });
}
