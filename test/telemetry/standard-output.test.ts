/** A process whose reader has gone ends all the same, with lines that nobody takes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { endsWithin } from '../support/tools/stopwatch.ts';

const file = pathToFileURL(path.resolve(import.meta.dirname, '../../src/telemetry/standard-output.ts'));

test('standard output: what is abandoned keeps no process from its end', async (t) => {
  const script = `
    const { abandonOutput, standardOutput } = await import('${file}');
    process.once('message', () => {
      abandonOutput();
      for (const line of ['one', 'two']) standardOutput().write(line + ' to nobody\\n');
      process.exit(3);
    });
    process.send('ready');`;
  const stdio = ['ignore', 'pipe', 'inherit', 'ipc'] as const;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: [...stdio] });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  child.stdout?.destroy();
  const ended = once(child, 'exit');
  child.send('end');
  await endsWithin(10_000, 'the process', ended);
  assert.deepEqual(await ended, [3, null]);
});
