/** A backup made beside a running gateway, and what comes back of it. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { OperatorError } from '../../src/core/errors.ts';
import { backUp } from '../../src/store/backup.ts';
import { HeldEntries } from '../../src/store/held-entries.ts';
import { createStore, type EmbeddedOptions } from '../../src/store/index.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { type CommandResult, run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const passphrase = 'four words in a row';

/** A site with its store in `data`, a way to start it again on what is there, and the commands on its configuration. */
async function backedUp(t: TestContext) {
  const folder = await temporaryFolder(t);
  const data = join(folder, 'data');
  const config = { session: { store: { type: 'embedded', path: data } } };
  const first = await site(t, { config });
  const file = join(folder, 'backup');
  const command = (name: string, ...more: string[]): Promise<CommandResult> =>
    run([name, file, '--config', first.file, ...more], { stdin: `${passphrase}\n` });
  return { folder, data, file, first, command, again: () => site(t, { config }) };
}

async function signedIn(started: Site, user: keyof typeof passwords): Promise<Visitor> {
  const browser = started.visitor();
  await browser.mustSignIn(user, passwords[user]);
  return browser;
}

/** What an old cookie is good for at another start. */
async function statusAt(started: Site, old: Visitor): Promise<number> {
  const browser = started.visitor();
  browser.cookies.set('gatehouse', old.cookies.get('gatehouse') ?? '');
  return (await browser.fetch('/x')).status;
}

const kidsOf = async (started: Site): Promise<unknown> =>
  JSON.parse((await started.visitor().fetch('/_gate/jwks.json')).text).keys.map(({ kid }: { kid: string }) => kid);

test('backup: for its owner only whatever stood there before, sealed, without the key, and saying where that is', async (t) => {
  const { data, file, command, first, folder } = await backedUp(t);
  await signedIn(first, 'agent1');
  assert.equal((await command('backup')).code, 0, 'of yesterday');
  chmodSync(file, 0o644);
  const { code, stdout, stderr } = await command('backup');
  assert.equal(code, 0, stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const key = readFileSync(join(data, 'seal.key'), 'utf8').trim();
  assert.ok(stdout.includes(join(data, 'seal.key')) && stdout.includes('not in the backup'), stdout);
  const bytes = readFileSync(file);
  for (const secret of [key, Buffer.from(key, 'base64url'), '"private"', '"d":'])
    assert.equal(bytes.includes(secret), false);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('backup')),
    ['backup'],
    'nothing is left beside it',
  );
  assert.equal((await first.visitor().fetch('/public')).status, 200);
});

test('backup: nothing of the store, and nothing that is no backup, is written over', async (t) => {
  const { data, folder, first } = await backedUp(t);
  await first.stop();
  const configuration = dirname(first.file);
  writeFileSync(join(configuration, 'users.yaml'), 'users: []');
  const another = new DatabaseSync(join(folder, 'another.db'));
  another.exec('PRAGMA journal_mode = WAL; CREATE TABLE entries (key TEXT)');
  another.close();
  for (const [link, target] of [
    ['to-the-store', join(data, 'gatehouse.db')],
    ['to-the-key', join(data, 'seal.key')],
    ['to-users', join(configuration, 'users.yaml')],
  ] as const)
    symlinkSync(target, join(folder, link));
  symlinkSync(data, join(folder, 'same'));
  const kept = [join(data, 'gatehouse.db'), join(data, 'seal.key'), join(configuration, 'users.yaml'), first.file];
  const before = kept.map((name) => readFileSync(name));
  const names = readdirSync(data);
  const own = ['gatehouse.db', 'gatehouse.db-wal', 'gatehouse-held.db', 'gatehouse-held.db-journal', 'seal.key'];
  const refusals: Readonly<Record<string, readonly string[]>> = {
    'a file of the store itself': [
      ...own.flatMap((name) => [join(data, name), join(folder, 'same', name)]),
      join(folder, 'to-the-store'),
      join(folder, 'to-the-key'),
    ],
    'what stands there is no backup': [
      join(configuration, 'users.yaml'),
      join(folder, 'to-users'),
      join(folder, 'another.db'),
      first.file,
      data,
      '/dev/null',
    ],
  };
  const store: EmbeddedOptions = { type: 'embedded', path: data };
  for (const [why, places] of Object.entries(refusals))
    for (const file of places)
      assert.throws(
        () => backUp(store, { file, clock: systemClock, log: keptLog() }),
        (error) => error instanceof OperatorError && error.message.includes(why),
        file,
      );
  const { code, stderr } = await run(['backup', join(data, 'seal.key'), '--config', first.file]);
  assert.equal(code, 1);
  assert.match(stderr, /seal\.key cannot be written: this is a file of the store itself\n {2}name a file/);
  assert.deepEqual(
    kept.map((name) => readFileSync(name)),
    before,
  );
  assert.deepEqual(readdirSync(data), names);
  assert.ok(!readdirSync(folder).some((name) => name.startsWith('another.db-')));
});

test('restore: refused while a gateway has the store open; then keys come back, sessions and logins under way do not', async (t) => {
  const { data, command, first, again } = await backedUp(t);
  const [agent, supervisor] = [await signedIn(first, 'agent1'), await signedIn(first, 'supervisor1')];
  const kids = await kidsOf(first);
  assert.equal((await command('backup')).code, 0);
  const page = await agent.open('/_gate/logout');
  assert.equal((await agent.post('/_gate/logout', hiddenFields(page.text))).status, 200);
  const refused = await command('restore');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is open in another process\n {2}stop the gateway/);
  await first.stop();

  const store = await createStore({ type: 'embedded', path: data }, { clock: systemClock, log: keptLog() });
  await store.delete('assertion-key:ring');
  await store.put('cas-ticket:campus.used', 'taken');
  await store.close();
  const { code, stdout, stderr } = await command('restore');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /brought back: .*1 sets of assertion keys/);
  assert.match(stdout, /left out: .*sessions/);
  const second = await again();
  assert.deepEqual(await kidsOf(second), kids);
  assert.deepEqual([await statusAt(second, agent), await statusAt(second, supervisor)], [401, 401]);
  assert.ok(await second.visitor().signIn('agent1', passwords.agent1));
  await second.stop();
  const after = await createStore({ type: 'embedded', path: data }, { clock: systemClock, log: keptLog() });
  t.after(() => after.close());
  assert.equal((await after.get('cas-ticket:campus.used'))?.value, 'taken', 'what was used stays used');
});

test('restore --keep-sessions: sessions go on, but for what the present store knows as ended', async (t) => {
  const { command, first, again } = await backedUp(t);
  const [agent, supervisor] = [await signedIn(first, 'agent1'), await signedIn(first, 'supervisor1')];
  assert.equal((await command('backup')).code, 0);
  await fetch(new URL('/sessions?user=agent1', first.admin), { method: 'DELETE' });
  await first.stop();
  const { code, stdout, stderr } = await command('restore', '--keep-sessions');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /brought back: .*1 sessions.*\n.*\nstill ended: {3}1 sessions/);
  const second = await again();
  assert.deepEqual([await statusAt(second, agent), await statusAt(second, supervisor)], [401, 200]);
});

test('backup: an end that waits beside a store that takes nothing is in it', async (t) => {
  const { data, command, first, again } = await backedUp(t);
  const agent = await signedIn(first, 'agent1');
  const { session } = JSON.parse((await agent.fetch('/_gate/session')).text);
  await first.stop();
  const held = new HeldEntries(data, keptLog());
  held.hold(`session:${session.id}`, '{"kind":"ended","reason":"revoked"}', 60_000);
  held.close();
  assert.equal((await command('backup')).code, 0);
  for (const name of readdirSync(data)) if (name.startsWith('gatehouse')) rmSync(join(data, name));
  assert.equal((await command('restore', '--keep-sessions')).code, 0);
  assert.equal(await statusAt(await again(), agent), 401);
});

test('backup --with-key: comes back on a machine without the key by its passphrase only; without it the id is named', async (t) => {
  const { data, file, command, first, again } = await backedUp(t);
  const supervisor = await signedIn(first, 'supervisor1');
  const kids = await kidsOf(first);
  const key = readFileSync(join(data, 'seal.key'), 'utf8').trim();
  const short = await run(['backup', file, '--with-key', '--config', first.file], { stdin: 'short\n' });
  assert.equal(short.code, 1);
  assert.equal((await command('backup')).code, 0);
  const bare = join(data, '..', 'bare');
  copyFileSync(file, bare);
  const { code, stdout, stderr } = await command('backup', '--with-key');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /under the passphrase/);
  for (const secret of [key, Buffer.from(key, 'base64url'), passphrase])
    assert.equal(readFileSync(file).includes(secret), false);
  await first.stop();
  rmSync(data, { recursive: true });
  mkdirSync(data, { mode: 0o700 });

  const lacking = await run(['restore', bare, '--config', first.file]);
  assert.equal(lacking.code, 1);
  assert.match(lacking.stderr, /is sealed by the key [\w-]{8}, which is not in .*seal\.key/);
  const wrong = await run(['restore', file, '--config', first.file], { stdin: 'another phrase of words\n' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /not the passphrase/);
  assert.deepEqual(readdirSync(data), [], 'nothing was begun');
  const restored = await command('restore', '--keep-sessions');
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(readFileSync(join(data, 'seal.key'), 'utf8').trim(), key);
  assert.equal(statSync(join(data, 'seal.key')).mode & 0o777, 0o600);
  const second = await again();
  assert.deepEqual(await kidsOf(second), kids);
  assert.equal(await statusAt(second, supervisor), 200);
});

test('restore: into a store with another key the keys of the backup are added once it is free, and its own goes on sealing', async (t) => {
  const { data, file, command, first } = await backedUp(t);
  const kids = await kidsOf(first);
  assert.equal((await command('backup', '--with-key')).code, 0);
  const other = await backedUp(t);
  const restore = () => run(['restore', file, '--config', other.first.file], { stdin: `${passphrase}\n` });
  const own = readFileSync(join(other.data, 'seal.key'), 'utf8').trim();
  assert.match((await restore()).stderr, /is open in another process/);
  assert.equal(readFileSync(join(other.data, 'seal.key'), 'utf8').trim(), own, 'a refusal leaves the key as it was');
  await other.first.stop();
  const restored = await restore();
  assert.equal(restored.code, 0, restored.stderr);
  const lines = readFileSync(join(other.data, 'seal.key'), 'utf8').trim().split('\n');
  assert.deepEqual(lines, [own, readFileSync(join(data, 'seal.key'), 'utf8').trim()]);
  writeFileSync(join(other.data, 'seal.key'), `${own}\n`);
  assert.deepEqual(await kidsOf(await other.again()), kids, 'what came back is sealed by the store’s own key');
});

test('restore: API tokens come back and are listed, but for those that the present store knows as ended', async (t) => {
  const { first, command, again } = await backedUp(t);
  const tokens = (...words: string[]) => run(['api-tokens', ...words, '--config', first.file]);
  const [stays, goes] = [(await tokens('add', 'stays')).stdout.trim(), (await tokens('add', 'goes')).stdout.trim()];
  assert.equal((await command('backup')).code, 0);
  assert.equal((await tokens('revoke', 'goes')).code, 0);
  const anew = (await tokens('add', 'goes')).stdout.trim();
  await first.stop();
  const restored = await command('restore');
  assert.equal(restored.code, 0, restored.stderr);
  assert.match(restored.stdout, /^API tokens that let programs in again: stays; end with/m);
  assert.match(restored.stdout, /^API tokens that stay ended: goes$/m);
  const second = await again();
  const { apiTokens } = second.running.gateway.login;
  const kinds = await Promise.all([stays, goes, anew].map(async (token) => (await apiTokens.find(token)).kind));
  assert.deepEqual(kinds, ['live', 'ended', 'unknown']);
});

test('restore: what is no backup is refused, and the store is left as it is', async (t) => {
  const { folder, data, first, command, file } = await backedUp(t);
  await first.stop();
  const before = readFileSync(join(data, 'gatehouse.db'));
  const missing = await command('restore');
  assert.match(missing.stderr, /there is no backup/);
  writeFileSync(file, 'no database');
  assert.equal((await command('restore')).code, 1);
  new DatabaseSync(join(folder, 'empty')).exec('CREATE TABLE other (a)');
  const empty = await run(['restore', join(folder, 'empty'), '--config', first.file]);
  assert.match(empty.stderr, /is no backup of a store/);
  assert.deepEqual(readFileSync(join(data, 'gatehouse.db')), before);
  assert.equal((await run(['restore', '--config', first.file])).code, 2);
  assert.equal((await run(['backup', file, 'more', '--config', first.file])).code, 2);
});
