/** Sealing keys from the command line: rotated, warned of, forgotten. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { createStore } from '../../src/store/index.ts';
import { run, start } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { keptLog } from '../support/tools/log-lines.ts';

/** A configuration with a store in `data` that holds a secret. */
async function configured(t: TestContext, sealKey = '') {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'gatehouse.yaml');
  const origin = `http://127.0.0.1:${await freePort()}`;
  await writeFile(
    file,
    `server: { listen: ${origin}, publicUrl: ${origin} }
admin: { listen: http://127.0.0.1:${await freePort()} }
session: { store: { type: embedded, path: data${sealKey} } }
login: { chain: [local] }
providers: { local: { type: local, users: users.yaml } }
routes: [{ location: /, upstream: http://127.0.0.1:1 }]
`,
  );
  await writeFile(join(folder, 'users.yaml'), 'users: {}\n', { mode: 0o600 });
  const data = join(folder, 'data');
  const store = () => createStore({ type: 'embedded', path: data }, { clock: systemClock, log: keptLog() });
  if (sealKey === '') {
    const first = await store();
    await first.put('form-key:1', 'the-secret');
    await first.close();
  }
  return { folder, file, data, key: join(data, 'seal.key'), store };
}

test('seal rotate: another key seals, the earlier one still opens, and the command says which and how many', async (t) => {
  const { file, key, store } = await configured(t);
  const before = readFileSync(key, 'utf8');
  const { code, stdout, stderr } = await run(['seal', 'rotate', '--config', file]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /1 entries are sealed anew; the key [\w-]{8} in /);
  const [first, second] = readFileSync(key, 'utf8').split('\n');
  assert.equal(`${second}\n`, before);
  assert.ok(first && !stdout.includes(first));
  const opened = await store();
  assert.equal((await opened.get('form-key:1'))?.value, 'the-secret');
  await opened.close();
  assert.equal((await run(['seal', '--config', file])).code, 2);
});

test('check: a key beside the store, and one that others may read, are warned of; one elsewhere is not', async (t) => {
  const { folder, file, key } = await configured(t);
  const beside = await run(['check', '--config', file]);
  assert.equal(beside.code, 0, beside.stderr);
  assert.match(beside.stderr, /seal\.key lies beside the store/);
  chmodSync(key, 0o640);
  assert.match((await run(['check', '--config', file])).stderr, /others than its owner may read .*chmod 600/);
  chmodSync(key, 0o600);
  await mkdir(join(folder, 'keys'));
  renameSync(key, join(folder, 'keys', 'seal'));
  await writeFile(file, readFileSync(file, 'utf8').replace('path: data', 'path: data, sealKey: { file: keys/seal }'));
  assert.doesNotMatch((await run(['check', '--config', file])).stderr, /seal/);
});

test('serve: an entry that was changed stops the start with words, not with a trace', async (t) => {
  const { file, data } = await configured(t);
  const database = new DatabaseSync(join(data, 'gatehouse.db'));
  database.exec("UPDATE entries SET value = substr(value, 1, length(value) - 4) || 'AAAA' WHERE key = 'form-key:1'");
  database.close();
  const { code, stderr } = await run(['serve', '--config', file]);
  assert.equal(code, 1);
  assert.match(stderr, /^gatehouse: store: an entry of kind form-key was changed.*--forget-sealed$/m);
  assert.doesNotMatch(stderr, /at .*\.ts:/);
});

test('serve: a store whose key is gone is not started, and --forget-sealed begins anew', async (t) => {
  const { file, key } = await configured(t);
  rmSync(key);
  const refused = await run(['serve', '--config', file]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is sealed by the key [\w-]{8}, which is missing.*\n.*--forget-sealed/);
  const program = start(t, ['serve', '--config', file, '--forget-sealed']);
  await program.said('the gateway is ready');
  assert.ok(readFileSync(key, 'utf8').length > 40);
  program.child.kill('SIGTERM');
  assert.equal(await program.ended, 0);
});
