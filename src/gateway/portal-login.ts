/** The login page and its form: signing in, confirming a password, choosing a new one. */
import type { Request, Response } from 'express';
import type { Session } from '../core/session.ts';
import type { Notice } from '../pages/fields.ts';
import type { Way } from '../pages/login.ts';
import type { ChainOffer, ChainResult } from '../providers/chain.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import { type ReplyHeaders, redirect } from './answers.ts';
import { lastMethod } from './last-method.ts';
import type { FailedLogin } from './password-login.ts';
import {
  type FormFields,
  type PortalContext,
  type PortalParts,
  type PortalRoutes,
  queryValue,
  readForm,
} from './portal.ts';

const purpose = 'login';

/** What the page may be told by its address: what happened before, never what a link from elsewhere wants it to say. */
const calmNotices: ReadonlySet<string> = new Set([
  'session-idle',
  'session-ended',
  'flow-expired',
  'method-failed',
  'not-admitted',
  'unavailable',
] satisfies Notice['code'][]);

/** Adds the addresses of the login. */
export const loginRoutes: PortalRoutes = (app, parts, on) => {
  app.get(
    '/_gate/login',
    on((request, response, context) => showLogin(parts, request, response, context)),
  );
  app.post(
    '/_gate/login',
    on((request, response, context) => takeForm(parts, request, response, context)),
  );
  app.get(
    '/_gate/replay',
    on((request, response, context) => showReplay(parts, request, response, context)),
  );
};

/** What the login page is asked to be: where it leads, for whom, in which manner. */
interface Wish {
  readonly returnTo: string;
  readonly confirm: boolean;
  readonly username?: string;
  readonly notice?: Notice;
}

async function showLogin(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<void> {
  const notice = queryValue(request, 'notice');
  const wish: Wish = {
    returnTo: safeReturnTo(queryValue(request, 'return'), parts.publicUrl),
    confirm: queryValue(request, 'confirm') === '1',
    ...(notice !== undefined && calmNotices.has(notice) && { notice: { code: notice as Notice['code'] } }),
  };
  const session = await parts.identification.visitor(request.headers.cookie);
  const wantsForm = queryValue(request, 'switch') === '1' || wish.confirm;
  if (session && !wantsForm) return redirect(request, response, wish.returnTo);
  const { challenge } = context;
  const status = challenge ? 401 : 200;
  if (!challenge && !wish.notice && queryValue(request, 'method') !== 'form') {
    const way = await onlyWay(parts, request, context);
    if (way !== undefined) return redirect(request, response, startAddress(way, wish));
  }
  await renderLogin(parts, request, response, context, wish, {
    status,
    ...(session && { session }),
    ...(challenge && { headers: challenge }),
  });
}

/** The provider that is followed at once: the configured one, else a federated one that is the only way in. */
async function onlyWay(parts: PortalParts, request: Request, context: PortalContext): Promise<string | undefined> {
  if (parts.defaultMethod !== undefined) return parts.defaultMethod;
  const { offers } = await askForOffers(parts, request, context);
  const [only] = offers;
  return offers.length === 1 && only?.via === 'redirect' ? only.provider : undefined;
}

function askForOffers(parts: PortalParts, request: Request, context: PortalContext): Promise<ChainResult> {
  const attempt = { method: request.method, rawHeaders: request.rawHeaders, signal: context.signal };
  return parts.signIn.run(parts.signIn.attempt('ambient', attempt, context.client, '/_gate/login'));
}

function startAddress(provider: string, { returnTo, confirm }: Wish): string {
  const query = new URLSearchParams({ return: returnTo, ...(confirm && { confirm: '1' }) });
  return `/_gate/start/${encodeURIComponent(provider)}?${query}`;
}

async function takeForm(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<void> {
  const form = await readForm(parts, request, response, context);
  if (!form) return;
  const username = form.get('username') ?? '';
  const session = await parts.identification.visitor(request.headers.cookie);
  const wish: Wish = {
    returnTo: safeReturnTo(form.get('return'), parts.publicUrl),
    confirm: form.get('confirm') === '1' && session !== undefined,
    username,
  };
  const again = (status: number, notice: Notice, headers?: ReplyHeaders): Promise<void> =>
    renderLogin(
      parts,
      request,
      response,
      context,
      { ...wish, notice },
      { status, ...(session && { session }), ...(headers && { headers }) },
    );

  if (!parts.browsers.isOurForm(request.headers, purpose, form.get('form')))
    return again(400, { code: 'flow-expired' });
  const password = form.get('password') ?? '';
  if (username.trim() === '' || password === '') return again(400, { code: 'incomplete' });
  const problem = newPasswordProblem(form);
  if (problem) return renderNewPassword(parts, request, response, context, wish, 'password-must-change', problem);

  const token = parts.identification.tokenIn(request.headers.cookie);
  const newPassword = form.get('newPassword');
  const result = await parts.passwordLogin.check({
    username: wish.confirm && session ? session.assertion.subject : username,
    password,
    client: context.client,
    requestId: context.requestId,
    signal: context.signal,
    ...(newPassword && { newPassword }),
    ...(token && { token }),
    ...(wish.confirm && session && { confirming: session }),
  });
  switch (result.kind) {
    case 'signed-in':
      return redirect(request, response, wish.returnTo, { 'set-cookie': sessionCookie(parts.publicUrl, result.token) });
    case 'new-password':
      return renderNewPassword(
        parts,
        request,
        response,
        context,
        wish,
        result.reason,
        result.isRefused ? 'refused' : undefined,
      );
    case 'failed':
      return again(statusOf(result), noticeOf(result), retryHeaders(result));
    default:
      return result satisfies never;
  }
}

async function renderLogin(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
  wish: Wish,
  answer: { status: number; session?: Session; headers?: ReplyHeaders },
): Promise<void> {
  const chain = await askForOffers(parts, request, context);
  const { hidden, cookie } = guard(parts, request, wish);
  const headers: ReplyHeaders = { ...answer.headers, ...(cookie && { 'set-cookie': cookie }) };
  const shared = {
    action: '/_gate/login',
    ways: waysOf(parts, chain, wish, lastMethod(request.headers.cookie)),
    hidden,
    notice: wish.notice,
    requestId: context.requestId,
  };
  if (wish.confirm && answer.session) {
    const username = answer.session.assertion.subject;
    parts.pages.send(
      request,
      response,
      answer.status,
      { kind: 'step-up', ...shared, username, cancelHref: '/' },
      headers,
    );
  } else {
    parts.pages.send(request, response, answer.status, { kind: 'login', ...shared, username: wish.username }, headers);
  }
}

async function renderNewPassword(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
  wish: Wish,
  reason: 'password-expired' | 'password-must-change',
  problem?: 'mismatch' | 'same' | 'too-short' | 'current-wrong' | 'refused' | 'unavailable',
): Promise<void> {
  const { hidden, cookie } = guard(parts, request, wish);
  const view = {
    kind: 'new-password',
    action: '/_gate/login',
    hidden,
    username: wish.username ?? '',
    reason,
    problem,
    requestId: context.requestId,
  } as const;
  parts.pages.send(request, response, problem ? 400 : 401, view, cookie ? { 'set-cookie': cookie } : {});
}

/** The page between a login and a form that was kept: the user sends it on, or not. */
async function showReplay(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<void> {
  const id = queryValue(request, 'id') ?? '';
  const session = await parts.identification.visitor(request.headers.cookie);
  if (!session)
    return redirect(request, response, `/_gate/login?${new URLSearchParams({ return: `/_gate/replay?id=${id}` })}`);
  const kept = await parts.posts.take(request, id);
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

/** What ties a form to this browser, and the cookie that does so when it is new here. */
function guard(parts: PortalParts, request: Request, wish: Wish): { hidden: Record<string, string>; cookie?: string } {
  const browser = parts.browsers.recognise(request.headers);
  const hidden = {
    form: parts.browsers.token(browser.id, purpose),
    return: wish.returnTo,
    ...(wish.confirm && { confirm: '1' }),
  };
  return { hidden, ...(browser.cookie && { cookie: browser.cookie }) };
}

/** The ways to sign in, in the chain's order, each once. */
function waysOf(parts: PortalParts, { offers }: ChainResult, wish: Wish, last: string | undefined): Way[] {
  const ways: Way[] = [];
  for (const offer of offers) {
    if (offer.via === 'form' && !ways.some(({ kind }) => kind === 'form')) ways.push({ kind: 'form' });
    if (offer.via === 'redirect') ways.push(linkTo(parts, offer, wish, last));
  }
  return ways;
}

function linkTo(parts: PortalParts, { provider }: ChainOffer, wish: Wish, last: string | undefined): Way {
  return { kind: 'link', href: startAddress(provider, wish), name: parts.label(provider), lastUsed: provider === last };
}

function newPasswordProblem(form: FormFields): 'mismatch' | 'same' | undefined {
  const next = form.get('newPassword');
  if (next === undefined) return undefined;
  if (next === '' || next !== form.get('newPasswordAgain')) return 'mismatch';
  return next === form.get('password') ? 'same' : undefined;
}

function statusOf({ code }: FailedLogin): number {
  return { TOO_MANY_FAILURES: 429, PROVIDER_UNAVAILABLE: 503 }[code as string] ?? 401;
}

function noticeOf({ code, retryAfter }: FailedLogin): Notice {
  if (code === 'TOO_MANY_FAILURES') return { code: 'too-many-failures', retryAfterSeconds: retryAfter };
  return { code: code === 'PROVIDER_UNAVAILABLE' ? 'unavailable' : 'login-failed' };
}

function retryHeaders({ retryAfter }: FailedLogin): ReplyHeaders {
  return retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
}
