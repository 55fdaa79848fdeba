/** A folder of its own for a test. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';

const folders: string[] = [];

/**
 * A new empty folder, named after the test's file and removed when its process ends: what a test registers with `after`
 * runs in order, so a removal there would come before the end of the servers that write into the folder.
 */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const file = basename(t.filePath ?? 'unknown', '.test.ts');
  const folder = await mkdtemp(join(tmpdir(), `gatehouse-test-${file}-`));
  if (folders.length === 0) process.once('exit', removeFolders);
  folders.push(folder);
  return folder;
}

/** Tries again where a server that is being killed still writes. */
function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}
