/** The rules for new passwords: what is refused, for what, and what is not. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { OperatorError } from '../../src/core/errors.ts';
import { checkLeakedFile, hasLeaked } from '../../src/users/leaked-passwords.ts';
import { passwordOptions } from '../../src/users/password-options.ts';
import { PasswordRules, wordsOfHost } from '../../src/users/password-rules.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const owner = { username: 'a.adams', words: ['Alice Adams', 'alice@acme.example'] };
const site = ['ACME Contact Center', ...wordsOfHost('cc.example.com')];
const rules = (options: object = {}) => new PasswordRules(passwordOptions.parse(options), site);

const cases = {
  'one of seven characters': ['1234abc', 'too-short'],
  'seven characters of two code units each': ['😀'.repeat(7), 'too-short'],
  'one of 129 characters': ['ab'.repeat(64) + 'c', 'too-long'],
  'one that everybody has': ['password1', 'common'],
  'one of the list in capitals': ['PASSWORD1', 'common'],
  'a word of the list with a year and a sign': ['Sommer2026!', 'common'],
  'the full-width form of one of the list': ['ｐａｓｓｗｏｒｄ１', 'common'],
  'the user name': ['a.adams1', 'personal'],
  'the first name with a year': ['Alice2026!', 'personal'],
  'both names': ['adamsalice', 'personal'],
  'the e-mail address': ['alice@acme.example', 'personal'],
  'the site': ['acme-Contact1', 'personal'],
  'the host': ['cc.example.com', 'personal'],
  'a few words': ['correct horse battery', undefined],
  'the name within a long one': ['alice likes green tea', undefined],
  'letters of another script': ['Привет мир и все', undefined],
  'one that is random': ['x7Kq2vLm', undefined],
} as const;
for (const [what, [password, want]] of Object.entries(cases))
  test(`passwords: ${what} is ${want ?? 'taken'}`, async () => {
    assert.equal(await rules().judge(password, owner), want);
  });

test('passwords: kinds of characters are asked for where the operator wants them', async () => {
  const strict = rules({ compose: { upper: 1, digit: 2, other: 1 } });
  assert.equal(await strict.judge('correct horse battery', owner), 'too-simple');
  assert.equal(await strict.judge('Correct horse 4', owner), 'too-simple');
  assert.equal(await strict.judge('Correct horse 42', owner), undefined);
});

test('passwords: with blockCommon off only length counts', async () => {
  assert.equal(await rules({ blockCommon: false }).judge('password1', owner), undefined);
});

test('passwords: rules that contradict one another are faults of the configuration', () => {
  for (const options of [
    { minLength: 20, maxLength: 16 },
    { maxLength: 16, compose: { upper: 9, digit: 9 } },
  ])
    assert.equal(passwordOptions.safeParse(options).success, false);
});

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase();

test('passwords: each line of a file of leaked ones is found, and nothing beside', async (t) => {
  for (const [ending, digits] of [
    ['\n', 1],
    ['\r\n', 7],
  ] as const)
    for (const count of [1, 2, 3, 1000]) {
      const file = join(await temporaryFolder(t), 'leaked.txt');
      const leaked = Array.from({ length: count }, (_, n) => `leaked-${n}`);
      const lines = leaked.map((text) => `${sha1(text)}:${'9'.repeat(digits)}`).sort();
      for (const end of ['', ending]) {
        writeFileSync(file, lines.join(ending) + end);
        checkLeakedFile(file);
        for (const text of leaked) assert.equal(await hasLeaked(file, text), true, `${text} of ${count}`);
        for (let other = 0; other < 50; other++)
          assert.equal(await hasLeaked(file, randomBytes(8).toString('hex')), false);
      }
    }
});

test('passwords: a leaked one is refused by the rules, without any network', async (t) => {
  const file = join(await temporaryFolder(t), 'leaked.txt');
  writeFileSync(file, `${sha1('green tea at noon').toLowerCase()}:3\n`);
  assert.equal(await rules({ blocked: file }).judge('green tea at noon', owner), 'leaked');
  assert.equal(await rules({ blocked: file }).judge('green tea at five', owner), undefined);
});

test('passwords: a file that is none of leaked passwords, or not sorted, is a fault of the configuration', async (t) => {
  const folder = await temporaryFolder(t);
  const lines = Array.from({ length: 200 }, (_, n) => `${sha1(`leaked-${n}`)}:1`);
  const files = {
    empty: '',
    text: 'password\nletmein\n'.repeat(20),
    'unsorted.txt': lines.join('\n'),
    'reversed.txt': lines.toSorted().reverse().join('\n'),
    ntlm: '8846F7EAEE8FB117AD06BDD830B7586C:3\n'.repeat(40),
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
    assert.throws(() => checkLeakedFile(join(folder, name)), OperatorError, name);
  }
  assert.throws(() => checkLeakedFile(join(folder, 'missing')), OperatorError);
});
