/** The operator's view of second factors: what an account has set up, its reset, its release, and codes to hand out. */
import { type Request, type Response, Router } from 'express';
import { type Account, accountNamed } from '../core/account.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { AccountFactors, FactorDesk } from '../factors/desk.ts';
import type { Audit } from '../telemetry/audit.ts';
import { type Actor, actorOf } from './actor.ts';
import { moveRoutes } from './factor-move.ts';
import type { SessionRouteParts } from './session-routes.ts';

/** The factors of the configuration of the moment, and what else a reset ends. */
export interface FactorRouteParts extends Pick<SessionRouteParts, 'namesMeant'> {
  readonly factors: () => Pick<
    FactorDesk,
    | 'show'
    | 'remove'
    | 'reset'
    | 'unlock'
    | 'issue'
    | 'issueCode'
    | 'forgetBrowsers'
    | 'acceptLoss'
    | 'move'
    | 'accounts'
    | 'keyHosts'
  >;
  /** How passes are made that an operator hands out. */
  readonly passTerms: () => { readonly valid: number; readonly uses: number; readonly enrols: boolean };
  readonly sessions: SessionRouteParts['sessions'];
  /** Tells the owner of an account of a change, where an address is known. */
  readonly tellOwner: (account: Account, change: 'reset' | 'removed') => Promise<void>;
  readonly audit: Pick<Audit, 'record'>;
}

/** The routes under `/factors`. */
export function factorRoutes(parts: FactorRouteParts): Router {
  const { factors, passTerms, sessions, tellOwner, audit } = parts;
  const router = Router();
  const record = (
    response: Response,
    event: 'factor-reset' | 'unenrol' | 'unlock' | 'pass',
    account: Account,
    more: { readonly outcome?: 'failed'; readonly detail?: string } = {},
  ): void =>
    audit.record({
      event,
      outcome: more.outcome ?? 'succeeded',
      user: account.subject,
      tenant: account.tenant,
      ...(more.detail !== undefined && { detail: more.detail }),
      ...actorOf(response),
    });

  router.get('/', async (request: Request, response: Response) => {
    const account = await accountIn(parts, request, response);
    if (!account) return;
    response.json({ ...account, ...shown(await factors().show(account)) });
  });

  router.delete('/', async (request: Request, response: Response) => {
    const account = await accountIn(parts, request, response);
    if (!account) return;
    const { id } = request.query;
    if (id !== undefined) {
      if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id))
        return refuse(response, 400, 'bad-request', 'Give id once, as GET /factors lists it.');
      const removed = await factors().remove(account, id);
      if (removed === 'absent')
        return refuse(response, 404, 'no-enrolment', `${account.subject} has no enrolment of this id.`);
      record(response, 'unenrol', account, { detail: id });
      await tellOwner(account, 'removed');
      response.json({ removed: 1 });
      return;
    }
    // Before the rest: a login that is under way must not set anything up behind it.
    await sessions().cuts.cut(account.subject);
    const removed = await factors().reset(account);
    // Before its sessions end: they know the address.
    await tellOwner(account, 'reset');
    const ended = await endSessions(account, actorOf(response));
    record(response, 'factor-reset', account, { detail: `${removed} enrolments, ${ended} sessions` });
    response.json({ removed, ended });
  });

  router.post('/unlock', async (request: Request, response: Response) => {
    const account = await accountIn(parts, request, response);
    if (!account) return;
    const unlocked = await factors().unlock(account);
    record(response, 'unlock', account, unlocked ? {} : { outcome: 'failed', detail: 'nothing was counted' });
    response.json({ unlocked });
  });

  router.post('/pass', async (request: Request, response: Response) => {
    const account = await accountIn(parts, request, response);
    if (!account) return;
    const terms = passTerms();
    const code = await factors().issue(account, { ...terms, issuer: actorOf(response).actor ?? 'operator' });
    record(response, 'pass', account);
    response.json({ code, uses: terms.uses, validSeconds: Math.floor(terms.valid / 1000) });
  });

  moveRoutes(router, parts);

  router.post('/accept-loss', async (_request: Request, response: Response) => {
    const accepted = await factors().acceptLoss();
    const outcome = accepted ? 'succeeded' : 'failed';
    audit.record({
      event: 'accept-loss',
      outcome,
      ...(!accepted && { detail: 'nothing was lost' }),
      ...actorOf(response),
    });
    response.json({ accepted });
  });

  router.post('/code', async (request: Request, response: Response) => {
    const account = await accountIn(parts, request, response);
    if (!account) return;
    const made = await factors().issueCode(account, actorOf(response).actor ?? 'operator');
    const detail = 'an enrolment code';
    if (made.kind === 'has-factors') {
      record(response, 'pass', account, { outcome: 'failed', detail });
      const hint = 'Make a pass, or reset the account where nothing of it is left.';
      return refuse(response, 409, 'has-factors', `${account.subject} has set up a second factor already. ${hint}`);
    }
    record(response, 'pass', account, { detail });
    response.json({ code: made.code, uses: 1, validSeconds: Math.floor(made.valid / 1000) });
  });

  /** Those of the account alone: a name may be of several tenants. */
  async function endSessions({ subject, tenant }: Account, by: Actor): Promise<number> {
    let ended = 0;
    const found = await Array.fromAsync(sessions().list({ user: subject }));
    for (const session of found)
      if (session.tenant === tenant && (await sessions().revoke(session.id, 'factor-reset', by))) ended += 1;
    return ended;
  }

  return router;
}

/** The address that forgets browsers. */
export function knownRoutes(parts: FactorRouteParts): Router {
  const { factors, audit } = parts;
  const router = Router();
  router.delete('/', async (request: Request, response: Response) => {
    const account = await accountIn(parts, request, response);
    if (!account) return;
    const forgotten = await factors().forgetBrowsers(account);
    audit.record({
      ...{ event: 'remember', outcome: 'succeeded', user: account.subject, tenant: account.tenant },
      ...{ detail: `${forgotten} forgotten`, ...actorOf(response) },
    });
    response.json({ forgotten });
  });
  return router;
}

/**
 * Whose factors; undefined where the request does not say, which has been answered then. An operator may write a name with a domain as
 * its user types it: of the names that are meant it is the one of which anything is known.
 */
async function accountIn(
  parts: Pick<FactorRouteParts, 'factors' | 'sessions' | 'namesMeant'>,
  { query }: Request,
  response: Response,
): Promise<Account | undefined> {
  const { user, tenant } = query;
  const isGood = typeof user === 'string' && (tenant === undefined || (typeof tenant === 'string' && tenant !== ''));
  if (!isGood || canonicalUsername(user) === '') {
    refuse(response, 400, 'bad-request', 'Say whose factors: ?user=NAME, and &tenant=T where there are tenants.');
    return undefined;
  }
  const meant = parts.namesMeant(user).map((name) => accountNamed(name, tenant as string | undefined));
  for (const account of meant.slice(0, -1)) if (await isKnown(parts, account)) return account;
  return meant.at(-1);
}

async function isKnown(
  { factors, sessions }: Pick<FactorRouteParts, 'factors' | 'sessions'>,
  account: Account,
): Promise<boolean> {
  // What cannot be read is there all the same.
  const shown = await factors()
    .show(account)
    .catch(() => undefined);
  if (!shown || shown.enrolments.length > 0 || shown.pass || shown.lock.kind === 'locked') return true;
  const own = await Array.fromAsync(sessions().list({ user: account.subject }));
  return own.some(({ tenant }) => tenant === account.tenant);
}

function shown({ enrolments, lock, pass, browsers }: AccountFactors): object {
  const time = (at: number) => new Date(at).toISOString();
  return {
    enrolments: enrolments.map(({ createdAt, lastUsedAt, type, ...enrolment }) => ({
      ...enrolment,
      ...(type === undefined ? { unconfigured: true } : { type }),
      createdAt: time(createdAt),
      ...(lastUsedAt !== undefined && { lastUsedAt: time(lastUsedAt) }),
    })),
    locked: lock.kind === 'locked',
    ...(lock.kind === 'locked' &&
      lock.retryAfter !== undefined && { lockedSeconds: Math.ceil(lock.retryAfter / 1000) }),
    browsers: browsers.map(({ since, until, lastUsedAt, address, userAgent }) => ({
      ...{ since: time(since), until: time(until), address, userAgent },
      ...(lastUsedAt !== undefined && { lastUsedAt: time(lastUsedAt) }),
    })),
    ...(pass && { pass: { issuer: pass.issuer, uses: pass.uses, until: time(pass.until) } }),
  };
}

function refuse(response: Response, status: number, error: string, message: string): void {
  response.status(status).json({ error, message });
}
