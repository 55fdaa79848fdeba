/** How issues look on a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigIssue, loadConfig } from '../../src/config/load.ts';
import { formatIssue, formatIssues } from '../../src/config/report.ts';
import { goodText, sampleSchema } from './sample.ts';

function issuesOf(text: string): readonly ConfigIssue[] {
  const result = loadConfig({ schema: sampleSchema, file: 'c/gatehouse.yaml', text, env: { LDAP_PASSWORD: 'x' } });
  return result.kind === 'invalid' ? result.issues : [];
}

const two = issuesOf(goodText.replace('timeout: 5s', 'timeuot: 5s').replace('access: public', 'access: pubic'));

test('report: an issue is one line: place, key, message, hint', () => {
  assert.deepEqual(two.map(formatIssue), [
    'c/gatehouse.yaml:7:3  login.timeuot: is not a known key — did you mean "timeout"?',
    'c/gatehouse.yaml:22:13  routes[1].access: must be one of public, deny, or a mapping of keys to values, is "pubic" — did you mean "public"?',
  ]);
});

test('report: the keys of several issues begin in one column', () => {
  const lines = formatIssues(two).split('\n');
  assert.equal(lines.length, 2);
  assert.equal(lines[0]?.indexOf('login.timeuot'), lines[1]?.indexOf('routes[1].access'));
});

test('report: below an issue stands its line with a caret under the part that is meant', () => {
  assert.equal(
    formatIssues(two.slice(1), { excerpts: true }).split('\n').slice(1).join('\n'),
    ['  22 |     access: pubic', '     |             ^^^^^'].join('\n'),
  );
});

test('report: a masked secret before the mistake moves the caret with the text', () => {
  const text = goodText.replace(
    '{ type: local }',
    '{ type: oidc, issuer: http://x, clientSecret: hunter2, colour: red }',
  );
  const [line, caret] = formatIssues(issuesOf(text), { excerpts: true }).split('\n').slice(1);
  assert.equal(line, '  15 |   local: { type: oidc, issuer: http://x, clientSecret: •••, colour: ••• }');
  assert.equal(caret?.indexOf('^'), line?.indexOf('colour'));
  assert.equal(caret?.trim(), `| ${' '.repeat((line?.indexOf('colour') ?? 0) - 7)}^^^^^^`);
});

test('report: a tab is shown, and nothing that a terminal would obey is printed', () => {
  assert.match(formatIssues(issuesOf('login:\n\tchain: [a]\n'), { excerpts: true }), /2 \| →chain/);
  const printed = formatIssues(issuesOf('"\\u001b[31mred\\u202e": 1\nlogin: "\\u001b[2J"\n# \u202e\n'), {
    excerpts: true,
  });
  assert.doesNotMatch(printed, /[\u001b\u202e]/);
});

test('report: a long line is cut to what stands around the mistake', () => {
  const text = goodText.replace('[directory, local]', `[${'directory, '.repeat(60)}lokal, local]`);
  const [line = '', caret = ''] = formatIssues(issuesOf(text), { excerpts: true }).split('\n').slice(1);
  assert.ok(line.length < 130, String(line.length));
  assert.equal(line.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1), 'lokal');
});

test('report: beyond a bound, issues are counted', () => {
  const many = Array.from({ length: 60 }, () => two[0]!);
  const lines = formatIssues(many).split('\n');
  assert.equal(lines.length, 51);
  assert.equal(lines.at(-1), '… and 10 more');
  assert.equal(formatIssues([]), '');
});

test('report: an issue without a place names the file, or where the value came from', () => {
  const issue: ConfigIssue = { file: 'f.yaml', line: 0, column: 0, key: '', message: 'the file does not exist' };
  assert.equal(formatIssue(issue), 'f.yaml  the file does not exist');
  assert.equal(
    formatIssue({ ...issue, origin: 'environment X', key: 'a.b' }),
    'environment X  a.b: the file does not exist',
  );
});
