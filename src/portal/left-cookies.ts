/** What somebody else has left of applications in the browser of a login, and what takes it away. */
import { ownerOf, type Session } from '../core/session.ts';
import type { PortalParts, PortalRequest } from './context.ts';

/** `Set-Cookie` lines for the answer to a login: none where the same user was the last one here. */
export function leftCookies(
  { browsers, cookies }: Pick<PortalParts, 'browsers' | 'cookies'>,
  { headers, context }: Pick<PortalRequest, 'headers' | 'context'>,
  session: Session,
): readonly string[] {
  return browsers.isAnothers(headers, ownerOf(session)) ? cookies.expirations(context.target.host) : [];
}
