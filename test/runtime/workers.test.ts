/** How many workers there are to be, and what is said of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { documentSchema } from '../../src/gateway/document.ts';
import { planWorkers } from '../../src/runtime/workers.ts';
import { networkDiskAt } from '../../src/store/network-disk.ts';
import { ticketKeysOf } from '../../src/tls/ticket-keys.ts';

const gigabyte = 1024 ** 3;
const machine = { platform: 'linux', cores: 4, memory: 8 * gigabyte };

function read(server: string, store = '{ type: embedded, path: data }') {
  const text = `
server: ${server}
login: { chain: [local] }
session: { store: ${store} }
providers: { local: { type: local, users: users.yaml } }
routes: [{ location: /, upstream: "http://127.0.0.1:9" }]
`;
  return loadConfig({ schema: documentSchema, file: 'gatehouse.yaml', env: {}, text });
}

function plan(server: string, on: typeof machine = machine) {
  const result = read(server);
  assert.equal(result.kind, 'ok', JSON.stringify(result));
  return planWorkers(result.value, on);
}

test('workers: one when absent, a number as it is, auto by cores; one outside Linux, and a warning', () => {
  assert.deepEqual(plan('{}'), { count: 1 });
  assert.deepEqual(plan('{ workers: 3 }'), { count: 3 });
  assert.deepEqual(plan('{ workers: auto }'), { count: 4 });
  assert.deepEqual(plan('{ workers: auto }', { ...machine, cores: 1 }), { count: 1 });
  const elsewhere = plan('{ workers: 3 }', { ...machine, platform: 'darwin' });
  assert.equal(elsewhere.count, 1);
  assert.match(elsewhere.warning?.message ?? '', /only Linux/);
});

test('workers: more than the memory has room for are warned of, and started all the same', () => {
  const small = plan('{ workers: 8 }', { ...machine, memory: gigabyte });
  assert.equal(small.count, 8);
  assert.match(small.warning?.message ?? '', /8 workers, which may take 2250 MB, and this machine has 1024 MB/);
  assert.match(small.warning?.hint ?? '', /set server\.workers to 3\b/);
  assert.equal(plan('{ workers: 3 }', { ...machine, memory: gigabyte }).warning, undefined);
});

test('workers: 0, and a store that each would have for itself, are errors with their place', () => {
  const issueOf = (...words: Parameters<typeof read>) => {
    const result = read(...words);
    assert.equal(result.kind, 'invalid');
    return result.issues[0];
  };
  assert.partialDeepStrictEqual(issueOf('{ workers: 0 }'), { line: 2, column: 20, key: 'server.workers' });
  for (const workers of ['2', 'auto'])
    assert.partialDeepStrictEqual(issueOf(`{ workers: ${workers} }`, '{ type: memory }'), {
      line: 2,
      key: 'server.workers',
    });
  assert.equal(read('{ workers: 1 }', '{ type: memory }').kind, 'ok');
});

test('network disks: the mount that holds the folder says so, the last of those at one place', () => {
  const mounts = [
    '22 1 8:1 / / rw - ext4 /dev/sda1 rw',
    '23 22 0:40 / /srv/shared\\040data rw - nfs4 server:/data rw',
    '24 22 0:41 / /srv/covered rw - cifs //server/x rw',
    '25 24 8:2 / /srv/covered rw - xfs /dev/sdb1 rw',
    '26 22 0:42 / /srv/fuse rw - fuse.sshfs host: rw',
  ].join('\n');
  assert.equal(networkDiskAt('/srv/shared data/store', mounts), 'nfs4');
  assert.equal(networkDiskAt('/srv/shared data', mounts), 'nfs4');
  assert.equal(networkDiskAt('/srv/shared database', mounts), undefined);
  assert.equal(networkDiskAt('/srv/covered/store', mounts), undefined);
  assert.equal(networkDiskAt('/srv/fuse/store', mounts), 'fuse.sshfs');
  assert.equal(networkDiskAt('/var/lib', mounts), undefined);
  assert.equal(networkDiskAt('/var/lib', ''), undefined);
});

test('ticket keys: the same for all who share the secret, others with another secret or certificate', () => {
  const [secret, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  assert.equal(ticketKeysOf(secret, 'a').length, 48);
  assert.deepEqual(ticketKeysOf(secret, 'a'), ticketKeysOf(Buffer.from(secret), 'a'));
  assert.notDeepEqual(ticketKeysOf(secret, 'a'), ticketKeysOf(secret, 'b'));
  assert.notDeepEqual(ticketKeysOf(secret, 'a'), ticketKeysOf(other, 'a'));
});
