/** The operator's view of sessions: list them, end them. Shows ids, never tokens. */
import { type Request, type Response, Router } from 'express';
import type { Log } from '../core/log.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import { canonicalUsername } from '../core/principal.ts';
import { provedAt } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { Audit } from '../telemetry/audit.ts';
import { type Actor, actorOf } from './actor.ts';

/** The sessions as the admin listener needs them; `sessions/sessions.ts` fits. */
interface AdminSessions {
  list(filter: { readonly user?: string }): AsyncIterable<Session>;
  revoke(id: string, reason: Reason, by: Actor): Promise<boolean>;
  revokeUser(username: string, reason: Reason, by: Actor): Promise<number>;
  /** What of a user is remembered, or under way, beside sessions. */
  readonly cuts: { cut(username: string): Promise<void> };
}

/** Sessions and their live connections, and where an end of them is recorded. */
export interface SessionRouteParts {
  /** The sessions of the configuration of the moment. */
  readonly sessions: () => AdminSessions;
  /** How many connections are live on each of some sessions. */
  readonly liveConnections: (sessions: readonly string[]) => MaybePromise<readonly number[]>;
  /** The names of which a user's may be one, as operators give it: `CORP\\alice` is `alice` where the domain is listed. */
  readonly namesMeant: (username: string) => readonly string[];
  /** Forgets a name's password of before an outage; at how many providers there was one. */
  readonly forgetOffline: (username: string) => Promise<number>;
  readonly audit: Pick<Audit, 'record'>;
  readonly log: Log;
}

const defaultLimit = 100;
const maxListed = 1000;

/** The routes under `/sessions`. */
export function sessionRoutes({
  sessions,
  liveConnections,
  namesMeant,
  forgetOffline,
  audit,
  log,
}: SessionRouteParts): Router {
  const router = Router();
  const recordEnd = (response: Response, ended: { session?: string; user?: string; detail?: string }): void => {
    const by = actorOf(response);
    audit.record({ event: 'revoke', outcome: 'succeeded', reason: 'revoked', ...ended, ...by });
    log.info({ ...ended, ...by }, 'sessions were ended by the operator');
  };

  router.get('/', async (request: Request, response: Response) => {
    const user = single(request.query.user);
    const limit = single(request.query.limit) ?? String(defaultLimit);
    if (user === null || limit === null || !/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > maxListed)
      return void refuse(response, `Give user once, and limit from 1 to ${maxListed}.`);
    const found: Session[] = [];
    let isMore = false;
    const names = user === undefined ? [undefined] : namesMeant(user);
    for (const name of names)
      for await (const session of sessions().list(name === undefined ? {} : { user: name })) {
        isMore = found.length === Number(limit);
        if (isMore) break;
        found.push(session);
      }
    const live = await liveConnections(found.map(({ id }) => id));
    response.json({ sessions: found.map((session, index) => shown(session, live[index] ?? 0)), more: isMore });
  });

  router.delete('/', async (request: Request, response: Response) => {
    const user = single(request.query.user);
    if (user === undefined || user === null || canonicalUsername(user) === '')
      return void refuse(response, 'Say whose sessions to end: ?user=NAME.');
    let ended = 0;
    for (const name of namesMeant(user)) {
      // Before the sessions: none must begin behind them by what is forgotten.
      await forgetOffline(name);
      ended += await sessions().revokeUser(name, 'revoked', actorOf(response));
    }
    recordEnd(response, { user: canonicalUsername(user), detail: `${ended} sessions` });
    response.json({ ended });
  });

  router.delete('/:id', async (request: Request, response: Response) => {
    const id = String(request.params.id);
    const hasEnded = /^[\w.~-]{1,200}$/.test(id) && (await sessions().revoke(id, 'revoked', actorOf(response)));
    if (!hasEnded)
      return void response.status(404).json({ error: 'no-session', message: 'There is no live session of this id.' });
    recordEnd(response, { session: id });
    response.json({ ended: 1 });
  });

  return router;
}

function shown(session: Session, live: number): Readonly<Record<string, unknown>> {
  const { id, tenant, assertion, provider, createdAt, lastSeenAt, proofs, expiresAt, client } = session;
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
  return {
    id,
    tenant,
    user: assertion.subject,
    realm: assertion.realm,
    provider,
    createdAt: time(createdAt),
    lastSeenAt: time(lastSeenAt),
    provedAt: time(provedAt(proofs)),
    proofs: proofs.map(({ step, by, realm, amr, acr, at }) => ({
      step,
      by,
      realm,
      amr,
      ...(acr && { acr }),
      at: time(at),
    })),
    expiresAt: time(expiresAt),
    address: client.address,
    userAgent: client.userAgent,
    connections: live,
  };
}

/** A parameter that must not stand twice: null then, for of two readings neither is right. */
function single(value: unknown): string | undefined | null {
  return value === undefined || typeof value === 'string' ? value : null;
}

function refuse(response: Response, message: string): void {
  response.status(400).json({ error: 'bad-request', message });
}
