/** The addresses of the login: the page, its form, and the way back to a form that was kept. How they look is `login-page.ts`'s. */
import type { Notice } from '../../pages/fields.ts';
import { safeReturnTo } from '../../routing/return-to.ts';
import { sessionCookie } from '../../sessions/cookie.ts';
import { type ReplyHeaders, redirect } from '../answers.ts';
import type { FailedLogin } from '../login/password-login.ts';
import { sendBack } from './circles.ts';
import { onlyWay, purpose, renderLogin, renderNewPassword, startAddress, type Wish } from './login-page.ts';
import { type FormFields, type PortalParts, type PortalRoutes, queryValue, readForm, type Visit } from './visit.ts';

/** What the page may be told by its address: what happened before, never what a link from elsewhere wants it to say. */
const calmNotices: ReadonlySet<string> = new Set([
  'session-idle',
  'session-ended',
  'form-kept',
  'flow-expired',
  'method-failed',
  'not-admitted',
  'unavailable',
] satisfies Notice['code'][]);

/** Adds the addresses of the login. */
export const loginRoutes: PortalRoutes = (app, parts, on) => {
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

async function showLogin(parts: PortalParts, visit: Visit): Promise<void> {
  const { request, response, context } = visit;
  const notice = queryValue(request, 'notice');
  const wish: Wish = {
    returnTo: safeReturnTo(queryValue(request, 'return'), parts.publicUrl),
    confirm: queryValue(request, 'confirm') === '1',
    ...(notice !== undefined && calmNotices.has(notice) && { notice: { code: notice as Notice['code'] } }),
  };
  const session = await parts.identification.visitor(request.headers.cookie);
  const wantsForm = queryValue(request, 'switch') === '1' || wish.confirm;
  if (session && !wantsForm) return sendBack(parts, visit, wish.returnTo, session);
  const { challenge } = context;
  const status = challenge ? 401 : 200;
  // Of a form that is kept, the page after the login speaks too.
  const isSilent = !wish.notice || wish.notice.code === 'form-kept';
  if (!challenge && isSilent && queryValue(request, 'method') !== 'form') {
    const way = await onlyWay(parts, visit);
    // Who is signed in is led on only to prove it where they did before; to be somebody else, they choose.
    if (way !== undefined && (!session || (wish.confirm && way === session.provider)))
      return redirect(request, response, startAddress(way, wish));
  }
  await renderLogin(parts, visit, wish, {
    status,
    ...(session && { session }),
    ...(challenge && { headers: challenge }),
  });
}

async function takeForm(parts: PortalParts, visit: Visit): Promise<void> {
  const { request, response, context } = visit;
  const form = await readForm(parts, visit);
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
      visit,
      { ...wish, notice },
      { status, ...(session && { session }), ...(headers && { headers }) },
    );

  if (!parts.browsers.isOurForm(request.headers, purpose, form.get('form')))
    return again(400, { code: 'flow-expired' });
  const password = form.get('password') ?? '';
  if (username.trim() === '' || password === '') return again(400, { code: 'incomplete' });
  const problem = newPasswordProblem(form);
  if (problem) return renderNewPassword(parts, visit, wish, 'password-must-change', problem);

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
      return renderNewPassword(parts, visit, wish, result.reason, result.isRefused ? 'refused' : undefined);
    case 'failed':
      return again(statusOf(result), noticeOf(result), retryHeaders(result));
    default:
      return result satisfies never;
  }
}

/** The page between a login and a form that was kept: the user sends it on, or not. */
async function showReplay(parts: PortalParts, visit: Visit): Promise<void> {
  const { request, response, context } = visit;
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
