/**
 * Notices that files have been replaced, and says so once they are at rest: a copy under way is not read. The system's own
 * notices make it quick; looking every second makes it certain, as mounted volumes and network file systems send none.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';

/** Reads a group of files anew. Gives what to do when the same content still cannot be used after a while, if anything. */
type Refresh = (group: number) => Promise<(() => void) | undefined>;

interface Group {
  readonly files: readonly string[];
  /** What was last read, well or badly. */
  settled: string;
  /** What was seen last, and since when it has not changed. */
  seen: string;
  since: number;
  /** A first failure may be the half of a change whose other half is still to come, such as a key after its certificate. */
  isSecondLook: boolean;
}

const lookEvery = 1000;
const restFor = 250;

/** Watches groups of files that belong together. */
export class FileWatch {
  readonly #refresh: Refresh;
  readonly #onLook: () => void;
  #groups: readonly Group[] = [];
  #watchers: readonly FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dueAt = 0;
  #isLooking = false;
  #isClosed = false;

  /** `onLook` is called about once a second, for what else depends on the time. */
  constructor(refresh: Refresh, onLook: () => void) {
    this.#refresh = refresh;
    this.#onLook = onLook;
  }

  /** Watches these groups in place of those before. */
  follow(groups: readonly (readonly string[])[]): void {
    this.#stop();
    // Read once more at the first look: what was replaced since they were read must not be missed.
    this.#groups = groups.map((files) => ({ files, settled: '', seen: '', since: 0, isSecondLook: false }));
    // Folders, not files: a file that is renamed into place is another file, and its notices go elsewhere.
    const folders = new Set(groups.flat().map((file) => path.dirname(file)));
    this.#watchers = [...folders].flatMap((folder) => this.#watchFolder(folder));
    this.#schedule(restFor);
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watchFolder(folder: string): FSWatcher[] {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#schedule(restFor / 5));
      watcher.on('error', () => watcher.close());
      return [watcher];
    } catch {
      return [];
    }
  }

  /** One timer: the earlier of two wishes wins, and notices that come in a row cause one look. */
  #schedule(milliseconds: number): void {
    if (this.#isClosed || this.#isLooking) return;
    const dueAt = performance.now() + milliseconds;
    // A folder in which something is written all the time must not put the look off for ever.
    if (this.#timer && this.#dueAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => void this.#look(), milliseconds);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    let next = lookEvery;
    for (const [index, group] of this.#groups.entries()) next = Math.min(next, await this.#lookAt(group, index));
    this.#isLooking = false;
    this.#onLook();
    this.#schedule(next);
  }

  /** Milliseconds until the next look. */
  async #lookAt(group: Group, index: number): Promise<number> {
    const seen = await signature(group.files);
    const now = performance.now();
    if (seen !== group.seen) {
      group.seen = seen;
      group.since = now;
      group.isSecondLook = false;
    }
    if (seen === group.settled) return lookEvery;
    const wait = (group.isSecondLook ? lookEvery : restFor) - (now - group.since);
    if (wait > 0) return Math.max(10, Math.min(wait, lookEvery));
    const complain = await this.#refresh(index);
    // Changed while it was read: what came of it says nothing.
    if ((await signature(group.files)) !== seen) return restFor;
    if (complain && !group.isSecondLook) {
      group.isSecondLook = true;
      return lookEvery / 2;
    }
    group.settled = seen;
    group.isSecondLook = false;
    complain?.();
    return lookEvery;
  }
}

/** What tells one content of files from another without reading them; links are followed. */
async function signature(files: readonly string[]): Promise<string> {
  const parts = files.map(async (file) => {
    const { ino, size, mtimeMs, ctimeMs } = await stat(file).catch(() => ({ ino: 0, size: 0, mtimeMs: 0, ctimeMs: 0 }));
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  });
  return (await Promise.all(parts)).join('|');
}
