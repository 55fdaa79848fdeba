/**
 * Both ends of a hand-over. At the public host a nonce is answered with a code, by whoever is signed in or signs in for it; at the
 * further host the code becomes a token of that host.
 */
import type { AnswerHeaders } from '../core/answer.ts';
import { withHeaders } from '../core/answer.ts';
import { GatewayError } from '../core/errors.ts';
import { provedAt } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import { ownerOf, type Session } from '../core/session.ts';
import { writeAnswer } from '../edge/write-answer.ts';
import type { Somebody } from '../login/authenticate-request.ts';
import type { Handover } from '../login/handovers.ts';
import { withoutRepeatedNegotiate } from '../login/negotiate-cookie.ts';
import { shortfall } from '../policy/levels.ts';
import type { FurtherHost } from '../routing/site-origins.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import { handoverPath } from './addresses.ts';
import { type PortalParts, type PortalRequest, type PortalRoutes, queryValue } from './context.ts';
import { leftCookies } from './left-cookies.ts';
import { type LoginPageParts, loginPage, noticeIn } from './login-page.ts';
import { countArrival, type LoopParts } from './redirect-loop.ts';
import { redirect } from './send-page.ts';
import { answerStep } from './step-answer.ts';
import { demandFor, type StepUpParts } from './step-up.ts';

type HandoverParts = LoginPageParts &
  LoopParts &
  Pick<PortalParts, 'origins' | 'handovers' | 'authenticator' | 'browsers' | 'sessions' | 'posts' | 'cookies'> &
  StepUpParts;

/** No page that is shown here may tell its address to the next. */
const untold: AnswerHeaders = { 'referrer-policy': 'no-referrer' };

/** Whoever may be signed in may be handed over: what an application asks for, it asks at its host. */
const asAnyPage = { name: '_gate', access: { roles: [], providers: [] }, allowedOrigins: [] };

/** Seconds until another try may fare better. */
const retrySeconds = 10;

/** Adds the address of the hand-over. Whoever only looks (HEAD) must not spend a code. */
export const handoverRoutes: PortalRoutes<HandoverParts> = (app, parts, on) => {
  app.head(
    handoverPath,
    on((visit) => {
      const error = new GatewayError('METHOD_NOT_ALLOWED', 'a hand-over is no address to look at');
      const { requestId } = visit.context;
      const answer = { error, reason: 'method-not-allowed', requestId, allow: 'GET, OPTIONS' } as const;
      parts.pages.sendError(visit.request, visit.response, answer);
    }),
  );
  app.get(
    handoverPath,
    on((visit) => {
      const host = parts.origins.furtherAt(visit.context.target);
      return host ? receive(parts, visit, host) : send(parts, visit);
    }),
  );
};

/** The public end. */
async function send(parts: HandoverParts, visit: PortalRequest): Promise<void> {
  const { request, response, context, headers } = visit;
  const nonce = queryValue(request, 'nonce') ?? '';
  const handover = await parts.handovers.find(nonce);
  const host = handover && parts.origins.furtherNamed(handover.host);
  if (!handover || !host || parts.origins.of(context.target) !== parts.origins.publicOrigin)
    return refuse(parts, visit, 'flow-expired', 'no hand-over of this nonce is under way here');
  const asked = { id: context.requestId, method: request.method, headers, signal: context.signal };
  const identity = await parts.authenticator.identify(asked, context.client, context.target, asAnyPage);
  switch (identity.kind) {
    case 'somebody': {
      const { reply } = identity;
      if (handover.want === 'factor' && identity.session && (await isShort(parts, visit, identity.session)))
        return redirect(request, response, `/_gate/factor?${new URLSearchParams({ return: hereOf(visit) })}`, reply);
      if (!isProved(handover, identity)) return redirect(request, response, loginFor(visit, handover), reply);
      const { session, reply: set } = identity.begin ? await identity.begin() : identity;
      if (!session) return redirect(request, response, loginFor(visit, handover), reply);
      const code = await parts.handovers.issue(nonce, handover, session.id);
      const address = `${host.origin}${handoverPath}?${new URLSearchParams({ code })}`;
      return redirect(request, response, address, { ...set, ...untold });
    }
    case 'unfinished':
      return answerStep(parts, visit, await identity.begin(), { headers: identity.reply });
    case 'nobody':
      return askToSignIn(parts, visit, handover, identity.offers);
    case 'refused':
      return refuse(parts, visit, identity.reason, identity.detail);
    case 'unavailable': {
      const error = new GatewayError('PROVIDER_UNAVAILABLE', 'nobody could be asked');
      const answer = { error, reason: identity.reason, requestId: context.requestId, retryAfter: retrySeconds };
      return parts.pages.sendError(request, response, answer);
    }
    default:
      return identity satisfies never;
  }
}

/** Whether somebody has proved who they are since the hand-over began, where it takes that. */
function isProved({ want, beganAt }: Handover, { session, begin }: Somebody): boolean {
  if (want !== 'confirm' && want !== 'switch') return true;
  if (begin) return want === 'confirm';
  return session !== undefined && provedAt(session.proofs) > beganAt;
}

/** Whether the proofs of a session do not come up to what the location asks for that is handed over to. */
async function isShort(parts: HandoverParts, visit: PortalRequest, { proofs }: Session): Promise<boolean> {
  const demand = await demandFor(parts, visit.headers, hereOf(visit));
  return shortfall(proofs, demand, parts.worth, parts.clock.now()) !== undefined;
}

/** As any page asks for a login: by a challenge that browsers answer by themselves, else by the page. */
async function askToSignIn(
  parts: HandoverParts,
  visit: PortalRequest,
  handover: Handover,
  offers: Extract<Awaited<ReturnType<HandoverParts['authenticator']['identify']>>, { kind: 'nobody' }>['offers'],
): Promise<void> {
  const { request, response, headers } = visit;
  const question = withoutRepeatedNegotiate(offers, headers, parts.publicUrl, parts.clock.now());
  const challenge = question.offers.flatMap((offer) => (offer.via === 'header' ? [offer.value] : []));
  const cookie: AnswerHeaders = question.cookie === undefined ? {} : { 'set-cookie': question.cookie };
  if (challenge.length === 0 || handover.want !== undefined)
    return redirect(request, response, loginFor(visit, handover), cookie);
  const notice = noticeIn(handover.notice);
  const wish = { returnTo: hereOf(visit), confirm: false, ...(notice && { notice: { code: notice } }) };
  const page = await loginPage(parts, visit, wish, { status: 401, headers: cookie });
  writeAnswer(request, response, withHeaders(page, { 'www-authenticate': challenge }));
}

/** The login page, which leads back here. */
function loginFor(visit: PortalRequest, { want, notice }: Handover): string {
  const wanted = { confirm: { confirm: '1' }, switch: { switch: '1' }, form: { method: 'form' }, factor: {} };
  const more = { ...(want && wanted[want]), ...(notice !== undefined && { notice }) };
  return `/_gate/login?${new URLSearchParams({ return: hereOf(visit), ...more })}`;
}

function hereOf({ request }: PortalRequest): string {
  return `${handoverPath}?${new URLSearchParams({ nonce: queryValue(request, 'nonce') ?? '' })}`;
}

/** The end at a further host. */
async function receive(parts: HandoverParts, visit: PortalRequest, host: FurtherHost): Promise<void> {
  const { request, response, context, headers } = visit;
  const redeemed = await parts.handovers.redeem(queryValue(request, 'code'), host.name, headers);
  if (redeemed.kind === 'refused') return refuse(parts, visit, redeemed.reason, redeemed.detail);
  const { returnTo } = redeemed;
  const settled = await settle(parts, visit, host, redeemed.session);
  const cookies = [redeemed.cookie, countArrival(parts, visit)];
  if (!settled) {
    const login = `/_gate/login?${new URLSearchParams({ return: returnTo })}`;
    return redirect(request, response, login, { ...untold, 'set-cookie': cookies });
  }
  const { session, token } = settled;
  if (token !== undefined) cookies.push(sessionCookie(parts.publicUrl, token));
  cookies.push(parts.browsers.ownerCookie(ownerOf(session)), ...leftCookies(parts, visit, session));
  await parts.posts.claim(request, returnTo, session);
  parts.signIn.recordHandover(session, host.name, context);
  redirect(request, response, returnTo, { ...untold, 'set-cookie': cookies });
}

/**
 * Sees to it that the browser's cookie here is for the session that was handed over. Undefined where that has ended meanwhile, or
 * where the cookie is shared with the public host and has not come along.
 */
async function settle(
  { authenticator, sessions }: HandoverParts,
  { headers, context }: PortalRequest,
  { tokenHost }: FurtherHost,
  handedOver: string,
): Promise<{ readonly session: Session; readonly token?: string } | undefined> {
  const found = await sessions.hosts.follow(handedOver);
  if (found.kind !== 'live') return undefined;
  const current = await authenticator.visitor(headers, context.target);
  if (current?.id === found.session.id) return { session: current };
  if (tokenHost === undefined) return current && { session: current };
  const issued = await sessions.hosts.issue(found.session.id, tokenHost);
  // What the browser had here before gives way, as it does at a login.
  if (issued && current) await sessions.supersede(current, issued.session);
  return issued;
}

function refuse(parts: HandoverParts, visit: PortalRequest, reason: Reason, detail: string): void {
  const { request, response, context } = visit;
  const { requestId, told } = context;
  if (told) Object.assign(told, { reason, detail });
  parts.signIn.record('failed', context, { reason });
  const answer = { error: new GatewayError('BAD_REQUEST', detail), reason, requestId };
  parts.pages.sendError(request, response, answer, untold);
}
