/**
 * Browsers that are remembered: one cookie for a browser, and a record for each account that wants it. The cookie names the
 * browser and bears a secret that changes with each use, so that of a copy and its original only one goes on.
 */
import { hash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountKey } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import { setCookie } from '../core/set-cookie.ts';
import type { Store } from '../core/store.ts';
import { readCookie } from './cookie.ts';
import { type KnownBrowser, parseJson, readKnown } from './known-record.ts';

const browserSchema = z.looseObject({
  kind: z.literal('browser'),
  /** The digest of the secret that the cookie bears. */
  secret: z.string(),
  /** The one before, which counts until the browser has shown that it got the other. */
  before: z.string().optional(),
  changedAt: z.number(),
  until: z.number(),
  /** Keys of the accounts that are remembered here, the oldest first. */
  accounts: z.array(z.string()),
});

/** What the cookie of a request comes to for an account. */
type Sight =
  | { readonly kind: 'known'; readonly known: KnownBrowser }
  | { readonly kind: 'unknown' }
  /** The cookie has been used elsewhere since: whatever is remembered under it has ended. */
  | { readonly kind: 'copied' };

type Browser = z.output<typeof browserSchema>;

const cookieForm = /^([\w-]{22})\.([\w-]{22})$/;
/** Tabs that begin together come with the same cookie, and one of them gets the next. */
const grace = 60_000;
const tries = 20;

/** Remembers browsers. Every method throws when the store is out of reach. */
export class KnownBrowsers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #publicUrl: URL;
  readonly #lasts: number;
  readonly #perBrowser: number;

  /** `lasts` in milliseconds; `perBrowser` accounts at most, the oldest gives way. */
  constructor(parts: { store: Store; clock: Clock; publicUrl: URL; lasts: number; perBrowser: number }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#publicUrl = parts.publicUrl;
    this.#lasts = parts.lasts;
    this.#perBrowser = parts.perBrowser;
  }

  /** What the cookies say of an account. Uses nothing up. */
  async see(account: Account, cookies: readonly string[]): Promise<Sight> {
    const named = this.#named(cookies);
    const browser = named && (await this.#browser(named.id));
    if (!named || !browser) return { kind: 'unknown' };
    if (!isTheirs(browser.record, named.secret)) {
      await this.#drop(named.id, browser.record);
      return { kind: 'copied' };
    }
    const known = await this.#known(knownKey(accountKey(account), named.id));
    return known ? { kind: 'known', known } : { kind: 'unknown' };
  }

  /**
   * A use of what was seen: the `Set-Cookie` line of the next secret, where one is due. Undefined where it was forgotten since: a
   * reset that comes while a directory is asked ends it.
   */
  async use(
    account: Account,
    { id, version, ...known }: KnownBrowser,
    cookies: readonly string[],
  ): Promise<readonly string[] | undefined> {
    const key = knownKey(accountKey(account), id);
    const used = JSON.stringify({ kind: 'known', ...known, lastUsedAt: this.#clock.now() });
    // Of tabs that sign in at once one notes the use.
    if (!(await this.#store.replace(key, version, used, known.until)) && !(await this.#known(key))) return undefined;
    return this.#change(cookies, ({ accounts, until }) => ({ accounts, until }));
  }

  /** Remembers the browser of these cookies for an account; gives the `Set-Cookie` lines. */
  async remember(
    account: Account,
    about: Pick<KnownBrowser, 'address' | 'userAgent' | 'witness'>,
    cookies: readonly string[],
  ): Promise<readonly string[]> {
    const own = accountKey(account);
    const since = this.#clock.now();
    const until = since + this.#lasts;
    const left: string[] = [];
    const lines = await this.#change(
      cookies,
      ({ accounts }) => {
        const all = [...accounts.filter((one) => one !== own), own];
        left.splice(0, left.length, ...all.slice(0, -this.#perBrowser));
        return { accounts: all.slice(-this.#perBrowser), until };
      },
      { isNew: true },
    );
    const id = this.#named(lines.map((line) => line.split(';', 1)[0] ?? ''))?.id;
    if (id === undefined) throw new Error('a browser was remembered without a cookie');
    for (const gone of left) await this.#store.delete(knownKey(gone, id));
    await this.#store.put(knownKey(own, id), JSON.stringify({ kind: 'known', since, until, ...about }), until);
    return lines;
  }

  /** Those of an account, the newest first. */
  async of(account: Account): Promise<readonly KnownBrowser[]> {
    const entries = await Array.fromAsync(this.#store.list(knownKey(accountKey(account), '')));
    const all = entries.flatMap((entry) => this.#live(readKnown(entry)) ?? []);
    return all.toSorted((one, other) => other.since - one.since);
  }

  /** The id of the browser of these cookies. */
  idIn(cookies: readonly string[]): string | undefined {
    return this.#named(cookies)?.id;
  }

  /** Forgets one of an account, or all. How many there were. */
  async forget(account: Account, id?: string): Promise<number> {
    const own = accountKey(account);
    const entries = id === undefined ? await Array.fromAsync(this.#store.list(knownKey(own, ''))) : [];
    const keys = id === undefined ? entries.map(({ key }) => key) : [knownKey(own, id)];
    let count = 0;
    for (const key of keys) if (await this.#store.delete(key)) count += 1;
    return count;
  }

  /** Writes a browser's record with another secret, or makes one where it `isNew`. */
  async #change(
    cookies: readonly string[],
    change: (current: Pick<Browser, 'accounts' | 'until'>) => Pick<Browser, 'accounts' | 'until'>,
    { isNew = false }: { readonly isNew?: boolean } = {},
  ): Promise<readonly string[]> {
    for (let turn = 0; turn < tries; turn++) {
      const named = this.#named(cookies);
      const found = named && (await this.#browser(named.id));
      const known = found && isTheirs(found.record, named.secret) ? found : undefined;
      if (!known && !isNew) return [];
      const now = this.#clock.now();
      const isBefore = known !== undefined && known.record.before === digestOf(named?.secret ?? '');
      // Another tab has got the next one a moment ago, which this answer must not write over.
      const isKept = !isNew && isBefore && now - known.record.changedAt < grace;
      if (isKept) return [];
      const name = known && named ? named.name : randomBytes(16).toString('base64url');
      const secret = randomBytes(16).toString('base64url');
      const record: Browser = {
        kind: 'browser',
        secret: digestOf(secret),
        ...(known && { before: digestOf(named?.secret ?? '') }),
        changedAt: now,
        ...change(known?.record ?? { accounts: [], until: now }),
      };
      const key = browserKey(idOf(name));
      if (!(await this.#store.replace(key, known?.version, JSON.stringify(record), record.until))) continue;
      const maxAgeSeconds = Math.max(1, Math.floor((record.until - now) / 1000));
      return [setCookie(this.#publicUrl, cookieName(this.#publicUrl), `${name}.${secret}`, { maxAgeSeconds })];
    }
    throw new Failure('overloaded', 'store: too many writers at once on a browser that is remembered');
  }

  async #drop(id: string, { accounts }: Browser): Promise<void> {
    await this.#store.delete(browserKey(id));
    for (const account of accounts) await this.#store.delete(knownKey(account, id));
  }

  #named(
    cookies: readonly string[],
  ): { readonly name: string; readonly secret: string; readonly id: string } | undefined {
    const [, name, secret] = cookieForm.exec(readCookie(cookies, cookieName(this.#publicUrl)) ?? '') ?? [];
    return name === undefined || secret === undefined ? undefined : { name, secret, id: idOf(name) };
  }

  async #browser(id: string): Promise<{ readonly record: Browser; readonly version: string } | undefined> {
    const stored = await this.#store.get(browserKey(id));
    const record = stored && browserSchema.safeParse(parseJson(stored.value)).data;
    return stored && record && this.#clock.now() < record.until ? { record, version: stored.version } : undefined;
  }

  async #known(key: string): Promise<KnownBrowser | undefined> {
    const stored = await this.#store.get(key);
    return stored && this.#live(readKnown({ key, ...stored }));
  }

  /** An operator who shortens the time means those too that are remembered. */
  #live(known: KnownBrowser | undefined): KnownBrowser | undefined {
    const until = known && Math.min(known.until, known.since + this.#lasts);
    return until !== undefined && this.#clock.now() < until ? known : undefined;
  }
}

function isTheirs({ secret, before }: Browser, shown: string): boolean {
  const digest = digestOf(shown);
  return digest === secret || digest === before;
}

function cookieName(publicUrl: URL): string {
  return `${publicUrl.protocol === 'https:' ? '__Host-' : ''}gatehouse-known`;
}

function idOf(name: string): string {
  return hash('sha256', `known browser\n${name}`, 'base64url').slice(0, 32);
}

function digestOf(secret: string): string {
  return hash('sha256', `known secret\n${secret}`, 'base64url');
}

function browserKey(id: string): string {
  return `known-browser:${id}`;
}

function knownKey(account: string, id: string): string {
  return `known:${account}:${id}`;
}
