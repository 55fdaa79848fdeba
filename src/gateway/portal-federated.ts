/** The ways to an identity provider and back, and the identity provider's own word that a session is over. */
import type { Request, Response } from 'express';
import { GatewayError } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';
import type { LogoutNotice, LogoutRequest } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import { attemptOne, type ChainLink, type ChainResult } from '../providers/chain.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import { redirect } from './answers.ts';
import type { Flow } from './flows.ts';
import { lastMethodCookie } from './last-method.ts';
import {
  type FormFields,
  type PortalContext,
  type PortalParts,
  type PortalRoutes,
  queryValue,
  readForm,
} from './portal.ts';

/** Adds the addresses of federated providers. */
export const federatedRoutes: PortalRoutes = (app, parts, on) => {
  const named = (
    handler: (link: ChainLink, request: Request, response: Response, context: PortalContext) => Promise<void>,
  ) =>
    on(async (request, response, context) => {
      const link = parts.signIn.chain.find(({ name }) => name === request.params.provider);
      if (link) return handler(link, request, response, context);
      refuse(parts, request, response, context, 'NOT_FOUND', 'no-route', 'no provider of that name is in the chain');
    });
  app.get(
    '/_gate/start/:provider',
    named((link, request, response, context) => start(parts, link, request, response, context)),
  );
  app.get(
    '/_gate/callback/:provider',
    named((link, request, response, context) => comeBack(parts, link, request, response, context)),
  );
  app.post(
    '/_gate/callback/:provider',
    named((link, request, response, context) => takeNotice(parts, link, 'callback', request, response, context)),
  );
  app.post(
    '/_gate/backchannel/:provider',
    named((link, request, response, context) => takeNotice(parts, link, 'back-channel', request, response, context)),
  );
  app.get(
    '/_gate/frontchannel/:provider',
    named((link, request, response, context) => takeNotice(parts, link, 'front-channel', request, response, context)),
  );
};

async function start(
  parts: PortalParts,
  link: ChainLink,
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<void> {
  const returnTo = safeReturnTo(queryValue(request, 'return'), parts.publicUrl);
  const browser = parts.browsers.recognise(request.headers);
  if (await parts.flows.isLooping(browser.id)) return showLoop(parts, request, response, context, returnTo);
  const session =
    queryValue(request, 'confirm') === '1' ? await parts.identification.visitor(request.headers.cookie) : undefined;
  const flow = parts.flows.newId();
  const attempt = parts.signIn.attempt(
    'start',
    { method: 'GET', rawHeaders: request.rawHeaders, signal: context.signal },
    context.client,
    request.url,
  );
  const result = await attemptOne(link, { ...attempt, flow, ...(session && { fresh: true }) }, parts.log);
  const { outcome } = result;
  if (outcome.kind !== 'continue' || outcome.offer.via !== 'redirect')
    return fail(parts, link, request, response, context, result, returnTo);
  const { state, offer } = outcome;
  await parts.flows.begin(browser.id, flow, {
    provider: link.name,
    returnTo,
    state,
    ...(session && { confirming: session.id }),
  });
  redirect(request, response, offer.url.href, browser.cookie ? { 'set-cookie': browser.cookie } : {});
}

async function comeBack(
  parts: PortalParts,
  link: ChainLink,
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<void> {
  const query = new URL(request.url, parts.publicUrl).searchParams;
  const names = [...query.keys()];
  if (new Set(names).size !== names.length)
    return refuse(
      parts,
      request,
      response,
      context,
      'BAD_REQUEST',
      'ambiguous-target',
      'a parameter of the callback stands twice',
    );
  const browser = parts.browsers.find(request.headers);
  const flow = await parts.flows.take(browser, query.get('state') ?? query.get('flow') ?? undefined);
  if (!flow || flow.provider !== link.name) {
    parts.signIn.record('failed', context, {
      provider: link.name,
      reason: browser === undefined ? 'flow-foreign' : 'flow-expired',
    });
    return redirect(request, response, `/_gate/start/${encodeURIComponent(link.name)}`);
  }
  const plain = { method: 'GET', rawHeaders: request.rawHeaders, signal: context.signal };
  const attempt = parts.signIn.attempt('callback', plain, context.client, context.target.path + context.target.query);
  const result = await attemptOne(link, { ...attempt, state: flow.state }, parts.log);
  const { outcome } = result;
  if (outcome.kind !== 'authenticated') return fail(parts, link, request, response, context, result, flow.returnTo);
  await finish(parts, link, request, response, context, { outcome, result, flow, browser });
}

async function finish(
  parts: PortalParts,
  link: ChainLink,
  request: Request,
  response: Response,
  context: PortalContext,
  done: {
    outcome: Extract<Outcome, { kind: 'authenticated' }>;
    result: ChainResult;
    flow: Flow;
    browser: string | undefined;
  },
): Promise<void> {
  const { outcome, result, flow, browser } = done;
  const denied = await parts.signIn.refuse(outcome, link.name, context.signal);
  if (denied) return fail(parts, link, request, response, context, { ...result, outcome: denied }, flow.returnTo);
  const token = parts.identification.tokenIn(request.headers.cookie);
  const begun = flow.confirming
    ? await parts.signIn.confirm(flow.confirming, outcome, link.name, { ...context, chain: result })
    : await parts.signIn.establish(outcome, link.name, {
        ...context,
        chain: result,
        ...(token && { replaces: token }),
      });
  if (!begun) {
    const other: Outcome = { kind: 'rejected', reason: 'login-denied' };
    return fail(parts, link, request, response, context, { ...result, outcome: other }, flow.returnTo);
  }
  if (browser !== undefined) await parts.flows.settle(browser);
  const cookies = [sessionCookie(parts.publicUrl, begun.token), lastMethodCookie(parts.publicUrl, link.name)];
  redirect(request, response, flow.returnTo, { 'set-cookie': cookies });
}

/** Back to the login page, which says in the user's words what went wrong; the audit has the reason. */
function fail(
  parts: PortalParts,
  link: ChainLink,
  request: Request,
  response: Response,
  context: PortalContext,
  result: ChainResult,
  returnTo: string,
): void {
  const { outcome } = result;
  const reason: Reason =
    'reason' in outcome ? outcome.reason : outcome.kind === 'unknown-user' ? 'unknown-user' : 'protocol-error';
  parts.signIn.record('failed', context, { chain: result, provider: link.name, reason });
  const notice =
    outcome.kind === 'unavailable'
      ? 'unavailable'
      : reason === 'not-in-directory' || reason === 'unknown-user'
        ? 'not-admitted'
        : 'method-failed';
  redirect(request, response, `/_gate/login?${new URLSearchParams({ method: 'form', notice, return: returnTo })}`);
}

async function takeNotice(
  parts: PortalParts,
  link: ChainLink,
  channel: LogoutRequest['channel'],
  request: Request,
  response: Response,
  context: PortalContext,
): Promise<void> {
  const form =
    request.method === 'POST' ? await readForm(parts, request, response, context) : new Map<string, string>();
  if (!form) return;
  const notice = await readNotice(link, channel, request, form, parts, context);
  if (notice.kind !== 'end') {
    const detail = notice.kind === 'rejected' ? notice.detail : 'not a logout notice';
    parts.log.warn({ request: context.requestId, provider: link.name, channel, detail }, 'a logout notice was refused');
    return refuse(
      parts,
      request,
      response,
      context,
      'BAD_REQUEST',
      notice.kind === 'rejected' ? notice.reason : 'protocol-error',
      detail,
    );
  }
  let ended = 0;
  for (const handle of notice.handles) ended += await parts.sessions.revokeHandle(link.name, handle, notice.reason);
  parts.log.info({ request: context.requestId, provider: link.name, channel, ended }, 'a logout notice ended sessions');
  response.setHeader('cache-control', 'no-store');
  response.status(200).end();
}

async function readNotice(
  { provider }: ChainLink,
  channel: LogoutRequest['channel'],
  request: Request,
  form: FormFields,
  parts: PortalParts,
  context: PortalContext,
): Promise<LogoutNotice> {
  const url = new URL(context.target.path + context.target.query, parts.publicUrl);
  const fields = request.method === 'POST' ? { form: new URLSearchParams([...form]) } : {};
  return (await provider.readLogout?.({ channel, url, signal: context.signal, ...fields })) ?? { kind: 'not-a-notice' };
}

function showLoop(
  parts: PortalParts,
  request: Request,
  response: Response,
  context: PortalContext,
  returnTo: string,
): void {
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

function refuse(
  parts: PortalParts,
  request: Request,
  response: Response,
  { requestId }: PortalContext,
  code: 'BAD_REQUEST' | 'NOT_FOUND',
  reason: Reason,
  detail: string,
): void {
  parts.pages.sendError(request, response, { error: new GatewayError(code, detail), reason, requestId });
}
