/** The start page: the applications that somebody may open, as tiles for people and as JSON for programs. */
import { addresses } from './addresses.ts';
import type { PortalParts, PortalRequest, PortalRoutes } from './context.ts';
import { isNavigation, redirect, sendJson } from './send-page.ts';

const here = '/_gate/';
/** The name of the start page in the return of a login, where no folder of ours may stand. */
const homeAddress = '/_gate/home';

type StartParts = Pick<PortalParts, 'pages' | 'signIn' | 'authenticator' | 'applications'>;

/** Adds the address. */
export const startRoutes: PortalRoutes<StartParts> = (app, parts, on) => {
  app.get(
    here,
    on((visit) => show(parts, visit)),
  );
  for (const way of ['/_gate', homeAddress])
    app.get(
      way,
      on(({ request, response }) => redirect(request, response, here)),
    );
};

async function show({ pages, signIn, authenticator, applications }: StartParts, visit: PortalRequest): Promise<void> {
  const { request, response, context, headers } = visit;
  const session = await authenticator.visitor(headers, context.target);
  const isPage = isNavigation(headers);
  if (!session) {
    const login = `/_gate/login?${new URLSearchParams({ return: homeAddress })}`;
    if (isPage) return redirect(request, response, login);
    return sendJson(request, response, 401, { error: 'login-required', login });
  }
  const principal = signIn.principal(session);
  const tiles = applications({ principal, session, client: context.client });
  const [name] = principal.attributes.name ?? [];
  if (!isPage) {
    const list = tiles.map(({ label, icon, group, href }) => ({ label, icon, group, href }));
    return sendJson(request, response, 200, { user: principal.subject, name, applications: list });
  }
  const view = {
    kind: 'start',
    username: principal.subject,
    name,
    tiles,
    sessionsHref: '/_gate/session',
    logoutHref: '/_gate/logout',
    ...('/_gate/account' in addresses && { accountHref: '/_gate/account' }),
  } as const;
  pages.send(request, response, 200, view, { 'x-request-id': context.requestId });
}
