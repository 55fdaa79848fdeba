/** By what a visitor is led to the same server of an upstream again: a cookie that names it, or the client address. */
import { createHmac, hash, type KeyObject } from 'node:crypto';
import type { HeaderLines } from '../core/request-head.ts';
import type { Sealer } from '../core/seal.ts';
import { setCookie } from '../core/set-cookie.ts';
import type { Forward } from '../core/verdict.ts';
import { addressGroup } from '../users/address.ts';
import { readPairs } from './cookies.ts';

/** What of a request tells visitors apart. */
export interface Visitor {
  /** Each `Cookie` line, with the gateway's own. */
  readonly cookies: readonly string[];
  readonly address: string;
}

/** Who sends a request that is forwarded. */
export function visitorOf(headers: HeaderLines, { client }: Pick<Forward, 'client'>): Visitor {
  return { cookies: headers.all('cookie'), address: client.address };
}

/** The same, whose answer brings a cookie of ours, where there is one, before the upstream's own. */
export function bringing(forward: Forward, cookie: string | undefined): Forward {
  return cookie === undefined ? forward : { ...forward, firstCookies: [...(forward.firstCookies ?? []), cookie] };
}

/** Whose keys name servers, and for which site. */
export interface StickyParts {
  readonly sealer: Pick<Sealer, 'derive'>;
  readonly publicUrl: URL;
}

const purpose = 'servers of upstreams';
const prefix = 'gatehouse-server-';
/** Of the digest that stands for a server; and of the one in the cookie's name, which stands for all of them. */
const [serverBytes, listBytes] = [16, 6];

/** What a browser's cookie says. */
interface StickyChoice {
  readonly origin: string;
  /** False: it stands in a cookie of another list of servers, such as this one had before a reload. */
  readonly isCurrent: boolean;
}

/**
 * The cookie of one upstream: a keyed digest of a server's origin. It tells nothing of it, is the same on every worker and machine,
 * and does not depend on the order or the number of servers.
 */
export class StickyCookie {
  readonly #parts: StickyParts;
  readonly #origins: readonly string[];
  readonly #named = new WeakMap<readonly KeyObject[], ReadonlyMap<string, string>>();

  constructor(origins: readonly string[], parts: StickyParts) {
    this.#parts = parts;
    this.#origins = origins;
  }

  /** The server that a browser's cookies name; undefined for none, and for what nobody has given out. */
  find(cookies: readonly string[]): StickyChoice | undefined {
    const pairs = cookies.flatMap(readPairs).filter(({ name }) => name.startsWith(prefix));
    if (pairs.length === 0) return undefined;
    const keys = this.#parts.sealer.derive(purpose);
    const found = this.#findBy(keys, pairs);
    if (found) return found;
    const later = this.#parts.sealer.derive(purpose, true);
    return later === keys ? undefined : this.#findBy(later, pairs);
  }

  /** A `Set-Cookie` value that leads to a server from here on. */
  set(origin: string): string {
    const [key] = this.#parts.sealer.derive(purpose);
    if (!key) throw new Error('there is no key to name servers with');
    return setCookie(this.#parts.publicUrl, this.#nameBy(key), digest(key, origin, serverBytes));
  }

  #findBy(
    keys: readonly KeyObject[],
    pairs: readonly { readonly name: string; readonly value: string }[],
  ): StickyChoice | undefined {
    const origins = this.#namedBy(keys);
    const [key] = keys;
    const name = key && this.#nameBy(key);
    const own = pairs.filter((pair) => pair.name === name);
    for (const pair of [...own, ...pairs]) {
      const origin = origins.get(pair.value);
      if (origin !== undefined) return { origin, isCurrent: pair.name === name };
    }
    return undefined;
  }

  #namedBy(keys: readonly KeyObject[]): ReadonlyMap<string, string> {
    const known = this.#named.get(keys);
    if (known) return known;
    const named = new Map(
      keys.flatMap((key) => this.#origins.map((origin) => [digest(key, origin, serverBytes), origin] as const)),
    );
    this.#named.set(keys, named);
    return named;
  }

  /** Upstreams with the same servers share a cookie, whatever their order. */
  #nameBy(key: KeyObject): string {
    return prefix + digest(key, `list\n${this.#origins.toSorted().join('\n')}`, listBytes);
  }
}

/**
 * How strongly an address is drawn to a server; the highest wins (rendezvous hashing). A server that goes moves its own visitors
 * and nobody else, one that comes takes its share from all.
 */
export function attraction(address: string, origin: string, weight: number): number {
  const drawn = Number.parseInt(hash('sha256', `${addressGroup(address)}\n${origin}`).slice(0, 12), 16);
  return -weight / Math.log((drawn + 1) / (2 ** 48 + 1));
}

function digest(key: KeyObject, text: string, bytes: number): string {
  return createHmac('sha256', key).update(text).digest().subarray(0, bytes).toString('base64url');
}
