/**
 * Hand-overs of a session from the public host, where people sign in, to a further host of the site. One begins at that host, with
 * a nonce that a cookie there binds to the browser; the public host answers the nonce with a code, which counts once, for a
 * moment, at that host and for that nonce. Where to return stands in the record of the nonce, and in no address.
 */
import { hash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { setCookie } from '../core/set-cookie.ts';
import type { Store } from '../core/store.ts';
import { cookieNames, readCookie } from '../sessions/cookie.ts';
import { StoreQuota } from './flow-quota.ts';

/** Who signs in at the public host may leave its page open for a while. */
const nonceSeconds = 3600;
const codeSeconds = 30;
/** Abandoned ones leave their cookies behind, and a request's head has an end. */
const maxCookies = 12;
const limits = { ofAddress: 16 * 1024 * 1024, ofAll: 64 * 1024 * 1024, least: 512 };

const wishSchema = z.strictObject({
  /** As a route writes it. */
  host: z.string(),
  /** A path of that host. */
  returnTo: z.string(),
  /**
   * `confirm` and `switch` take a proof that is younger than the hand-over, `factor` as much as the location asks for; `form` leaves
   * out what would lead on by itself.
   */
  want: z.enum(['confirm', 'switch', 'form', 'factor']).optional(),
  /** Of `factor`: the path whose location asks for it, where that is not the one to return to. */
  asks: z.string().optional(),
  /** What the login page says of the session before. */
  notice: z.string().optional(),
});
const handoverSchema = wishSchema.extend({ cookie: z.string(), beganAt: z.number() });
const codeSchema = z.strictObject({ nonce: z.string(), host: z.string(), session: z.string() });

/** What a hand-over is for. */
export type HandoverWish = z.output<typeof wishSchema>;

/** A hand-over under way. */
export type Handover = HandoverWish & { readonly beganAt: number };

/** What became of a code. */
type Redemption =
  | { readonly kind: 'redeemed'; readonly session: string; readonly returnTo: string; readonly cookie: string }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly detail: string };

/** Keeps hand-overs. */
export class Handovers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #publicUrl: URL;
  readonly #prefix: string;
  readonly #quota: StoreQuota;

  /** `workers` processes share the room. */
  constructor({
    store,
    clock,
    publicUrl,
    workers,
  }: { store: Store; clock: Clock; publicUrl: URL; workers?: number | undefined }) {
    this.#quota = new StoreQuota(limits, workers);
    this.#store = store;
    this.#clock = clock;
    this.#publicUrl = publicUrl;
    // `__Host-` keeps a sibling below the same domain from planting one (RFC 6265bis §4.1.3.2).
    this.#prefix = `${publicUrl.protocol === 'https:' ? '__Host-' : ''}gatehouse-handover-`;
  }

  /** Begins one for the browser of a request; the cookies are to be set at the further host. */
  async begin(
    wish: HandoverWish,
    headers: HeaderLines,
    address: string,
  ): Promise<{ readonly nonce: string; readonly cookies: readonly string[] }> {
    const nonce = randomBytes(16).toString('base64url');
    const secret = randomBytes(16).toString('base64url');
    const now = this.#clock.now();
    const until = now + nonceSeconds * 1000;
    const key = nonceKey(nonce);
    const value = JSON.stringify({ ...wish, cookie: digest(secret), beganAt: now });
    await this.#store.put(key, value, until);
    for (const over of this.#quota.enter(key, value, address, { now, until })) await this.#store.delete(over);
    const old = cookieNames(headers.all('cookie')).filter((name) => name.startsWith(this.#prefix));
    const gone = old.length < maxCookies ? [] : old.map((name) => this.#clear(name));
    const cookie = setCookie(this.#publicUrl, this.#cookieOf(nonce), secret, { maxAgeSeconds: nonceSeconds });
    return { nonce, cookies: [cookie, ...gone] };
  }

  /** The hand-over of a nonce; undefined when there is none, or none any more. */
  async find(nonce: string | undefined): Promise<Handover | undefined> {
    if (nonce === undefined || !/^[\w-]{22}$/.test(nonce)) return undefined;
    return read(handoverSchema, (await this.#store.get(nonceKey(nonce)))?.value);
  }

  /** A code that hands a session over. */
  async issue(nonce: string, { host }: Pick<Handover, 'host'>, session: string): Promise<string> {
    const code = randomBytes(32).toString('base64url');
    const value = JSON.stringify({ nonce, host, session });
    await this.#store.put(codeKey(code), value, this.#clock.now() + codeSeconds * 1000);
    return code;
  }

  /** Takes a code at a host. It is spent whatever comes of it: one that was shown in the wrong place is in the wrong hands. */
  async redeem(code: string | undefined, host: string, headers: HeaderLines): Promise<Redemption> {
    if (code === undefined || !/^[\w-]{43}$/.test(code)) return refused('flow-expired', 'there is no code of ours');
    const said = read(codeSchema, await this.#store.take(codeKey(code)));
    if (!said) return refused('flow-expired', 'the code is not known, was used, or is too old');
    const key = nonceKey(said.nonce);
    this.#quota.forget(key);
    const handover = read(handoverSchema, await this.#store.take(key));
    if (!handover) return refused('flow-expired', 'the hand-over of the code is over');
    if (said.host !== host || handover.host !== host) return refused('flow-foreign', 'the code is for another host');
    const name = this.#cookieOf(said.nonce);
    const secret = readCookie(headers.all('cookie'), name);
    if (secret === undefined) return refused('cookie-missing', 'the browser has no cookie of this hand-over');
    if (digest(secret) !== handover.cookie) return refused('flow-foreign', 'another browser has begun the hand-over');
    return { kind: 'redeemed', session: said.session, returnTo: handover.returnTo, cookie: this.#clear(name) };
  }

  #cookieOf(nonce: string): string {
    return this.#prefix + nonce.slice(0, 8);
  }

  #clear(name: string): string {
    return setCookie(this.#publicUrl, name, '', { maxAgeSeconds: 0 });
  }
}

function refused(reason: Reason, detail: string): Redemption {
  return { kind: 'refused', reason, detail };
}

function nonceKey(nonce: string): string {
  return `handover:${nonce}`;
}

function codeKey(code: string): string {
  return `handover-code:${digest(code)}`;
}

function read<Value>(schema: z.ZodType<Value>, text: string | undefined): Value | undefined {
  return text === undefined ? undefined : schema.safeParse(JSON.parse(text)).data;
}

function digest(secret: string): string {
  return hash('sha256', secret, 'base64url');
}
