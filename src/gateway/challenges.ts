/** The challenges that go with a 401: what the providers offer, and bearer tokens where the location takes them. */
import type { AnswerHeaders } from '../core/answer.ts';
import type { Offer } from '../core/outcome.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { GatewayRequest, Verdict } from '../core/verdict.ts';
import { withoutRepeatedNegotiate } from '../login/negotiate-cookie.ts';

/** A request that is asked who sends it, and whether a person sees the answer. */
interface Challenged {
  readonly request: Pick<GatewayRequest, 'headers' | 'upgrade'>;
  readonly isPage: boolean;
}

/** The `WWW-Authenticate` of a 401, and the cookie that remembers it; none for what opens a WebSocket, which cannot answer one. */
export function challengesOf(
  { request, isPage }: Challenged,
  { route, offers, isProgram }: Pick<Extract<Verdict, { kind: 'authenticate' }>, 'route' | 'offers' | 'isProgram'>,
  { publicUrl, now }: { readonly publicUrl: URL; readonly now: number },
): AnswerHeaders {
  const asked = request.upgrade ? [] : [...bearerOffers({ request, isPage, isProgram }, route), ...offers];
  const question = withoutRepeatedNegotiate(asked, request.headers, publicUrl, now);
  const values = question.offers.flatMap((offer) => (offer.via === 'header' ? [offer.value] : []));
  const { cookie } = question;
  return { ...(values.length > 0 && { 'www-authenticate': values }), ...(cookie && { 'set-cookie': cookie }) };
}

/** Whether a program has shown a token: it wants no page. */
export function showsBearer(headers: HeaderLines): boolean {
  return /^bearer\b/i.test(headers.single('authorization') ?? '');
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
