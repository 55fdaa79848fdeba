/** The ways to an identity provider and back. */
import type { Outcome } from '../../core/outcome.ts';
import type { Reason } from '../../core/reason.ts';
import { attemptOne, type ChainLink, type ChainResult } from '../../providers/chain.ts';
import { safeReturnTo } from '../../routing/return-to.ts';
import { sessionCookie } from '../../sessions/cookie.ts';
import { redirect } from '../answers.ts';
import type { Flow } from './flows.ts';
import { lastMethodCookie } from './last-method.ts';
import { findLink, type PortalParts, type PortalRoutes, queryValue, refuseVisit, type Visit } from './visit.ts';

/** Adds the addresses of federated providers. */
export const federatedRoutes: PortalRoutes = (app, parts, on) => {
  const named = (handler: (link: ChainLink, visit: Visit) => Promise<void>) =>
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

async function start(parts: PortalParts, link: ChainLink, visit: Visit): Promise<void> {
  const { request, response, context } = visit;
  const returnTo = safeReturnTo(queryValue(request, 'return'), parts.publicUrl);
  const browser = parts.browsers.recognise(request.headers);
  const restarts = Number(/^[1-9]$/.exec(queryValue(request, 'again') ?? '')?.[0] ?? 0);
  if (parts.flows.isCircle(restarts) || (await parts.flows.isLooping(browser.id)))
    return showLoop(parts, visit, returnTo);
  const session =
    queryValue(request, 'confirm') === '1' ? await parts.identification.visitor(request.headers.cookie) : undefined;
  const aim: Aim = { returnTo, confirm: session !== undefined };
  const flow = parts.flows.newId(restarts);
  const attempt = parts.signIn.attempt(
    'start',
    { method: 'GET', rawHeaders: request.rawHeaders, signal: context.signal },
    context.client,
    request.url,
  );
  const chosen = queryValue(request, 'chosen') === '1';
  const terms = { flow, chosen, ...(session && { fresh: true }) };
  const result = await attemptOne(link, { ...attempt, ...terms }, parts.log);
  const { outcome } = result;
  if (outcome.kind !== 'continue' || outcome.offer.via !== 'redirect') return fail(parts, link, visit, result, aim);
  const { state, offer } = outcome;
  await parts.flows.begin(browser.id, flow, {
    provider: link.name,
    returnTo,
    state,
    ...(session && { confirming: session.id }),
  });
  redirect(request, response, offer.url.href, browser.cookie ? { 'set-cookie': browser.cookie } : {});
}

async function comeBack(parts: PortalParts, link: ChainLink, visit: Visit): Promise<void> {
  const { request, response, context } = visit;
  const query = new URL(request.url, parts.publicUrl).searchParams;
  const names = [...query.keys()];
  if (new Set(names).size !== names.length)
    return refuseVisit(parts, visit, 'BAD_REQUEST', 'ambiguous-target', 'a parameter of the callback stands twice');
  const browser = parts.browsers.find(request.headers);
  const id = query.get('state') ?? query.get('flow') ?? undefined;
  const flow = await parts.flows.take(browser, id);
  if (!flow || flow.provider !== link.name) {
    parts.signIn.record('failed', context, {
      provider: link.name,
      reason: browser === undefined ? 'flow-foreign' : 'flow-expired',
    });
    const again = parts.flows.restartsOf(id) + 1;
    return redirect(request, response, `/_gate/start/${encodeURIComponent(link.name)}?again=${again}`);
  }
  const plain = { method: 'GET', rawHeaders: request.rawHeaders, signal: context.signal };
  const attempt = parts.signIn.attempt('callback', plain, context.client, context.target.path + context.target.query);
  const result = await attemptOne(link, { ...attempt, state: flow.state }, parts.log);
  const { outcome } = result;
  if (outcome.kind !== 'authenticated') return fail(parts, link, visit, result, aimOf(flow));
  await finish(parts, link, visit, { outcome, result, flow, browser });
}

async function finish(
  parts: PortalParts,
  link: ChainLink,
  visit: Visit,
  done: {
    outcome: Extract<Outcome, { kind: 'authenticated' }>;
    result: ChainResult;
    flow: Flow;
    browser: string | undefined;
  },
): Promise<void> {
  const { request, response, context } = visit;
  const { outcome, result, flow, browser } = done;
  const denied = await parts.signIn.refuse(outcome, link.name, context.signal);
  if (denied) return fail(parts, link, visit, { ...result, outcome: denied }, aimOf(flow));
  const token = parts.identification.tokenIn(request.headers.cookie);
  const begun = flow.confirming
    ? await parts.signIn.confirm(flow.confirming, outcome, link.name, { ...context, chain: result })
    : await parts.signIn.establish(outcome, link.name, {
        ...context,
        chain: result,
        ...(token && { replaces: token }),
        ...(browser !== undefined && { browser: parts.browsers.handle(browser) }),
      });
  if (!begun) {
    const other: Outcome = { kind: 'rejected', reason: 'login-denied' };
    return fail(parts, link, visit, { ...result, outcome: other }, aimOf(flow));
  }
  if (browser !== undefined) await parts.flows.settle(browser);
  const cookies = [sessionCookie(parts.publicUrl, begun.token), lastMethodCookie(parts.publicUrl, link.name)];
  redirect(request, response, flow.returnTo, { 'set-cookie': cookies });
}

/** Back to the login page, which says in the user's words what went wrong; the audit has the reason. */
function fail(
  parts: PortalParts,
  link: ChainLink,
  visit: Visit,
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
  const notice =
    outcome.kind === 'unavailable' ? 'unavailable' : notAdmitted.has(reason) ? 'not-admitted' : 'method-failed';
  redirect(request, response, `/_gate/login?${new URLSearchParams({ ...toForm, notice })}`);
}

function showLoop(parts: PortalParts, visit: Visit, returnTo: string): void {
  const { request, response, context } = visit;
  parts.signIn.record('failed', context, { reason: 'flow-loop' });
  const again = new URLSearchParams({ return: returnTo });
  const view = {
    kind: 'loop',
    requestId: context.requestId,
    retryHref: `/_gate/login?${again}`,
    formHref: `/_gate/login?${new URLSearchParams({ method: 'form', return: returnTo })}`,
  } as const;
  parts.pages.send(request, response, 508, view);
}
