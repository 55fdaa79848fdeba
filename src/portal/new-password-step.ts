/** The last step of a login whose password has to change: after the factors, so that a leaked old password alone changes nothing. */
import type { PasswordRefusal } from '../core/outcome.ts';
import type { StepContext } from '../login/step-result.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { FormFields, PortalParts, PortalRequest } from './context.ts';
import type { NewPasswordProblem } from './login-page.ts';
import { answerStep, loginAgain, type StepParts, showOver, stepPurpose } from './step-answer.ts';

type NewPasswordParts = StepParts & Pick<PortalParts, 'steps' | 'passwordLogin' | 'provedPasswords'>;

/** The page. */
export async function showNewPassword(
  parts: NewPasswordParts,
  visit: PortalRequest,
  { id, vouched, newPassword, returnTo }: PendingLogin,
  problem?: NewPasswordProblem,
): Promise<void> {
  const { request, response, headers, context } = visit;
  const browser = parts.browsers.find(headers) ?? '';
  const kept = await parts.provedPasswords.find(browser, newPassword?.proof ?? '');
  const view = {
    kind: 'new-password',
    action: '/_gate/factor',
    hidden: { form: parts.browsers.token(browser, stepPurpose(id)), login: id, do: 'new-password' },
    username: newPassword?.username ?? vouched.assertion.subject,
    asksForCurrent: kept === undefined,
    reason: newPassword?.reason === 'password-expired' ? 'password-expired' : 'password-must-change',
    problem,
    restartHref: loginAgain(returnTo),
    requestId: context.requestId,
  } as const;
  parts.pages.send(request, response, problem ? 400 : 200, view);
}

/** Its form. The new password is asked for by the old one, which whoever keeps it judges once more. */
export async function takeNewPassword(
  parts: NewPasswordParts,
  visit: PortalRequest,
  pending: PendingLogin,
  form: FormFields,
  context: StepContext,
): Promise<void> {
  const shown = await parts.steps.show(pending, context);
  const { newPassword: wanted } = pending;
  if (shown.kind !== 'pending' || shown.step.kind !== 'new-password' || !wanted) return answerStep(parts, visit, shown);
  const browser = parts.browsers.find(visit.headers);
  const kept = await parts.provedPasswords.find(browser, wanted.proof ?? '');
  const password = kept?.password.reveal() ?? form.get('password') ?? '';
  const next = form.get('newPassword') ?? '';
  const again = (problem: NewPasswordProblem): Promise<void> => showNewPassword(parts, visit, pending, problem);
  if (password === '') return again('expired');
  if (next === '' || next !== form.get('newPasswordAgain')) return again('mismatch');
  if (next === password) return again('same');
  const { client, requestId, signal } = context;
  const { username } = wanted;
  const wish = { username, password, newPassword: next, client, requestId, signal };
  const result = await parts.passwordLogin.check(wish);
  switch (result.kind) {
    case 'proved':
      if (browser !== undefined && wanted.proof !== undefined)
        await parts.provedPasswords.forget(browser, wanted.proof);
      return answerStep(parts, visit, await parts.steps.complete(pending, result, context));
    case 'new-password':
      return again(result.refusal ?? ('refused' satisfies PasswordRefusal));
    case 'password-refused':
      return again(result.refusal);
    case 'signed-in':
    case 'challenged':
    case 'password-stuck':
      return showOver(parts, visit, { reason: 'password-expired', returnTo: pending.returnTo, cookies: [] });
    case 'failed':
      if (result.code === 'LOGIN_FAILED') return again('expired');
      if (result.code === 'PROVIDER_UNAVAILABLE')
        return answerStep(parts, visit, { kind: 'unavailable', reason: result.reason });
      return showOver(parts, visit, { reason: result.reason, returnTo: pending.returnTo, cookies: [] });
    default:
      return result satisfies never;
  }
}
