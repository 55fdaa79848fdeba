/**
 * A small form that meets an ended session, or one that must prove itself anew: kept for a while, and offered again after the
 * login, where the route allows it. Only what our own pages sent is kept, and only for the browser that sent it and the user
 * whose session it met: at a shared desk the next one to sign in must not see it.
 */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import { ownerOf, type Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import { type Browsers, isSameOrigin } from '../login/browser.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';
import { cookieName, readCookie } from '../sessions/cookie.ts';
import type { Sessions } from '../sessions/sessions.ts';
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

const keptSchema = z.object({
  action: z.string(),
  fields: z.array(z.tuple([z.string(), z.string()])),
  /** The mark of whose it is; absent until somebody completes the login that it began, where nobody had signed in before. */
  owner: z.string().optional(),
});

/** A form waiting to be sent again: where to, and its fields in order. */
type KeptPost = Readonly<z.output<typeof keptSchema>>;

/** What became of a form: kept, with where the login leads back to, or not, with why. */
type KeptAnswer =
  | { readonly kind: 'kept'; readonly returnTo: string; readonly cookie?: string }
  | { readonly kind: 'lost'; readonly reason: 'not-kept' | 'too-large' };

/** A form that was sent to an application. */
interface SentForm {
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
  readonly #sessions: Pick<Sessions, 'ownerOf' | 'hosts'>;
  readonly #origins: SiteOrigins;
  readonly #publicUrl: URL;
  readonly #allowance: PostLimits;

  constructor(parts: {
    store: Store;
    clock: Clock;
    browsers: Browsers;
    sessions: Pick<Sessions, 'ownerOf' | 'hosts'>;
    origins: SiteOrigins;
    publicUrl: URL;
    /** How many processes share the room. */
    workers?: number;
  }) {
    this.#allowance = new PostLimits(parts.workers ?? 1);
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#browsers = parts.browsers;
    this.#sessions = parts.sessions;
    this.#origins = parts.origins;
    this.#publicUrl = parts.publicUrl;
  }

  /** Keeps a small form of our own origin, where the route allows it and there is room for one of this address. */
  async keep(form: SentForm, route: Route, target: CanonicalTarget, address: string): Promise<KeptAnswer> {
    const { headers } = form;
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(headers.single('content-type') ?? '');
    const isOurs = headers.has('origin') && isSameOrigin(headers, this.#origins.trustedAt(target));
    if (form.method !== 'POST' || !form.body || !route.replayPosts || !isForm || !isOurs)
      return { kind: 'lost', reason: 'not-kept' };
    const body = await readBody(form.body, { maxBytes: maxFormBytes, deadline: bodyDeadline });
    if (body.kind !== 'ok') return { kind: 'lost', reason: body.kind === 'too-large' ? 'too-large' : 'not-kept' };
    const { id: browser, cookie } = this.#browsers.recognise(headers);
    const id = randomBytes(16).toString('base64url');
    const owner = await this.#ownerOf(headers, target);
    const kept: KeptPost = {
      action: target.path + target.query,
      fields: [...new URLSearchParams(body.text)],
      ...(owner !== undefined && { owner }),
    };
    const value = JSON.stringify(kept);
    const now = this.#clock.now();
    if (!this.#allowance.take(addressGroup(address), Buffer.byteLength(value), now))
      return { kind: 'lost', reason: 'not-kept' };
    await this.#store.put(keyOf(browser, id), value, now + keptMilliseconds);
    return { kind: 'kept', returnTo: addressOf(id), ...(cookie && { cookie }) };
  }

  /** A login that leads back to a saved form has been completed: where nobody owns the form yet, it is from here on the session's. */
  async claim(request: IncomingMessage, returnTo: string, session: Session): Promise<void> {
    const browser = this.#browsers.find(headOf(request));
    const id = idIn(returnTo);
    if (browser === undefined || id === undefined) return;
    const stored = await this.#store.get(keyOf(browser, id));
    const kept = readKept(stored?.value);
    if (!stored || !kept || kept.owner !== undefined) return;
    const owned = JSON.stringify({ ...kept, owner: this.#browsers.ownerMark(ownerOf(session)) });
    await this.#store.replace(keyOf(browser, id), stored.version, owned, this.#clock.now() + keptMilliseconds);
  }

  /** Where a saved form of this browser goes; undefined where there is none. */
  async actionOf(headers: HeaderLines, id: string): Promise<string | undefined> {
    const browser = this.#browsers.find(headers);
    if (browser === undefined || !isId.test(id)) return undefined;
    return readKept((await this.#store.get(keyOf(browser, id)))?.value)?.action;
  }

  /**
   * Takes a saved form out, once: undefined when it is not there, too old, or another browser's. One of another user, or of nobody
   * yet, stays where it is.
   */
  async take(request: IncomingMessage, id: string, session: Session): Promise<KeptPost | undefined> {
    const browser = this.#browsers.find(headOf(request));
    if (browser === undefined || !isId.test(id)) return undefined;
    const kept = readKept((await this.#store.get(keyOf(browser, id)))?.value);
    if (kept?.owner !== this.#browsers.ownerMark(ownerOf(session))) return undefined;
    return readKept(await this.#store.take(keyOf(browser, id)));
  }

  /** Whose session a form met: as its record says, else as the browser remembers. */
  async #ownerOf(head: HeaderLines, target: CanonicalTarget): Promise<string | undefined> {
    const token = readCookie(head.all('cookie'), cookieName(this.#publicUrl));
    const tokens = this.#origins.furtherAt(target)?.tokenHost === undefined ? this.#sessions : this.#sessions.hosts;
    const owner = token === undefined ? undefined : await tokens.ownerOf(token);
    return owner ? this.#browsers.ownerMark(owner) : this.#browsers.lastOwner(head);
  }
}

const isId = /^[\w-]{22}$/;

function keyOf(browser: string, id: string): string {
  return `kept-post:${browser}.${id}`;
}

/** Where a login leads back to. Who comes here without a session is sent to a login that leads back to it as opened. */
function addressOf(id: string): string {
  return `/_gate/replay?id=${id}`;
}

/** The id in the very address that a form was kept under: one that somebody opened by hand claims nothing. */
function idIn(returnTo: string): string | undefined {
  return /^\/_gate\/replay\?id=([\w-]{22})$/.exec(returnTo)?.[1];
}

function readKept(value: string | undefined): KeptPost | undefined {
  return value === undefined ? undefined : keptSchema.safeParse(JSON.parse(value)).data;
}

/** How much is kept for whom. Whoever sends a form here is not signed in, and the store is everybody's. */
class PostLimits {
  /** In the order in which they were taken. */
  #takings: { readonly address: string; readonly bytes: number; readonly until: number }[] = [];
  readonly #ofAddress = new Map<string, number>();
  readonly #workers: number;
  #total = 0;

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** Counts so many bytes until what is kept expires; false when there is no room for them. */
  take(address: string, size: number, now: number): boolean {
    this.#giveBack(now);
    const bytes = Math.max(size, leastBytes);
    const ofAddress = (this.#ofAddress.get(address) ?? 0) + bytes;
    const isFull =
      ofAddress > maxBytesOfAddress / this.#workers || this.#total + bytes > maxStoredBytes / this.#workers;
    if (isFull) return false;
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
