/** The Unix socket of commands: open to the owner of the files only, and to one gateway at a time. */
import { randomBytes } from 'node:crypto';
import { type BigIntStats, chmodSync, linkSync, lstatSync, mkdirSync, renameSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';

/** What came of opening it. */
type SocketResult =
  | { readonly kind: 'open' }
  /** Another gateway answers there. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'failed'; readonly error: NodeJS.ErrnoException };

const ownerOnly = 0o600;
/** Others that start at the same time may each be a step ahead. */
const maxAttempts = 5;

/** Lets a server listen at a path. A socket that nobody listens at any more, as after a crash, is replaced. */
export async function listenAt(server: Server, path: string): Promise<SocketResult> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    for (let attempt = 0; ; attempt++) {
      const result = await bind(server, path);
      if (result.kind !== 'failed' || result.error.code !== 'EADDRINUSE' || attempt === maxAttempts) return result;
      const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (!found) continue;
      if (!found.isSocket()) return result;
      if (await isAnswered(path)) return { kind: 'taken' };
      takeAway(path, found);
    }
  } catch (error) {
    return { kind: 'failed', error: error as NodeJS.ErrnoException };
  }
}

/**
 * Removes a socket that nobody answers. Another gateway that starts at the same time may have put its own there since it was
 * looked at: that is another file, and gets its name back.
 */
function takeAway(path: string, stale: BigIntStats): void {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    const taken = lstatSync(aside, { bigint: true });
    // The number of a file that is gone may be given out again, its time is not.
    if (taken.ino !== stale.ino || taken.mtimeNs !== stale.mtimeNs) linkSync(aside, path);
  } finally {
    unlinkSync(aside);
  }
}

/** The name is bound before `listen` returns, so the mask of this moment is the socket's: it is never open to others. */
async function bind(server: Server, path: string): Promise<SocketResult> {
  const opened = new Promise<SocketResult>((resolve) => {
    server.once('error', (error) => resolve({ kind: 'failed', error }));
    server.once('listening', () => resolve({ kind: 'open' }));
  });
  // A worker thread cannot set the mask of its process.
  const mask = isMainThread ? process.umask(0o777 & ~ownerOnly) : undefined;
  try {
    server.listen(path);
  } finally {
    if (mask !== undefined) process.umask(mask);
  }
  const result = await opened;
  server.removeAllListeners('error').removeAllListeners('listening');
  if (result.kind === 'open') chmodSync(path, ownerOnly);
  return result;
}

/** Only a refused connection says that nobody listens: another user's socket, or one with a full queue, is somebody's. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
