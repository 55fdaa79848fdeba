/** A file of lines that several processes append to: through a full disk, too, each line is whole. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LineFile } from '../../src/telemetry/line-file.ts';
import { smallDisk } from '../support/tools/small-disk.ts';

test('a line that a full disk has cut is written anew, and nobody writes behind its half', async (t) => {
  const folder = smallDisk(t, '1m');
  if (folder === undefined) return;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const path = join(folder, 'audit.jsonl');
  const filler = join(folder, 'filler');
  const failures: unknown[] = [];
  const events = { onFailure: (error: unknown) => failures.push(error), onRecovery: () => 0, onLoss: () => 0 };
  const [here, there] = [
    new LineFile(path, events, { isShared: true }),
    new LineFile(path, events, { isShared: true }),
  ];
  const lineOf = (who: string, index: number) => JSON.stringify({ who, index, text: 'x'.repeat(700) });
  // Two pages are left, and the lines take eight: the disk is full in the midst of one.
  writeFileSync(filler, 'f'.repeat(1024 * 1024 - 3 * 4096));
  for (let index = 0; index < 40; index++) here.append(lineOf('here', index));
  await here.flush();
  assert.match(String(failures[0]), /ENOSPC/);
  assert.doesNotMatch(readFileSync(path, 'utf8'), /\n$/, 'a line is cut');
  rmSync(filler);
  there.append(lineOf('there', 0));
  await there.flush();
  t.mock.timers.tick(1000);
  await here.flush();
  await Promise.all([here.close(), there.close()]);
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  const whole = lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as { who: string; index: number }];
    } catch {
      return [];
    }
  });
  assert.equal(lines.length - whole.length, 1, 'the half that was cut stands alone');
  assert.deepEqual(
    whole.filter(({ who }) => who === 'here').map(({ index }) => index),
    Array.from({ length: 40 }, (_, index) => index),
  );
  assert.deepEqual(whole.filter(({ who }) => who === 'there').length, 1);
});
