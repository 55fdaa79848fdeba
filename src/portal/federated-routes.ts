/** The ways to an identity provider and back. */

import type { Request } from 'express';
import type { Outcome } from '../core/outcome.ts';
import type { Level } from '../core/proof.ts';
import { isOfNoTenant, type Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import type { FlowState } from '../login/flow-state.ts';
import type { Flow } from '../login/flows.ts';
import { shortfall } from '../policy/levels.ts';
import { attemptOne, type ChainLink, type ChainResult } from '../providers/chain.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import {
  findLink,
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  queryValue,
  refuseVisit,
} from './context.ts';
import { depart, levelToAsk } from './departure.ts';
import { lastMethodCookie } from './last-method.ts';
import { countArrival, endLoop, showLoop } from './redirect-loop.ts';
import { redirect } from './send-page.ts';
import { answerStep, begunCookies, stepContext } from './step-answer.ts';
import { type StepUpParts, stepUpHere } from './step-up.ts';

type FederatedParts = StepUpParts & Pick<PortalParts, 'door'>;

/** Adds the addresses of federated providers. */
export const federatedRoutes: PortalRoutes<FederatedParts> = (app, parts, on) => {
  const named = (handler: (link: ChainLink, visit: PortalRequest) => Promise<void>) =>
    on(async (visit) => {
      const link = findLink(parts, visit);
      if (link) await handler(link, visit);
    });
  app.get(
    '/_gate/start/:provider',
    named((link, visit) => start(parts, link, visit)),
  );
  app.get(
    '/_gate/callback/:provider',
    named((link, visit) => comeBack(parts, link, visit)),
  );
};

/** What a login is for. */
interface Aim {
  readonly returnTo: string;
  /** Somebody signed in proves who they are once more. */
  readonly confirm: boolean;
}

const aimOf = ({ returnTo, confirming }: Flow): Aim => ({ returnTo, confirm: confirming !== undefined });

/** Who they are is beyond doubt; another try brings the same. */
const notAdmitted: ReadonlySet<Reason> = new Set<Reason>(['not-in-directory', 'unknown-user', 'user-reserved']);

/** What the address of a start asks for. */
interface StartWish extends Aim {
  /** The user has clicked on this provider; else they were led here. */
  readonly chosen: boolean;
  /** How often a login that had been forgotten has begun anew. */
  readonly restarts: number;
}

function startWish(request: Request, publicUrl: URL): StartWish {
  return {
    returnTo: safeReturnTo(queryValue(request, 'return'), publicUrl),
    confirm: queryValue(request, 'confirm') === '1',
    chosen: queryValue(request, 'chosen') === '1',
    restarts: Number(/^[1-9]$/.exec(queryValue(request, 'again') ?? '')?.[0] ?? 0),
  };
}

async function start(parts: FederatedParts, link: ChainLink, visit: PortalRequest): Promise<void> {
  const { request, response, context } = visit;
  const wish = startWish(request, parts.publicUrl);
  const browser = parts.browsers.recognise(headOf(request));
  const { address } = context.client;
  if (parts.flows.isCircle(wish.restarts) || (await parts.flows.isLooping(browser.id, address)))
    return showLoop(parts, visit, wish.returnTo);
  const visitor = await parts.authenticator.visitor(headOf(request), visit.context.target);
  const confirming = wish.confirm ? visitor : undefined;
  if (!confirming && !wish.chosen) {
    // Another tab has signed in meanwhile.
    if (visitor && wish.restarts > 0) return redirect(request, response, wish.returnTo);
    if (await endLoop(parts, visit, wish.returnTo, visitor)) return;
  }
  const level = confirming ? undefined : levelToAsk(link, parts.door.leastLevel(link.name, context.client));
  const failed = await depart(parts, link, visit, {
    ...{ ...wish, confirming, browser, level },
    ...(level !== undefined && { asked: 'level' as const }),
  });
  if (failed) fail(parts, link, visit, failed, { ...wish, confirm: confirming !== undefined });
}

async function comeBack(parts: FederatedParts, link: ChainLink, visit: PortalRequest): Promise<void> {
  const { request, context } = visit;
  const query = new URL(request.url, parts.publicUrl).searchParams;
  const names = [...query.keys()];
  if (new Set(names).size !== names.length)
    return refuseVisit(parts, visit, 'BAD_REQUEST', 'ambiguous-target', 'a parameter of the callback stands twice');
  const browser = parts.browsers.find(headOf(request));
  const name = parts.flowStates.read(query.get('state') ?? query.get('flow') ?? undefined);
  if (name.kind === 'malformed')
    return refusePlanted(parts, link, visit, 'the callback names no login that could be ours');
  const flow = await parts.flows.take(browser, name);
  if (!flow) return beginAnew(parts, link, visit, name, browser);
  // Mix-up (RFC 9207): one identity provider's answer at the address of another.
  if (flow.provider !== link.name) return refusePlanted(parts, link, visit, 'the login was begun at another provider');
  const plain = { headers: headOf(request), signal: context.signal };
  const attempt = parts.signIn.attempt('callback', plain, context.client, context.target.path + context.target.query);
  const result = await attemptOne(link, { ...attempt, state: flow.state }, parts.log);
  const { outcome } = result;
  if (outcome.kind === 'authenticated') return finish(parts, link, visit, { outcome, result, flow, browser });
  const isUnmet = outcome.kind === 'rejected' && outcome.reason === 'level-too-low';
  // Whom the issuer cannot raise may still have a factor here.
  if (isUnmet && flow.asked === 'level') return again(parts, link, visit, { flow, asked: 'plain' });
  await endFlow(parts, link, visit, result, flow);
}

/** Back without a login under way in this browser: no session, whatever the address carries, and at most a login from its start. */
async function beginAnew(
  parts: FederatedParts,
  link: ChainLink,
  visit: PortalRequest,
  name: FlowState,
  browser: string | undefined,
): Promise<void> {
  const { request, response, context } = visit;
  const isOwn = name.kind === 'ours' && browser !== undefined && name.browser === parts.flowStates.markOf(browser);
  const isPlanted = name.kind === 'ours' && browser !== undefined && !isOwn;
  if (isPlanted) return refusePlanted(parts, link, visit, 'the login was begun by another browser');
  const reason: Reason = browser === undefined ? 'flow-foreign' : 'flow-expired';
  parts.signIn.record('failed', context, { provider: link.name, reason });
  const returnTo = safeReturnTo(isOwn ? name.returnTo : undefined, parts.publicUrl);
  const query = new URLSearchParams({
    again: String(name.restarts + 1),
    ...(returnTo !== '/' && { return: returnTo }),
  });
  redirect(request, response, `/_gate/start/${encodeURIComponent(link.name)}?${query}`);
}

/** Somebody else's callback: nobody here has asked for it. */
function refusePlanted(parts: FederatedParts, link: ChainLink, visit: PortalRequest, detail: string): void {
  parts.signIn.record('failed', visit.context, { provider: link.name, reason: 'flow-foreign' });
  refuseVisit(parts, visit, 'BAD_REQUEST', 'flow-foreign', detail);
}

async function finish(
  parts: FederatedParts,
  link: ChainLink,
  visit: PortalRequest,
  done: {
    outcome: Extract<Outcome, { kind: 'authenticated' }>;
    result: ChainResult;
    flow: Flow;
    browser: string | undefined;
  },
): Promise<void> {
  const { context } = visit;
  const { outcome, result, flow, browser } = done;
  const denied = await parts.signIn.refuse(outcome, link.name, context.signal);
  const refused = (denied: Outcome) => ({ ...result, outcome: denied });
  if (denied) return endFlow(parts, link, visit, refused(denied), flow);
  if (browser !== undefined && !flow.confirming) await parts.flows.forgetRedirects(browser);
  const more = [lastMethodCookie(parts.publicUrl, link.name), countArrival(parts, visit)];
  if (!flow.confirming) {
    const vouched = parts.signIn.vouched(outcome, link.name);
    const level = flow.asked ? undefined : levelToAsk(link, parts.door.levelFor(vouched, context.client));
    if (level !== undefined && !parts.steps.isEnough(vouched, context))
      return again(parts, link, visit, { flow, level, asked: 'level' });
    const first = { vouched, chain: result, isPosted: false };
    const step = await parts.steps.begin({ ...first, returnTo: flow.returnTo }, stepContext(parts, visit));
    return answerStep(parts, visit, step, { cookies: more });
  }
  const { demand, returnTo } = flow;
  const lackOf = ({ proofs }: Session) => demand && shortfall(proofs, demand, parts.worth, parts.clock.now());
  const terms = { ...context, chain: result, lackOf };
  const begun = await parts.signIn.confirm(flow.confirming, outcome, link.name, terms);
  if (!begun) return endFlow(parts, link, visit, refused({ kind: 'rejected', reason: 'login-denied' }), flow);
  if (browser !== undefined) await parts.flows.forgetRedirects(browser);
  const { session } = begun;
  const cookies = [...more, ...begunCookies(parts, visit, begun)];
  if (demand && lackOf(session) !== undefined)
    return stepUpHere(parts, visit, { session, demand, returnTo }, { reason: 'level-too-low', cookies });
  return answerStep(parts, visit, { kind: 'begun', ...begun, returnTo, cookies: [] }, { cookies: more });
}

/** Once more to the issuer within one login: for a level, or without one. */
async function again(
  parts: FederatedParts,
  link: ChainLink,
  visit: PortalRequest,
  { flow: { returnTo }, ...terms }: { readonly flow: Flow; readonly level?: Level } & Required<Pick<Flow, 'asked'>>,
): Promise<void> {
  const browser = parts.browsers.recognise(headOf(visit.request));
  const failed = await depart(parts, link, visit, { returnTo, ...terms, browser, chosen: true, restarts: 0 });
  if (failed) fail(parts, link, visit, failed, { returnTo, confirm: false });
}

/** Nobody came back who was meant to. Where a session was to be raised, its user's own factors may do that. */
async function endFlow(
  parts: FederatedParts,
  link: ChainLink,
  visit: PortalRequest,
  result: ChainResult,
  flow: Flow,
): Promise<void> {
  const { outcome } = result;
  const { returnTo, demand } = flow;
  if (!demand) return fail(parts, link, visit, result, aimOf(flow));
  const reason: Reason = 'reason' in outcome ? outcome.reason : 'protocol-error';
  parts.signIn.record('failed', visit.context, { chain: result, provider: link.name, reason });
  const session = await parts.authenticator.visitor(headOf(visit.request), visit.context.target);
  if (!session) return fail(parts, link, visit, result, { returnTo, confirm: false });
  const isAway = outcome.kind === 'unavailable';
  await stepUpHere(parts, visit, { session, demand, returnTo }, { reason: isAway ? reason : 'level-too-low', isAway });
}

/** Back to the login page, which says in the user's words what went wrong; the audit has the reason. */
function fail(
  parts: FederatedParts,
  link: ChainLink,
  visit: PortalRequest,
  result: ChainResult,
  { returnTo, confirm }: Aim,
): void {
  const { request, response, context } = visit;
  const { outcome } = result;
  const reason: Reason =
    'reason' in outcome ? outcome.reason : outcome.kind === 'unknown-user' ? 'unknown-user' : 'protocol-error';
  const toForm = { method: 'form', return: returnTo, ...(confirm && { confirm: '1' }) };
  // A silent try at which the identity provider knew nobody: no failure, and nothing to tell the user.
  if (reason === 'login-required') {
    redirect(request, response, `/_gate/login?${new URLSearchParams(toForm)}`);
    return;
  }
  parts.signIn.record('failed', context, { chain: result, provider: link.name, reason });
  if (isOfNoTenant(reason)) {
    refuseVisit(parts, visit, 'ACCESS_DENIED', reason, 'the tenant cannot be told');
    return;
  }
  const notice =
    outcome.kind === 'unavailable' ? 'unavailable' : notAdmitted.has(reason) ? 'not-admitted' : 'method-failed';
  redirect(request, response, `/_gate/login?${new URLSearchParams({ ...toForm, notice })}`);
}
