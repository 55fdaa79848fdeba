/**
 * How often codes may be sent: to an account, to a contact, from an address, for the whole site. A place is taken before anything
 * is sent, in the shared store and by compare-and-set, so that many at once get no more than one after the other; it is given
 * back where the sending failed.
 */
import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Store } from '../core/store.ts';

/** So many in a span of time, in milliseconds. */
export interface SendLimit {
  readonly count: number;
  readonly per: number;
}

/** One counter that a send takes a place of. */
export interface SendScope {
  readonly kind: 'account' | 'contact' | 'address' | 'budget';
  /** Whose it is; what is stored is a digest. */
  readonly of: string;
  readonly limit: SendLimit;
  /** Milliseconds between two sends. */
  readonly wait?: number;
}

/** Leave to send once, or which counter is full until when (milliseconds since the epoch). */
type SendPermit =
  | { readonly kind: 'granted'; giveBack(): Promise<void> }
  | { readonly kind: 'refused'; readonly scope: SendScope['kind']; readonly retryAt: number };

/** Sends are counted by twentieths of the span: what is stored stays small, and a full span never holds more than the limit. */
const parts = 20;
const tries = 200;

const counterSchema = z.object({
  /** Beginning and count of each part in which something was sent, the oldest first. */
  parts: z.array(z.tuple([z.number(), z.int().min(0)])),
  lastAt: z.number(),
});

type SendCounter = z.output<typeof counterSchema>;

/** A place of one counter. */
type Taken = { readonly kind: 'taken'; readonly at: number } | { readonly kind: 'full'; readonly retryAt: number };

/** The counters of sends. Every method throws when the store is out of reach or a counter cannot be read. */
export class Sends {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Takes a place of each counter, or of none. */
  async take(scopes: readonly SendScope[]): Promise<SendPermit> {
    const taken: { readonly scope: SendScope; readonly at: number }[] = [];
    const giveBack = async (): Promise<void> => {
      for (const { scope, at } of taken.splice(0)) await this.#giveBack(scope, at);
    };
    for (const scope of scopes) {
      const step = await this.#takeOne(scope);
      if (step.kind === 'full') {
        await giveBack();
        return { kind: 'refused', scope: scope.kind, retryAt: step.retryAt };
      }
      taken.push({ scope, at: step.at });
    }
    return { kind: 'granted', giveBack };
  }

  async #takeOne(scope: SendScope): Promise<Taken> {
    const { limit, wait = 0 } = scope;
    return this.#change<Taken>(scope, (counter, now) => {
      const sent = counter.parts.reduce((sum, [, count]) => sum + count, 0);
      if (now - counter.lastAt < wait && now >= counter.lastAt)
        return { result: { kind: 'full', retryAt: counter.lastAt + wait } };
      const [oldest] = counter.parts;
      if (sent >= limit.count) return { result: { kind: 'full', retryAt: (oldest?.[0] ?? now) + spanOf(limit) } };
      return { result: { kind: 'taken', at: now }, write: { parts: withOne(counter.parts, now, limit), lastAt: now } };
    });
  }

  async #giveBack(scope: SendScope, at: number): Promise<void> {
    await this.#change(scope, (counter) => {
      const begin = partOf(at, scope.limit);
      const parts = counter.parts
        .map(([start, count]): [number, number] => [start, start === begin ? count - 1 : count])
        .filter(([, count]) => count > 0);
      // Whoever got nothing may ask again at once.
      return { result: undefined, write: { parts, lastAt: counter.lastAt === at ? 0 : counter.lastAt } };
    });
  }

  async #change<T>(
    scope: SendScope,
    decide: (counter: SendCounter, now: number) => { readonly result: T; readonly write?: SendCounter },
  ): Promise<T> {
    const key = `sends:${scope.kind}:${hash('sha256', scope.of, 'base64url')}`;
    for (let attempt = 0; attempt < tries; attempt++) {
      const stored = await this.#store.get(key);
      const now = this.#clock.now();
      const { result, write } = decide(this.#read(key, stored?.value, scope.limit, now), now);
      if (!write) return result;
      const expiresAt = Math.max(now, write.lastAt) + spanOf(scope.limit) + (scope.wait ?? 0);
      if (await this.#store.replace(key, stored?.version, JSON.stringify(write), expiresAt)) return result;
      if (attempt > 5) await delay(Math.random() * 10);
    }
    throw new GatewayError('UNAVAILABLE', `counter of sends ${scope.kind}: too many writers at once`);
  }

  #read(key: string, value: string | undefined, limit: SendLimit, now: number): SendCounter {
    if (value === undefined) return { parts: [], lastAt: 0 };
    const { success, data } = counterSchema.safeParse(parseJson(value));
    if (!success) throw new GatewayError('UNAVAILABLE', `counter of sends ${key}: it cannot be read`);
    return { ...data, parts: data.parts.filter(([start]) => start + spanOf(limit) > now) };
  }
}

/** A part counts whole until its last moment has left the span. */
function spanOf({ per }: SendLimit): number {
  return per + per / parts;
}

function partOf(at: number, { per }: SendLimit): number {
  return Math.floor(at / (per / parts)) * (per / parts);
}

function withOne(counted: SendCounter['parts'], now: number, limit: SendLimit): SendCounter['parts'] {
  const begin = partOf(now, limit);
  const last = counted.at(-1);
  return last?.[0] === begin ? [...counted.slice(0, -1), [begin, last[1] + 1]] : [...counted, [begin, 1]];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
