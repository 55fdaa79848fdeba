/**
 * Sessions follow the directory: the accounts of those in use are asked about anew, behind the requests and spread in time. What
 * changed counts for all sessions of the account at that provider; what may not be used any more ends. An outage changes nothing.
 */
import { type Account, accountKey, accountNamed } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Assertion } from '../core/principal.ts';
import { provedAt } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf, isSameOwner, ownerOf, type Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { type ChainLink, standingAt } from '../providers/chain.ts';
import { Semaphore } from '../remote/semaphore.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { saysTheSame } from '../sessions/stored-session.ts';
import type { Principals } from './principals.ts';

/** Accounts that are asked about at once: logins must find the directory free. */
const atOnce = 4;
/** After an outage, at the latest. */
const retryAfter = 30_000;
/** Accounts whose time is remembered; one that was forgotten is asked about within one interval. */
const remembered = 50_000;

/** What says that an account may not be used any more. Any other rejection is about the directory, and ends nobody. */
const endings: ReadonlySet<Reason> = new Set(['account-disabled', 'account-expired', 'account-locked']);

interface RecheckParts {
  /** Milliseconds; 0 is never. */
  readonly every: number;
  readonly store: Store;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly log: Log;
  readonly chain: readonly ChainLink[];
  /** Who has to know the users of a provider, too. */
  readonly mustKnow: (provider: string) => ChainLink | undefined;
  readonly principals: Pick<Principals, 'isOfTenant'>;
  /** What else rests on an account hears it, too; the provider is the one that knows the account. */
  readonly verifiers: { heed(provider: string, account: Account, outcome: Outcome): Promise<void> };
}

/** Asks about the accounts of sessions in use. */
export class SessionRechecker {
  readonly #parts: RecheckParts;
  readonly #links: ReadonlyMap<string, ChainLink>;
  /** When an account is to be asked about, in the order of use. */
  readonly #dueAt = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #turns = new Semaphore(atOnce, Number.POSITIVE_INFINITY, { message: 'too many accounts are asked about' });
  readonly #closing = new AbortController();
  readonly #startedAt: number;

  constructor(parts: RecheckParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    const able =
      parts.every > 0
        ? parts.chain.filter(({ name, provider }) => provider.standing || parts.mustKnow(name)?.provider.standing)
        : [];
    this.#links = new Map(able.map((link) => [link.name, link]));
  }

  /**
   * Says that a session is in use: its account is asked about where that is due, and nobody waits for it. Gives when to say so
   * again, at the latest.
   */
  note(session: Session): number {
    const link = this.#links.get(session.provider);
    if (!link || this.#closing.signal.aborted) return Number.POSITIVE_INFINITY;
    const { tenant, assertion } = session;
    const key = `${session.provider}\0${assertion.realm}\0${tenant}\0${assertion.subject}`;
    const now = this.#parts.clock.now();
    const dueAt = this.#dueAt.get(key) ?? this.#firstDue(session, now);
    this.#remember(key, dueAt);
    if (now < dueAt) return dueAt;
    if (!this.#underWay.has(key)) this.#begin(key, session, link);
    return now + this.#parts.every;
  }

  /** Gives up what is under way; what was learned is kept. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#underWay.values());
  }

  #remember(key: string, dueAt: number): void {
    this.#dueAt.delete(key);
    this.#dueAt.set(key, dueAt);
    const oldest = this.#dueAt.size > remembered ? this.#dueAt.keys().next().value : undefined;
    if (oldest !== undefined) this.#dueAt.delete(oldest);
  }

  /** Nobody knows when one from before the start was last asked about: all of them at once would be a flood. */
  #firstDue({ proofs }: Session, now: number): number {
    const since = provedAt(proofs);
    return since >= this.#startedAt ? this.#spread(since) : now + Math.random() * this.#parts.every;
  }

  /** When to ask again after a moment: what came together must not stay together. */
  #spread(since: number, within = this.#parts.every): number {
    return since + within * (0.7 + 0.3 * Math.random());
  }

  #begin(key: string, session: Session, link: ChainLink): void {
    const { clock, log } = this.#parts;
    const work = this.#turns
      .run(this.#closing.signal, () => this.#recheck(session, link))
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          log.warn({ session: session.id, error }, 'an account could not be rechecked');
        return this.#spread(clock.now(), Math.min(this.#parts.every, retryAfter));
      })
      .then((dueAt) => this.#remember(key, dueAt))
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
  }

  /** One process of those that share the store asks, the others hear of what came of it. Gives when it is due again. */
  async #recheck(session: Session, link: ChainLink): Promise<number> {
    const { store, clock, every } = this.#parts;
    const now = clock.now();
    const key = `recheck:${link.name}.${accountKey(accountNamed(session.assertion.subject, session.tenant))}`;
    if (!(await store.replace(key, undefined, String(now), now + every / 2))) {
      const last = Number((await store.get(key))?.value ?? now);
      return this.#spread(last);
    }
    const outcome = await this.#ask(session, link);
    if (outcome === undefined || (await this.settle(session, outcome))) return this.#spread(now);
    const wait = Math.min(every, retryAfter);
    await store.put(key, String(now - every + wait), clock.now() + wait / 2);
    return this.#spread(clock.now(), wait);
  }

  /** What its provider says of an account, or who must know it besides and does not, or bars it; undefined where it stays as it is. */
  async #ask(session: Session, link: ChainLink): Promise<Outcome | undefined> {
    const { log, mustKnow } = this.#parts;
    const { subject } = session.assertion;
    const asked = { subject, state: session.grant?.state };
    const own = link.provider.standing ? await standingAt(link, asked, this.#closing.signal, log) : undefined;
    const directory = mustKnow(link.name);
    if (!directory?.provider.standing || own?.kind === 'unknown-user') return own;
    const known = await standingAt(directory, { subject, state: undefined }, this.#closing.signal, log);
    return known.kind === 'authenticated' ? own : known;
  }

  /** Has what a provider says of an account count for all its sessions there; false where it says nothing. */
  async settle(session: Session, outcome: Outcome): Promise<boolean> {
    await this.#parts.verifiers.heed(session.assertion.realm, accountOf(session), outcome);
    switch (outcome.kind) {
      case 'authenticated':
        // Another name is another account: the one that signed in is not there any more.
        if (!isSameOwner(ownerOf({ ...session, assertion: outcome.assertion }), ownerOf(session)))
          await this.#end(session, 'unknown-user');
        else await this.#renew(session, outcome.assertion);
        return true;
      case 'unknown-user':
        await this.#end(session, 'unknown-user');
        return true;
      case 'rejected':
        if (endings.has(outcome.reason)) await this.#end(session, outcome.reason);
        return true;
      case 'unavailable':
      case 'challenge':
      case 'continue':
        return false;
      default:
        return outcome satisfies never;
    }
  }

  async #renew(session: Session, fresh: Assertion): Promise<void> {
    for await (const one of this.#alike(session)) {
      const { amr, acr } = one.assertion;
      const assertion = { ...fresh, amr, ...(acr !== undefined && { acr }) };
      if (!this.#parts.principals.isOfTenant({ ...one, assertion })) {
        await this.#parts.sessions.revoke(one.id, 'tenant-changed');
        this.#parts.log.info({ session: one.id, user: fresh.subject }, 'a session ends: its user is of another tenant');
        continue;
      }
      if (saysTheSame(one.assertion, assertion)) continue;
      await this.#parts.sessions.renew(one, assertion, one.grant, { isBehind: true });
      this.#parts.log.info(
        { session: one.id, user: one.assertion.subject },
        'a session goes on with other groups or attributes',
      );
    }
  }

  async #end(session: Session, reason: Reason): Promise<void> {
    for await (const { id } of this.#alike(session)) await this.#parts.sessions.revoke(id, reason);
    const { provider, assertion } = session;
    this.#parts.log.info({ user: assertion.subject, provider, reason }, 'the sessions of an account end');
  }

  /** The sessions of the same account at the same provider, this one among them. */
  async *#alike(session: Session): AsyncGenerator<Session, void, undefined> {
    for await (const one of this.#parts.sessions.ofAccount(accountOf(session)))
      if (one.provider === session.provider && isSameOwner(ownerOf(one), ownerOf(session))) yield one;
  }
}
