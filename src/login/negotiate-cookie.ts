/**
 * Asks a browser for a ticket once, not at every page: whether it was asked, and what came of it, stands in a cookie. One
 * without a ticket then gets the form straight away, and a machine outside the domain shows no password dialogue again.
 */
import type { Offer } from '../core/outcome.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { setCookie } from '../core/set-cookie.ts';
import { readNegotiate } from '../providers/kerberos/negotiate.ts';
import { readCookie } from '../sessions/cookie.ts';

const name = 'gatehouse-negotiate';
/** A browser that has been asked is not asked again for so long, … */
const askedSeconds = 10 * 60;
/** … but not at once: tabs that open together are all asked, and each answers for itself. */
const graceSeconds = 5;
/** One that answered with NTLM has no ticket and will get none soon. */
const withoutTicketSeconds = 12 * 3600;
const answered = 'off';

/** What to offer a browser, and the cookie that remembers it. */
interface ChallengeOffers {
  readonly offers: readonly Offer[];
  readonly cookie?: string;
}

/** Leaves `Negotiate` out of the offers for a browser that has been asked; `now` is in milliseconds. */
export function withoutRepeatedNegotiate(
  offers: readonly Offer[],
  headers: HeaderLines,
  publicUrl: URL,
  now: number,
): ChallengeOffers {
  const others = offers.filter((offer) => !isNegotiate(offer));
  const { kind } = readNegotiate(headers.single('authorization'));
  if (kind !== 'none') {
    // It answered, and nobody came of it.
    const seconds = kind === 'no-ticket' ? withoutTicketSeconds : askedSeconds;
    return { offers: others, cookie: remember(answered, seconds, publicUrl) };
  }
  if (others.length === offers.length) return { offers };
  const second = Math.floor(now / 1000);
  const known = readCookie(headers.all('cookie'), name);
  if (known === undefined) return { offers, cookie: remember(String(second), askedSeconds, publicUrl) };
  return { offers: second - Number(known) < graceSeconds ? offers : others };
}

/** The `Set-Cookie` values that forget, after a login; none where there is nothing to forget. */
export function forgetAsking(headers: HeaderLines, publicUrl: URL): readonly string[] {
  return readCookie(headers.all('cookie'), name) === undefined ? [] : [remember('', 0, publicUrl)];
}

/** The `Set-Cookie` value that keeps a browser from being asked for a while: a ticket would undo the logout at once. */
export function negotiateDeclined(publicUrl: URL): string {
  return remember(answered, askedSeconds, publicUrl);
}

function isNegotiate(offer: Offer): boolean {
  return offer.via === 'header' && /^negotiate$/i.test(offer.value);
}

function remember(value: string, seconds: number, publicUrl: URL): string {
  return setCookie(publicUrl, name, value, { maxAgeSeconds: seconds });
}
