/** `npm run bench`: what the gateway carries beside others, and smaller measurements by a name of their own. `--help` says how. */
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { benchDecide } from './decide.ts';
import { readOptions, usage } from './options.ts';
import { benchOutage } from './outage.ts';
import { benchShift } from './shift/shift.ts';
import { performanceFiles, shownResult } from './show/docs.ts';
import { runSuite } from './suite.ts';
import { UsageError } from './usage-error.ts';
import { benchWorkers } from './workers.ts';

const root = path.resolve(import.meta.dirname, '..');

const [name, ...more] = process.argv.slice(2);

/** Measurements of one thing; each prints by itself and resolves to the exit code. */
const single: Readonly<Record<string, (words: readonly string[]) => number | Promise<number>>> = {
  decide: async () => {
    await benchDecide();
    return 0;
  },
  outage: () => benchOutage(),
  workers: () => benchWorkers(),
  draw: (words) => draw(words),
  shift: (words) => benchShift(words),
};

/** Shows a result in the docs; without a file the one that they show already. */
function draw([file, ...more]: readonly string[]): number {
  if (more.length > 0) throw new UsageError(`unknown: ${more.join(' ')}`);
  if (file !== undefined) copyFileSync(file, path.join(root, shownResult));
  for (const [name, text] of performanceFiles()) {
    writeFileSync(path.join(root, name), text);
    console.error(`written: ${name}`);
  }
  return 0;
}

async function main(): Promise<number> {
  const one = name === undefined ? undefined : single[name];
  if (one) return one(more);
  const options = readOptions(process.argv.slice(2));
  if (!options) {
    console.log(usage);
    return 0;
  }
  const { sets, leftOut } = await runSuite(options);
  if (options.docs) draw([options.out]);
  const isRight =
    !leftOut.some(({ isWrong }) => isWrong) && !sets.some(({ rows }) => rows.some(({ errors }) => errors > 0));
  return isRight ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exit(2);
}
