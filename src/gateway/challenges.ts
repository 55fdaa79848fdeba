/** The challenges that go with a 401: what the providers offer, and bearer tokens where the location takes them. */
import type { AnswerHeaders } from '../core/answer.ts';
import type { Offer } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { Client, GatewayRequest, Verdict } from '../core/verdict.ts';
import { isPrivateWay } from '../login/basic-access.ts';
import { withoutRepeatedNegotiate } from '../login/negotiate-cookie.ts';

/** A request that is asked who sends it, and whether a person sees the answer. */
interface Challenged {
  readonly request: Pick<GatewayRequest, 'headers' | 'upgrade'>;
  readonly client?: Client | undefined;
  readonly isPage: boolean;
}

/** The `WWW-Authenticate` of a 401, and the cookie that remembers it; none for what opens a WebSocket, which cannot answer one. */
export function challengesOf(
  challenged: Challenged,
  {
    route,
    offers,
    isProgram,
    reason,
  }: Pick<Extract<Verdict, { kind: 'authenticate' }>, 'route' | 'offers' | 'isProgram' | 'reason'>,
  { publicUrl, now }: { readonly publicUrl: URL; readonly now: number },
): AnswerHeaders {
  const { request } = challenged;
  const own = isInsufficient(reason)
    ? insufficient(challenged, route)
    : [...bearerOffers({ ...challenged, isProgram }, route), ...basicOffers(challenged, route)];
  const asked = request.upgrade ? [] : [...own, ...offers];
  const question = withoutRepeatedNegotiate(asked, request.headers, publicUrl, now);
  const values = question.offers.flatMap((offer) => (offer.via === 'header' ? [offer.value] : []));
  const { cookie } = question;
  return { ...(values.length > 0 && { 'www-authenticate': values }), ...(cookie && { 'set-cookie': cookie }) };
}

/** What a program has shown is right, and proves too little. */
export function isInsufficient(reason: Reason): boolean {
  return reason === 'level-too-low' || reason === 'factor-missing';
}

/** What a program with a token has to bring: one of a stronger login (RFC 9470 §3). */
function insufficient({ request }: Challenged, { access }: Route): Offer[] {
  if (!showsBearer(request.headers)) return [];
  const { level = 2, maxAge } = typeof access === 'object' ? access : {};
  const age = maxAge === undefined ? '' : `, max_age="${Math.floor(maxAge / 1000)}"`;
  const value = `Bearer error="insufficient_user_authentication", acr_values="urn:gatehouse:level:${level}"${age}`;
  return [{ via: 'header', value }];
}

/** Whether a program has shown a token: it wants no page. */
export function showsBearer(headers: HeaderLines): boolean {
  return /^bearer\b/i.test(headers.single('authorization') ?? '');
}

/**
 * Where a location takes passwords it says so to what is no browser, and where a password may come: a browser would ask its user
 * for one in a window of its own, in the place of our page, and send it from then on unasked.
 */
function basicOffers({ request: { headers }, client }: Challenged, { access }: Route): Offer[] {
  if (typeof access !== 'object' || access.basic !== true || !client || !isPrivateWay(client)) return [];
  let isBrowser = headers.has('origin') || headers.all('accept').some((types) => types.includes('text/html'));
  headers.each((name) => {
    if (name.startsWith('sec-fetch-')) isBrowser = true;
  });
  return isBrowser ? [] : [{ via: 'header', value: 'Basic realm="gatehouse", charset="UTF-8"' }];
}

/** Where a location takes bearer tokens it says so, and what was wrong with one that was shown (RFC 6750 §3). */
function bearerOffers(
  { request, isPage, isProgram }: Challenged & { readonly isProgram: boolean | undefined },
  { access }: Route,
): Offer[] {
  if (typeof access !== 'object' || (access.bearer !== true && access.apiTokens !== true)) return [];
  if (showsBearer(request.headers) || isProgram) return [{ via: 'header', value: 'Bearer error="invalid_token"' }];
  return isPage ? [] : [{ via: 'header', value: 'Bearer' }];
}
