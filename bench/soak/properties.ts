/** `npm run soak properties [scale]`: every random test at a hundred times its size in `npm test`, from a seed of its own. */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const preloads = ['test/support/tools/loopback-only.ts'];

/** Runs the test files that draw at random; resolves to the exit code. The seed is printed, so that a fall can be walked again. */
export async function soakProperties([scale = '100', ...more]: readonly string[]): Promise<number> {
  if (!(Number(scale) > 0) || more.length > 0) {
    console.error('usage: npm run soak properties [scale]');
    return 2;
  }
  const seed = process.env.PROPERTY_SEED ?? String(randomInt(2 ** 31));
  const files = globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => readFileSync(path.join(root, file), 'utf8').includes('trials('))
    .sort();
  console.log(`random tests of ${files.length} files: scale ${scale}, seed ${seed}`);
  console.log(`again: PROPERTY_SEED=${seed} npm run soak properties ${scale}`);
  const parameters = [...preloads.flatMap((file) => ['--import', `./${file}`]), '--test', ...files];
  const env = { ...process.env, PROPERTY_SEED: seed, PROPERTY_RUNS: scale };
  const child = spawn(process.execPath, parameters, { cwd: root, env, stdio: 'inherit' });
  const [status] = await once(child, 'exit');
  return typeof status === 'number' ? status : 1;
}
