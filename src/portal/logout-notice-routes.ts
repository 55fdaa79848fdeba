/** An identity provider's own word that a session is over: CAS single logout, OIDC back-channel and front-channel logout. */
import type { LogoutNotice, LogoutRequest } from '../core/provider.ts';
import type { ChainLink } from '../providers/chain.ts';
import {
  type FormFields,
  findLink,
  type PortalParts,
  type PortalRequest,
  type PortalRoutes,
  readForm,
  refuseVisit,
} from './context.ts';

/** What notices take. */
type NoticeParts = Pick<PortalParts, 'log' | 'publicUrl' | 'pages' | 'signIn' | 'sessions'>;

/** Adds the addresses of logout notices. */
export const noticeRoutes: PortalRoutes<NoticeParts> = (app, parts, on) => {
  const take = (channel: LogoutRequest['channel']) =>
    on(async (visit) => {
      const link = findLink(parts, visit);
      if (link) await takeNotice(parts, link, channel, visit);
    });
  app.post('/_gate/callback/:provider', take('callback'));
  app.post('/_gate/backchannel/:provider', take('back-channel'));
  app.get('/_gate/frontchannel/:provider', take('front-channel'));
};

async function takeNotice(
  parts: NoticeParts,
  link: ChainLink,
  channel: LogoutRequest['channel'],
  visit: PortalRequest,
): Promise<void> {
  const { request, response, context } = visit;
  const names = [...new URL(request.url, parts.publicUrl).searchParams.keys()];
  if (new Set(names).size !== names.length)
    return refuseVisit(parts, visit, 'BAD_REQUEST', 'ambiguous-target', 'a parameter of the notice stands twice');
  const form = request.method === 'POST' ? await readForm(parts, visit) : new Map<string, string>();
  if (!form) return;
  const notice = await readNotice(parts, link, channel, visit, form);
  if (notice.kind !== 'end') {
    const detail = notice.kind === 'rejected' ? notice.detail : 'not a logout notice';
    parts.log.warn({ request: context.requestId, provider: link.name, channel, detail }, 'a logout notice was refused');
    return refuseVisit(
      parts,
      visit,
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
  parts: NoticeParts,
  { provider }: ChainLink,
  channel: LogoutRequest['channel'],
  { request, context }: PortalRequest,
  form: FormFields,
): Promise<LogoutNotice> {
  const url = new URL(context.target.path + context.target.query, parts.publicUrl);
  const fields = request.method === 'POST' ? { form: new URLSearchParams([...form]) } : {};
  return (await provider.readLogout?.({ channel, url, signal: context.signal, ...fields })) ?? { kind: 'not-a-notice' };
}
