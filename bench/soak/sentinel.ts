/** `npm run soak sentinel`: a store behind real Sentinels whose master hangs; the votes take longer than a test may. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/** Runs it; resolves to the exit code. */
export async function soakSentinel(): Promise<number> {
  const parameters = [
    '--import',
    './test/support/tools/loopback-only.ts',
    '--test',
    'test/stories/redis-sentinel.test.ts',
  ];
  const env = { ...process.env, SOAK: 'sentinel' };
  const [status] = await once(spawn(process.execPath, parameters, { cwd: root, env, stdio: 'inherit' }), 'exit');
  return typeof status === 'number' ? status : 1;
}
