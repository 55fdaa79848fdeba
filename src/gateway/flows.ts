/**
 * Logins under way at an identity provider: one browser's, one-time, few and for a short time. A callback that finds no flow
 * of its browser makes no session, whatever it carries.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Store } from '../core/store.ts';

const flowMilliseconds = 10 * 60_000;
const flowsPerBrowser = 5;
const loopMilliseconds = 60_000;
const turnsInLoop = 5;

const flowSchema = z.strictObject({
  provider: z.string(),
  returnTo: z.string(),
  state: z.unknown(),
  beganAt: z.number(),
  /** The session whose user proves who they are once more. */
  confirming: z.string().optional(),
});

/** A login under way. */
export type Flow = z.output<typeof flowSchema>;

/** Keeps flows. */
export class Flows {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A name for a flow that is about to begin. */
  newId(): string {
    return randomBytes(16).toString('base64url');
  }

  /** Remembers a flow; a browser with too many loses its oldest. */
  async begin(browser: string, id: string, flow: Omit<Flow, 'beganAt'>): Promise<void> {
    const others: { key: string; beganAt: number }[] = [];
    for await (const { key, value } of this.#store.list(`flow:${browser}.`)) {
      const other = flowSchema.safeParse(JSON.parse(value)).data;
      others.push({ key, beganAt: other?.beganAt ?? 0 });
    }
    others.sort((left, right) => right.beganAt - left.beganAt);
    for (const { key } of others.slice(flowsPerBrowser - 1)) await this.#store.delete(key);
    const now = this.#clock.now();
    await this.#store.put(`flow:${browser}.${id}`, JSON.stringify({ ...flow, beganAt: now }), now + flowMilliseconds);
  }

  /** Takes a flow out, once. Undefined when this browser has none of that id: too old, used, or begun elsewhere. */
  async take(browser: string | undefined, id: string | undefined): Promise<Flow | undefined> {
    if (browser === undefined || id === undefined || !/^[\w-]{22}$/.test(id)) return undefined;
    const text = await this.#store.take(`flow:${browser}.${id}`);
    return text === undefined ? undefined : flowSchema.safeParse(JSON.parse(text)).data;
  }

  /**
   * Counts a turn to an identity provider; true when this browser has made too many within a minute without having signed
   * in: it is being sent round in circles.
   */
  async isLooping(browser: string): Promise<boolean> {
    const key = `flow-turns:${browser}`;
    const now = this.#clock.now();
    for (;;) {
      const stored = await this.#store.get(key);
      const turns = (stored ? z.array(z.number()).catch([]).parse(JSON.parse(stored.value)) : []).filter(
        (at) => now - at < loopMilliseconds,
      );
      const next = [...turns.slice(-turnsInLoop), now];
      if (await this.#store.replace(key, stored?.version, JSON.stringify(next), now + loopMilliseconds))
        return turns.length >= turnsInLoop;
    }
  }

  /** Somebody has signed in: the turns were no loop. */
  async settle(browser: string): Promise<void> {
    await this.#store.delete(`flow-turns:${browser}`);
  }
}
