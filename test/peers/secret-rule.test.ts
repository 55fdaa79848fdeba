/** The rule for shared secrets: which are good, and that each fault is named without the secret. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { generateSecret, secretFaults } from '../../src/peers/secret-rule.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const cases: Readonly<Record<string, readonly [secret: string, faults: readonly RegExp[]]>> = {
  'the shortest': ['aB3-aB3-', []],
  'the longest': [`aB3-${'x'.repeat(60)}`, []],
  'one with a space inside': ['open Sesame 1', []],
  'one character too few': ['aB3-aB3', [/7 characters, fewer than 8/]],
  'one too many': [`aB3-${'x'.repeat(61)}`, [/65 characters, more than 64/]],
  'no upper case': ['sesame-123', [/not an upper-case letter/]],
  'no lower case': ['SESAME-123', [/not a lower-case letter/]],
  'no digit': ['Sesame-Open', [/not a digit/]],
  'letters and digits alone': ['Sesame1234', [/neither letter nor digit/]],
  nothing: ['', [/0 characters/, /upper/, /lower/, /digit/, /neither/]],
  'a letter of another alphabet': ['Sésame-123', [/other than printable ASCII/]],
  'a tab': ['Sesame\t-123', [/other than printable ASCII/]],
  'a space at the end': ['Sesame-123 ', [/begins or ends with white space/]],
};
for (const [name, [secret, wanted]] of Object.entries(cases))
  test(`secret rule: ${name} is ${wanted.length === 0 ? 'good' : 'refused by name'}`, () => {
    const faults = secretFaults(secret);
    assert.equal(faults.length, wanted.length, faults.join('; '));
    for (const [index, pattern] of wanted.entries()) assert.match(faults[index] ?? '', pattern);
    if (secret !== '') assert.ok(!faults.join().includes(secret));
  });

test('secret generate: each is another, good, and one that the check takes', async () => {
  const secrets = Array.from({ length: 200 }, generateSecret);
  assert.equal(new Set(secrets).size, secrets.length);
  for (const one of secrets) assert.deepEqual([one.length, secretFaults(one)], [32, []]);
  const { stdout } = await run(['secret', 'generate']);
  assert.equal((await run(['secret', 'check'], { stdin: stdout })).code, 0);
});

test('secret generate: into a file that only its owner reads, and never over one', async (t) => {
  const file = path.join(await temporaryFolder(t), 'media');
  const made = await run(['secret', 'generate', '--out', file]);
  assert.equal(made.code, 0);
  assert.equal(made.stdout, '');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await run(['secret', 'generate', '--out', file])).code, 1);
});

test('secret check: every fault is said, the secret never', async () => {
  const { code, stdout, stderr } = await run(['secret', 'check'], { stdin: 'sesame\n' });
  assert.equal(code, 1);
  assert.equal(stderr.match(/^the secret has/gm)?.length, 4);
  assert.doesNotMatch(stdout + stderr, /sesame/);
  assert.equal((await run(['secret'])).code, 2);
  assert.equal((await run(['secret', 'check', 'Sesame-123'])).code, 2);
});
