/**
 * Logins that have begun and are not done: somebody has given the first proof and not yet all that is needed. They are no
 * sessions: records of another kind under keys of another derivation, found by another cookie, and bound to the browser that began.
 */
import { hash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Level, Proofs } from '../core/proof.ts';
import { setCookie } from '../core/set-cookie.ts';
import type { Store } from '../core/store.ts';
import { readCookie } from './cookie.ts';
import { personSchema, proofSchema, type Vouched } from './stored-session.ts';

/** What is on show: a challenge, or something to be set up. The page and the state are the factor's. */
const onShowSchema = z.strictObject({
  kind: z.enum(['challenge', 'enrolment']),
  factor: z.string(),
  page: z.unknown(),
  state: z.unknown().optional(),
});

/** What proofs have to come up to, as it is stored. */
export const demandSchema = z.looseObject({
  level: z.union([z.literal(1), z.literal(2), z.literal(3)]).optional(),
  factors: z.array(z.string()).optional(),
  maxAge: z.number().optional(),
});

const pendingSchema = z.looseObject({
  kind: z.literal('pending'),
  /** The handle of the browser that began it. */
  browser: z.string().min(1),
  beganAt: z.number(),
  expiresAt: z.number(),
  /** Present where somebody who is signed in raises their session: its id. */
  session: z.string().optional(),
  returnTo: z.string(),
  vouched: z.looseObject(personSchema),
  proofs: z.array(proofSchema).min(1),
  /** What a step-up has to come up to; the level of the login otherwise. */
  demand: demandSchema.optional(),
  /** The password was right and has to change, for this reason; the id under which it is kept for its page. */
  newPassword: z.strictObject({ reason: z.string(), username: z.string(), proof: z.string().optional() }).optional(),
  onShow: onShowSchema.optional(),
  /** By the name of each factor that was asked for: the state of its last challenge, which goes on where it is asked for once more. */
  asked: z.record(z.string(), z.unknown()).default({}),
  /** A factor that is to be set up before the login is done. */
  spare: z.string().optional(),
  /** The code that was given for the first factor of the account. */
  enrolmentCode: z.string().optional(),
  /** The user wishes the browser to be remembered, at the page of a factor that was proved. */
  remember: z.boolean().optional(),
  /** Factors that are out for this login. */
  excluded: z.array(z.string()).default([]),
});

/** What a page of a login under way shows. */
export type OnShow = Readonly<z.output<typeof onShowSchema>>;

/** A login under way, and the version of its record. */
export interface PendingLogin {
  /** Not secret: forms and addresses name the login by it. */
  readonly id: string;
  readonly version: string;
  readonly browser: string;
  readonly beganAt: number;
  readonly expiresAt: number;
  readonly session?: string;
  readonly returnTo: string;
  readonly vouched: Vouched;
  readonly proofs: Proofs;
  readonly demand?: { readonly level?: Level; readonly factors?: readonly string[]; readonly maxAge?: number };
  readonly newPassword?: { readonly reason: string; readonly username: string; readonly proof?: string };
  readonly onShow?: OnShow | undefined;
  readonly asked: Readonly<Record<string, unknown>>;
  readonly spare?: string | undefined;
  readonly enrolmentCode?: string;
  readonly remember?: boolean;
  readonly excluded: readonly string[];
}

/** What changes in a login under way. */
export type PendingChange = Partial<
  Pick<
    PendingLogin,
    'vouched' | 'demand' | 'proofs' | 'onShow' | 'asked' | 'excluded' | 'spare' | 'remember' | 'enrolmentCode'
  >
>;

/** How many one browser has at most; the oldest gives way. */
const maxOfBrowser = 5;
/** No token of a session begins so, nor has as many signs. */
const tokenForm = /^p[\w-]{43}$/;
const between = '.';

/** The cookie that finds them. */
function pendingCookieName(publicUrl: URL): string {
  return `${publicUrl.protocol === 'https:' ? '__Host-' : ''}gatehouse-login`;
}

/** Keeps logins under way. Every method throws when the store is out of reach. */
export class PendingLogins {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #publicUrl: URL;
  readonly #lifetime: number;

  /** `lifetime` in milliseconds, from the first proof to the end. */
  constructor({ store, clock, publicUrl, lifetime }: { store: Store; clock: Clock; publicUrl: URL; lifetime: number }) {
    this.#store = store;
    this.#clock = clock;
    this.#publicUrl = publicUrl;
    this.#lifetime = lifetime;
  }

  /** Begins one beside those that the browser has; the cookie names all of them. */
  async begin(
    start: Omit<PendingLogin, 'id' | 'version' | 'beganAt' | 'expiresAt' | 'asked' | 'excluded'>,
    cookies: readonly string[],
  ): Promise<{
    readonly pending: PendingLogin;
    readonly cookie: string;
    readonly stored: { readonly key: string; readonly value: string };
  }> {
    const token = `p${randomBytes(32).toString('base64url')}`;
    const id = idOf(token);
    const beganAt = this.#clock.now();
    const record = { kind: 'pending', ...start, beganAt, expiresAt: beganAt + this.#lifetime, excluded: [] } as const;
    const value = JSON.stringify(record);
    await this.#store.replace(keyOf(id), undefined, value, record.expiresAt);
    const kept = this.#tokensIn(cookies);
    for (const old of kept.slice(0, -(maxOfBrowser - 1))) await this.#store.delete(keyOf(idOf(old)));
    const all = [...kept.slice(-(maxOfBrowser - 1)), token];
    const pending = await this.#read(id);
    if (!pending) throw new Error('a login under way could not be kept');
    return { pending, cookie: this.#cookie(all), stored: { key: keyOf(id), value } };
  }

  /** The login of an id that the cookies name, in the browser that began it; undefined for any other, and for one that is over. */
  async find(
    id: string | undefined,
    cookies: readonly string[],
    browser: string | undefined,
  ): Promise<PendingLogin | undefined> {
    const isNamed = this.#tokensIn(cookies).some((token) => idOf(token) === id);
    const found = isNamed && id !== undefined ? await this.#read(id) : undefined;
    return found && found.browser === browser && this.#clock.now() < found.expiresAt ? found : undefined;
  }

  /** Writes a change over what was read; undefined where somebody else has written meanwhile, or it is over. */
  async change(pending: PendingLogin, change: PendingChange): Promise<PendingLogin | undefined> {
    const { id, version, ...record } = { ...pending, ...change };
    const value = JSON.stringify({ kind: 'pending', ...record });
    const isWritten = await this.#store.replace(keyOf(id), version, value, record.expiresAt);
    return isWritten ? this.#read(id) : undefined;
  }

  /** One as it is by now; undefined where it is over. */
  again({ id }: PendingLogin): Promise<PendingLogin | undefined> {
    return this.#read(id);
  }

  /** How many there are. */
  async count(): Promise<number> {
    return this.#store.count('pending:', this.#clock.now());
  }

  /** Ends one whose record has to make way. */
  async drop(key: string): Promise<void> {
    await this.#store.delete(key);
  }

  /** Takes one out, once: of two who finish it one may go on. */
  async take({ id }: PendingLogin): Promise<boolean> {
    return (await this.#store.take(keyOf(id))) !== undefined;
  }

  /** A `Set-Cookie` value without one that is over; undefined where the cookies do not name it. */
  cookieWithout({ id }: Pick<PendingLogin, 'id'>, cookies: readonly string[]): string {
    return this.#cookie(this.#tokensIn(cookies).filter((token) => idOf(token) !== id));
  }

  #cookie(tokens: readonly string[]): string {
    const name = pendingCookieName(this.#publicUrl);
    return setCookie(this.#publicUrl, name, tokens.join(between), tokens.length === 0 ? { maxAgeSeconds: 0 } : {});
  }

  #tokensIn(cookies: readonly string[]): readonly string[] {
    const tokens = (readCookie(cookies, pendingCookieName(this.#publicUrl)) ?? '').split(between);
    return tokens.filter((token) => tokenForm.test(token)).slice(-maxOfBrowser);
  }

  async #read(id: string): Promise<PendingLogin | undefined> {
    const stored = await this.#store.get(keyOf(id));
    const parsed = stored && pendingSchema.safeParse(JSON.parse(stored.value));
    if (!stored || !parsed?.success) return undefined;
    const { kind: _, ...record } = parsed.data;
    // The schema has seen to every field that the type names.
    return { ...(record as unknown as Omit<PendingLogin, 'id' | 'version'>), id, version: stored.version };
  }
}

/** By another way than a session's: neither is ever the other. */
function idOf(token: string): string {
  return hash('sha256', `pending login\n${token}`, 'base64url').slice(0, 32);
}

function keyOf(id: string): string {
  return `pending:${id}`;
}
