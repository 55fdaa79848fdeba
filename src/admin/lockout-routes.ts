/** The operator's word that a user may try again: forgets the failures that have locked the name. */
import { type Request, type Response, Router } from 'express';
import type { Log } from '../core/log.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Audit } from '../telemetry/audit.ts';
import { actorOf } from './actor.ts';

/** The lock-out, and where its lifting is recorded. */
export interface LockoutRouteParts {
  /** Forgets the failures of a user, whichever directory knows the name. */
  readonly unlock: (username: string) => Promise<void>;
  readonly audit: Pick<Audit, 'record'>;
  readonly log: Log;
}

/** The route `DELETE /lockouts?user=NAME`. An address earns its limit anew by itself. */
export function lockoutRoutes({ unlock, audit, log }: LockoutRouteParts): Router {
  const router = Router();
  router.delete('/', async (request: Request, response: Response) => {
    const { user } = request.query;
    const username = typeof user === 'string' ? canonicalUsername(user) : '';
    if (username === '') {
      response.status(400).json({ error: 'bad-request', message: 'Say who may try again: ?user=NAME.' });
      return;
    }
    await unlock(username);
    const by = actorOf(response);
    audit.record({ event: 'unlock', outcome: 'succeeded', user: username, ...by });
    log.info({ user: username, ...by }, 'a user was unlocked by the operator');
    response.json({ unlocked: username });
  });
  return router;
}
