/** One's own account: a page, and a form that changes the password and ends the other sessions. */
import type { Request, Response } from 'express';
import type { AnswerHeaders } from '../core/answer.ts';
import { GatewayError } from '../core/errors.ts';
import { accountOf, type Session } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import { canChangePassword } from '../login/new-password.ts';
import type { AccountView } from '../pages/account-settings.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import {
  type FormFields,
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  queryValue,
  readForm,
} from './context.ts';
import { changeOwnFactors, hasAskedForFactor, type OwnFactorParts, ownFactors } from './own-factors.ts';
import { isNavigation, redirect, sendJson } from './send-page.ts';
import { ownSessions } from './session-routes.ts';

const purpose = 'account';
const here = '/_gate/account';

type AccountParts = OwnFactorParts &
  Pick<
    PortalParts,
    | 'publicUrl'
    | 'pages'
    | 'browsers'
    | 'signIn'
    | 'authenticator'
    | 'sessions'
    | 'passwordLogin'
    | 'label'
    | 'homeHref'
  >;

/** Adds the address of the account. */
export const accountRoutes: PortalRoutes<AccountParts> = (app, parts, on) => {
  app.get(
    here,
    on((visit) => show(parts, visit)),
  );
  app.post(
    here,
    on((visit) => takeForm(parts, visit)),
  );
};

async function show(parts: AccountParts, visit: PortalRequest): Promise<void> {
  const { request, response, context, headers } = visit;
  const session = await parts.authenticator.visitor(headers, context.target);
  if (!session) return askToSignIn(request, response);
  const ended = endedBefore(parts, visit);
  return render(parts, visit, session, 200, ended === undefined ? undefined : { kind: 'changed', ended });
}

async function render(
  parts: AccountParts,
  visit: PortalRequest,
  session: Session,
  status: number,
  notice: AccountView['notice'],
  more: AnswerHeaders = {},
): Promise<void> {
  const { request, response, context, headers } = visit;
  const browser = parts.browsers.recognise(headers);
  const view: AccountView = {
    kind: 'account',
    action: here,
    hidden: { form: parts.browsers.token(browser.id, purpose) },
    username: session.assertion.subject,
    canChange: canChangePassword(parts.signIn.chain, session),
    method: parts.label(session.provider),
    notice,
    factors: await ownFactors(parts, visit, session),
    sessionsHref: '/_gate/session',
    backHref: parts.homeHref,
    logoutHref: '/_gate/logout',
    requestId: context.requestId,
  };
  const cookie = browser.cookie === undefined ? {} : { 'set-cookie': browser.cookie };
  parts.pages.send(request, response, status, view, { ...more, 'x-request-id': context.requestId, ...cookie });
}

/** What a form holds, before anybody is asked about it. */
type SentForm =
  | { readonly kind: 'unusable'; readonly notice: NonNullable<AccountView['notice']> }
  | { readonly kind: 'wish'; readonly password: string; readonly newPassword: string };

async function takeForm(parts: AccountParts, visit: PortalRequest): Promise<void> {
  const { request, response, context, headers } = visit;
  const form = await readForm(parts, visit);
  if (!form) return;
  const session = await parts.authenticator.visitor(headers, context.target);
  if (!session) return askToSignIn(request, response);
  if (!parts.browsers.isOurForm(headers, purpose, form.get('form'), parts.publicUrl.origin)) {
    const error = new GatewayError('ORIGIN_MISMATCH', 'the form is not from this browser');
    return parts.pages.sendError(request, response, { error, reason: 'origin-mismatch', requestId: context.requestId });
  }
  const change = await changeOwnFactors(parts, visit, session, form);
  if (change === 'last') return render(parts, visit, session, 409, { kind: 'last-factor' });
  if (change === 'done') return;
  if (!canChangePassword(parts.signIn.chain, session)) return render(parts, visit, session, 400, cannot);
  const sent = readSent(form);
  if (sent.kind === 'unusable') return render(parts, visit, session, 400, sent.notice);
  if (await hasAskedForFactor(parts, visit, session)) return;
  return changePassword(parts, visit, session, sent);
}

const cannot = { kind: 'failed', failure: 'not-here' } as const;

function readSent(form: FormFields): SentForm {
  const [password = '', next = ''] = [form.get('password'), form.get('newPassword')];
  const problem = (problem: 'mismatch' | 'same'): SentForm => ({
    kind: 'unusable',
    notice: { kind: 'problem', problem },
  });
  if (password === '') return { kind: 'unusable', notice: { kind: 'failed', failure: 'incomplete' } };
  if (next === '' || next !== form.get('newPasswordAgain')) return problem('mismatch');
  return next === password ? problem('same') : { kind: 'wish', password, newPassword: next };
}

async function changePassword(
  parts: AccountParts,
  visit: PortalRequest,
  session: Session,
  { password, newPassword }: Extract<SentForm, { kind: 'wish' }>,
): Promise<void> {
  const { request, response, context } = visit;
  const result = await parts.passwordLogin.check({
    username: session.assertion.subject,
    ...{ password, newPassword },
    client: context.client,
    requestId: context.requestId,
    signal: context.signal,
    changing: session,
  });
  switch (result.kind) {
    case 'signed-in': {
      const ended = await endOthers(parts, visit, session, result.session);
      const cookie = sessionCookie(parts.publicUrl, result.token);
      return redirect(request, response, changedAddress(parts, visit, ended), { 'set-cookie': cookie });
    }
    case 'password-refused':
      return render(parts, visit, session, 400, { kind: 'problem', problem: result.refusal });
    case 'proved':
    case 'challenged':
    case 'password-stuck':
    case 'new-password':
      return render(parts, visit, session, 400, cannot);
    case 'failed': {
      // The password is another, and the session has ended meanwhile: so do those that began with the old one.
      if (result.reason === 'login-denied') await endOthers(parts, visit, session, session);
      const { retryAfter: retryAfterSeconds } = result;
      const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
      const [status, failure] = failures[result.code];
      return render(parts, visit, session, status, { kind: 'failed', failure, retryAfterSeconds }, headers);
    }
    default:
      return result satisfies never;
  }
}

const failures = {
  LOGIN_FAILED: [401, 'password-wrong'],
  TOO_MANY_FAILURES: [429, 'too-many-failures'],
  PROVIDER_UNAVAILABLE: [503, 'unavailable'],
  ACCESS_DENIED: [403, 'unavailable'],
} as const;

/** Ends whatever began with the old password, but for the session that goes on; how many sessions there were. */
async function endOthers(
  parts: AccountParts,
  { context }: PortalRequest,
  session: Session,
  kept: Session,
): Promise<number> {
  await parts.desk.forgetBrowsers(accountOf(session));
  const others = (await ownSessions(parts, session)).filter(({ id }) => id !== kept.id && id !== session.id);
  const { client, requestId } = context;
  for (const other of others) await parts.signIn.signOut(other, { client, requestId });
  return others.length;
}

/** The page after the change. No link from elsewhere can make it say that there was one. */
function changedAddress({ browsers }: AccountParts, { headers }: PortalRequest, ended: number): string {
  const browser = browsers.find(headers) ?? '';
  const mark = browsers.token(browser, `${purpose} changed ${ended}`);
  return `${here}?${new URLSearchParams({ ended: String(ended), changed: mark })}`;
}

function endedBefore({ browsers }: AccountParts, { request, headers }: PortalRequest): number | undefined {
  const [ended = '', mark] = [queryValue(request, 'ended'), queryValue(request, 'changed')];
  const browser = browsers.find(headers);
  if (browser === undefined || mark === undefined || !/^\d{1,4}$/.test(ended)) return undefined;
  return mark === browsers.token(browser, `${purpose} changed ${Number(ended)}`) ? Number(ended) : undefined;
}

function askToSignIn(request: Request, response: Response): void {
  const login = `/_gate/login?${new URLSearchParams({ return: here })}`;
  if (isNavigation(headOf(request))) redirect(request, response, login);
  else sendJson(request, response, 401, { error: 'login-required', login });
}
