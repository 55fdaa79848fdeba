/**
 * Knows one browser again before anybody has signed in: a random cookie, and form tokens derived from it. Login forms,
 * kept posts and the flows of identity providers are bound to it, so that none of them can be planted from elsewhere.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HeaderLines } from '../core/request-head.ts';
import type { SessionOwner } from '../core/session.ts';
import { setCookie } from '../core/set-cookie.ts';
import type { Store } from '../core/store.ts';
import { readCookie } from '../sessions/cookie.ts';

const keyName = 'form-key:1';

/** Recognises browsers and guards forms. */
export class Browsers {
  /** Kept as an object: to make one takes as long as a token. */
  readonly #key: KeyObject;
  readonly #publicUrl: URL;
  readonly #cookie: string;
  readonly #ownerCookie: string;

  private constructor(key: KeyObject, publicUrl: URL) {
    this.#key = key;
    this.#publicUrl = publicUrl;
    const prefix = publicUrl.protocol === 'https:' ? '__Host-' : '';
    this.#cookie = `${prefix}gatehouse-flow`;
    this.#ownerCookie = `${prefix}gatehouse-owner`;
  }

  /** The key is made once and kept in the store, so that a form outlives a restart and works on every worker. */
  static async open(store: Store, publicUrl: URL): Promise<Browsers> {
    // Read first: a store that takes nothing, as on a full disk, must not keep a gateway from starting.
    if (!(await store.get(keyName))) await store.replace(keyName, undefined, randomBytes(32).toString('base64url'));
    const stored = await store.get(keyName);
    if (!stored) throw new Error('the form key could not be stored');
    return new Browsers(createSecretKey(stored.value, 'base64url'), publicUrl);
  }

  /** The browser's id, and the cookie to set when it had none. */
  recognise(headers: HeaderLines): { readonly id: string; readonly cookie?: string } {
    const known = this.find(headers);
    if (known !== undefined) return { id: known };
    const id = randomBytes(16).toString('base64url');
    return { id, cookie: setCookie(this.#publicUrl, this.#cookie, id) };
  }

  /** The id of a browser that has been here; two different cookies of the name are none. */
  find(headers: HeaderLines): string | undefined {
    const id = readCookie(headers.all('cookie'), this.#cookie);
    return id !== undefined && /^[\w-]{22}$/.test(id) ? id : undefined;
  }

  /** A token for the forms of one browser; `purpose` keeps a token of one form from serving another. */
  token(browser: string, purpose: string): string {
    return createHmac('sha256', this.#key).update(`${purpose}\n${browser}`).digest('base64url');
  }

  /** 32 bytes for whatever else is sealed here; another `purpose` gives another key. */
  deriveKey(purpose: string): Buffer {
    return createHmac('sha256', this.#key).update(`key\n\n${purpose}`).digest();
  }

  /** A name for one browser beside the sessions that begin in it, from which nobody can tell its cookie. */
  handle(browser: string): string {
    return `browser:${this.token(browser, 'sessions-of')}`;
  }

  /** Whether a session's handle is the name of a browser. */
  isHandle(handle: string): boolean {
    return handle.startsWith('browser:');
  }

  /** A mark of whose something is, which nobody can make or read without the key. */
  ownerMark({ tenant, realm, subject }: SessionOwner): string {
    return this.token(JSON.stringify([tenant, realm, subject]), 'owner');
  }

  /** A `Set-Cookie` value by which the browser shows, also after the session, who signed in here last. */
  ownerCookie(owner: SessionOwner): string {
    return setCookie(this.#publicUrl, this.#ownerCookie, this.ownerMark(owner));
  }

  /** The mark of who signed in last in the browser of a request. */
  lastOwner(headers: HeaderLines): string | undefined {
    const mark = readCookie(headers.all('cookie'), this.#ownerCookie);
    return mark !== undefined && /^[\w-]{43}$/.test(mark) ? mark : undefined;
  }

  /** Whether somebody else has signed in before in the browser of a request. */
  isAnothers(headers: HeaderLines, owner: SessionOwner): boolean {
    const last = this.lastOwner(headers);
    return last !== undefined && last !== this.ownerMark(owner);
  }

  /** Whether a form comes from a page of ours, at the origin that it was sent to, in this very browser. */
  isOurForm(headers: HeaderLines, purpose: string, token: unknown, origin: string): boolean {
    const browser = this.find(headers);
    if (browser === undefined || typeof token !== 'string' || !isSameOrigin(headers, origin)) return false;
    const expected = Buffer.from(this.token(browser, purpose));
    const given = Buffer.from(token);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }
}

/**
 * Whether a browser says that a request comes from our own pages: fetch metadata first, then Origin. A request without
 * either (no browser, or an old one) passes here and rests on the form token alone.
 */
export function isSameOrigin(headers: HeaderLines, origin: string): boolean {
  if (headers.all('sec-fetch-site').some((site) => site !== 'same-origin' && site !== 'none')) return false;
  return headers.all('origin').every((one) => one === origin);
}
