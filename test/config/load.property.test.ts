/** Random and broken configurations: reading them never throws, and every issue stands on a line that exists. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ConfigIssue, loadConfig } from '../../src/config/load.ts';
import { formatIssues } from '../../src/config/report.ts';
import { trials } from '../support/tools/properties.ts';
import { cpuTime } from '../support/tools/stopwatch.ts';
import { goodText, sampleSchema } from './sample.ts';

const env = { LDAP_PASSWORD: 'x' };

function load(text: string) {
  return loadConfig({ schema: sampleSchema, file: 'gatehouse.yaml', text, env });
}

/** Lines as an editor counts them. */
function linesOf(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  return lines.length > 1 && lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function assertPlaced(text: string, issues: readonly ConfigIssue[]): void {
  const lines = linesOf(text);
  for (const issue of issues) {
    const line = lines[issue.line - 1];
    assert.ok(line !== undefined, `${JSON.stringify(issue)} in ${JSON.stringify(text)}`);
    assert.ok(issue.column >= 1 && issue.column <= line.length + 1, JSON.stringify(issue));
    assert.ok(
      issue.message.length > 0 && !/[\u0000-\u001f]/.test(issue.message + issue.key + (issue.hint ?? '')),
      JSON.stringify(issue),
    );
    if (!issue.excerpt) continue;
    const { text: shown, start, length } = issue.excerpt;
    assert.ok(start >= 0 && length >= 1 && start <= [...shown].length, JSON.stringify(issue));
  }
  assert.equal(typeof formatIssues(issues, { excerpts: true, most: 1000 }), 'string');
}

/** Reads a text: either it is good, or it has issues whose places exist. */
function assertRead(text: string): void {
  const result = load(text);
  if (result.kind === 'invalid') assert.ok(result.issues.length > 0);
  assertPlaced(text, result.kind === 'ok' ? result.warnings : result.issues);
}

const words = fc.constantFrom(
  ...[
    'login',
    'chain',
    'providers',
    'type',
    'ldap',
    'url',
    'server',
    'routes',
    'password',
    'x',
    'true',
    'null',
    '5s',
    '~',
  ],
  ...[
    ': ',
    ':',
    '- ',
    '\n',
    '\n  ',
    '\n    ',
    '\n- ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '#',
    '&a ',
    '*a',
    '!t ',
    '|',
    '>',
    '? ',
  ],
  ...[
    '%',
    '@',
    '`',
    '\t',
    '---\n',
    '...\n',
    '<<: ',
    '\\',
    '\r\n',
    '\ufeff',
    'é',
    '😀',
    '\u202e',
    '__proto__',
    'constructor',
    ' ',
  ],
);
const yamlLike = fc.array(words, { maxLength: 40 }).map((parts) => parts.join(''));
const garbage = fc.string({ unit: 'binary', maxLength: 200 });
const values = fc.json({ maxDepth: 5 });

test('load: random text never throws, and its issues have places', () => {
  fc.assert(fc.property(fc.oneof(yamlLike, garbage, values), assertRead), trials(600));
});

test('load: a good file with a piece cut out, doubled or replaced never throws', () => {
  const place = fc.nat(goodText.length);
  fc.assert(
    fc.property(place, place, words, fc.boolean(), (left, right, word, isDoubled) => {
      const [from, to] = [Math.min(left, right), Math.min(Math.max(left, right), Math.min(left, right) + 30)];
      const kept = isDoubled ? goodText.slice(from, to) : '';
      assertRead(`${goodText.slice(0, from)}${kept}${word}${kept}${goodText.slice(to)}`);
    }),
    trials(400),
  );
});

test('load: a text of the file that a message repeats cannot move a terminal’s cursor', () => {
  for (const name of ['{ env: "A\\tB" }', '{ env: A\tB }', '{ env: "\\e[31mA" }', '{ file: "\\e[2J\\u202e" }'])
    assertRead(goodText.replace('{ env: LDAP_PASSWORD }', name));
});

test('load: a good file with any value in place of one of its own never throws, and the mistake has a place', () => {
  const lines = goodText.split('\n');
  fc.assert(
    fc.property(fc.nat(lines.length - 1), values, (index, json) => {
      const line = lines[index] ?? '';
      assertRead(lines.with(index, line.replace(/:.*/, `: ${json}`)).join('\n'));
    }),
    trials(300),
  );
});

test('load: whatever breaks the file, a secret in it is never shown', () => {
  const secret = 'Zq7hunter';
  const text = goodText.replace('{ env: LDAP_PASSWORD }', secret);
  const place = fc.nat(text.length);
  fc.assert(
    fc.property(place, fc.array(words, { minLength: 1, maxLength: 3 }), (at, parts) => {
      // Where the key's own name is cut, nothing is left that says its value is secret.
      const key = text.indexOf('managerPassword: ');
      fc.pre(at <= key || at > key + 'managerPassword: '.length + secret.length);
      const result = load(`${text.slice(0, at)}${parts.join('')}${text.slice(at)}`);
      const issues = result.kind === 'ok' ? result.warnings : result.issues;
      assert.ok(!JSON.stringify(issues).includes(secret), formatIssues(issues, { excerpts: true }));
    }),
    trials(600),
  );
});

test('load: nesting without end is refused, not crashed on', () => {
  for (const text of [
    '['.repeat(50_000),
    '- '.repeat(50_000),
    '{a: '.repeat(50_000),
    `a: ${'['.repeat(700)}${']'.repeat(700)}`,
  ])
    assertRead(text);
});

test('load: thousands of mistakes are found in a moment', () => {
  const routes = Array.from({ length: 3000 }, (_, index) => `  - { location: /${index}, upstrem: http://x }`);
  const text = `${goodText.slice(0, goodText.indexOf('routes:'))}routes:\n${routes.join('\n')}\n`;
  const spent = cpuTime(() => {
    const result = load(text);
    assert.equal(result.kind === 'invalid' && result.issues.length, 3000);
  });
  assert.ok(spent < 10_000, `${spent} ms`);
});
