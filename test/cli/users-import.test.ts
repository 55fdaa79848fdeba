/** `gatehouse users import`, and the flags of accounts that must change their password. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Secret } from '../../src/core/secret.ts';
import { hashPassword } from '../../src/users/passwords.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { run } from '../support/tools/command.ts';

const userFile = ({ folder }: Site): string => path.join(folder, 'users.yaml');

async function table(t: TestContext, text: string, config: object = {}) {
  const started = await site(t, { config: config as never });
  const file = path.join(started.folder, 'staff.csv');
  writeFileSync(file, text);
  const take = (...options: string[]) => run(['users', 'import', file, ...options, '--config', started.file]);
  return { started, file, take };
}

test('users import: a dry run says the difference and writes nothing; then it is written, and people come in', async (t) => {
  const hash = await hashPassword(new Secret('green-tea-at-noon'));
  const text = [
    'user,name,email,groups,phone,password-hash',
    `ann@acme.example,Ann Acme,ann@acme.example,"agents, night",+33123456789,"${hash}"`,
    'AGENT1,Agent One,new@example.com,agents,,',
    'supervisor1,Zoë Müller,,supervisors;agents,,',
  ].join('\n');
  const { started, take } = await table(t, text);
  const before = readFileSync(userFile(started), 'utf8');
  const said = [
    '+ ann@acme.example  name: Ann Acme; email: ann@acme.example; phone: +33123456789; groups: agents, night; another password',
    '~ agent1  email: agent1@example.com → new@example.com',
    '- xuc  not in the table',
    '1 added, 1 changed, 1 disabled, 1 as they were',
  ];
  const dry = await take('--dry-run', '--disable-missing');
  assert.deepEqual(dry, { code: 0, stdout: `${said.join('\n')}; nothing was written (--dry-run)\n`, stderr: '' });
  assert.equal(readFileSync(userFile(started), 'utf8'), before);
  assert.equal((await take('--disable-missing')).stdout, `${said.join('\n')}\n`);
  const [imported, ...more] = started.audit('users-import');
  assert.deepEqual(
    [imported?.outcome, imported?.actor, imported?.detail],
    ['succeeded', 'local', '1 added, 1 changed, 1 disabled; from staff.csv'],
  );
  assert.deepEqual(more, [], 'a dry run changes nothing');
  const ann = started.visitor();
  await ann.mustSignIn('Ann@ACME.example', 'green-tea-at-noon');
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  assert.deepEqual(await take('--disable-missing'), {
    code: 0,
    stdout: '0 added, 0 changed, 0 disabled, 4 as they were\n',
    stderr: '',
  });
});

test('users import: every fault at once, each with its line, and nothing is written', async (t) => {
  const { started, file, take } = await table(t, 'user,email\nann,ann\nann,ann@acme.example\nbob,b@b.example,more\n');
  const before = readFileSync(userFile(started), 'utf8');
  const { code, stdout, stderr } = await take();
  assert.deepEqual([code, stdout], [1, '']);
  for (const line of [2, 3, 4]) assert.ok(stderr.includes(`${file}:${line}  `), stderr);
  assert.match(stderr, /nothing was imported: 3 faults/);
  assert.equal(readFileSync(userFile(started), 'utf8'), before);
});

test('users import: whoever is no longer in the table is signed out where that is asked for', async (t) => {
  const { started, take } = await table(t, 'user\nsupervisor1\nxuc\n');
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  assert.match((await take('--disable-missing', '--end-sessions')).stdout, /1 session of agent1 ended/);
  assert.equal((await agent.fetch('/')).status, 401);
});

test('users import: options say nothing beside other verbs, and a file that is not there is told', async (t) => {
  const { started, take } = await table(t, 'user\n');
  for (const option of ['--dry-run', '--disable-missing'])
    assert.equal((await run(['users', 'list', option, '--config', started.file])).code, 2);
  assert.equal((await take('--must-change')).code, 2);
  const missing = await run(['users', 'import', path.join(started.folder, 'none.csv'), '--config', started.file]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /cannot be read/);
});

/** Sends the page for a new password. */
function choose(browser: Visitor, page: Answer, username: string, next: string): Promise<Answer> {
  const fields = { username, newPassword: next, newPasswordAgain: next };
  return browser.post('/_gate/login', { ...hiddenFields(page.text), ...fields });
}

test('users passwd --must-change: the next login asks for another password, takes it, and the flag is gone', async (t) => {
  const started = await site(t);
  const elsewhere = started.visitor();
  await elsewhere.mustSignIn('agent1', passwords.agent1);
  const given = await run(['users', 'passwd', 'agent1', '--must-change', '--config', started.file], {
    stdin: 'given-by-the-desk\n',
  });
  assert.deepEqual(
    [given.code, given.stdout],
    [0, 'agent1 has a new password, which must be changed at the next login\n'],
  );
  assert.match((await run(['users', 'list', '--config', started.file])).stdout, /agent1 +must change/);
  const browser = started.visitor();
  const asked = await browser.signIn('agent1', 'given-by-the-desk', '/desk');
  assert.equal(asked.status, 401);
  assert.match(asked.text, /Your password must be changed/);
  assert.equal((await browser.open('/desk')).status, 302, 'nobody is in before the change');
  const weak = await choose(browser, asked, 'agent1', 'Agent1-2026');
  assert.match(weak.text, /little more than your name/);
  assert.equal((await elsewhere.fetch('/desk')).status, 200, 'nothing has changed yet');
  const done = await choose(browser, weak, 'agent1', 'chosen-by-myself-1');
  assert.equal(done.status, 303, done.text);
  assert.equal((await browser.open('/desk')).status, 200);
  assert.equal((await elsewhere.fetch('/desk')).status, 401, 'what began before the change is over');
  assert.doesNotMatch(readFileSync(userFile(started), 'utf8'), /mustChangePassword/);
  const other = started.visitor();
  assert.equal((await other.signIn('agent1', 'given-by-the-desk', '/desk')).status, 401);
  await other.mustSignIn('agent1', 'chosen-by-myself-1');
});

test('users passwd: rules that the operator has written hold at the prompt too, else one is told', async (t) => {
  const strict = await site(t, { config: { passwords: { minLength: 12 } } });
  const refused = await run(['users', 'passwd', 'agent1', '--config', strict.file], { stdin: 'short-one\n' });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /fewer than 12 characters/);
  const lax = await site(t);
  const told = await run(['users', 'passwd', 'agent1', '--config', lax.file], { stdin: 'agent1\n' });
  assert.equal(told.code, 0);
  assert.match(told.stderr, /fewer than 8 characters and is soon guessed/);
});
