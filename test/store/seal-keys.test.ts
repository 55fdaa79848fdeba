/** The file of sealing keys while several processes change it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { makeSealKeys, readSealKeys } from '../../src/store/seal-keys.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const program = (file: string): string => `
  import(${JSON.stringify(new URL('../../src/store/seal-keys.ts', import.meta.url).href)}).then(({ addSealKey }) => {
    for (let turn = 0; turn < 20; turn += 1) addSealKey(${JSON.stringify(file)});
  });`;

test('seal keys: of keys that several add at the same time none is lost', async (t) => {
  const file = path.join(await temporaryFolder(t), 'seal.key');
  const [first] = makeSealKeys(file);
  const workers = [1, 2].map(() => new Worker(program(file), { eval: true }));
  const codes = await Promise.all(workers.map((worker) => once(worker, 'exit')));
  assert.deepEqual(codes.flat(), [0, 0]);
  const keys = readSealKeys(file) ?? [];
  assert.equal(new Set(keys.map(({ id }) => id)).size, 41);
  assert.equal(keys.at(-1)?.id, first?.id);
});
