/**
 * When each session was last seen. Kept in memory at once and in the store at times, so that a busy session costs a write
 * per interval; but always before the stored time would let another worker think it idle.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Session } from '../core/session.ts';
import type { SessionRecords } from './records.ts';

interface Seen {
  seenAt: number;
  writtenAt: number;
  /** After a write that failed. */
  retryAt?: number;
  writing?: Promise<void>;
}

const maxInterval = 30_000;
const sweepEvery = 5000;
const retryAfter = 5000;
const writeTries = 5;
const writesPerTurn = 50;

/** The activity of this process's sessions. */
export class Activity {
  readonly #records: SessionRecords;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #interval: number;
  readonly #seen = new Map<string, Seen>();
  readonly #sweeping: NodeJS.Timeout;
  #isFailing = false;

  constructor({ records, clock, log, idle }: { records: SessionRecords; clock: Clock; log: Log; idle: number }) {
    this.#records = records;
    this.#clock = clock;
    this.#log = log;
    // A quarter leaves time to write before the stored value runs out.
    this.#interval = Math.min(maxInterval, idle / 4);
    this.#sweeping = setInterval(() => void this.#sweep(), Math.min(sweepEvery, this.#interval)).unref();
  }

  /** The last activity known here or in the store. */
  lastSeen(id: string, storedAt: number): number {
    return Math.max(storedAt, this.#seen.get(id)?.seenAt ?? 0);
  }

  /** Notes activity; writes it at once when the last write is an interval ago. */
  touch(session: Session): void {
    const now = this.#clock.now();
    const seen = this.#seen.get(session.id) ?? this.#begin(session);
    seen.seenAt = Math.max(seen.seenAt, now);
    if (this.#isDue(seen, now)) void this.#write(session.id, seen);
  }

  #begin({ id, lastSeenAt }: Session): Seen {
    const seen = { seenAt: lastSeenAt, writtenAt: lastSeenAt };
    this.#seen.set(id, seen);
    return seen;
  }

  /** Forgets a session that has ended. */
  forget(id: string): void {
    this.#seen.delete(id);
  }

  /** Writes all that the store does not have. */
  async flush(): Promise<void> {
    let writes = 0;
    for (const [id, seen] of [...this.#seen]) {
      await seen.writing;
      if (seen.seenAt > seen.writtenAt) await this.#write(id, seen);
      if (++writes % writesPerTurn === 0) await nextTurn();
    }
  }

  /** Writes the rest and ends the timer. */
  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    await this.flush();
  }

  /** A store that refuses is not asked for a while: a busy session would try it with each of its requests. */
  #isDue({ seenAt, writtenAt, retryAt = 0, writing }: Seen, now = this.#clock.now()): boolean {
    return !writing && seenAt > writtenAt && now - writtenAt >= this.#interval && now >= retryAt;
  }

  async #sweep(): Promise<void> {
    let writes = 0;
    for (const [id, seen] of [...this.#seen]) {
      if (this.#isDue(seen)) {
        await this.#write(id, seen);
        if (++writes % writesPerTurn === 0) await nextTurn();
      } else if (
        !seen.writing &&
        seen.seenAt <= seen.writtenAt &&
        this.#clock.now() - seen.writtenAt > this.#interval
      ) {
        this.#seen.delete(id);
      }
    }
  }

  #write(id: string, seen: Seen): Promise<void> {
    seen.writing = this.#tryWrite(id, seen)
      .then(() => {
        if (this.#isFailing) this.#log.info({}, 'the activity of sessions is stored again');
        this.#isFailing = false;
      })
      .catch((error: unknown) => {
        seen.retryAt = this.#clock.now() + Math.min(retryAfter, this.#interval);
        if (!this.#isFailing) this.#log.warn({ session: id, error }, 'activity could not be stored; it is tried again');
        this.#isFailing = true;
      })
      .finally(() => {
        delete seen.writing;
      });
    return seen.writing;
  }

  async #tryWrite(id: string, seen: Seen): Promise<void> {
    for (let attempt = 0; attempt < writeTries; attempt++) {
      const stored = await this.#records.read(id);
      if (stored?.record.kind !== 'live') return this.forget(id);
      const lastSeenAt = Math.max(stored.record.lastSeenAt, seen.seenAt);
      const isWritten = await this.#records.write(id, stored.version, { ...stored.record, lastSeenAt });
      if (!isWritten) continue;
      seen.writtenAt = lastSeenAt;
      if (this.#clock.now() - lastSeenAt < this.#interval || seen.seenAt <= lastSeenAt) return;
    }
  }
}
