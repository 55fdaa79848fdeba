/** The demo's accounts: made once, readable by their owner only, and good for signing in. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeAccounts, readAccounts } from '../../scripts/demo/accounts.ts';
import { Secret } from '../../src/core/secret.ts';
import { UsersFile } from '../../src/users/users-file.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { collectLog } from '../support/tools/log.ts';

async function files(t: TestContext) {
  const folder = await temporaryFolder(t);
  return { folder, users: join(folder, 'users.yaml'), passwords: join(folder, 'demo-passwords.txt') };
}

test('demo accounts: the first start makes three, whose passwords work and are written down once', async (t) => {
  const { folder, users, passwords } = await files(t);
  const accounts = await makeAccounts(users, passwords);
  assert.deepEqual(
    accounts?.map(({ username }) => username),
    ['agent1', 'supervisor1', 'admin1'],
  );
  const file = new UsersFile(users, { log: collectLog().log });
  file.open();
  const written = await readFile(passwords, 'utf8');
  for (const { username, password } of accounts ?? []) {
    assert.match(password, /^(?:[a-z]{4}-){3}[a-z]{4}$/);
    assert.equal((await file.verify(username, new Secret(password))).kind, 'match');
    assert.match(written, new RegExp(`^${username} +${password}$`, 'm'));
    assert.ok(!(await readFile(users, 'utf8')).includes(password));
  }
  assert.equal((await stat(passwords)).mode & 0o777, 0o600);
  assert.deepEqual((await readdir(folder)).sort(), ['demo-passwords.txt', 'users.yaml']);
});

test('demo accounts: groups are those that the roles of the default configuration name', async (t) => {
  const { users, passwords } = await files(t);
  await makeAccounts(users, passwords);
  const file = new UsersFile(users, { log: collectLog().log });
  file.open();
  const groups = Object.fromEntries(file.list().map(({ username, groups }) => [username, groups]));
  assert.deepEqual(groups, {
    agent1: ['agents'],
    supervisor1: ['agents', 'supervisors'],
    admin1: ['administrators'],
  });
});

test('demo accounts: a users file that is there stays as it is, and so do the passwords', async (t) => {
  const { folder, users, passwords } = await files(t);
  await writeFile(users, 'users: {}\n');
  assert.equal(await makeAccounts(users, passwords), undefined);
  assert.equal(await readFile(users, 'utf8'), 'users: {}\n');
  assert.deepEqual(await readdir(folder), ['users.yaml']);
});

test('demo accounts: a start that was interrupted before the users file was there begins anew', async (t) => {
  const { users, passwords } = await files(t);
  await writeFile(passwords, 'agent1 left-over');
  const accounts = await makeAccounts(users, passwords);
  assert.equal(accounts?.length, 3);
  assert.doesNotMatch(await readFile(passwords, 'utf8'), /left-over/);
});

test('demo accounts: users and passwords may be in folders that are not there yet', async (t) => {
  const { folder } = await files(t);
  const [users, passwords] = [join(folder, 'site', 'users.yaml'), join(folder, 'demo', 'passwords.txt')];
  assert.equal((await makeAccounts(users, passwords))?.length, 3);
  assert.equal((await readAccounts(users, passwords)).length, 3);
});

test('demo accounts: later starts know the passwords, but for one that was changed', async (t) => {
  const { users, passwords } = await files(t);
  const accounts = await makeAccounts(users, passwords);
  assert.deepEqual(await readAccounts(users, passwords), accounts);
  await new UsersFile(users, { log: collectLog().log }).setPassword('agent1', new Secret('another-one-4417'));
  const [agent, ...others] = await readAccounts(users, passwords);
  assert.equal(agent?.password, '(has been changed)');
  assert.deepEqual(others, accounts?.slice(1));
  await rm(passwords);
  assert.deepEqual(await readAccounts(users, passwords), []);
});
