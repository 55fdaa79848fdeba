/**
 * A small form that meets an ended session: kept for a while, and offered again after the login, where the route allows
 * it. Only what our own pages sent is kept, and only for the browser that sent it.
 */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { Store } from '../core/store.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import { type Browsers, isSameSite } from '../login/browser.ts';
import { addressGroup } from '../users/address.ts';
import { readBody } from './body.ts';

const maxFormBytes = 64 * 1024;
const keptMilliseconds = 10 * 60_000;
const bodyDeadline = 10_000;

/** What all forms that wait may take in the store, and those of one address, in bytes. */
const maxStoredBytes = 32 * 1024 * 1024;
const maxBytesOfAddress = 1024 * 1024;
/** What even a form without fields counts for. */
const leastBytes = 1024;

const keptSchema = z.strictObject({
  action: z.string(),
  fields: z.array(z.tuple([z.string(), z.string()])),
});

/** A form waiting to be sent again: where to, and its fields in order. */
export type KeptPost = z.output<typeof keptSchema>;

/** What became of a form: kept, with where the login leads back to, or not, with why. */
export type KeptAnswer =
  | { readonly kind: 'kept'; readonly returnTo: string; readonly cookie?: string }
  | { readonly kind: 'lost'; readonly reason: 'not-kept' | 'too-large' };

/** A form that was sent to an application. */
export interface SentForm {
  readonly method: string;
  readonly headers: HeaderLines;
  /** Where it can be read from; absent where somebody has read it, or a proxy in front has kept it. */
  readonly body?: IncomingMessage | undefined;
}

/** Keeps forms. */
export class SavedPosts {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #browsers: Browsers;
  readonly #publicUrl: URL;
  readonly #allowance = new PostLimits();

  constructor(parts: { store: Store; clock: Clock; browsers: Browsers; publicUrl: URL }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#browsers = parts.browsers;
    this.#publicUrl = parts.publicUrl;
  }

  /** Keeps a small form of our own origin, where the route allows it and there is room for one of this address. */
  async keep(form: SentForm, route: Route, target: CanonicalTarget, address: string): Promise<KeptAnswer> {
    const { headers } = form;
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(headers.single('content-type') ?? '');
    const isOurs = headers.has('origin') && isSameSite(headers, this.#publicUrl);
    if (form.method !== 'POST' || !form.body || !route.replayPosts || !isForm || !isOurs)
      return { kind: 'lost', reason: 'not-kept' };
    const body = await readBody(form.body, { maxBytes: maxFormBytes, deadline: bodyDeadline });
    if (body.kind !== 'ok') return { kind: 'lost', reason: body.kind === 'too-large' ? 'too-large' : 'not-kept' };
    const { id: browser, cookie } = this.#browsers.recognise(headers);
    const id = randomBytes(16).toString('base64url');
    const kept: KeptPost = { action: target.path + target.query, fields: [...new URLSearchParams(body.text)] };
    const value = JSON.stringify(kept);
    const now = this.#clock.now();
    if (!this.#allowance.take(addressGroup(address), Buffer.byteLength(value), now))
      return { kind: 'lost', reason: 'not-kept' };
    await this.#store.put(`kept-post:${browser}.${id}`, value, now + keptMilliseconds);
    return { kind: 'kept', returnTo: `/_gate/replay?id=${id}`, ...(cookie && { cookie }) };
  }

  /** Takes a kept form out, once: undefined when it is not there, too old, or another browser's. */
  async take(request: IncomingMessage, id: string): Promise<KeptPost | undefined> {
    const browser = this.#browsers.find(headOf(request));
    if (browser === undefined || !/^[\w-]{22}$/.test(id)) return undefined;
    const text = await this.#store.take(`kept-post:${browser}.${id}`);
    return text === undefined ? undefined : keptSchema.safeParse(JSON.parse(text)).data;
  }
}

/** How much is kept for whom. Whoever sends a form here is not signed in, and the store is everybody's. */
class PostLimits {
  /** In the order in which they were taken. */
  #takings: { readonly address: string; readonly bytes: number; readonly until: number }[] = [];
  readonly #ofAddress = new Map<string, number>();
  #total = 0;

  /** Counts so many bytes until what is kept expires; false when there is no room for them. */
  take(address: string, size: number, now: number): boolean {
    this.#giveBack(now);
    const bytes = Math.max(size, leastBytes);
    const ofAddress = (this.#ofAddress.get(address) ?? 0) + bytes;
    if (ofAddress > maxBytesOfAddress || this.#total + bytes > maxStoredBytes) return false;
    this.#ofAddress.set(address, ofAddress);
    this.#total += bytes;
    this.#takings.push({ address, bytes, until: now + keptMilliseconds });
    return true;
  }

  #giveBack(now: number): void {
    const lasting = this.#takings.findIndex(({ until }) => until > now);
    const over = this.#takings.splice(0, lasting === -1 ? this.#takings.length : lasting);
    for (const { address, bytes } of over) {
      const left = (this.#ofAddress.get(address) ?? 0) - bytes;
      if (left > 0) this.#ofAddress.set(address, left);
      else this.#ofAddress.delete(address);
      this.#total -= bytes;
    }
  }
}
