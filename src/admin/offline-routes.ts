/** The operator's word that a password of before an outage counts no more. */
import { type Request, type Response, Router } from 'express';
import { canonicalUsername } from '../core/principal.ts';
import { actorOf } from './actor.ts';
import type { SessionRouteParts } from './session-routes.ts';

/** The routes under `/offline`. */
export function offlineRoutes({
  namesMeant,
  forgetOffline,
  audit,
  log,
}: Pick<SessionRouteParts, 'namesMeant' | 'forgetOffline' | 'audit' | 'log'>): Router {
  const router = Router();
  router.delete('/', async (request: Request, response: Response) => {
    const { user: asked } = request.query;
    const user = typeof asked === 'string' ? canonicalUsername(asked) : '';
    if (user === '')
      return void response
        .status(400)
        .json({ error: 'bad-request', message: 'Say whose password to forget: ?user=NAME.' });
    let forgotten = 0;
    for (const name of namesMeant(user)) forgotten += await forgetOffline(name);
    const by = actorOf(response);
    const outcome = forgotten > 0 ? 'succeeded' : 'failed';
    audit.record({ event: 'offline-forget', outcome, user, ...by });
    log.info({ user, forgotten, ...by }, 'offline verifiers were forgotten at the wish of the operator');
    response.json({ forgotten });
  });
  return router;
}
