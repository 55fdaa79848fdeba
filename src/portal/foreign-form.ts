/**
 * A login form that is not of this browser: its page is too old, or was opened under another name of the site, or no cookie came
 * along. Beginning again helps with the first alone, so the user and the audit are told which it is.
 */
import { canonicalUsername } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import { headOf } from '../edge/head-of.ts';
import type { Notice } from '../pages/fields.ts';
import type { PortalParts, PortalRequest } from './context.ts';

/** Writes into the audit why a form counts for nothing, and gives what the page says of it. */
export function noteForeignForm(
  { publicUrl, browsers, signIn }: Pick<PortalParts, 'publicUrl' | 'browsers' | 'signIn'>,
  { request, context }: PortalRequest,
  username: string,
): Notice['code'] {
  // A form that another site sent is no login of this user.
  if (!/^(?:same-origin|none)?$/.test(headOf(request).single('sec-fetch-site') ?? '')) {
    if (context.told) context.told.reason = 'origin-mismatch';
    return 'flow-expired';
  }
  const hasCookie = browsers.find(headOf(request)) !== undefined;
  const known: Reason = hasCookie ? 'flow-expired' : 'cookie-missing';
  const reason = context.target.host === publicUrl.hostname ? known : 'host-unknown';
  signIn.record('failed', context, { user: canonicalUsername(username), reason });
  if (context.told) context.told.reason = reason;
  return reason === 'flow-expired' ? 'flow-expired' : 'cookie-missing';
}
