/**
 * Questions of a provider that came after a password, kept until their answer: who was asked, and what the provider wants back. No
 * session and no login under way, since nobody has vouched for anybody yet; each serves the browser that was asked, once.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Attempt } from '../core/provider.ts';
import type { Store } from '../core/store.ts';
import { attemptOne, type ChainLink, type ChainResult } from '../providers/chain.ts';
import { StoreQuota } from './flow-quota.ts';

const keptMilliseconds = 5 * 60_000;
/** A server may ask before it has looked at a password: nobody fills the store with that. */
const limits = { ofAddress: 4 * 1024 * 1024, ofAll: 16 * 1024 * 1024, least: 1024 };

const keptSchema = z.strictObject({
  provider: z.string(),
  /** As typed. */
  username: z.string(),
  /** The provider's own text. */
  prompt: z.string(),
  state: z.unknown(),
  /** In milliseconds since the epoch. */
  expiresAt: z.number(),
});

/** A question that waits for its answer. */
export type ProviderChallenge = Readonly<z.output<typeof keptSchema>>;

/** The questions, sealed in the store. */
export class ProviderChallenges {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #quota: StoreQuota;

  constructor({ store, clock, workers }: { store: Store; clock: Clock; workers?: number | undefined }) {
    this.#store = store;
    this.#clock = clock;
    this.#quota = new StoreQuota(limits, workers);
  }

  /** Keeps one; the id finds it again in the same browser, and says nothing by itself. */
  async keep(
    browser: string,
    address: string,
    asked: Omit<ProviderChallenge, 'expiresAt'>,
  ): Promise<{ readonly id: string; readonly challenge: ProviderChallenge }> {
    const id = randomBytes(16).toString('base64url');
    const key = keyOf(browser, id);
    const now = this.#clock.now();
    const challenge = { ...asked, expiresAt: now + keptMilliseconds };
    const value = JSON.stringify(challenge);
    await this.#store.put(key, value, challenge.expiresAt);
    for (const old of this.#quota.enter(key, value, address, { now, until: challenge.expiresAt }))
      await this.#store.delete(old);
    return { id, challenge };
  }

  /** Undefined where there is none any more, or where it is another browser's. */
  async find(browser: string | undefined, id: string): Promise<ProviderChallenge | undefined> {
    if (browser === undefined || !isId(id)) return undefined;
    return read((await this.#store.get(keyOf(browser, id)))?.value);
  }

  /** The same, and it is used up: of two who answer at the same moment one does. */
  async take(browser: string | undefined, id: string): Promise<ProviderChallenge | undefined> {
    if (browser === undefined || !isId(id)) return undefined;
    return read(await this.#store.take(keyOf(browser, id)));
  }
}

/** Gives the answer to the provider that has asked, and to nobody else. */
export function answerChallenge(
  { provider, state }: Pick<ProviderChallenge, 'provider' | 'state'>,
  attempt: Attempt,
  chain: readonly ChainLink[],
): Promise<ChainResult> {
  const link = chain.find(({ name }) => name === provider);
  const gone: ChainResult = { outcome: { kind: 'rejected', reason: 'flow-expired' }, offers: [], steps: [] };
  return link ? attemptOne(link, { ...attempt, state }) : Promise.resolve(gone);
}

function read(value: string | undefined): ProviderChallenge | undefined {
  return value === undefined ? undefined : keptSchema.safeParse(JSON.parse(value)).data;
}

function isId(id: string): boolean {
  return /^[\w-]{22}$/.test(id);
}

function keyOf(browser: string, id: string): string {
  return `provider-challenge:${browser}.${id}`;
}
