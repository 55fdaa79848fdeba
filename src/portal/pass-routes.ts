/** `/_gate/pass`: a supervisor makes a pass for an agent at the desk. It is shown once, on the answer to the form. */
import { GatewayError } from '../core/errors.ts';
import { accountOf, type Session } from '../core/session.ts';
import { enrolmentCodeDetail, type PassWish } from '../login/pass-desk.ts';
import type { PassView } from '../pages/pass.ts';
import { shortfall } from '../policy/levels.ts';
import {
  type FormFields,
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  readForm,
  refuseVisit,
} from './context.ts';
import { redirect } from './send-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

type PassParts = StepParts & Pick<PortalParts, 'steps' | 'worth' | 'passDesk' | 'recorder' | 'homeHref'>;

const here = '/_gate/pass';
const purpose = 'pass';
/** Whoever makes passes has proved a factor within so many milliseconds: a desk that was left gives none away. */
const demand = { level: 2, maxAge: 10 * 60_000 } as const;

/** Adds the address. */
export const passRoutes: PortalRoutes<PassParts> = (app, parts, on) => {
  app.get(
    here,
    on(async (visit) => {
      const session = await issuerOf(parts, visit);
      if (session) await show(parts, visit, session, 200, undefined);
    }),
  );
  app.post(
    here,
    on((visit) => take(parts, visit)),
  );
};

async function take(parts: PassParts, visit: PortalRequest): Promise<void> {
  const form = await readForm(parts, visit);
  const session = form && (await issuerOf(parts, visit));
  if (!form || !session) return;
  const { browsers, publicUrl } = parts;
  if (!browsers.isOurForm(visit.headers, purpose, form.get('form'), publicUrl.origin))
    return refuseVisit(parts, visit, 'ORIGIN_MISMATCH', 'origin-mismatch', 'the form is not from this browser');
  return make(parts, visit, session, form);
}

async function make(parts: PassParts, visit: PortalRequest, session: Session, form: FormFields): Promise<void> {
  const { context } = visit;
  const username = form.get('user')?.trim() ?? '';
  if (username === '' || username.length > 256) return show(parts, visit, session, 400, { kind: 'refused' });
  const what = wishes.find((wish) => wish === form.get('what')) ?? 'pass';
  const result = await parts.passDesk.issue(session, { username, what }, context.signal);
  const { client, requestId } = context;
  const by = { actor: accountOf(session).subject };
  const detail = what === 'code' && { detail: enrolmentCodeDetail };
  const event = what === 'reset' ? 'factor-reset' : 'pass';
  const record = { event, client, requestId, session: session.id, by, ...detail } as const;
  switch (result.kind) {
    case 'issued': {
      const account = { tenant: session.tenant, subject: result.user };
      parts.recorder.account({ ...record, outcome: 'succeeded', account });
      return show(parts, visit, session, 200, {
        ...{
          kind: 'issued',
          what: what === 'code' ? what : 'pass',
          user: result.user,
          code: result.code,
          uses: result.uses,
        },
        hours: Math.max(1, Math.round(result.valid / 3_600_000)),
      });
    }
    case 'reset': {
      const { user, removed, ended } = result;
      const account = { tenant: session.tenant, subject: user };
      const told = `${removed} enrolments, ${ended} sessions`;
      parts.recorder.account({ ...record, outcome: 'succeeded', account, detail: told });
      return show(parts, visit, session, 200, { kind: 'reset', user });
    }
    case 'refused': {
      const account = result.user === undefined ? {} : { account: { tenant: session.tenant, subject: result.user } };
      const reason = result.why === 'too-many' ? 'too-many-sends' : 'pass-not-allowed';
      parts.recorder.account({ ...record, ...account, outcome: 'failed', reason });
      const kind = result.why === 'not-allowed' ? 'refused' : result.why;
      return show(parts, visit, session, statuses[result.why], { kind });
    }
    case 'unavailable': {
      parts.recorder.account({ ...record, outcome: 'failed', reason: result.reason });
      const error = new GatewayError('PROVIDER_UNAVAILABLE', 'nobody could say who the user is');
      return parts.pages.sendError(visit.request, visit.response, {
        error,
        reason: result.reason,
        requestId,
        retryAfter: 10,
      });
    }
    default:
      return result satisfies never;
  }
}

const wishes: readonly PassWish[] = ['pass', 'code', 'reset'];
const statuses = { 'too-many': 429, 'not-allowed': 403, 'has-factors': 409 } as const;

/** The issuer who asks, with a proof that is young enough; undefined where something else was answered. */
async function issuerOf(parts: PassParts, visit: PortalRequest): Promise<Session | undefined> {
  const { request, response, headers, context } = visit;
  const session = await parts.authenticator.visitor(headers, context.target);
  if (!session) {
    redirect(request, response, `/_gate/login?${new URLSearchParams({ return: here })}`);
    return undefined;
  }
  if (!parts.passDesk.isIssuer(session)) {
    refuseVisit(parts, visit, 'ACCESS_DENIED', 'pass-not-allowed', 'the visitor may make no passes');
    return undefined;
  }
  if (shortfall(session.proofs, demand, parts.worth, parts.clock.now()) === undefined) return session;
  await answerStep(
    parts,
    visit,
    await parts.steps.beginStepUp({ session, demand, returnTo: here }, stepContext(parts, visit)),
  );
  return undefined;
}

async function show(
  parts: PassParts,
  { request, response, headers, context }: PortalRequest,
  session: Session,
  status: number,
  result: PassView['result'],
): Promise<void> {
  const browser = parts.browsers.recognise(headers);
  const view: PassView = {
    kind: 'pass',
    action: here,
    hidden: { form: parts.browsers.token(browser.id, purpose) },
    username: session.assertion.subject,
    result,
    makesCodes: await parts.passDesk.makesCodes(),
    backHref: parts.homeHref,
    requestId: context.requestId,
  };
  const cookie = browser.cookie === undefined ? {} : { 'set-cookie': browser.cookie };
  parts.pages.send(request, response, status, view, { 'x-request-id': context.requestId, ...cookie });
}
