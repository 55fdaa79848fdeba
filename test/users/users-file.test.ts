/** The users file: what it may hold, how it is changed, what happens when it breaks. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import { hashPassword } from '../../src/users/passwords.ts';
import { UsersFile } from '../../src/users/users-file.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const hash = await hashPassword(new Secret('right'));

async function world(t: TestContext, text?: string) {
  const path = join(await temporaryFolder(t), 'users.yaml');
  if (text !== undefined) writeFileSync(path, text);
  const log = keptLog();
  return { path, log, users: new UsersFile(path, { log }) };
}

function userText(name: string): string {
  return `users:\n  ${name}: { password: "${hash}" }\n`;
}

test('users are read with all that they have', async (t) => {
  const { users } = await world(
    t,
    `users:
  Agent1:
    name: Agent One
    email: agent1@example.com
    groups: [agents, staff]
    password: "${hash}"
    attributes: { department: support, languages: [en, fr] }
  1001: { disabled: true }
  007:
  "jürgen.müller@example.com": { groups: }
`,
  );
  users.open();
  assert.deepEqual(users.find(' AGENT1'), {
    subject: 'agent1',
    username: 'Agent1',
    name: 'Agent One',
    email: 'agent1@example.com',
    groups: ['agents', 'staff'],
    password: hash,
    disabled: false,
    attributes: { department: ['support'], languages: ['en', 'fr'] },
  });
  assert.deepEqual(
    users.list().map(({ username }) => username),
    ['Agent1', '1001', '007', 'jürgen.müller@example.com'],
  );
  assert.equal(users.find('1001')?.disabled, true);
  for (const stranger of ['', '7', 'agent', '__proto__', 'constructor']) assert.equal(users.find(stranger), undefined);
});

test('a login tells apart what the chain must know', async (t) => {
  const { users } = await world(
    t,
    `${userText('agent1')}  off: { password: "${hash}", disabled: true }\n  entry: { name: Entry }\n`,
  );
  const verify = async (username: string, password: string) =>
    (await users.verify(username, new Secret(password))).kind;
  assert.equal(await verify('AGENT1 ', 'right'), 'match');
  assert.equal(await verify('agent1', 'wrong'), 'wrong-password');
  assert.equal(await verify('nobody', 'right'), 'unknown-user');
  assert.equal(await verify('entry', 'right'), 'unknown-user');
  assert.equal(await verify('off', 'right'), 'disabled');
  assert.equal(await verify('off', 'wrong'), 'wrong-password', 'only the right password learns that');
});

const mistakes: Readonly<Record<string, [text: string, place: string]>> = {
  'a syntax error': ['users:\n  a: { name: x\n', ':2:6'],
  'a tab': ['users:\n\ta: {}\n', ':2:1'],
  'a name twice': ['users:\n  a: {}\n  a: {}\n', ':3:3'],
  'two names that are one': ['users:\n  alice: {}\n  ALICE: {}\n', ':3:3'],
  'a list of users': ['users:\n  - alice\n', ':2:3'],
  'no users at the top': ['- alice\n', ':1:1'],
  'an unknown key at the top': ['users:\nuser:\n', ':2:1'],
  'an unknown key of a user': ['users:\n  a:\n    pasword: x\n', ':2:3'],
  'a password in plain text': ['users:\n  a: { password: secret }\n', ':2:3'],
  'a hash that takes gigabytes': [`users:\n  a: { password: "${hash.replace('m=19456', 'm=4194304')}" }\n`, ':2:3'],
  'a group that is a number': ['users:\n  a: { groups: [1] }\n', ':2:3'],
  'a flag that is text': ['users:\n  a: { disabled: "no" }\n', ':2:3'],
  'an attribute that stands elsewhere': ['users:\n  a: { attributes: { groups: [admins] } }\n', ':2:3'],
  'a user who is text': ['users:\n  a: hello\n', ':2:3'],
  'an empty name': ['users:\n  "": {}\n', ':2:3'],
  'a name of blanks': ['users:\n  " ": {}\n', ':2:3'],
  'a name with a line break': ['users:\n  "a\\r\\nb": {}\n', ':2:3'],
};
for (const [what, [text, place]] of Object.entries(mistakes)) {
  test(`a users file is refused with its place: ${what}`, async (t) => {
    const { users, path } = await world(t, text);
    assert.throws(
      () => users.open(),
      (error) => error instanceof OperatorError && error.message.startsWith(path + place) && !!error.hint,
    );
    assert.equal(users.find('a'), undefined);
  });
}

test('a mistake never prints a password', async (t) => {
  const { users, log } = await world(t, 'users:\n  a: { password: hunter2-in-plain }\n');
  assert.throws(
    () => users.open(),
    (error) => error instanceof OperatorError && !error.message.includes('hunter2'),
  );
  users.find('a');
  assert.ok(!log.text().includes('hunter2'));
});

test('a missing file has no users and says how to make one', async (t) => {
  const { users, log } = await world(t);
  users.open();
  assert.deepEqual(users.list(), []);
  assert.equal((await users.verify('agent1', new Secret('right'))).kind, 'unknown-user');
  assert.equal(
    log.lines.filter(({ level, message }) => level === 'warn' && message.includes('gatehouse users add')).length,
    1,
  );
});

test('a file that appears, changes or goes counts at the next login', async (t) => {
  const { users, path } = await world(t);
  users.open();
  writeFileSync(path, userText('one'));
  assert.ok(users.find('one'));
  writeFileSync(`${path}.other`, userText('two'));
  renameSync(`${path}.other`, path);
  assert.ok(users.find('two') && !users.find('one'));
  rmSync(path);
  assert.equal(users.find('two'), undefined);
});

test('a file that breaks leaves what it said in force, and is reported once', async (t) => {
  const { users, path, log } = await world(t, userText('one'));
  users.open();
  writeFileSync(path, 'users:\n  one: {');
  for (let i = 0; i < 3; i++) assert.equal((await users.verify('one', new Secret('right'))).kind, 'match');
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
  writeFileSync(path, userText('two'));
  assert.ok(users.find('two') && !users.find('one'));
});

test('a path that is a folder is named', async (t) => {
  const folder = join(await temporaryFolder(t), 'folder');
  mkdirSync(folder);
  const users = new UsersFile(folder, { log: keptLog() });
  assert.throws(
    () => users.open(),
    (error) => error instanceof OperatorError && error.message.includes(folder),
  );
  await assert.rejects(users.add({ username: 'a' }), OperatorError);
});

test('changes keep comments, order and the writing of others', async (t) => {
  const text = `# Local users of the contact center.
users:
  # The night shift.
  agent1:
    name: Agent One   # on leave
    groups: [agents, night]
    password: "${hash}"
  agent2: { name: Agent Two }
# The end.
`;
  const { users, path } = await world(t, text);
  await users.disable('AGENT1');
  const plain = (yaml: string): string => yaml.replace(/[ \n]+/g, ' ').replace(/\[ | \]/g, (bracket) => bracket.trim());
  assert.equal(
    plain(readFileSync(path, 'utf8')),
    plain(text.replace(`"${hash}"\n`, `"${hash}"\n    disabled: true\n`)),
  );
  await users.enable('agent1');
  await users.setPassword('agent2', new Secret('new one'));
  await users.add({
    username: '1003',
    name: 'Agent: Three #3',
    email: 'a3@example.com',
    groups: ['agents'],
    password: new Secret('third'),
  });
  const after = readFileSync(path, 'utf8');
  for (const kept of [
    '# Local users',
    '  # The night shift.\n  agent1:',
    'Agent One # on leave',
    '[ agents, night ]',
    '# The end.',
  ]) {
    assert.ok(after.includes(kept), `${kept} in\n${after}`);
  }
  const again = new UsersFile(path, { log: keptLog() });
  again.open();
  assert.deepEqual(
    again.list().map(({ username }) => username),
    ['agent1', 'agent2', '1003'],
  );
  assert.equal((await again.verify('agent1', new Secret('right'))).kind, 'match');
  assert.equal((await again.verify('agent2', new Secret('new one'))).kind, 'match');
  assert.equal((await again.verify('1003', new Secret('third'))).kind, 'match');
  assert.partialDeepStrictEqual(again.find('1003'), {
    name: 'Agent: Three #3',
    email: 'a3@example.com',
    groups: ['agents'],
  });
  assert.ok(!after.includes('third'));
});

for (const [what, text] of Object.entries({
  missing: undefined,
  empty: '',
  'only a comment': '# users\n',
  'without users': 'users:\n',
  'with an empty map': 'users: {}\n',
})) {
  test(`a first user can be added to a file that is ${what}`, async (t) => {
    const { users, path } = await world(t, text);
    await users.add({ username: 'agent1', password: new Secret('first') });
    assert.equal((await users.verify('agent1', new Secret('first'))).kind, 'match');
    assert.equal(statSync(path).mode & 0o777, text === undefined ? 0o600 : statSync(path).mode & 0o640);
    if (text?.startsWith('#')) assert.ok(readFileSync(path, 'utf8').startsWith(text));
  });
}

test('what cannot be changed is said, and the file stays as it was', async (t) => {
  const text = `${userText('Agent1')}  shared: &x { name: X }\n  linked: *x\n`;
  const { users, path } = await world(t, text);
  const refusals = [
    () => users.add({ username: 'agent1' }),
    () => users.add({ username: ' agent2' }),
    () => users.add({ username: '' }),
    () => users.add({ username: 'a\nb' }),
    () => users.add({ username: 'agent2', password: new Secret('  ') }),
    () => users.setPassword('agent1', new Secret('x'.repeat(1025))),
    () => users.setPassword('agent1', new Secret('x\0y')),
    () => users.setPassword('nobody', new Secret('x')),
    () => users.disable('nobody'),
    () => users.enable('nobody'),
    () => users.disable('linked'),
    () => users.setGroups('nobody', ['a']),
    () => users.remove('nobody'),
  ];
  for (const refusal of refusals)
    await assert.rejects(refusal(), (error) => error instanceof OperatorError && !!error.hint);
  assert.equal(readFileSync(path, 'utf8'), text);
  writeFileSync(path, 'users: [');
  await assert.rejects(users.add({ username: 'agent2' }), OperatorError);
  assert.equal(readFileSync(path, 'utf8'), 'users: [');
});

test('a user is removed with the comments of that user, and all else stays', async (t) => {
  const kept = `# the staff\nusers:\n  Agent1: { password: "${hash}" } # day\n`;
  const rest = '  # the third\n  agent3:\n    groups: [ a ]\n';
  const { users, path } = await world(t, `${kept}  # the second\n  agent2: { name: Two } # night\n${rest}`);
  await users.remove(' AGENT2');
  assert.equal(readFileSync(path, 'utf8'), kept + rest);
  assert.equal(users.find('agent2'), undefined);
  await users.remove('agent1');
  await users.remove('agent3');
  assert.deepEqual(users.list(), []);
  await users.add({ username: 'agent1' });
  assert.equal(users.list().length, 1);
});

test('a user whose keys another has as an alias is not removed', async (t) => {
  const text = 'users:\n  first: &x { name: X, groups: &g [a] }\n  linked: *x\n  member: { groups: *g }\n';
  const { users, path } = await world(t, text);
  await assert.rejects(users.remove('first'), (error) => error instanceof OperatorError && !!error.hint);
  assert.equal(readFileSync(path, 'utf8'), text);
  await users.remove('linked');
  await assert.rejects(users.remove('first'), OperatorError);
  await users.remove('member');
  await users.remove('first');
  assert.deepEqual(users.list(), []);
});

test('groups take the place of those before, which are told', async (t) => {
  const { users } = await world(t, 'users:\n  agent1: { groups: [a, b] } # kept\n  agent2:\n');
  assert.deepEqual(await users.setGroups('AGENT1', ['c']), ['a', 'b']);
  assert.deepEqual(await users.setGroups('agent2', ['d']), []);
  assert.deepEqual(await users.setGroups('agent2', []), ['d']);
  assert.deepEqual([users.find('agent1')?.groups, users.find('agent2')?.groups], [['c'], []]);
});

test('only the owner may read the file, and the group where it could', async (t) => {
  const { users, path } = await world(t, userText('agent1'));
  for (const [before, after] of [
    [0o644, 0o640],
    [0o666, 0o640],
    [0o640, 0o640],
    [0o600, 0o600],
  ] as const) {
    chmodSync(path, before);
    await users.disable('agent1');
    assert.equal(statSync(path).mode & 0o777, after);
  }
});

test('a link to the file stays a link', async (t) => {
  const { users, path } = await world(t);
  const target = join(await temporaryFolder(t), 'real.yaml');
  writeFileSync(target, userText('agent1'));
  symlinkSync(target, path);
  await users.disable('agent1');
  assert.ok(readFileSync(target, 'utf8').includes('disabled: true'));
  assert.equal(users.find('agent1')?.disabled, true);
});

test('changes from several processes at once all arrive, and no file is left behind', async (t) => {
  const { users, path } = await world(t);
  const program = `
    import { UsersFile } from ${JSON.stringify(new URL('../../src/users/users-file.ts', import.meta.url).href)};
    const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
    const users = new UsersFile(process.argv[1], { log });
    for (let i = 0; i < 15; i++) await users.add({ username: process.argv[2] + i });
  `;
  const ends = ['a', 'b', 'c'].map(async (name) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, path, name], { stdio: 'inherit' });
    t.after(() => child.kill('SIGKILL'));
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
  await Promise.all(ends);
  assert.equal(users.list().length, 45);
  assert.deepEqual(readdirSync(join(path, '..')).toSorted(), ['users.yaml', 'users.yaml.lock']);
});
