/** What was done to the users file by a command, told to the audit of the gateway that runs: the file itself asks nobody. */
import { type Request, type Response, Router } from 'express';
import type { Audit } from '../telemetry/audit.ts';
import { actorOf } from './actor.ts';

/** What writes it down. */
export interface UserRouteParts {
  readonly audit: Pick<Audit, 'record'>;
}

const counts = ['added', 'changed', 'disabled'] as const;
const maxFile = 256;

/** The routes under `/users`. */
export function userRoutes({ audit }: UserRouteParts): Router {
  const router = Router();
  router.post('/imported', (request: Request, response: Response) => {
    const { file } = request.query;
    const told = counts.map((name) => ({ name, count: request.query[name] }));
    const isGood = told.every(({ count }) => typeof count === 'string' && /^\d{1,9}$/.test(count));
    if (!isGood || typeof file !== 'string' || file === '' || file.length > maxFile) {
      const message = 'Say what was imported: ?file=NAME&added=N&changed=N&disabled=N.';
      response.status(400).json({ error: 'bad-request', message });
      return;
    }
    const detail = `${told.map(({ name, count }) => `${count} ${name}`).join(', ')}; from ${file}`;
    audit.record({ event: 'users-import', outcome: 'succeeded', detail, ...actorOf(response) });
    response.json({ recorded: true });
  });
  return router;
}
