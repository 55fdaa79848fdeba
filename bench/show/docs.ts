/** What the docs show of a measurement, drawn from `docs/performance.json`: the chart, and the tables of the page. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Result } from '../measure/result.ts';
import { chartOf } from './chart.ts';
import { asMarkdown } from './markdown.ts';

const root = path.resolve(import.meta.dirname, '../..');
const page = 'docs/performance.md';
/** Where the result lies that the docs show, from the top of the tree. */
export const shownResult = 'docs/performance.json';
const [begin, end] = ['<!-- measured -->', '<!-- end of what was measured -->'];

/** Each file that is drawn, by its path from the top of the tree, with what must stand in it. */
export function performanceFiles(): ReadonlyMap<string, string> {
  const file = path.join(root, shownResult);
  if (!existsSync(file)) return new Map();
  const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
  const text = readFileSync(path.join(root, page), 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${page} has no place between ${begin} and ${end}`);
  return new Map([
    ['docs/images/performance.svg', chartOf(result)],
    [page, `${before}${begin}\n${asMarkdown(result)}\n${end}${after}`],
  ]);
}
