/** Headers whose value is a secret kept elsewhere: they reach the application, and no line that is printed. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what would be a variable in a template.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { readConfiguration } from '../../src/cli/configuration.ts';
import { formatIssues } from '../../src/config/report.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { staff } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const value = `Basic ${Buffer.from('kibana:right-\u0024{subject}').toString('base64')}`;

test('secret headers: from the environment and a file, in place of the client’s own, and in no log and no explanation', async (t) => {
  const upstream = await startUpstream(t);
  const folder = await temporaryFolder(t);
  const file = join(folder, 'key');
  await writeFile(file, 'not-${subject} a template\n');
  const env = { KIBANA_BASIC: value };
  const started = await gateway(t, {
    users: staff,
    env,
    config: {
      log: { level: 'debug' },
      headers: { 'X-Key': { file } },
      routes: [
        {
          location: '/',
          upstream: upstream.origin,
          access: 'public',
          headers: { Authorization: { env: 'KIBANA_BASIC' } },
        },
      ],
    },
  });
  await new Visitor(started.url).open('/kibana', { headers: { authorization: 'Basic c2VsZg==', x_key: 'mine' } });
  assert.deepEqual(upstream.only().values('authorization'), [value]);
  assert.deepEqual(upstream.only().values('x-key'), ['not-${subject} a template']);
  assert.deepEqual(upstream.only().values('x_key'), []);
  const explained = await run(['explain', '--config', started.file, '--user', 'agent1', '--url', '/kibana'], { env });
  assert.match(explained.stdout, /authorization: \[secret\]/);
  assert.match(explained.stdout, /x-key: \[secret\]/);
  for (const text of [explained.stdout, explained.stderr, ...started.lines]) {
    assert.ok(!text.includes(value));
    assert.ok(!text.includes('a template'));
  }
});

const wrong: Readonly<Record<string, readonly [header: unknown, want: RegExp]>> = {
  'a variable that is not set': [{ env: 'GONE' }, /X-Key: the environment variable GONE is not set; set it/],
  'a file that is not there': [{ file: 'gone' }, /X-Key: the file .*gone does not exist/],
  'a file without anything': [{ file: 'empty' }, /X-Key: the file empty is empty/],
  'two lines': [{ file: 'lines' }, /X-Key: the secret must be one line of printable ASCII.* — store the value/],
  'beyond ASCII': [{ env: 'ACCENT' }, /X-Key: the secret must be one line of printable ASCII/],
  'a space at the end': [{ env: 'SPACED' }, /X-Key: the secret must be one line/],
  'too long': [{ env: 'LONG' }, /X-Key: the secret must be .* of up to 8192 characters/],
  'both places': [{ env: 'GOOD', file: 'lines' }, /X-Key/],
  'a number for a name': [{ env: 5 }, /X-Key/],
  'an encoding beside it': [{ env: 'GOOD', encoding: 'rfc8187' }, /X-Key/],
  'a template that is a secret': [{ value: { env: 'GOOD' } }, /X-Key/],
  'a misspelt key': [{ enf: 'GOOD' }, /X-Key/],
};
for (const [name, [header, want]] of Object.entries(wrong))
  test(`secret headers: ${name} is said at its line, and no value`, async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'gatehouse.yaml');
    await writeFile(join(folder, 'users.yaml'), 'users: {}\n');
    await writeFile(join(folder, 'empty'), '\n');
    await writeFile(join(folder, 'lines'), 'right-4417\r\nX-Evil: 1\n');
    const rest = {
      providers: { local: { type: 'local', users: 'users.yaml' } },
      login: { chain: ['local'] },
      routes: [{ location: '/', upstream: 'http://a' }],
    };
    await writeFile(file, `headers:\n  X-Key: ${JSON.stringify(header)}\n${stringify(rest)}`);
    const env = { GOOD: 'right-4417', ACCENT: 'right-4417é', SPACED: 'right-4417 ', LONG: 'right-4417'.repeat(1000) };
    const reading = readConfiguration(file, env);
    assert.equal(reading.kind, 'invalid');
    const text = formatIssues(reading.kind === 'invalid' ? reading.issues : []);
    t.diagnostic(text.replaceAll(folder, ''));
    assert.match(text, want);
    assert.match(text, /gatehouse\.yaml:2:/);
    assert.ok(!text.includes('right-4417'));
  });
