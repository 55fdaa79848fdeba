/** Records are found from the end of an audit file on, whatever its lines are like. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { linesFromEnd, searchRecords } from '../../src/telemetry/audit-search.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

async function linesOf(file: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesFromEnd(file)) lines.push(line);
  return lines;
}

test('audit search: every line once, from the last to the first, over the bounds of chunks', async (t) => {
  const file = path.join(await temporaryFolder(t), 'audit.jsonl');
  const lengths = [10, 65_534, 65_535, 65_536, 200_000, 1, 3000, 65_537, 0, 7];
  const lines = lengths.map((length, index) => `${index}é${'x'.repeat(length)}`);
  for (const end of ['\n', '']) {
    writeFileSync(file, lines.join('\n') + end);
    assert.deepEqual(await linesOf(file), lines.toReversed(), JSON.stringify(end));
  }
  writeFileSync(file, '');
  assert.deepEqual(await linesOf(file), []);
  await assert.rejects(linesOf(`${file}.none`), { code: 'ENOENT' });
});

test('audit search: all that is asked for must hold, torn lines are left out, and it is said that there is more', async () => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 8, 0, seconds)).toISOString();
  const lines = [
    { event: 'login', user: 'alice', code: '7K3M-9QXD', time: at(50) },
    { event: 'request', user: 'alice', code: '7K3M-9QXD', time: at(40) },
    { event: 'login', user: 'bob', time: at(30) },
    { event: 'login', user: 'alice', time: at(20) },
  ].map((record) => JSON.stringify(record));
  lines.splice(1, 0, '{"event":"login","user":"ali');
  const found = async (query: object) => (await searchRecords(lines, { limit: 10, ...query })).records.length;
  assert.equal(await found({}), 4);
  assert.equal(await found({ event: 'login' }), 3);
  assert.equal(await found({ event: 'login', user: 'alice' }), 2);
  assert.equal(await found({ code: '7K3M-9QXD' }), 2);
  assert.equal(await found({ code: '7K3M-9QXE' }), 0);
  assert.equal(await found({ since: Date.parse(at(30)) }), 3);
  assert.equal((await searchRecords(lines, { limit: 3 })).more, true);
  assert.equal((await searchRecords(lines, { limit: 4 })).more, false);
});
