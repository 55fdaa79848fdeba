/**
 * Which requests may prove who they are by what a browser adds unasked. A Kerberos ticket goes with whatever any page sends to
 * us: a form or an image of another origin would act as the user, without a session and so without a SameSite cookie (CWE-352).
 */
import type { Offer } from '../core/outcome.ts';
import type { Attempt } from '../core/provider.ts';
import type { GatewayRequest } from '../core/verdict.ts';

/** The origins that may act as the user: ours, and those that the location names. */
interface Origins {
  readonly own: readonly string[];
  readonly allowed: readonly string[];
}

/**
 * True for a page load of a whole tab by GET or HEAD, for requests of our own origin or of the address bar, for programs that
 * send no fetch metadata, and for the origins that the location names. Browsers send no metadata to a site of plain http, but
 * they say the origin of what writes: another one's request is not taken for a program's.
 */
export function mayProveUnasked(
  { method, headers }: Pick<GatewayRequest, 'method' | 'headers'>,
  { own, allowed }: Origins,
): boolean {
  const site = headers.single('sec-fetch-site');
  const origins = headers.all('origin');
  if (origins.length === 1 && origins.every((origin) => allowed.includes(origin))) return true;
  if (site === 'same-origin') return true;
  if (!origins.every((origin) => own.includes(origin))) return false;
  if (!headers.has('sec-fetch-site') || site === 'none') return true;
  const isRead = method === 'GET' || method === 'HEAD';
  return isRead && headers.single('sec-fetch-mode') === 'navigate' && headers.single('sec-fetch-dest') === 'document';
}

const byBrowsers = ['sec-fetch-mode', 'sec-fetch-site', 'origin', 'referer'] as const;

/**
 * True where nothing says that a browser has sent a request. At a host to which people are handed over, a ticket would begin
 * another session beside the one that they have: there it counts of programs alone.
 */
export function isProgram({ headers }: Pick<GatewayRequest, 'headers'>): boolean {
  if (headers.all('accept').some((value) => value.includes('text/html'))) return false;
  return !byBrowsers.some((name) => headers.has(name));
}

/** An attempt without the proof that the browser has added. */
export function withoutTicket(attempt: Attempt): Attempt {
  const { headers } = attempt;
  if (!/^[ \t]*negotiate\b/i.test(headers.single('authorization') ?? '')) return attempt;
  return { ...attempt, headers: headers.without((name) => name === 'authorization') };
}

/** The offers without a challenge that a browser would answer by itself. */
export function withoutTicketOffers(offers: readonly Offer[]): readonly Offer[] {
  return offers.filter((offer) => offer.via !== 'header' || !/^negotiate\b/i.test(offer.value));
}

/** The same attempt without a bearer token. */
export function withoutBearer(attempt: Attempt): Attempt {
  const { headers } = attempt;
  if (!/^bearer\b/i.test(headers.single('authorization') ?? '')) return attempt;
  return { ...attempt, headers: headers.without((name) => name === 'authorization') };
}
