/** The user of a session has proved once more who they are: the session goes on under a new token. */
import type { Outcome } from '../core/outcome.ts';
import { isSameOwner, ownerOf } from '../core/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Principals } from './principals.ts';
import type { SessionBegun } from './session-begun.ts';

/** How often a session may have gone on under another id while its user typed. */
const maxRotations = 20;

/**
 * Proves a session, wherever its rotations have taken it meanwhile: of a form that was sent twice the browser takes the last
 * answer, which must not say that the password was wrong. Undefined when it was somebody else, or the session has ended.
 */
export async function proveSession(
  session: string,
  outcome: Extract<Outcome, { kind: 'authenticated' }>,
  provider: string,
  { principals, sessions }: { readonly principals: Principals; readonly sessions: Sessions },
): Promise<SessionBegun | undefined> {
  let id = session;
  for (let turn = 0; turn < maxRotations; turn++) {
    const found = await sessions.alive(id);
    if (found.kind === 'live') {
      const { tenant } = found.session;
      if (!principals.isOfTenant({ ...outcome, provider, tenant })) return undefined;
      const vouched = principals.vouched(outcome, provider, tenant);
      if (!isSameOwner(ownerOf(found.session), ownerOf(vouched))) return undefined;
      const proved = await sessions.prove(found.session, vouched);
      if (proved.kind === 'live') {
        const { session, token } = proved;
        return token === undefined ? undefined : { session, token };
      }
    } else if (found.kind === 'ended' && found.next !== undefined) id = found.next;
    else return undefined;
  }
  return undefined;
}
