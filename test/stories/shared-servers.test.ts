/** The servers that the files of a run share: what ends them, and what a test says whose server has ended under it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { needsCas } from '../support/servers/cas-server.ts';
import { withoutChromium } from '../support/servers/chromium.ts';
import { needsKdc } from '../support/servers/kdc.ts';
import { needsSlapd } from '../support/servers/slapd.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';
import { runFolderVariable } from '../support/tools/run-folder.ts';

const needs = { skip: needsSlapd.skip || needsKdc.skip || needsCas.skip || withoutChromium };
const root = join(import.meta.dirname, '../..');

/** What a test of the inner run has written down. */
interface Note {
  /** The process of the file. */
  readonly test: number;
  readonly folder: string;
  /** The servers' processes, in the order they were asked for. */
  readonly servers: readonly number[];
}

interface InnerRun {
  readonly child: ChildProcess;
  /** Its exit code and all that it wrote. */
  readonly ended: Promise<{ code: number | null; output: string }>;
  /** What it has written down, once it has. */
  note(): Promise<Note>;
}

/** A run of the runner's own, or of a file by hand, whose tests are these. */
async function innerRun(t: TestContext, tests: string, words = ['scripts/test.ts', 'all']): Promise<InnerRun> {
  const folder = await temporaryFolder(t);
  const [file, noted] = [join(folder, 'inner.test.ts'), join(folder, 'note.json')];
  const support = pathToFileURL(join(root, 'test/support/servers/shared/shared.ts')).href;
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(
    file,
    `import { renameSync, writeFileSync } from 'node:fs';
    import { connect } from 'node:net';
    import { test } from 'node:test';
    import { shared } from '${support}';
    const note = (...servers) => {
      const text = JSON.stringify({ test: process.pid, folder: process.env.${runFolderVariable}, servers });
      writeFileSync('${noted}.draft', text);
      renameSync('${noted}.draft', '${noted}');
    };
    const pidOf = async (t, kind) => (await shared(t, { kind })).pid;
    const killSlapd = async (t) => {
      const { pid, port } = await shared(t, { kind: 'slapd' });
      process.kill(pid, 'SIGKILL');
      const accepts = () => new Promise((resolve) => connect(port, '127.0.0.1').once('connect', () => resolve(true)).once('error', () => resolve(false)));
      while (await accepts());
      return pid;
    };
    ${tests}`,
  );
  const { NODE_TEST_CONTEXT: _context, [runFolderVariable]: _folder, ...env } = process.env;
  const child = spawn(process.execPath, [...words, file], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const ended = once(child, 'close').then(([code]) => ({ code, output }));
  return {
    child,
    ended,
    note: async () => {
      await until('the inner test has its servers', () => existsSync(noted) || (child.exitCode !== null && 'ended'));
      return JSON.parse(await readFile(noted, 'utf8'));
    },
  };
}

/** A process that has ended may stay listed for good, where nobody takes note of its end. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function assertNothingIsLeft({ servers, folder }: Note): Promise<void> {
  await until('the servers have ended', () => !servers.some(isAlive));
  await until('the folder of the run is gone', () => !existsSync(folder));
}

const waits = `test('waits', async (t) => {
  note(await pidOf(t, 'slapd'), await pidOf(t, 'kdc'), await pidOf(t, 'chromium'));
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});`;

for (const signal of ['SIGTERM', 'SIGKILL'] as const)
  test(`shared servers: a run that ends by ${signal} leaves none behind`, needs, async (t) => {
    const run = await innerRun(t, waits);
    const note = await run.note();
    t.after(() => isAlive(note.test) && process.kill(note.test, 'SIGKILL'));
    assert.deepEqual(note.servers.map(isAlive), [true, true, true]);
    run.child.kill(signal);
    await assertNothingIsLeft(note);
  });

test('shared servers: they end with the process that holds them, which the test then names', needs, async (t) => {
  const tests = `test('is left alone', async (t) => {
    const { readFileSync } = await import('node:fs');
    const servers = [await pidOf(t, 'slapd'), await pidOf(t, 'kdc'), await pidOf(t, 'cas'), await pidOf(t, 'chromium')];
    const workers = servers.flatMap((pid) => readFileSync(\`/proc/\${pid}/task/\${pid}/children\`, 'utf8').match(/\\d+/g) ?? []);
    note(...servers, ...workers.map(Number));
    const [, parent] = /^\\d+ \\(.*\\) \\S (\\d+)/.exec(readFileSync(\`/proc/\${servers[0]}/stat\`, 'utf8'));
    process.kill(Number(parent), 'SIGKILL');
  });`;
  const run = await innerRun(t, tests);
  const { code, output } = await run.ended;
  assert.match(output, /the process that holds the shared servers of this run has ended/);
  assert.equal(code, 1);
  await assertNothingIsLeft(await run.note());
});

test(
  'shared servers: one that ends is named by the tests that used it, and the next test has another',
  needs,
  async (t) => {
    const tests = `const first = {};
  test('fails by it', async (t) => {
    first.pid = await killSlapd(t);
    throw new Error('as if the product had a fault');
  });
  test('notices nothing', async (t) => {
    await killSlapd(t);
  });
  test('is none of their business', async (t) => {
    const [second, kdc] = [await pidOf(t, 'slapd'), await pidOf(t, 'kdc')];
    note(first.pid, second, kdc);
    if (second === first.pid) throw new Error('the same one');
  });`;
    const run = await innerRun(t, tests);
    const { output } = await run.ended;
    const named = output.match(
      /The slapd that this run shares ended while this test used it: process \d+ ended by SIGKILL/g,
    );
    assert.ok(named !== null && named.length >= 2, output);
    assert.match(output, /as if the product had a fault/);
    assert.match(output, /ℹ pass 1\nℹ fail 2\n/);
    await assertNothingIsLeft(await run.note());
  },
);

test('shared servers: a file that is run by hand has its own, and takes them along', needs, async (t) => {
  const tests = `test('by hand', async (t) => note(await pidOf(t, 'slapd'), await pidOf(t, 'kdc')));`;
  const run = await innerRun(t, tests, []);
  const { code, output } = await run.ended;
  assert.equal(code, 0, output);
  await assertNothingIsLeft(await run.note());
});
