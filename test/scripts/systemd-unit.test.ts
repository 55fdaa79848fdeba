/** The unit of systemd and its configuration: what the gateway writes lies in folders that the unit leaves writable. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { documentSchema } from '../../src/gateway/document.ts';
import { settleExample } from '../support/scenes/example.ts';

const folder = path.resolve(import.meta.dirname, '../../config/examples/systemd');
const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8');

/** The values of a unit by their keys; a key that stands twice has both. */
function unitValues(): (key: string) => string[] {
  const lines = read('gatehouse.service').matchAll(/^(\w+)=(.*)$/gm);
  const pairs = [...lines].map(([, key = '', value = '']) => ({ key, value }));
  return (wanted) => pairs.filter(({ key }) => key === wanted).map(({ value }) => value);
}

async function configuration(t: TestContext) {
  const result = loadConfig({ schema: documentSchema, ...(await settleExample(t, read('gatehouse.yaml'))) });
  assert.equal(result.kind, 'ok');
  return result.kind === 'ok' ? result.value : assert.fail();
}

test('systemd: the store, its key, the users, the audit file and the socket lie where the unit lets the gateway write', async (t) => {
  const unit = unitValues();
  const { session, providers, audit, admin } = await configuration(t);
  const under = (root: string, key: string): string[] =>
    (unit(key)[0] ?? '').split(' ').map((name) => `${root}/${name}`);
  const state = under('/var/lib', 'StateDirectory');
  const { store } = session;
  assert.ok(store.type === 'embedded' && store.sealKey);
  assert.deepEqual(state, [store.path, path.dirname(store.sealKey.file)], 'the key lies apart from the store');
  assert.ok('local' in providers && 'users' in providers.local);
  assert.equal(path.dirname(String(providers.local.users)), store.path);
  assert.deepEqual(under('/var/log', 'LogsDirectory'), [path.dirname(audit.to)]);
  assert.deepEqual(under('/run', 'RuntimeDirectory'), [path.dirname(admin.socket.path)]);
  const made = [...read('gatehouse.tmpfiles.conf').matchAll(/^d (\S+) /gm)].map(([, made]) => made);
  assert.deepEqual(made, ['/etc/gatehouse', ...state, path.dirname(audit.to)]);
});

test('systemd: the unit starts and reloads one configuration as its own user, and waits longer than a drain', async (t) => {
  const unit = unitValues();
  const { server } = await configuration(t);
  const line = (verb: string): string => `/usr/local/bin/gatehouse ${verb} --config /etc/gatehouse/gatehouse.yaml`;
  assert.deepEqual([unit('ExecStart'), unit('ExecReload')], [[line('serve')], [line('reload')]]);
  const [user = ''] = unit('User');
  assert.match(read('gatehouse.sysusers.conf'), new RegExp(`^u ${user} `, 'm'));
  assert.ok(Number.parseInt(unit('TimeoutStopSec')[0] ?? '', 10) * 1000 > server.drain);
  assert.ok(Number(unit('LimitNOFILE')[0]) > 2 * server.maxConnections);
});
