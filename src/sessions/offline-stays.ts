/** Sessions that began while their provider was away, once it is back: their users are asked who they are, and have a while for it. */
import type { Clock } from '../core/clock.ts';
import type { SessionRecords } from './records.ts';
import type { SessionEnds } from './revocation.ts';
import type { LiveRecord } from './stored-session.ts';

/** Changes their records; every process hears of it. */
export class OfflineStays {
  readonly #records: SessionRecords;
  readonly #ends: SessionEnds;
  readonly #clock: Clock;

  constructor(parts: { records: SessionRecords; ends: SessionEnds; clock: Clock }) {
    this.#records = parts.records;
    this.#ends = parts.ends;
    this.#clock = parts.clock;
  }

  /** The provider is back: the user is to be asked at the next page load. */
  async due(id: string): Promise<void> {
    await this.#change(id, (record) => record.offline && { ...record, offline: { ...record.offline, isDue: true } });
  }

  /** The user has been asked: the session ends so many milliseconds from the first time on, unless they prove who they are. */
  async asked(id: string, within: number): Promise<void> {
    await this.#change(id, (record) => {
      const { offline, expiresAt } = record;
      if (!offline || offline.lifetimeEndsAt !== undefined) return undefined;
      const sooner = Math.min(expiresAt, this.#clock.now() + within);
      return { ...record, expiresAt: sooner, offline: { ...offline, lifetimeEndsAt: expiresAt } };
    });
  }

  async #change(id: string, change: (record: LiveRecord) => LiveRecord | undefined): Promise<void> {
    for (;;) {
      const found = await this.#ends.find(id);
      if (found.kind !== 'live') return;
      const { record, version } = found.stored;
      const changed = change(record);
      if (!changed || (await this.#records.write(id, version, changed, { announced: true }))) return;
    }
  }
}
