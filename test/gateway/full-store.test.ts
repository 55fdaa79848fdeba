/** A store that takes nothing any more, while the gateway serves: a full disk, as SQLite reports it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { run, start } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { fillStore } from '../support/tools/full-store.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

async function signOut(browser: Visitor): Promise<number> {
  const page = await browser.open('/_gate/logout');
  return (await browser.post('/_gate/logout', hiddenFields(page.text))).status;
}

async function readiness({ admin }: Site): Promise<Record<string, unknown>> {
  return (await (await fetch(new URL('/health/ready', admin))).json()) as Record<string, unknown>;
}

test('full store: who is signed in goes on, a login is 503, a logout holds everywhere at once, and all is well after', async (t) => {
  const folder = await temporaryFolder(t);
  const store = { session: { store: { type: 'embedded', path: folder } } };
  const [here, there] = [await site(t, { config: store }), await site(t, { config: store })];
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const bystander = here.visitor();
  await bystander.mustSignIn('supervisor1', passwords.supervisor1);
  const makeRoom = fillStore(t, folder);

  assert.equal((await browser.fetch('/x')).status, 200);
  assert.equal((await here.visitor().fetch('/public')).status, 200);
  assert.equal((await here.visitor().open('/_gate/login')).status, 200);
  assert.equal((await here.visitor().signIn('agent1', passwords.agent1)).status, 503);
  assert.equal('waiting' in (await readiness(here)), false);

  const [old, elsewhere] = [here.visitor(), there.visitor()];
  for (const other of [old, elsewhere]) other.cookies.set('gatehouse', browser.cookies.get('gatehouse') ?? '');
  const socket = new WebSocket(`ws://${there.url.host}/live`, {
    headers: { cookie: elsewhere.cookieHeader, origin: there.url.origin },
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const closed = once(socket, 'close');
  assert.equal(await signOut(browser), 200);
  assert.equal(browser.cookies.has('gatehouse'), false);
  assert.equal((await old.fetch('/x')).status, 401, 'the old cookie is dead at once');
  await endsWithin(2000, 'the WebSocket on the other worker', closed);
  assert.equal((await elsewhere.fetch('/x')).status, 401, 'and on the other worker');
  assert.equal((await bystander.fetch('/x')).status, 200);
  assert.partialDeepStrictEqual(await readiness(here), { status: 'degraded', store: 'read-only', waiting: 1 });
  const listed = await (await fetch(new URL('/sessions', here.admin))).json();
  assert.partialDeepStrictEqual(listed, { sessions: [{ user: 'supervisor1' }] });

  makeRoom();
  await until('the end is written', async () => (await readiness(here)).status === 'ready', 10_000);
  assert.equal((await old.fetch('/x')).status, 401);
  await here.visitor().mustSignIn('agent1', passwords.agent1);
});

test('full store: an operator’s revocation of a user holds, too', async (t) => {
  const started = await site(t, { config: { session: { store: { type: 'embedded', path: 'data' } } } });
  const browsers = [started.visitor(), started.visitor()];
  for (const browser of browsers) await browser.mustSignIn('agent1', passwords.agent1);
  fillStore(t, path.join(started.folder, 'data'));
  const ended = await fetch(new URL('/sessions?user=agent1', started.admin), { method: 'DELETE' });
  assert.equal(ended.ok, true);
  for (const browser of browsers) assert.equal((await browser.fetch('/x')).status, 401);
  assert.equal((await readiness(started)).waiting, 3, 'the ends of both sessions, and that the user must prove anew');
});

test('full store: a logout outlives the process that is killed, and the next one writes it', async (t) => {
  const folder = await temporaryFolder(t);
  const origin = `http://127.0.0.1:${await freePort()}`;
  const admin = `http://127.0.0.1:${await freePort()}`;
  const file = path.join(folder, 'gatehouse.yaml');
  await writeFile(
    file,
    `server: { listen: ${origin}, publicUrl: ${origin} }
admin: { listen: ${admin} }
session: { store: { type: embedded, path: data } }
login: { chain: [local] }
providers: { local: { type: local, users: users.yaml } }
routes: [{ location: /, upstream: http://127.0.0.1:1 }]
`,
  );
  const added = await run(['users', 'add', 'agent1', '--config', file], { stdin: `${passwords.agent1}\n` });
  assert.equal(added.code, 0, added.stderr);
  const first = start(t, ['serve', '--config', file]);
  await first.said('the gateway is ready');
  const browser = new Visitor(new URL(origin));
  await browser.mustSignIn('agent1', passwords.agent1);
  const old = new Visitor(new URL(origin));
  old.cookies.set('gatehouse', browser.cookies.get('gatehouse') ?? '');
  assert.equal((await old.fetch('/_gate/session')).status, 200);
  const makeRoom = fillStore(t, path.join(folder, 'data'));
  assert.equal(await signOut(browser), 200);
  first.child.kill('SIGKILL');
  await first.ended;
  const second = start(t, ['serve', '--config', file]);
  await second.said('the gateway is ready');
  assert.equal((await old.fetch('/_gate/session')).status, 401, 'dead after the restart, still held');
  makeRoom();
  const ready = async () => (await fetch(`${admin}/health/ready`)).json() as Promise<{ waiting?: number }>;
  await until('the end is written', async () => (await ready()).waiting === undefined, 10_000);
  second.child.kill('SIGTERM');
  assert.equal(await second.ended, 0);
  const database = new DatabaseSync(path.join(folder, 'data', 'gatehouse.db'));
  const rows = database.prepare("SELECT value FROM entries WHERE key LIKE 'session:%'").all();
  database.close();
  assert.deepEqual(
    rows.map(({ value }) => JSON.parse(String(value)).kind),
    ['ended'],
  );
});
