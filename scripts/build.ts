/**
 * Writes `dist/`, the JavaScript that the package holds: Node strips no types below node_modules. Run by npm before it packs;
 * the repository itself runs from `src/`.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, globSync, rmSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const from = path.join(root, 'src');
const to = path.join(root, 'dist');

rmSync(to, { recursive: true, force: true });
const compiler = path.join(root, 'node_modules', '.bin', 'tsc');
const { status, error } = spawnSync(compiler, ['-p', path.join(root, 'scripts', 'tsconfig.build.json')], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
if (error) throw error;
if (status === 0) {
  // Everything that is no TypeScript is read at run time, from beside the module that reads it.
  for (const file of globSync('**/*.*', { cwd: from }).filter((name) => !name.endsWith('.ts')))
    cpSync(path.join(from, file), path.join(to, file));
  chmodSync(path.join(to, 'cli', 'main.js'), 0o755);
}
process.exitCode = status ?? 1;
