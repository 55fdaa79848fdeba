/** Where somebody chooses the language of the pages in this browser, whatever it asks for by itself. */
import { languagePath } from '../pages/layout.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { type PortalParts, type PortalRequest, type PortalRoutes, queryValue } from './context.ts';
import { languageCookie } from './language-choice.ts';
import { redirect } from './send-page.ts';

/** Adds the address that takes a choice and leads back. It changes no more than words, so that a link may do it. */
export const languageRoutes: PortalRoutes<Pick<PortalParts, 'publicUrl' | 'origins'>> = (app, parts, on) => {
  app.get(
    languagePath,
    on((visit) => {
      const { request, response } = visit;
      const cookie = languageCookie(parts.publicUrl, queryValue(request, 'to'));
      redirect(request, response, backFrom(parts, visit), cookie ? { 'set-cookie': cookie } : {});
    }),
  );
};

/** The page that was left: the login by where it leads, since the answer to its form has an address that says less. */
function backFrom({ publicUrl, origins }: Pick<PortalParts, 'publicUrl' | 'origins'>, visit: PortalRequest): string {
  const login = queryValue(visit.request, 'login');
  if (login !== undefined) return `/_gate/login?${new URLSearchParams({ return: safeReturnTo(login, publicUrl) })}`;
  const referer = visit.headers.single('referer');
  const page = referer !== undefined && URL.canParse(referer) ? new URL(referer) : undefined;
  const isOurs = page !== undefined && page.origin === origins.of(visit.context.target);
  // With its origin: a path that begins with two slashes would lead elsewhere.
  return isOurs && page.pathname !== languagePath ? page.origin + page.pathname + page.search : '/';
}
