/** The lock of the setup: who waits for whom, and what a process that is gone leaves behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { SetupError } from '../../scripts/debian-packages.mjs';
import { alone } from '../../scripts/setup-lock.mjs';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';

const say = (line: string) => assert.fail(`waits: ${line}`);

/** A process that takes the lock, writes into a journal, and gives the lock back once the folder has a file `go`. */
function worker(t: TestContext, folder: string, name: string) {
  const script = `
    import { appendFileSync, existsSync } from 'node:fs';
    import { alone } from ${JSON.stringify(path.resolve(import.meta.dirname, '../../scripts/setup-lock.mjs'))};
    alone({ file: 'lock', say: (line) => console.log(line) }, () => {
      appendFileSync('journal', '${name} begins\\n');
      while (!existsSync('go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      appendFileSync('journal', '${name} ends\\n');
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder });
  t.after(() => child.kill('SIGKILL'));
  const said = { text: '' };
  child.stdout.on('data', (chunk) => (said.text += String(chunk)));
  return { child, said, ended: once(child, 'exit').then(([code]) => code as number | null) };
}

test('setup lock: a second process waits for the first, says for whom, and goes on after it', async (t) => {
  const folder = await temporaryFolder(t);
  const journal = () => readFileSync(path.join(folder, 'journal'), 'utf8');
  const first = worker(t, folder, 'first');
  await until('the first has the lock', () => existsSync(path.join(folder, 'journal')));
  const second = worker(t, folder, 'second');
  await until('the second waits', () => second.said.text.includes(`process ${first.child.pid} is setting up`));
  assert.equal(journal(), 'first begins\n');
  writeFileSync(path.join(folder, 'go'), '');
  assert.deepEqual(await Promise.all([first.ended, second.ended]), [0, 0]);
  assert.equal(journal(), 'first begins\nfirst ends\nsecond begins\nsecond ends\n');
  assert.equal(existsSync(path.join(folder, 'lock')), false);
});

test('setup lock: a process that was killed in the middle holds nothing', async (t) => {
  const folder = await temporaryFolder(t);
  const first = worker(t, folder, 'first');
  await until('the first has the lock', () => existsSync(path.join(folder, 'journal')));
  first.child.kill('SIGKILL');
  await first.ended;
  const file = path.join(folder, 'lock');
  assert.equal(existsSync(file), true);
  assert.equal(
    alone({ file, say }, () => readFileSync(file, 'utf8')),
    String(process.pid),
  );
  assert.equal(existsSync(file), false);
});

test('setup lock: an id that was ours in a run before, as containers give them out, is no holder', async (t) => {
  const file = path.join(await temporaryFolder(t), 'lock');
  writeFileSync(file, String(process.pid));
  assert.equal(
    alone({ file, say }, () => 'done'),
    'done',
  );
});

test('setup lock: work that fails gives it back, and its error goes on', async (t) => {
  const file = path.join(await temporaryFolder(t), 'lock');
  const work = () => {
    throw new SetupError('npm failed');
  };
  assert.throws(() => alone({ file, say }, work), /npm failed/);
  assert.equal(existsSync(file), false);
});

test('setup lock: patience ends with the name of the holder and of the file, which stays', async (t) => {
  const file = path.join(await temporaryFolder(t), 'lock');
  writeFileSync(file, String(process.ppid));
  assert.throws(
    () => alone({ file, say, patience: 0 }, () => assert.fail('works')),
    (error) => error instanceof SetupError && error.message.includes(`process ${process.ppid} `),
  );
  assert.equal(readFileSync(file, 'utf8'), String(process.ppid));
});

test('setup lock: a folder that takes no file is told in words', async (t) => {
  const file = path.join(await temporaryFolder(t), 'nowhere', 'lock');
  assert.throws(
    () => alone({ file, say }, () => assert.fail('works')),
    (error) => error instanceof SetupError && /cannot be written \(ENOENT\)/.test(error.message),
  );
});
