/** `gatehouse users groups` and `remove`: the file, and the sessions of the running gateway. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';

const userFile = ({ folder }: Site): string => path.join(folder, 'users.yaml');

test("users remove: the account leaves the file, and its sessions end at once, nobody else's", async (t) => {
  const started = await site(t);
  const agent = started.visitor();
  const supervisor = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  assert.equal((await agent.fetch('/')).status, 200);
  const result = await run(['users', 'remove', 'AGENT1', '--config', started.file]);
  assert.deepEqual(result, {
    code: 0,
    stdout: `AGENT1 is removed from ${userFile(started)}\n1 session of AGENT1 ended\n`,
    stderr: '',
  });
  assert.equal((await agent.fetch('/')).status, 401);
  assert.equal((await supervisor.fetch('/')).status, 200);
  assert.doesNotMatch(readFileSync(userFile(started), 'utf8'), /agent1/i);
  assert.partialDeepStrictEqual(started.audit('revoke'), [{ user: 'agent1', actor: 'local', detail: '1 sessions' }]);
  const again = await run(['users', 'remove', 'agent1', '--config', started.file]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /has no user agent1/);
});

test('users remove: where no gateway answers the file alone is changed, which is said, and is 69', async (t) => {
  const started = await site(t);
  await started.stop();
  const { code, stdout, stderr } = await run(['users', 'remove', 'agent1', '--config', started.file]);
  assert.equal(code, 69);
  assert.equal(stdout, `agent1 is removed from ${userFile(started)}\n`);
  const socket = path.join(started.folder, 'admin.sock');
  assert.ok(stderr.includes(`no session of agent1 was ended: no gateway answers at ${socket}`), stderr);
  assert.ok(stderr.includes(`curl -X DELETE --unix-socket ${socket} 'http://localhost/sessions?user=agent1'`), stderr);
  assert.doesNotMatch(readFileSync(userFile(started), 'utf8'), /agent1/);
});

test('users groups: they take the place of those before; sessions go on with theirs unless they are to end', async (t) => {
  const started = await site(t);
  const supervisor = started.visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  const groups = (...words: string[]) => run(['users', 'groups', 'supervisor1', ...words, '--config', started.file]);
  assert.deepEqual(await groups('agents, night,agents'), {
    code: 0,
    stdout: 'supervisor1 has the groups: agents, night (before: agents, supervisors)\n',
    stderr: '',
  });
  assert.equal((await supervisor.fetch('/admin')).status, 200);
  assert.match(
    (await groups('', '--end-sessions')).stdout,
    /has the groups: none .*\n1 session of supervisor1 ended\n/,
  );
  assert.equal((await supervisor.fetch('/admin')).status, 401);
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  assert.equal((await supervisor.fetch('/')).status, 200);
  assert.equal((await supervisor.fetch('/admin')).status, 403);
});

test('users: a line that lacks a word or has one too many is 2, and so is --end-sessions where nothing ends', async (t) => {
  const started = await site(t);
  const before = readFileSync(userFile(started), 'utf8');
  for (const words of [
    ['groups', 'agent1'],
    ['groups', 'agent1', 'a', 'b'],
    ['remove'],
    ['remove', 'agent1', 'supervisor1'],
    ['list', 'agent1'],
    ['enable', 'agent1', '--end-sessions'],
    ['list', '--end-sessions'],
    ['toString', 'agent1'],
  ])
    assert.equal((await run(['users', ...words, '--config', started.file])).code, 2, words.join(' '));
  assert.equal(readFileSync(userFile(started), 'utf8'), before);
});
