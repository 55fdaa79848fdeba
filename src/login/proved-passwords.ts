/**
 * Passwords that were right a moment ago and have to change: kept for the browser that sent one, so that nobody types it a second
 * time and no page has to carry it.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import { Secret } from '../core/secret.ts';
import type { Store } from '../core/store.ts';

/** Long enough to think of a new password, and no longer: who sits down at the browser meanwhile could set one. */
const keptMilliseconds = 5 * 60_000;

const keptSchema = z.strictObject({ username: z.string(), password: z.string() });

/** Who has proved a password, and with which. */
interface ProvedPassword {
  /** As typed. */
  readonly username: string;
  readonly password: Secret;
}

/** The passwords, sealed in the store. */
export class ProvedPasswords {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Keeps one; the id finds it again in the same browser, and says nothing by itself. */
  async keep(browser: string, { username, password }: ProvedPassword): Promise<string> {
    const id = randomBytes(16).toString('base64url');
    const value = JSON.stringify({ username, password: password.reveal() });
    await this.#store.put(keyOf(browser, id), value, this.#clock.now() + keptMilliseconds);
    return id;
  }

  /** Undefined where there is none any more, or where it is another browser's. */
  async find(browser: string | undefined, id: string): Promise<ProvedPassword | undefined> {
    if (browser === undefined || !/^[\w-]{22}$/.test(id)) return undefined;
    const stored = await this.#store.get(keyOf(browser, id));
    const kept = stored && keptSchema.safeParse(JSON.parse(stored.value)).data;
    return kept && { username: kept.username, password: new Secret(kept.password) };
  }

  async forget(browser: string, id: string): Promise<void> {
    await this.#store.delete(keyOf(browser, id));
  }
}

function keyOf(browser: string, id: string): string {
  return `proved-password:${browser}.${id}`;
}
