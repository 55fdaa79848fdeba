/** The session that a step-up raises: where its rotations have taken it, and whether the browser that goes on with it still has it. */
import type { Session } from '../core/session.ts';
import type { Sessions } from '../sessions/sessions.ts';

/** How often a session may have gone on under another id while its user typed. */
const maxRotations = 20;

/** The session of an id as it is by now; undefined where it has ended. */
export async function sessionNow(sessions: Pick<Sessions, 'alive'>, id: string): Promise<Session | undefined> {
  let next: string | undefined = id;
  for (let turn = 0; turn < maxRotations && next !== undefined; turn++) {
    const found = await sessions.alive(next);
    if (found.kind === 'live') return found.session;
    next = found.kind === 'ended' ? found.next : undefined;
  }
  return undefined;
}

/** The same, where `token` is its cookie: nobody goes on with what somebody else began at this browser, or before signing out. */
export async function ownSession(
  sessions: Pick<Sessions, 'alive' | 'load'>,
  id: string,
  token: string | undefined,
): Promise<Session | undefined> {
  const own = token === undefined ? undefined : await sessions.load(token);
  const session = own?.kind === 'live' ? await sessionNow(sessions, id) : undefined;
  return own?.kind === 'live' && session?.id === own.session.id ? session : undefined;
}
