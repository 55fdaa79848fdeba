/** What `gatehouse check` says of rules for passwords, and of a RADIUS provider whose answers can be forged. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

async function check(t: TestContext, ...lines: readonly string[]) {
  const file = join(await temporaryFolder(t), 'gatehouse.yaml');
  const common = [
    'server: { publicUrl: "https://cc.example.com" }',
    'login: { chain: [local] }',
    'routes: [{ location: /, upstream: "http://127.0.0.1:1" }]',
  ];
  writeFileSync(file, [...common, ...lines].join('\n'));
  const { code, stdout, stderr } = await run(['check', '--config', file], {
    env: { PATH: 'a-secret-of-the-tests-for-radius' },
  });
  return { code, said: `${stdout}${stderr}`.replaceAll(file, 'FILE') };
}

const local = 'providers: { local: { type: local, users: users.yaml } }';

test('check: a short least length is worth a warning where it is written and nothing else is asked for', async (t) => {
  const short = await check(t, local, 'passwords: { minLength: 8 }');
  assert.equal(short.code, 0);
  assert.match(short.said, /FILE:5:25 {2}passwords\.minLength: is 8/);
  for (const line of ['passwords: { minLength: 12 }', 'passwords: { blockCommon: true }', ''])
    assert.doesNotMatch((await check(t, local, line)).said, /minLength/, line);
});

test('check: faults of the rules are told at their keys', async (t) => {
  const { code, said } = await check(t, local, 'passwords: { minLength: 40, maxLength: 20, blocked: none.txt }');
  assert.equal(code, 1);
  assert.match(said, /passwords\.blocked: .*none\.txt cannot be read/);
});

test('check: a RADIUS provider that takes unauthenticated answers, or has a short secret, is warned of', async (t) => {
  const tokens = (more: string) =>
    check(
      t,
      `providers: { local: { type: local, users: users.yaml }, tokens: { type: radius, servers: r1, ${more} } }`,
    );
  const lax = await tokens('secret: { env: PATH }, requireMessageAuthenticator: false');
  assert.equal(lax.code, 0, lax.said);
  assert.match(lax.said, /CVE-2024-3596/);
  assert.match((await tokens('secret: short')).said, /fewer than 16 characters/);
  const wrong = await tokens('secret: { env: PATH }, retries: 9, attributes: { groups: Filter_Id }');
  assert.equal(wrong.code, 1);
  assert.match(wrong.said, /tokens\.retries/);
  assert.match(wrong.said, /tokens\.attributes\.groups/);
});
