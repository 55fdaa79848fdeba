/**
 * The users of API tokens: found in a directory when a token is made, and asked about again while it is used, so that it ends with
 * its user. An outage ends nobody: what was last known goes on.
 */
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import { type Assertion, canonicalUsername } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Store } from '../core/store.ts';
import { type ChainLink, lookUpOne, standingAt } from '../providers/chain.ts';
import type { ApiToken, TokenUser } from '../users/api-token-record.ts';
import type { TypedNames } from './typed-names.ts';

/** What is known of a token's user. */
type UserStanding =
  | { readonly kind: 'known'; readonly assertion: Assertion }
  /** The directory says that the user may not come in any more: the token ends. */
  | { readonly kind: 'gone'; readonly reason: Reason }
  | { readonly kind: 'unavailable'; readonly reason: Reason };

/** What came of looking for somebody. */
export type FoundUser =
  | { readonly kind: 'found'; readonly user: TokenUser; readonly assertion: Assertion }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly provider: string; readonly reason: Reason }
  | { readonly kind: 'unavailable'; readonly provider: string; readonly reason: Reason }
  /** No provider can be asked about a name. */
  | { readonly kind: 'nobody-to-ask' };

const entry = z.object({
  askedAt: z.number(),
  assertion: z.looseObject({
    realm: z.string(),
    subject: z.string().min(1),
    amr: z.array(z.string()),
    attributes: z.record(z.string(), z.array(z.string())),
  }),
});

type Known = z.output<typeof entry>;

/** How long an answer is taken for today's, and until a directory is asked again that did not answer; in milliseconds. */
const maxAge = 60_000;
const retryAfter = 30_000;
/** A directory's word that ends a token. A lock after wrong passwords is none: who tells standings does not tell it. */
const endings: ReadonlySet<Reason> = new Set(['account-disabled', 'account-expired', 'account-locked']);
const amr = ['api-token'];

function keyOf(id: string): string {
  return `api-token-user:${id}`;
}

/** Asks about the users of tokens. */
export class TokenUsers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #chain: readonly ChainLink[];
  readonly #names: Pick<TypedNames, 'read'>;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<UserStanding>>();

  constructor(parts: {
    store: Store;
    clock: Clock;
    log: Log;
    chain: readonly ChainLink[];
    names: Pick<TypedNames, 'read'>;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#chain = parts.chain;
    this.#names = parts.names;
  }

  /**
   * Asks the providers in the order of the chain who knows a name, or the one that lists its domain. One that is away stops it: it
   * may be its user.
   */
  async find(username: string, signal: AbortSignal): Promise<FoundUser> {
    const able = this.#chain.filter(({ provider }) => provider.lookUp);
    if (able.length === 0) return { kind: 'nobody-to-ask' };
    const typed = this.#names.read(username);
    if (typed.kind === 'nowhere') return { kind: 'unknown' };
    const [asked, name] =
      typed.kind === 'at' ? [able.filter((one) => one.name === typed.provider), typed.asked] : [able, username];
    for (const link of asked) {
      const entry = await lookUpOne(link, name, signal, this.#log);
      const outcome = entry.kind === 'authenticated' ? await this.#standingAt(link, entry.assertion.subject) : entry;
      const provider = link.name;
      if (outcome.kind === 'unavailable') return { kind: 'unavailable', provider, reason: outcome.reason };
      if (outcome.kind === 'rejected') return { kind: 'refused', provider, reason: outcome.reason };
      if (outcome.kind !== 'authenticated') continue;
      const { realm, subject } = outcome.assertion;
      return { kind: 'found', user: { provider, realm, subject }, assertion: outcome.assertion };
    }
    return { kind: 'unknown' };
  }

  /** Keeps what was found when a token was made. */
  async keep(id: string, assertion: Assertion): Promise<void> {
    await this.#keep(id, { askedAt: this.#clock.now(), assertion: { ...assertion, amr } } as Known);
  }

  /** How the user of a token stands; the provider is asked where it was not within the last minute. */
  async standing(token: ApiToken, user: TokenUser): Promise<UserStanding> {
    const known = this.#known.get(token.id) ?? (await this.#read(token.id));
    if (known && this.#clock.now() - known.askedAt < maxAge) return { kind: 'known', assertion: known.assertion };
    const asking = this.#asking.get(token.id) ?? this.#ask(token, user, known);
    this.#asking.set(token.id, asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(token.id);
    }
  }

  async #ask({ id }: ApiToken, user: TokenUser, known: Known | undefined): Promise<UserStanding> {
    const link = this.#chain.find(({ name }) => name === user.provider);
    if (!link) return { kind: 'gone', reason: 'provider-gone' };
    const outcome = await this.#standingAt(link, user.subject);
    switch (outcome.kind) {
      case 'authenticated': {
        const { realm, subject } = outcome.assertion;
        const isSame = realm === user.realm && canonicalUsername(subject) === canonicalUsername(user.subject);
        if (!isSame) return { kind: 'gone', reason: 'unknown-user' };
        await this.keep(id, outcome.assertion);
        return { kind: 'known', assertion: this.#known.get(id)?.assertion ?? outcome.assertion };
      }
      case 'unknown-user':
        return { kind: 'gone', reason: 'unknown-user' };
      case 'rejected':
        if (endings.has(outcome.reason)) return { kind: 'gone', reason: outcome.reason };
        return this.#goOn(id, known, outcome.reason);
      case 'unavailable':
        return this.#goOn(id, known, outcome.reason);
      default:
        return this.#goOn(id, known, 'provider-broke');
    }
  }

  /** Several requests may wait for the one answer: the deadline is the provider's own. */
  #standingAt(link: ChainLink, subject: string): Promise<Outcome> {
    const { signal } = new AbortController();
    return link.provider.standing
      ? standingAt(link, { subject, state: undefined }, signal, this.#log)
      : lookUpOne(link, subject, signal, this.#log);
  }

  #goOn(id: string, known: Known | undefined, reason: Reason): UserStanding {
    if (!known) return { kind: 'unavailable', reason };
    this.#known.set(id, { ...known, askedAt: this.#clock.now() - maxAge + retryAfter });
    return { kind: 'known', assertion: known.assertion };
  }

  async #read(id: string): Promise<Known | undefined> {
    const stored = await this.#store.get(keyOf(id));
    if (!stored) return undefined;
    try {
      const known = entry.parse(JSON.parse(stored.value));
      this.#known.set(id, known);
      return known;
    } catch {
      return undefined;
    }
  }

  /** The same object while the directory says the same, so that what follows from it can be kept with it. */
  async #keep(id: string, fresh: Known): Promise<void> {
    const before = this.#known.get(id);
    const isSame = before && JSON.stringify(before.assertion) === JSON.stringify(fresh.assertion);
    const known = isSame ? { ...fresh, assertion: before.assertion } : fresh;
    this.#known.set(id, known);
    await this.#store
      .put(keyOf(id), JSON.stringify(known))
      .catch((error: unknown) => this.#log.debug({ error }, 'the user of an API token could not be written down'));
  }
}
