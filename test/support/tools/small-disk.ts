/** A disk that can be filled: a small file system in memory. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A disk of a few megabytes. Who may not mount one, not even by sudo, skips the test, and fails it under CI. */
export function smallDisk(t: TestContext, size = '2m'): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-disk-'));
  const { uid, gid } = userInfo();
  const asRoot = (program: string, ...parameters: string[]): void => {
    const command = uid === 0 ? [program, ...parameters] : ['sudo', '-n', program, ...parameters];
    execFileSync(command[0] ?? '', command.slice(1), { stdio: 'pipe' });
  };
  try {
    asRoot('mount', '-t', 'tmpfs', '-o', `size=${size},uid=${uid},gid=${gid}`, 'tmpfs', folder);
  } catch (error) {
    rmdirSync(folder);
    if (process.env.CI === 'true') throw error;
    t.skip('a small disk can only be mounted by root');
    return undefined;
  }
  t.after(() => {
    asRoot('umount', '-l', folder);
    rmdirSync(folder);
  });
  return folder;
}
