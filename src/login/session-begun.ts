/** A session that has begun, in whichever way. */
import type { Session } from '../core/session.ts';

/** The session, and the cookie's value. */
export interface SessionBegun {
  readonly session: Session;
  readonly token: string;
}
