/** The audit: a line for each record, kept through rotation and a full disk, and never in a request's way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '../../src/core/errors.ts';
import { type AuditParts, type AuditRecord, createAudit } from '../../src/telemetry/audit.ts';
import { visibleJson } from '../../src/telemetry/json-line.ts';
import { LineFile } from '../../src/telemetry/line-file.ts';
import { auditOptions } from '../../src/telemetry/options.ts';
import { scrub } from '../../src/telemetry/scrub.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { collectLog } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { trials } from '../support/tools/properties.ts';

const request: AuditRecord = {
  event: 'request',
  verdict: 'forward',
  status: 200,
  method: 'GET',
  route: '/ccagent',
  path: '/ccagent/',
  seconds: 0.01,
  user: 'alice',
  request: 'r-1',
};
const login: AuditRecord = {
  event: 'login',
  outcome: 'failed',
  reason: 'bad-password',
  user: 'eve\r\nforged',
  address: '192.0.2.7',
};

function streamed(more: Partial<AuditParts> = {}) {
  const lines: string[] = [];
  const audit = createAudit({
    clock: manualClock(0),
    log: collectLog().log,
    stream: { write: (line) => lines.push(line) },
    ...more,
  });
  return { audit, lines };
}

const linesOf = async (path: string) =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('a record is one JSON line with its time first', () => {
  const { audit, lines } = streamed();
  audit.record(request);
  audit.record(login);
  assert.equal(lines[0], `{"time":"1970-01-01T00:00:00.000Z",${JSON.stringify(request).slice(1)}\n`);
  assert.equal(lines[1]?.trimEnd().includes('\n'), false);
  assert.partialDeepStrictEqual(JSON.parse(lines[1] ?? ''), { ...login, time: '1970-01-01T00:00:00.000Z' });
});

test('a record shows what a terminal would act on, and reads as what it was', () => {
  const { audit, lines } = streamed();
  const path = '/\u009b31m';
  const user = 'eve\u202etxt é';
  audit.record({ ...request, path });
  audit.record({ ...login, user });
  assert.doesNotMatch(lines.join('').replaceAll('\n', ''), /[\x00-\x1f\x7f-\x9f\p{Cf}]/u);
  assert.deepEqual([JSON.parse(lines[0] ?? '').path, JSON.parse(lines[1] ?? '').user], [path, user]);
});

test('a secret that got into a record does not get into the file', () => {
  const { audit, lines } = streamed();
  audit.record({ ...request, path: '/reset/token=s3cretvalue' });
  assert.ok(!lines.join('').includes('s3cretvalue'));
});

test('whatever stands in which field of a request, the line is that of the scrubbed record', () => {
  const piece = fc.constantFrom(
    ...[
      'token=',
      's3cret',
      'Basic ',
      'eyJhbGciOiJFZERTQSJ9',
      '.',
      ' ',
      '"',
      '\\',
      '{SSHA}',
      'ST-1-',
      'gatehouse=',
      '/',
    ],
    ...[
      'password',
      ':',
      'alice',
      '\n',
      '$argon2id$',
      'bob',
      'ldap://a:b@c',
      'Cookie',
      'YIIGhgYJKoZIhvcSAQICAQBuggZ1MIIGcaADAgEF',
    ],
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constant('x'.repeat(9000)),
  );
  const texts = fc.record({
    method: text,
    route: text,
    path: text,
    request: text,
    address: text,
    user: text,
    provider: text,
  });
  fc.assert(
    fc.property(texts, (fields) => {
      const { audit, lines } = streamed();
      const record = { ...request, ...fields };
      audit.record(record);
      const want = Object.assign({ time: '1970-01-01T00:00:00.000Z' }, scrub(record));
      assert.equal(lines[0], `${visibleJson(JSON.stringify(want))}\n`);
    }),
    trials(300),
  );
});

test('requests: refused leaves out what went through, requests: none leaves out all, logins are always there', () => {
  for (const [requests, want] of [
    ['all', 3],
    ['refused', 2],
    ['none', 1],
  ] as const) {
    const { audit, lines } = streamed({ requests });
    audit.record(request);
    audit.record({ ...request, verdict: 'refuse', status: 403, reason: 'role-missing' });
    audit.record(login);
    assert.equal(lines.length, want, requests);
  }
});

test('options: stdout, off or a file beside the configuration', () => {
  assert.deepEqual(auditOptions.parse({}), { to: 'stdout', requests: 'all' });
  assert.equal(auditOptions.parse({ to: 'off' }).to, 'off');
  assert.equal(auditOptions.parse({ to: '/var/log/audit.jsonl' }).to, '/var/log/audit.jsonl');
});

test('a stream that throws is logged once, counted each time, and harms nobody', () => {
  const { log, find } = collectLog();
  let lost = 0;
  const stream = {
    write: () => {
      throw new Error('gone');
    },
  };
  const { audit } = streamed({ log, stream, onLoss: (records) => (lost += records) });
  for (let index = 0; index < 3; index += 1) audit.record(login);
  assert.equal(lost, 3);
  assert.equal(find('the audit cannot be written').length, 1);
});

test('a file is appended to, for owner and group only, in folders that are made for the owner alone', async (t) => {
  const folder = join(await temporaryFolder(t), 'data');
  const path = join(folder, 'audit', 'audit.jsonl');
  for (let run = 0; run < 2; run += 1) {
    const audit = createAudit({ to: path, clock: manualClock(), log: collectLog().log });
    for (let index = 0; index < 1000; index += 1) audit.record({ ...request, request: `${run}-${index}` });
    await audit.close();
  }
  const records = await linesOf(path);
  assert.equal(records.length, 2000);
  assert.deepEqual([records[0].request, records[1999].request], ['0-0', '1-999']);
  assert.equal((await stat(path)).mode & 0o007, 0);
  for (const made of [folder, join(folder, 'audit')]) assert.equal((await stat(made)).mode & 0o777, 0o700);
});

test('a line reaches the file though nobody asks for it, and one after it, too', async (t) => {
  const path = join(await temporaryFolder(t), 'audit.jsonl');
  const audit = createAudit({ to: path, clock: manualClock(), log: collectLog().log });
  t.after(() => audit.close());
  for (const lines of [1, 2]) {
    audit.record(request);
    await until('the line is in the file', async () => (await readFile(path, 'utf8')).split('\n').length === lines + 1);
  }
});

test('after a rotation the new file takes the lines, and none is lost or torn', async (t) => {
  const path = join(await temporaryFolder(t), 'audit.jsonl');
  const audit = createAudit({ to: path, clock: manualClock(), log: collectLog().log });
  for (let index = 0; index < 500; index += 1) audit.record(request);
  await rename(path, `${path}.1`);
  audit.reopen();
  for (let index = 0; index < 500; index += 1) audit.record(login);
  await audit.close();
  const [old, fresh] = [await linesOf(`${path}.1`), await linesOf(path)];
  assert.deepEqual([old.length, fresh.length], [500, 500]);
});

test('a file that cannot be opened at the start is the operator’s to mend', async (t) => {
  const path = join(await temporaryFolder(t), 'audit.jsonl');
  await mkdir(path);
  assert.throws(
    () => createAudit({ to: path, clock: manualClock(), log: collectLog().log }),
    (error) => {
      assert.ok(error instanceof OperatorError);
      assert.match(error.message, /EISDIR/);
      assert.ok(error.hint);
      return true;
    },
  );
});

test('a reopening that fails keeps the old file', async (t) => {
  const path = join(await temporaryFolder(t), 'audit.jsonl');
  const { log, find } = collectLog();
  const audit = createAudit({ to: path, clock: manualClock(), log });
  await rename(path, `${path}.1`);
  await mkdir(path);
  audit.reopen();
  audit.record(login);
  await audit.close();
  assert.equal((await linesOf(`${path}.1`)).length, 1);
  assert.equal(find('the audit could not be reopened; the old file stays in use').length, 1);
});

test('a full disk: the failure is told once, lines beyond the bound are counted, and nothing throws', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: unknown[] = [];
  let lost = 0;
  const file = new LineFile('/dev/full', {
    onFailure: (error) => told.push(error),
    onRecovery: () => undefined,
    onLoss: (lines) => (lost += lines),
  });
  const line = 'x'.repeat(1024 * 1024);
  for (let index = 0; index < 12; index += 1) file.append(line);
  await file.flush();
  file.append('one more');
  t.mock.timers.tick(1000);
  await file.flush();
  assert.equal(told.length, 1);
  assert.match(String(told[0]), /ENOSPC/);
  assert.equal(lost, 5);
  await file.close();
  file.append('after the end');
  assert.equal(lost, 6);
});

test('when the disk takes lines again, those that waited are written', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const folder = await temporaryFolder(t);
  const path = join(folder, 'audit.jsonl');
  await symlink('/dev/full', path);
  const recovered = Promise.withResolvers<number>();
  const file = new LineFile(path, {
    onFailure: () => undefined,
    onRecovery: recovered.resolve,
    onLoss: () => undefined,
  });
  file.append('kept');
  await file.flush();
  await rm(path);
  file.reopen();
  t.mock.timers.tick(1000);
  assert.equal(await recovered.promise, 0);
  await file.close();
  assert.equal(await readFile(path, 'utf8'), 'kept\n');
});

for (const [name, end] of Object.entries({ 'a crash': "throw new Error('crash')", 'an exit': 'process.exit(1)' }))
  test(`the lines of a process that ends by ${name} are in the file, each once`, async (t) => {
    const path = join(await temporaryFolder(t), 'audit.jsonl');
    const module = new URL('../../src/telemetry/line-file.ts', import.meta.url).href;
    const program = `
      import { LineFile } from ${JSON.stringify(module)};
      const nothing = () => undefined;
      const events = { onFailure: nothing, onRecovery: nothing, onLoss: nothing };
      const file = new LineFile(${JSON.stringify(path)}, events);
      file.append('under way');
      void file.flush();
      file.append('gathered');
      ${end};`;
    const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program]);
    assert.equal(status, 1);
    assert.deepEqual((await readFile(path, 'utf8')).split('\n').sort(), ['', 'gathered', 'under way']);
  });

test('files that are closed leave nothing to do at the end of the process', async (t) => {
  const before = process.listenerCount('exit');
  const folder = await temporaryFolder(t);
  const nothing = () => undefined;
  const events = { onFailure: nothing, onRecovery: nothing, onLoss: nothing };
  const files = ['one', 'two'].map((name) => new LineFile(join(folder, name), events));
  assert.equal(process.listenerCount('exit'), before + 1);
  for (const file of files) await file.close();
  assert.equal(process.listenerCount('exit'), before);
});

test('a request that was let through has the same line by way of kept parts as by way of the record', () => {
  const { lines, audit } = streamed();
  const id = '0f8c2a54-6f1e-4c5a-9a52-1f0f5a1f0f5a';
  const whose = { tenant: 'default', provider: 'local', session: 'session-1' };
  const { user, request: _, ...about } = request;
  const record = { ...about, request: id, address: '192.0.2.7', user, ...whose } as AuditRecord;
  const odd = { ...record, path: '/reset?token=x', route: 'J\u00fcrgen\u202e', user: 'Zo\u00eb \u2028' } as AuditRecord;
  for (const one of [record, odd, { ...record, lane: true } as AuditRecord]) {
    for (let turn = 0; turn < 2; turn += 1) audit.record(one);
    // A reason is never kept: it goes by way of the record.
    audit.record({ ...one, reason: 'draining' } as AuditRecord);
    const [first, again, whole] = lines.splice(0).map((line) => line.trim());
    assert.equal(first, again);
    const { reason, ...rest } = JSON.parse(whole ?? '');
    assert.equal(reason, 'draining');
    assert.equal(first, JSON.stringify(rest).replace('\u202e', '\\u202e').replace('\u2028', '\\u2028'));
  }
});
