/** The addresses of the login: the page, its form, and the way back to a form that was kept. How they look is `login-page.ts`'s. */

import type { AnswerHeaders } from '../core/answer.ts';
import { ownerOf } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import type { FailedLogin } from '../login/password-form.ts';
import type { Notice } from '../pages/fields.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import {
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  queryValue,
  readForm,
  refuseVisit,
} from './context.ts';
import { noteForeignForm } from './foreign-form.ts';
import { leftCookies } from './left-cookies.ts';
import { proofIn, readSent, type SentForm } from './login-form.ts';
import {
  type LoginPageParts,
  noticeIn,
  onlyWay,
  purpose,
  renderLogin,
  renderNewPassword,
  startAddress,
  type Wish,
} from './login-page.ts';
import { askForFactors, keepPassword, type Login } from './password-due.ts';
import { askProviderChallenge, takeAnswer } from './provider-challenge.ts';
import { type LoopParts, redirectInLoop } from './redirect-loop.ts';
import { redirect } from './send-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

/** Seconds until another try may fare better, after a way to sign in was out of reach. */
const unavailableRetrySeconds = 10;

type LoginParts = LoginPageParts &
  LoopParts &
  StepParts &
  Pick<PortalParts, 'passwordLogin' | 'provedPasswords' | 'steps' | 'challenges'>;

/** Adds the addresses of the login. */
export const loginRoutes: PortalRoutes<LoginParts> = (app, parts, on) => {
  app.get(
    '/_gate/login',
    on((visit) => showLogin(parts, visit)),
  );
  app.post(
    '/_gate/login',
    on((visit) => takeForm(parts, visit)),
  );
  app.get(
    '/_gate/replay',
    on((visit) => showReplay(parts, visit)),
  );
};

async function showLogin(parts: LoginParts, visit: PortalRequest): Promise<void> {
  const { request, response } = visit;
  const notice = noticeIn(queryValue(request, 'notice'));
  const wish: Wish = {
    returnTo: safeReturnTo(queryValue(request, 'return'), parts.publicUrl),
    confirm: queryValue(request, 'confirm') === '1',
    isSwitch: queryValue(request, 'switch') === '1',
    ...(notice && { notice: { code: notice } }),
  };
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  const wantsForm = wish.isSwitch === true || wish.confirm;
  if (session && !wantsForm) return redirectInLoop(parts, visit, wish.returnTo, session);
  const isOutage = notice === 'method-unavailable';
  // Of a form that is kept, the page after the login speaks too.
  const isSilent = !wish.notice || wish.notice.code === 'form-kept';
  if (isSilent && queryValue(request, 'method') !== 'form') {
    const way = await onlyWay(parts, visit);
    // Who is signed in is led on only to prove it where they did before; to be somebody else, they choose.
    if (way !== undefined && (!session || (wish.confirm && way === session.provider)))
      return redirect(request, response, startAddress(way, wish));
  }
  await renderLogin(parts, visit, wish, {
    status: isOutage ? 503 : 200,
    ...(session && { session }),
    ...(isOutage && { headers: { 'retry-after': String(unavailableRetrySeconds) } }),
  });
}

async function takeForm(parts: LoginParts, visit: PortalRequest): Promise<void> {
  const { request } = visit;
  const form = await readForm(parts, visit);
  if (!form) return;
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  const isOurs = parts.browsers.isOurForm(headOf(request), purpose, form.get('form'), parts.publicUrl.origin);
  const proof = isOurs ? await proofIn(parts, visit, form) : undefined;
  const wish: Wish = {
    returnTo: safeReturnTo(form.get('return'), parts.publicUrl),
    confirm: form.get('confirm') === '1' && session !== undefined,
    isSwitch: session !== undefined,
    username: proof?.username ?? form.get('username') ?? '',
  };
  const login: Login = { wish, session, proof };
  if (isOurs && form.has('challenge')) {
    const answer = await takeAnswer(parts, visit, login, form);
    return answer && logIn(parts, visit, { ...login, wish: answer.wish }, answer.sent);
  }
  const sent = readSent(form, isOurs, proof);
  switch (sent.kind) {
    case 'foreign':
      return renderAgain(parts, visit, login, 400, { code: noteForeignForm(parts, visit, wish.username ?? '') });
    case 'incomplete':
      return renderAgain(parts, visit, login, 400, { code: 'incomplete' });
    case 'unusable':
      return renderNewPassword(parts, visit, wish, { ...sent, proof: proof?.id });
    case 'credentials':
      return logIn(parts, visit, login, sent);
    default:
      return sent satisfies never;
  }
}

async function logIn(
  parts: LoginParts,
  visit: PortalRequest,
  login: Login,
  { password, newPassword, answering }: Extract<SentForm, { kind: 'credentials' }>,
): Promise<void> {
  const { request, response, context } = visit;
  const { wish, session, proof } = login;
  const browser = parts.browsers.find(headOf(request));
  const confirming = wish.confirm ? session : undefined;
  const username = confirming?.assertion.subject ?? wish.username ?? '';
  const { client, requestId, signal } = context;
  const form = {
    username,
    password,
    client,
    requestId,
    signal,
    ...(confirming && { confirming }),
    ...(answering && { answering }),
  };
  // Where there are factors, nothing is changed before it is known whether one comes first.
  const isHeldBack = parts.factors.all.length > 0 && newPassword !== undefined;
  const judged = isHeldBack ? await parts.passwordLogin.check(form) : undefined;
  if (judged && (await askForFactors(parts, visit, login, judged, password))) return;
  const result =
    judged && judged.kind !== 'new-password'
      ? judged
      : await parts.passwordLogin.check({ ...form, ...(newPassword !== undefined && { newPassword }) });
  if (!judged && (await askForFactors(parts, visit, login, result, password))) return;
  if (browser !== undefined && proof && result.kind !== 'new-password')
    await parts.provedPasswords.forget(browser, proof.id);
  switch (result.kind) {
    case 'signed-in': {
      await parts.posts.claim(request, wish.returnTo, result.session);
      const left = leftCookies(parts, visit, result.session);
      const owner = parts.browsers.ownerCookie(ownerOf(result.session));
      const cookies = [sessionCookie(parts.publicUrl, result.token), owner, ...left];
      return redirect(request, response, wish.returnTo, { 'set-cookie': cookies });
    }
    case 'proved': {
      const { vouched, chain } = result;
      const first = { vouched, chain, returnTo: wish.returnTo, isPosted: true };
      return answerStep(parts, visit, await parts.steps.begin(first, stepContext(parts, visit)));
    }
    case 'challenged':
      return askProviderChallenge(parts, visit, wish, { ...result, username });
    case 'new-password': {
      const kept = await keepPassword(parts, visit, login, { username, password });
      const { reason, refusal } = result;
      return renderNewPassword(parts, visit, { ...wish, username }, { reason, problem: refusal, proof: kept });
    }
    case 'password-refused':
    case 'password-stuck':
      return renderAgain(parts, visit, login, 401, { code: 'password-stuck' });
    case 'failed': {
      if (result.code === 'ACCESS_DENIED')
        return refuseVisit(parts, visit, result.code, result.reason, 'the tenant cannot be told');
      const { status, notice } = answerTo(result, result.code);
      return renderAgain(parts, visit, login, status, notice, retryHeaders(result));
    }
    default:
      return result satisfies never;
  }
}

function renderAgain(
  parts: LoginParts,
  visit: PortalRequest,
  { wish, session }: Login,
  status: number,
  notice: Notice,
  headers: AnswerHeaders = {},
): Promise<void> {
  return renderLogin(parts, visit, { ...wish, notice }, { status, headers, ...(session && { session }) });
}

/** Of failures those that the login page itself tells. */
type NoticedCode = Exclude<FailedLogin['code'], 'ACCESS_DENIED'>;

/** The status of a failure, and what the page says. */
function answerTo({ retryAfter, isOffline }: FailedLogin, code: NoticedCode): { status: number; notice: Notice } {
  switch (code) {
    case 'LOGIN_FAILED':
      return { status: 401, notice: { code: 'login-failed' } };
    case 'TOO_MANY_FAILURES':
      return { status: 429, notice: { code: 'too-many-failures', retryAfterSeconds: retryAfter } };
    case 'PROVIDER_UNAVAILABLE':
      return { status: 503, notice: { code: isOffline ? 'offline-failed' : 'unavailable' } };
    default:
      return code satisfies never;
  }
}

function retryHeaders({ retryAfter }: FailedLogin): AnswerHeaders {
  return retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
}

/** The page between a login and a form that was kept: the user sends it on, or not. */
async function showReplay(parts: LoginParts, visit: PortalRequest): Promise<void> {
  const { request, response, context } = visit;
  const id = queryValue(request, 'id') ?? '';
  const session = await parts.authenticator.visitor(headOf(request), visit.context.target);
  if (!session)
    return redirect(
      request,
      response,
      `/_gate/login?${new URLSearchParams({ return: `/_gate/replay?id=${id}&opened=1` })}`,
    );
  const kept = await parts.posts.take(request, id, session);
  if (!kept)
    return parts.pages.send(request, response, 410, {
      kind: 'not-sent',
      reason: 'expired',
      openHref: '/',
      signIn: false,
      requestId: context.requestId,
    });
  parts.pages.send(request, response, 200, {
    kind: 'replay',
    action: kept.action,
    fields: kept.fields,
    discardHref: '/',
  });
}
