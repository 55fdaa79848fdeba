/**
 * After an outage: the accounts of sessions that began in it are looked up. One that may not be used any more, or whose password
 * was set since, ends; the users of the others are asked for their password at the next page load.
 */
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Session } from '../../core/session.ts';
import type { Store } from '../../core/store.ts';
import { type ChainLink, standingAt } from '../../providers/chain.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { SessionRechecker } from '../recheck.ts';
import { isLater } from './verifiers.ts';

const sweepEvery = 5000;
/** For one process to go through all of them; another takes over after it. */
const leaseMilliseconds = 30_000;
/** Accounts that are looked up at once. */
const atOnce = 4;

interface ReturnParts {
  readonly links: ReadonlyMap<string, ChainLink>;
  readonly isAway: (provider: string) => boolean;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly sessions: Sessions;
  readonly rechecker: Pick<SessionRechecker, 'settle'>;
  /** How long a mark stays: no session lasts longer. */
  readonly lifetime: number;
}

/** Looks accounts up when their provider is back. */
export class OfflineReturn {
  readonly #parts: ReturnParts;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();
  #sweeping: Promise<void> | undefined;

  constructor(parts: ReturnParts) {
    this.#parts = parts;
    if (parts.links.size > 0) this.#timer = setInterval(() => this.#sweep(), sweepEvery).unref();
  }

  /** A session begins while this provider is away. Call it before, so that none is overlooked. */
  async mark(provider: string): Promise<void> {
    const { store, clock, lifetime } = this.#parts;
    await store.put(`offline-return:${provider}`, String(clock.now()), clock.now() + lifetime);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    await this.#sweeping;
  }

  #sweep(): void {
    this.#sweeping ??= this.#sweepOnce()
      .catch((error: unknown) =>
        this.#parts.log.warn({ error }, 'sessions of an outage could not be looked up; they are at the next sweep'),
      )
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  async #sweepOnce(): Promise<void> {
    const { links, isAway, store, clock } = this.#parts;
    for (const [provider, link] of links) {
      if (isAway(provider)) continue;
      const mark = await store.get(`offline-return:${provider}`);
      if (!mark) continue;
      const lease = `offline-lease:${provider}`;
      if (!(await store.replace(lease, undefined, 'held', clock.now() + leaseMilliseconds))) continue;
      const isDone = await this.#lookUpAll(provider, link);
      // A session that began meanwhile has marked it anew.
      if (isDone) await store.replace(`offline-return:${provider}`, mark.version, 'done', clock.now());
      await store.delete(lease);
    }
  }

  /** False where an account could not be asked about. */
  async #lookUpAll(provider: string, link: ChainLink): Promise<boolean> {
    const accounts = new Map<string, Session[]>();
    for await (const session of this.#parts.sessions.list()) {
      if (session.provider !== provider || !session.offline || session.offline.isDue) continue;
      const key = `${session.tenant}\0${session.assertion.subject}`;
      accounts.set(key, [...(accounts.get(key) ?? []), session]);
    }
    const queue = [...accounts.values()];
    let isDone = true;
    const work = async (): Promise<void> => {
      for (let next = queue.pop(); next && !this.#closing.signal.aborted; next = queue.pop())
        isDone = (await this.#lookUp(link, next)) && isDone;
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return isDone && !this.#closing.signal.aborted;
  }

  async #lookUp(link: ChainLink, of: readonly Session[]): Promise<boolean> {
    const { sessions, rechecker, log } = this.#parts;
    const [one] = of;
    if (!one) return true;
    const asked = { subject: one.assertion.subject, state: one.grant?.state };
    const outcome = await standingAt(link, asked, this.#closing.signal, log);
    if (!(await rechecker.settle(one, outcome))) return false;
    for (const session of of)
      if (isStale(session, outcome)) await sessions.revoke(session.id, 'offline-over');
      else await sessions.offlineStays.due(session.id);
    return true;
  }
}

/** Whether the password with which a session began is not the one that holds. */
function isStale({ offline }: Session, outcome: Outcome): boolean {
  if (!offline || outcome.kind !== 'authenticated' || outcome.passwordSetAt === undefined) return false;
  return isLater(outcome.passwordSetAt, offline);
}
