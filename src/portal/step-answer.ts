/** What answers each step of a login: the session's cookies and the way on, the page of the next step, or that it is over. */
import type { AnswerHeaders } from '../core/answer.ts';
import { GatewayError } from '../core/errors.ts';
import { ownerOf } from '../core/session.ts';
import type { SessionBegun } from '../login/session-begun.ts';
import { type StepContext, type StepProblem, type StepResult, stepAddress } from '../login/step-result.ts';
import type { Step } from '../login/steps.ts';
import type { FactorName } from '../pages/factor.ts';
import type { FactorOverView } from '../pages/factor-over.ts';
import type { PageView } from '../pages/pages.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { PortalParts, PortalRequest } from './context.ts';
import { leftCookies } from './left-cookies.ts';
import { redirect } from './send-page.ts';
import { overWord, problemOf, statusOf } from './step-problems.ts';
import { choicesOf, type SiteHost } from './tenant-choices.ts';

/** What the answers are made with. */
export type StepParts = Pick<
  PortalParts,
  | 'publicUrl'
  | 'clock'
  | 'pages'
  | 'browsers'
  | 'posts'
  | 'cookies'
  | 'authenticator'
  | 'factors'
  | 'factorRules'
  | 'tenants'
  | 'signIn'
  | 'remembered'
  | 'homeHref'
>;

type Pending = Extract<StepResult, { kind: 'pending' }>;

const retrySeconds = 10;

/** What the tokens of a step's forms are for: they serve no other login, in the same browser either. */
export function stepPurpose(id: string): string {
  return `step ${id}`;
}

/** Whose browser takes a step. */
export function stepContext(parts: Pick<StepParts, 'pages' | 'authenticator'>, visit: PortalRequest): StepContext {
  const { headers, context } = visit;
  const { client, requestId, signal } = context;
  const token = parts.authenticator.tokenIn(headers);
  return { client, requestId, signal, headers, token, language: parts.pages.language(headers) };
}

/** Answers; `more` goes with a session that begins. The next step is shown at its own address, a problem where it arose. */
export async function answerStep(
  parts: StepParts,
  visit: PortalRequest,
  result: StepResult,
  { cookies: more = [], headers = {} }: { readonly cookies?: readonly string[]; readonly headers?: AnswerHeaders } = {},
): Promise<void> {
  const { request, response } = visit;
  switch (result.kind) {
    case 'begun': {
      const { session, returnTo, cookies } = result;
      await parts.posts.claim(request, returnTo, session);
      const set = [...begunCookies(parts, visit, result), ...more, ...cookies];
      return redirect(request, response, returnTo, { ...headers, 'set-cookie': set });
    }
    case 'pending':
      if (result.problem) return showStep(parts, visit, result);
      return redirect(request, response, stepAddress(result), { ...headers, ...cookiesOf(result.cookies) });
    case 'enough':
      return redirect(request, response, result.returnTo, cookiesOf(result.cookies));
    case 'confirm': {
      const back = factorAddress(result.returnTo);
      const login = `/_gate/login?${new URLSearchParams({ return: back, confirm: '1' })}`;
      return redirect(request, response, login, cookiesOf(result.cookies));
    }
    case 'over':
      return showEnd(parts, visit, result);
    case 'unavailable': {
      const error = new GatewayError('PROVIDER_UNAVAILABLE', 'a login could not go on');
      const answer = { error, reason: result.reason, requestId: visit.context.requestId, retryAfter: retrySeconds };
      return parts.pages.sendError(request, response, answer);
    }
    default:
      return result satisfies never;
  }
}

/** The cookies of a session that begins, or goes on under another token. */
export function begunCookies(
  parts: StepParts,
  visit: PortalRequest,
  { session, token }: SessionBegun,
): readonly string[] {
  const owner = parts.browsers.ownerCookie(ownerOf(session));
  return [sessionCookie(parts.publicUrl, token), owner, ...leftCookies(parts, visit, session)];
}

/** Shows the page of a step; `at` is the host that the login leads to. */
export function showStep(parts: StepParts, visit: PortalRequest, result: Pending, at?: SiteHost): void {
  const { pending, step, problem, cookies } = result;
  const view = viewOf(parts, visit, pending, step, problem, at);
  if (view === undefined) {
    showOver(parts, visit, { reason: 'factor-missing', returnTo: pending.returnTo, cookies });
    return;
  }
  const wait = problem?.retryAfter;
  const headers = {
    ...cookiesOf(cookies),
    ...(wait !== undefined && { 'retry-after': String(Math.ceil(wait / 1000)) }),
  };
  parts.pages.send(visit.request, visit.response, statusOf(problem), view, headers);
}

/** Shows that a login is over; to somebody who is signed in by now, that it was no failure. */
export async function showEnd(
  parts: StepParts,
  visit: PortalRequest,
  over: Omit<Extract<StepResult, { kind: 'over' }>, 'kind'>,
): Promise<void> {
  const isDone = overWord(over.reason) === 'expired' && over.isHelped !== true;
  const session = isDone ? await parts.authenticator.visitor(visit.headers, visit.context.target) : undefined;
  showOver(parts, visit, over, session?.assertion.subject);
}

/** Shows that a login is over. */
export function showOver(
  { pages, factorRules, homeHref }: StepParts,
  { request, response, context }: PortalRequest,
  { reason, returnTo, cookies, isHelped = false }: Omit<Extract<StepResult, { kind: 'over' }>, 'kind'>,
  username?: string,
): void {
  const word = isHelped ? 'help' : overWord(reason);
  if (context.told) Object.assign(context.told, { reason });
  const view: FactorOverView = {
    kind: 'factor-over',
    reason: word,
    restartHref: restartOf(word, returnTo, username !== undefined),
    ...((isHelped || ((word === 'missing' || word === 'closed') && factorRules.noFactor === 'help')) && {
      help: factorRules.help,
    }),
    ...(username !== undefined && { signedIn: { username, homeHref } }),
    requestId: context.requestId,
  };
  const status = word === 'expired' ? 410 : word === 'cookies' ? 400 : 403;
  pages.send(request, response, status, view, cookiesOf(cookies));
}

/** Who has signed in by another tab's answer, on the way, goes on by it. */
function restartOf(word: FactorOverView['reason'], returnTo: string, isSignedIn: boolean): string {
  if (word === 'unconfirmed') return factorAddress(returnTo);
  const isLate = word === 'expired' && !isSignedIn;
  return isLate ? `/_gate/login?${new URLSearchParams({ return: returnTo })}` : loginAgain(returnTo);
}

function viewOf(
  parts: StepParts,
  visit: PortalRequest,
  pending: PendingLogin,
  step: Step,
  problem: StepProblem | undefined,
  at: SiteHost | undefined,
): PageView | undefined {
  const { id, onShow, vouched, returnTo, expiresAt } = pending;
  const browser = parts.browsers.find(visit.headers) ?? '';
  const isEnrolling = /enrol/.test(step.kind);
  const shared = {
    action: isEnrolling ? '/_gate/enrol' : '/_gate/factor',
    hidden: { form: parts.browsers.token(browser, stepPurpose(id)), login: id },
    username: vouched.assertion.subject,
    minutesLeft: Math.max(1, Math.ceil((expiresAt - parts.clock.now()) / 60_000)),
    restartHref: loginAgain(returnTo),
    requestId: visit.context.requestId,
    problem: problem && problemOf(problem),
  };
  const nameOf = (name: string): FactorName => {
    const { type = '', label } = parts.factors.find(name) ?? {};
    return { name, type, label };
  };
  switch (step.kind) {
    case 'ask':
      return { kind: 'factor-choice', ...shared, purpose: 'prove', factors: [nameOf(step.factor)] };
    case 'choose':
      return { kind: 'factor-choice', ...shared, purpose: 'prove', factors: step.factors.map(nameOf) };
    case 'enrolment-code':
      return { kind: 'enrolment-code', ...shared };
    case 'begin-enrolment':
      return { kind: 'factor-choice', ...shared, purpose: 'enrol', factors: [nameOf(step.factor)] };
    case 'choose-enrolment':
      return { kind: 'factor-choice', ...shared, purpose: 'enrol', factors: step.factors.map(nameOf) };
    case 'answer': {
      const page = onShow?.page as Extract<PageView, { kind: 'factor' }>['page'];
      const factor = parts.factors.find(step.factor);
      const rememberFor = factor && parts.remembered.offered(factor, visit.context.client);
      return {
        ...{ kind: 'factor', ...shared, factor: nameOf(step.factor), page, hasOthers: step.hasOthers },
        ...(rememberFor !== undefined && { rememberFor }),
      };
    }
    case 'enrol': {
      const page = onShow?.page as Extract<PageView, { kind: 'enrolment' }>['page'];
      return { kind: 'enrolment', ...shared, factor: nameOf(step.factor), page, hasOthers: step.hasOthers };
    }
    case 'tenant':
      return { kind: 'tenant-choice', ...shared, tenants: choicesOf(parts, vouched, at) };
    case 'provider':
    case 'refused':
    case 'confirm':
    case 'new-password':
    case 'admit':
      return undefined;
    default:
      return step satisfies never;
  }
}

function factorAddress(returnTo: string): string {
  return `/_gate/factor?${new URLSearchParams({ return: returnTo })}`;
}

/** Where a login begins anew, whoever is signed in. */
export function loginAgain(returnTo: string): string {
  return `/_gate/login?${new URLSearchParams({ return: returnTo, switch: '1' })}`;
}

function cookiesOf(cookies: readonly string[]): AnswerHeaders {
  return cookies.length === 0 ? {} : { 'set-cookie': cookies };
}
