/** Sessions of tests that are not about how one signs in. */
import type { Session } from '../../../src/core/session.ts';
import { Admitted } from '../../../src/sessions/admitted.ts';
import type { Sessions } from '../../../src/sessions/sessions.ts';
import type { Vouched } from '../../../src/sessions/stored-session.ts';

/** Whose session it is to be, and from where. */
export interface TestSession extends Vouched {
  readonly client: Session['client'];
  readonly replaces?: string;
}

/** Begins one for somebody whom nobody has asked anything. */
export function beginSession(
  sessions: Pick<Sessions, 'create'>,
  { client, replaces, ...vouched }: TestSession,
): ReturnType<Sessions['create']> {
  return sessions.create({ admitted: new Admitted(vouched), client, ...(replaces && { replaces }) });
}
