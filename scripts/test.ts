/**
 * The checks: lint, types, then the tests. `quick` leaves out test/stories, which needs servers and Chromium; `all` runs
 * everything; names of files or folders run the tests in them and nothing else. The files of a run share a slapd, a KDC, a CAS
 * server and a Chromium, which end with it. Before the counts, which are always the last lines, stand the files that took longest.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { EventData } from 'node:test';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { startHolder } from '../test/support/servers/shared/holder.ts';
import { makeRunFolder } from '../test/support/tools/run-folder.ts';

/** What to run: everything, or what needs no server to be installed. */
type Scope = 'quick' | 'all';

const root = path.resolve(import.meta.dirname, '..');
const perTestMs = 5 * 60_000;
const wholeRunMs = { quick: 15 * 60_000, all: 27 * 60_000 };
const preloads = ['test/support/tools/loopback-only.ts', 'test/support/tools/ends-in-time.ts'];

/** Runs the checks of a scope, printing as they go; resolves to the exit code. */
export async function verify(scope: Scope): Promise<number> {
  process.chdir(root);
  const failed = [lint(), types()].filter((step) => step !== undefined);
  const { PROPERTY_SEED = 'fixed', PROPERTY_RUNS = '1' } = process.env;
  console.log(`random tests: seed ${PROPERTY_SEED}, scale ${PROPERTY_RUNS}`);
  const { closing, success } = await tests(testFiles(scope), wholeRunMs[scope]);
  if (!success) failed.push('tests');
  console.log(failed.length === 0 ? '\nAll checks passed.' : `\nFailed: ${failed.join(', ')}.`);
  for (const line of closing) console.log(`ℹ ${line}`);
  return failed.length === 0 ? 0 : 1;
}

function lint(): string | undefined {
  const biome = 'node_modules/@biomejs/cli-linux-x64/biome';
  const { platform, arch } = process;
  if (platform === 'linux' && arch === 'x64')
    return step('lint', biome, ['check', '--error-on-warnings', '--diagnostic-level=warn']);
  console.log(`lint: skipped, Biome is installed for linux x64 only and this is ${platform} ${arch}`);
  return process.env.CI === 'true' ? 'lint' : undefined;
}

function types(): string | undefined {
  return step('types', 'node_modules/.bin/tsc', ['-p', '.']);
}

/** Runs one program; its name when it failed. */
function step(name: string, program: string, parameters: readonly string[]): string | undefined {
  const started = performance.now();
  const { status, error } = spawnSync(program, parameters, { stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? '✔' : '✖'} ${name} (${seconds} s)${error ? `: ${error.message}; run npm ci` : ''}`);
  return status === 0 ? undefined : name;
}

interface Result {
  readonly closing: readonly string[];
  readonly success: boolean;
}

/** The test files of a scope, by their path from the top of the tree. */
function testFiles(scope: Scope): string[] {
  const files = globSync('test/**/*.test.ts').sort();
  return scope === 'all' ? files : files.filter((file) => !file.startsWith(path.join('test', 'stories')));
}

/** Runs the tests of these files and folders alone; resolves to the exit code. */
async function verifyFiles(names: readonly string[]): Promise<number> {
  const files = names.flatMap((name) => {
    const place = path.relative(root, path.resolve(name));
    return place.endsWith('.test.ts') ? [place] : globSync(`${place}/**/*.test.ts`, { cwd: root }).sort();
  });
  process.chdir(root);
  const strange = files.filter((file) => !existsSync(file));
  if (files.length === 0 || strange.length > 0) {
    console.error(`no such tests: ${(strange.length > 0 ? strange : names).join(', ')}`);
    return 2;
  }
  const { closing, success } = await tests(files, wholeRunMs.all);
  for (const line of closing) console.log(`ℹ ${line}`);
  return success ? 0 : 1;
}

async function tests(files: readonly string[], maxMs: number): Promise<Result> {
  const running = new Map<string, number>();
  const took = new Map<string, number>();
  const ended = deadline(maxMs, running);
  const servers = await startHolder(makeRunFolder());
  const stream = run({
    files: files.map((file) => path.join(root, file)),
    concurrency: Math.max(2, availableParallelism()),
    timeout: perTestMs,
    execArgv: preloads.filter((file) => existsSync(file)).flatMap((file) => ['--import', pathToFileURL(file).href]),
  });
  let counts: EventData.TestSummary | undefined;
  stream.on('test:dequeue', ({ name, file }) => name === file && running.set(name, performance.now()));
  stream.on('test:complete', ({ name }) => {
    const startedAt = running.get(name);
    if (startedAt === undefined) return;
    took.set(name, performance.now() - startedAt);
    running.delete(name);
  });
  stream.on('test:summary', (summary) => {
    if (summary.file === undefined) counts = summary;
  });
  for await (const text of stream.filter(isBody).compose(spec)) process.stdout.write(text);
  ended();
  await servers.end();
  if (took.size > 1) console.log(slowest(took));
  if (!counts) return { closing: ['tests 0', 'pass 0', 'fail 0'], success: false };
  return { closing: closingLines(counts), success: counts.success && counts.counts.tests > 0 };
}

/** The files that took longest, by the clock: others run beside them. */
function slowest(took: ReadonlyMap<string, number>): string {
  const rows = [...took].sort(([, one], [, other]) => other - one).slice(0, 10);
  const lines = rows.map(([file, ms]) => `  ${(ms / 1000).toFixed(1).padStart(6)} s  ${path.relative(root, file)}`);
  return ['\nThe files that took longest:', ...lines].join('\n');
}

/** Everything but the counts that node:test puts before the list of failures: ours follow it. */
function isBody(event: { type: string; data?: { nesting?: number; message?: string } }): boolean {
  if (event.type !== 'test:diagnostic' || event.data?.nesting !== 0) return true;
  return !/^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(event.data.message ?? '');
}

function closingLines({ counts, duration_ms }: EventData.TestSummary): string[] {
  const { tests, suites, passed: pass, cancelled, skipped, todo } = counts;
  const fail = tests - pass - cancelled - skipped - todo;
  return Object.entries({ tests, suites, pass, fail, cancelled, skipped, todo, duration_ms }).map(
    ([name, value]) => `${name} ${value}`,
  );
}

/** Ends a run that takes too long, naming the files under way; call what it returns when the run has ended. */
function deadline(milliseconds: number, running: ReadonlyMap<string, number>): () => void {
  const timer = setTimeout(() => {
    console.error(`\nThe tests did not end within ${milliseconds / 60_000} minutes. Still running:`);
    for (const file of running.keys()) console.error(`  ${path.relative(root, file)}`);
    console.log('ℹ tests 1\nℹ pass 0\nℹ fail 1');
    process.exit(1);
  }, milliseconds);
  return () => clearTimeout(timer);
}

if (import.meta.main) {
  // `npm test -- FILE…` puts the names behind the scope that the script of package.json gives.
  const [scope, ...names] = process.argv.slice(2);
  if (scope !== 'quick' && scope !== 'all') {
    console.error('usage: node scripts/test.ts quick|all [FILE or FOLDER…]');
    process.exitCode = 2;
  } else process.exitCode = names.length > 0 ? await verifyFiles(names) : await verify(scope);
}
