/**
 * `npm run bench outage`: local accounts come in within two seconds while a directory is dead and 500 people try to sign in at
 * once. Needs a quiet machine; the test that it runs judges everything but the time in `npm test`.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');

/** Runs the test of a dead directory with the bound that counts on a quiet machine; the exit code. */
export function benchOutage(): number {
  const parameters = ['--test', '--test-name-pattern=while a crowd tries', 'test/login/outage.test.ts'];
  const env = { ...process.env, LOCAL_LOGIN_WITHIN_MS: '2000' };
  return spawnSync(process.execPath, parameters, { cwd: root, env, stdio: 'inherit' }).status ?? 1;
}
