/** Whose decisions may be kept: those of a session that its own cookie names, and for which nothing is to be done first. */
import type { HeaderLines } from '../../core/request-head.ts';
import type { Forward } from '../../core/verdict.ts';
import type { RequestAuthenticator } from '../../login/authenticate-request.ts';
import { idOf } from '../../sessions/cookie.ts';

/** Whether the session is the one whose very token stands in the lines, and nothing waits for its next request. */
export function isOwnSession(
  headers: HeaderLines,
  { session, credential }: Pick<Forward, 'session' | 'credential'>,
  authenticator: Pick<RequestAuthenticator, 'tokenIn'>,
): boolean {
  if (!session || credential || session.offline || session.mustRotate) return false;
  const token = authenticator.tokenIn(headers);
  return token !== undefined && idOf(token) === session.id;
}
