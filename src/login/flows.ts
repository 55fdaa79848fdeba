/**
 * Logins under way at an identity provider: one browser's, one-time, few and for a short time. A callback that finds no flow
 * of its browser makes no session, whatever it carries.
 */
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Store } from '../core/store.ts';
import type { Demand } from '../policy/levels.ts';
import { demandSchema } from '../sessions/pending.ts';
import { StoreQuota } from './flow-quota.ts';
import type { FlowState } from './flow-state.ts';

const flowMilliseconds = 10 * 60_000;
const flowsPerBrowser = 5;
const loopMilliseconds = 60_000;
/** Far above what a browser that opens its tabs anew needs, far below what a circle makes. */
const turnsInLoop = 20;
/** Browsers give up after some twenty redirects, with a page of their own: a circle must end here before. */
const maxRestarts = 3;

/** Room for a site of thousands behind one address, each with its tabs, and for several such. */
const flowLimits = { ofAddress: 16 * 1024 * 1024, ofAll: 64 * 1024 * 1024, least: 512 };
const turnLimits = { ofAddress: 2 * 1024 * 1024, ofAll: 8 * 1024 * 1024, least: 128 };

const flowSchema = z.strictObject({
  provider: z.string(),
  returnTo: z.string(),
  state: z.unknown(),
  beganAt: z.number(),
  /** The session whose user proves who they are once more. */
  confirming: z.string().optional(),
  /** What the user who is signed in has to come up to, where that is asked of the identity provider. */
  demand: demandSchema.optional(),
  /** In a login, whether the identity provider was asked for a level; `plain` after it has said that it cannot give that. */
  asked: z.enum(['level', 'plain']).optional(),
});

/** A login under way. */
export type Flow = Omit<z.output<typeof flowSchema>, 'demand'> & { readonly demand?: Demand | undefined };

/** Keeps flows. */
export class Flows {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #flowShares: StoreQuota;
  readonly #turnShares: StoreQuota;
  #latest = 0;

  constructor(store: Store, clock: Clock, workers = 1) {
    this.#store = store;
    this.#clock = clock;
    this.#flowShares = new StoreQuota(flowLimits, workers);
    this.#turnShares = new StoreQuota(turnLimits, workers);
  }

  /** Whether a trip that has begun anew so often goes round in circles. */
  isCircle(restarts: number): boolean {
    return restarts > maxRestarts;
  }

  /** Remembers a flow; a browser with too many loses its oldest, and so does an address with very many. */
  async begin(browser: string, id: string, flow: Omit<Flow, 'beganAt'>, address: string): Promise<void> {
    const now = this.#clock.now();
    // Never the same twice, so that it is clear which of two is older.
    this.#latest = Math.max(now, this.#latest + 0.001);
    const value = JSON.stringify({ ...flow, beganAt: this.#latest });
    const key = `flow:${browser}.${id}`;
    const until = now + flowMilliseconds;
    await this.#store.put(key, value, until);
    for (const over of this.#flowShares.enter(key, value, address, { now, until })) await this.#store.delete(over);
    // Counted afterwards: of tabs that begin at the same time, the last one sees them all.
    const all: { key: string; beganAt: number }[] = [];
    for await (const { key: one, value: text } of this.#store.list(`flow:${browser}.`))
      all.push({ key: one, beganAt: flowSchema.safeParse(JSON.parse(text)).data?.beganAt ?? 0 });
    all.sort((left, right) => right.beganAt - left.beganAt);
    for (const { key: over } of all.slice(flowsPerBrowser)) {
      this.#flowShares.forget(over);
      await this.#store.delete(over);
    }
  }

  /** Takes a flow out, once. Undefined when this browser has none of that name: too old, used, or begun elsewhere. */
  async take(browser: string | undefined, name: FlowState): Promise<Flow | undefined> {
    if (browser === undefined || name.kind !== 'ours') return undefined;
    const key = `flow:${browser}.${name.id}`;
    this.#flowShares.forget(key);
    const text = await this.#store.take(key);
    // The schema has seen to every field that the type names.
    return text === undefined ? undefined : (flowSchema.safeParse(JSON.parse(text)).data as Flow | undefined);
  }

  /**
   * Counts a turn to an identity provider; true when this browser has made too many within a minute without having signed
   * in: it is being sent round in circles.
   */
  async isLooping(browser: string, address: string): Promise<boolean> {
    const key = `flow-turns:${browser}`;
    const now = this.#clock.now();
    const until = now + loopMilliseconds;
    for (;;) {
      const stored = await this.#store.get(key);
      const turns = (stored ? z.array(z.number()).catch([]).parse(JSON.parse(stored.value)) : []).filter(
        (at) => now - at < loopMilliseconds,
      );
      const next = JSON.stringify([...turns.slice(-turnsInLoop), now]);
      if (!(await this.#store.replace(key, stored?.version, next, until))) continue;
      for (const over of this.#turnShares.enter(key, next, address, { now, until })) await this.#store.delete(over);
      return turns.length >= turnsInLoop;
    }
  }

  /** Somebody has signed in: the turns were no loop. */
  async forgetRedirects(browser: string): Promise<void> {
    const key = `flow-turns:${browser}`;
    this.#turnShares.forget(key);
    await this.#store.delete(key);
  }
}
