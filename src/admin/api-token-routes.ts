/** API tokens for operators: made, listed, ended. A token is in the answer that makes it, and nowhere else. */
import express, { type Request, type Response, Router } from 'express';
import type { Log } from '../core/log.ts';
import { apiSubject } from '../core/principal.ts';
import type { Secret } from '../core/secret.ts';
import type { Audit } from '../telemetry/audit.ts';
import { networkText } from '../users/api-token-record.ts';
import type { ListedToken } from '../users/api-tokens.ts';
import { actorOf } from './actor.ts';

/** What a request for a token came to; `gateway/token-issuer.ts` fits. */
type IssueAnswer =
  | {
      readonly kind: 'issued';
      readonly id: string;
      readonly text: Secret;
      readonly token: { readonly name: string; readonly until?: number };
    }
  | { readonly kind: 'refused' | 'unavailable'; readonly message: string };

/** The tokens of the configuration of the moment, and where what happens to them is recorded. */
export interface ApiTokenRouteParts {
  readonly apiTokens: {
    issue(request: unknown, by: string): Promise<IssueAnswer>;
    list(): AsyncIterable<ListedToken>;
    revoke(name: string): Promise<number>;
  };
  readonly audit: Pick<Audit, 'record'>;
  readonly log: Log;
}

const maxBody = '16kb';

/** The routes under `/api-tokens`. */
export function apiTokenRoutes({ apiTokens, audit, log }: ApiTokenRouteParts): Router {
  const router = Router();
  const note = (response: Response, event: 'api-token' | 'api-token-end', name: string, detail: string): void => {
    const by = actorOf(response);
    const reason = event === 'api-token-end' ? { reason: 'token-revoked' as const } : {};
    audit.record({ event, outcome: 'succeeded', ...reason, user: apiSubject(name), detail, ...by });
    log.info({ name, detail, ...by }, event === 'api-token' ? 'an API token was made' : 'an API token was revoked');
  };

  router.get('/', async (_request: Request, response: Response) => {
    const tokens: object[] = [];
    for await (const token of apiTokens.list()) tokens.push(shown(token));
    response.json({ tokens });
  });

  router.post('/', express.json({ limit: maxBody }), async (request: Request, response: Response) => {
    const issued = await apiTokens.issue(request.body ?? {}, actorOf(response).actor ?? 'unknown');
    if (issued.kind !== 'issued') {
      const [status, error] = issued.kind === 'refused' ? [400, 'bad-request'] : [503, 'unavailable'];
      return void response.status(Number(status)).json({ error, message: issued.message });
    }
    const { id, token, text } = issued;
    note(response, 'api-token', token.name, `made, id ${id}`);
    response.status(201).json({ ...plain(token), id, token: text.reveal() });
  });

  router.delete('/:name', async (request: Request, response: Response) => {
    const name = String(request.params.name);
    const ended = await apiTokens.revoke(name);
    if (ended === 0)
      return void response.status(404).json({ error: 'no-token', message: 'There is no API token of this name.' });
    note(response, 'api-token-end', name, `revoked, ${ended} in all`);
    response.json({ ended });
  });

  return router;
}

function shown({ token, isExpired, isLost, lastUse }: ListedToken): object {
  const { id, name, user, roles, routes, networks, until, createdAt, by } = token;
  return {
    name,
    id,
    ...(user && { user: user.subject, provider: user.provider }),
    ...(roles && { roles }),
    ...(routes && { routes }),
    ...(networks && { networks: networks.map(networkText) }),
    ...(until !== undefined && { until: new Date(until).toISOString() }),
    createdAt: new Date(createdAt).toISOString(),
    ...(by && { by }),
    ...(lastUse && { lastUse: { at: new Date(lastUse.at).toISOString(), address: lastUse.address } }),
    ...(isExpired && { expired: true }),
    ...(isLost && { lost: true }),
  };
}

function plain<T extends { readonly until?: number }>({ until, ...rest }: T): object {
  return { ...rest, ...(until !== undefined && { until: new Date(until).toISOString() }) };
}
