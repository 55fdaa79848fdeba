/**
 * The steps of a login after the first proof: `/_gate/factor` asks for factors, `/_gate/enrol` sets one up. Both post to one
 * dispatcher and come back from it; which of them is shown follows from the step, not from the address.
 */
import { type StepContext, type StepResult, stepAddress } from '../login/step-result.ts';
import { defaultPort } from '../routing/host.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import { handoverPath } from './addresses.ts';
import {
  type FormFields,
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  queryValue,
  readForm,
} from './context.ts';
import { showNewPassword, takeNewPassword } from './new-password-step.ts';
import { redirect } from './send-page.ts';
import { answerStep, showEnd, showStep, stepContext, stepPurpose } from './step-answer.ts';
import { beginStepUp, type StepUpParts } from './step-up.ts';

type FactorParts = StepUpParts & Pick<PortalParts, 'passwordLogin' | 'provedPasswords' | 'handovers' | 'origins'>;

/** Adds the addresses. */
export const factorRoutes: PortalRoutes<FactorParts> = (app, parts, on) => {
  for (const address of ['/_gate/factor', '/_gate/enrol']) {
    app.get(
      address,
      on((visit) => show(parts, visit)),
    );
    app.post(
      address,
      on((visit) => take(parts, visit)),
    );
  }
};

async function show(parts: FactorParts, visit: PortalRequest): Promise<void> {
  const context = stepContext(parts, visit);
  const id = queryValue(visit.request, 'login');
  if (id === undefined) return beginStepUp(parts, visit);
  const pending = await parts.steps.find(id, context);
  if (!pending) return gone(parts, visit);
  const result = await parts.steps.show(pending, context);
  if (result.kind !== 'pending') return answerStep(parts, visit, result);
  const address = stepAddress(result);
  const { path, query } = visit.context.target;
  if (path + query !== address) return redirect(visit.request, visit.response, address);
  return result.step.kind === 'new-password'
    ? showNewPassword(parts, visit, pending)
    : showStep(parts, visit, result, await hostOf(parts, pending));
}

async function take(parts: FactorParts, visit: PortalRequest): Promise<void> {
  const form = await readForm(parts, visit);
  if (!form) return;
  const context = stepContext(parts, visit);
  const id = form.get('login') ?? '';
  const isOurs = parts.browsers.isOurForm(visit.headers, stepPurpose(id), form.get('form'), parts.publicUrl.origin);
  const pending = isOurs ? await parts.steps.find(id, context) : undefined;
  if (!pending) return gone(parts, visit);
  if (form.get('do') === 'new-password') return takeNewPassword(parts, visit, pending, form, context);
  return answerStep(parts, visit, await act(parts.steps, pending, form, context));
}

function act(
  steps: FactorParts['steps'],
  pending: PendingLogin,
  form: FormFields,
  context: StepContext,
): Promise<StepResult> {
  switch (form.get('do')) {
    case 'answer':
      return steps.answer(pending, form, context);
    case 'choose':
      return steps.choose(pending, form.get('factor'), context);
    case 'tenant':
      return steps.chooseTenant(pending, form.get('tenant') ?? '', context);
    case 'resend':
      return steps.resend(pending, context);
    default:
      return steps.show(pending, context);
  }
}

/** The host to which a login leads, where it has begun at another than ours. */
async function hostOf({ handovers, origins }: FactorParts, { returnTo }: PendingLogin) {
  const [path = '', query = ''] = returnTo.split('?', 2);
  const nonce = path === handoverPath ? (new URLSearchParams(query).get('nonce') ?? undefined) : undefined;
  const handover = nonce === undefined ? undefined : await handovers.find(nonce);
  const origin = handover && origins.furtherNamed(handover.host)?.origin;
  if (origin === undefined) return undefined;
  const { hostname: host, port, protocol } = new URL(origin);
  return { host, port: port || defaultPort(protocol) };
}

/** No login of this browser: another one's, or one that is over; or a browser that keeps no cookies. */
function gone(parts: FactorParts, visit: PortalRequest): Promise<void> {
  const isBare = visit.request.method === 'POST' && parts.browsers.find(visit.headers) === undefined;
  const reason = isBare ? 'cookie-missing' : 'step-foreign';
  return showEnd(parts, visit, { reason, returnTo: '/', cookies: [] });
}
