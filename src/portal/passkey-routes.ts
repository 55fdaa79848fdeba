/**
 * Signing in with a passkey alone: `/_gate/passkey` asks for it, and takes the answer. Whoever is known by it goes on as after any other
 * first proof.
 */

import { isOfNoTenant } from '../core/reason.ts';
import { headOf } from '../edge/head-of.ts';
import type { PasskeyFailure } from '../login/passkey-login.ts';
import type { PasskeyView } from '../pages/passkey.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { passkeyPath } from './addresses.ts';
import {
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  queryValue,
  readForm,
  refuseVisit,
} from './context.ts';
import { noteForeignForm } from './foreign-form.ts';
import { type LoopParts, redirectInLoop } from './redirect-loop.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

type PasskeyParts = LoopParts & StepParts & Pick<PortalParts, 'passkeys' | 'steps'>;

/** Where a login leads, and whether somebody else than whoever is signed in is to sign in. */
interface Wish {
  readonly returnTo: string;
  readonly isSwitch: boolean;
}

type Problem = Pick<PasskeyView, 'problem' | 'retryAfterSeconds'> & { readonly status: number };

/** What the tokens of its form are for. */
const purpose = 'passkey';
const retrySeconds = 10;

/** Adds the address. */
export const passkeyRoutes: PortalRoutes<PasskeyParts> = (app, parts, on) => {
  app.get(
    passkeyPath,
    on((visit) => show(parts, visit)),
  );
  app.post(
    passkeyPath,
    on((visit) => take(parts, visit)),
  );
};

async function show(parts: PasskeyParts, visit: PortalRequest): Promise<void> {
  const wish = {
    returnTo: safeReturnTo(queryValue(visit.request, 'return'), parts.publicUrl),
    isSwitch: queryValue(visit.request, 'switch') === '1',
  };
  if (!(await isSignedIn(parts, visit, wish))) await ask(parts, visit, wish);
}

async function take(parts: PasskeyParts, visit: PortalRequest): Promise<void> {
  const { headers, context } = visit;
  const form = await readForm(parts, visit);
  if (!form) return;
  const wish = { returnTo: safeReturnTo(form.get('return'), parts.publicUrl), isSwitch: form.get('switch') === '1' };
  // A form that was sent twice comes back to what the first one has begun.
  if (await isSignedIn(parts, visit, wish)) return;
  const browser = parts.browsers.find(headers);
  const isOurs = parts.browsers.isOurForm(headers, purpose, form.get('form'), parts.publicUrl.origin);
  if (!isOurs || browser === undefined) {
    const code = noteForeignForm(parts, visit, '');
    return ask(parts, visit, wish, { status: 400, problem: code === 'cookie-missing' ? code : 'expired' });
  }
  const result = await parts.passkeys.prove({ fields: form, browser, context });
  if (result.kind !== 'proved') {
    if (result.kind === 'rejected' && isOfNoTenant(result.reason))
      return refuseVisit(parts, visit, 'ACCESS_DENIED', result.reason, 'the tenant cannot be told');
    return ask(parts, visit, wish, problemOf(result));
  }
  const { vouched, proof } = result;
  const first = { vouched, proof, returnTo: wish.returnTo, isPosted: true };
  return answerStep(parts, visit, await parts.steps.begin(first, stepContext(parts, visit)));
}

/** Whoever is signed in already goes on, unless somebody else is to sign in. */
async function isSignedIn(parts: PasskeyParts, visit: PortalRequest, { returnTo, isSwitch }: Wish): Promise<boolean> {
  const session = isSwitch ? undefined : await parts.authenticator.visitor(headOf(visit.request), visit.context.target);
  if (session) await redirectInLoop(parts, visit, returnTo, session);
  return session !== undefined;
}

async function ask(
  { passkeys, browsers, pages }: PasskeyParts,
  visit: PortalRequest,
  { returnTo, isSwitch }: Wish,
  { status, ...problem }: Problem = { status: 200 },
): Promise<void> {
  const { request, response, headers, context } = visit;
  const browser = browsers.recognise(headers);
  const question = await passkeys.ask(browser.id);
  if (!question) return refuseVisit({ pages }, visit, 'NOT_FOUND', 'no-route', 'no login begins with a passkey here');
  const aim = { return: returnTo, ...(isSwitch && { switch: '1' }) };
  const wait = problem.retryAfterSeconds;
  const view: PasskeyView = {
    kind: 'passkey',
    action: passkeyPath,
    hidden: { form: browsers.token(browser.id, purpose), question: question.sealed, ...aim },
    page: question.page,
    othersHref: `/_gate/login?${new URLSearchParams({ ...aim, method: 'form' })}`,
    ...problem,
    requestId: context.requestId,
  };
  pages.send(request, response, status, view, {
    ...(browser.cookie !== undefined && { 'set-cookie': browser.cookie }),
    ...(wait !== undefined && { 'retry-after': String(wait) }),
  });
}

/** What the page says. Of an account it says nothing before the key was right. */
function problemOf(failure: PasskeyFailure): Problem {
  switch (failure.kind) {
    case 'expired':
      return { status: 400, problem: 'expired' };
    case 'locked':
      return { status: 429, problem: 'too-many-failures', retryAfterSeconds: failure.retryAfter };
    case 'unavailable':
      return { status: 503, problem: 'unavailable', retryAfterSeconds: retrySeconds };
    case 'rejected':
      break;
    default:
      return failure satisfies never;
  }
  switch (failure.reason) {
    case 'key-foreign':
    case 'key-counter':
    case 'code-replayed':
      return { status: 401, problem: 'foreign' };
    case 'user-not-verified':
      return { status: 401, problem: 'not-verified' };
    case 'password-must-change':
      return { status: 403, problem: 'password-due' };
    case 'provider-gone':
      return { status: 403, problem: 'elsewhere' };
    default:
      return { status: 403, problem: 'ended' };
  }
}
