/**
 * What the documentation shows is what the gateway accepts: each example and each `yaml` block of the docs is read with the
 * real schema. A block of another program's YAML is marked `yml`.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { generatedFiles } from '../scripts/docs.ts';
import { loadConfig } from '../src/config/load.ts';
import { formatIssue } from '../src/config/report.ts';
import { documentSchema } from '../src/gateway/document.ts';
import { settleExample } from './support/scenes/example.ts';

const root = path.resolve(import.meta.dirname, '..');
const glob = (...patterns: readonly string[]): string[] => globSync(patterns, { cwd: root }).sort();

async function assertLoads(t: TestContext, text: string): Promise<void> {
  const result = loadConfig({ schema: documentSchema, ...(await settleExample(t, text)) });
  const issues = result.kind === 'ok' ? [] : result.issues;
  assert.equal(result.kind, 'ok', `\n${issues.map((issue) => `  ${formatIssue(issue)}`).join('\n')}`);
}

const configurations = [...glob('config/examples/**/*.yaml'), ...glob('config/gatehouse.yaml')];

for (const file of configurations)
  test(`documentation: ${file} is a configuration that loads`, (t) =>
    assertLoads(t, readFileSync(path.join(root, file), 'utf8')));

/** The fenced blocks of a page that are marked `yaml`, with the line on which each begins. */
function yamlBlocks(page: string): { line: number; text: string }[] {
  const text = readFileSync(path.join(root, page), 'utf8');
  return [...text.matchAll(/^( *)```yaml\n(.*?)^\1```/gms)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    text: (match[2] ?? '').replaceAll(new RegExp(`^${match[1]}`, 'gm'), ''),
  }));
}

/** What a block that shows only some top-level keys is shown within; its keys replace these, providers and roles add to them. */
const setting = {
  login: { chain: ['local'] },
  providers: { local: { type: 'local', users: 'users.yaml' } },
  roles: Object.fromEntries(['agent', 'supervisor', 'admin'].map((role) => [role, { groups: [role] }])),
  routes: [{ location: '/', upstream: 'http://127.0.0.1:8070' }],
};

for (const page of glob('README.md', 'docs/**/*.md'))
  for (const { line, text } of yamlBlocks(page))
    test(`documentation: the configuration in ${page}:${line} loads`, (t) => {
      const block = parse(text);
      assert.ok(typeof block === 'object' && block !== null && !Array.isArray(block), 'it begins with a top-level key');
      const providers = { ...setting.providers, ...block.providers };
      const roles = { ...setting.roles, ...block.roles };
      return assertLoads(t, stringify({ ...setting, ...block, providers, roles }));
    });

test('documentation: there are examples to check', () => {
  assert.ok(glob('config/examples/*.yaml').length > 0, 'config/examples holds configurations');
});

for (const [file, text] of generatedFiles())
  test(`${file} is what npm run docs writes`, () => {
    assert.equal(readFileSync(path.join(root, file), 'utf8'), text, 'run npm run docs');
  });
