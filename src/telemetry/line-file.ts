/** A file that grows by lines: appended without blocking, kept through a full disk, reopened after rotation. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperatorError } from '../core/errors.ts';

/** Bytes that wait for a disk that takes nothing; what comes after is lost, and counted. */
const maxWaiting = 8 * 1024 * 1024;
const retryMilliseconds = 1000;
const lineFeed = 0x0a;
/** Lines are written into one page after the other, so that none costs a buffer of its own. */
const pageBytes = 65_536;
/** How long lines are gathered before they are written together: each write is a trip to another thread and back. */
const gatherMilliseconds = 10;

/** Told when writing begins to fail, and when it works again with the number of lines that were lost meanwhile. */
interface LineFileEvents {
  readonly onFailure: (error: unknown) => void;
  readonly onRecovery: (lost: number) => void;
  /** Each time lines are lost. */
  readonly onLoss: (lines: number) => void;
}

/** How a file is used. */
interface LineFileOptions {
  /** Other processes append to it, too: a line that a full disk has cut is written anew, since others may stand behind its half. */
  readonly isShared?: boolean;
}

/** What files that are open still have to write when the process ends, whatever ends it. */
const lastWrites = new Set<() => void>();

function writeAllLast(): void {
  for (const write of lastWrites) write();
}

/** An append-only file. `append` never throws; only opening does, as an OperatorError. */
export class LineFile {
  readonly #path: string;
  readonly #events: LineFileEvents;
  readonly #isShared: boolean;
  #descriptor: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #page = Buffer.allocUnsafeSlow(0);
  /** Of the page, what belongs to nobody yet. */
  #filledTo = 0;
  #takenTo = 0;
  #isWriting = false;
  #isFailing = false;
  #isClosed = false;
  #lost = 0;
  #retry: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];
  /** Descriptors of before a reopening; closed once no write is under way. */
  #stale: number[] = [];

  constructor(path: string, events: LineFileEvents, { isShared = false }: LineFileOptions = {}) {
    this.#path = path;
    this.#events = events;
    this.#isShared = isShared;
    this.#descriptor = openForAppend(path);
    if (lastWrites.size === 0) process.on('exit', writeAllLast);
    lastWrites.add(this.#writeLast);
  }

  append(line: string): void {
    // Three bytes at most for each unit of UTF-16, and the end of the line.
    const most = line.length * 3 + 1;
    if (this.#isClosed || (this.#waitingBytes + most > maxWaiting && !this.#hasRoomFor(line))) {
      this.#lost += 1;
      this.#events.onLoss(1);
      return;
    }
    if (this.#filledTo + most > this.#page.length) this.#turnPage(most);
    const written = this.#page.write(line, this.#filledTo, 'utf8') + 1;
    this.#page[this.#filledTo + written - 1] = lineFeed;
    this.#filledTo += written;
    this.#waitingBytes += written;
    if (!this.#isWriting && !this.#retry) this.#gather();
  }

  /** Opens the path anew, after something has moved the file away; the old file stays in use when that fails. */
  reopen(): void {
    if (this.#isClosed) return;
    const descriptor = openForAppend(this.#path);
    // What was said before belongs into the file of before.
    if (this.#gathering) this.#writeOn();
    this.#stale.push(this.#descriptor);
    this.#descriptor = descriptor;
    if (!this.#isWriting) this.#closeStale();
  }

  /** Resolves when all lines are written, or the disk refuses them. */
  flush(): Promise<void> {
    const isStuck = this.#isFailing && !this.#isWriting;
    if (this.#waitingBytes === 0 || isStuck || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      if (!this.#isWriting) this.#writeOn();
    });
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    await this.flush();
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#gathering);
    this.#writeLast();
    lastWrites.delete(this.#writeLast);
    if (lastWrites.size === 0) process.off('exit', writeAllLast);
    this.#stale.push(this.#descriptor);
    this.#closeStale();
  }

  #hasRoomFor(line: string): boolean {
    return this.#waitingBytes + Buffer.byteLength(line) + 1 <= maxWaiting;
  }

  #turnPage(need: number): void {
    this.#takeLines();
    this.#page = Buffer.allocUnsafeSlow(Math.max(pageBytes, need));
    this.#filledTo = 0;
    this.#takenTo = 0;
  }

  /** Puts what has been written into the page among what waits. */
  #takeLines(): void {
    if (this.#takenTo === this.#filledTo) return;
    this.#waiting.push(this.#page.subarray(this.#takenTo, this.#filledTo));
    this.#takenTo = this.#filledTo;
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => this.#writeOn(), gatherMilliseconds);
  }

  #writeOn(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#isWriting = true;
    this.#takeLines();
    if (this.#isShared) this.#beginLine();
    const [first, ...more] = this.#waiting;
    const batch = first && more.length === 0 ? first : Buffer.concat(this.#waiting);
    this.#waiting = [batch];
    write(this.#descriptor, batch, 0, batch.length, null, (error, written) => {
      this.#isWriting = false;
      this.#closeStale();
      if (error) this.#fail(error);
      else this.#wrote(written);
    });
  }

  /** What waits begins with the end of the line before, where that has none; not with one that another has written meanwhile. */
  #beginLine(): void {
    const [first, ...more] = this.#waiting;
    if (first?.[0] === lineFeed) {
      this.#waiting = [first.subarray(1), ...more];
      this.#waitingBytes -= 1;
    }
    if (!endsInLine(this.#descriptor)) return;
    this.#waiting.unshift(lineEnd);
    this.#waitingBytes += 1;
  }

  #wrote(bytes: number): void {
    if (this.#isFailing) {
      this.#isFailing = false;
      this.#events.onRecovery(this.#lost);
      this.#lost = 0;
    }
    const [batch, ...rest] = this.#waiting;
    const whole = this.#isShared && batch ? batch.subarray(0, bytes).lastIndexOf(lineFeed) + 1 : bytes;
    const remainder = batch?.subarray(whole);
    this.#waiting = remainder && remainder.length > 0 ? [remainder, ...rest] : rest;
    this.#waitingBytes -= whole;
    if (this.#waitingBytes === 0) this.#wakeIdle();
    else if (this.#idle.length > 0) this.#writeOn();
    else this.#gather();
  }

  #fail(error: unknown): void {
    if (!this.#isFailing) this.#events.onFailure(error);
    this.#isFailing = true;
    this.#wakeIdle();
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      if (!this.#isClosed) this.#writeOn();
    }, retryMilliseconds).unref();
  }

  /** At the end there is no next event to wait for. What another thread is writing it writes to its end. */
  readonly #writeLast = (): void => {
    try {
      this.#takeLines();
      for (const bytes of this.#waiting.slice(this.#isWriting ? 1 : 0)) writeSync(this.#descriptor, bytes);
    } catch (error) {
      if (!this.#isFailing) this.#events.onFailure(error);
    }
  };

  #wakeIdle(): void {
    const waiters = this.#idle;
    this.#idle = [];
    for (const resolve of waiters) resolve();
  }

  #closeStale(): void {
    for (const descriptor of this.#stale) closeSync(descriptor);
    this.#stale = [];
  }
}

const lineEnd = Buffer.from('\n');

/** Whether the last line has no end: another process may have met a full disk in the midst of it, or been killed. */
function endsInLine(descriptor: number): boolean {
  const last = Buffer.alloc(1);
  try {
    const { size } = fstatSync(descriptor);
    return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== lineFeed;
  } catch {
    return false;
  }
}

function openForAppend(path: string): number {
  try {
    // The audit names users and addresses: for its owner and group only. A folder that is missing may become the store's, too.
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, 'a+', 0o640);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new OperatorError(
      `the file ${path} cannot be opened for writing (${code})`,
      'check audit.to, and that this user may write there',
      error,
    );
  }
}
