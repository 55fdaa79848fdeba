/** `npm start` with a configuration of one's own: the gateway, without demo and accounts. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { readConfiguration } from '../../src/cli/configuration.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';

const script = path.resolve(import.meta.dirname, '../../scripts/start.ts');
const config = `
server: { listen: "http://127.0.0.1:0", publicUrl: "http://localhost:8080" }
admin: { listen: "http://127.0.0.1:0", socket: admin.sock }
login: { chain: [local] }
session: { store: { type: memory } }
providers:
  local: { type: local, users: users.yaml }
routes:
  - { location: /, upstream: "http://127.0.0.1:8070" }
`;

function start(t: TestContext, parameters: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { GATEHOUSE_CONFIG: _, ...rest } = process.env;
  const child = spawn(process.execPath, [script, ...parameters], { env: { ...rest, ...env } });
  t.after(() => child.kill('SIGKILL'));
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said.text += String(chunk)));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return { child, said, ended };
}

for (const how of ['--config', 'GATEHOUSE_CONFIG'])
  test(`start: with ${how} only the gateway runs, and ends in order`, async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'gatehouse.yaml');
    await writeFile(file, config);
    const { child, said, ended } =
      how === '--config' ? start(t, ['--config', file]) : start(t, [], { GATEHOUSE_CONFIG: file });
    await until('the gateway is ready', () => said.text.includes('the gateway is ready'));
    await until('its address is said in words', () => /^ {2}Open +http:\/\/localhost:8080\/$/m.test(said.text));
    assert.match(said.text, /^ {2}Operator +http:\/\/127\.0\.0\.1:[1-9]\d*\/health\/ready$/m);
    child.kill('SIGUSR1');
    child.kill('SIGHUP');
    await until('the signals have come', () => said.text.includes('was reloaded'));
    assert.doesNotMatch(said.text, /debugger/i);
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
    assert.doesNotMatch(said.text, /demo/);
    assert.ok(!(await readdir(folder)).includes('users.yaml'));
  });

test('start: a configuration that is missing is named, and the exit code says so', async (t) => {
  const folder = await temporaryFolder(t);
  const { said, ended } = start(t, ['--config', path.join(folder, 'nowhere.yaml')]);
  assert.equal(await ended, 1);
  assert.match(said.text, /nowhere\.yaml/);
});

test('start: the demo shares no account, no session and no record with a site in config/', () => {
  const config = path.resolve(import.meta.dirname, '../../config');
  const reading = readConfiguration(path.join(config, 'gatehouse.yaml'), {});
  assert.equal(reading.kind, 'ok');
  const { providers, session, audit } = reading.document;
  const { local } = providers as unknown as Record<string, { users: string }>;
  const store = session.store as { path: string };
  for (const kept of [local?.users, store.path, audit.to])
    assert.equal(path.relative(config, kept ?? '').split(path.sep)[0], 'demo', kept);
});
