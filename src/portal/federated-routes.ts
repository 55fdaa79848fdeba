/** The ways to an identity provider and back. */

import type { Request } from 'express';
import type { Outcome } from '../core/outcome.ts';
import { isOfNoTenant, type Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import type { Browsers } from '../login/browser.ts';
import type { FlowState } from '../login/flow-state.ts';
import type { Flow } from '../login/flows.ts';
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
import { lastMethodCookie } from './last-method.ts';
import { countArrival, endLoop, type LoopParts, showLoop } from './redirect-loop.ts';
import { redirect } from './send-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

type FederatedParts = LoopParts & StepParts & Pick<PortalParts, 'log' | 'flows' | 'flowStates' | 'steps'>;

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

/** Who leaves for an identity provider, and what for. */
interface Departure {
  readonly wish: StartWish;
  /** The session whose user proves who they are once more. */
  readonly confirming: Session | undefined;
  readonly browser: ReturnType<Browsers['recognise']>;
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
  await redirectToProvider(parts, link, visit, { wish, confirming, browser });
}

/** Sends the browser to the identity provider. */
async function redirectToProvider(
  parts: FederatedParts,
  link: ChainLink,
  visit: PortalRequest,
  { wish, confirming, browser }: Departure,
): Promise<void> {
  const { request, response, context } = visit;
  const { returnTo, chosen, restarts } = wish;
  const { id, name } = parts.flowStates.make(browser.id, returnTo, restarts);
  const plain = { headers: headOf(request), signal: context.signal };
  const attempt = parts.signIn.attempt('start', plain, context.client, request.url);
  const terms = { flow: name, chosen, ...(confirming && { fresh: true }) };
  const result = await attemptOne(link, { ...attempt, ...terms }, parts.log);
  const { outcome } = result;
  if (outcome.kind !== 'continue' || outcome.offer.via !== 'redirect')
    return fail(parts, link, visit, result, { returnTo, confirm: confirming !== undefined });
  const { state, offer } = outcome;
  const flow = { provider: link.name, returnTo, state, ...(confirming && { confirming: confirming.id }) };
  await parts.flows.begin(browser.id, id, flow, context.client.address);
  redirect(request, response, offer.url.href, browser.cookie ? { 'set-cookie': browser.cookie } : {});
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
  if (outcome.kind !== 'authenticated') return fail(parts, link, visit, result, aimOf(flow));
  await finish(parts, link, visit, { outcome, result, flow, browser });
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
  if (denied) return fail(parts, link, visit, { ...result, outcome: denied }, aimOf(flow));
  if (browser !== undefined && !flow.confirming) await parts.flows.forgetRedirects(browser);
  const more = [lastMethodCookie(parts.publicUrl, link.name), countArrival(parts, visit)];
  if (!flow.confirming) {
    const first = { vouched: parts.signIn.vouched(outcome, link.name), chain: result, isPosted: false };
    const step = await parts.steps.begin({ ...first, returnTo: flow.returnTo }, stepContext(parts, visit));
    return answerStep(parts, visit, step, { cookies: more });
  }
  const begun = await parts.signIn.confirm(flow.confirming, outcome, link.name, { ...context, chain: result });
  if (!begun) {
    const other: Outcome = { kind: 'rejected', reason: 'login-denied' };
    return fail(parts, link, visit, { ...result, outcome: other }, aimOf(flow));
  }
  if (browser !== undefined) await parts.flows.forgetRedirects(browser);
  return answerStep(parts, visit, { kind: 'begun', ...begun, returnTo: flow.returnTo, cookies: [] }, { cookies: more });
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
