/**
 * The mark that binds a cookie of an application to one person: 16 characters behind the value. The first four tell a mark of
 * ours from an application's own text, whoever it was made for; the others are bound to the account. Pure, but for the keys.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { type Account, accountKey } from '../core/account.ts';
import type { Sealer } from '../core/seal.ts';

/** A cookie at one host, as a browser keeps it. */
interface HostCookie {
  readonly host: string;
  readonly name: string;
  readonly value: string;
}

/** Whose a marked cookie is. */
type Ownership =
  /** The account's own; the value is the application's. */
  | { readonly kind: 'own'; readonly value: string }
  | { readonly kind: 'another' }
  /** No mark of ours is there, or something about it was changed. */
  | { readonly kind: 'unmarked' };

/** How many bytes a mark adds to a value. */
export const markLength = 17;

const purpose = 'cookies of applications';
const marked = /^(.*)~([\w-]{16})$/s;
/** Of the twelve bytes of a mark. */
const [signBytes, accountBytes] = [3, 9];

/** Makes and reads marks. */
export class CookieMarks {
  readonly #sealer: Pick<Sealer, 'derive'>;

  constructor(sealer: Pick<Sealer, 'derive'>) {
    this.#sealer = sealer;
  }

  /** The value of a cookie with the mark of an account. */
  mark(cookie: HostCookie, account: Account): string {
    const [key] = this.#sealer.derive(purpose);
    if (!key) throw new Error('there is no key to mark cookies with');
    const mark = Buffer.concat([signOf(key, cookie), markOf(key, cookie, account)]);
    return `${cookie.value}~${mark.toString('base64url')}`;
  }

  /** Whose a cookie is; undefined stands for nobody, whose nothing is. */
  judge({ value: text, ...where }: HostCookie, account: Account | undefined): Ownership {
    const [, value, mark] = marked.exec(text) ?? [];
    if (value === undefined || mark === undefined) return { kind: 'unmarked' };
    const cookie = { ...where, value };
    const bytes = Buffer.from(mark, 'base64url');
    const keys = this.#sealer.derive(purpose);
    const known = judgeBy(keys, cookie, bytes, account);
    if (known.kind !== 'unmarked') return known;
    const later = this.#sealer.derive(purpose, true);
    return later === keys ? known : judgeBy(later, cookie, bytes, account);
  }
}

/** Whether a `Cookie` value may hold marked cookies: those of no other can be anybody's. */
export function mayHoldMarks(cookies: string): boolean {
  return /~[\w-]{16}\s*(?:;|$)/.test(cookies);
}

function judgeBy(
  keys: readonly KeyObject[],
  cookie: HostCookie,
  mark: Buffer,
  account: Account | undefined,
): Ownership {
  let isOurs = false;
  for (const key of keys) {
    if (!timingSafeEqual(signOf(key, cookie), mark.subarray(0, signBytes))) continue;
    isOurs = true;
    if (account && timingSafeEqual(markOf(key, cookie, account), mark.subarray(signBytes)))
      return { kind: 'own', value: cookie.value };
  }
  return { kind: isOurs ? 'another' : 'unmarked' };
}

/** No host and no name of a cookie holds the end of a line, so that no two cookies are one text. */
function signOf(key: KeyObject, { host, name, value }: HostCookie): Buffer {
  return createHmac('sha256', key).update(`sign\n${host}\n${name}\n${value}`, 'latin1').digest().subarray(0, signBytes);
}

function markOf(key: KeyObject, { host, name, value }: HostCookie, account: Account): Buffer {
  const text = `account\n${accountKey(account)}\n${host}\n${name}\n${value}`;
  return createHmac('sha256', key).update(text, 'latin1').digest().subarray(0, accountBytes);
}
