/** Whether a folder lies on a disk that other machines may have, too: SQLite's locks and shared memory hold on one machine only. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** File systems that several machines can have at once, as `/proc/self/mountinfo` calls them. */
const shared =
  /^(?:nfs4?|cifs|smb\w*|9p|virtiofs|ceph|afs|lustre|gfs2|ocfs2|beegfs|fuse\.(?:sshfs|glusterfs|ceph\w*|s3fs|rclone|davfs2?))$/;

/** The kind of network disk that a folder lies on, or will; undefined for a local one, and where that cannot be told. */
export function networkDiskOf(folder: string): string | undefined {
  return networkDiskAt(existing(resolve(folder)), readMounts());
}

/** The same by the text of `/proc/self/mountinfo`, for a path without links. */
export function networkDiskAt(path: string, mounts: string): string | undefined {
  let [best, kind] = ['', ''];
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const place = (before.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = place === '/' || path === place || path.startsWith(`${place}/`);
    // Of two at one place the later one lies above the other.
    if (place !== '' && holds && place.length >= best.length) [best, kind] = [place, after.split(' ')[0] ?? ''];
  }
  return shared.test(kind) ? kind : undefined;
}

/** What is to be said of a store there. */
export function networkDiskWarning(kind: string): { readonly message: string; readonly hint: string } {
  return {
    message: `lies on a network disk (${kind}): gateways of two machines that open this store damage it`,
    hint: 'keep the store on a disk of this machine',
  };
}

function existing(path: string): string {
  return existsSync(path) || path === dirname(path) ? realpathOf(path) : existing(dirname(path));
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function readMounts(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}
