/** The log: one line a record, what it says, what it never says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createLog } from '../../src/telemetry/log.ts';
import { logOptions, wantsPretty } from '../../src/telemetry/options.ts';
import { prettyLine } from '../../src/telemetry/pretty.ts';
import { collectLog } from '../support/tools/log.ts';

test('a record is one JSON line with time, level, fields and message', () => {
  const { log, lines, records } = collectLog();
  log.info({ provider: 'directory', milliseconds: 3 }, 'a provider answered');
  assert.equal(lines.length, 1);
  const [record] = records();
  assert.match(String(record?.time), /^\d{4}-\d\d-\d\dT/);
  assert.partialDeepStrictEqual(record, {
    level: 'info',
    provider: 'directory',
    milliseconds: 3,
    message: 'a provider answered',
  });
});

test('what a client sent cannot begin a new line or pass for the record itself', () => {
  const { log, lines, records } = collectLog();
  log.warn({ user: 'eve\r\n{"level":"error"}', level: 'error', message: 'forged', time: 0 }, 'a login\nfailed');
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1);
  assert.partialDeepStrictEqual(records(), [
    {
      level: 'warn',
      message: 'a login\nfailed',
      level_: 'error',
      message_: 'forged',
      user: 'eve\r\n{"level":"error"}',
    },
  ]);
});

test('lines show what a terminal would act on, and read as what it was', () => {
  const { log, lines, records } = collectLog();
  const user = 'eve\u009b31m\u202etxt\u200b\u2028\u{e0001}\x7f é 😀';
  log.warn({ user }, 'a login failed');
  assert.doesNotMatch(lines.join('').trimEnd(), /[\x00-\x1f\x7f-\x9f\p{Cf}\u2028\u2029]/u);
  assert.match(lines.join(''), /é 😀/);
  assert.partialDeepStrictEqual(records(), [{ user }]);
});

test('secrets stay out of fields, children, messages, errors and their causes', () => {
  const { log, assertNoSecrets } = collectLog();
  const error = new Error('GET /?ticket=ST-1-s3cretvalue', { cause: new Error('password=s3cretvalue') });
  const child = log.child({ headers: { cookie: 'gatehouse=s3cretvalue' } });
  child.error({ error, err: error, deep: { a: [{ token: 's3cretvalue' }] } }, 'Bearer s3cretvalue was refused');
  log.error(error, 'it broke');
  log.debug({ rawHeaders: ['Authorization', 'Basic s3cretvalue'] }, 'a request');
  assertNoSecrets('s3cretvalue');
});

test('a child carries its fields, and what a record says itself stands once', () => {
  const { log, lines, records } = collectLog();
  log.child({ request: 'r1' }).child({ route: '/a' }).info({ route: '/b' }, 'done');
  assert.partialDeepStrictEqual(records(), [{ request: 'r1', route: '/b' }]);
  assert.equal(lines[0]?.match(/"route"/g)?.length, 1);
});

test('below the level nothing is written, nor even read; the level can change for all children', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', destination: { write: (line) => lines.push(line) } });
  const child = log.child({ part: 'a' });
  const unread = {
    get value() {
      return assert.fail('read');
    },
  };
  child.info(unread, 'quiet');
  assert.equal(lines.length, 0);
  log.setLevel('debug');
  child.debug({}, 'loud');
  assert.equal(lines.length, 1);
});

test('options: levels and formats are closed lists', () => {
  assert.deepEqual(logOptions.parse({}), { level: 'info', format: 'auto' });
  assert.throws(() => logOptions.parse({ level: 'chatty' }));
  assert.deepEqual(
    [wantsPretty('auto', true), wantsPretty('auto', false), wantsPretty('pretty', false), wantsPretty('json', true)],
    [true, false, true, false],
  );
});

test('pretty lines are one line with a sentence, then fields, then an indented stack', () => {
  const lines: string[] = [];
  const log = createLog({ pretty: true, destination: { write: (line) => lines.push(line) } });
  log.warn(
    { provider: 'directory', error: new Error('boom', { cause: new Error('root') }) },
    'a provider is unavailable',
  );
  assert.match(
    lines.join(''),
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}a provider is unavailable provider=directory\n {4}Error: boom\n/,
  );
  assert.match(lines.join(''), /caused by:\n {4}Error: root/);
});

test('pretty lines carry no escape of a terminal and no character that turns text around', () => {
  const line = prettyLine(JSON.stringify({ level: 'info', message: 'x\u001b[2Jy\u202ez', user: '\u009b31mred' }));
  assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}]/u);
  assert.equal(prettyLine('not json\n'), 'not json\n');
});

test('the standard output gets every line before the process ends, also at process.exit', () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL('../../src/telemetry/log.ts', import.meta.url).href)};
    const log = createLog({});
    for (let index = 0; index < 2000; index += 1) log.info({ index }, 'a line');
    process.exit(0);`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(status, 0);
  const lines = stdout.trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).index),
    Array.from({ length: 2000 }, (_, index) => index),
  );
});

test('a reader that closes the standard output does not end the process', () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL('../../src/telemetry/log.ts', import.meta.url).href)};
    const log = createLog({});
    let left = 50;
    const timer = setInterval(() => {
      log.info({ text: 'x'.repeat(5000) }, 'a line');
      if (--left === 0) { clearInterval(timer); console.error('survived'); }
    }, 1);`;
  const { stderr } = spawnSync(
    'sh',
    ['-c', '"$0" --input-type=module -e "$1" | head -c 1 >/dev/null', process.execPath, script],
    { encoding: 'utf8' },
  );
  assert.match(stderr, /survived/);
});
