/** What the pages of the documentation name is there: files, headings, tests, reasons, dependencies, records. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { reasons } from '../src/core/reason.ts';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const pages = globSync(['README.md', 'docs/**/*.md'], { cwd: root, exclude: (name) => name === 'node_modules' }).sort();

/** A page without its code blocks, which may hold what looks like a link or a heading. */
const prose = (page: string): string => read(page).replaceAll(/^( *)(`{3,}).*?^\1\2/gms, '');

/** The anchors that a page's headings make, as GitHub and most other renderers spell them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of prose(page).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count += 1) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

/** What is wrong with a link of a page, if anything is. */
function linkFault(page: string, target: string): string | undefined {
  if (/^[a-z]+:/i.test(target)) return undefined;
  const [file = '', anchor] = target.split('#');
  const found = file === '' ? page : path.join(path.dirname(page), decodeURIComponent(file));
  if (!existsSync(path.join(root, found))) return 'there is no such file';
  return anchor === undefined || !found.endsWith('.md') || anchorsOf(found).has(anchor)
    ? undefined
    : `${found} has no heading of that name`;
}

for (const page of pages)
  test(`documentation: the links of ${page} lead somewhere`, () => {
    const targets = [...prose(page).matchAll(/\]\(<?([^\s)>]+)>?\)/g)].map(([, target = '']) => target);
    const faults = targets.flatMap((target) => {
      const fault = linkFault(page, target);
      return fault === undefined ? [] : [`${target}: ${fault}`];
    });
    assert.deepEqual(faults, []);
  });

test('documentation: tests that a page names are there', () => {
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(/\btest\/[\w/.-]+\.(?:ts|txt)\b/g)].map(([file]) => ({ page, file })),
  );
  assert.ok(named.length > 0);
  assert.deepEqual(
    named.filter(({ file }) => !existsSync(path.join(root, file))),
    [],
  );
});

test('documentation: the table of reasons has every reason, and no other', () => {
  const [, table = ''] = read('docs/operations.md').split(/^## Reasons$/m);
  const told = [...table.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z-]+)`/g)].map(([, reason = '']) => reason),
  );
  assert.deepEqual(told.toSorted(), [...reasons].sort());
});

test('documentation: every dependency has its reason', () => {
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(read('package.json'));
  const rows = read('docs/decisions/0008-dependencies.md').matchAll(/^\| ([^|]+) \| [^|]{20,} \| [^|]+ \| [^|]+ \|$/gm);
  const told = [...rows].flatMap(([, names = '']) => names.split(', '));
  const named = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
  assert.deepEqual(told.toSorted(), named.sort());
});

test('documentation: the index of decisions has every record', () => {
  const index = read('docs/decisions/README.md');
  const records = globSync('docs/decisions/*.md', { cwd: root }).map((file) => path.basename(file));
  const missing = records.filter((file) => file !== 'README.md' && !index.includes(`](${file})`));
  assert.deepEqual(missing, []);
});
